"""Computes one gradient of the heat problem in a process of its own, for a watcher of its memory.

``python -m revolve_ad.cli.one_gradient CELLS MEMORY`` prints one line of JSON.
"""

import json
import sys
import time

import numpy as np

import revolve_ad as ra
from revolve_ad.cli.shipped import example

__all__ = ["main"]


def main(cells: int, memory: str) -> None:
    """Compute a gradient with `cells` × `cells` cells under a budget."""
    heat = example("02_heat_conductivity")

    start, faces = heat.start(cells), heat.faces(np.ones((cells, cells)))
    sim = heat.simulation(memory=memory)

    def energy(conductances: tuple[np.ndarray, np.ndarray]) -> float:
        half: float = 0.5 * np.sum(sim(start, conductances).observed ** 2)
        return half

    # The plan runs one step, so that what is imported and compiled is there before the watch.
    sim.plan(start, faces)
    time.sleep(0.3)
    began = time.time()
    ra.grad(energy)(faces)
    ended = time.time()
    report = sim.report
    time.sleep(0.2)
    print(
        json.dumps(
            {
                "began": began,
                "ended": ended,
                "peak_bytes": report.peak_bytes,
                "recomputation": report.recomputation,
                "seconds": report.seconds,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

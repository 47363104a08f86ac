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

    def gradient(n: int, memory: str) -> ra.Report:
        sim = heat.simulation(memory=memory)

        def energy(kappa: np.ndarray) -> float:
            run = sim(heat.start(n), heat.faces(kappa))
            return float_of(run.observed)

        ra.grad(energy)(np.ones((n, n)))
        report: ra.Report = sim.report
        return report

    # A small one first, so that imports and code are in memory before the watch begins.
    gradient(8, "1 MB")
    time.sleep(0.3)
    began = time.time()
    report = gradient(cells, memory)
    ended = time.time()
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


def float_of(observed: np.ndarray) -> float:
    """Return half the sum of squares of the observations."""
    half: float = 0.5 * np.sum(observed**2)
    return half


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

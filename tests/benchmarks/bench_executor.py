"""What the executor costs for each executed step, beside the step itself.

Run ``python -m tests.benchmarks.bench_executor``; it prints measured / allowed for each case.
"""

import statistics
from time import thread_time
from typing import Any

import numpy as np

from revolve_ad.ad.derivatives import value_and_grad
from revolve_ad.schedule import binomial
from revolve_ad.simulation import Simulation, step

__all__ = ["ALLOWED_SECONDS", "main", "measure"]

ALLOWED_SECONDS = 3e-6
"""Overhead allowed for an executed step, plain or recorded, with checks off."""


@step
def trivial(u: Any, p: Any, k: int) -> Any:
    """Return a copy of the state."""
    return u.copy()


@trivial.vjp
def trivial_vjp(u: Any, p: Any, k: int, cotangent: Any) -> Any:
    """Return the cotangent as it is; no gradient of the params."""
    return cotangent, None


def measure(n_steps: int, repeats: int = 15, **options: Any) -> float:
    """Return the median overhead in seconds of an executed step.

    The time of the user's own functions, called as often in a bare loop, is subtracted.
    """
    simulation = Simulation(trivial, steps=n_steps, replay_check="off", **options)
    start = np.array([1.0, 2.0])
    gradient = value_and_grad(lambda u: np.sum(simulation(u).state))
    gradient(start)
    report = simulation.report
    assert report is not None
    function, vjp = trivial.function, trivial_vjp
    overheads = []
    for _ in range(repeats):
        began = thread_time()
        u = start
        for k in range(report.advanced):
            u = function(u, None, k)
        for k in range(report.recorded):
            vjp(u, None, k, u)
        own = thread_time() - began
        began = thread_time()
        gradient(start)
        overheads.append((thread_time() - began - own) / report.executed)
    return statistics.median(overheads)


def main() -> dict[str, float]:
    """Return measured / allowed for each case; at most 1 is wanted."""
    cases: dict[str, dict[str, Any]] = {
        "2 kB": {"memory": "2 kB"},
        "40 kB": {"memory": "40 kB"},
        "everything fits": {"memory": "1 MB"},
        "10 checkpoints": {"schedule": lambda n: binomial(n, 10)},
        "100 checkpoints": {"schedule": lambda n: binomial(n, 100)},
        "1000 checkpoints": {"schedule": lambda n: binomial(n, 1000)},
    }
    return {name: measure(10_000, **case) / ALLOWED_SECONDS for name, case in cases.items()}


if __name__ == "__main__":
    for case, ratio in main().items():
        print(
            f"{case:<34} {ratio * ALLOWED_SECONDS * 1e6:6.2f} µs  {ratio:5.2f} of what is allowed"
        )

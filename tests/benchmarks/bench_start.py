"""What a first gradient costs: with an empty cache of compiled code, and in later processes.

Run ``python -m tests.benchmarks.bench_start``, with ``--problems P4,cavity:121`` or others: a
problem, or one of the programs in `tests.programs` with a size, and a number of inner iterations,
such as ``channel:64:3``.  Every process is a new one; its CPU seconds count from the start of
Python, the import of NumPy included, to the end of the first gradient, less those of a later
gradient.  Python's bytecode is kept, as it is of an installed library.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import revolve_ad as ra
from tests.benchmarks.contestants import BUDGETS
from tests.benchmarks.ours import gradient
from tests.benchmarks.problems import NAMES, make
from tests.programs import load

__all__ = ["ALLOWED_SECONDS", "main", "measure"]

ALLOWED_SECONDS = {"P4": (6.0, 1.0), "cavity:121": (20.0, 1.0), "channel:64:3": (None, 1.0)}
"""What the first process and later ones may take; None: nothing is asked."""

_STEPS = 20
"""Of a program."""


def measure(problem: str, later: int = 5) -> tuple[float, list[float]]:
    """Return the CPU seconds of the first process and those of later ones."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "REVOLVE_AD_CACHE": os.path.join(folder, "code"),
            "PYTHONPYCACHEPREFIX": os.path.join(folder, "bytecode"),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        without_code = {**environment, "REVOLVE_AD_CACHE": ""}

        def seconds(environment: dict[str, str]) -> float:
            command = [sys.executable, "-m", __spec__.name, "--one", problem]
            done = subprocess.run(command, env=environment, check=True, capture_output=True)
            return float(done.stdout)

        seconds(without_code)  # writes the bytecode
        return seconds(environment), [seconds(environment) for _ in range(later)]


def _gradient(name: str) -> Callable[[], Any]:
    """Return what takes the gradient of a problem, or of a program of so many cells."""
    if name in NAMES:
        return gradient(make(name), native=True, memory=BUDGETS[name])
    program, size, *sweeps = name.split(":")
    module = load(program)
    if sweeps:
        module.SWEEPS = int(*sweeps)
    state, params = module.make(int(size), np.random.default_rng(0))
    simulation = ra.Simulation(module.step, steps=_STEPS, native=True)

    def objective(*params: Any) -> Any:
        return sum(np.sum(leaf**2) for leaf in simulation(state, params).state)

    value_and_grad = ra.value_and_grad(objective, argnums=tuple(range(len(params))))
    return lambda: value_and_grad(*params)


def _one(problem: str) -> float:
    run = _gradient(problem)
    run()
    first = time.process_time()
    again = []
    for _ in range(3):
        began = time.process_time()
        run()
        again.append(time.process_time() - began)
    return first - statistics.median(again)


def main() -> None:
    """Print a line a problem, or the seconds of one process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--problems",
        default=",".join(ALLOWED_SECONDS),
        help=f"of {', '.join(NAMES)}, or program:size:iterations",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(_one(options.one))
        return
    for problem in options.problems.split(","):
        first, later = measure(problem)
        limits = [x for x in ALLOWED_SECONDS.get(problem, ()) if x is not None]
        allowed = f"  (at most {' s and '.join(f'{x:.0f}' for x in limits)} s)" if limits else ""
        print(
            f"{problem}: first process {first:.2f} s, later ones {min(later):.2f} to "
            f"{max(later):.2f} s{allowed}"
        )


if __name__ == "__main__":
    main()

"""Gradients of an ensemble, one after the other and by two threads: what they share shows here.

Run ``python -m tests.benchmarks.bench_ensemble``.  Compiled code leaves Python's interpreter to the
other thread, so that on two cores an ensemble takes half of the time, but for the memory that both
read and write and for what Python does between.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tests.benchmarks import ours
from tests.benchmarks.contestants import BUDGETS
from tests.benchmarks.problems import make

__all__ = ["main", "members"]

THREADS = 2


def members(name: str, n: int, own: bool) -> list[Callable[[], Any]]:
    """Return `n` gradients of a problem, of a simulation each or of one for all."""

    def member() -> Callable[[], Any]:
        return ours.gradient(make(name), native=True, memory=BUDGETS[name])

    return [member() for _ in range(n)] if own else [member()] * n


def race(gradients: Sequence[Callable[[], Any]], repeats: int) -> tuple[float, float]:
    """Return the median seconds of all, one after the other and by two threads, in turns."""
    alone, together = [], []
    with ThreadPoolExecutor(THREADS) as pool:
        reference = [gradient() for gradient in gradients]
        for _ in range(repeats):
            began = time.perf_counter()
            for gradient in gradients:
                gradient()
            alone.append(time.perf_counter() - began)
            began = time.perf_counter()
            found = list(pool.map(lambda gradient: gradient(), gradients))
            together.append(time.perf_counter() - began)
            if not all(np.array_equal(x[1], y[1]) for x, y in zip(found, reference, strict=True)):
                raise AssertionError("two threads gave other bits than one")
    return statistics.median(alone), statistics.median(together)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each problem and way."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_ensemble")
    parser.add_argument("--problems", default="P3,P4", help="such as P3,P4")
    parser.add_argument("--members", type=int, default=4, help="how many gradients")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    options = parser.parse_args(arguments)
    for name in options.problems.split(","):
        for own in (True, False):
            gradients = members(name, options.members, own)
            alone, together = race(gradients, options.repeats)
            print(
                f"{name}  {'a simulation each' if own else 'one simulation':18} "
                f"{1e3 * alone:8.1f} ms, two threads {1e3 * together:8.1f} ms, "
                f"{alone / together:.2f} times faster",
                flush=True,
            )


if __name__ == "__main__":
    main()

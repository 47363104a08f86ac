"""The NumPy interpreter beside adjoints written by hand in NumPy: time and memory of a gradient.

Run ``python -m tests.benchmarks.bench_interpreter`` (or with names of problems, such as
``P4 P5``, and ``--steps 1000``, as many as the problems have); it prints ours / by hand for each
problem and number of checkpoints.  Both run the same
schedule in one process, in turn; times are CPU seconds of the thread, memory is what NumPy and
Python allocate from before the gradient is built until it has run twice.
"""

import argparse
import gc
import statistics
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np

from tests.benchmarks import by_hand_numpy, ours
from tests.benchmarks.problems import make

__all__ = ["ALLOWED", "Found", "compare", "main"]

ALLOWED = 1.5
"""Time by hand that the interpreter may take, on P4 and P5."""

STEPS = {"P1": 500, "P2": 300, "P3": 600, "P4": 200, "P5": 80}
"""Fewer than the problems have: what happens once a gradient weighs more here than there."""

CHECKPOINTS = (30, 0)  # 0 stores every state
WARM_UP = {"P1": 2, "P2": 40, "P3": 50, "P4": 24, "P5": 48}


@dataclass(frozen=True, slots=True)
class Found:
    """One comparison.

    Attributes
    ----------
    problem : str
        Such as ``"P4"``.
    checkpoints : int
        How many; 0 stores every state.
    seconds, by_hand_seconds : float
        Medians of CPU seconds of a gradient.
    ratio : float
        The median of the ratios of runs that followed each other.
    nbytes, by_hand_nbytes : int
        Peaks of allocated bytes.
    """

    problem: str
    checkpoints: int
    seconds: float
    by_hand_seconds: float
    ratio: float
    nbytes: int
    by_hand_nbytes: int


def contestants(
    name: str, checkpoints: int, steps: int, size: int | None = None
) -> tuple[Callable[[], Callable[[], Any]], Callable[[], Callable[[], Any]]]:
    """Return what builds the gradient by hand, and ours."""
    problem = make(name, steps=steps) if size is None else make(name, steps=steps, size=size)
    return (
        lambda: by_hand_numpy.gradient(problem, checkpoints or None),
        lambda: ours.gradient(problem, native=False, checkpoints=checkpoints),
    )


def peak(build: Callable[[], Callable[[], Any]]) -> int:
    """Return the largest number of bytes that building a gradient and two runs of it allocate."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run = build()
        run()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def compare(name: str, checkpoints: int, steps: int, repeats: int = 7) -> Found:
    """Measure one problem with one number of checkpoints; 0 stores every state."""
    for build in contestants(name, min(checkpoints, 2), 5, WARM_UP[name]):
        build()()  # what the process does once: imports, caches
    by_hand, own = contestants(name, checkpoints, steps)
    bytes_by_hand, bytes_own = peak(by_hand), peak(own)
    hand, run = by_hand(), own()
    expected, found = hand()[1], run()[1]
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)
    hand()
    run()
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        began = thread_time()
        hand()
        between = thread_time()
        run()
        times.append((between - began, thread_time() - between))
    return Found(
        name,
        checkpoints,
        statistics.median(b for _, b in times),
        statistics.median(a for a, _ in times),
        statistics.median(b / a for a, b in times),
        bytes_own,
        bytes_by_hand,
    )


def main(
    names: Sequence[str] = ("P4", "P5"), repeats: int = 7, steps: int | None = None
) -> list[Found]:
    """Return ours and by hand for each problem and number of checkpoints."""
    return [compare(name, s, steps or STEPS[name], repeats) for name in names for s in CHECKPOINTS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["P4", "P5"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    for found in main(given.names, given.repeats, given.steps):
        which = f"s = {found.checkpoints}" if found.checkpoints else "store all"
        print(
            f"{found.problem} {which:<10} by hand {found.by_hand_seconds * 1e3:8.1f} ms "
            f"{found.by_hand_nbytes / 1e6:7.1f} MB   ours {found.seconds * 1e3:8.1f} ms "
            f"{found.nbytes / 1e6:7.1f} MB   time {found.ratio:5.2f} of {ALLOWED} allowed, "
            f"memory {found.nbytes / found.by_hand_nbytes:5.2f}",
            flush=True,
        )

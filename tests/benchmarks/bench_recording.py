"""What recording costs for each operation, and gradients of small functions beside autograd's.

Run ``python -m tests.benchmarks.bench_recording``; with autograd installed it races that too.
"""

import statistics
from collections.abc import Callable
from importlib.util import find_spec
from time import thread_time
from typing import Any

import numpy as np

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace

__all__ = ["ALLOWED_SECONDS", "main", "seconds_an_operation"]

ALLOWED_SECONDS = 5e-6
"""Overhead allowed for a recorded operation."""


def elementwise(x: Any) -> Any:
    """Do 120 operations on whole arrays."""
    y = x
    for _ in range(20):
        y = np.sin(y) * x + np.cos(-y) * 0.5 - y
    return y


def in_place(x: Any) -> Any:
    """Do 60 updates of the array in place."""
    for _ in range(20):
        x += x * 0.5
        x *= 0.5
        x -= 0.25
    return x


def slices(x: Any) -> Any:
    """Do 40 slice updates, each of them several operations."""
    for _ in range(20):
        x[1:-1] += x[2:] * 0.25
        x[0] = x[1]
    return x


def median(f: Callable[[], Any], repeats: int = 41) -> float:
    """Return the median CPU seconds of a call."""
    f()
    taken = []
    for _ in range(repeats):
        began = thread_time()
        f()
        taken.append(thread_time() - began)
    return statistics.median(taken)


def seconds_an_operation(f: Callable[[Any], Any], x: np.ndarray) -> float:
    """Return what recording adds to a run of `f`, for each node of its tape."""
    n = len(trace(f, (x,)).tape.nodes)
    empty = median(lambda: trace(lambda u: u, (x,)))
    plain = median(lambda: f(x.copy()))
    return (median(lambda: trace(f, (x,))) - empty - plain) / n


def against_autograd(n: int) -> float:
    """Return autograd's time over ours for the gradient of a function of `n` numbers."""
    import autograd
    import autograd.numpy as anp

    def body(numpy: Any) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            y = x
            for _ in range(20):
                y = numpy.sin(y) * x + numpy.exp(-y * y) * 0.5
            return numpy.sum(y * y)

        return f

    x = np.linspace(0.0, 1.0, n)
    repeats = 21 if n < 10_000 else 5
    theirs, ours = autograd.value_and_grad(body(anp)), ra.value_and_grad(body(np))
    np.testing.assert_allclose(ours(x)[1], theirs(x)[1], rtol=1e-10)
    ours(x)
    return median(lambda: theirs(x), repeats) / median(lambda: ours(x), repeats)


def main() -> None:
    """Print the table."""
    x = np.linspace(0.0, 1.0, 16)
    for f in (elementwise, in_place, slices):
        cost = seconds_an_operation(f, x)
        share = cost / ALLOWED_SECONDS
        print(f"{f.__name__:12} {cost * 1e6:6.2f} µs a node   {share:5.2f} of what is allowed")
    if find_spec("autograd") is None:
        return
    for n in (10, 100, 1000, 200_000):
        print(f"gradient of {n:>7,} numbers: autograd takes {against_autograd(n):.2f} of our time")


if __name__ == "__main__":
    main()

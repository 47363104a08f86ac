"""Gradients beside autograd's, of the same functions, from a few bytes to megabytes.

Run ``python -m tests.benchmarks.bench_autograd`` where autograd is installed; it prints how many
times faster each gradient is.  The functions write nothing in place, which autograd can't do.  All
run in turn in one process: autograd, ours of an object that calls the function, which is recorded
afresh at every call, and ours of the function itself.  Of that ``ra.value_and_grad`` knows all that
it reads, and runs its tape again where the arrays are small.

Of a gradient of `network` with large matrices most is the time of its fifteen products, which both
leave to the same BLAS, and of `waves` that of its sines, cosines and exponentials, which NumPy
computes for both.  What these alone take, into memory that is there, is raced as a third:
autograd's time by that is what nobody who calls the same functions can exceed.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from importlib import import_module
from time import thread_time
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

import revolve_ad as ra

__all__ = ["ALONE", "CASES", "Raced", "main", "race"]

SMALL_BYTES, LARGE_BYTES = 1_000, 1_000_000
WANTED = {"small": 2.0, "large": 1.5}
"""Times faster that gradients of arrays below and above these sizes shall be."""


xp: Any = np
"""NumPy, or autograd's: what the functions below compute with."""


def waves(x: Any) -> Any:
    """Do a chain of sines, exponentials and products."""
    y = x
    for _ in range(20):
        y = xp.sin(y) * x + xp.exp(-y * y) * 0.5
    return xp.sum(y * y)


def roots(x: Any) -> Any:
    """Do a chain of products and square roots, which cost less than the passes over memory."""
    y = x
    for _ in range(20):
        y = y * x + 0.5 * xp.sqrt(1.0 + y * y)
    return xp.sum(y * y)


def network(x: Any) -> Any:
    """Do products of square matrices with a nonlinearity between them."""
    n = math.isqrt(x.size)
    a = xp.reshape(x[: n * n], (n, n)) / n
    y = a
    for _ in range(5):
        y = xp.tanh(xp.dot(y, a) + a)
    return xp.sum(y)


def sums(x: Any) -> Any:
    """Do reductions and what broadcasts them again."""
    total = 0.0
    for k in range(10):
        y = x - xp.mean(x) * (k + 1.0)
        total = total + xp.sum(y * y) / xp.sqrt(1.0 + xp.sum(x * x))
    return total


def differences(x: Any) -> Any:
    """Do slices, as explicit steps of a partial differential equation without writes do."""
    u = x
    for _ in range(10):
        middle = u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        u = xp.concatenate((u[:1], middle, u[-1:]))
    return xp.sum(u * u)


def oscillator(x: Any) -> Any:
    """Do a loop over two numbers, where every operation is overhead."""
    a, b = x[0], x[1]
    for _ in range(50):
        a, b = a + 0.01 * b, b - 0.01 * xp.sin(a)
    return a * a + b * b


CASES: tuple[tuple[FunctionType, tuple[int, ...]], ...] = (
    (waves, (10, 100, 200_000)),
    (roots, (10, 100, 200_000)),
    (network, (100, 160_000)),
    (sums, (10, 100, 200_000)),
    (differences, (20, 100, 200_000)),
    (oscillator, (2,)),
)


def waves_alone(x: np.ndarray) -> Callable[[], None]:
    """Return what calls the sines, cosines and exponentials of a gradient of `waves`."""
    chain = [x]
    for _ in range(19):
        y = chain[-1]
        chain.append(np.sin(y) * x + np.exp(-y * y) * 0.5)
    powers = [-y * y for y in chain]
    out = np.empty_like(x)

    def call() -> None:
        for y, power in zip(chain, powers, strict=True):
            np.sin(y, out)
            np.exp(power, out)
            np.cos(y, out)

    return call


def network_alone(x: np.ndarray) -> Callable[[], None]:
    """Return what calls the products of a gradient of `network`."""
    n = math.isqrt(x.size)
    a = x[: n * n].reshape(n, n) / n
    b, out = np.tanh(a), np.empty((n, n))

    def call() -> None:
        for _ in range(5):
            np.dot(b, a, out)
            np.dot(b, a.T, out)
            np.dot(b.T, a, out)

    return call


ALONE: dict[str, Callable[[np.ndarray], Callable[[], None]]] = {
    "waves": waves_alone,
    "network": network_alone,
}
"""For functions of which a few dear operations take most of the time: what does these alone."""


class Unknown:
    """Calls a function, of which nobody can tell that it is the only thing it does."""

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f = f

    def __call__(self, x: Any) -> Any:
        """Return ``f(x)``."""
        return self.f(x)


def written_with(f: FunctionType, numpy: Any) -> Callable[[Any], Any]:
    """Return one of the functions as it would stand in a module that imports this NumPy."""
    return FunctionType(f.__code__, {**globals(), "xp": numpy}, f.__name__)


class Raced(NamedTuple):
    """One function of one size.

    Attributes
    ----------
    known_ratio : float
        How many times faster the gradient of the function itself is, where all it reads is known.
    alone_seconds, bound : float
        What the operations of `ALONE` take, and autograd's time by that; nan where there are none,
        and for small arrays, where calls take longer than what they do.
    """

    name: str
    size: int
    seconds: float
    autograd_seconds: float
    ratio: float
    known_ratio: float
    alone_seconds: float = math.nan
    bound: float = math.nan


def race(f: FunctionType, size: int, repeats: int) -> Raced:
    """Return medians of CPU seconds, and the median of the ratios of runs in a row."""
    autograd, anp = import_module("autograd"), import_module("autograd.numpy")
    theirs = autograd.value_and_grad(written_with(f, anp))
    known = ra.value_and_grad(written_with(f, np))
    own = ra.value_and_grad(Unknown(written_with(f, np)))
    x = np.linspace(0.1, 1.0, size)
    for _ in range(3):
        expected, found, again = theirs(x), own(x), known(x)
    np.testing.assert_array_equal(again[1], found[1])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-10)
    scale = np.max(np.abs(expected[1]))
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-8, atol=1e-10 * scale)
    has_bound = f.__name__ in ALONE and x.nbytes > LARGE_BYTES
    alone = ALONE[f.__name__](x) if has_bound else lambda: None
    times = []
    for _ in range(repeats):
        began = thread_time()
        theirs(x)
        second = thread_time()
        own(x)
        third = thread_time()
        known(x)
        fourth = thread_time()
        alone()
        last = thread_time()
        times.append((second - began, third - second, fourth - third, last - fourth))
    return Raced(
        f.__name__,
        size,
        statistics.median(b for _, b, _, _ in times),
        statistics.median(a for a, _, _, _ in times),
        statistics.median(a / b for a, b, _, _ in times),
        statistics.median(a / c for a, _, c, _ in times),
        statistics.median(d for _, _, _, d in times) if has_bound else math.nan,
        statistics.median(a / d for a, _, _, d in times) if has_bound else math.nan,
    )


def main(names: Sequence[str] = (), scale: float = 1.0) -> list[Raced]:
    """Race all functions, or those named; `scale` stretches the number of repeats."""
    return [
        race(f, size, max(3, round(scale * (7 if 8 * size > LARGE_BYTES else 41))))
        for f, sizes in CASES
        for size in sizes
        if not names or f.__name__ in names
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    for row in main(given.names, given.scale):
        nbytes = 8 * row.size
        wanted = WANTED["large" if nbytes > LARGE_BYTES else "small"]
        line = (
            f"{row.name:<12} {nbytes:>9,} bytes   autograd {row.autograd_seconds * 1e3:9.3f} ms   "
            f"ours {row.seconds * 1e3:9.3f} ms   {row.ratio:5.2f} times faster, "
            f"known {row.known_ratio:5.2f}, {wanted} wanted"
        )
        if not math.isnan(row.bound):
            alone = row.alone_seconds * 1e3
            line += f"; its dear calls alone take {alone:.1f} ms: {row.bound:.2f} at most"
        print(line, flush=True)

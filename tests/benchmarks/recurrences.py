"""Loops over single elements that can't be vectors: user's code, and both directions by hand.

``python -m tests.benchmarks.recurrences`` times the Numba code written by hand, and the library on
the user's loops, on a grid of 200² (``--size``).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = ["PROBLEMS", "Recurrence", "main"]

compiled = numba.njit(error_model="numpy")


def relax(u: Any, params: Any, k: Any) -> Any:
    """Make one Gauss–Seidel sweep over `u`, shape (n, n), with load and over-relaxation."""
    load, omega = params
    n, m = u.shape
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            mean = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + load[i, j])
            u[i, j] += omega * (mean - u[i, j])
    return u


@compiled
def _relax(u, load, omega, out):  # type: ignore[no-untyped-def]
    n, m = u.shape
    out[:, :] = u
    for i in range(n - 2):
        for j in range(m - 2):
            mean = 0.25 * (
                out[i, j + 1]
                + out[i + 2, j + 1]
                + out[i + 1, j]
                + out[i + 1, j + 2]
                + load[i + 1, j + 1]
            )
            out[i + 1, j + 1] += omega * (mean - out[i + 1, j + 1])


@compiled
def _relax_reverse(u, new, bar, omega, load_bar):  # type: ignore[no-untyped-def]
    # In place on `bar`, from the cotangent of `new` to that of `u`; returns that of omega.
    n, m = u.shape
    omega_bar = 0.0
    for row in range(n - 2):
        i = n - 2 - row
        for column in range(m - 2):
            j = m - 2 - column
            b = bar[i, j]
            part = 0.25 * omega * b
            bar[i, j] = (1 - omega) * b
            bar[i - 1, j] += part
            bar[i + 1, j] += part
            bar[i, j - 1] += part
            bar[i, j + 1] += part
            load_bar[i, j] += part
            # What the sweep has added, over omega, is what omega was multiplied by.
            omega_bar += b * (new[i, j] - u[i, j])
    return omega_bar / omega


def diffuse(u: Any, params: Any, k: Any) -> Any:
    """Solve (1 + a + c) u⁺ − a u⁺(above) − c u⁺(below) = u in each column of `u`, shape (n, m).

    `params` are a and c, each of shape (n,): Thomas's algorithm, an element at a time.
    """
    a, c = params
    n, m = u.shape
    factor = np.zeros(n)
    pivot = 1.0 + a[0] + c[0]
    factor[0] = c[0] / pivot
    for j in range(m):
        u[0, j] /= pivot
    for i in range(1, n):
        pivot = 1.0 + a[i] + c[i] - a[i] * factor[i - 1]
        factor[i] = c[i] / pivot
        for j in range(m):
            u[i, j] = (u[i, j] + a[i] * u[i - 1, j]) / pivot
    for i in range(n - 2, -1, -1):
        for j in range(m):
            u[i, j] += factor[i] * u[i + 1, j]
    return u


@compiled
def _diffuse(u, a, c, out, factor):  # type: ignore[no-untyped-def]
    n, m = u.shape
    pivot = 1.0 + a[0] + c[0]
    factor[0] = c[0] / pivot
    for j in range(m):
        out[0, j] = u[0, j] / pivot
    for i in range(n - 1):
        above = a[i + 1]
        pivot = 1.0 + above + c[i + 1] - above * factor[i]
        factor[i + 1] = c[i + 1] / pivot
        for j in range(m):
            out[i + 1, j] = (u[i + 1, j] + above * out[i, j]) / pivot
    for row in range(n - 1):
        i = n - 2 - row
        for j in range(m):
            out[i, j] += factor[i] * out[i + 1, j]


@compiled
def _diffuse_reverse(new, a, c, bar, factor, a_bar, c_bar):  # type: ignore[no-untyped-def]
    # In place on `bar`: the transposed system; then for A u⁺ = u, Ā = −ū (u⁺)ᵀ.
    n, m = new.shape
    pivot = 1.0 + a[0] + c[0]
    factor[0] = (a[1] if n > 1 else 0.0) / pivot
    for j in range(m):
        bar[0, j] /= pivot
    for i in range(n - 1):
        below = c[i]
        pivot = 1.0 + a[i + 1] + c[i + 1] - below * factor[i]
        factor[i + 1] = (a[i + 2] if i + 2 < n else 0.0) / pivot
        for j in range(m):
            bar[i + 1, j] = (bar[i + 1, j] + below * bar[i, j]) / pivot
    for row in range(n - 1):
        i = n - 2 - row
        for j in range(m):
            bar[i, j] += factor[i] * bar[i + 1, j]
    for i in range(n):
        upper = lower = 0.0
        for j in range(m):
            upper += bar[i, j] * ((new[i - 1, j] if i > 0 else 0.0) - new[i, j])
            lower += bar[i, j] * ((new[i + 1, j] if i + 1 < n else 0.0) - new[i, j])
        a_bar[i] += upper
        c_bar[i] += lower


class Recurrence:
    """One problem: the user's step, its arguments, and by hand ½ Σ u⁺² with its gradient."""

    def __init__(self, step: Callable[..., Any], size: int) -> None:
        rng = np.random.default_rng(7)
        self.step, self.state = step, rng.random((size, size))
        self.params = (
            (rng.random((size, size)), np.array(1.5))
            if step is relax
            else (rng.random(size), rng.random(size))
        )
        self.new, self.bar = np.zeros((size, size)), np.zeros((size, size))
        self.factor = np.zeros(size)
        self.bars = tuple(np.zeros_like(part) for part in self.params)

    def forward(self) -> float:
        """Run one step by hand."""
        if self.step is relax:
            _relax(self.state, self.params[0], float(self.params[1]), self.new)
        else:
            _diffuse(self.state, *self.params, self.new, self.factor)
        return 0.5 * float(np.vdot(self.new, self.new))

    def gradient(self) -> tuple[float, Any, Any]:
        """Return (value, gradient in the state, gradients in the params) by hand."""
        value = self.forward()
        self.bar[:] = self.new
        for part in self.bars:
            part[...] = 0.0
        if self.step is relax:
            omega = float(self.params[1])
            self.bars[1][...] = _relax_reverse(self.state, self.new, self.bar, omega, self.bars[0])
        else:
            _diffuse_reverse(self.new, *self.params, self.bar, self.factor, *self.bars)
        return value, self.bar, self.bars


PROBLEMS = {"Gauss–Seidel sweep": relax, "tridiagonal columns": diffuse}


def main(arguments: list[str] | None = None) -> None:
    """Print times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args(arguments)

    import revolve_ad as ra

    def milliseconds(run: Callable[[], Any], repeats: int) -> float:
        run()
        times = []
        for _ in range(repeats):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        return 1e3 * statistics.median(times)

    for name, step in PROBLEMS.items():
        problem = Recurrence(step, options.size)
        by_hand = milliseconds(problem.forward, 31), milliseconds(problem.gradient, 31)
        sim = ra.Simulation(step, steps=options.steps, native=True)

        def objective(state: Any, params: Any, sim: Any = sim) -> Any:
            return 0.5 * np.sum(sim(state, params).state ** 2)

        gradient = ra.value_and_grad(objective, argnums=(0, 1))

        def ours(run: Any = gradient, problem: Any = problem) -> Any:
            return run(problem.state, problem.params)

        a_step = milliseconds(ours, 3) / options.steps
        print(
            f"{name}, {options.size}²: by hand {by_hand[0]:.3f} ms a step, "
            f"{by_hand[1]:.3f} ms forward and adjoint; revolve_ad {a_step:.3f} ms"
        )


if __name__ == "__main__":
    main()

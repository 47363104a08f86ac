"""Loops over single elements that can't be vectors: user's code, and both directions by hand."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = ["PROBLEMS", "Recurrence", "diffuse", "relax"]

compiled = numba.njit(error_model="numpy")
summing = numba.njit(error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
"""For adjoints: sums in any order are vector code.  Forward the bits are those of NumPy."""


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
    # Each element is read where it is new or old: no copy beforehand; the last one in a register.
    n, m = u.shape
    for j in range(m):
        out[0, j] = u[0, j]
        out[n - 1, j] = u[n - 1, j]
    for i in range(n - 2):
        left = u[i + 1, 0]
        out[i + 1, 0] = left
        out[i + 1, m - 1] = u[i + 1, m - 1]
        for j in range(m - 2):
            old = u[i + 1, j + 1]
            mean = 0.25 * (
                out[i, j + 1] + u[i + 2, j + 1] + left + u[i + 1, j + 2] + load[i + 1, j + 1]
            )
            left = old + omega * (mean - old)
            out[i + 1, j + 1] = left


@summing
def _relax_reverse(u, new, bar, omega, load_bar, row):  # type: ignore[no-untyped-def]
    # In place on `bar`, from the cotangent of `new` to that of `u`; returns that of omega.
    n, m = u.shape
    part, rest = 0.25 * omega, 1.0 - omega
    omega_bar = 0.0
    for back in range(n - 2):
        i = n - 2 - back
        # The recurrence alone, from right to left: two operations an element.
        right = 0.0
        for column in range(m - 2):
            j = m - 2 - column
            right = bar[i, j] + part * right
            row[j] = right
        # What remains is vector code.
        for j in range(m - 2):
            b = row[j + 1]
            load_bar[i, j + 1] += part * b
            bar[i - 1, j + 1] += part * b
            bar[i + 1, j + 1] += part * b
            bar[i, j + 1] = rest * b + part * row[j]
            # What the sweep has added, over omega, is what omega was multiplied by.
            omega_bar += b * (new[i, j + 1] - u[i, j + 1])
        bar[i, 0] += part * row[1]
        bar[i, m - 1] += part * row[m - 2]
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


@summing
def _diffuse_reverse(new, a, c, bar, factor, a_bar, c_bar):  # type: ignore[no-untyped-def]
    # In place on `bar`: the transposed system; then for A u⁺ = u, Ā = −ū (u⁺)ᵀ.
    n, m = new.shape
    pivot = 1.0 / (1.0 + a[0] + c[0])
    factor[0] = (a[1] if n > 1 else 0.0) * pivot
    for j in range(m):
        bar[0, j] *= pivot
    for i in range(n - 1):
        below = c[i]
        pivot = 1.0 / (1.0 + a[i + 1] + c[i + 1] - below * factor[i])
        factor[i + 1] = (a[i + 2] if i + 2 < n else 0.0) * pivot
        for j in range(m):
            bar[i + 1, j] = (bar[i + 1, j] + below * bar[i, j]) * pivot
    upper = lower = 0.0
    for j in range(m):
        upper -= bar[n - 1, j] * new[n - 1, j]
        lower += bar[n - 1, j] * new[n - 2, j]
    a_bar[n - 1] += upper + lower
    c_bar[n - 1] += upper
    for back in range(n - 1):
        i = n - 2 - back
        own = above = below = 0.0
        for j in range(m):
            b = bar[i, j] + factor[i] * bar[i + 1, j]
            bar[i, j] = b
            own -= b * new[i, j]
            below += b * new[i + 1, j]
        if i > 0:
            for j in range(m):
                above += bar[i, j] * new[i - 1, j]
            a_bar[i] += above + own
        else:
            a_bar[i] += own
        c_bar[i] += below + own


class Recurrence:
    """One problem: a step, its arguments, and by hand ½ Σ u² at the end, with its gradient.

    Parameters
    ----------
    step : callable
        `relax` or `diffuse`.
    size : int
        The grid is (size, size).
    steps : int
        Number of steps; the gradient by hand keeps all states.
    """

    def __init__(self, step: Callable[..., Any], size: int, steps: int = 1) -> None:
        rng = np.random.default_rng(7)
        self.step, self.steps = step, steps
        self.state = rng.random((size, size))
        self.params = (
            (rng.random((size, size)), np.array(1.5))
            if step is relax
            else (rng.random(size), rng.random(size))
        )
        self.two = np.zeros((2, size, size))
        self.states = np.zeros((steps + 1, size, size))
        self.bar = np.zeros((size, size))
        self.work = np.zeros(size)
        self.bars = tuple(np.zeros_like(part) for part in self.params)

    def advance(self, u: Any, new: Any) -> None:
        """Run one step by hand."""
        if self.step is relax:
            _relax(u, self.params[0], float(self.params[1]), new)
        else:
            _diffuse(u, *self.params, new, self.work)

    def reverse(self, u: Any, new: Any) -> None:
        """Pull `bar` back through one step by hand, and add to `bars`."""
        if self.step is relax:
            omega = float(self.params[1])
            self.bars[1][...] += _relax_reverse(u, new, self.bar, omega, self.bars[0], self.work)
        else:
            _diffuse_reverse(new, *self.params, self.bar, self.work, *self.bars)

    def forward(self) -> float:
        """Return the value; no states are kept."""
        u = self.state
        for k in range(self.steps):
            self.advance(u, self.two[k % 2])
            u = self.two[k % 2]
        return 0.5 * float(np.vdot(u, u))

    def gradient(self) -> tuple[float, Any, Any]:
        """Return (value, gradient in the state, gradients in the params)."""
        states = self.states
        states[0] = self.state
        for k in range(self.steps):
            self.advance(states[k], states[k + 1])
        value = 0.5 * float(np.vdot(states[-1], states[-1]))
        self.bar[:] = states[-1]
        for part in self.bars:
            part[...] = 0.0
        for k in reversed(range(self.steps)):
            self.reverse(states[k], states[k + 1])
        return value, self.bar, self.bars


PROBLEMS = {"Gauss–Seidel sweep": relax, "tridiagonal columns": diffuse}
"""The user's steps by what they compute."""

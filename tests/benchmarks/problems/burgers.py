"""P3, viscous Burgers equation: one row of periodic cells, nonlinear, in the first-level cache."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem

__all__ = ["DT", "VISCOSITY", "make", "step", "target"]

DT = 2e-5
VISCOSITY = 0.01


def step(u: Any, nu: Any, k: Any) -> Any:
    """Advance `u`, shape (n,), by one forward Euler step of length DT on cells of width 1/n."""
    dx = 1.0 / u.size
    right, left = np.roll(u, -1), np.roll(u, 1)
    return u - DT / (4 * dx) * (right**2 - left**2) + nu * DT / dx**2 * (right - 2 * u + left)


def target(size: int) -> Any:
    """Return sin 4πx at the cell centres, shape (size,)."""
    return np.sin(4 * np.pi * (np.arange(size) + 0.5) / size)


def objective(u: Any, observed: Any) -> Any:
    """Return half the squared L2 distance of the final state from the target."""
    return 0.5 / u.size * np.sum((u - target(u.size)) ** 2)


def make(steps: int = 5000, size: int = 1000) -> Problem:
    """Build P3 on `size` cells."""
    x = (np.arange(size) + 0.5) / size
    return Problem(
        "P3",
        "Burgers",
        step,
        steps,
        0.5 + np.sin(2 * np.pi * x),
        VISCOSITY,
        objective,
        ("state", "params"),
        data=target(size),
    )

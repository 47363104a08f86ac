"""P4, heat conduction in a plate of varying conductivity: the typical stencil on a 2-D grid."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem

__all__ = ["R", "conductivity", "make", "step", "target"]

R = 0.15
"""Time step over the cell area, dt/h²."""


def step(u: Any, k_cell: Any, k: Any) -> Any:
    """Advance `u`, shape (n, n), by one forward Euler step; no heat passes the outer boundary.

    `k_cell`, shape (n, n), is the conductivity of the cells; a face has the mean of its two cells.
    """
    flux_x = 0.5 * (k_cell[1:] + k_cell[:-1]) * (u[1:] - u[:-1])
    flux_y = 0.5 * (k_cell[:, 1:] + k_cell[:, :-1]) * (u[:, 1:] - u[:, :-1])
    new = u.copy()
    new[:-1] += R * flux_x
    new[1:] -= R * flux_x
    new[:, :-1] += R * flux_y
    new[:, 1:] -= R * flux_y
    return new


def centres(size: int) -> tuple[Any, Any]:
    """Return the coordinates of the cell centres of the unit square, each of shape (size, size)."""
    line = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(line, line, indexing="ij")
    return x, y


def conductivity(size: int) -> Any:
    """Return the conductivity of the cells, shape (size, size)."""
    x, y = centres(size)
    return 1.0 + 0.5 * np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)


def target(size: int) -> Any:
    """Return the temperature that the objective compares with, shape (size, size)."""
    x, y = centres(size)
    return np.exp(-50 * ((x - 0.55) ** 2 + (y - 0.45) ** 2))


def make(steps: int = 1000, size: int = 256) -> Problem:
    """Build P4 on `size`² cells; the objective is half the sum of the squared differences."""
    x, y = centres(size)
    data = target(size)

    def objective(u: Any, observed: Any) -> Any:
        return 0.5 * np.sum((u - data) ** 2)

    return Problem(
        "P4",
        "heat",
        step,
        steps,
        np.exp(-50 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)),
        conductivity(size),
        objective,
        ("params",),
        data=data,
    )

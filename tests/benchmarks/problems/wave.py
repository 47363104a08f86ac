"""P5, acoustic full-waveform inversion: two time levels, a point source, a row of receivers."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem

__all__ = ["DT", "SOURCE_ROW", "H", "make", "receivers", "source", "speed", "step", "true_speed"]

DT = 2e-3  # [s]
H = 10.0  # [m]
SOURCE_ROW = 20
W0, W1, W2 = -5 / 2, 4 / 3, -1 / 12
"""Weights of the fourth-order second difference, from the centre outwards."""


def laplacian(u: Any) -> Any:
    """Return the undivided fourth-order Laplacian of `u` on its interior, shape (n-4, n-4)."""
    return (
        2 * W0 * u[2:-2, 2:-2]
        + W1 * (u[1:-3, 2:-2] + u[3:-1, 2:-2] + u[2:-2, 1:-3] + u[2:-2, 3:-1])
        + W2 * (u[:-4, 2:-2] + u[4:, 2:-2] + u[2:-2, :-4] + u[2:-2, 4:])
    )


def step(state: Any, c: Any, k: Any, w: Any) -> Any:
    """Advance (u, u before), each of shape (n, n), by one leapfrog step with source sample `w`.

    `c`, shape (n, n), is the speed of sound [m/s]; a border of width two stays zero.
    """
    u, before = state
    new = np.zeros_like(u)
    factor = (c[2:-2, 2:-2] * DT / H) ** 2
    new[2:-2, 2:-2] = 2 * u[2:-2, 2:-2] - before[2:-2, 2:-2] + factor * laplacian(u)
    new[SOURCE_ROW, len(u) // 2] += w
    return new, u


def receivers(size: int) -> Any:
    """Return the columns of the receivers, which stand in the row of the source."""
    return np.arange(16, size - 15, 8)


def observe(state: Any, c: Any, k: Any) -> Any:
    """Return what the receivers record of one state."""
    u = state[0]
    return u[SOURCE_ROW, receivers(len(u))]


def source(steps: int) -> Any:
    """Return a Ricker wavelet of 8 Hz about 0.15 s, shape (steps,)."""
    a = (np.pi * 8.0 * (np.arange(steps) * DT - 0.15)) ** 2
    return (1 - 2 * a) * np.exp(-a)


def speed(size: int) -> Any:
    """Return the assumed speed of sound [m/s], growing with depth, shape (size, size)."""
    depth = np.arange(size)[:, None] / (size - 1)
    return np.ascontiguousarray(np.broadcast_to(1500.0 + 1000.0 * depth, (size, size)))


def true_speed(size: int) -> Any:
    """Return the speed [m/s] that made the data: `speed` and a fast bump; (100, 256) of 512."""
    row, column = np.arange(size)[:, None], np.arange(size)[None, :]
    distance = (row - 100 * size // 512) ** 2 + (column - size // 2) ** 2
    return speed(size) + 200.0 * np.exp(-distance / (2 * 20.0**2))


def seismogram(c: Any, w: Any) -> Any:
    """Return what the receivers record over the steps, shape (steps, receivers); reuses buffers."""
    u, before = np.zeros_like(c), np.zeros_like(c)
    row = []
    factor = (c[2:-2, 2:-2] * DT / H) ** 2
    for sample in w:
        before[2:-2, 2:-2] = 2 * u[2:-2, 2:-2] - before[2:-2, 2:-2] + factor * laplacian(u)
        before[SOURCE_ROW, len(c) // 2] += sample
        u, before = before, u
        row.append(u[SOURCE_ROW, receivers(len(c))])
    return np.array(row)


def make(steps: int = 1000, size: int = 512) -> Problem:
    """Build P5 on `size`² points; makes its data by one forward run."""
    w = source(steps)
    data = seismogram(true_speed(size), w)

    def objective(state: Any, observed: Any) -> Any:
        return 0.5 * np.sum((observed - data) ** 2)

    return Problem(
        "P5",
        "acoustic wave",
        step,
        steps,
        (np.zeros((size, size)), np.zeros((size, size))),
        speed(size),
        objective,
        ("params",),
        inputs=w,
        observe=observe,
        observe_at=range(1, steps + 1),
        data=data,
    )

"""Horizontal diffusion of a weather model with flux limiters.

A flux against the gradient is cut to zero: it jumps where neighbours are equal, and has a kink
where the flux passes zero; random fields are away from both.
"""

import numpy as np

STEPS = 2


def make(size, rng):
    """Return a field, shape (size, size, 3), and its coefficients, two cells less a side."""
    field = rng.random((size, size, 3))
    return (field,), (0.05 + 0.05 * rng.random((size - 4, size - 4, 3)),)


def step(state, params, k):
    (f,) = state
    (coefficient,) = params
    lap = 4.0 * f[1:-1, 1:-1] - (f[2:, 1:-1] + f[:-2, 1:-1] + f[1:-1, 2:] + f[1:-1, :-2])
    flux_x = lap[1:, 1:-1] - lap[:-1, 1:-1]
    flux_x = np.where(flux_x * (f[2:-1, 2:-2] - f[1:-2, 2:-2]) > 0, 0.0, flux_x)
    flux_y = lap[1:-1, 1:] - lap[1:-1, :-1]
    flux_y[flux_y * (f[2:-2, 2:-1] - f[2:-2, 1:-2]) > 0] = 0.0
    f[2:-2, 2:-2] -= coefficient * (flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1])
    return (f,)

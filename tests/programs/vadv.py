"""Implicit vertical advection: a tridiagonal solve in each column, level by level; smooth."""

import numpy as np

STEPS = 2
BETA = 0.2


def make(size, rng):
    """Return a wind, shape (size, size, 6), and the vertical wind, shape (size + 1, size, 7)."""
    return (rng.random((size, size, 6)),), (rng.random((size + 1, size, 7)), np.array(0.3))


def step(state, params, k):
    (u,) = state
    w, dt = params
    n_x, n_y, n_z = u.shape
    a = np.ndarray((n_x, n_y, n_z))
    c = np.ndarray((n_x, n_y, n_z))
    d = np.ndarray((n_x, n_y, n_z))

    # Forward elimination, upwards; the mean of two columns of w is the wind at u.
    for z in range(n_z):
        below = 0.25 * (w[1:, :, z] + w[:-1, :, z])
        above = 0.25 * (w[1:, :, z + 1] + w[:-1, :, z + 1])
        correction = np.zeros((n_x, n_y))
        if z == 0:
            a[:, :, z] = 0.0
        else:
            a[:, :, z] = -below * BETA
            correction += below * (1.0 - BETA) * (u[:, :, z] - u[:, :, z - 1])
        if z == n_z - 1:
            c[:, :, z] = 0.0
        else:
            c[:, :, z] = above * BETA
            correction += above * (1.0 - BETA) * (u[:, :, z + 1] - u[:, :, z])
        b = 1.0 / dt - a[:, :, z] - c[:, :, z]
        d[:, :, z] = u[:, :, z] / dt - correction
        if z > 0:
            b -= c[:, :, z - 1] * a[:, :, z]
            d[:, :, z] -= d[:, :, z - 1] * a[:, :, z]
        c[:, :, z] /= b
        d[:, :, z] /= b

    # Substitution, downwards.
    u[:, :, -1] = d[:, :, -1]
    for z in range(n_z - 2, -1, -1):
        u[:, :, z] = d[:, :, z] - c[:, :, z] * u[:, :, z + 1]
    return (u,)

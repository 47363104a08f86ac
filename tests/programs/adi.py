"""Alternating directions: implicit heat conduction along columns, then rows; smooth."""

import numpy as np

STEPS = 2


def make(size, rng):
    """Return the temperature, shape (size, size), and the diffusion numbers of both axes."""
    return (rng.random((size, size)),), (np.array([0.8, 0.5]),)


def step(state, params, k):
    (u,) = state
    mul1, mul2 = params[0][0], params[0][1]
    n = len(u)
    v = np.empty((n, n))
    p = np.zeros((n, n))
    q = np.zeros((n, n))
    a, b = -mul1 / 2.0, 1.0 + mul1
    d, e = -mul2 / 2.0, 1.0 + mul2

    # Columns implicit: forward elimination, then substitution from the far end.
    v[0, 1 : n - 1] = 1.0
    q[1 : n - 1, 0] = v[0, 1 : n - 1]
    for j in range(1, n - 1):
        p[1 : n - 1, j] = -a / (a * p[1 : n - 1, j - 1] + b)
        q[1 : n - 1, j] = (
            -d * u[j, 0 : n - 2]
            + (1.0 + 2.0 * d) * u[j, 1 : n - 1]
            - d * u[j, 2:n]
            - a * q[1 : n - 1, j - 1]
        ) / (a * p[1 : n - 1, j - 1] + b)
    v[n - 1, 1 : n - 1] = 1.0
    for j in range(n - 2, 0, -1):
        v[j, 1 : n - 1] = p[1 : n - 1, j] * v[j + 1, 1 : n - 1] + q[1 : n - 1, j]

    # Rows implicit.
    u[1 : n - 1, 0] = 1.0
    p[1 : n - 1, 0] = 0.0
    q[1 : n - 1, 0] = u[1 : n - 1, 0]
    for j in range(1, n - 1):
        p[1 : n - 1, j] = -d / (d * p[1 : n - 1, j - 1] + e)
        q[1 : n - 1, j] = (
            -a * v[0 : n - 2, j]
            + (1.0 + 2.0 * a) * v[1 : n - 1, j]
            - a * v[2:n, j]
            - d * q[1 : n - 1, j - 1]
        ) / (d * p[1 : n - 1, j - 1] + e)
    u[1 : n - 1, n - 1] = 1.0
    for j in range(n - 2, 0, -1):
        u[1 : n - 1, j] = p[1 : n - 1, j] * u[1 : n - 1, j + 1] + q[1 : n - 1, j]
    return (u,)

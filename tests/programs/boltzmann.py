"""A lattice Boltzmann gas (D2Q9) around a block, with bounce-back and a body force; smooth."""

import numpy as np

STEPS = 4
VELOCITIES = np.array(
    [[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [-1, -1], [1, -1]]
)
WEIGHTS = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
OPPOSITE = [0, 3, 4, 1, 2, 7, 8, 5, 6]


def make(size, rng):
    """Return populations, (9, size, size - 1), and the relaxation time and force."""
    populations = WEIGHTS[:, None, None] * (1 + 0.1 * rng.random((9, size, size - 1)))
    return (populations,), (np.array(0.8), np.array([0.02, -0.01]))


def step(state, params, k):
    (f,) = state
    tau, force = params
    for i, velocity in enumerate(VELOCITIES):
        f[i] = np.roll(f[i], velocity, axis=(0, 1))
    density = f.sum(0)
    u = np.tensordot(VELOCITIES.T, f, axes=1) / density
    u += tau * force[:, None, None]
    along = 3 * np.tensordot(VELOCITIES, u, axes=1)
    still = density * WEIGHTS[:, None, None] * (1 + along + along**2 / 2 - 1.5 * (u**2).sum(0))
    solid = np.zeros(density.shape, bool)
    solid[2:4, 3] = True
    bounced = f[OPPOSITE][:, solid]
    f += (still - f) / tau
    f[:, solid] = bounced
    return (f,)

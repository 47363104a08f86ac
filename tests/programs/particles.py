"""Charges in a cell: to a periodic grid by `np.add.at`, a field by FFT, back to the charges.

Two nodes share each charge, so that the field has a kink where a charge passes a node.
"""

import numpy as np

STEPS = 4
DT, NODES = 0.05, 8


def make(size, rng):
    """Return positions and velocities, (size,) each, and charges, (size,)."""
    state = (rng.random(size), 0.1 * rng.standard_normal(size))
    return state, (1 + rng.random(size),)


def step(state, params, k):
    x, v = state
    (charge,) = params
    place = x * NODES
    left = np.floor(place).astype(int) % NODES
    right = (left + 1) % NODES
    share = place - np.floor(place)
    density = np.zeros(NODES)
    np.add.at(density, left, charge * (1 - share))
    np.add.at(density, right, charge * share)
    waves = 2j * np.pi * np.fft.rfftfreq(NODES, 1 / NODES)
    waves[0] = 1.0
    field = np.fft.rfft(density - density.mean())
    field = np.fft.irfft(field / waves, NODES)
    v += DT * (field[left] * (1 - share) + field[right] * share)
    x += DT * v
    x %= 1.0
    return x, v

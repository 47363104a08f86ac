"""Heat conduction in a cube, seven points, two half steps between two arrays; smooth, linear."""

import numpy as np

STEPS = 3


def make(size, rng):
    """Return two arrays of shape (size, size, size), and the diffusion number of each axis."""
    shape = (size, size, size)
    return (rng.random(shape), rng.random(shape)), (np.array([0.125, 0.1, 0.15]),)


def half(a, b, numbers):
    c = a[1:-1, 1:-1, 1:-1]
    b[1:-1, 1:-1, 1:-1] = (
        numbers[0] * (a[2:, 1:-1, 1:-1] - 2.0 * c + a[:-2, 1:-1, 1:-1])
        + numbers[1] * (a[1:-1, 2:, 1:-1] - 2.0 * c + a[1:-1, :-2, 1:-1])
        + numbers[2] * (a[1:-1, 1:-1, 2:] - 2.0 * c + a[1:-1, 1:-1, :-2])
        + c
    )


def step(state, params, k):
    a, b = state
    half(a, b, params[0])
    half(b, a, params[0])
    return a, b

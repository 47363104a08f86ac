"""Five-point Jacobi relaxation on a square, two half steps between two arrays; smooth, linear."""

import numpy as np

STEPS = 4


def make(size, rng):
    """Return two arrays of shape (size, size), and the weight of the average."""
    return (rng.random((size, size)), rng.random((size, size))), (np.array(0.2),)


def step(state, params, k):
    a, b = state
    (weight,) = params
    b[1:-1, 1:-1] = weight * (
        a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
    )
    a[1:-1, 1:-1] = weight * (
        b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
    )
    return a, b

"""Maxwell's equations on Yee's grid in two dimensions, fed at one edge; smooth, linear."""

STEPS = 5


def make(size, rng):
    """Return the fields ex, ey, hz, shape (size, size + 2), and the feed, a value a step."""
    shape = (size, size + 2)
    return (rng.random(shape), rng.random(shape), rng.random(shape)), (rng.random(40),)


def step(state, params, k):
    ex, ey, hz = state
    (feed,) = params
    ey[0, :] = feed[k]
    ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
    ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
    hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])
    return ex, ey, hz

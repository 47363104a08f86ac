"""Bodies that attract each other, kick–drift–kick with softened gravity; smooth."""

import numpy as np

STEPS = 4
G, SOFTENING, DT = 1.0, 0.1, 0.01


def make(size, rng):
    """Return positions and velocities, each (size, 3), and masses, (size, 1)."""
    state = (rng.standard_normal((size, 3)), rng.standard_normal((size, 3)))
    return state, (0.5 + rng.random((size, 1)),)


def acceleration(pos, mass):
    x, y, z = pos[:, 0:1], pos[:, 1:2], pos[:, 2:3]
    dx, dy, dz = x.T - x, y.T - y, z.T - z
    inv_r3 = dx**2 + dy**2 + dz**2 + SOFTENING**2
    inv_r3[inv_r3 > 0] = inv_r3[inv_r3 > 0] ** (-1.5)
    ax = G * (dx * inv_r3) @ mass
    ay = G * (dy * inv_r3) @ mass
    az = G * (dz * inv_r3) @ mass
    return np.hstack((ax, ay, az))


def step(state, params, k):
    pos, vel = state
    (mass,) = params
    vel += acceleration(pos, mass) * DT / 2.0
    pos += vel * DT
    vel += acceleration(pos, mass) * DT / 2.0
    # The centre of mass stays at rest.
    vel -= np.sum(mass * vel, 0) / np.sum(mass)
    return pos, vel

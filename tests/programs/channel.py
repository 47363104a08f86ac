"""Flow in a channel, periodic along the stream: shifted slices with wrapped edges; smooth."""

import numpy as np

STEPS = 3
SWEEPS = 6


def make(size, rng):
    """Return u, v [m/s] and p [Pa], each (size, size + 1); density, viscosity, driving force."""
    fields = tuple(0.1 * rng.random((size, size + 1)) for _ in range(3))
    return fields, (np.array(1.0), np.array(0.1), np.array(1.0))


def east(a):
    return np.concatenate([a[:, 1:], a[:, :1]], axis=1)


def west(a):
    return np.concatenate([a[:, -1:], a[:, :-1]], axis=1)


def step(state, params, k):
    u, v, p = state
    rho, nu, force = params
    ny, nx = u.shape
    dx, dy = 2 / nx, 2 / (ny - 1)
    dt = 0.1 * dx * dy
    un, vn = u.copy(), v.copy()
    ue, uw, ve, vw = east(un), west(un), east(vn), west(vn)

    du_dx, dv_dx = (ue - uw)[1:-1] / (2 * dx), (ve - vw)[1:-1] / (2 * dx)
    du_dy, dv_dy = (un[2:] - un[:-2]) / (2 * dy), (vn[2:] - vn[:-2]) / (2 * dy)
    b = np.zeros_like(un)
    b[1:-1] = rho * ((du_dx + dv_dy) / dt - du_dx**2 - 2 * du_dy * dv_dx - dv_dy**2)

    for _ in range(SWEEPS):
        pn = p.copy()
        p[1:-1] = ((east(pn) + west(pn))[1:-1] * dy**2 + (pn[2:] + pn[:-2]) * dx**2) / (
            2 * (dx**2 + dy**2)
        )
        p[1:-1] -= dx**2 * dy**2 / (2 * (dx**2 + dy**2)) * b[1:-1]
        p[-1, :] = p[-2, :]
        p[0, :] = p[1, :]

    pe, pw = east(p), west(p)
    for new, old, e, w, gradient in (
        (u, un, ue, uw, (pe - pw)[1:-1] / (2 * dx)),
        (v, vn, ve, vw, (p[2:] - p[:-2]) / (2 * dy)),
    ):
        new[1:-1] -= un[1:-1] * dt / dx * (old - w)[1:-1]
        new[1:-1] -= vn[1:-1] * dt / dy * (old[1:-1] - old[:-2])
        new[1:-1] -= dt / rho * gradient
        new[1:-1] += nu * dt / dx**2 * (e - 2 * old + w)[1:-1]
        new[1:-1] += nu * dt / dy**2 * (old[2:] - 2 * old[1:-1] + old[:-2])
    u[1:-1] += force * dt
    u[0, :] = u[-1, :] = 0
    v[0, :] = v[-1, :] = 0
    return u, v, p

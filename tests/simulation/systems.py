"""Small nonlinear systems with derivatives by hand, for the tests of simulations."""

from typing import Any

import numpy as np

from revolve_ad.simulation import step

__all__ = ["DT", "PARAMS", "START", "lotka_volterra", "rates", "rk4"]

DT = 0.02
START = np.array([1.0, 1.2])
PARAMS = np.array([1.4, 1.1, 2.9, 0.9])


def rates(y: Any, p: Any) -> Any:
    """Return (x', y') of prey and predators."""
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def rk4(y: Any, p: Any, k: Any) -> Any:
    """Advance by one classic Runge–Kutta step."""
    k1 = rates(y, p)
    k2 = rates(y + DT / 2 * k1, p)
    k3 = rates(y + DT / 2 * k2, p)
    k4 = rates(y + DT * k3, p)
    return y + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _pull(y: Any, p: Any, g: Any) -> tuple[Any, Any]:
    """Pull a cotangent of `rates` back to y and p."""
    x, z = y
    dy = np.array(
        [
            g[0] * (p[0] - p[1] * z) + g[1] * p[3] * z,
            -g[0] * p[1] * x + g[1] * (p[3] * x - p[2]),
        ]
    )
    return dy, np.array([g[0] * x, -g[0] * x * z, -g[1] * z, g[1] * x * z])


lotka_volterra = step(rk4)


@lotka_volterra.vjp
def _lotka_volterra_vjp(y: Any, p: Any, k: Any, c: Any) -> tuple[Any, Any]:
    k1 = rates(y, p)
    y2 = y + DT / 2 * k1
    k2 = rates(y2, p)
    y3 = y + DT / 2 * k2
    k3 = rates(y3, p)
    y4 = y + DT * k3
    g4, p4 = _pull(y4, p, DT / 6 * c)
    g3, p3 = _pull(y3, p, DT / 3 * c + DT * g4)
    g2, p2 = _pull(y2, p, DT / 3 * c + DT / 2 * g3)
    g1, p1 = _pull(y, p, DT / 6 * c + DT / 2 * g2)
    return c + g1 + g2 + g3 + g4, p1 + p2 + p3 + p4


@lotka_volterra.jvp
def _lotka_volterra_jvp(y: Any, p: Any, k: Any, dy: Any, dp: Any) -> Any:
    # By complex step: exact to rounding, and no formula in common with the vjp.
    h = 1e-30
    return np.imag(rk4(y + 1j * h * dy, p + 1j * h * dp, k)) / h

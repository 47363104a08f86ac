"""P2, Lorenz-96: forty numbers, chaotic; a small array with periodic neighbours."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem

__all__ = ["DT", "FORCING", "make", "step"]

DT = 0.0025
FORCING = 8.0


def rates(x: Any, forcing: Any) -> Any:
    """Return x' of Lorenz (1996); `x` has shape (n,) and is periodic."""
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing


def step(x: Any, forcing: Any, k: Any) -> Any:
    """Advance `x`, shape (n,), by one classic Runge–Kutta step of length DT."""
    k1 = rates(x, forcing)
    k2 = rates(x + DT / 2 * k1, forcing)
    k3 = rates(x + DT / 2 * k2, forcing)
    k4 = rates(x + DT * k3, forcing)
    return x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def objective(x: Any, observed: Any) -> Any:
    """Return half the squared length of the final state."""
    return 0.5 * np.sum(x**2)


def make(steps: int = 2000, size: int = 40) -> Problem:
    """Build P2 with `size` numbers in the state."""
    return Problem(
        "P2",
        "Lorenz-96",
        step,
        steps,
        8.0 + np.sin(np.arange(size)),
        FORCING,
        objective,
        ("state", "params"),
    )

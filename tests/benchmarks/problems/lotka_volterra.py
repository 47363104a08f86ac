"""P1, Lotka–Volterra: a state of two numbers, where everything but arithmetic is overhead."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem

__all__ = ["DT", "PARAMS", "START", "TARGET", "make", "step"]

DT = 1e-3
PARAMS = (1.5, 1.0, 3.0, 1.0)  # a, b, c, d of Problem P1
START = (1.0, 1.0)
TARGET = (2.0, 1.0)


def rates(y: Any, params: Any) -> Any:
    """Return (x', y') of prey and predators; `y` has shape (2,), `params` shape (4,)."""
    a, b, c, d = params
    prey, predators = y
    return np.array([a * prey - b * prey * predators, -c * predators + d * prey * predators])


def step(y: Any, params: Any, k: Any) -> Any:
    """Advance `y`, shape (2,), by one classic Runge–Kutta step of length DT."""
    k1 = rates(y, params)
    k2 = rates(y + DT / 2 * k1, params)
    k3 = rates(y + DT / 2 * k2, params)
    k4 = rates(y + DT * k3, params)
    return y + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def objective(y: Any, observed: Any) -> Any:
    """Return half the squared distance of the final state from TARGET."""
    return 0.5 * ((y[0] - TARGET[0]) ** 2 + (y[1] - TARGET[1]) ** 2)


def make(steps: int = 10_000, size: int = 2) -> Problem:
    """Build P1; its state has two numbers whatever `size` says."""
    return Problem(
        "P1",
        "Lotka–Volterra",
        step,
        steps,
        np.array(START),
        np.array(PARAMS),
        objective,
        ("params", "state"),
    )

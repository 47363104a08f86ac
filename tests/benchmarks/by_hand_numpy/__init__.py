"""Adjoints written by hand in NumPy, with every buffer allocated once: what an expert would do.

`forward(problem)` and `gradient(problem, checkpoints)` return functions without arguments; the
second gives (value, gradient as one vector).  `checkpoints` None stores every state.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.benchmarks.by_hand_numpy.loop import Loop
from tests.benchmarks.by_hand_numpy.wave import Leapfrog
from tests.benchmarks.problems import Problem

__all__ = ["forward", "gradient"]

_MODULES = {
    "P1": "lotka_volterra",
    "P2": "lorenz96",
    "P3": "burgers",
    "P4": "heat",
    "P5": "wave",
}


def _loop(problem: Problem, slots: int) -> Loop | Leapfrog:
    adjoint = import_module(f"{__name__}.{_MODULES[problem.name]}").make(problem)
    loop = Leapfrog if problem.name == "P5" else Loop
    return loop(adjoint, problem.steps, slots)


def forward(problem: Problem) -> Callable[[], float]:
    """Return a function that runs the simulation and gives the objective."""
    return _loop(problem, 1).forward


def gradient(problem: Problem, checkpoints: int | None) -> Callable[[], tuple[float, Any]]:
    """Return a function that gives the objective and its gradient, shape (unknowns,)."""
    return _loop(problem, checkpoints or problem.steps).gradient

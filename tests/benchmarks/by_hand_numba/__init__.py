"""Steps and adjoint steps written by hand in Numba: the bar for generated code.

The rules that they follow were measured: loops from 0 with offsets that are not negative, literal
sizes, whole C-contiguous arrays, one fused nest a step, adjoints in pull form, no allocation, no
fastmath.  The loop over the schedule is compiled too.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.benchmarks.by_hand_numba.loop import Loop
from tests.benchmarks.problems import Problem

__all__ = ["forward", "gradient"]

_MODULES = {
    "P1": "lotka_volterra",
    "P2": "lorenz96",
    "P3": "burgers",
    "P4": "heat",
    "P5": "wave",
}


def forward(problem: Problem) -> Callable[[], float]:
    """Return a function that runs the simulation and gives the objective."""
    kernels = import_module(f"{__name__}.{_MODULES[problem.name]}").make(problem)
    return Loop(kernels, problem.steps, 1).forward


def gradient(
    problem: Problem, checkpoints: int | None, variant: str = ""
) -> Callable[[], tuple[float, Any]]:
    """Return a function that gives the objective and its gradient, shape (unknowns,)."""
    module = import_module(f"{__name__}.{_MODULES[problem.name]}")
    kernels = module.make(problem, variant) if variant else module.make(problem)
    return Loop(kernels, problem.steps, checkpoints or problem.steps).gradient

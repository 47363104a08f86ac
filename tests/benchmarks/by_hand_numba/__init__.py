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

__all__ = ["forward", "gradient", "loop"]

_MODULES = {
    "P1": "lotka_volterra",
    "P2": "lorenz96",
    "P3": "burgers",
    "P4": "heat",
    "P5": "wave",
}


def loop(problem: Problem, checkpoints: int | None, variant: str = "") -> Loop:
    """Compile a problem's kernels and the loop over its schedule; None stores every state.

    `variant` "plain" takes the textbook's adjoint of P5 in place of the faster one.
    """
    module = import_module(f"{__name__}.{_MODULES[problem.name]}")
    kernels = module.make(problem, variant) if variant else module.make(problem)
    return Loop(kernels, problem.steps, checkpoints or problem.steps)


def forward(problem: Problem) -> Callable[[], float]:
    """Return a function that runs the simulation and gives the objective."""
    return loop(problem, 1).forward


def gradient(
    problem: Problem,
    checkpoints: int | None,
    variant: str = "",
    *,
    flush_subnormals: bool = False,
) -> Callable[[], tuple[float, Any]]:
    """Return a function that gives the objective and its gradient, shape (unknowns,)."""
    result = loop(problem, checkpoints, variant)
    result.flush_subnormals = flush_subnormals
    return result.gradient

"""Twelve simulation codes in ordinary NumPy, of the kinds that benchmark suites collect.

They are written as their users write them: arrays updated in place, slices, scratch arrays made by
``np.zeros`` and ``np.empty``, loops over single elements.  None knows that it will be
differentiated.  Each module has

- ``make(size, rng) -> (state, params)``: a tuple of arrays each,
- ``step(state, params, k) -> state``: updates the arrays of `state` in place and returns them,
- ``STEPS``: a number of steps that shows every branch,

and says in its first lines where the program has kinks, if it has any.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["NAMES", "load", "run"]

NAMES = (
    "jacobi",
    "gauss_seidel",
    "heat_3d",
    "fdtd",
    "adi",
    "cavity",
    "channel",
    "nbody",
    "hdiff",
    "vadv",
    "boltzmann",
    "particles",
)


def load(name: str) -> ModuleType:
    """Return the module of one program."""
    return import_module(f"{__name__}.{name}")


def run(module: ModuleType, state: Any, params: Any, steps: int | None = None) -> Any:
    """Return the state after `steps` steps, STEPS by default; the arguments stay as they are."""
    state = tuple(array.copy() for array in state)
    for k in range(module.STEPS if steps is None else steps):
        state = module.step(state, params, k)
    return state

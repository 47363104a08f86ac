"""The benchmark problems P1–P5: a step in ordinary NumPy, a start, an objective.

Nothing here knows how a gradient is taken.  The library, the code written by hand and the peers
all read these definitions, so that what is compared is the same computation.
"""

from collections.abc import Callable
from importlib import import_module

from tests.benchmarks.problems.problem import Problem

__all__ = ["NAMES", "Problem", "make"]

_MODULES = {
    "P1": "lotka_volterra",
    "P2": "lorenz96",
    "P3": "burgers",
    "P4": "heat",
    "P5": "wave",
}
NAMES = tuple(_MODULES)


def make(name: str, *, steps: int | None = None, size: int | None = None) -> Problem:
    """Build problem `name`, with other than the published number of steps or grid size if given."""
    if name not in _MODULES:
        raise ValueError(f"unknown problem {name!r}; choose one of {', '.join(NAMES)}")
    factory: Callable[..., Problem] = import_module(f"{__name__}.{_MODULES[name]}").make
    chosen = {"steps": steps, "size": size}
    return factory(**{key: value for key, value in chosen.items() if value is not None})

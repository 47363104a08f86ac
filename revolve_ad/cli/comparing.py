"""`revolve-ad compare` measures gradients of a user's simulation under several budgets."""

import argparse
import importlib.util
import pathlib
import sys
from types import ModuleType
from typing import Any

from revolve_ad.errors import ParameterError
from revolve_ad.report import compare
from revolve_ad.simulation import Simulation

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "compare",
        help="measure memory against recomputation and time, for your simulation",
        description=(
            "Measure gradients of a simulation under several budgets. FILE.py:FUNCTION names a "
            "function without arguments that returns (simulation, state), (simulation, state, "
            "params) or (simulation, state, params, inputs)."
        ),
    )
    parser.add_argument("problem", metavar="FILE.py:FUNCTION")
    parser.add_argument(
        "--memory",
        action="append",
        metavar="SIZE",
        help='a budget, such as "200 MB"; may be given several times (default: five budgets)',
    )
    parser.add_argument("--repeats", type=int, default=3, help="gradients a budget (default: 3)")
    parser.add_argument("--figure", metavar="PATH", help="write a figure (needs matplotlib)")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the comparison."""
    sim, *arguments = _problem(given.problem)
    found = compare(sim, *arguments, memories=given.memory, repeats=given.repeats)
    print(found)
    if given.figure is not None:
        found.draw().figure.savefig(given.figure, dpi=200)
        print(f"wrote {given.figure}")
    return 0 if found.agree else 1


def _problem(target: str) -> tuple[Any, ...]:
    """Return the simulation and its arguments."""
    file, colon, name = target.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise ParameterError(f"{target!r} must have the form FILE.py:FUNCTION.")
    function = getattr(_load(pathlib.Path(file)), name, None)
    if not callable(function):
        raise ParameterError(f"{file} holds no function {name!r}.")
    found: tuple[Any, ...] = function()
    if not isinstance(found, tuple) or not 2 <= len(found) <= 4:
        found = (found,)
    if len(found) == 1 or not isinstance(found[0], Simulation):
        raise ParameterError(
            f"{target} must return (simulation, state), (simulation, state, params) or "
            f"(simulation, state, params, inputs); it returned {type(found[0]).__name__}."
        )
    return found


def _load(path: pathlib.Path) -> ModuleType:
    if not path.is_file():
        raise ParameterError(f"there is no file {str(path)!r}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # What stands beside the file can be imported by it, as when Python runs it.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module

"""Runs an example once and keeps what its `main` returned, for the tests that look at it.

A test of an example stands in ``tests/examples/test_NN_name.py`` and asks for
``numbers_of("NN_name")`` in its fixture ``numbers``.
"""

import functools
import importlib.util
import pathlib
from typing import Any

import numpy as np

from revolve_ad import trees

__all__ = ["EXAMPLES", "numbers_of"]

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@functools.cache
def numbers_of(name: str) -> Any:
    """Return what ``main()`` of ``examples/NAME.py`` returns: finite numbers.

    It is called once a process.
    """
    file = EXAMPLES / f"{name}.py"
    # The names begin with a digit, so that a plain import can't load them.
    spec = importlib.util.spec_from_file_location(f"example_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    numbers = module.main()
    leaves, structure = trees.flatten(numbers, "numbers")
    assert leaves, f"main() of {name} returns no number"
    for path, leaf in zip(structure.paths("numbers"), leaves, strict=True):
        assert np.all(np.isfinite(leaf)), f"{path} of {name} is not finite"
    return numbers

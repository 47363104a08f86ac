"""Finds the examples, which the demonstration runs as they are.

A wheel holds them beside this file; in a checkout they stand in its folder `examples`.
"""

import importlib.util
import pathlib
from typing import Any

__all__ = ["example"]


def example(name: str) -> Any:
    """Return the module ``examples/NAME.py``."""
    here = pathlib.Path(__file__).resolve().parent
    places = [here / "examples", here.parents[1] / "examples"]
    for place in places:
        file = place / f"{name}.py"
        if file.is_file():
            spec = importlib.util.spec_from_file_location(f"revolve_ad_example_{name}", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise FileNotFoundError(f"{name}.py is in none of {', '.join(map(str, places))}")

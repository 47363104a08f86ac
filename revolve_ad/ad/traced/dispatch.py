"""How NumPy's functions are recorded: a table from function to what is done on traced arrays.

`implements` enters a function; `Traced.__array_function__` looks it up.  An entry gets the
recorder and the call's own arguments, with traced arrays among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FUNCTIONS", "implements"]

FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function as the recorded form of each of `functions`."""

    def enter(f: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = f
        return f

    return enter

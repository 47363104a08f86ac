"""Checks of the arguments of schedules: counts, costs and sizes, with errors that name the remedy.

Public functions call these at the door; everything behind them trusts its arguments.
"""

import math
import operator
from collections.abc import Iterable
from typing import SupportsFloat, SupportsIndex, TypeVar

from revolve_ad.errors import ParameterError

__all__ = ["cost", "count", "sequence"]


def count(name: str, value: SupportsIndex, minimum: int, remedy: str = "") -> int:
    """Return `value` as a Python int that is at least `minimum`.

    Parameters
    ----------
    name : str
        What the argument is called; the message begins with it.
    value : int or NumPy integer
        A number of things.  Floats are refused even when they are whole: ``1e17`` can't say
        which integer is meant.
    minimum : int
        The smallest value that makes sense.
    remedy : str, optional
        A sentence on what to do, added to the message when the value is too small.

    Raises
    ------
    ParameterError
        If `value` isn't an integer or is below `minimum`.
    """
    if isinstance(value, bool):
        raise ParameterError(f"{name} is {value!r}; it counts something: give an integer")
    try:
        number = operator.index(value)
    except TypeError:
        raise ParameterError(_not_an_integer(name, value)) from None
    if number < minimum:
        advice = f"; {remedy}" if remedy else ""
        raise ParameterError(f"{name} is {number}; it must be at least {minimum}{advice}")
    return number


def cost(name: str, value: SupportsFloat, *, positive: bool = False) -> float:
    """Return `value`, a cost in any unit (seconds, say), as a finite float that is not negative.

    Parameters
    ----------
    name : str
        What the argument is called; the message begins with it.
    value : float
        The cost.
    positive : bool, optional
        Whether zero is refused too.

    Raises
    ------
    ParameterError
        If `value` is no number, NaN, infinite, negative, or zero where it must be positive.
    """
    if isinstance(value, (bool, str, bytes)):
        raise ParameterError(f"{name} is {value!r}; it is a cost: give a number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{name} is {value!r}; it is a cost: give a number") from None
    if not math.isfinite(number):
        raise ParameterError(f"{name} is {number}; give a finite number")
    if number < 0 or (positive and number == 0):
        allowed = "above 0" if positive else "0 or more"
        raise ParameterError(f"{name} is {number}; a cost must be {allowed}")
    return number


_Entry = TypeVar("_Entry")


def sequence(name: str, values: Iterable[_Entry]) -> list[_Entry]:
    """Return the entries of a vector, whatever they are.

    Raises
    ------
    ParameterError
        If `values` is one value instead of several.
    """
    try:
        return list(values)
    except TypeError:
        raise ParameterError(
            f"{name} is {values!r}; give a sequence with one entry for each"
        ) from None


def _not_an_integer(name: str, value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f"{name} is the float {value!r}; it counts something: write {int(value)}"
    return f"{name} is {value!r}; it counts something: give an integer"

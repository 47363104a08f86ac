"""How NumPy's functions take their arguments: lists for arrays, ``out=``, "no value" defaults."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from revolve_ad.ad.traced import Traced, as_array, captured_write
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

__all__ = ["axes_of", "finished", "prepared", "reduction"]


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that a reduction goes over; NumPy lets a number have an axis 0 or -1."""
    if axis is None:
        return tuple(range(ndim))
    if ndim == 0 and type(axis) is not tuple and operator.index(axis) in (0, -1):
        return ()
    return normalize_axis_tuple(axis, ndim)


def prepared(rec: Recorder, a: Any) -> Any:
    """Return an argument as an array; lists may hold traced numbers."""
    if type(a) in (list, tuple):
        return as_array(rec, a)
    return a if type(a) is Traced else np.asarray(a)


def finished(found: Any, out: Any, name: str) -> Any:
    """Return the result of a function, or `out` with the result written into it."""
    if isinstance(out, tuple):
        (out,) = out
    if out is None or out is ...:
        return found
    if type(out) is not Traced:
        raise captured_write(name)
    out.write(found)
    return out


def reduction(
    *functions: Any, order: str, typed: bool = False, sees_out: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter ``f(recorder, a, **given)`` for functions that reduce over axes.

    `f` gets the arguments that a call gives, by name: no "no value", and a `dtype`, where the
    function has one, also if only `out` says in which type NumPy adds up.  `out` is dealt with
    here.

    Parameters
    ----------
    order : str
        Names of the arguments after the array in the order in which they may stand in a call.
    typed : bool
        Hand over the type of `out` as `dtype` though the function has no such argument.
    sees_out : bool
        Hand over `out` itself, of which `f` only asks the type, and leave `dtype` as it is.
    """
    names = order.split()
    typed = not sees_out and (typed or "dtype" in names)

    def enter(f: Callable[..., Any]) -> Callable[..., Any]:
        def call(rec: Recorder, a: Any, *args: Any, **kwargs: Any) -> Any:
            if type(a) is not Traced:
                a = prepared(rec, a)
            kwargs.update(zip(names, args, strict=False))
            given = {k: v for k, v in kwargs.items() if v is not np._NoValue}
            out = given.get("out") if sees_out else given.pop("out", None)
            if out is not None and typed and given.get("dtype") is None:
                given["dtype"] = np.result_type(
                    (out[0] if isinstance(out, tuple) else out).dtype, a.dtype
                )
            found = f(rec, a, **given)
            return found if out is None else finished(found, out, functions[0].__name__)

        implements(*functions)(call)
        return f

    return enter

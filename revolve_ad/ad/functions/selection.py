"""Choosing between values point by point: where, clip, copyto, select."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.core import WHERE
from revolve_ad.ad.functions.arguments import finished
from revolve_ad.ad.traced import (
    METHODS,
    Traced,
    captured_write,
    operand_nodes,
    result,
    save_operands,
)
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError


@implements(np.where)
def where(rec: Recorder, condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None and y is None:
        return np.nonzero(condition)
    condition = condition if type(condition) is Traced else np.asarray(condition)
    if condition.dtype.kind != "b":
        condition = condition != 0
    x, y = (np.asarray(v) if type(v) in (list, tuple) else v for v in (x, y))
    real = [v.v if type(v) is Traced else v for v in (condition, x, y)]
    value = np.where(*real)
    if rec.masks and (put_off := FUNCTIONS["lazy where"](rec, condition, x, y, value)) is not None:
        return put_off
    if rec.keep:
        save_operands(rec, (condition,), beside=(x, y))
    args = (
        operand_nodes(rec, (condition,), np.logical_not)[0],
        *operand_nodes(rec, (x, y), np.add),
    )
    return result(rec, WHERE, args, (), value)


@implements(np.clip)
def clip(
    rec: Recorder,
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **kwargs: Any,
) -> Any:
    low = a_min if a_min is not None and a_min is not np._NoValue else min
    high = a_max if a_max is not None and a_max is not np._NoValue else max
    masked = kwargs.pop("where", True)
    if masked is not True and out is None:
        raise UnsupportedOperationError(
            "np.clip with where= and without out= leaves garbage where the mask is false. "
            "Give out=, or use np.where"
        )
    if a.dtype.kind in "iu":  # a bound that no element can pass
        info = np.iinfo(a.dtype)
        low = None if type(low) is int and low <= info.min else low
        high = None if type(high) is int and high >= info.max else high
    value = np.positive(a, **kwargs) if low is None and high is None else a
    # Of two equal operands, which zeros of both signs may be, the second is the extreme on x86:
    # NumPy keeps the element where both bounds are one number each, and else takes the bound.
    keeps = low is not None and high is not None and _is_one(low, a) and _is_one(high, a)
    if low is not None:
        value = np.maximum(*((low, value) if keeps else (value, low)), **kwargs)
    if high is not None:
        value = np.minimum(*((high, value) if keeps else (value, high)), **kwargs)
    if masked is not True and type(out) is Traced:
        out.write(value, where=masked)
        return out
    return finished(value, out, "clip")


def _is_one(bound: Any, a: Any) -> bool:
    """Tell whether a bound is one number for all elements of `a`, for NumPy's loop too."""
    return np.ndim(bound) == 0 or (np.size(bound) == 1 and a.size > 1)


@implements(np.copyto)
def copyto(
    rec: Recorder, dst: Any, src: Any, casting: Any = "same_kind", where: Any = True
) -> None:
    if type(dst) is not Traced:
        raise captured_write("np.copyto")
    given = src.v if type(src) is Traced else src
    if isinstance(given, np.ndarray | np.generic) and not np.can_cast(
        given.dtype, dst.dtype, casting
    ):
        raise TypeError(
            f"Cannot cast array data from {given.dtype!r} to {dst.dtype!r} according to the rule "
            f"{casting!r}"
        )
    dst.write(src, where=where)


METHODS["clip"] = np.clip


@implements(np.piecewise)
def piecewise(
    rec: Recorder, x: Any, condlist: Any, funclist: Any, *args: Any, **kwargs: Any
) -> Any:
    """Record np.piecewise; unlike NumPy it doesn't ask whether a piece has elements."""
    x = x if type(x) is Traced else np.asarray(x)
    if np.ndim(x) == 0:
        one = [np.reshape(c, (1,)) for c in (condlist if type(condlist) is list else [condlist])]
        return np.reshape(piecewise(rec, np.reshape(x, (1,)), one, funclist, *args, **kwargs), ())
    if np.isscalar(condlist) or (
        not isinstance(condlist[0], list | np.ndarray) and np.ndim(x) != 0
    ):
        condlist = [condlist]
    conditions: list[Any] = [c if type(c) is Traced else np.asarray(c, bool) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        rest = conditions[0]
        for c in conditions[1:]:
            rest = rest | c
        conditions.append(~rest)
    elif len(funclist) != len(conditions):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    y = np.zeros(x.shape, x.dtype, like=x if type(x) is Traced else conditions[0])
    for c, f in zip(conditions, funclist, strict=True):
        y[c] = f(x[c], *args, **kwargs) if callable(f) else f
    return y

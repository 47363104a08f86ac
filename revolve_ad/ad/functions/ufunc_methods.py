"""The methods of ufuncs: reduce, accumulate, reduceat, outer, at."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.core import reduced_shape
from revolve_ad.ad.functions.arguments import finished
from revolve_ad.ad.functions.foreign import Keywords
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.functions.indexing import ufunc_at as add_at
from revolve_ad.ad.functions.reductions import CUMSUM
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Kind, Primitive
from revolve_ad.ad.traced import (
    Traced,
    apply,
    as_array,
    as_type,
    captured_write,
)
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["RECURRENCE", "accumulated", "reduced"]


# -- reduce ------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def reduced(ufunc: np.ufunc) -> Primitive:
    """Return the primitive ``ufunc.reduce`` of a ufunc that has no form of its own."""

    def infer(x: ArrayType, axes: tuple[int, ...], keepdims: bool) -> ArrayType:
        found = ufunc.reduce(np.ones(1, x.dtype)).dtype
        return ArrayType(reduced_shape(x.shape, axes, keepdims), found)

    def one_by_one(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        shape = reduced_shape(x.shape, axes, keepdims)
        rows = np.moveaxis(x, axes, range(len(axes)))
        rows = rows.reshape((-1, *rows.shape[len(axes) :])) if x.size else rows
        if not x.size:
            return np.zeros(shape)
        found = rows[0]
        for k in range(1, len(rows)):
            found = ufunc(found, rows[k])
        return np.reshape(found, shape)

    op = Primitive(
        f"{ufunc.__name__}.reduce",
        lambda x, axes, keepdims: ufunc.reduce(x, axis=axes, keepdims=keepdims),
        infer=infer,
        kind=Kind.REDUCTION,
        params=("axes", "keepdims"),
    )
    # Also where the ufunc has no slope: what it isn't applied to passes through as it is.
    define_by_equal(op, one_by_one)
    return op


# -- accumulate --------------------------------------------------------------------------------


def _along(x: Any, axis: int, part: slice | int) -> Any:
    return x[(*(slice(None),) * axis, part)]


def _recur(a: Any, b: Any, axis: int) -> Any:
    out = np.array(b)
    if out.ndim == 1 and out.size and a.dtype == out.dtype == np.float64:
        # The same numbers by Python's floats, which take a tenth of the time of NumPy's.
        (_, first), *pairs = zip(a.tolist(), out.tolist(), strict=True)
        return np.array([*accumulate(pairs, lambda r, ab: ab[1] + ab[0] * r, initial=first)])
    for k in range(1, out.shape[axis]):
        here = (*(slice(None),) * axis, k)
        out[here] = out[here] + _along(a, axis, k) * _along(out, axis, k - 1)  # type: ignore[index]
    return out


# r[k] = a[k] r[k-1] + b[k] along one axis, with r[-1] = 0.
RECURRENCE = Primitive("recurrence", _recur, infer=lambda a, b, axis: b, params=("axis",))


def _shifted(x: Any, axis: int, by: int) -> Any:
    """Return ``x[k - by]`` at k, zero where there is none; `by` is 1 or -1."""
    zero = np.zeros_like(_along(x, axis, slice(0, 1)))
    parts = (
        [zero, _along(x, axis, slice(0, -1))] if by > 0 else [_along(x, axis, slice(1, None)), zero]
    )
    return np.concatenate(parts, axis)


def _recur_back(a: Any, g: Any, axis: int) -> Any:
    """Return the cotangent of `b`: λ[k] = g[k] + conj(a[k+1]) λ[k+1]."""
    ahead = np.flip(_shifted(np.conjugate(a), axis, -1), axis)
    return np.flip(apply(RECURRENCE, (ahead, np.flip(g, axis)), (axis,)), axis)


define_by_formulas(
    RECURRENCE,
    vjp=[
        lambda g, r, a, b, axis: _recur_back(a, g, axis) * np.conjugate(_shifted(r, axis, 1)),
        lambda g, r, a, b, axis: _recur_back(a, g, axis),
    ],
    jvp=[
        lambda t, r, a, b, axis: apply(RECURRENCE, (a, t * _shifted(r, axis, 1)), (axis,)),
        lambda t, r, a, b, axis: apply(RECURRENCE, (a, t), (axis,)),
    ],
)


def _product_before(x: Any, y: Any, axis: int) -> Any:
    one = np.ones_like(_along(y, axis, slice(0, 1)))
    return np.concatenate([one, _along(y, axis, slice(0, -1))], axis)


def _position_of_extreme(ufunc: np.ufunc) -> Primitive:
    """Return the primitive for where along the axis the extreme so far stands."""

    def evaluate(x: Any, axis: int) -> Any:
        here = x == ufunc.accumulate(x, axis=axis)
        shape = [1] * x.ndim
        shape[axis] = -1
        number = np.arange(x.shape[axis]).reshape(shape)
        return np.maximum.accumulate(np.where(here, number, 0), axis=axis)

    op = Primitive(
        f"position_of_{ufunc.__name__}",
        evaluate,
        infer=lambda x, axis: ArrayType(x.shape, np.dtype(np.intp)),
        params=("axis",),
    )
    no_derivative(op)
    return op


@lru_cache(maxsize=256)
def accumulated(ufunc: np.ufunc) -> Primitive:
    """Return the primitive ``ufunc.accumulate``."""
    if ufunc is np.add:
        return CUMSUM
    op = Primitive(
        f"{ufunc.__name__}.accumulate",
        lambda x, axis: ufunc.accumulate(x, axis=axis),
        infer=lambda x, axis: ArrayType(x.shape, ufunc.accumulate(np.ones(1, x.dtype)).dtype),
        params=("axis",),
    )
    if ufunc is np.multiply:
        define_by_formulas(
            op,
            vjp=[
                lambda g, y, x, axis: (
                    _recur_back(x, g, axis) * np.conjugate(_product_before(x, y, axis))
                )
            ],
            jvp=[
                lambda t, y, x, axis: apply(
                    RECURRENCE, (x, t * _product_before(x, y, axis)), (axis,)
                )
            ],
        )
    elif ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
        position = _position_of_extreme(ufunc)
        define_by_equal(
            op, lambda x, axis: np.take_along_axis(x, apply(position, (x,), (axis,)), axis)
        )
    else:

        def one_by_one(x: Any, axis: int) -> Any:
            rows = [_along(x, axis, slice(0, 1))]
            for k in range(1, x.shape[axis]):
                rows.append(ufunc(rows[-1], _along(x, axis, slice(k, k + 1))))
            return np.concatenate(rows, axis)

        define_by_equal(op, one_by_one)
    return op


@implements((np.ufunc, "accumulate"))
def ufunc_accumulate(
    rec: Recorder, ufunc: np.ufunc, x: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Record ``ufunc.accumulate``."""
    x = _in_dtype(rec, x, dtype, out)
    found = apply(accumulated(ufunc), (x,), (normalize_axis_index(axis, x.ndim),))
    return finished(found, out, ufunc.__name__)


def _in_dtype(rec: Recorder, x: Any, dtype: Any, out: Any) -> Any:
    """Return an array in the dtype of a ufunc's method: what it and `out` promote to."""
    if type(x) in (list, tuple):
        x = as_array(rec, x)
    if dtype is None and out is not None:
        dtype = np.result_type((out[0] if isinstance(out, tuple) else out).dtype, x.dtype)
    return x if dtype is None else as_type(rec, x, np.dtype(dtype))


@implements(np.cumsum)
def cumsum(rec: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return ufunc_accumulate(rec, np.add, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(rec: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return ufunc_accumulate(rec, np.multiply, a, axis, dtype, out)


# -- reduceat ----------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _reduced_at(ufunc: np.ufunc) -> Primitive:
    def segments(x: Any, indices: tuple[int, ...], axis: int) -> Any:
        ends = [*indices[1:], x.shape[axis]]
        parts = [
            _along(x, axis, slice(a, b if b > a else a + 1))
            for a, b in zip(indices, ends, strict=True)
        ]
        return np.concatenate([ufunc.reduce(p, axis=axis, keepdims=True) for p in parts], axis)

    op = Primitive(
        f"{ufunc.__name__}.reduceat",
        lambda x, indices, axis: ufunc.reduceat(x, indices, axis=axis),
        params=("indices", "axis"),
    )
    define_by_equal(op, segments)
    return op


@implements((np.ufunc, "reduceat"))
def ufunc_reduceat(
    rec: Recorder,
    ufunc: np.ufunc,
    x: Any,
    indices: Any,
    axis: int = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    """Record ``ufunc.reduceat``; the indices must not be traced."""
    x = _in_dtype(rec, x, dtype, out)
    at = tuple(np.asarray(indices).tolist())
    found = apply(_reduced_at(ufunc), (x,), (at, normalize_axis_index(axis, x.ndim)))
    return finished(found, out, ufunc.__name__)


# -- outer -------------------------------------------------------------------------------------


@implements((np.ufunc, "outer"))
def ufunc_outer(rec: Recorder, ufunc: np.ufunc, a: Any, b: Any, **kwargs: Any) -> Any:
    """Record ``ufunc.outer``."""
    a, b = (as_array(rec, x) if type(x) in (list, tuple) else x for x in (a, b))
    ndim = np.ndim(b)
    return ufunc(a[(..., *[None] * ndim)] if ndim else a, b, **kwargs)


# -- at ----------------------------------------------------------------------------------------


@implements((np.ufunc, "at"))
def ufunc_at(rec: Recorder, ufunc: np.ufunc, x: Any, index: Any, *values: Any) -> None:
    """Record ``ufunc.at``: the first occurrences of all positions, then the second ones."""
    if type(x) is not Traced:
        raise captured_write(f"np.{ufunc.__name__}.at")
    if ufunc in (np.add, np.subtract):
        add_at(rec, ufunc, x, index, *values)
        return
    parts = index if isinstance(index, tuple) else (index,)
    if any(type(p) is Traced and p.varies() for p in parts):
        raise UnsupportedOperationError(
            f"np.{ufunc.__name__}.at with indices that depend on the arguments has no rule; "
            f"np.add.at and np.subtract.at have one"
        )
    real = tuple(p.v if type(p) is Traced else p for p in parts)
    places = np.arange(x.size).reshape(x.shape)[real]
    operands = [
        np.broadcast_to(as_array(rec, v) if type(v) in (list, tuple) else v, places.shape)
        for v in values
    ]
    x.write(apply(_written_at(ufunc), (x, *operands), (Keywords({"places": places}),)))


@lru_cache(maxsize=256)
def _written_at(ufunc: np.ufunc) -> Primitive:
    """Return the primitive of an array after ``ufunc.at``, of its content and the operands."""

    def evaluate(x: Any, *given: Any) -> Any:
        *operands, keywords = given
        out = np.array(x, order="C")
        ufunc.at(out.reshape(-1), keywords.values["places"], *operands)
        return out

    def by_turns(x: Any, *given: Any) -> Any:
        *operands, keywords = given
        flat = np.ravel(keywords.values["places"])
        turn = np.zeros(flat.shape, int)
        seen: dict[int, int] = {}
        for k, place in enumerate(flat.tolist()):
            turn[k] = seen[place] = seen.get(place, -1) + 1
        out = np.copy(np.ravel(x))
        rows = [np.ravel(v) for v in operands]
        for t in range(max(seen.values(), default=-1) + 1):
            (mine,) = np.nonzero(turn == t)
            out[flat[mine]] = ufunc(out[flat[mine]], *(v[mine] for v in rows))
        return np.reshape(out, x.shape)

    op = Primitive(f"{ufunc.__name__}.at", evaluate, infer=lambda x, *given: x, params=("places",))
    define_by_equal(op, by_turns)
    return op

"""Shape and order: views where NumPy gives views, and what joins or repeats arrays."""

from __future__ import annotations

import inspect
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import BROADCAST, CONCATENATE, GATHER
from revolve_ad.ad.functions.arguments import finished, prepared
from revolve_ad.ad.rules.table import define_rules
from revolve_ad.ad.strided import box_map, c_strides
from revolve_ad.ad.traced import (
    METHODS,
    Traced,
    apply,
    copied,
    node_and_value,
    part_of,
    recorder_of,
    result,
    view_of,
)
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder, _interned
from revolve_ad.errors import UnsupportedOperationError


def view_or_copy(rec: Recorder, x: Any, function: Callable[[np.ndarray], Any]) -> Any:
    """Return `function` of an array, which moves no element: a view of it, or a copy in C order."""
    if x.cell is None:
        node, value = node_and_value(rec, x)
        x = Traced.wrap(rec, node, np.asarray(value))
    found = function(x.v)
    if type(found) is not np.ndarray and not isinstance(found, np.ndarray):
        return x.reshape(-1)[0]
    owner = x.cell.owner
    if found is x.v or found.base is owner or found is owner:
        return view_of(x, found)
    node, _ = node_and_value(rec, x)
    if found.shape != x.shape:
        index = _interned(x.shape, 0, found.shape, c_strides(found.shape))
        return result(rec, GATHER, (node,), (index,), found)
    return copied(rec, x, found)


@implements(np.reshape)
def reshape(
    rec: Recorder,
    a: Any,
    /,
    shape: Any = None,
    order: Any = "C",
    *,
    newshape: Any = None,
    copy: Any = None,
) -> Any:
    shape = shape if shape is not None else newshape
    if order == "A":
        order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    shape = tuple(shape) if isinstance(shape, Sequence) else shape
    if copy:
        a = a.copy()
    elif copy is not None and not np.shares_memory(
        a.v, np.asarray(a.v).reshape(shape, order=order)
    ):
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    if order == "F":
        sizes = np.empty(a.shape, np.int8).reshape(shape).shape
        return np.transpose(np.reshape(np.transpose(a), sizes[::-1]))
    return view_or_copy(rec, a, lambda v: v.reshape(shape))


@implements(np.ravel)
def ravel(rec: Recorder, a: Any, order: str = "C") -> Any:
    if order == "A":
        order = "F" if a.flags.f_contiguous and not a.flags.c_contiguous else "C"
    if order == "K":  # as the elements lie in memory
        a = np.transpose(a, sorted(range(a.ndim), key=lambda d: -abs(a.strides[d])))
    if order == "F":
        a = np.transpose(a)
    # Unlike reshape, ravel copies what doesn't lie in one piece.
    return view_or_copy(rec, a, lambda v: v.ravel())


def flatten(a: Traced, order: str = "C") -> Any:
    """Return a copy as one axis."""
    found = np.ravel(a, order)  # type: ignore[call-overload]
    return found.copy() if found.cell is a.cell else found


def _viewing(function: Any) -> Callable[..., Any]:
    """Record a function of NumPy that gives a view of its first argument."""

    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        a, *rest = args or (kwargs.pop(next(iter(inspect.signature(function).parameters))),)
        args = tuple(rest)
        if len(args) == 1 and type(args[0]) is tuple and len(args[0]) == 1:
            args = (args[0][0],) if isinstance(args[0][0], np.ndarray) else args
        return view_or_copy(rec, a, lambda v: function(v, *args, **kwargs))

    return call


for _function in (
    np.transpose,
    np.swapaxes,
    np.moveaxis,
    np.rollaxis,
    np.squeeze,
    np.expand_dims,
    np.flip,
    np.flipud,
    np.fliplr,
    np.rot90,
    np.diagonal,
    np.matrix_transpose,
):
    implements(_function)(_viewing(_function))


for _function in (np.atleast_1d, np.atleast_2d, np.atleast_3d):

    def _atleast(rec: Recorder, *arrays: Any, _f: Any = _function) -> Any:
        found = tuple(view_or_copy(rec, a, _f) if type(a) is Traced else _f(a) for a in arrays)
        return found if len(found) > 1 else found[0]

    implements(_function)(_atleast)


@implements(np.broadcast_to)
def broadcast_to(rec: Recorder, array: Any, shape: Any, subok: bool = False) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple([operator.index(n) for n in shape])
    if type(array) is not Traced or array.rec is not rec or array.cell is None:
        node, value = node_and_value(rec, array)
        array = Traced.wrap(rec, node, np.array(value))
    # A view that may only be read, and sees what is written into the array later.
    view: Traced = view_of(array, np.broadcast_to(array.v, shape))
    node, dtype = array.read(), array.dtype
    view._node = rec.append(BROADCAST, (node,), (shape,), shape, dtype, view.v)
    view._seen = array.cell.node
    return view


@implements(np.broadcast_arrays)
def broadcast_arrays(rec: Recorder, *arrays: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(np.shape(a.v if type(a) is Traced else a) for a in arrays))
    return tuple(broadcast_to(rec, a, shape) for a in arrays)


def _concatenate_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (axis,) = params
    out, start = [], 0
    for x in xs:
        n = x.shape[axis]
        box = tuple(
            (start if d == axis else 0, 1, n if d == axis else m) for d, m in enumerate(y.shape)
        )
        out.append(s.match(s.gather(g, box_map(y.shape, box)), x))
        start += n
    return out


def _concatenate_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    filled = [s.zeros(y, x.shape, y.dtype) if t is None else t for t, x in zip(ts, xs, strict=True)]
    return filled[0].apply(CONCATENATE, *filled[1:], params=params)


define_rules(CONCATENATE, vjp=_concatenate_vjp, jvp=_concatenate_jvp)


@implements(np.concatenate)
def concatenate(
    rec: Recorder,
    arrays: Any,
    axis: Any = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    parts = [prepared(rec, a) for a in arrays]
    if axis is None:
        parts, axis = [np.ravel(a) for a in parts], 0
    axis = normalize_axis_index(axis, parts[0].ndim)
    found = apply(CONCATENATE, parts, (axis,))
    if dtype is not None:
        found = found.astype(dtype)
    return finished(found, out, "concatenate")


@implements(np.stack)
def stack(rec: Recorder, arrays: Any, axis: int = 0, out: Any = None, **kwargs: Any) -> Any:
    parts = [prepared(rec, a) for a in arrays]
    ndim = parts[0].ndim + 1
    axis = normalize_axis_index(axis, ndim)
    index = (slice(None),) * axis + (None,)
    return concatenate(
        rec, [a[index] if a.ndim else np.reshape(a, (1,)) for a in parts], axis, out, **kwargs
    )


@implements(np.vstack)
def vstack(rec: Recorder, tup: Any, **kwargs: Any) -> Any:
    return concatenate(rec, [np.atleast_2d(a) for a in tup], 0, **kwargs)


@implements(np.hstack)
def hstack(rec: Recorder, tup: Any, **kwargs: Any) -> Any:
    parts = [np.atleast_1d(a) for a in tup]
    return concatenate(rec, parts, 0 if parts[0].ndim == 1 else 1, **kwargs)


@implements(np.dstack)
def dstack(rec: Recorder, tup: Any) -> Any:
    return concatenate(rec, [np.atleast_3d(a) for a in tup], 2)


@implements(np.column_stack)
def column_stack(rec: Recorder, tup: Any) -> Any:
    parts = [prepared(rec, a) for a in tup]
    return concatenate(rec, [a if a.ndim == 2 else np.reshape(a, (-1, 1)) for a in parts], 1)


@implements(np.split, np.array_split)
def split(rec: Recorder, ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    axis = operator.index(axis)
    n = ary.shape[axis]
    bounds = np.array_split(np.arange(n), _whole(indices_or_sections))
    starts = np.cumsum([0, *(len(b) for b in bounds)])
    lead = (slice(None),) * (axis % ary.ndim)
    return [ary[(*lead, slice(int(a), int(b)))] for a, b in itertools.pairwise(starts)]


@implements(np.roll)
def roll(rec: Recorder, a: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.reshape(roll(rec, np.ravel(a), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(_whole(shift)), np.atleast_1d(_whole(axis)))
    for k, d in zip(shifts.tolist(), axes.tolist(), strict=True):
        d = normalize_axis_index(d, a.ndim)
        n = a.shape[d]
        k = k % n if n else 0
        lead = (slice(None),) * d
        if k:
            a = concatenate(rec, [a[(*lead, slice(n - k, n))], a[(*lead, slice(0, n - k))]], d)
    return a.copy() if type(a) is Traced else a


def _whole(x: Any) -> Any:
    if type(x) is not Traced:
        return x
    return x._concrete("a place or a shift") if np.ndim(x.v) else x.__index__()


@implements(np.astype)
def astype_function(
    rec: Recorder, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None
) -> Any:
    return astype(x, dtype, copy=copy)


def astype(
    x: Traced,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    """Return the array in another dtype."""
    from revolve_ad.ad.core import CAST

    rec = recorder_of((x,))
    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc":
        raise UnsupportedOperationError(
            f"a traced array can't become one of {dtype}: only numbers have derivatives. Keep it "
            f"an array of floats, or cut it on purpose with ra.stop_gradient"
        )
    if dtype == x.dtype and not x.weak:
        return x.copy(order) if copy and x.cell is not None else x
    node, value = node_and_value(rec, x)
    made: Any = np.asarray(value)
    made = made.astype(dtype, casting=casting)
    found = result(rec, CAST, (node,), (dtype,), made[()] if x.cell is None else made)
    return found if order == "K" or not made.ndim else found.copy(order)


METHODS.update(
    ravel=np.ravel,
    flatten=flatten,
    swapaxes=np.swapaxes,
    squeeze=np.squeeze,
    diagonal=np.diagonal,
    astype=astype,
)

for _function, _as in ((np.real, "REAL"), (np.imag, "IMAG")):

    def _part(rec: Recorder, val: Any, _as: str = _as) -> Any:
        from revolve_ad.ad import core

        if val.dtype.kind != "c":
            if _as == "REAL":
                return val
            if val.cell is None:
                return val.dtype.type(0)
            zeros = np.zeros_like(val)
            zeros.v.flags.writeable = False  # as NumPy's
            return zeros
        op = getattr(core, _as)
        return apply(op, (val,)) if val.cell is None else part_of(val, op)

    implements(_function)(_part)

"""Arrays made from nothing inside a recorded function, and arrays made of traced numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from revolve_ad.ad.traced import Traced, node_and_value
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import _PYTHON_DTYPE, Recorder
from revolve_ad.errors import UnsupportedOperationError

# The functions themselves, before any recording replaces them on the module.
_array, _asarray, _zeros, _ones, _full = np.array, np.asarray, np.zeros, np.ones, np.full
_ndarray = np.ndarray


def made(recorder: Recorder, array: np.ndarray) -> Any:
    """Return a plain array that was just made, as an array of the recording."""
    if array.ndim == 0 and not isinstance(array, _ndarray):
        return array
    if stays_plain(recorder):
        return array
    return noted(recorder, Traced.wrap(recorder, recorder.constant(array), array))


def stays_plain(recorder: Recorder) -> bool:
    """Tell whether the array that is made now is to be left as NumPy makes it."""
    if len(recorder.made) not in recorder.stay_plain:
        return False
    recorder.made.append(None)
    return True


def noted(recorder: Recorder, t: Traced) -> Traced:
    """Note an array that was made from nothing; return it."""
    if t.cell is not None:
        recorder.made.append((t.cell, t.cell.node))
    return t


def uniform(recorder: Recorder, array: np.ndarray, value: Any) -> Any:
    """Return an array that holds one value everywhere, as an array of the recording."""
    if array.dtype.kind not in "biufc" or stays_plain(recorder):
        return array
    node = recorder.literal(array.dtype.type(value).item(), array.dtype, array.shape)
    if recorder.keep and array.ndim:
        recorder.values[node] = None
    t = Traced.wrap(recorder, node, array)
    assert t.cell is not None
    t.cell.reads = None
    return noted(recorder, t)


def concrete(x: Any) -> Any:
    """Return shapes and sizes as plain integers."""
    if type(x) is Traced:
        return x._concrete("a shape made from a traced value")
    if type(x) in (tuple, list):
        return type(x)(concrete(k) for k in x)
    return x


def zeros(rec: Recorder, shape: Any, *args: Any, **kwargs: Any) -> Any:
    return uniform(rec, _zeros(concrete(shape), *args, **kwargs), 0)


def ones(rec: Recorder, shape: Any, *args: Any, **kwargs: Any) -> Any:
    return uniform(rec, _ones(concrete(shape), *args, **kwargs), 1)


def ndarray(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
    if len(args) > 2 or "buffer" in kwargs:
        return _ndarray(*args, **kwargs)
    kwargs = {k: v for k, v in kwargs.items() if k in ("shape", "dtype", "order")}
    return uniform(rec, _zeros(*map(concrete, args), **kwargs), 0)


def full(
    rec: Recorder, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **kwargs: Any
) -> Any:
    if type(fill_value) is Traced and fill_value.varies():
        out = zeros(rec, shape, fill_value.dtype if dtype is None else dtype, order)
        out[...] = fill_value
        return out
    value = fill_value.v if type(fill_value) is Traced else fill_value
    array = _full(concrete(shape), value, dtype, order, **kwargs)  # type: ignore[call-overload]
    return uniform(rec, array, value) if np.ndim(value) == 0 else made(rec, array)


def like(function: Any) -> Any:
    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        # NumPy names it `a`, and that of np.empty_like `prototype`.
        named = "a" if "a" in kwargs else "prototype"
        prototype, *args = args or (kwargs.pop(named),)  # type: ignore[assignment]
        args = tuple(a.v if type(a) is Traced and not a.varies() else a for a in args)
        if type(prototype) is Traced and rec.masks:
            FUNCTIONS["settle"](prototype)
        real = prototype.v if type(prototype) is Traced else prototype
        return uniform(rec, function(real, *args, **kwargs), 0 if function is _zeros_like else 1)

    return call


_zeros_like, _ones_like, _full_like = np.zeros_like, np.ones_like, np.full_like
zeros_like, ones_like = like(_zeros_like), like(_ones_like)


def full_like(rec: Recorder, a: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    out = zeros_like(rec, a, dtype, **kwargs)
    out[...] = fill_value
    return out


def plain_made(function: Any) -> Any:
    """Record the result of a function of plain arguments; traced ones give their real value."""

    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        args = tuple(concrete(a) for a in args)
        kwargs = {k: concrete(v) for k, v in kwargs.items()}
        return made(rec, function(*args, **kwargs))

    return call


def contains_traced(x: Any) -> bool:
    """Tell whether a traced value stands somewhere in nested lists and tuples."""
    if type(x) is Traced:
        return True
    return type(x) in (list, tuple) and any(contains_traced(k) for k in x)


@implements("array")
def array(
    rec: Recorder,
    obj: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: str = "K",
    ndmin: int = 0,
    **kwargs: Any,
) -> Any:
    """Record np.array: a copy of an array, or an array of the numbers in nested lists."""
    if type(obj) is FUNCTIONS["flat"]:
        obj = obj.copy()
    if type(obj) is Traced:
        out = obj if dtype is None or obj.dtype == dtype else obj.astype(dtype)
        out = out.copy(order) if out is obj and (copy is True or obj.cell is None) else out
        if out.cell is None:  # a number becomes an array without axes
            out = Traced.wrap(rec, node_and_value(rec, out)[0], _array(out.v))
        while out.ndim < ndmin:
            out = out[None]
        return out
    if not contains_traced(obj):
        made_now = _array(obj, dtype, copy=copy, order=order, ndmin=ndmin, **kwargs)  # type: ignore[call-overload]
        if made_now is obj or made_now.dtype.kind not in "biufc":
            return made_now
        return made(rec, made_now)
    out = nested(rec, obj)
    if dtype is not None and out.dtype != dtype:
        out = out.astype(dtype)
    if order == "F" and not out.flags.f_contiguous:
        out = out.copy("F")
    while out.ndim < ndmin:
        out = out[None]
    return out


def nested(rec: Recorder, obj: Any) -> Any:
    """Return nested lists of numbers and arrays, traced ones among them, as one array."""
    shape = _shape_of(obj)
    leaves = list(_leaves(obj))
    # Here a Python number isn't weak: np.array([np.float32(1), 0.5]) is of double precision.
    dtype = np.result_type(*[_dtype(x) for _, x in leaves])
    out = Traced.wrap(rec, rec.literal(0, dtype, shape), _zeros(shape, dtype))
    for index, x in leaves:
        out[index] = x
    return out


def _dtype(x: Any) -> np.dtype[Any]:
    found = _PYTHON_DTYPE.get(type(x)) or getattr(x, "dtype", None)
    if found is None:
        raise UnsupportedOperationError(
            f"np.array of traced numbers can't hold a {type(x).__name__} beside them: arrays of "
            f"Python objects have no derivatives. Keep the numbers in an array, the rest in a list"
        )
    return found


def _shape_of(obj: Any) -> tuple[int, ...]:
    if type(obj) in (list, tuple):
        shapes = {_shape_of(k) for k in obj}
        if len(shapes) > 1:
            raise ValueError(
                "np.array of nested lists that aren't of one shape: "
                + ", ".join(map(str, sorted(shapes)))
            )
        return (len(obj), *(shapes.pop() if shapes else ()))
    return np.shape(obj.v) if type(obj) is Traced else np.shape(obj)


def _leaves(obj: Any, place: tuple[int, ...] = ()) -> Any:
    """Yield the arrays and numbers in nested lists, some deeper than others, and their places."""
    if type(obj) in (list, tuple):
        for k, part in enumerate(obj):
            yield from _leaves(part, (*place, k))
    elif isinstance(obj, np.ndarray) and type(obj) is not Traced:  # type: ignore[comparison-overlap]
        yield place, _asarray(obj)
    else:
        yield place, obj


def asarray(
    rec: Recorder, a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, **kwargs: Any
) -> Any:
    """Record np.asarray: an array stays itself, so that writes through it are seen."""
    if isinstance(a, _ndarray) and type(a) is not Traced and copy is not True:  # type: ignore[comparison-overlap]
        return _asarray(a, dtype, order, **kwargs)
    if type(a) is Traced and a.cell is not None and copy is not True:
        if dtype is not None and a.dtype != dtype:
            return a.astype(dtype)
        laid_out = {"C": a.flags.c_contiguous, "F": a.flags.f_contiguous}.get(order, True)
        return a if laid_out else a.copy(order)
    return array(rec, a, dtype)


def ascontiguousarray(rec: Recorder, a: Any, dtype: Any = None, **kwargs: Any) -> Any:
    if type(a) is Traced and a.cell is not None:
        a = asarray(rec, a, dtype)
        return a if a.flags.c_contiguous else a.copy()
    return asarray(rec, a, dtype)


def fromiter(rec: Recorder, iter: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    taken = list(iter if count < 0 else itertools.islice(iter, count))
    if not contains_traced(taken):
        return made(rec, _fromiter(taken, dtype, count, **kwargs))
    return array(rec, taken, dtype)


_fromiter = np.fromiter


def asfortranarray(rec: Recorder, a: Any, dtype: Any = None, **kwargs: Any) -> Any:
    return asarray(rec, a, dtype, "F")


for _name in ("zeros", "empty"):
    CREATION[_name] = zeros
CREATION.update(
    ones=ones,
    full=full,
    zeros_like=zeros_like,
    empty_like=zeros_like,
    ones_like=ones_like,
    full_like=full_like,
    array=array,
    asarray=asarray,
    asanyarray=asarray,
    ascontiguousarray=ascontiguousarray,
    fromiter=fromiter,
    asfortranarray=asfortranarray,
)
for _name in ("eye", "identity", "tri", "indices"):
    CREATION[_name] = plain_made(getattr(np, _name))


def _dispatched(recorded: Any) -> Any:
    return lambda rec, *args, **kwargs: recorded(rec, *args, **kwargs)


implements(np.zeros_like, np.empty_like)(_dispatched(zeros_like))
implements(np.ones_like)(_dispatched(ones_like))
implements(np.full_like)(_dispatched(full_like))


@implements(np.zeros, np.empty)
def _zeros_beside(
    rec: Recorder, shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any
) -> Any:
    return zeros(rec, shape, dtype, order)


@implements(np.ones)
def _ones_beside(
    rec: Recorder, shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any
) -> Any:
    return ones(rec, shape, dtype, order)


@implements(np.copy)
def _copy(rec: Recorder, a: Any, order: str = "K", subok: bool = False) -> Any:
    return a.copy(order)

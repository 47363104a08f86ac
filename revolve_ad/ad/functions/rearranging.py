"""Repeating, picking and putting elements; rounding; parts of complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.functions.arguments import finished, prepared
from revolve_ad.ad.functions.creation import concrete
from revolve_ad.ad.functions.source import from_source, source_of
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Kind, Primitive
from revolve_ad.ad.traced import METHODS, PYTHON_NUMBERS, Traced, apply, captured_write, plain
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import Recorder


@implements(np.repeat)
def repeat(rec: Recorder, a: Any, repeats: Any, axis: Any = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, normalize_axis_index(axis, a.ndim))
    positions = np.repeat(np.arange(a.shape[axis]), concrete(repeats))
    return np.take(a, positions, axis)


@implements(np.trace)
def trace(
    rec: Recorder,
    a: Any,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


_take_along_axis = source_of(np.take_along_axis)
_put_along_axis = source_of(np.put_along_axis)


@implements(np.take_along_axis)
def take_along_axis(rec: Recorder, arr: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return _take_along_axis(arr, indices, axis)


@implements(np.put_along_axis)
def put_along_axis(rec: Recorder, arr: Any, indices: Any, values: Any, axis: Any) -> None:
    if axis is None:
        put(arr, indices, values)
    else:
        _put_along_axis(arr, indices, values, axis)


def require(rec: Recorder, a: Any, dtype: Any = None, requirements: Any = None, **_: Any) -> Any:
    words = [requirements] if isinstance(requirements, str) else list(requirements or ())
    known = {word.upper()[:1] for word in words}
    order = "F" if "F" in known else "C" if "C" in known else None
    recorded = CREATION["asarray"]
    found = recorded(rec, a, dtype, order)
    return found.copy(order or "K") if found is a and "O" in known else found


def asarray_chkfinite(rec: Recorder, a: Any, dtype: Any = None, order: Any = None) -> Any:
    found = CREATION["asarray"](rec, a, dtype, order)
    if found.dtype.kind in "fc" and not np.isfinite(plain(found)).all():
        raise ValueError("array must not contain infs or NaNs")
    return found


CREATION.update(asarray_chkfinite=asarray_chkfinite, require=require)


@implements(np.sort_complex)
def sort_complex(rec: Recorder, a: Any) -> Any:
    found = np.sort(prepared(rec, a))
    return found if found.dtype.kind == "c" else found.astype(np.result_type(found, np.complex64))


@implements(np.choose)
def choose(rec: Recorder, a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    a = prepared(rec, a)
    options = [prepared(rec, c) for c in choices]
    n = len(options)
    if mode == "wrap":
        a = a % n
    elif mode == "clip":
        a = np.clip(a, 0, n - 1)
    else:
        real = a.v if type(a) is Traced else a
        if np.any((real < 0) | (real >= n)):
            raise ValueError("invalid entry in choice array")
    dtype = np.result_type(
        *(
            c if type(c) in PYTHON_NUMBERS else o.dtype
            for c, o in zip(choices, options, strict=True)
        )
    )
    shape = np.broadcast_shapes(a.shape, *(o.shape for o in options))
    found = np.broadcast_to(options[-1].astype(dtype), shape)
    for k in range(n - 2, -1, -1):
        found = np.where(a == k, options[k].astype(dtype), found)
    return finished(found, out, "choose")


@implements(np.compress)
def compress(rec: Recorder, condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    mask = prepared(rec, condition)
    if type(mask) is Traced:
        mask = mask._concrete("np.compress by a traced condition")
    return np.take(a, np.flatnonzero(mask), axis, out)


def put(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    """Record ``x.flat[indices] = values``, values repeated as needed."""
    if type(x) is not Traced:
        raise captured_write("np.put")
    at = np.asarray(concrete(indices)).ravel()
    if mode == "wrap":
        at = at % x.size
    elif mode == "clip":
        at = np.clip(at, 0, x.size - 1)
    where = np.unravel_index(np.where(at < 0, at + x.size, at), x.shape)
    x[where] = np.resize(prepared(x.rec, values), at.shape)


@implements(np.put)
def _put(rec: Recorder, a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    put(a, ind, v, mode)


@implements(np.putmask)
def putmask(rec: Recorder, a: Any, mask: Any, values: Any) -> None:
    if type(a) is not Traced:
        raise captured_write("np.putmask")
    mask = np.reshape(mask, a.shape)  # NumPy asks for as many elements, not for the same shape
    a.write(np.resize(prepared(rec, values), a.shape), where=mask)


@implements(np.place)
def place(rec: Recorder, arr: Any, mask: Any, vals: Any) -> None:
    if type(arr) is not Traced:
        raise captured_write("np.place")
    real = mask._concrete("np.place by a traced mask") if type(mask) is Traced else mask
    at = np.nonzero(np.reshape(np.asarray(real, bool), arr.shape))
    arr[at] = np.resize(prepared(rec, vals), (len(at[0]) if at else 1,))


@implements(np.bincount)
def bincount(rec: Recorder, x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    real = np.asarray(x._concrete("np.bincount of traced integers") if type(x) is Traced else x)
    if weights is None:
        return np.bincount(real, minlength=minlength)
    out = np.zeros_like(weights, shape=max(int(real.max(initial=-1)) + 1, minlength), dtype=float)
    np.add.at(out, real, weights.astype(float))
    return out


def _round(x: Any, decimals: int, dtype: Any) -> Any:
    out = None if dtype is None else np.empty(np.shape(x), dtype)
    return np.round(x, decimals, out)


ROUND = Primitive(
    "round",
    _round,
    infer=lambda x, decimals, dtype: x if dtype is None else ArrayType(x.shape, dtype),
    kind=Kind.ELEMENTWISE,
    params=("decimals", "dtype"),
)
no_derivative(ROUND)


@implements(np.round, np.around)
def round_(rec: Recorder, a: Any, decimals: int = 0, out: Any = None) -> Any:
    kind = None if out is None or out.dtype == a.dtype else out.dtype
    return finished(apply(ROUND, (a,), (int(decimals), kind)), out, "round")


@implements(np.real_if_close)
def real_if_close(rec: Recorder, a: Any, tol: float = 100) -> Any:
    if a.dtype.kind != "c":
        return a
    # Whether the imaginary part vanishes is a question about values.
    return (
        np.real(a) if a.dtype == np.real_if_close(a._concrete("np.real_if_close"), tol).dtype else a
    )


@implements(np.angle)
def angle(rec: Recorder, z: Any, deg: bool = False) -> Any:
    complex_ = z.dtype.kind == "c"
    found = np.arctan2(z.imag if complex_ else 0, z.real if complex_ else z)
    return found * (180 / np.pi) if deg else found


def _conjugate(x: Traced, *args: Any, **kwargs: Any) -> Any:
    return np.conjugate(x, *args, **kwargs) if x.dtype.kind == "c" else x


METHODS.update(
    trace=np.trace,
    repeat=np.repeat,
    choose=np.choose,
    compress=lambda x, condition, axis=None, out=None: np.compress(condition, x, axis, out),
    round=np.round,
    conj=_conjugate,
    conjugate=_conjugate,
    put=put,
)

from_source(np.extract)

"""Repeating, picking and putting elements; rounding; parts of complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.functions.creation import concrete
from revolve_ad.ad.functions.source import from_source
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import Kind, Primitive
from revolve_ad.ad.traced import _PYTHON, METHODS, Traced, _as_array, apply, captured_write


def _prepared(rec: Recorder, a: Any) -> Any:
    if type(a) in (list, tuple):
        return _as_array(rec, a)
    return a if type(a) is Traced else np.asarray(a)


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


@implements(np.choose)
def choose(rec: Recorder, a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    a = _prepared(rec, a)
    options = [_prepared(rec, c) for c in choices]
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
        *(c if type(c) in _PYTHON else o.dtype for c, o in zip(choices, options, strict=True))
    )
    shape = np.broadcast_shapes(a.shape, *(o.shape for o in options))
    found = np.broadcast_to(options[-1].astype(dtype), shape)
    for k in range(n - 2, -1, -1):
        found = np.where(a == k, options[k].astype(dtype), found)
    if out is not None:
        out.write(found)
        return out
    return found


@implements(np.compress)
def compress(rec: Recorder, condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    mask = _prepared(rec, condition)
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
    x[where] = np.resize(_prepared(x.rec, values), at.shape)


@implements(np.put)
def _put(rec: Recorder, a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    put(a, ind, v, mode)


@implements(np.putmask)
def putmask(rec: Recorder, a: Any, mask: Any, values: Any) -> None:
    if type(a) is not Traced:
        raise captured_write("np.putmask")
    a.write(np.resize(_prepared(rec, values), a.shape), where=mask)


@implements(np.place)
def place(rec: Recorder, arr: Any, mask: Any, vals: Any) -> None:
    if type(arr) is not Traced:
        raise captured_write("np.place")
    real = mask._concrete("np.place by a traced mask") if type(mask) is Traced else mask
    at = np.nonzero(np.reshape(np.asarray(real, bool), arr.shape))
    arr[at] = np.resize(_prepared(rec, vals), (len(at[0]) if at else 1,))


@implements(np.bincount)
def bincount(rec: Recorder, x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    real = np.asarray(x._concrete("np.bincount of traced integers") if type(x) is Traced else x)
    if weights is None:
        return np.bincount(real, minlength=minlength)
    out = np.zeros_like(weights, shape=max(int(real.max(initial=-1)) + 1, minlength), dtype=float)
    np.add.at(out, real, weights.astype(float))
    return out


ROUND = Primitive(
    "round",
    lambda x, decimals: np.round(x, decimals),
    infer=lambda x, decimals: x,
    kind=Kind.ELEMENTWISE,
    params=("decimals",),
)
no_derivative(ROUND)


@implements(np.round, np.around)
def round_(rec: Recorder, a: Any, decimals: int = 0, out: Any = None) -> Any:
    found = apply(ROUND, (a,), (int(decimals),))
    if out is not None:
        out.write(found)
        return out
    return found


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
    found = np.arctan2(z.imag if complex_ else z * 0, z.real if complex_ else z)
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

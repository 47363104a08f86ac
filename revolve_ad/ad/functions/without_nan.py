"""Reductions that leave out NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.functions.reductions import reduce
from revolve_ad.ad.functions.source import from_source
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.traced import Traced, _as_array

_NO_VALUE = np._NoValue

from_source(np.nansum, np.nanprod, np.nancumsum, np.nancumprod)


def _extreme(function: Any, ufunc: np.ufunc) -> None:
    def call(rec: Recorder, a: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        kwargs.update(zip(("out", "keepdims", "initial", "where"), args, strict=False))
        kwargs = {k: v for k, v in kwargs.items() if v is not _NO_VALUE}
        return reduce(rec, ufunc, a, axis, **kwargs)

    implements(function)(call)


_extreme(np.nanmax, np.fmax)
_extreme(np.nanmin, np.fmin)


def _finish(found: Any, out: Any) -> Any:
    if out is None:
        return found
    out.write(found)
    return out


def _divided(a: Any, n: Any) -> Any:
    found = a / n
    return found if found.dtype == a.dtype else found.astype(a.dtype)


def _given(keepdims: Any, where: Any) -> tuple[bool, Any]:
    return keepdims is not _NO_VALUE and bool(keepdims), True if where is _NO_VALUE else where


@implements(np.nanmean)
def nanmean(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = _NO_VALUE,
    *,
    where: Any = _NO_VALUE,
) -> Any:
    keepdims, where = _given(keepdims, where)
    missing = np.isnan(a)
    n = np.sum(~missing, axis=axis, dtype=np.intp, keepdims=keepdims, where=where)
    total = np.sum(np.where(missing, 0, a), axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    return _finish(_divided(total, n), out)


@implements(np.nanvar)
def nanvar(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = _NO_VALUE,
    *,
    where: Any = _NO_VALUE,
    mean: Any = _NO_VALUE,
    correction: Any = _NO_VALUE,
) -> Any:
    keepdims, where = _given(keepdims, where)
    ddof = ddof if correction is _NO_VALUE else correction
    a = _as_array(rec, a) if type(a) is not Traced else a
    missing = np.isnan(a)
    n = np.sum(~missing, axis=axis, dtype=np.intp, keepdims=True, where=where)
    if mean is _NO_VALUE:
        total = np.sum(np.where(missing, 0, a), axis=axis, dtype=dtype, keepdims=True, where=where)
        mean = _divided(total, n)
    x = np.where(missing, 0, a - mean)
    square = x * x if x.dtype.kind != "c" else np.multiply(x, np.conjugate(x)).real
    found = np.sum(square, axis=axis, dtype=dtype, keepdims=keepdims, where=where)
    left = (n if keepdims else np.sum(n, axis=axis)) - ddof
    return _finish(np.where(left <= 0, np.nan, _divided(found, left)).astype(found.dtype), out)


@implements(np.nanstd)
def nanstd(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    **kwargs: Any,
) -> Any:
    return _finish(np.sqrt(np.nanvar(a, axis, dtype, None, **kwargs)), out)

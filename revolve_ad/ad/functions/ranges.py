"""Numbers from one to another: arange, linspace, logspace, geomspace, with traced ends too."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.creation import concrete, contains_traced, made
from revolve_ad.ad.traced import Traced, plain
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import Recorder

_arange, _linspace, _logspace, _geomspace = np.arange, np.linspace, np.logspace, np.geomspace


def _varies(x: Any) -> bool:
    """Tell whether floats that depend on the arguments stand in `x`."""
    if type(x) in (list, tuple):
        return any(map(_varies, x))
    return type(x) is Traced and x.dtype.kind in "fc" and x.varies()


def _of_numbers(rec: Recorder, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Record the result of a call without floats that vary; traced integers are looked at."""
    found = function(*map(concrete, args), **{k: concrete(v) for k, v in kwargs.items()})
    return (made(rec, found[0]), found[1]) if type(found) is tuple else made(rec, found)


def arange(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
    """Record np.arange; how many numbers there are is a question about values."""
    given = dict(zip(("start", "stop", "step", "dtype"), args, strict=False)) | kwargs
    if given.get("stop") is None and "start" in given:
        given["stop"], given["start"] = given["start"], 0
    start, stop, step = given.get("start", 0), given.get("stop"), given.get("step", 1)
    step = 1 if step is None else step
    if not any(map(_varies, (start, stop, step))):
        return _of_numbers(rec, _arange, args, kwargs)
    ends: list[Any] = [
        x._concrete("np.arange of traced ends") if type(x) is Traced else x
        for x in (start, stop, step)
    ]
    dtype: Any = given.get("dtype")
    numbers = _arange(*ends, dtype=dtype)
    n = len(numbers)
    # As NumPy computes it: the first two, and the others by their difference.
    second = start + step
    found = _arange(n).astype(numbers.dtype) * (second - start) + start
    if type(found) is Traced and n > 1:
        found[1] = second
    return found if found.dtype == numbers.dtype else found.astype(numbers.dtype)


def _kind(x: Any) -> Any:
    """Return what decides about the dtype of a result: a Python number gives way."""
    value = plain(x)
    return value if type(value) in (bool, int, float, complex) else value.dtype


def linspace(
    rec: Recorder,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    retstep: Any = False,
    dtype: Any = None,
    axis: Any = 0,
    **kwargs: Any,
) -> Any:
    if not _varies(start) and not _varies(stop):
        args = (start, stop, num, endpoint, retstep, dtype, axis)
        return _of_numbers(rec, _linspace, args, kwargs)
    start, stop = (prepared(rec, x) if contains_traced([x]) else x for x in (start, stop))
    n = int(concrete(num))
    div = n - 1 if endpoint else n
    kind = np.result_type(*(_kind(x) for x in (start, stop)), 0.0)
    delta = np.subtract(stop, start)
    delta = delta if delta.dtype == kind else delta.astype(kind)
    step = delta / div if div > 0 else np.nan
    # As NumPy computes it: arange·step + start, then the last one set to `stop`.
    y = _arange(n, dtype=kind).reshape((-1,) + (1,) * np.ndim(plain(delta)))
    if div > 0 and y.ndim > 1:
        # Where any two ends are equal, NumPy multiplies all differences first, and divides last.
        y = np.where(np.any(step == 0), (y / div) * delta, y * step) + start
    else:
        y = y * (step if div > 0 else delta) + start
    if endpoint and n > 1:
        y[-1, ...] = stop
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    if dtype is not None:
        y = np.floor(y) if np.issubdtype(dtype, np.integer) else y
        y = y if y.dtype == dtype else y.astype(dtype)
    return (y, step) if retstep else y


def logspace(
    rec: Recorder,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: Any = 0,
) -> Any:
    if not any(map(_varies, (start, stop, base))):
        return _of_numbers(rec, _logspace, (start, stop, num, endpoint, base, dtype, axis), {})
    if np.ndim(plain(base)):
        ndim = max(np.ndim(plain(x)) for x in (start, stop, base))
        arrays = [prepared(rec, x) for x in (start, stop, base)]
        start, stop, base = (np.reshape(x, (1,) * (ndim - x.ndim) + x.shape) for x in arrays)
        base = np.expand_dims(base, axis)
    found = np.power(base, linspace(rec, start, stop, num, endpoint, axis=axis))
    return found if dtype is None else found.astype(dtype)


def geomspace(
    rec: Recorder,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    dtype: Any = None,
    axis: Any = 0,
) -> Any:
    if not _varies(start) and not _varies(stop):
        return _of_numbers(rec, _geomspace, (start, stop, num, endpoint, dtype, axis), {})
    start, stop = prepared(rec, start), prepared(rec, stop)
    if np.any(plain(start) == 0) or np.any(plain(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    n = int(concrete(num))
    kind = np.result_type(start.dtype, stop.dtype, float(n), np.dtype(dtype))
    start, stop = (x if x.dtype == kind else x.astype(kind) for x in (start, stop))
    sign = np.sign(start)
    start, stop = start / sign, stop / sign
    found = logspace(rec, np.log10(start), np.log10(stop), n, endpoint, 10.0, kind)
    if n > 0:
        found[0] = start
    if n > 1 and endpoint:
        found[-1] = stop
    found = found * sign
    found = np.moveaxis(found, 0, axis) if axis != 0 else found
    return found if dtype is None or found.dtype == dtype else found.astype(dtype)


CREATION.update(arange=arange, linspace=linspace, logspace=logspace, geomspace=geomspace)
implements(np.linspace)(linspace)
implements(np.logspace)(logspace)
implements(np.geomspace)(geomspace)

"""Filters of `scipy.signal` run forward and back, filtfilt and sosfiltfilt, by signal and weights.

Both extend the signal, filter it, filter the result from its end, and cut the extension off; the
filter begins in the state that it would be in had the first value always been there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import Keywords, foreign, opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.functions.recursive_filters import _padded, _sections_with_state, _with_state
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

_MODULE = "scipy.signal"


# -- the steady state ----------------------------------------------------------------------------


def _steady(b: Any, a: Any) -> Any:
    """Return the state of a filter whose input has always been one, by SciPy's explicit formula."""
    b, a = b / a[0], a / a[0]
    n = max(a.shape[0], b.shape[0])
    b, a = _padded(b, n), _padded(a, n)
    forced = b[1:] - a[1:] * b[0]
    first = np.sum(forced) / np.sum(a)
    weights, sums = np.cumsum(a)[:-1], np.cumsum(forced)
    before = np.concatenate([0 * sums[:1], sums[:-1]])
    return weights * first - before


def _steady_sections(sos: Any) -> Any:
    scale: Any = 1.0
    rows = []
    for k in range(sos.shape[0]):
        b, a = sos[k, :3], sos[k, 3:]
        rows.append(scale * _steady(b, a))
        scale = scale * np.sum(b) / np.sum(a)
    return np.stack(rows)


opaque(_MODULE, "lfilter_zi", ("b", "a"), lambda b, a: _steady(b, a))
opaque(_MODULE, "sosfilt_zi", ("sos",), lambda sos: _steady_sections(sos))


# -- forward and back ----------------------------------------------------------------------------


def _extended(x: Any, kind: str | None, n: int) -> Any:
    """Return the signal with n values more at each end of its last axis."""
    if kind is None or n < 1:
        return x
    left, right = x[..., :1], x[..., -1:]
    if kind == "constant":
        return np.concatenate([*[left] * n, x, *[right] * n], axis=-1)
    before, behind = x[..., n:0:-1], x[..., -2 : -n - 2 : -1]
    if kind == "odd":
        before, behind = 2 * left - before, 2 * right - behind
    return np.concatenate([before, x, behind], axis=-1)


def _there_and_back(
    x: Any, axis: int, kind: str | None, n: int, run: Callable[[Any, Any], Any]
) -> Any:
    """Return a signal filtered by ``run(signal, first value)`` from both ends."""
    x = _extended(np.moveaxis(x, axis, -1), kind, n)
    y = run(x, x[..., :1])
    y = np.flip(run(np.flip(y, -1), y[..., -1:]), -1)
    if kind is not None and n > 0:
        y = y[..., n:-n]
    return np.moveaxis(y, -1, axis)


def _filtfilt(b: Any, a: Any, x: Any, keywords: Any) -> Any:
    values = keywords.values
    n = values["padlen"]
    if n is None:
        n = 3 * max(a.shape[0], b.shape[0])
    steady = _steady(b, a)

    def run(x: Any, first: Any) -> Any:
        return _with_state(b, a, x, steady * first, -1)[0]

    return _there_and_back(x, values["axis"], values["padtype"], n, run)


def _sosfiltfilt(sos: Any, x: Any, keywords: Any) -> Any:
    values = keywords.values
    steady = _steady_sections(sos)

    def run(x: Any, first: Any) -> Any:
        state = np.stack([steady[k] * first for k in range(sos.shape[0])])
        return _sections_with_state(sos, x, state, -1)[0]

    return _there_and_back(x, values["axis"], values["padtype"], values["padlen"], run)


def _call(name: str) -> Callable[..., Any]:
    def evaluate(*given: Any) -> Any:
        *operands, keywords = given
        return scipy_function(_MODULE, name)(*map(np.array, operands), **keywords.values)

    return evaluate


FILTFILT = Primitive("filtfilt", _call("filtfilt"), params=("keywords",))
define_by_equal(FILTFILT, _filtfilt)
SOSFILTFILT = Primitive("sosfiltfilt", _call("sosfiltfilt"), params=("keywords",))
define_by_equal(SOSFILTFILT, _sosfiltfilt)


@foreign(_MODULE, "filtfilt")
def filtfilt(
    rec: Recorder,
    original: Any,
    b: Any,
    a: Any,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> Any:
    if method != "pad":
        raise UnsupportedOperationError(
            f"scipy.signal.filtfilt with method={method!r} has no rule for traced arrays; the "
            "default, method='pad', has one"
        )
    b, a, x = np.atleast_1d(prepared(rec, b)), np.atleast_1d(prepared(rec, a)), prepared(rec, x)
    axis = normalize_axis_index(axis, x.ndim)
    keywords = Keywords({"axis": axis, "padtype": padtype, "padlen": padlen})
    return apply(FILTFILT, (b, a, x), (keywords,))


@foreign(_MODULE, "sosfiltfilt")
def sosfiltfilt(
    rec: Recorder,
    original: Any,
    sos: Any,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
) -> Any:
    sos, x = prepared(rec, sos), prepared(rec, x)
    axis = normalize_axis_index(axis, x.ndim)
    if padlen is None:  # SciPy counts coefficients that are zero
        zero = sos[:, 2] == 0, sos[:, 5] == 0
        padlen = 3 * (2 * sos.shape[0] + 1 - min(int(np.sum(z)) for z in zero))
    keywords = Keywords({"axis": axis, "padtype": padtype, "padlen": padlen})
    return apply(SOSFILTFILT, (sos, x), (keywords,))

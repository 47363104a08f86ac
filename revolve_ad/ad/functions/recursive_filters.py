"""Recursive filters of `scipy.signal`: lfilter and sosfilt, by signal and by coefficients.

A filter solves a(z) Y = b(z) X.  So dY = (db X − da Y + b dX) / a: each tangent is a filtered
signal again, and each adjoint the same filter run from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import foreign, scipy_function
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.signal"

LFILTER = Primitive(
    "lfilter",
    lambda b, a, x, axis: scipy_function(_MODULE, "lfilter")(b, a, x, axis),
    params=("axis",),
)


def _one(x: Any) -> Any:
    return np.ones(1, x.dtype)


def _back(g: Any, b: Any, a: Any, axis: int) -> Any:
    """Return the adjoint of the filter, the same filter run from the end."""
    turned = apply(LFILTER, (np.conjugate(b), np.conjugate(a), np.flip(g, axis)), (axis,))
    return np.flip(turned, axis)


def _delays(lam: Any, x: Any, n: int, axis: int) -> Any:
    """Return Σ λ[j] conj(x[j − k]) for k = 0 … n − 1, over all signals."""
    lam, x = np.moveaxis(lam, axis, -1), np.conjugate(np.moveaxis(x, axis, -1))
    size = x.shape[-1]
    sums = [
        np.sum(lam[..., k:] * x[..., : size - k]) if k < size else np.sum(0 * lam) for k in range(n)
    ]
    return np.stack(sums)


def _by_b(g: Any, y: Any, b: Any, a: Any, x: Any, axis: int) -> Any:
    return _delays(_back(g, _one(b), a, axis), x, b.shape[0], axis)


def _by_a(g: Any, y: Any, b: Any, a: Any, x: Any, axis: int) -> Any:
    return -_delays(_back(g, _one(b), a, axis), y, a.shape[0], axis)


def _filtered(b: Any, a: Any, x: Any, axis: int) -> Any:
    return apply(LFILTER, (b, a, x), (axis,))


define_by_formulas(
    LFILTER,
    vjp=[_by_b, _by_a, lambda g, y, b, a, x, axis: _back(g, b, a, axis)],
    jvp=[
        lambda t, y, b, a, x, axis: _filtered(t, a, x, axis),
        lambda t, y, b, a, x, axis: -_filtered(t, a, y, axis),
        lambda t, y, b, a, x, axis: _filtered(b, a, t, axis),
    ],
)


# -- with the state before the first sample ------------------------------------------------------


def _padded(x: Any, n: int) -> Any:
    """Return `x` with zeros behind along its last axis, of length n."""
    missing = n - x.shape[-1]
    if missing <= 0:
        return x
    return np.concatenate([x, np.zeros((*x.shape[:-1], missing), x.dtype)], axis=-1)


def _with_state(b: Any, a: Any, x: Any, zi: Any, axis: int) -> tuple[Any, Any]:
    """Return the filtered signal and the last state, in functions that have rules.

    The state is that of the transposed direct form II: it adds zi[k] to the input of 1/a at k.
    """
    x, zi = np.moveaxis(x, axis, -1), np.moveaxis(zi, axis, -1)
    a0 = a[0]
    b, a = b / a0, a / a0
    n, order = x.shape[-1], max(a.shape[0], b.shape[0]) - 1
    b, a = _padded(b, order + 1), _padded(a, order + 1)
    y = _filtered(b, a, x, -1) + _filtered(_one(a), a, _padded(zi, n)[..., :n], -1)
    ends = []
    for k in range(order):
        total = zi[..., k + n] if k + n < order else 0 * zi[..., 0]
        for j in range(k + 1, order + 1):
            i = n - j + k
            if 0 <= i < n:
                total = total + b[j] * x[..., i] - a[j] * y[..., i]
        ends.append(total)
    last = np.stack(ends, axis=-1)
    return np.moveaxis(y, -1, axis), np.moveaxis(last, -1, axis)


LFILTER_STATE = Primitive(
    "lfilter",
    lambda b, a, x, zi, axis: tuple(scipy_function(_MODULE, "lfilter")(b, a, x, axis, zi)),
    params=("axis",),
)
define_by_equal(LFILTER_STATE, _with_state)


@foreign(_MODULE, "lfilter")
def lfilter(
    rec: Recorder, original: Any, b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None
) -> Any:
    b, a, x = np.atleast_1d(prepared(rec, b)), np.atleast_1d(prepared(rec, a)), prepared(rec, x)
    axis = normalize_axis_index(axis, x.ndim)
    if zi is None:
        return apply(LFILTER, (b, a, x), (axis,))
    return apply(LFILTER_STATE, (b, a, x, prepared(rec, zi)), (axis,))


# -- sections of second order, one after the other -----------------------------------------------


def _sections(sos: Any, x: Any, axis: int) -> Any:
    for k in range(sos.shape[0]):
        x = _filtered(sos[k, :3], sos[k, 3:], x, axis)
    return x


SOSFILT = Primitive(
    "sosfilt",
    lambda sos, x, axis: scipy_function(_MODULE, "sosfilt")(np.array(sos), np.array(x), axis),
    params=("axis",),
)
define_by_equal(SOSFILT, _sections)


def _sections_with_state(sos: Any, x: Any, zi: Any, axis: int) -> tuple[Any, Any]:
    ends = []
    for k in range(sos.shape[0]):
        x, end = _with_state(sos[k, :3], sos[k, 3:], x, zi[k], axis)
        ends.append(end)
    return x, np.stack(ends)


SOSFILT_STATE = Primitive(
    "sosfilt",
    lambda sos, x, zi, axis: tuple(
        scipy_function(_MODULE, "sosfilt")(np.array(sos), np.array(x), axis, zi)
    ),
    params=("axis",),
)
define_by_equal(SOSFILT_STATE, _sections_with_state)


@foreign(_MODULE, "sosfilt")
def sosfilt(rec: Recorder, original: Any, sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    sos, x = prepared(rec, sos), prepared(rec, x)
    axis = normalize_axis_index(axis, x.ndim)
    if zi is None:
        return apply(SOSFILT, (sos, x), (axis,))
    return apply(SOSFILT_STATE, (sos, x, prepared(rec, zi)), (axis,))

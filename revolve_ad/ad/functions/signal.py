"""Convolutions, correlations and linear filters of `scipy.signal`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from revolve_ad.ad.functions.foreign import opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply

_MODULE = "scipy.signal"


def _convolve_full(a: Any, v: Any) -> Any:
    return scipy_function(_MODULE, "convolve")(a, v, "full", "direct")


# Full convolution over all axes, in which the rules of the others are written.
CONVOLVE_ND = Primitive(
    "convolve",
    _convolve_full,
    infer=lambda a, v: ArrayType(
        tuple(n + m - 1 for n, m in zip(a.shape, v.shape, strict=True)),
        np.result_type(a.dtype, v.dtype),
    ),
)


def _cut(x: Any, starts: Any, shape: Any) -> Any:
    return x[tuple(slice(k, k + n) for k, n in zip(starts, shape, strict=True))]


def _pulled(g: Any, v: Any, shape: tuple[int, ...]) -> Any:
    full = apply(CONVOLVE_ND, (g, np.conjugate(np.flip(v))))
    return _cut(full, [m - 1 for m in v.shape], shape)


define_by_formulas(
    CONVOLVE_ND,
    vjp=[
        lambda g, y, a, v: _pulled(g, v, a.shape),
        lambda g, y, a, v: _pulled(g, a, v.shape),
    ],
    jvp=[
        lambda t, y, a, v: apply(CONVOLVE_ND, (t, v)),
        lambda t, y, a, v: apply(CONVOLVE_ND, (a, t)),
    ],
)


def _shown(full: Any, a: tuple[int, ...], v: tuple[int, ...], mode: str) -> Any:
    """Return the part of a full convolution of shapes a and v that a mode keeps."""
    if mode == "full":
        return full
    if mode == "same":
        return _cut(full, [(m - 1) // 2 for m in v], a)
    if any(m > n for n, m in zip(a, v, strict=True)):
        a, v = v, a
    return _cut(full, [m - 1 for m in v], [n - m + 1 for n, m in zip(a, v, strict=True)])


def _convolve(a: Any, v: Any, mode: str = "full", **_: Any) -> Any:
    if a.ndim == 0:
        return a * v
    return _shown(apply(CONVOLVE_ND, (a, v)), a.shape, v.shape, mode)


def _correlate(a: Any, v: Any, mode: str = "full", **_: Any) -> Any:
    if a.ndim == 0:
        return a * np.conjugate(v)
    turned = np.conjugate(np.flip(v))
    if mode == "valid" and any(m > n for n, m in zip(a.shape, v.shape, strict=True)):
        return np.conjugate(np.flip(_convolve(v, np.conjugate(np.flip(a)), mode)))
    return _convolve(a, turned, mode)


def _along_axes(a: Any, v: Any, mode: str, axes: Any = None) -> Any:
    """Return the convolution along some axes; along the others one of the two has length one."""
    if axes is None:
        return _convolve(a, v, mode)
    along = normalize_axis_tuple(axes, a.ndim)
    rest = [d for d in range(a.ndim) if d not in along]
    sizes = [np.broadcast_shapes((a.shape[d],), (v.shape[d],))[0] for d in rest]
    rows = []
    for k in itertools.product(*map(range, sizes)):
        at = dict(zip(rest, k, strict=True))

        def row(x: Any, at: dict[int, int] = at) -> Any:
            index = tuple(
                slice(None)
                if d not in at
                else slice(0, 1)
                if x.shape[d] == 1
                else slice(at[d], at[d] + 1)
                for d in range(x.ndim)
            )
            return x[index]

        rows.append(_convolve(row(a), row(v), mode))
    for d, n in reversed(list(zip(rest, sizes, strict=True))):
        rows = [np.concatenate(rows[j : j + n], axis=d) for j in range(0, len(rows), n)]
    return rows[0]


opaque(_MODULE, "convolve", ("in1", "in2"), _convolve)
opaque(_MODULE, "correlate", ("in1", "in2"), _correlate)
opaque(_MODULE, "fftconvolve", ("in1", "in2"), _along_axes)
opaque(_MODULE, "oaconvolve", ("in1", "in2"), _along_axes)

_BOUNDARY = {"wrap": "wrap", "symm": "symmetric", "symmetric": "symmetric", "circular": "wrap"}


def _two_dimensional(turned: bool) -> Callable[..., Any]:
    def equal(a: Any, v: Any, mode: str, boundary: str, fillvalue: Any) -> Any:
        if not turned:
            v = np.conjugate(np.flip(v))
        if mode == "valid":
            return _convolve(a, v, mode)
        widths = [(m - 1, m - 1) for m in v.shape]
        if boundary in _BOUNDARY:
            wide = np.pad(a, widths, mode=_BOUNDARY[boundary])  # type: ignore[call-overload]
        else:
            wide = np.pad(a, widths, constant_values=fillvalue)
        full = _convolve(wide, v, "valid")
        if mode == "full":
            return full
        start = [(m - 1) // 2 if turned else m // 2 for m in v.shape]
        return _cut(full, start, a.shape)

    return equal


opaque(_MODULE, "convolve2d", ("in1", "in2"), _two_dimensional(turned=True))
opaque(_MODULE, "correlate2d", ("in1", "in2"), _two_dimensional(turned=False))

"""Convolutions, correlations and linear filters of `scipy.signal`."""

from __future__ import annotations

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


# The same by Fourier transforms, along some axes; along the others one factor may have length one.
# Rules that sum would take n·m operations where the function takes n·log(n).
CONVOLVE_FOURIER = Primitive(
    "fftconvolve",
    lambda a, v, axes: scipy_function(_MODULE, "fftconvolve")(a, v, "full", axes),
    infer=lambda a, v, axes: ArrayType(
        tuple(
            n + m - 1 if d in axes else max(n, m)
            for d, (n, m) in enumerate(zip(a.shape, v.shape, strict=True))
        ),
        np.result_type(a.dtype, v.dtype, *([] if a.dtype.kind in "fc" else [float])),
    ),
    params=("axes",),
)


def _pulled_fourier(g: Any, v: Any, a: Any, axes: tuple[int, ...]) -> Any:
    full = apply(CONVOLVE_FOURIER, (g, np.conjugate(np.flip(v, axes))), (axes,))
    starts = [m - 1 if d in axes else 0 for d, m in enumerate(v.shape)]
    lengths = [n if d in axes else full.shape[d] for d, n in enumerate(a.shape)]
    repeated = tuple(d for d, n in enumerate(a.shape) if lengths[d] > n)
    return np.sum(_cut(full, starts, lengths), axis=repeated, keepdims=True)


define_by_formulas(
    CONVOLVE_FOURIER,
    vjp=[
        lambda g, y, a, v, axes: _pulled_fourier(g, v, a, axes),
        lambda g, y, a, v, axes: _pulled_fourier(g, a, v, axes),
    ],
    jvp=[
        lambda t, y, a, v, axes: apply(CONVOLVE_FOURIER, (t, v), (axes,)),
        lambda t, y, a, v, axes: apply(CONVOLVE_FOURIER, (a, t), (axes,)),
    ],
)


def _full(a: Any, v: Any, mode: str, method: str) -> Any:
    """Return the full convolution, by the method that SciPy takes."""
    if method == "auto":
        alike = [np.broadcast_to(x.dtype.type(0), x.shape) for x in (a, v)]
        method = scipy_function(_MODULE, "choose_conv_method")(*alike, mode)
    if method == "fft":
        return apply(CONVOLVE_FOURIER, (a, v), (tuple(range(a.ndim)),))
    return apply(CONVOLVE_ND, (a, v))


def _convolve(a: Any, v: Any, mode: str = "full", method: str = "direct") -> Any:
    if a.ndim == 0:
        return a * v
    return _shown(_full(a, v, mode, method), a.shape, v.shape, mode)


def _correlate(a: Any, v: Any, mode: str = "full", method: str = "direct") -> Any:
    if a.ndim == 0:
        return a * np.conjugate(v)
    turned = np.conjugate(np.flip(v))
    if mode == "valid" and any(m > n for n, m in zip(a.shape, v.shape, strict=True)):
        swapped = _convolve(v, np.conjugate(np.flip(a)), mode, method)
        return np.conjugate(np.flip(swapped))
    return _convolve(a, turned, mode, method)


def _along_axes(a: Any, v: Any, mode: str, axes: Any = None) -> Any:
    """Return the convolution along some axes; along the others one of the two has length one."""
    if a.ndim == 0:
        return a * v
    along = tuple(range(a.ndim)) if axes is None else normalize_axis_tuple(axes, a.ndim)
    full = apply(CONVOLVE_FOURIER, (a, v), (along,))
    if mode == "full":
        return full
    if mode == "same":  # SciPy cuts all axes to the first factor
        return _cut(full, [(k - n) // 2 for k, n in zip(full.shape, a.shape, strict=True)], a.shape)
    pairs = list(zip(full.shape, a.shape, v.shape, strict=True))
    starts = [min(n, m) - 1 if d in along else 0 for d, (_, n, m) in enumerate(pairs)]
    lengths = [abs(n - m) + 1 if d in along else k for d, (k, n, m) in enumerate(pairs)]
    return _cut(full, starts, lengths)


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

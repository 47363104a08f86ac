"""Fourier, cosine and sine transforms of `scipy.fft`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from revolve_ad.ad.functions.foreign import foreign, opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.functions.fourier import resized
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.fft"
_SPEED = ("overwrite_x", "workers", "plan")


def _of_numpy(name: str) -> None:
    function = getattr(np.fft, name)
    opaque(_MODULE, name, ("x",), lambda x, **keywords: function(x, **keywords), without=_SPEED)


for _name in (
    *("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"),
    *("fft2", "ifft2", "rfft2", "irfft2"),
    *("fftn", "ifftn", "rfftn", "irfftn"),
):
    _of_numpy(_name)


# -- cosine and sine transforms ------------------------------------------------------------------

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_SWAPPED: dict[str, Any] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _trigonometric(name: str) -> Primitive:
    """Return the primitive of dct or dst of a type along an axis, without cutting or filling."""
    op = Primitive(
        name,
        lambda x, kind, axis, norm: scipy_function(_MODULE, name)(x, kind, None, axis, norm),
        infer=lambda x, kind, axis, norm: x,
        params=("type", "axis", "norm"),
    )

    def scaled(x: Any, factor: float, axis: int, ends: slice) -> Any:
        weights = np.ones(x.shape[axis])
        weights[ends] = factor
        shape = [1] * x.ndim
        shape[axis] = -1
        return x * weights.reshape(shape).astype(x.dtype)

    def adjoint(g: Any, y: Any, x: Any, kind: int, axis: int, norm: str) -> Any:
        if norm == "ortho":  # an orthogonal matrix: its transpose is its inverse
            return apply(op, (g,), (_INVERSE[kind], axis, norm))
        single = slice(0, 1) if name == "dct" else slice(-1, None)
        if kind == 2:  # types 2 and 3 are each other's transposes but for the end that counts once
            return apply(op, (scaled(g, 2.0, axis, single),), (3, axis, norm))
        if kind == 3:
            return scaled(apply(op, (g,), (2, axis, norm)), 0.5, axis, single)
        if kind == 1 and name == "dct":
            ends = slice(None, None, max(x.shape[axis] - 1, 1))
            found = apply(op, (scaled(g, 2.0, axis, ends),), (1, axis, norm))
            return scaled(found, 0.5, axis, ends)
        return apply(op, (g,), (kind, axis, norm))

    define_by_formulas(
        op,
        vjp=[adjoint],
        jvp=[lambda t, y, x, kind, axis, norm: apply(op, (t,), (kind, axis, norm))],
    )
    return op


_TRANSFORM = {name: _trigonometric(name) for name in ("dct", "dst")}


def _ends(name: str, kind: int, n: int) -> list[int]:
    """Return where a transform and its matrix made orthogonal differ; dst of type 1 nowhere."""
    if name == "dct" and kind == 1:
        return [0, n - 1]
    return [0 if name == "dct" else n - 1] if kind in (2, 3) else []


def _equal(name: str) -> Callable[..., Any]:
    word = name[-3:]
    op = _TRANSFORM[word]
    inverse = name.startswith("i")

    def equal(x: Any, type: int, n: Any, axis: int, norm: Any, orthogonalize: Any = None) -> Any:
        axis = normalize_axis_index(axis, x.ndim)
        if n is not None:
            x = resized(x, n, axis)
        norm = "backward" if norm is None else norm
        if inverse:
            type, norm = _INVERSE[type], _SWAPPED[norm]
        if orthogonalize is None or orthogonalize == (norm == "ortho"):
            return apply(op, (x,), (type, axis, norm))
        # The ends are multiplied by √2 before, or divided by it after, types 2 and 3; type 1 both.
        n = x.shape[axis]
        shape = [1] * x.ndim
        shape[axis] = n
        before, after = np.ones(n), np.ones(n)
        for k in _ends(word, type, n):
            before[k] *= 2**0.5 if type != 2 else 1
            after[k] *= 0.5**0.5 if type != 3 else 1
        if not orthogonalize:
            before, after = 1 / before, 1 / after
        dtype = np.result_type(x.dtype, np.float32).char.lower() if x.dtype.kind == "c" else x.dtype
        x = x * before.reshape(shape).astype(dtype)
        return apply(op, (x,), (type, axis, norm)) * after.reshape(shape).astype(dtype)

    return equal


def _equal_n(name: str) -> Callable[..., Any]:
    one = _equal(name[:-1])

    def equal(x: Any, type: int, s: Any, axes: Any, norm: Any, orthogonalize: Any = None) -> Any:
        if axes is None:
            count = x.ndim if s is None else len(s)
            along = tuple(range(x.ndim - count, x.ndim))
        else:
            along = normalize_axis_tuple(axes, x.ndim)
        sizes = [None] * len(along) if s is None else list(s)
        for d, n in zip(along, sizes, strict=True):
            x = one(x, type, n, d, norm, orthogonalize)
        return x

    return equal


for _name in ("dct", "idct", "dst", "idst"):
    opaque(_MODULE, _name, ("x",), _equal(_name), without=("overwrite_x", "workers"))
    opaque(_MODULE, _name + "n", ("x",), _equal_n(_name + "n"), without=("overwrite_x", "workers"))


# -- transforms of what is symmetric in several dimensions -----------------------------------------


def _hermitian(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    return np.fft.irfftn(np.conjugate(x), s, axes, _SWAPPED[norm or "backward"])


def _inverse_hermitian(x: Any, s: Any, axes: Any, norm: Any) -> Any:
    return np.conjugate(np.fft.rfftn(x, s, axes, _SWAPPED[norm or "backward"]))


for _name in ("hfft2", "hfftn"):
    opaque(_MODULE, _name, ("x",), _hermitian, without=_SPEED)
    opaque(_MODULE, "i" + _name, ("x",), _inverse_hermitian, without=_SPEED)


def _shift(name: str) -> None:
    function = getattr(np.fft, name)

    @foreign(_MODULE, name)
    def call(rec: Recorder, original: Any, x: Any, axes: Any = None) -> Any:
        return function(x, axes)


_shift("fftshift")
_shift("ifftshift")

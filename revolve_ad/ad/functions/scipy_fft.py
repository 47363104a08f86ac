"""Fourier, cosine and sine transforms of `scipy.fft`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from revolve_ad.ad.functions.foreign import bound, foreign, opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.functions.fourier import resized
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

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
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


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


def _equal(name: str) -> Callable[..., Any]:
    op = _TRANSFORM[name[-3:]]
    inverse = name.startswith("i")

    def equal(x: Any, type: int, n: Any, axis: int, norm: Any) -> Any:
        axis = normalize_axis_index(axis, x.ndim)
        if n is not None:
            x = resized(x, n, axis)
        norm = "backward" if norm is None else norm
        if inverse:
            type, norm = _INVERSE[type], _SWAPPED[norm]
        return apply(op, (x,), (type, axis, norm))

    return equal


def _equal_n(name: str) -> Callable[..., Any]:
    one = _equal(name[:-1])

    def equal(x: Any, type: int, s: Any, axes: Any, norm: Any) -> Any:
        if axes is None:
            count = x.ndim if s is None else len(s)
            along = tuple(range(x.ndim - count, x.ndim))
        else:
            along = normalize_axis_tuple(axes, x.ndim)
        sizes = [None] * len(along) if s is None else list(s)
        for d, n in zip(along, sizes, strict=True):
            x = one(x, type, n, d, norm)
        return x

    return equal


def _enter(name: str, equal: Callable[..., Any]) -> None:
    opaque(_MODULE, name, ("x",), equal, without=("overwrite_x", "workers", "orthogonalize"))
    plain_call = FOREIGN[_MODULE][name]

    @foreign(_MODULE, name)
    def call(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
        _, rest = bound(rec, original, ("x",), args, kwargs)
        if rest.get("orthogonalize") is not None:
            raise UnsupportedOperationError(
                f"scipy.fft.{name} with orthogonalize= has no rule for traced arrays"
            )
        return plain_call(rec, original, *args, **kwargs)


for _name in ("dct", "idct", "dst", "idst"):
    _enter(_name, _equal(_name))
    _enter(_name + "n", _equal_n(_name + "n"))


def _shift(name: str) -> None:
    function = getattr(np.fft, name)

    @foreign(_MODULE, name)
    def call(rec: Recorder, original: Any, x: Any, axes: Any = None) -> Any:
        return function(x, axes)


_shift("fftshift")
_shift("ifftshift")

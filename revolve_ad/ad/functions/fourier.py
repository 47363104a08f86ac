"""NumPy's Fourier transforms: linear maps, each the other's adjoint but for its norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.functions.arguments import finished
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.functions.source import from_source
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import Traced, apply
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

# The unnormalised inverse is the adjoint of the unnormalised transform.
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def resized(x: Any, n: int, axis: int) -> Any:
    """Return `x` cut, or filled up with zeros, to length n along an axis."""
    m = x.shape[axis]
    lead = (slice(None),) * axis
    if n <= m:
        return x[(*lead, slice(0, n))]
    shape = tuple(n - m if d == axis else k for d, k in enumerate(x.shape))
    return np.concatenate([x, np.zeros(shape, x.dtype)], axis)


def _transform(name: str, adjoint: Callable[..., Any]) -> Primitive:
    function = getattr(np.fft, name)
    op = Primitive(
        name,
        lambda x, n, axis, norm: function(x, n, axis, norm),
        params=("n", "axis", "norm"),
    )
    define_by_formulas(
        op,
        vjp=[lambda g, y, x, n, axis, norm: adjoint(g, x, n, axis, _SWAPPED[norm])],
        jvp=[lambda t, y, x, n, axis, norm: apply(op, (t,), (n, axis, norm))],
    )

    def call(
        rec: Recorder, a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None
    ) -> Any:
        a = a if type(a) is Traced else np.asarray(a)
        axis = normalize_axis_index(axis, a.ndim)
        if n is None:
            n = 2 * (a.shape[axis] - 1) if name == "irfft" else a.shape[axis]
        found = apply(op, (a,), (int(n), axis, "backward" if norm is None else norm))
        return finished(found, out, name)

    implements(function)(call)
    return op


FFT: Primitive = _transform(
    "fft",
    lambda g, x, n, axis, norm: resized(apply(IFFT, (g,), (n, axis, norm)), x.shape[axis], axis),
)
IFFT: Primitive = _transform(
    "ifft",
    lambda g, x, n, axis, norm: resized(apply(FFT, (g,), (n, axis, norm)), x.shape[axis], axis),
)
RFFT = _transform(
    "rfft",
    lambda g, x, n, axis, norm: resized(
        apply(IFFT, (resized(g, n, axis),), (n, axis, norm)).real, x.shape[axis], axis
    ),
)


def _irfft_adjoint(g: Any, x: Any, n: int, axis: int, norm: str) -> Any:
    found = apply(RFFT, (g,), (n, axis, norm))
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1  # the constant term, and of an even n the highest, stand for themselves alone
    if n % 2 == 0:
        weights[-1] = 1
    shape = [1] * x.ndim
    shape[axis] = -1
    weights = weights.reshape(shape).astype(g.dtype)
    return resized(found * weights, x.shape[axis], axis)


IRFFT = _transform("irfft", _irfft_adjoint)

from_source(
    np.fft.fft2,
    np.fft.fftn,
    np.fft.fftshift,
    np.fft.hfft,
    np.fft.ifft2,
    np.fft.ifftn,
    np.fft.ifftshift,
    np.fft.ihfft,
    np.fft.irfft2,
    np.fft.irfftn,
    np.fft.rfft2,
    np.fft.rfftn,
)

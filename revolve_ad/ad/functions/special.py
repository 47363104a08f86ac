"""Functions of `scipy.special` that aren't ufuncs (those have rules by name), and NumPy's i0."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.functions.foreign import foreign, opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply

_MODULE = "scipy.special"


def _logsumexp(a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    if b is not None or return_sign:
        raise NotImplementedError
    top = np.max(a, axis=axis, keepdims=True) if a.dtype.kind != "c" else 0
    total = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.sum(total, axis=axis)


def _softmax(x: Any, axis: Any) -> Any:
    part = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return part / np.sum(part, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any) -> Any:
    return x - _logsumexp(x, axis, None, True, False)


opaque(_MODULE, "logsumexp", ("a",), _logsumexp)
opaque(_MODULE, "softmax", ("x",), _softmax)
opaque(_MODULE, "log_softmax", ("x",), _log_softmax)


@foreign(_MODULE, "polygamma")
def polygamma(rec: Recorder, original: Any, n: Any, x: Any) -> Any:
    n = np.asarray(n)
    if np.ndim(n) == 0 and n == 0:
        return scipy_function(_MODULE, "psi")(x)
    special = scipy_function(_MODULE, "_ufuncs")
    factor = (-1.0) ** (n + 1) * special.gamma(n + 1.0)
    return np.where(n == 0, special.psi(x), factor * special._zeta(n + 1, x))


@foreign(_MODULE, "zeta")
def zeta(rec: Recorder, original: Any, x: Any, q: Any = None, out: Any = None) -> Any:
    return scipy_function(_MODULE, "_ufuncs")._zeta(x, 1.0 if q is None else q)


I1 = Primitive("i1", lambda x: scipy_function(_MODULE, "i1")(x), infer=lambda x: x)
I0 = Primitive("i0", np.i0, infer=lambda x: ArrayType(x.shape, x.dtype))
define_by_formulas(
    I0,
    vjp=[lambda g, y, x: g * apply(I1, (x,))],
    jvp=[lambda t, y, x: t * apply(I1, (x,))],
)


def _i1_slope(y: Any, x: Any) -> Any:
    zero = x == 0
    return np.i0(x) - np.where(zero, 0.5, y / np.where(zero, 1.0, x))


define_by_formulas(
    I1,
    vjp=[lambda g, y, x: g * _i1_slope(y, x)],
    jvp=[lambda t, y, x: t * _i1_slope(y, x)],
)


@implements(np.i0)
def i0(rec: Recorder, x: Any) -> Any:
    return apply(I0, (x,))

"""Functions of `scipy.special` that aren't ufuncs (those have rules by name), and NumPy's i0."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import (
    Keywords,
    foreign,
    opaque,
    real_operand,
    scipy_function,
)
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

_MODULE = "scipy.special"


def _logsumexp(a: Any, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    if b is None:
        b = np.ones((), a.dtype)
    top = np.max(a, axis=axis, keepdims=True) if a.dtype.kind != "c" else 0
    total = np.sum(b * np.exp(a - top), axis=axis, keepdims=True)
    if not keepdims and return_sign:
        top, total = (np.sum(x, axis=axis) for x in (top + 0 * total.real, total))
    if return_sign:
        return np.log(np.abs(total)) + top, np.sign(total)
    found = np.log(total) + top
    return found if keepdims or return_sign else np.sum(found, axis=axis)


def _softmax(x: Any, axis: Any) -> Any:
    part = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return part / np.sum(part, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any) -> Any:
    return x - _logsumexp(x, axis, None, True, False)


opaque(_MODULE, "softmax", ("x",), _softmax)
opaque(_MODULE, "log_softmax", ("x",), _log_softmax)


def _call_logsumexp(a: Any, b: Any, keywords: Any) -> Any:
    return scipy_function(_MODULE, "logsumexp")(a, b=b, **keywords.values)


LOGSUMEXP = Primitive("logsumexp", _call_logsumexp, params=("keywords",))
define_by_equal(LOGSUMEXP, lambda a, b, keywords: _logsumexp(a, b=b, **keywords.values))
LOGSUMEXP_ONE = Primitive(
    "logsumexp", lambda a, keywords: _call_logsumexp(a, None, keywords), params=("keywords",)
)
define_by_equal(LOGSUMEXP_ONE, lambda a, keywords: _logsumexp(a, b=None, **keywords.values))


@foreign(_MODULE, "logsumexp")
def logsumexp(
    rec: Recorder,
    original: Any,
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    keywords = Keywords({"axis": axis, "keepdims": keepdims, "return_sign": return_sign})
    a = prepared(rec, a)
    if b is None:
        return apply(LOGSUMEXP_ONE, (a,), (keywords,))
    return apply(LOGSUMEXP, (a, prepared(rec, b)), (keywords,))


def _multigammaln(a: Any, d: int) -> Any:
    gammaln = scipy_function(_MODULE, "gammaln")
    found = d * (d - 1) * 0.25 * np.log(np.pi) + gammaln(a)
    for j in range(1, d):
        found = found + gammaln(a - j / 2)
    return found


opaque(_MODULE, "multigammaln", ("a",), _multigammaln)


# Spherical Bessel functions, DLMF 10.47.1 and 10.47.2: z² w'' + 2 z w' + (±z² − n (n + 1)) w = 0.
def _spherical(name: str, sign: int) -> None:
    def evaluate(z: Any, n: Any, derivative: bool) -> Any:
        return scipy_function(_MODULE, name)(np.asarray(n.values["n"]), z, derivative)

    op = Primitive(name, evaluate, params=("n", "derivative"))

    def slope(y: Any, z: Any, keywords: Any, derivative: bool) -> Any:
        if not derivative:
            return apply(op, (z,), (keywords, True))
        n = np.asarray(keywords.values["n"])
        w = apply(op, (z,), (keywords, False))
        return (n * (n + 1) / (z * z) - sign) * w - 2 * y / z

    define_by_formulas(
        op,
        vjp=[lambda g, y, z, n, derivative: g * np.conj(slope(y, z, n, derivative))],
        jvp=[lambda t, y, z, n, derivative: t * slope(y, z, n, derivative)],
    )

    @foreign(_MODULE, name)
    def call(rec: Recorder, original: Any, n: Any, z: Any, derivative: bool = False) -> Any:
        n = real_operand(n, name, "n")
        return apply(op, (prepared(rec, z),), (Keywords({"n": n}), bool(derivative)))


for _name, _sign in (
    ("spherical_jn", 1),
    ("spherical_yn", 1),
    ("spherical_in", -1),
    ("spherical_kn", -1),
):
    _spherical(_name, _sign)


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
    if out is not None:
        raise UnsupportedOperationError(
            "zeta with out= has no rule for traced arrays; assign its result instead"
        )
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

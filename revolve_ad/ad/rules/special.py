"""Derivatives of `scipy.special`'s functions, one a line; looked up when one is first met.

Sources: Abramowitz and Stegun, *Handbook of Mathematical Functions*; https://dlmf.nist.gov.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import log, pi, sqrt
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.table import LATE, Missing, define_elementwise
from revolve_ad.ad.tape import Primitive

__all__ = ["PARTIALS", "partials_of"]

exp, log_, log1p, square = map(s.ufunc, (np.exp, np.log, np.log1p, np.square))
sin, sign, equal, abs_ = map(s.ufunc, (np.sin, np.sign, np.equal, np.absolute))


def _sp(name: str) -> Callable[..., Symbol]:
    """Return a function of scipy.special over symbols."""

    def call(*operands: Any) -> Symbol:
        module = sys.modules["scipy.special"]
        found = getattr(module, name)
        if not isinstance(found, np.ufunc):  # a few have a wrapper around them
            found = getattr(module._ufuncs, f"_{name}")
        return s.ufunc(found)(*operands)

    return call


def _none(name: str, operand: str) -> Callable[..., Any]:
    missing = Missing(
        f"scipy.special.{name} has no derivative by its argument {operand!r}; cut it on purpose "
        f"with ra.stop_gradient"
    )
    return lambda *_: missing


def _order(name: str) -> Callable[..., Any]:
    return _none(name, "order")


def _safe(x: Symbol) -> Symbol:
    return s.where(equal(x, 0), s.full_like(x, 1), x)


def _exprel(y: Symbol, x: Symbol) -> Symbol:
    return s.where(equal(x, 0), s.full_like(y, 0.5), (exp(x) - y) / _safe(x))


_PHI = 1 / sqrt(2 * pi)

PARTIALS: dict[str, tuple[Callable[..., Any], ...]] = {
    # error functions
    "erf": (lambda y, x: 2 / sqrt(pi) * exp(-square(x)),),
    "erfc": (lambda y, x: -2 / sqrt(pi) * exp(-square(x)),),
    "erfcx": (lambda y, x: 2 * x * y - 2 / sqrt(pi),),
    "erfi": (lambda y, x: 2 / sqrt(pi) * exp(square(x)),),
    "erfinv": (lambda y, x: sqrt(pi) / 2 * exp(square(y)),),
    "erfcinv": (lambda y, x: -sqrt(pi) / 2 * exp(square(y)),),
    "dawsn": (lambda y, x: 1 - 2 * x * y,),
    "wofz": (lambda y, z: 2j / sqrt(pi) - 2 * z * y,),
    "ndtr": (lambda y, x: _PHI * exp(-0.5 * square(x)),),
    "ndtri": (lambda y, x: 1 / _PHI * exp(0.5 * square(y)),),
    "log_ndtr": (lambda y, x: _PHI * exp(-0.5 * square(x) - y),),
    # gamma functions
    "gamma": (lambda y, x: y * _sp("psi")(x),),
    "gammaln": (lambda y, x: _sp("psi")(x),),
    "loggamma": (lambda y, x: _sp("psi")(x),),
    "rgamma": (lambda y, x: -y * _sp("psi")(x),),
    "gammasgn": (lambda y, x: 0,),
    "psi": (lambda y, x: _sp("zeta")(2.0, x),),
    "digamma": (lambda y, x: _sp("zeta")(2.0, x),),
    "zeta": (_none("zeta", "x"), lambda y, x, q: -x * _sp("zeta")(x + 1, q)),
    "_zeta": (_none("zeta", "x"), lambda y, x, q: -x * _sp("zeta")(x + 1, q)),
    "beta": (
        lambda y, a, b: y * (_sp("psi")(a) - _sp("psi")(a + b)),
        lambda y, a, b: y * (_sp("psi")(b) - _sp("psi")(a + b)),
    ),
    "betaln": (
        lambda y, a, b: _sp("psi")(a) - _sp("psi")(a + b),
        lambda y, a, b: _sp("psi")(b) - _sp("psi")(a + b),
    ),
    "gammainc": (
        _none("gammainc", "a"),
        lambda y, a, x: exp((a - 1) * log_(x) - x - _sp("gammaln")(a)),
    ),
    "gammaincc": (
        _none("gammaincc", "a"),
        lambda y, a, x: -exp((a - 1) * log_(x) - x - _sp("gammaln")(a)),
    ),
    "betainc": (
        _none("betainc", "a"),
        _none("betainc", "b"),
        lambda y, a, b, x: exp((a - 1) * log_(x) + (b - 1) * log1p(-x) - _sp("betaln")(a, b)),
    ),
    # logistic and entropy
    "expit": (lambda y, x: y * (1 - y),),
    "log_expit": (lambda y, x: _sp("expit")(-x),),
    "logit": (lambda y, x: 1 / (x * (1 - x)),),
    "softplus": (lambda y, x: _sp("expit")(x),),
    "xlogy": (lambda y, a, b: log_(b), lambda y, a, b: a / b),
    "xlog1py": (lambda y, a, b: log1p(b), lambda y, a, b: a / (1 + b)),
    "entr": (lambda y, x: -log_(x) - 1,),
    "rel_entr": (lambda y, a, b: log_(a / b) + 1, lambda y, a, b: -a / b),
    "kl_div": (lambda y, a, b: log_(a / b), lambda y, a, b: 1 - a / b),
    "huber": (
        lambda y, d, r: s.where(abs_(r) > d, abs_(r) - d, s.full_like(y, 0)),
        lambda y, d, r: s.where(abs_(r) > d, d * sign(r), r),
    ),
    "pseudo_huber": (
        _none("pseudo_huber", "delta"),
        lambda y, d, r: r / s.ufunc(np.sqrt)(1 + square(r / d)),
    ),
    "boxcox": (lambda y, x, p: x ** (p - 1), _none("boxcox", "lmbda")),
    # powers, exponentials
    "exp2": (lambda y, x: log(2) * y,),
    "exp10": (lambda y, x: log(10) * y,),
    "expm1": (lambda y, x: exp(x),),
    "log1p": (lambda y, x: 1 / (1 + x),),
    "cosm1": (lambda y, x: -sin(x),),
    "exprel": (_exprel,),
    "cbrt": (lambda y, x: y / (3 * x),),
    "expi": (lambda y, x: exp(x) / x,),
    "exp1": (lambda y, x: -exp(-x) / x,),
    "expn": (_order("expn"), lambda y, n, x: -_sp("expn")(n - 1, x)),
    "spence": (lambda y, z: log_(z) / (1 - z),),
    # Bessel functions
    "j0": (lambda y, x: -_sp("j1")(x),),
    "j1": (lambda y, x: 0.5 * (_sp("j0")(x) - _sp("jv")(2.0, x)),),
    "y0": (lambda y, x: -_sp("y1")(x),),
    "y1": (lambda y, x: 0.5 * (_sp("y0")(x) - _sp("yv")(2.0, x)),),
    "i0": (lambda y, x: _sp("i1")(x),),
    "i1": (lambda y, x: 0.5 * (_sp("i0")(x) + _sp("iv")(2.0, x)),),
    "k0": (lambda y, x: -_sp("k1")(x),),
    "k1": (lambda y, x: -0.5 * (_sp("k0")(x) + _sp("kv")(2.0, x)),),
    "i0e": (lambda y, x: _sp("i1e")(x) - sign(x) * y,),
    "i1e": (lambda y, x: 0.5 * (_sp("i0e")(x) + _sp("ive")(2.0, x)) - sign(x) * y,),
    "k0e": (lambda y, x: y - _sp("k1e")(x),),
    "k1e": (lambda y, x: y - 0.5 * (_sp("k0e")(x) + _sp("kve")(2.0, x)),),
    "jv": (_order("jv"), lambda y, v, z: 0.5 * (_sp("jv")(v - 1, z) - _sp("jv")(v + 1, z))),
    "yv": (_order("yv"), lambda y, v, z: 0.5 * (_sp("yv")(v - 1, z) - _sp("yv")(v + 1, z))),
    "yn": (_order("yn"), lambda y, v, z: 0.5 * (_sp("yv")(v - 1.0, z) - _sp("yv")(v + 1.0, z))),
    "iv": (_order("iv"), lambda y, v, z: 0.5 * (_sp("iv")(v - 1, z) + _sp("iv")(v + 1, z))),
    "kv": (_order("kv"), lambda y, v, z: -0.5 * (_sp("kv")(v - 1, z) + _sp("kv")(v + 1, z))),
    "kn": (_order("kn"), lambda y, v, z: -0.5 * (_sp("kv")(v - 1.0, z) + _sp("kv")(v + 1.0, z))),
    "ive": (
        _order("ive"),
        lambda y, v, z: 0.5 * (_sp("ive")(v - 1, z) + _sp("ive")(v + 1, z)) - sign(z) * y,
    ),
    "kve": (
        _order("kve"),
        lambda y, v, z: y - 0.5 * (_sp("kve")(v - 1, z) + _sp("kve")(v + 1, z)),
    ),
    "hankel1": (
        _order("hankel1"),
        lambda y, v, z: 0.5 * (_sp("hankel1")(v - 1, z) - _sp("hankel1")(v + 1, z)),
    ),
    "hankel2": (
        _order("hankel2"),
        lambda y, v, z: 0.5 * (_sp("hankel2")(v - 1, z) - _sp("hankel2")(v + 1, z)),
    ),
    # elliptic and hypergeometric
    "ellipk": (lambda y, m: (_sp("ellipe")(m) / (1 - m) - y) / (2 * m),),
    "ellipe": (lambda y, m: (y - _sp("ellipk")(m)) / (2 * m),),
    "hyp0f1": (_none("hyp0f1", "v"), lambda y, v, z: _sp("hyp0f1")(v + 1, z) / v),
    "hyp1f1": (
        _none("hyp1f1", "a"),
        _none("hyp1f1", "b"),
        lambda y, a, b, z: a / b * _sp("hyp1f1")(a + 1, b + 1, z),
    ),
    "hyp2f1": (
        _none("hyp2f1", "a"),
        _none("hyp2f1", "b"),
        _none("hyp2f1", "c"),
        lambda y, a, b, c, z: a * b / c * _sp("hyp2f1")(a + 1, b + 1, c + 1, z),
    ),
    # orthogonal polynomials
    "eval_legendre": (
        _order("eval_legendre"),
        lambda y, n, x: n * (x * y - _sp("eval_legendre")(n - 1, x)) / (square(x) - 1),
    ),
    "eval_chebyt": (_order("eval_chebyt"), lambda y, n, x: n * _sp("eval_chebyu")(n - 1, x)),
    "eval_chebyu": (
        _order("eval_chebyu"),
        lambda y, n, x: ((n + 1) * _sp("eval_chebyt")(n + 1, x) - x * y) / (square(x) - 1),
    ),
    "eval_genlaguerre": (
        _order("eval_genlaguerre"),
        _none("eval_genlaguerre", "alpha"),
        lambda y, n, a, x: -_sp("eval_genlaguerre")(n - 1, a + 1, x),
    ),
    "eval_hermite": (_order("eval_hermite"), lambda y, n, x: 2 * n * _sp("eval_hermite")(n - 1, x)),
    "eval_hermitenorm": (
        _order("eval_hermitenorm"),
        lambda y, n, x: n * _sp("eval_hermitenorm")(n - 1, x),
    ),
    "eval_laguerre": (
        _order("eval_laguerre"),
        lambda y, n, x: -_sp("eval_genlaguerre")(n - 1, 1.0, x),
    ),
}


def partials_of(op: Primitive) -> tuple[Callable[..., Any], ...] | None:
    """Return the partial derivatives of a primitive that applies a ufunc of scipy.special."""
    module = sys.modules.get("scipy.special")
    if op.ufunc is None or module is None:
        return None
    name = op.ufunc.__name__
    if getattr(module, name, None) is not op.ufunc and name != "_zeta":
        return None
    return PARTIALS.get(name)


def _enter(op: Primitive) -> bool:
    partials = partials_of(op)
    if partials is None:
        return False
    define_elementwise(op, *partials)
    return True


LATE.append(_enter)

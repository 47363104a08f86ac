"""Derivatives of error, gamma, logistic, entropy and elementary functions of `scipy.special`.

Sources: Abramowitz and Stegun, *Handbook of Mathematical Functions*; https://dlmf.nist.gov,
chapters 4 to 8 and 25.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import (
    MANY,
    ONE,
    abs_,
    cos,
    equal,
    exp,
    greater,
    guarded,
    log1p,
    log_,
    none,
    sign,
    sin,
    sp,
    sqrt_,
    square,
)
from revolve_ad.ad.rules.special.polygamma import complex_polygamma

_psi = sp("psi")
_ROOT = 2 / sqrt(pi)


# -- error functions, DLMF 7.10 ----------------------------------------------------------------

ONE |= {
    "erf": (lambda y, x: _ROOT * exp(-square(x)),),
    "erfc": (lambda y, x: -_ROOT * exp(-square(x)),),
    "erfcx": (lambda y, x: 2 * x * y - _ROOT,),
    "erfi": (lambda y, x: _ROOT * exp(square(x)),),
    "erfinv": (lambda y, x: sqrt(pi) / 2 * exp(square(y)),),
    "erfcinv": (lambda y, x: -sqrt(pi) / 2 * exp(square(y)),),
    "dawsn": (lambda y, x: 1 - 2 * x * y,),
    "wofz": (lambda y, z: 1j * _ROOT - 2 * z * y,),
}


def _voigt(part: Any) -> Any:
    """Return a partial of Re w(z) / (σ √2π), z = (x + iγ)/(σ √2), from w' = 2i/√π − 2 z w."""

    def partial(y: Symbol, x: Symbol, sigma: Symbol, gamma: Symbol) -> Symbol:
        width = sigma * sqrt(2)
        z = (x + 1j * gamma) / width
        slope = 1j * _ROOT - 2 * z * sp("wofz")(z)
        return part(y, z, slope, sigma, width)  # type: ignore[no-any-return]

    return partial


ONE["voigt_profile"] = (
    _voigt(lambda y, z, slope, sigma, width: s.real(slope) / (width * sigma * sqrt(2 * pi))),
    _voigt(
        lambda y, z, slope, sigma, width: (
            -y / sigma - s.real(slope * z) / (square(sigma) * sqrt(2 * pi))
        )
    ),
    _voigt(lambda y, z, slope, sigma, width: -s.imag(slope) / (width * sigma * sqrt(2 * pi))),
)


def _arch(f: Any) -> Any:
    return lambda r, z: f((pi / 2) * square(z))


MANY |= {
    "fresnel": ((_arch(sin),), (_arch(cos),)),
    # Above 0 alone: SciPy 1.17's F below 0 has another imaginary part than the integral has.
    # F(x) = ∫ₓ^∞ exp(± i t²) dt and K(x) = exp(∓ i (x² + π/4)) F(x) / √π
    "modfresnelp": (
        (lambda r, x: -exp(1j * square(x)),),
        (lambda r, x: -2j * x * r[1] - np.exp(-0.25j * pi).item() / sqrt(pi),),
    ),
    "modfresnelm": (
        (lambda r, x: -exp(-1j * square(x)),),
        (lambda r, x: 2j * x * r[1] - np.exp(0.25j * pi).item() / sqrt(pi),),
    ),
}

# -- gamma functions, DLMF 5.2, 5.15 -----------------------------------------------------------


def _trigamma(y: Symbol, x: Symbol) -> Any:
    if x.dtype.kind == "c":
        return complex_polygamma(x, 1)
    return sp("zeta")(2.0, x)


_ZETA = (none("zeta", "x"), lambda y, x, q: -x * sp("zeta")(x + 1, q))

ONE |= {
    "gamma": (lambda y, x: y * _psi(x),),
    "gammaln": (lambda y, x: _psi(x),),
    "loggamma": (lambda y, x: _psi(x),),
    "rgamma": (lambda y, x: -y * _psi(x),),
    "psi": (_trigamma,),
    "_zeta": _ZETA,
    "zeta": _ZETA,
    "zetac": (none("zetac", "x"),),
    "_riemann_zeta": (none("zeta", "x"),),
    "beta": (
        lambda y, a, b: y * (_psi(a) - _psi(a + b)),
        lambda y, a, b: y * (_psi(b) - _psi(a + b)),
    ),
    "betaln": (lambda y, a, b: _psi(a) - _psi(a + b), lambda y, a, b: _psi(b) - _psi(a + b)),
    "binom": (
        lambda y, n, k: y * (_psi(n + 1.0) - _psi(n - k + 1.0)),
        lambda y, n, k: y * (_psi(n - k + 1.0) - _psi(k + 1.0)),
    ),
    "poch": (
        lambda y, z, m: y * (_psi(z + m) - _psi(z)),
        lambda y, z, m: y * _psi(z + m),
    ),
}

# -- logistic functions, entropies, losses -----------------------------------------------------


def _ratio(a: Symbol, b: Symbol) -> Symbol:
    """Return a/b, and 0 where a is 0: there a·log(b) is 0 for all b."""
    zero = equal(a, 0)
    return s.where(zero, s.full_like(a / b, 0), a / s.where(zero, s.full_like(b, 1), b))


ONE |= {
    "expit": (lambda y, x: y * (1 - y),),
    "log_expit": (lambda y, x: sp("expit")(-x),),
    "logit": (lambda y, x: 1 / (x * (1 - x)),),
    "xlogy": (lambda y, a, b: log_(b), lambda y, a, b: _ratio(a, b)),
    "xlog1py": (lambda y, a, b: log1p(b), lambda y, a, b: _ratio(a, 1 + b)),
    "entr": (lambda y, x: -log_(x) - 1,),
    "rel_entr": (lambda y, a, b: log_(a / b) + 1, lambda y, a, b: -a / b),
    "kl_div": (lambda y, a, b: log_(a / b), lambda y, a, b: 1 - a / b),
    "huber": (
        lambda y, d, r: s.where(abs_(r) > d, abs_(r) - d, s.full_like(y, 0)),
        lambda y, d, r: s.where(abs_(r) > d, d * sign(r), r),
    ),
    "pseudo_huber": (
        lambda y, d, r: 2 * y / d - square(r) / (d * sqrt_(1 + square(r / d))),
        lambda y, d, r: r / sqrt_(1 + square(r / d)),
    ),
}


# -- powers and their inverses -----------------------------------------------------------------


def _boxcox_by_power(y: Symbol, logarithm: Symbol, p: Symbol) -> Symbol:
    """Return the slope of (exp(p·log x) − 1)/p by p; its limit at 0 is log²(x)/2."""
    zero = equal(p, 0)
    safe = s.where(zero, s.full_like(p, 1), p)
    plain = ((safe * y + 1) * logarithm - y) / safe
    return s.where(zero, 0.5 * square(logarithm), plain)


def _inverse_by_power(whole: Symbol, x: Symbol, p: Symbol) -> Symbol:
    """Return the slope of (p x + 1)^(1/p) by p; its limit at 0 is −½ x² eˣ."""
    zero = equal(p, 0)
    safe = s.where(zero, s.full_like(p, 1), p)
    plain = (x / (safe * (safe * x + 1)) - log1p(safe * x) / square(safe)) * whole
    return s.where(zero, -0.5 * square(x) * whole, plain)


ONE |= {
    "boxcox": (
        lambda y, x, p: x ** (p - 1),
        lambda y, x, p: _boxcox_by_power(y, log_(x), p),
    ),
    "boxcox1p": (
        lambda y, x, p: (1 + x) ** (p - 1),
        lambda y, x, p: _boxcox_by_power(y, log1p(x), p),
    ),
    "inv_boxcox": (
        lambda y, x, p: y ** (1 - p),
        lambda y, x, p: _inverse_by_power(y, x, p),
    ),
    "inv_boxcox1p": (
        lambda y, x, p: (1 + y) ** (1 - p),
        lambda y, x, p: _inverse_by_power(1 + y, x, p),
    ),
    "powm1": (lambda y, x, p: p * x ** (p - 1), lambda y, x, p: (y + 1) * log_(x)),
    "exp2": (lambda y, x: log(2) * y,),
    "exp10": (lambda y, x: log(10) * y,),
    "expm1": (lambda y, x: exp(x),),
    "log1p": (lambda y, x: 1 / (1 + x),),
    "cbrt": (lambda y, x: y / (3 * x),),
    # (eˣ − 1)/x = ₁F₁(1; 2; x): without a difference near 0
    "exprel": (lambda y, x: 0.5 * sp("hyp1f1")(2.0, 3.0, x),),
    # -- angles in degrees
    "cosm1": (lambda y, x: -sin(x),),
    "sindg": (lambda y, x: (pi / 180) * sp("cosdg")(x),),
    "cosdg": (lambda y, x: (-pi / 180) * sp("sindg")(x),),
    "tandg": (lambda y, x: (pi / 180) * (1 + y * y),),
    "cotdg": (lambda y, x: (-pi / 180) * (1 + y * y),),
    "radian": (
        lambda y, d, m, sec: pi / 180,
        lambda y, d, m, sec: pi / 180 / 60,
        lambda y, d, m, sec: pi / 180 / 3600,
    ),
}


# -- exponential, sine and cosine integrals, DLMF 6.2, 8.19 ------------------------------------


def _expn(y: Symbol, n: Symbol, x: Symbol) -> Symbol:
    """Return −E_{n−1}, by DLMF 8.19.13, and where n is below 1 by 8.19.12."""
    above = greater(n, 0)
    lower = sp("expn")(s.where(above, n - 1, s.full_like(n, 0)), x)
    return -s.where(above, lower, (exp(-x) - (n - 1) * y) / x)


def _slope_over(f: Any, limit: float) -> Any:
    return lambda r, x: guarded(x, lambda z: f(z) / z, limit)


_sinh, _cosh = map(s.ufunc, (np.sinh, np.cosh))
ONE |= {
    "expi": (lambda y, x: exp(x) / x,),
    "exp1": (lambda y, x: -exp(-x) / x,),
    "expn": (none("expn", "n"), _expn),
    "spence": (lambda y, z: guarded(z, lambda z: log_(z) / (1 - z), -1, at=1),),
}
MANY |= {
    "sici": ((_slope_over(sin, 1),), (lambda r, x: cos(x) / x,)),
    "shichi": ((_slope_over(_sinh, 1),), (lambda r, x: _cosh(x) / x,)),
}

# -- Lambert's W, DLMF 4.13.4, and Wright's ω = W(eᶻ) -------------------------------------------

ONE |= {
    "_lambertw": (
        lambda y, z, k, tol: 1 / (exp(y) * (1 + y)),
        none("lambertw", "k"),
        none("lambertw", "tol"),
    ),
    "wrightomega": (lambda y, z: y / (1 + y),),
}

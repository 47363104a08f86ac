"""Derivatives of Bessel, Airy, Kelvin and Struve functions, and of integrals of them.

Sources: https://dlmf.nist.gov, chapters 9 to 11, whose equations the comments name; Zhang and Jin,
*Computation of Special Functions* (1996), for the integrals.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import (
    MANY,
    ONE,
    exp,
    greater,
    guarded,
    none,
    real_only,
    sign,
    sp,
    sqrt_,
    square,
)


def _order(name: str) -> Any:
    return none(name, "v")


def _half(name: str, by: int) -> Any:
    """Return ½ (f_{v−1} ± f_{v+1}), DLMF 10.6.1 and 10.29.1."""
    f = sp(name)
    if by > 0:
        return lambda v, z: 0.5 * (f(v - 1, z) + f(v + 1, z))
    return lambda v, z: 0.5 * (f(v - 1, z) - f(v + 1, z))


_j, _y, _i, _k = _half("jv", -1), _half("yv", -1), _half("iv", 1), _half("kv", 1)
_ie, _ke = _half("ive", 1), _half("kve", 1)
_je, _ye = _half("jve", -1), _half("yve", -1)
_h1, _h2, _h1e, _h2e = (_half(f"hankel{n}", -1) for n in ("1", "2", "1e", "2e"))

ONE |= {
    "j0": (lambda y, x: -sp("j1")(x),),
    "j1": (lambda y, x: 0.5 * (sp("j0")(x) - sp("jv")(2.0, x)),),
    "y0": (lambda y, x: -sp("y1")(x),),
    "y1": (lambda y, x: 0.5 * (sp("y0")(x) - sp("yv")(2.0, x)),),
    "i0": (lambda y, x: sp("i1")(x),),
    "i1": (lambda y, x: 0.5 * (sp("i0")(x) + sp("iv")(2.0, x)),),
    "k0": (lambda y, x: -sp("k1")(x),),
    "k1": (lambda y, x: -0.5 * (sp("k0")(x) + sp("kv")(2.0, x)),),
    "i0e": (lambda y, x: sp("i1e")(x) - sign(x) * y,),
    "i1e": (lambda y, x: 0.5 * (sp("i0e")(x) + sp("ive")(2.0, x)) - sign(x) * y,),
    "k0e": (lambda y, x: y - sp("k1e")(x),),
    "k1e": (lambda y, x: y - 0.5 * (sp("k0e")(x) + sp("kve")(2.0, x)),),
    "jv": (_order("jv"), lambda y, v, z: _j(v, z)),
    "yv": (_order("yv"), lambda y, v, z: _y(v, z)),
    "yn": (_order("yn"), lambda y, v, z: _y(1.0 * v, z)),
    "iv": (_order("iv"), lambda y, v, z: _i(v, z)),
    "kv": (_order("kv"), lambda y, v, z: -_k(v, z)),
    "kn": (_order("kn"), lambda y, v, z: -_k(1.0 * v, z)),
    # of real arguments the scaled ones are the same
    "jve": (_order("jve"), real_only("jve", lambda y, v, z: _je(v, z))),
    "yve": (_order("yve"), real_only("yve", lambda y, v, z: _ye(v, z))),
    "ive": (_order("ive"), real_only("ive", lambda y, v, z: _ie(v, z) - sign(z) * y)),
    "kve": (_order("kve"), lambda y, v, z: y - _ke(v, z)),
    "hankel1": (_order("hankel1"), lambda y, v, z: _h1(v, z)),
    "hankel2": (_order("hankel2"), lambda y, v, z: _h2(v, z)),
    "hankel1e": (_order("hankel1e"), lambda y, v, z: _h1e(v, z) - 1j * y),
    "hankel2e": (_order("hankel2e"), lambda y, v, z: _h2e(v, z) + 1j * y),
}


# -- spherical ones, DLMF 10.47.1 and 10.47.2: z² w'' + 2 z w' ± (z² ∓ n (n + 1)) w = 0 ------------


def _spherical(name: str, sign_: int) -> None:
    value, slope = f"_spherical_{name}", f"_spherical_{name}_d"

    def second(y: Symbol, n: Symbol, z: Symbol) -> Symbol:
        return -2 * y / z - (sign_ - n * (n + 1) / square(z)) * sp(value)(n, z)

    ONE[value] = (none(f"spherical_{name}", "n"), lambda y, n, z: sp(slope)(n, z))
    ONE[slope] = (none(f"spherical_{name}", "n"), second)


for _name, _sign in (("jn", 1), ("yn", 1), ("in", -1), ("kn", -1)):
    _spherical(_name, _sign)

# -- Airy functions, DLMF 9.2.1: w'' = z w ---------------------------------------------------------


def _growth(z: Symbol) -> Symbol:
    """Return the slope of the exponent |Re ⅔ z √z| by which real Bi is scaled."""
    above = greater(z, 0)
    zero = s.full_like(z, 0)
    return s.where(above, sqrt_(s.where(above, z, s.full_like(z, 1))), zero)


MANY |= {
    "airy": (
        (lambda r, z: r[1],),
        (lambda r, z: z * r[0],),
        (lambda r, z: r[3],),
        (lambda r, z: z * r[2],),
    ),
    "airye": (
        (lambda r, z: r[1] + sqrt_(z) * r[0],),
        (lambda r, z: z * r[0] + sqrt_(z) * r[1],),
        (real_only("airye", lambda r, z: r[3] - _growth(z) * r[2]),),
        (real_only("airye", lambda r, z: z * r[2] - _growth(z) * r[3]),),
    ),
    "itairy": (
        (lambda r, x: sp("airy", 0)(x),),
        (lambda r, x: sp("airy", 2)(x),),
        (lambda r, x: sp("airy", 0)(-x),),
        (lambda r, x: sp("airy", 2)(-x),),
    ),
}

# -- Kelvin functions, DLMF 10.61.3: w'' + w'/x = i w for w = ber + i bei, ker + i kei -------------


def _over(y: Symbol, x: Symbol, at_zero: float = 0.0) -> Symbol:
    """Return y/x, and its limit where x is 0."""
    return guarded(x, lambda z: y / z, at_zero)


ONE |= {
    "ber": (lambda y, x: sp("berp")(x),),
    "bei": (lambda y, x: sp("beip")(x),),
    "ker": (lambda y, x: sp("kerp")(x),),
    "kei": (lambda y, x: sp("keip")(x),),
    "berp": (lambda y, x: -sp("bei")(x) - _over(y, x),),
    "beip": (lambda y, x: sp("ber")(x) - _over(y, x, 0.5),),
    "kerp": (lambda y, x: -sp("kei")(x) - y / x,),
    "keip": (lambda y, x: sp("ker")(x) - y / x,),
}
MANY["kelvin"] = (
    (lambda r, x: r[2],),
    (lambda r, x: r[3],),
    (lambda r, x: 1j * r[0] - r[2] / x,),
    (lambda r, x: 1j * r[1] - r[3] / x,),
)

# -- Struve functions, DLMF 11.4.29 and 11.4.30 ----------------------------------------------------


def _struve_term(v: Symbol, x: Symbol) -> Symbol:
    """Return (x/2)^v / (√π Γ(v + 3/2))."""
    return (0.5 * x) ** v * (sp("rgamma")(v + 1.5) / sqrt(pi))


_struve, _modstruve = _half("struve", -1), _half("modstruve", 1)
ONE |= {
    "struve": (
        _order("struve"),
        lambda y, v, x: _struve(v, x) + 0.5 * _struve_term(v, x),
    ),
    "modstruve": (
        _order("modstruve"),
        lambda y, v, x: _modstruve(v, x) + 0.5 * _struve_term(v, x),
    ),
    "itstruve0": (lambda y, x: sp("struve")(0.0, x),),
    "itmodstruve0": (lambda y, x: sp("modstruve")(0.0, x),),
    "it2struve0": (lambda y, x: -sp("struve")(0.0, x) / x,),
}

# -- integrals of Bessel functions -----------------------------------------------------------------

MANY |= {
    "itj0y0": ((lambda r, x: sp("j0")(x),), (lambda r, x: sp("y0")(x),)),
    "iti0k0": ((lambda r, x: sp("i0")(x),), (lambda r, x: sp("k0")(x),)),
    "it2j0y0": (
        (lambda r, x: guarded(x, lambda z: (1 - sp("j0")(z)) / z, 0.0),),
        (lambda r, x: -sp("y0")(x) / x,),
    ),
    "it2i0k0": (
        (lambda r, x: guarded(x, lambda z: (sp("i0")(z) - 1) / z, 0.0),),
        (lambda r, x: -sp("k0")(x) / x,),
    ),
}
# ∫₀¹ x^λ J_ν(2 a x) dx, by J_ν' = ν/z J_ν − J_{ν+1}, DLMF 10.6.2
ONE["besselpoly"] = (
    lambda y, a, lmb, nu: nu / a * y - 2 * sp("besselpoly")(a, lmb + 1, nu + 1),
    none("besselpoly", "lmb"),
    none("besselpoly", "nu"),
)

# Φ(a, b; x) = Σ xᵏ / (k! Γ(a k + b)), DLMF 10.46.1
ONE |= {
    "wright_bessel": (
        none("wright_bessel", "a"),
        none("wright_bessel", "b"),
        lambda y, a, b, x: sp("wright_bessel")(a, a + b, x),
    ),
    "log_wright_bessel": (
        none("log_wright_bessel", "a"),
        none("log_wright_bessel", "b"),
        lambda y, a, b, x: exp(sp("log_wright_bessel")(a, a + b, x) - y),
    ),
}

"""Derivatives of elliptic integrals and functions, and of hypergeometric functions.

Sources: https://dlmf.nist.gov, chapters 13, 15, 19 and 22, whose equations the comments name.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import MANY, ONE, guarded, none, sin, sp, sqrt_, square

_sp_2f1 = sp("hyp2f1")


def _slope_k(m: Symbol) -> Symbol:
    """Return K'(m) = π/8 ₂F₁(3/2, 3/2; 2; m), which needs no difference near m = 0; DLMF 19.5.1."""
    return (pi / 8) * _sp_2f1(1.5, 1.5, 2.0, m)


# -- Legendre's integrals --------------------------------------------------------------------------


def _kinc_by_m(y: Symbol, phi: Symbol, m: Symbol) -> Symbol:
    """Return ∂F/∂m, DLMF 19.4.5."""

    def formula(m: Symbol) -> Symbol:
        d = sqrt_(1 - m * square(sin(phi)))
        e = sp("ellipeinc")(phi, m)
        return e / (2 * m * (1 - m)) - y / (2 * m) - sin(2 * phi) / (4 * (1 - m) * d)

    # The power series begins with ½ ∫ sin² = φ/4 − sin(2 φ)/8.
    return s.where(_is(m, 0), phi / 4 - sin(2 * phi) / 8, formula(_away(m)))


def _einc_by_m(y: Symbol, phi: Symbol, m: Symbol) -> Symbol:
    """Return ∂E/∂m, DLMF 19.4.6."""
    safe = _away(m)
    plain = (y - sp("ellipkinc")(phi, safe)) / (2 * safe)
    return s.where(_is(m, 0), sin(2 * phi) / 8 - phi / 4, plain)


def _is(x: Symbol, value: float) -> Symbol:
    return s.ufunc(np.equal)(x, value)


def _away(m: Symbol) -> Symbol:
    return s.where(_is(m, 0), s.full_like(m, 0.5), m)


ONE |= {
    "ellipk": (lambda y, m: _slope_k(m),),
    "ellipkm1": (
        lambda y, p: guarded(
            p, lambda p: (y - sp("ellipe")(1 - p) / p) / (2 * (1 - p)), -pi / 8, at=1
        ),
    ),
    "ellipe": (lambda y, m: (-pi / 8) * _sp_2f1(0.5, 1.5, 2.0, m),),
    "ellipkinc": (lambda y, phi, m: 1 / sqrt_(1 - m * square(sin(phi))), _kinc_by_m),
    "ellipeinc": (lambda y, phi, m: sqrt_(1 - m * square(sin(phi))), _einc_by_m),
}


# -- Jacobi's functions: results sn, cn, dn, φ with F(φ, m) = u ------------------------------------


def _phi_by_m(r: Any, u: Symbol, m: Symbol) -> Any:
    sn, cn, dn, phi = r

    def by_m(m: Symbol) -> Any:
        e = sp("ellipeinc")(phi, m)
        return (e / (1 - m) - u) / (2 * m) - sn * cn / (2 * (1 - m) * dn)

    at_zero = phi / 4 - sin(2 * phi) / 8
    return -dn * s.where(_is(m, 0), at_zero, by_m(_away(m)))


def _dn_by_m(r: Any, u: Symbol, m: Symbol) -> Any:
    sn, cn, dn, _ = r
    return -(square(sn) + 2 * m * sn * cn * _phi_by_m(r, u, m)) / (2 * dn)


MANY["ellipj"] = (
    (lambda r, u, m: r[1] * r[2], lambda r, u, m: r[1] * _phi_by_m(r, u, m)),
    (lambda r, u, m: -r[0] * r[2], lambda r, u, m: -r[0] * _phi_by_m(r, u, m)),
    (lambda r, u, m: -m * r[0] * r[1], _dn_by_m),
    (lambda r, u, m: r[2], _phi_by_m),
)


# -- Carlson's symmetric integrals, DLMF 19.18.4 and 19.18.5 ---------------------------------------


def _rd(x: Symbol, y: Symbol, z: Symbol) -> Symbol:
    return sp("elliprd")(x, y, z)


def _rd_by_x(r: Symbol, x: Symbol, y: Symbol, z: Symbol) -> Symbol:
    return (_rd(y, z, x) - r) / (2 * (x - z))


def _rd_by_z(r: Symbol, x: Symbol, y: Symbol, z: Symbol) -> Symbol:
    # R_D is homogeneous of degree −3/2.
    return -(1.5 * r + x * _rd_by_x(r, x, y, z) + y * _rd_by_x(r, y, x, z)) / z


def _rc_by_x(r: Symbol, x: Symbol, y: Symbol) -> Symbol:
    alike = s.ufunc(np.equal)(x, y)
    apart = s.where(alike, s.full_like(r, 1), y - x)
    return s.where(alike, -r / (6 * x), (r - 1 / sqrt_(x)) / (2 * apart))


def _rj_by_x(r: Symbol, x: Symbol, y: Symbol, z: Symbol, p: Symbol) -> Symbol:
    return (r - _rd(y, z, x)) / (2 * (p - x))


def _rj_by_p(r: Symbol, x: Symbol, y: Symbol, z: Symbol, p: Symbol) -> Symbol:
    others = x * _rj_by_x(r, x, y, z, p) + y * _rj_by_x(r, y, z, x, p) + z * _rj_by_x(r, z, x, y, p)
    return -(1.5 * r + others) / p


def _rg_by(x: Symbol, y: Symbol, z: Symbol) -> Symbol:
    """Return ∂R_G/∂x."""
    return 0.25 * (sp("elliprf")(x, y, z) - x / 3 * _rd(y, z, x))


ONE |= {
    "elliprc": (
        _rc_by_x,
        lambda r, x, y: -(0.5 * r + x * _rc_by_x(r, x, y)) / y,
    ),
    "elliprf": (
        lambda r, x, y, z: -_rd(y, z, x) / 6,
        lambda r, x, y, z: -_rd(z, x, y) / 6,
        lambda r, x, y, z: -_rd(x, y, z) / 6,
    ),
    "elliprd": (
        _rd_by_x,
        lambda r, x, y, z: _rd_by_x(r, y, x, z),
        _rd_by_z,
    ),
    "elliprg": (
        lambda r, x, y, z: _rg_by(x, y, z),
        lambda r, x, y, z: _rg_by(y, z, x),
        lambda r, x, y, z: _rg_by(z, x, y),
    ),
    "elliprj": (
        _rj_by_x,
        lambda r, x, y, z, p: _rj_by_x(r, y, z, x, p),
        lambda r, x, y, z, p: _rj_by_x(r, z, x, y, p),
        _rj_by_p,
    ),
}


# -- the arithmetic-geometric mean, π (a + b) / (4 K(m)) with m = ((a − b)/(a + b))², DLMF 19.8.5 --


def _agm_by(y: Symbol, a: Symbol, b: Symbol) -> Symbol:
    total = a + b
    k = (a - b) / total
    m = square(k)
    # by a: m' = 2 k · 2 b / (a + b)²
    return y * (1 / total - _slope_k(m) / sp("ellipk")(m) * (4 * k * b / square(total)))


ONE["agm"] = (lambda y, a, b: _agm_by(y, a, b), lambda y, a, b: _agm_by(y, b, a))


# -- hypergeometric functions, DLMF 13.3.15, 13.3.22, 15.5.1, 16.3.1 -------------------------------

ONE |= {
    "hyp0f1": (none("hyp0f1", "v"), lambda y, v, z: sp("hyp0f1")(v + 1, z) / v),
    "hyp1f1": (
        none("hyp1f1", "a"),
        none("hyp1f1", "b"),
        lambda y, a, b, z: a / b * sp("hyp1f1")(a + 1, b + 1, z),
    ),
    "hyperu": (
        none("hyperu", "a"),
        none("hyperu", "b"),
        lambda y, a, b, z: -a * sp("hyperu")(a + 1, b + 1, z),
    ),
    "hyp2f1": (
        none("hyp2f1", "a"),
        none("hyp2f1", "b"),
        none("hyp2f1", "c"),
        lambda y, a, b, c, z: a * b / c * sp("hyp2f1")(a + 1, b + 1, c + 1, z),
    ),
}

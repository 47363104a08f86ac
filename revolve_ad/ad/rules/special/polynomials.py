"""Derivatives of orthogonal polynomials and of Legendre functions.

Each derivative is a polynomial of another family, so that nothing is divided by 1 − x².
Source: https://dlmf.nist.gov, 18.9(iii) and 14.10.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import ONE, equal, less, none, sp, square


def _degree(name: str) -> Any:
    return none(name, "n")


def _below(n: Symbol) -> Symbol:
    """Return n − 1, and 0 for 0, where the factor n is zero."""
    return s.ufunc(np.maximum)(n - 1, 0)


def _u(n: Symbol, x: Symbol) -> Symbol:
    return sp("eval_chebyu")(n - 1, x)


_floor, _maximum, _both = map(s.ufunc, (np.floor, np.maximum, np.logical_and))


def _gegenbauer(n: Symbol, alpha: Any, x: Symbol) -> Any:
    """Return the derivative of Gegenbauer's polynomial C_n^(α), DLMF 18.9.19.

    Of a whole degree below 0 it is zero, which SciPy doesn't say for all of them.
    """
    degree = n - 1
    nothing = _both(less(degree, 0), equal(degree, _floor(degree)))
    safe = s.where(nothing, s.full_like(degree, 0), degree)
    found = 2 * alpha * sp("eval_gegenbauer")(safe, alpha + 1, x)
    return s.where(nothing, s.full_like(found, 0), found)


def _legendre(n: Symbol, x: Symbol) -> Any:
    """Return P_n'; P_n is P_{−n−1}, DLMF 14.9.5."""
    return _gegenbauer(_maximum(n, -n - 1), 0.5, x)


def _second(n: Symbol, x: Symbol) -> Any:
    """Return U_n'; U_n is −U_{−n−2}."""
    below = less(n, -1)
    found = _gegenbauer(_maximum(n, -n - 2), 1.0, x)
    return s.where(below, -found, found)


ONE |= {
    "eval_legendre": (_degree("eval_legendre"), lambda y, n, x: _legendre(n, x)),
    "eval_chebyt": (_degree("eval_chebyt"), lambda y, n, x: n * _u(n, x)),
    "eval_chebyu": (_degree("eval_chebyu"), lambda y, n, x: _second(n, x)),
    "eval_chebyc": (_degree("eval_chebyc"), lambda y, n, x: n * _u(n, 0.5 * x)),
    "eval_chebys": (
        _degree("eval_chebys"),
        lambda y, n, x: 0.5 * _second(n, 0.5 * x),
    ),
    "eval_sh_legendre": (
        _degree("eval_sh_legendre"),
        lambda y, n, x: 2 * _legendre(n, 2 * x - 1),
    ),
    "eval_sh_chebyt": (_degree("eval_sh_chebyt"), lambda y, n, x: 2 * n * _u(n, 2 * x - 1)),
    "eval_sh_chebyu": (
        _degree("eval_sh_chebyu"),
        lambda y, n, x: 2 * _second(n, 2 * x - 1),
    ),
    "eval_gegenbauer": (
        _degree("eval_gegenbauer"),
        none("eval_gegenbauer", "alpha"),
        lambda y, n, alpha, x: _gegenbauer(n, alpha, x),
    ),
    "eval_jacobi": (
        _degree("eval_jacobi"),
        none("eval_jacobi", "alpha"),
        none("eval_jacobi", "beta"),
        lambda y, n, a, b, x: 0.5 * (n + a + b + 1) * sp("eval_jacobi")(n - 1, a + 1, b + 1, x),
    ),
    "eval_sh_jacobi": (
        _degree("eval_sh_jacobi"),
        none("eval_sh_jacobi", "p"),
        none("eval_sh_jacobi", "q"),
        lambda y, n, p, q, x: (
            (n + p)
            / sp("binom")(2 * n + p - 1, 1.0 * n)
            * sp("eval_jacobi")(n - 1, p - q + 1, q, 2 * x - 1)
        ),
    ),
    "eval_genlaguerre": (
        _degree("eval_genlaguerre"),
        none("eval_genlaguerre", "alpha"),
        lambda y, n, a, x: -sp("eval_genlaguerre")(n - 1, a + 1, x),
    ),
    "eval_laguerre": (
        _degree("eval_laguerre"),
        lambda y, n, x: -sp("eval_genlaguerre")(n - 1, 1.0, x),
    ),
    "eval_hermite": (
        _degree("eval_hermite"),
        lambda y, n, x: 2 * n * sp("eval_hermite")(_below(n), x),
    ),
    "eval_hermitenorm": (
        _degree("eval_hermitenorm"),
        lambda y, n, x: n * sp("eval_hermitenorm")(_below(n), x),
    ),
    # (1 − x²) P' = (v + m) P_{v−1} − v x P_v
    "lpmv": (
        none("lpmv", "m"),
        none("lpmv", "v"),
        lambda y, m, v, x: ((v + m) * sp("lpmv")(m, v - 1, x) - v * x * y) / (1 - square(x)),
    ),
}

# Only in SciPy before 1.17; its successors aren't ufuncs.
ONE["sph_harm"] = tuple(none("sph_harm", operand) for operand in ("m", "n", "theta", "phi"))

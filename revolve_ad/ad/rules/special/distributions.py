"""Derivatives of distribution functions and their inverses.

By the point a distribution function has the density as its derivative, an inverse one over it; by
most parameters there is no closed form.  Source: https://dlmf.nist.gov, chapters 7 and 8.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import (
    ONE,
    exp,
    greater,
    log1p,
    log_,
    none,
    sp,
    sqrt_,
    square,
)
from revolve_ad.ad.rules.table import Missing

_PHI = 1 / sqrt(2 * pi)
_NO_SECOND = Missing(
    "kolmogorov, kolmogi, smirnov and smirnovi of scipy.special have no second derivative: SciPy "
    "has none of the slope"
)
_xlogy, _xlog1py = sp("xlogy"), sp("xlog1py")


def _gamma_density(a: Symbol, x: Symbol) -> Symbol:
    """Return x^(a−1) e^(−x) / Γ(a)."""
    return exp(_xlogy(a - 1, x) - x - sp("gammaln")(a))


def _beta_density(a: Symbol, b: Symbol, x: Symbol) -> Symbol:
    """Return x^(a−1) (1 − x)^(b−1) / B(a, b)."""
    return exp(_xlogy(a - 1, x) + _xlog1py(b - 1, -x) - sp("betaln")(a, b))


def _binomial(k: Symbol, n: Symbol, p: Symbol) -> Symbol:
    """Return minus the slope of bdtr, the density of a beta variable at 1 − p."""
    k = s.ufunc(np.floor)(k) if k.dtype.kind == "f" else k
    return _beta_density(1.0 * (n - k), k + 1.0, 1 - p)


def _negative_binomial(k: Symbol, n: Symbol, p: Symbol) -> Symbol:
    k = s.ufunc(np.floor)(k) if k.dtype.kind == "f" else k
    return _beta_density(1.0 * n, k + 1.0, p)


def _poisson(k: Symbol, m: Symbol) -> Symbol:
    k = s.ufunc(np.floor)(k) if k.dtype.kind == "f" else k
    return _gamma_density(k + 1.0, m)


def _chi2(v: Symbol, x: Symbol) -> Symbol:
    return 0.5 * _gamma_density(0.5 * v, 0.5 * x)


def _noncentral_chi2(x: Symbol, df: Symbol, nc: Symbol) -> Symbol:
    """Return the density with its Bessel function scaled, so that nothing overflows."""
    gap = square(sqrt_(x) - sqrt_(nc))
    power = exp(0.25 * (df - 2) * log_(x / nc))
    return 0.5 * exp(-0.5 * gap) * power * sp("ive")(0.5 * df - 1, sqrt_(nc * x))


def _f_density(n: Symbol, d: Symbol, x: Symbol) -> Symbol:
    total = n * x + d
    return _beta_density(0.5 * n, 0.5 * d, n * x / total) * (n * d / square(total))


def _t_density(df: Symbol, t: Symbol) -> Symbol:
    power = exp(-0.5 * (df + 1) * log1p(square(t) / df))
    return power / (sqrt_(df) * sp("beta")(0.5 + 0 * df, 0.5 * df))


def _tukey(x: Symbol, p: Symbol, lmbda: Symbol) -> Symbol:
    """Return the density where the distribution function is p; 0 beyond the ends."""
    inside = greater(p * (1 - p), 0)
    safe = s.where(inside, p, s.full_like(p, 0.5))
    density = 1 / (safe ** (lmbda - 1) + (1 - safe) ** (lmbda - 1))
    return s.where(inside, density, s.full_like(density, 0))


ONE |= {
    # normal
    "ndtr": (lambda y, x: _PHI * exp(-0.5 * square(x)),),
    "ndtri": (lambda y, x: 1 / _PHI * exp(0.5 * square(y)),),
    "log_ndtr": (lambda y, x: _PHI * exp(-0.5 * square(x) - y),),
    "ndtri_exp": (lambda y, x: 1 / _PHI * exp(x + 0.5 * square(y)),),
    "nrdtrimn": (
        lambda y, p, std, x: -std / _PHI * exp(0.5 * square((x - y) / std)),
        lambda y, p, std, x: (y - x) / std,
        lambda y, p, std, x: 1,
    ),
    "owens_t": (
        lambda y, h, a: (-_PHI / 2) * exp(-0.5 * square(h)) * sp("erf")(a * h / sqrt(2)),
        lambda y, h, a: exp(-0.5 * square(h) * (1 + square(a))) / (2 * pi * (1 + square(a))),
    ),
    # gamma
    "gammainc": (none("gammainc", "a"), lambda y, a, x: _gamma_density(a, x)),
    "gammaincc": (none("gammaincc", "a"), lambda y, a, x: -_gamma_density(a, x)),
    "gammaincinv": (none("gammaincinv", "a"), lambda y, a, p: 1 / _gamma_density(a, y)),
    "gammainccinv": (none("gammainccinv", "a"), lambda y, a, p: -1 / _gamma_density(a, y)),
    "gdtr": (
        lambda y, a, b, x: x * _gamma_density(b, a * x),
        none("gdtr", "b"),
        lambda y, a, b, x: a * _gamma_density(b, a * x),
    ),
    "gdtrc": (
        lambda y, a, b, x: -x * _gamma_density(b, a * x),
        none("gdtrc", "b"),
        lambda y, a, b, x: -a * _gamma_density(b, a * x),
    ),
    "gdtria": (
        lambda y, p, b, x: 1 / (x * _gamma_density(b, y * x)),
        none("gdtria", "b"),
        lambda y, p, b, x: -y / x,
    ),
    "gdtrix": (
        lambda y, a, b, p: -y / a,
        none("gdtrix", "b"),
        lambda y, a, b, p: 1 / (a * _gamma_density(b, a * y)),
    ),
    "chdtr": (none("chdtr", "v"), lambda y, v, x: _chi2(v, x)),
    "chdtrc": (none("chdtrc", "v"), lambda y, v, x: -_chi2(v, x)),
    "chdtri": (none("chdtri", "v"), lambda y, v, p: -1 / _chi2(v, y)),
    "chndtr": (
        lambda y, x, df, nc: _noncentral_chi2(x, df, nc),
        none("chndtr", "df"),
        lambda y, x, df, nc: -_noncentral_chi2(x, df + 2, nc),
    ),
    "chndtrix": (
        lambda y, p, df, nc: 1 / _noncentral_chi2(y, df, nc),
        none("chndtrix", "df"),
        lambda y, p, df, nc: _noncentral_chi2(y, df + 2, nc) / _noncentral_chi2(y, df, nc),
    ),
    "chndtrinc": (
        lambda y, x, df, p: _noncentral_chi2(x, df, y) / _noncentral_chi2(x, df + 2, y),
        none("chndtrinc", "df"),
        lambda y, x, df, p: -1 / _noncentral_chi2(x, df + 2, y),
    ),
    "pdtr": (none("pdtr", "k"), lambda y, k, m: -_poisson(k, m)),
    "pdtrc": (none("pdtrc", "k"), lambda y, k, m: _poisson(k, m)),
    "pdtri": (none("pdtri", "k"), lambda y, k, p: -1 / _poisson(k, y)),
    # beta
    "betainc": (
        none("betainc", "a"),
        none("betainc", "b"),
        lambda y, a, b, x: _beta_density(a, b, x),
    ),
    "betaincc": (
        none("betaincc", "a"),
        none("betaincc", "b"),
        lambda y, a, b, x: -_beta_density(a, b, x),
    ),
    "betaincinv": (
        none("betaincinv", "a"),
        none("betaincinv", "b"),
        lambda y, a, b, p: 1 / _beta_density(a, b, y),
    ),
    "betainccinv": (
        none("betainccinv", "a"),
        none("betainccinv", "b"),
        lambda y, a, b, p: -1 / _beta_density(a, b, y),
    ),
    "bdtr": (none("bdtr", "k"), none("bdtr", "n"), lambda y, k, n, p: -_binomial(k, n, p)),
    "bdtrc": (none("bdtrc", "k"), none("bdtrc", "n"), lambda y, k, n, p: _binomial(k, n, p)),
    "bdtri": (none("bdtri", "k"), none("bdtri", "n"), lambda y, k, n, p: -1 / _binomial(k, n, y)),
    "nbdtr": (
        none("nbdtr", "k"),
        none("nbdtr", "n"),
        lambda y, k, n, p: _negative_binomial(k, n, p),
    ),
    "nbdtrc": (
        none("nbdtrc", "k"),
        none("nbdtrc", "n"),
        lambda y, k, n, p: -_negative_binomial(k, n, p),
    ),
    "nbdtri": (
        none("nbdtri", "k"),
        none("nbdtri", "n"),
        lambda y, k, n, p: 1 / _negative_binomial(k, n, y),
    ),
    "fdtr": (none("fdtr", "dfn"), none("fdtr", "dfd"), lambda y, n, d, x: _f_density(n, d, x)),
    "fdtrc": (none("fdtrc", "dfn"), none("fdtrc", "dfd"), lambda y, n, d, x: -_f_density(n, d, x)),
    "fdtri": (
        none("fdtri", "dfn"),
        none("fdtri", "dfd"),
        lambda y, n, d, p: 1 / _f_density(n, d, y),
    ),
    "stdtr": (none("stdtr", "df"), lambda y, df, t: _t_density(df, t)),
    "stdtrit": (none("stdtrit", "df"), lambda y, df, p: 1 / _t_density(df, y)),
    "tklmbda": (lambda y, x, lmbda: _tukey(x, y, lmbda), none("tklmbda", "lmbda")),
    # Kolmogorov and Smirnov: SciPy has the slopes, but not those of the slopes
    "_kolmogp": (lambda y, x: _NO_SECOND,),
    "_smirnovp": (lambda y, n, d: _NO_SECOND, lambda y, n, d: _NO_SECOND),
    "kolmogorov": (lambda y, x: sp("_kolmogp")(x),),
    "kolmogi": (lambda y, p: 1 / sp("_kolmogp")(y),),
    "smirnov": (none("smirnov", "n"), lambda y, n, d: sp("_smirnovp")(n, d)),
    "smirnovi": (none("smirnovi", "n"), lambda y, n, p: 1 / sp("_smirnovp")(n, y)),
}


def _all_missing(name: str, *operands: str) -> None:
    ONE[name] = tuple(none(name, operand) for operand in operands)


# Inverses by a parameter, and distributions whose densities have no closed form.
for _name, _operands in {
    "bdtrik": "y n p",
    "bdtrin": "k y p",
    "btdtria": "p b x",
    "btdtrib": "a p x",
    "chdtriv": "p x",
    "chndtridf": "x p nc",
    "fdtridfd": "dfn p x",
    "gdtrib": "a p x",
    "nbdtrik": "y n p",
    "nbdtrin": "k y p",
    "ncfdtr": "dfn dfd nc f",
    "ncfdtri": "dfn dfd nc p",
    "ncfdtridfd": "dfn p nc f",
    "ncfdtridfn": "p dfd nc f",
    "ncfdtrinc": "dfn dfd p f",
    "nctdtr": "df nc t",
    "nctdtridf": "p nc t",
    "nctdtrinc": "df p t",
    "nctdtrit": "df nc p",
    "pdtrik": "p m",
    "stdtridf": "p t",
}.items():
    _all_missing(_name, *_operands.split())


# The standard deviation σ with Φ((x − mean)/σ) = p
def _deviation(y: Any, mean: Symbol, p: Symbol, x: Symbol) -> Any:
    z = sp("ndtri")(p)
    return -y / z / _PHI * exp(0.5 * square(z))


ONE["nrdtrisd"] = (
    lambda y, mean, p, x: -1 / sp("ndtri")(p),
    _deviation,
    lambda y, mean, p, x: 1 / sp("ndtri")(p),
)

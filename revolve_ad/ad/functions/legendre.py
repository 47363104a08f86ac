"""Legendre functions and spherical harmonics of `scipy.special`, which aren't plain ufuncs.

Their derivatives are functions of the same families: for P by recurrence (DLMF 14.10.5, 18.9.19),
for spherical harmonics by the ladder operators, which need no division at the poles:
∂Y_nm/∂θ = ½ (e^(−iφ) √((n−m)(n+m+1)) Y_n,m+1 − e^(iφ) √((n+m)(n−m+1)) Y_n,m−1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import Keywords, foreign, real_operand, scipy_function
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.special"


def _value(name: str, slope: Callable[..., Any]) -> Primitive:
    """Return the operation ``(z, keywords) -> value``, of which `slope` is the derivative."""

    def evaluate(z: Any, keywords: Any) -> Any:
        values = dict(keywords.values)
        orders = [values.pop(key) for key in ("n", "m") if key in values]
        return scipy_function(_MODULE, name)(*orders, z, **values)[0]

    op = Primitive(name, evaluate, params=("keywords",))
    define_by_formulas(
        op,
        vjp=[lambda g, y, z, keywords: g * np.conj(slope(y, z, keywords))],
        jvp=[lambda t, y, z, keywords: t * slope(y, z, keywords)],
    )
    return op


def _with(keywords: Any, **changed: Any) -> Keywords:
    return Keywords({**keywords.values, **changed})


def _gegenbauer(n: Any, alpha: float, z: Any) -> Any:
    function = scipy_function(_MODULE, "eval_gegenbauer")
    return np.where(n >= 0, function(np.maximum(n, 0).astype(float), alpha, z), 0.0)


def _legendre_slope(y: Any, z: Any, keywords: Any) -> Any:
    return _gegenbauer(keywords.values["n"] - 1, 1.5, z)


def _associated_slope(y: Any, z: Any, keywords: Any) -> Any:
    n, m = keywords.values["n"], keywords.values["m"]
    factor = np.asarray(n + m, float)
    if keywords.values["norm"]:
        factor = np.sqrt(np.maximum(n * n - m * m, 0) * (2 * n + 1) / np.maximum(2 * n - 1, 1))
    below = apply(ASSOCIATED, (z,), (_with(keywords, n=np.maximum(n - 1, 0)),))
    below = np.where((np.abs(m) < n) & (n > 0), factor, 0.0) * below
    return (below - n * z * y) / (1 - z * z)


def _spherical_slope(y: Any, theta: Any, keywords: Any) -> Any:
    n, m = keywords.values["n"], keywords.values["m"]
    up, down = (np.sqrt(np.maximum((n - s) * (n + s + 1), 0) * 1.0) for s in (m, -m))
    above = apply(SPHERICAL, (theta,), (_with(keywords, m=m + 1),))
    below = apply(SPHERICAL, (theta,), (_with(keywords, m=m - 1),))
    return 0.5 * (up * above - down * below)


LEGENDRE = _value("legendre_p", _legendre_slope)
ASSOCIATED = _value("assoc_legendre_p", _associated_slope)
SPHERICAL = _value("sph_legendre_p", _spherical_slope)


# -- with derivatives among the results -----------------------------------------------------------


def _legendre(z: Any, keywords: Any, diff_n: int) -> list[Any]:
    n = keywords.values["n"]
    found = [apply(LEGENDRE, (z,), (keywords,))]
    factor = 1.0
    for d in range(1, diff_n + 1):  # (2d − 1)!! times a Gegenbauer polynomial
        factor *= 2 * d - 1
        found.append(factor * _gegenbauer(n - d, d + 0.5, z))
    return found


def _associated(z: Any, keywords: Any, diff_n: int) -> list[Any]:
    n, m = keywords.values["n"], keywords.values["m"]
    found = [apply(ASSOCIATED, (z,), (keywords,))]
    if diff_n > 0:
        found.append(_associated_slope(found[0], z, keywords))
    if diff_n > 1:  # by Legendre's equation, DLMF 14.2.2
        rest = 1 - z * z
        last = (n * (n + 1) - m * m / rest) * found[0]
        found.append((2 * z * found[1] - last) / rest)
    return found


def _spherical(theta: Any, keywords: Any, diff_n: int) -> list[Any]:
    n, m = keywords.values["n"], keywords.values["m"]
    found = [apply(SPHERICAL, (theta,), (keywords,))]
    if diff_n > 0:
        found.append(_spherical_slope(found[0], theta, keywords))
    if diff_n > 1:

        def slope(order: Any) -> Any:
            return _spherical_slope(None, theta, _with(keywords, m=order))

        up, down = (np.sqrt(np.maximum((n - s) * (n + s + 1), 0) * 1.0) for s in (m, -m))
        found.append(0.5 * (up * slope(m + 1) - down * slope(m - 1)))
    return found


def _harmonic(theta: Any, phi: Any, keywords: Any, diff_n: int) -> tuple[Any, ...]:
    m = keywords.values["m"]
    parts = _spherical(theta, keywords, diff_n)
    turn = np.exp(1j * m * phi)
    value = parts[0] * turn
    if diff_n == 0:
        return (value,)
    by_theta, by_phi = parts[1] * turn, 1j * m * value
    slopes = np.stack([by_theta, by_phi], axis=-1)
    if diff_n == 1:
        return value, slopes
    mixed = 1j * m * by_theta
    rows = [
        np.stack([parts[2] * turn, mixed], axis=-1),
        np.stack([mixed, 1j * m * by_phi], axis=-1),
    ]
    return value, slopes, np.stack(rows, axis=-2)


# -- the functions: of one degree and order, and of all up to them --------------------------------


def _orders(n: Any, m: Any, ndim: int) -> dict[str, Any]:
    """Return degrees 0 … n down the first axis and, if m is given, orders along the second.

    Orders are 0 … m, then −m … −1, as SciPy has them.
    """
    rest = (1,) * ndim
    if m is None:
        return {"n": np.arange(n + 1).reshape(-1, *rest)}
    m = abs(m)
    order = np.concatenate([np.arange(m + 1), np.arange(-m, 0)])
    return {"n": np.arange(n + 1).reshape(-1, 1, *rest), "m": order.reshape(1, -1, *rest)}


def _enter(name: str, orders: str, others: dict[str, Any], equal: Callable[..., Any]) -> None:
    """Enter a function of degrees and orders, of a point, and of `others` by keyword."""
    every = name.endswith("_all")
    numbers = orders.split()

    def evaluate(*given: Any) -> Any:
        *point, keywords = given
        values = dict(keywords.values)
        found = scipy_function(_MODULE, name)(*[values.pop(k) for k in numbers], *point, **values)
        return tuple(found) if isinstance(found, tuple) else np.array(found)[()]

    op = Primitive(name, evaluate, params=("keywords",))

    def same(*given: Any) -> Any:
        *point, keywords = given
        values = dict(keywords.values)
        diff_n = values.pop("diff_n")
        if every:
            ndim = len(np.broadcast_shapes(*[x.shape for x in point]))
            values.update(_orders(values["n"], values.get("m"), ndim))
        return equal(*point, Keywords(values), diff_n)

    define_by_equal(op, same)

    @foreign(_MODULE, name)
    def call(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
        values = {**others, "diff_n": 0}
        for key, value in kwargs.items():
            if key not in values:
                raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
            values[key] = real_operand(value, name, key)
        for key, value in zip(numbers, args, strict=False):
            plain = real_operand(value, name, key)
            values[key] = int(plain) if every else np.asarray(plain)
        return apply(op, [prepared(rec, x) for x in args[len(numbers) :]], (Keywords(values),))


def _stacked(parts: Callable[..., list[Any]]) -> Callable[..., Any]:
    def stacked(z: Any, keywords: Any, diff_n: int) -> Any:
        shape = np.broadcast_shapes(z.shape, *[np.shape(v) for v in _arrays(keywords)])
        return np.stack([np.broadcast_to(x, shape) for x in parts(z, keywords, diff_n)])

    return stacked


def _arrays(keywords: Any) -> list[Any]:
    return [keywords.values[key] for key in ("n", "m") if key in keywords.values]


def _results(theta: Any, phi: Any, keywords: Any, diff_n: int) -> Any:
    found = _harmonic(theta, phi, keywords, diff_n)
    return found if diff_n else found[0]


_BRANCH = {"branch_cut": 2, "norm": False}
for _all in ("", "_all"):
    _enter(f"legendre_p{_all}", "n", {}, _stacked(_legendre))
    _enter(f"assoc_legendre_p{_all}", "n m", _BRANCH, _stacked(_associated))
    _enter(f"sph_legendre_p{_all}", "n m", {}, _stacked(_spherical))
    _enter(f"sph_harm_y{_all}", "n m", {}, _results)

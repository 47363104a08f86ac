"""Derivatives of NumPy's elementwise functions, one a line: ``(y, *operands) -> ∂y/∂operand``."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import OF_NUMBERS, SCALAR_POWER, elementwise
from revolve_ad.ad.rules.table import define_elementwise, define_rules, no_derivative

exp, sin, cos, sinh, cosh = map(s.ufunc, (np.exp, np.sin, np.cos, np.sinh, np.cosh))
log_, sqrt_, sign, square = map(s.ufunc, (np.log, np.sqrt, np.sign, np.square))
floor, trunc = map(s.ufunc, (np.floor, np.trunc))
less, greater, equal, isnan = map(s.ufunc, (np.less, np.greater, np.equal, np.isnan))
logical_or, logaddexp = map(s.ufunc, (np.logical_or, np.logaddexp))


def _define(function: np.ufunc, *partials: Any) -> None:
    define_elementwise(elementwise(function), *partials)


_define(np.negative, lambda y, x: -1)
_define(np.positive, lambda y, x: 1)
_define(np.add, lambda y, a, b: 1, lambda y, a, b: 1)
_define(np.subtract, lambda y, a, b: 1, lambda y, a, b: -1)
_define(np.multiply, lambda y, a, b: b, lambda y, a, b: a)
define_elementwise(OF_NUMBERS[np.multiply], lambda y, a, b: b, lambda y, a, b: a)
_define(np.true_divide, lambda y, a, b: 1 / b, lambda y, a, b: -y / b)
_define(np.reciprocal, lambda y, x: -(y * y))
_define(np.square, lambda y, x: 2 * x)
_define(np.sqrt, lambda y, x: 0.5 / y)
_define(np.cbrt, lambda y, x: y / (3 * x))
_define(np.exp, lambda y, x: y)
_define(np.exp2, lambda y, x: y * log(2))
_define(np.expm1, lambda y, x: exp(x))
_define(np.log, lambda y, x: 1 / x)
_define(np.log2, lambda y, x: 1 / (x * log(2)))
_define(np.log10, lambda y, x: 1 / (x * log(10)))
_define(np.log1p, lambda y, x: 1 / (1 + x))
_define(np.sin, lambda y, x: cos(x))
_define(np.cos, lambda y, x: -sin(x))
_define(np.tan, lambda y, x: 1 + y * y)
_define(np.arcsin, lambda y, x: 1 / sqrt_(1 - x * x))
_define(np.arccos, lambda y, x: -1 / sqrt_(1 - x * x))
_define(np.arctan, lambda y, x: 1 / (1 + x * x))
_define(np.sinh, lambda y, x: cosh(x))
_define(np.cosh, lambda y, x: sinh(x))
_define(np.tanh, lambda y, x: 1 - y * y)
_define(np.arcsinh, lambda y, x: 1 / sqrt_(x * x + 1))
_define(np.arccosh, lambda y, x: 1 / (sqrt_(x - 1) * sqrt_(x + 1)))
_define(np.arctanh, lambda y, x: 1 / (1 - x * x))
_define(np.deg2rad, lambda y, x: pi / 180)
_define(np.radians, lambda y, x: pi / 180)
_define(np.rad2deg, lambda y, x: 180 / pi)
_define(np.degrees, lambda y, x: 180 / pi)
_define(np.fabs, lambda y, x: sign(x))
_define(np.arctan2, lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b))
_define(np.hypot, lambda y, a, b: _ratio(a, y), lambda y, a, b: _ratio(b, y))
_define(np.logaddexp, lambda y, a, b: exp(a - y), lambda y, a, b: exp(b - y))
_define(np.logaddexp2, lambda y, a, b: exp((a - y) * log(2)), lambda y, a, b: exp((b - y) * log(2)))
_define(np.fmod, lambda y, a, b: 1, lambda y, a, b: -trunc(a / b))
_define(np.remainder, lambda y, a, b: 1, lambda y, a, b: -floor(a / b))
_define(np.copysign, lambda y, a, b: sign(a) * sign(y), None)
_define(np.nextafter, lambda y, a, b: 1, None)
_define(np.ldexp, lambda y, a, b: y / a, None)
_define(np.heaviside, lambda y, a, b: 0, lambda y, a, b: s.cast(equal(a, 0), y.dtype))
_define(np.float_power, lambda y, x, p: p * _power(x, p - 1), lambda y, x, p: _log_part(y, x))


def _ratio(a: Symbol, y: Symbol) -> Symbol:
    """Return a / y, and 0 where both vanish, our choice of the norm's gradient at the origin."""
    return a / s.where(equal(y, 0), s.full_like(y, 1), y)


def _power(x: Symbol, p: Any) -> Symbol:
    if p.shape == () and x.shape == ():
        return x.apply(SCALAR_POWER, p)
    return x**p  # type: ignore[no-any-return]


def _power_partial(y: Symbol, x: Symbol, p: Symbol) -> Any:
    """Return p·x^(p−1); for a constant p the form that needs no power of zero."""
    n = p.literal
    if n is not None and not isinstance(n, complex):
        if n == 0:
            return s.full_like(y, 0)
        if n == 1:
            return s.full_like(y, 1)
        if n == 2:
            return 2 * x
        if n == 3:
            return 3 * (x * x)
        if n == 0.5:
            return 0.5 / y
        return float(n) * _power(x, x.lift(float(n) - 1))
    return s.where(equal(p, 0), s.full_like(y, 0), p * _power(x, p - 1))


def _log_part(y: Symbol, x: Symbol) -> Symbol:
    """Return y·log(x), 0 where x is 0: there x^p is 0 for all p near a positive one."""
    zero = equal(x, 0)
    return s.where(zero, s.full_like(y, 0), y * log_(s.where(zero, s.full_like(x, 1), x)))


for _op in (elementwise(np.power), SCALAR_POWER):
    define_elementwise(_op, _power_partial, lambda y, x, p: _log_part(y, x))


def _choice_share(y: Symbol, mine: Symbol, other: Symbol) -> Symbol:
    """Return 1 where `mine` is the extreme value, ½ where both are, else 0."""
    chosen = s.where(equal(mine, y), s.full_like(y, 1), s.full_like(y, 0))
    return s.where(equal(mine, other), s.full_like(y, 0.5), chosen)


for _ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
    _define(_ufunc, lambda y, a, b: _choice_share(y, a, b), lambda y, a, b: _choice_share(y, b, a))


# |x| and conj are not holomorphic: d|x| = Re(conj(x) dx) / |x|.
def _abs_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    (x,) = xs
    if x.dtype.kind != "c":
        return [g * sign(x)]
    return [s.cast(g, x.dtype) * _unit(x, y)]


def _abs_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol | None:
    (t,), (x,) = ts, xs
    if t is None:
        return None
    return t * sign(x) if x.dtype.kind != "c" else s.real(s.conj(_unit(x, y)) * t)


def _unit(x: Symbol, y: Symbol) -> Symbol:
    return x / s.cast(s.where(equal(y, 0), s.full_like(y, 1), y), x.dtype)


for _op in (elementwise(np.absolute), OF_NUMBERS[np.absolute]):
    define_rules(_op, vjp=_abs_vjp, jvp=_abs_jvp)
define_rules(
    elementwise(np.conjugate),
    vjp=lambda g, y, xs, params: [s.conj(g)],
    jvp=lambda ts, y, xs, params: None if ts[0] is None else s.conj(ts[0]),
)


def _sign_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    (x,) = xs
    if x.dtype.kind != "c":
        return [None]
    # y = x/|x|: dy = (dx − y Re(conj(y) dx)) / |x|
    size = s.ufunc(np.absolute)(x)
    return [(g - y * s.cast(s.real(s.conj(y) * g), y.dtype)) / s.cast(size, y.dtype)]


def _sign_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol | None:
    return None if ts[0] is None else _sign_vjp(ts[0], y, xs, params)[0]


define_rules(elementwise(np.sign), vjp=_sign_vjp, jvp=_sign_jvp)

no_derivative(
    *map(
        elementwise,
        (
            np.floor,
            np.ceil,
            np.trunc,
            np.rint,
            np.floor_divide,
            np.equal,
            np.not_equal,
            np.less,
            np.less_equal,
            np.greater,
            np.greater_equal,
            np.logical_and,
            np.logical_or,
            np.logical_xor,
            np.logical_not,
            np.isnan,
            np.isinf,
            np.isfinite,
            np.isnat,
            np.signbit,
            np.spacing,
            np.bitwise_and,
            np.bitwise_or,
            np.bitwise_xor,
            np.invert,
            np.left_shift,
            np.right_shift,
            np.bitwise_count,
            np.gcd,
            np.lcm,
        ),
    )
)


def _modf_vjp(
    g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    return [g.get(0)]


define_rules(
    elementwise(np.modf),
    vjp=_modf_vjp,
    jvp=lambda ts, y, xs, params: {} if ts[0] is None else {0: ts[0]},
)


def _divmod_vjp(
    g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    if 1 not in g:
        return [None, None]
    return [s.match(g[1], xs[0]), s.match(g[1] * -floor(xs[0] / xs[1]), xs[1])]


def _divmod_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> dict[int, Symbol]:
    a, b = ts
    parts = ([] if a is None else [a]) + ([] if b is None else [b * -floor(xs[0] / xs[1])])
    return {1: s.match(sum(parts[1:], parts[0]), y.item(1))} if parts else {}


define_rules(elementwise(np.divmod), vjp=_divmod_vjp, jvp=_divmod_jvp)


def _frexp_vjp(
    g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    return [g[0] * (y.item(0) / xs[0])] if 0 in g else [None]


define_rules(
    elementwise(np.frexp),
    vjp=_frexp_vjp,
    jvp=lambda ts, y, xs, params: {} if ts[0] is None else {0: ts[0] * (y.item(0) / xs[0])},
)

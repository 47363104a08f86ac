"""Derivatives of Mathieu, spheroidal and parabolic cylinder functions, by their equations.

SciPy gives a value and a slope; the equation gives the slope's slope.
Sources: https://dlmf.nist.gov, 12.2.2, 12.14.1, 28.2.1, 28.20.1, 30.2.1; Zhang and Jin,
*Computation of Special Functions* (1996).
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.special.formulas import MANY, ONE, cos, none, sp, square

_cosh = s.ufunc(np.cosh)
_DEGREE = pi / 180


def _by_equation(
    name: str, operands: str, second: Callable[..., Symbol], unit: float = 1.0
) -> None:
    """Enter a function with results (w, w'), of which w'' = second(w, w', *operands).

    `unit` is what one of the last operand is in the unit of w'.
    """
    others = [none(name, operand) for operand in operands.split()]
    MANY[name] = (
        (*others, lambda r, *xs: unit * r[1]),
        (*others, lambda r, *xs: unit * second(r[0], r[1], *xs)),
    )


# -- Mathieu functions: the angle of ce and se is in degrees ---------------------------------------


def _angular(characteristic: str) -> Any:
    def second(w: Symbol, slope: Symbol, m: Symbol, q: Symbol, x: Symbol) -> Symbol:
        return (2 * q * cos(2 * _DEGREE * x) - sp(characteristic)(m, q)) * w

    return second


def _modified(characteristic: str) -> Any:
    def second(w: Symbol, slope: Symbol, m: Symbol, q: Symbol, x: Symbol) -> Symbol:
        return (sp(characteristic)(m, q) - 2 * q * _cosh(2 * x)) * w

    return second


_by_equation("mathieu_cem", "m q", _angular("mathieu_a"), _DEGREE)
_by_equation("mathieu_sem", "m q", _angular("mathieu_b"), _DEGREE)
for _kind in "12":
    _by_equation(f"mathieu_modcem{_kind}", "m q", _modified("mathieu_a"))
    _by_equation(f"mathieu_modsem{_kind}", "m q", _modified("mathieu_b"))
for _name in ("mathieu_a", "mathieu_b"):
    ONE[_name] = (none(_name, "m"), none(_name, "q"))


# -- spheroidal wave functions: (…_cv) takes the characteristic value as an operand ----------------


def _spheroidal(prolate: bool, radial: bool) -> Any:
    """Return w'' of ((1 ∓ x²) w')' + (λ ∓ c² x² ∓ m²/(1 ∓ x²)) w = 0, as the kind signs it."""
    sign = -1 if prolate else 1

    def angular(w: Any, slope: Any, m: Any, c: Any, value: Any, x: Any) -> Any:
        rest = 1 - square(x)
        return (2 * x * slope - (value + sign * square(c * x) - square(m) / rest) * w) / rest

    def radial_(w: Any, slope: Any, m: Any, c: Any, value: Any, x: Any) -> Any:
        rest = square(x) + sign
        return (-2 * x * slope + (value - square(c * x) - sign * square(m) / rest) * w) / rest

    return radial_ if radial else angular


for _shape in ("pro", "obl"):
    ONE[f"{_shape}_cv"] = tuple(none(f"{_shape}_cv", operand) for operand in "mnc")
    for _part in ("ang1", "rad1"):
        _second = _spheroidal(_shape == "pro", _part == "rad1")

        def _own(
            w: Any, slope: Any, m: Any, n: Any, c: Any, x: Any, *, f: Any = _second, k: str = _shape
        ) -> Any:
            return f(w, slope, m, c, sp(f"{k}_cv")(m, n, c), x)

        def _given(
            w: Any, slope: Any, m: Any, n: Any, c: Any, cv: Any, x: Any, *, f: Any = _second
        ) -> Any:
            return f(w, slope, m, c, cv, x)

        _by_equation(f"{_shape}_{_part}", "m n c", _own)
        _by_equation(f"{_shape}_{_part}_cv", "m n c cv", _given)
    # SciPy's radial functions of the second kind don't obey the equation, nor is what it calls
    # their slope always one (obl_rad2 at m, n, c = 1, 2, 1.5): no derivative, not a wrong one.
    for _part, _operands in (("rad2", "m n c x"), ("rad2_cv", "m n c cv x")):
        _missing = tuple(none(f"{_shape}_{_part}", operand) for operand in _operands.split())
        MANY[f"{_shape}_{_part}"] = (_missing, _missing)


# -- parabolic cylinder functions ------------------------------------------------------------------

_by_equation("pbdv", "v", lambda w, slope, v, x: (0.25 * square(x) - v - 0.5) * w)
_by_equation("pbvv", "v", lambda w, slope, v, x: (0.25 * square(x) - v - 0.5) * w)
_by_equation("pbwa", "a", lambda w, slope, a, x: (a - 0.25 * square(x)) * w)

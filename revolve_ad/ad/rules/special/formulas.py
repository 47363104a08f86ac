"""What the derivatives of `scipy.special` are written in: its own functions over symbols."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.table import Missing

__all__ = [
    "MANY",
    "ONE",
    "abs_",
    "cos",
    "equal",
    "exp",
    "found",
    "greater",
    "guarded",
    "less",
    "log1p",
    "log_",
    "none",
    "real_only",
    "sign",
    "sin",
    "sp",
    "sqrt_",
    "square",
]

Partial = Callable[..., Any]

ONE: dict[str, tuple[Partial, ...]] = {}
"""For a ufunc of that name with one result: for each operand ``(y, *operands) -> ∂y/∂operand``."""

MANY: dict[str, tuple[tuple[Partial, ...], ...]] = {}
"""For a ufunc with several results, for each result: ``(results, *operands) -> ∂/∂operand``."""

exp, log_, log1p, square, sqrt_ = map(s.ufunc, (np.exp, np.log, np.log1p, np.square, np.sqrt))
sin, cos, sign, abs_ = map(s.ufunc, (np.sin, np.cos, np.sign, np.absolute))
equal, greater, less = map(s.ufunc, (np.equal, np.greater, np.less))


def found(name: str) -> np.ufunc | None:
    """Return the ufunc of that name in scipy.special; None if this SciPy has none."""
    module = sys.modules.get("scipy.special")
    if module is None:
        return None
    private = getattr(module, "_ufuncs", None)
    for place, key in ((module, name), (private, name), (private, f"_{name}")):
        ufunc = getattr(place, key, None)
        if isinstance(ufunc, np.ufunc):
            return ufunc
    return None


def sp(name: str, result: int | None = None) -> Callable[..., Symbol]:
    """Return a function of scipy.special over symbols, of several results the one asked for."""

    def call(*operands: Any) -> Symbol:
        ufunc = found(name)
        assert ufunc is not None, name
        value = s.ufunc(ufunc)(*operands)
        return value if result is None else value.item(result)

    return call


def none(name: str, operand: str) -> Partial:
    """Return the partial derivative that nobody has in closed form: it raises when it is used."""
    missing = Missing(
        f"scipy.special.{name} has no derivative by its argument {operand!r}, which has no closed "
        f"form. Where that argument is constant, cut it with ra.stop_gradient({operand}); else "
        f"wrap the call and give its derivative:\n"
        f"    @ra.primitive\n    def f(...): ...\n    @f.vjp\n    def f_vjp(g, y, ...): ..."
    )
    return lambda *_: missing


def real_only(name: str, partial: Partial) -> Partial:
    """Return a partial derivative for real arguments; the function isn't holomorphic."""
    missing = Missing(
        f"scipy.special.{name} has a derivative for real arguments only: of a complex one it isn't "
        f"holomorphic"
    )
    return lambda y, *xs: missing if xs[-1].dtype.kind == "c" else partial(y, *xs)


def guarded(x: Symbol, formula: Callable[[Symbol], Symbol], value: complex, at: Any = 0) -> Symbol:
    """Return a formula of `x`, and `value` where `x` is `at`, where the formula is 0/0."""
    there = equal(x, at)
    safe = s.where(there, s.full_like(x, 0.5), x)
    result = formula(safe)
    return s.where(there, s.full_like(result, value), result)

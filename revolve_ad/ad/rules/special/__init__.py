"""Derivatives of `scipy.special`'s functions, one a line; looked up when one is first met."""

from __future__ import annotations

from revolve_ad.ad.rules.special import (
    basic,
    bessel,
    distributions,
    elliptic,
    polynomials,
    waves,
)
from revolve_ad.ad.rules.special.formulas import MANY, ONE, found
from revolve_ad.ad.rules.table import (
    LATE,
    define_elementwise,
    define_elementwise_results,
    no_derivative,
)
from revolve_ad.ad.tape import Primitive

__all__ = ["MANY", "ONE", "basic", "bessel", "distributions", "elliptic", "polynomials", "waves"]

_LOCALLY_CONSTANT = {"round", "gammasgn"}


def _enter(op: Primitive) -> bool:
    if op.ufunc is None:
        return False
    name = op.ufunc.__name__
    if found(name) is not op.ufunc:
        return False
    if name in _LOCALLY_CONSTANT:
        no_derivative(op)
    elif name in ONE:
        define_elementwise(op, *ONE[name])
    elif name in MANY:
        define_elementwise_results(op, MANY[name])
    else:
        return False
    return True


LATE.append(_enter)

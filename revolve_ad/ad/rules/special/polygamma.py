"""Derivatives of ψ at complex numbers, which SciPy's zeta doesn't take.

Upwards by the recurrence until the asymptotic series holds: Abramowitz and Stegun 6.4.6, 6.4.11.
"""

from __future__ import annotations

from math import factorial
from typing import Any, Final

import numpy as np

from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.table import define_elementwise
from revolve_ad.ad.tape import Primitive

__all__ = ["complex_polygamma"]

_FAR: Final = 20.0
"""From this size of Re z or |Im z| on, the series below is exact to the last bits."""

_BERNOULLI: Final = (
    *(1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510),
    *(43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730),
)
"""B_2, B_4, …"""


def _polygamma(z: Any, order: int) -> Any:
    """Return the derivative of ψ of that order, 1 or more."""
    z = np.asarray(z)
    x = z.astype(np.complex128)
    sign, scale = (-1.0) ** (order + 1), float(factorial(order))
    total = np.zeros_like(x)
    near = (x.real < _FAR) & (np.abs(x.imag) < _FAR)
    while np.any(near):
        total = total + np.where(near, scale / x ** (order + 1), 0)
        x = np.where(near, x + 1, x)
        near = x.real < _FAR
        near &= np.abs(x.imag) < _FAR
    series = scale / order / x**order + scale / (2 * x ** (order + 1))
    for k, number in enumerate(_BERNOULLI, start=1):
        ratio = factorial(2 * k + order - 1) / factorial(2 * k)
        series = series + number * ratio / x ** (2 * k + order)
    return (sign * (total + series)).astype(z.dtype)[()]


POLYGAMMA = Primitive("polygamma", _polygamma, infer=lambda z, order: z, params=("order",))

define_elementwise(POLYGAMMA, lambda y, z, order: z.apply(POLYGAMMA, params=(order + 1,)))


def complex_polygamma(z: Symbol, order: int) -> Symbol:
    """Return the derivative of ψ of that order at a complex symbol."""
    return z.apply(POLYGAMMA, params=(order,))

"""Roots of sums of squares and of powers, whose derivative at 0 is taken for 0.

A norm has a kink at the origin, and the chain rule through its square root gives 0 / 0 there.
Zero is the subgradient of least length: a vector that is zero, or a column whose values are all
the same, adds nothing to a gradient then, instead of making it nan.
"""

from __future__ import annotations

from math import inf
from typing import Any, Final

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.core import elementwise
from revolve_ad.ad.rules.table import define_elementwise
from revolve_ad.ad.tape import Kind, Primitive
from revolve_ad.ad.traced import Traced, apply

__all__ = ["power_norm", "root"]

# The name and the ufunc are those of the square root, by which it is computed and compiled.
ROOT: Final = Primitive(
    "sqrt",
    np.sqrt,
    infer=elementwise(np.sqrt).infer,
    kind=Kind.ELEMENTWISE,
    ufunc=np.sqrt,
    reads_operands=False,
)
define_elementwise(
    ROOT, lambda y, x: 0.5 / s.where(s.ufunc(np.equal)(y, 0), s.full_like(y, inf), y)
)


def root(x: Any) -> Any:
    """Return the square root of a sum of squares."""
    return apply(ROOT, (x,)) if type(x) is Traced else np.sqrt(x)


def power_norm(x: Any, order: float, axis: Any, keepdims: bool) -> Any:
    """Return what ``np.linalg.norm`` makes of vectors for any other positive `order`."""
    total: Any = np.sum(np.abs(x) ** order, axis=axis, keepdims=keepdims)
    is_zero = total == 0
    one = total.dtype.type(1)
    found = np.where(is_zero, one, total)[()] ** np.reciprocal(order, dtype=total.dtype)
    return np.where(is_zero, 0 * one, found)[()]

"""Splines of `scipy.interpolate` with constant coefficients, at points that may be traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import foreign, real_operand
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.recorder import Recorder

__all__ = ["SPLINE"]


class _Spline:
    """A spline and how it is called, as a static parameter; the same object is the same spline."""

    __slots__ = ("_key", "call", "extrapolate", "nu", "spline")

    def __init__(self, call: Any, spline: Any, nu: int, extrapolate: Any) -> None:
        self.call = call
        self.spline = spline
        self.nu = nu
        self.extrapolate = extrapolate
        self._key = (id(spline), nu, extrapolate)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Spline) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"{type(self.spline).__name__}, {self.nu}"

    @property
    def derivative(self) -> _Spline:
        """The next derivative."""
        return _Spline(self.call, self.spline, self.nu + 1, self.extrapolate)

    def beside(self, t: Any, y: Any) -> Any:
        """Return something of the shape of the points with axes for those of the values."""
        lead = self.spline.axis
        rest = np.ndim(y) - np.ndim(t) - lead
        return np.reshape(t, (*[1] * lead, *np.shape(t), *[1] * rest))


def _values(x: Any, spline: _Spline) -> Any:
    return np.array(spline.call(spline.spline, x, spline.nu, spline.extrapolate))[()]


SPLINE = Primitive("spline", _values, params=("spline",))


def _pulled(g: Any, y: Any, x: Any, spline: _Spline) -> Any:
    terms = g * apply(SPLINE, (x,), (spline.derivative,))
    lead = spline.spline.axis
    return np.sum(terms, axis=(*range(lead), *range(lead + x.ndim, terms.ndim)))


define_by_formulas(
    SPLINE,
    vjp=[_pulled],
    jvp=[lambda t, y, x, spline: spline.beside(t, y) * apply(SPLINE, (x,), (spline.derivative,))],
)


def _call(
    rec: Recorder, original: Any, spline: Any, x: Any, nu: int = 0, extrapolate: Any = None
) -> Any:
    nu = real_operand(nu, type(spline).__name__, "nu")
    return apply(SPLINE, (prepared(rec, x),), (_Spline(original, spline, nu, extrapolate),))


# The classes that the others inherit from: CubicSpline, PchipInterpolator, … and BSpline.
foreign("scipy.interpolate._interpolate", "_PPolyBase.__call__")(_call)
foreign("scipy.interpolate._bsplines", "BSpline.__call__")(_call)

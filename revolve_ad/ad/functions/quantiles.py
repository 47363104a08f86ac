"""Medians and quantiles: values are NumPy's, derivatives those of interpolating sorted elements.

Methods and their parameters: Hyndman and Fan (1996), doi:10.2307/2684934, as in np.quantile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from revolve_ad.ad.functions.arguments import finished, prepared
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.functions.order import positions
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import Traced, apply
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

# α and β of the methods that are continuous in q: the quantile stands at
# n·q + α + q·(1 − α − β) − 1, counted from zero, kept within the n elements.
CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What a call asks for apart from its arrays, as one static parameter.

    Attributes
    ----------
    name : str
        NumPy's function.
    axes : tuple of int or None
        Axes that are reduced; None for all.
    method : str
        One of NumPy's methods.
    keepdims : bool
        Whether reduced axes stay, with length one.
    weak : float or None
        `q` if it is a Python number, which gives way in type promotion.
    dtype : dtype or None
        That of `out`, if it isn't that of the array.
    """

    name: str
    axes: tuple[int, ...] | None
    method: str
    keepdims: bool
    weak: float | None
    dtype: Any

    def level(self, q: Any) -> Any:
        """Return `q` as a fraction, of the dtype in which NumPy computes with it."""
        found = q if self.weak is None else self.weak
        return found / 100 if "percentile" in self.name else found

    def evaluate(self, a: Any, q: Any, *weights: Any) -> Any:
        """Return NumPy's own value."""
        given: dict[str, Any] = {"axis": self.axes, "keepdims": self.keepdims}
        if "median" not in self.name:
            given.update(q=q if self.weak is None else self.weak, method=self.method)
        if weights:
            given["weights"] = weights[0]
        function = getattr(np, self.name)
        found = function(a, **given)
        if self.dtype is None or found.dtype == self.dtype:
            return found
        return function(a, out=np.empty(np.shape(found), self.dtype), **given)


def _merged(a: Any, axes: tuple[int, ...] | None) -> Any:
    """Return `a` with the axes of a reduction as one in front."""
    axes = tuple(range(a.ndim)) if axes is None else axes
    rest = [d for d in range(a.ndim) if d not in axes]
    return np.reshape(np.transpose(a, (*axes, *rest)), (-1, *(a.shape[d] for d in rest)))


def _shaped(found: list[Any], a: Any, q: Any, asked: Quantiles) -> Any:
    """Return the quantiles, one for each q, in the shape of the call's result."""
    axes = range(a.ndim) if asked.axes is None else asked.axes
    kept = tuple(
        1 if d in axes else n for d, n in enumerate(a.shape) if asked.keepdims or d not in axes
    )
    return np.reshape(np.stack(found), (*np.shape(q), *kept))


# Where a quantile stands by a method that jumps from element to element.
@lru_cache(maxsize=16)
def _jumping_place(method: str) -> Primitive:
    def place(n: Any, q: Any) -> Any:
        found = [np.quantile(np.arange(k, dtype=float), q, method=method) for k in np.ravel(n)]  # type: ignore[call-overload]
        return np.reshape(found, np.shape(n))

    return positions("place_of_quantile", place)


def _place(n: Any, q: Any, method: str) -> Any:
    """Return where among n sorted elements a quantile stands, counted from zero."""
    if method not in CONTINUOUS:
        return apply(_jumping_place(method), (n, q))
    alpha, beta = CONTINUOUS[method]
    return np.clip(n * q + alpha + q * (1 - alpha - beta) - 1, 0.0, n - 1.0)


def _interpolated(a: Any, q: Any, asked: Quantiles) -> Any:
    rows = _merged(a, asked.axes)
    if a.size == 0:  # NumPy gives NaN, by some functions in another shape
        return np.full(np.shape(asked.evaluate(np.zeros(a.shape), np.zeros(np.shape(q)))), np.nan)
    ordered = np.sort(rows, axis=0)
    n = np.sum(~np.isnan(rows), axis=0, keepdims=True) if "nan" in asked.name else None
    if n is None:
        n = np.full((1, *rows.shape[1:]), len(rows))
    found = []
    for level in np.reshape(asked.level(q), (-1,)) if np.ndim(q) else [asked.level(q)]:
        place = _place(n, level, asked.method)
        below = np.clip(np.floor(place).astype(np.intp), 0, n - 1)
        above = np.minimum(below + 1, n - 1)
        part = place - below
        low, high = (np.take_along_axis(ordered, i, 0) for i in (below, above))
        found.append((low * (1 - part) + high * part)[0])
    return _shaped(found, a, q, asked)


@lru_cache(maxsize=256)
def _quantile(asked: Quantiles) -> Primitive:
    """Return the primitive of quantiles without weights."""
    op = Primitive(asked.name, asked.evaluate)
    define_by_equal(op, lambda a, q: _interpolated(a, q, asked))
    return op


# With weights NumPy picks an element, which changes neither with the weights nor with q.
@lru_cache(maxsize=256)
def _weighted(asked: Quantiles) -> Primitive:
    def chosen(a: Any, q: Any, weights: Any) -> Any:
        rows = _merged(a, asked.axes)
        value = np.asarray(asked.evaluate(a, q, weights)).reshape(-1, *rows.shape[1:])
        return np.stack([np.argmax(rows == v, axis=0)[None] for v in value])

    which = positions("chosen_element", chosen)
    op = Primitive(asked.name, asked.evaluate)

    def equal(a: Any, q: Any, weights: Any) -> Any:
        rows = _merged(a, asked.axes)
        at = apply(which, (a, q, weights))
        found = [np.take_along_axis(rows, at[k], 0)[0] for k in range(at.shape[0])]
        return _shaped(found, a, q, asked)

    define_by_equal(op, equal)
    return op


def _enter(name: str) -> None:
    function = getattr(np, name)

    def call(
        rec: Recorder,
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
        interpolation: Any = None,
    ) -> Any:
        a = prepared(rec, a)
        method = method if interpolation is None else interpolation
        axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
        keep = keepdims is not np._NoValue and bool(keepdims)
        if type(q) is Traced and not q.varies():
            q = q.v
        weak = q if type(q) in (int, float) else None
        dtype = None if out is None or out.dtype == a.dtype else out.dtype
        asked = Quantiles(name, axes, method, keep, weak, dtype)
        q = prepared(rec, q)
        if weights is None:
            found = apply(_quantile(asked), (a, q))
        else:
            found = apply(_weighted(asked), (a, q, prepared(rec, weights)))
        return finished(found, out, name)

    implements(function)(call)


for _name in ("quantile", "percentile", "nanquantile", "nanpercentile"):
    _enter(_name)


def _enter_median(name: str) -> None:
    def call(
        rec: Recorder,
        a: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        keepdims: Any = False,
    ) -> Any:
        a = prepared(rec, a)
        axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
        keep = keepdims is not np._NoValue and bool(keepdims)
        dtype = None if out is None or out.dtype == a.dtype else out.dtype
        asked = Quantiles(name, axes, "linear", keep, 0.5, dtype)
        return finished(apply(_quantile(asked), (a, prepared(rec, 0.5))), out, name)

    implements(getattr(np, name))(call)


_enter_median("median")
_enter_median("nanmedian")

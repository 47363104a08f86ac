"""Histograms: counts are carried along, sums of weights are differentiated by the weights.

Which bin an element falls into doesn't change with small changes of the elements or the edges; the
edges themselves follow the smallest and the largest element.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.functions.order import positions
from revolve_ad.ad.functions.source import from_source
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import Traced, apply, plain
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

# -- the operations: edges of each axis, the sample, weights -------------------------------------


def _evaluate(edges: Any, sample: Any, weights: Any, equal_bins: bool) -> Any:
    """Return NumPy's histogram; it adds up in another order where bins are equally wide."""
    if sample.ndim == 2:
        return np.histogramdd(sample, edges, weights=weights)[0]
    (e,) = edges
    if equal_bins:
        return np.histogram(sample, len(e) - 1, (e[0], e[-1]), weights=weights)[0]
    return np.histogram(sample, e, weights=weights)[0]


def _places(*given: Any) -> Any:
    """Return the number of each element's bin; one more than there are for what is in none."""
    *edges, sample = given
    columns = [sample] if sample.ndim == 1 else list(sample.T)
    found = np.zeros(len(sample), np.intp)
    outside = np.zeros(len(sample), bool)
    for x, e in zip(columns, edges, strict=True):
        at = np.where(x == e[-1], len(e) - 2, np.searchsorted(e, x, side="right") - 1)
        outside |= (at < 0) | (at > len(e) - 2)
        found = found * (len(e) - 1) + at
    return np.where(outside, np.prod([len(e) - 1 for e in edges]), found)


def _shape(edges: tuple[ArrayType, ...]) -> tuple[int, ...]:
    return tuple(e.shape[0] - 1 for e in edges)


PLACES = positions(
    "bin_of_each",
    _places,
    infer=lambda *given: ArrayType(given[-1].shape[:1], np.dtype(np.intp)),
)
COUNTS = positions(
    "histogram",
    lambda *given: _evaluate(given[:-2], given[-2], None, given[-1]),
    "equal_bins",
    infer=lambda *given: ArrayType(
        _shape(given[:-2]), np.dtype(np.intp if len(given[-2].shape) == 1 else float)
    ),
)


def _sums(n: int) -> Primitive:
    """Return the primitive of a histogram of weights in n dimensions."""
    op = Primitive(
        "histogram",
        lambda *given: _evaluate(given[:n], *given[n:]),
        infer=lambda *given: ArrayType(
            _shape(given[:n]), given[-2].dtype if len(given[n].shape) == 1 else np.dtype(float)
        ),
        params=("equal_bins",),
    )

    def pulled(g: Any, y: Any, *given: Any) -> Any:
        wide = np.concatenate([np.ravel(g), np.zeros_like(g, shape=1)])
        return wide[apply(PLACES, given[: n + 1])]

    def pushed(t: Any, y: Any, *given: Any) -> Any:
        return apply(op, (*given[: n + 1], t), given[-1:])

    nothing: list[Any] = [None] * (n + 1)
    define_by_formulas(op, vjp=[*nothing, pulled], jvp=[*nothing, pushed])
    return op


_sums_in: dict[int, Primitive] = {}


def _histogram(
    edges: list[Any], sample: Any, weights: Any, *, density: Any, equal_bins: bool
) -> Any:
    n = len(edges)
    if not any(type(x) is Traced for x in (*edges, sample, weights)):
        found = _evaluate(tuple(edges), sample, weights, equal_bins)
    elif weights is None:
        found = apply(COUNTS, (*edges, sample), (equal_bins,))
    else:
        op = _sums_in.get(n) or _sums_in.setdefault(n, _sums(n))
        found = apply(op, (*edges, sample, weights), (equal_bins,))
    if not density:
        return found
    total = found.sum()
    for d, e in enumerate(edges):
        widths = np.diff(e).astype(float)
        found = found / (widths if n == 1 else np.reshape(widths, (-1,) + (1,) * (n - 1 - d)))
    return found / total


# -- edges ---------------------------------------------------------------------------------------


def _ends(a: Any, given: Any) -> tuple[Any, Any]:
    """Return the first and the last edge of equally wide bins."""
    if given is not None:
        first, last = given
    elif a.size == 0:
        first, last = 0, 1
    else:
        first, last = np.min(a), np.max(a)
    if plain(first) > plain(last):
        raise ValueError("max must be larger than min in range parameter.")
    if not (np.isfinite(plain(first)) and np.isfinite(plain(last))):
        raise ValueError(f"the range [{plain(first)}, {plain(last)}] of a histogram is not finite")
    if plain(first) == plain(last):
        for x in (first, last):
            if type(x) is Traced:
                x._concrete("a histogram of elements that are all the same")
        first, last = first - 0.5, last + 0.5
    return first, last


def _equal_edges(a: Any, n: int, given: Any) -> Any:
    first, last = _ends(a, given)
    kinds = [x if type(x) in (int, float) else x.dtype for x in map(plain, (first, last))]
    found = np.result_type(*kinds, a.dtype)
    dtype = np.result_type(found, float) if found.kind in "biu" else found
    return np.linspace(first, last, n + 1, dtype=dtype)


def _edges(rec: Recorder, a: Any, bins: Any, given: Any, weights: Any) -> tuple[Any, bool]:
    """Return the edges along one axis, and whether their bins are equally wide by construction."""
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(
                "Automated estimation of the number of bins is not supported for weighted data"
            )
        real = a._concrete(f"bins={bins!r} of a histogram") if type(a) is Traced else a
        within = None if given is None else tuple(map(plain, given))
        return _equal_edges(a, len(np.histogram_bin_edges(real, bins, within)) - 1, given), True
    if np.ndim(plain(bins)) == 0:
        return _equal_edges(a, operator.index(bins), given), True
    return prepared(rec, bins), False


# -- NumPy's functions ---------------------------------------------------------------------------


@implements(np.histogram)
def histogram(
    rec: Recorder,
    a: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    a = np.ravel(prepared(rec, a))
    weights = None if weights is None else np.ravel(prepared(rec, weights))
    edges, equal_bins = _edges(rec, a, bins, range, weights)
    found = _histogram([edges], a, weights, density=density, equal_bins=equal_bins)
    return found, edges


@implements(np.histogram_bin_edges)
def histogram_bin_edges(
    rec: Recorder, a: Any, bins: Any = 10, range: Any = None, weights: Any = None
) -> Any:
    return _edges(rec, np.ravel(prepared(rec, a)), bins, range, weights)[0]


@implements(np.histogramdd)
def histogramdd(
    rec: Recorder,
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    if type(sample) in (list, tuple):
        sample = np.stack([prepared(rec, x) for x in sample]).T
    n = sample.shape[1]
    bins = [bins] * n if type(bins) is int or np.ndim(plain(bins)) == 0 else list(bins)
    if len(bins) != n:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * n if range is None else list(range)
    # NumPy makes float64 edges here, whatever the sample is.
    edges = [
        np.linspace(*_ends(sample[:, k], ranges[k]), operator.index(b) + 1)
        if np.ndim(plain(b)) == 0
        else prepared(rec, b)
        for k, b in enumerate(bins)
    ]
    weights = None if weights is None else prepared(rec, weights)
    found = _histogram(edges, sample, weights, density=density, equal_bins=False)
    return found, edges


from_source(np.histogram2d)

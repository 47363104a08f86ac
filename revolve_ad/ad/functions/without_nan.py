"""Means and deviations that leave out NaN; NumPy's own code does the sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import reduction
from revolve_ad.ad.functions.reductions import deviation, divided, var
from revolve_ad.ad.functions.roots import root
from revolve_ad.ad.functions.source import from_source
from revolve_ad.ad.traced.recorder import Recorder

from_source(np.nansum, np.nanprod, np.nancumsum, np.nancumprod)


@reduction(np.nanmean, order="axis dtype out keepdims where")
def nanmean(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    where: Any = True,
) -> Any:
    over: dict[str, Any] = {"axis": axis, "keepdims": keepdims, "where": where}
    if a.dtype.kind not in "fc":
        return np.mean(a, dtype=dtype, **over)
    missing = np.isnan(a)
    n = np.sum(~missing, dtype=np.intp, **over)
    return divided(np.sum(np.where(missing, 0, a), dtype=dtype, **over), n)


def nanvar(
    rec: Recorder,
    a: Any,
    *,
    dtype: Any,
    typed: Any,
    ddof: Any,
    axis: Any = None,
    keepdims: Any = False,
    where: Any = True,
    mean: Any = None,
) -> Any:
    """Record np.nanvar, with the squares added up in the type `typed`."""
    if a.dtype.kind not in "fc":
        kinds = {"dtype": dtype, "typed": typed, "ddof": ddof}
        return var(rec, a, **kinds, axis=axis, keepdims=keepdims, where=where, mean=mean)
    over: dict[str, Any] = {"axis": axis, "keepdims": True, "where": where}
    missing = np.isnan(a)
    n = np.sum(~missing, dtype=np.intp, **over)
    if mean is None:
        mean = divided(np.sum(np.where(missing, 0, a), dtype=dtype, **over), n)
    x = np.where(missing, 0, (a - mean).astype(a.dtype))
    square = x * x if x.dtype.kind != "c" else np.multiply(x, np.conjugate(x)).real
    found = np.sum(square, axis=axis, dtype=typed, keepdims=keepdims, where=where)
    left = (n if keepdims else np.sum(n, axis=axis)) - ddof
    return np.where(left <= 0, np.nan, divided(found, left)).astype(found.dtype)


deviation(np.nanvar, nanvar, lambda found: found)
deviation(np.nanstd, nanvar, root)

"""Sets of numbers: which elements stay is a question about values, the elements are traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.traced import Traced
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.recorder import Recorder


def _real(x: Any, what: str) -> Any:
    return x._concrete(f"np.{what} of traced values") if type(x) is Traced else x


def _both(rec: Recorder, a: Any, b: Any) -> tuple[Any, Any]:
    return np.ravel(prepared(rec, a)), np.ravel(prepared(rec, b))


@implements(np.union1d)
def union1d(rec: Recorder, ar1: Any, ar2: Any) -> Any:
    return np.unique(np.concatenate(_both(rec, ar1, ar2)))


@implements(np.setdiff1d)
def setdiff1d(rec: Recorder, ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    a, b = _both(rec, ar1, ar2)
    a = a if assume_unique else np.unique(a)
    return a[~np.isin(_real(a, "setdiff1d"), _real(b, "setdiff1d"))]


@implements(np.intersect1d)
def intersect1d(
    rec: Recorder,
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
) -> Any:
    a, b = _both(rec, ar1, ar2)
    one, other = _real(a, "intersect1d"), _real(b, "intersect1d")
    _, in_a, in_b = np.intersect1d(one, other, assume_unique=assume_unique, return_indices=True)
    found = a[in_a]
    return (found, in_a, in_b) if return_indices else found


@implements(np.setxor1d)
def setxor1d(rec: Recorder, ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    a, b = _both(rec, ar1, ar2)
    wide = np.concatenate([a, b])
    one, other = _real(a, "setxor1d"), _real(b, "setxor1d")
    kept = np.setxor1d(one, other, assume_unique=assume_unique)
    return np.unique(wide[np.isin(_real(wide, "setxor1d"), kept)])


def _unique_values(rec: Recorder, x: Any, /) -> Any:
    return np.unique(np.ravel(x))


FUNCTIONS[np.unique_values] = _unique_values

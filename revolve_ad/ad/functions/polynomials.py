"""Polynomials by their coefficients, highest power first, as NumPy's poly functions take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.source import from_source, source_of
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

from_source(
    np.poly,
    np.polyadd,
    np.polyder,
    np.polydiv,
    np.polyfit,
    np.polysub,
    np.polyval,
    np.roots,
    np.vander,
)

_polyint = source_of(np.polyint)


@implements(np.polyint)
def polyint(rec: Recorder, p: Any, m: int = 1, k: Any = None) -> Any:
    return _polyint(p, m, None if k is None else prepared(rec, k))


@implements(np.polymul)
def polymul(rec: Recorder, a1: Any, a2: Any) -> Any:
    return np.convolve(_coefficients(rec, a1), _coefficients(rec, a2))


def _coefficients(rec: Recorder, a: Any) -> Any:
    """Return coefficients from the first that isn't zero: a question about values, as in NumPy."""
    found = np.trim_zeros(np.atleast_1d(prepared(rec, a)), "f")
    return found if found.shape[0] else np.zeros(1)

"""Counts of `scipy.special`, comb, perm and factorial, as functions of real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.foreign import opaque, scipy_function

_MODULE = "scipy.special"


def _special(name: str) -> Any:
    return scipy_function(_MODULE, name)


def _counted(found: Any, n: Any, k: Any) -> Any:
    return np.where((k <= n) & (n >= 0) & (k >= 0), found, 0.0)


def _comb(n: Any, k: Any, exact: bool, repetition: bool, **_: Any) -> Any:
    if repetition:
        return _special("binom")(n + k - 1, k)
    return _counted(_special("binom")(n, k), n, k)


def _perm(n: Any, k: Any, exact: bool) -> Any:
    return _counted(_special("poch")(n - k + 1, k), n, k)


def _factorial(n: Any, exact: bool, extend: str = "zero") -> Any:
    found = _special("gamma")(n + 1)
    return found if extend == "complex" else np.where(n >= 0, found, 0.0)


opaque(_MODULE, "comb", ("N", "k"), _comb)
opaque(_MODULE, "perm", ("N", "k"), _perm)
opaque(_MODULE, "factorial", ("n",), _factorial)

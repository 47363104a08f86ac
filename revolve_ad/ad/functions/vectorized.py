"""``np.vectorize``: the Python function is called on traced elements, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import foreign
from revolve_ad.ad.traced.recorder import Recorder


@foreign("numpy", "vectorize._vectorize_call")
def vectorized(rec: Recorder, original: Any, self: Any, func: Callable[..., Any], args: Any) -> Any:
    """Record a call of a vectorized function, after NumPy has taken out what is excluded."""
    arrays = [prepared(rec, x) for x in args]
    cores = [0] * len(arrays)
    if self.signature is not None:
        inputs = self._in_and_out_core_dims[0]
        cores = [len(core) for core in inputs]
    loops = [x.shape[: x.ndim - c] for x, c in zip(arrays, cores, strict=True)]
    shape = np.broadcast_shapes(*loops)
    wide = [
        np.broadcast_to(x, (*shape, *x.shape[x.ndim - c :]))
        for x, c in zip(arrays, cores, strict=True)
    ]
    places = list(itertools.product(*map(range, shape)))
    if not places:
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    first = func(*(x[places[0]] for x in wide))
    if self.signature is None:  # NumPy computes with Python's numbers: in double precision
        wide = [x.astype(_DOUBLE.get(x.dtype.char, x.dtype)) for x in wide]
    found = [func(*(x[at] for x in wide)) for at in places]
    many = isinstance(first, tuple)
    made = []
    for k, column in enumerate(zip(*found, strict=True) if many else [found]):
        rows = np.stack([prepared(rec, x) for x in column])
        rows = np.reshape(rows, (*shape, *rows.shape[1:]))
        kind = prepared(rec, first[k] if many else first).dtype
        made.append(rows.astype(kind if self.otypes is None else self.otypes[k]))
    return tuple(made) if many else made[0]


_DOUBLE = {"e": np.dtype(float), "f": np.dtype(float), "F": np.dtype(complex)}

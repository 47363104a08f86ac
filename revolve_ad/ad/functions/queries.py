"""Questions about arrays whose answers aren't traced: shape, dtype, memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.traced import Traced
from revolve_ad.ad.traced.caches import refuse_comparison
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.recorder import Recorder


def _on_real_values(function: Any) -> Any:
    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        return function(*map(real, args), **{k: real(x) for k, x in kwargs.items()})

    return call


def real(x: Any) -> Any:
    """Return the real value; the length of what a traced mask takes is looked at now."""
    if type(x) is not Traced:
        return x
    if x.rec.masks:
        FUNCTIONS["settle"](x)
    return x.v


for _function in (
    np.shape,
    np.ndim,
    np.size,
    np.iscomplexobj,
    np.isrealobj,
    np.result_type,
    np.common_type,
    np.can_cast,
    np.min_scalar_type,
    np.may_share_memory,
    np.shares_memory,
    np.array_repr,
    np.array_str,
    np.array2string,
):
    FUNCTIONS[_function] = _on_real_values(_function)


def _looked_at(function: Any) -> Any:
    """Answer with a plain truth value; the tape then holds for these values alone."""

    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        what = f"np.{function.__name__} of traced values"

        def looked(x: Any) -> Any:
            return x._concrete(what) if type(x) is Traced else x

        if any(type(x) is Traced and x.rec.carries(x.read()) for x in args):
            refuse_comparison()
        return function(*map(looked, args), **{k: looked(x) for k, x in kwargs.items()})

    return call


for _function in (  # type: ignore[assignment]
    np.array_equal,
    np.allclose,
    np.array_equiv,
    np.flatnonzero,
    np.argwhere,
):
    FUNCTIONS[_function] = _looked_at(_function)


@implements(np.lexsort)
def lexsort(rec: Recorder, keys: Any, axis: int = -1) -> Any:
    """Record np.lexsort; the order holds for these values alone."""
    what = "np.lexsort of traced values"
    return np.lexsort([k._concrete(what) if type(k) is Traced else k for k in keys], axis)


@implements(np.unique)
def unique(
    rec: Recorder,
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **kwargs: Any,
) -> Any:
    """Record np.unique: which elements are taken depends on values, the elements are traced."""
    real = ar._concrete("np.unique of traced values")
    plain: Any = np.unique  # NumPy's stubs know each combination of flags apart
    _, index, *rest = plain(real, True, return_inverse, return_counts, axis, **kwargs)
    found = np.take(np.ravel(ar) if axis is None else ar, index, axis=0 if axis is None else axis)
    if return_index:
        rest = [index, *rest]
    return (found, *rest) if rest else found

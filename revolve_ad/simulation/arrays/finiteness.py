"""Tests arrays for NaN and Inf, at the cost of one pass over them."""

from cmath import isfinite
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from revolve_ad.errors import NonFiniteError
from revolve_ad.simulation.arrays.layout import Array, Layout

__all__ = ["first_bad", "require_finite", "require_finite_state", "soundness"]

_isfinite = np.isfinite

_FEW: Final = 16
"""So many numbers are added up faster by Python."""


def first_bad(leaves: Sequence[Array]) -> int | None:
    """Return the position of the first leaf with NaN or Inf; None if there is none."""
    for i, leaf in enumerate(leaves):
        # A sum is finite only if every element is.  It may overflow when they
        # are finite, and only then is every one looked at.
        if leaf.ndim == 1 and leaf.size <= _FEW:
            if isfinite(sum(leaf.tolist())):
                continue
        elif leaf.dtype.kind not in "fc":
            continue
        else:
            # Not a dot product: BLAS would start threads for it.
            with np.errstate(all="ignore"):
                total = np.add.reduce(leaf, axis=None)
            if isfinite(total):
                continue
        if not _isfinite(leaf).all():
            return i
    return None


def soundness(layout: Layout) -> Callable[[Sequence[Array]], bool]:
    """Return the quickest test for values of a form: false for NaN, Inf and sums that overflow.

    Where a step takes a microsecond, each look at a state counts.
    """
    if layout.is_array and len(layout.shapes[0]) == 1 and layout.shapes[0][0] <= _FEW:
        return _few_are_sound
    return _all_are_sound


def _few_are_sound(leaves: Sequence[Array]) -> bool:
    if len(leaves) == 1:
        return isfinite(sum(leaves[0].tolist()))
    # Several cotangents are reversed together.
    return all(isfinite(sum(leaf.tolist())) for leaf in leaves)


def _all_are_sound(leaves: Sequence[Array]) -> bool:
    return first_bad(leaves) is None


_REMEDY: Final = "Shorten the time step, or bound the params."


def require_finite(
    leaves: Sequence[Array], layout: Layout, where: str, remedy: str = _REMEDY
) -> None:
    """Raise `NonFiniteError` that names the leaf, where it was found, and what to do."""
    bad = first_bad(leaves)
    if bad is not None:
        path = layout.paths[bad % len(layout.paths)]  # of several cotangents in a row
        raise NonFiniteError(describe(leaves[bad], path, where, remedy))


def require_finite_state(leaves: Sequence[Array], layout: Layout, k: int) -> None:
    """Test state `k`; state 0 is the caller's own."""
    if k == 0:
        remedy = "That is the state that the simulation was given: no step has run yet."
        require_finite(leaves, layout, "state 0", remedy)
    else:
        require_finite(leaves, layout, f"state {k}")


def describe(leaf: Array, path: str, where: str, remedy: str) -> str:
    """Return the message for a leaf that holds NaN or Inf."""
    flat = np.isfinite(leaf).ravel()
    n_bad = int(flat.size - np.count_nonzero(flat))
    first = tuple(int(i) for i in np.unravel_index(int(np.argmin(flat)), leaf.shape))
    at = f"{path}{list(first)}" if leaf.ndim else path
    elements = "1 element" if flat.size == 1 else f"{flat.size} elements"
    verb = "is" if n_bad == 1 else "are"
    return (
        f"{where}: {n_bad} of {elements} {verb} NaN or Inf, the first at {at} "
        f"({leaf[first]}). {remedy}"
    )

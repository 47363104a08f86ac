"""Random directions in structured values, and how far a point really moved along one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "Array",
    "inner",
    "is_float",
    "moved",
    "precision",
    "random_direction",
    "root_mean_square",
]

Array = np.ndarray[Any, np.dtype[Any]]


def is_float(leaf: Any) -> bool:
    """Tell whether a leaf has a derivative; a Python int counts as a float."""
    return type(leaf) is int or np.asarray(leaf).dtype.kind in "fc"


def root_mean_square(leaf: Any) -> float:
    """Return the root mean square of a leaf; 1 where that is zero or there is no element."""
    wide = np.abs(np.asarray(leaf)).astype(float)
    largest = float(wide.max(initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return 1.0
    return largest * float(np.sqrt(np.mean((wide / largest) ** 2)))


def random_direction(leaves: Sequence[Any], rng: np.random.Generator) -> list[Array | None]:
    """Return a normally distributed direction, each leaf as large as the leaf that it moves.

    So a step size is a relative change, whatever the units of the leaves.  None stands for leaves
    without a derivative.
    """
    direction: list[Array | None] = []
    for leaf in leaves:
        if not is_float(leaf):
            direction.append(None)
            continue
        shape = np.shape(leaf)
        part = np.asarray(rng.standard_normal(shape))
        if np.asarray(leaf).dtype.kind == "c":
            part = part + 1j * np.asarray(rng.standard_normal(shape))
        direction.append(part * root_mean_square(leaf))
    return direction


def moved(
    leaves: Sequence[Any], direction: Sequence[Array | None], h: float
) -> tuple[list[Any], list[Array | None]]:
    """Return the leaves moved by `h` times the direction, in their dtypes, and the real move.

    The move is what is left of ``h * direction`` after rounding, so that a remainder that is
    computed with it isn't spoilt by the rounding of the point, which matters in float32.
    """
    points: list[Any] = []
    moves: list[Array | None] = []
    for leaf, part in zip(leaves, direction, strict=True):
        if part is None:
            points.append(leaf)
            moves.append(None)
            continue
        before = np.asarray(float(leaf) if type(leaf) is int else leaf)
        after = np.asarray(before + h * part).astype(before.dtype)
        points.append(_like(leaf, after))
        moves.append(np.asarray(after - before.astype(part.dtype)))
    return points, moves


def inner(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Return Re Σ conj(a)·b in double precision; None counts as zero."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        if x is not None and y is not None:
            total += float(np.vdot(_wide(x), _wide(y)).real)
    return total


def precision(leaves: Sequence[Any]) -> float:
    """Return the machine epsilon of the least precise leaf with a derivative."""
    found = [
        float(np.finfo(np.asarray(leaf).dtype).eps)
        for leaf in leaves
        if np.asarray(leaf).dtype.kind in "fc"
    ]
    return max(found, default=float(np.finfo(float).eps))


def _wide(x: Any) -> Array:
    x = np.asarray(x)
    wide: Array = x.astype(complex if x.dtype.kind == "c" else float)
    return wide.ravel()


def _like(leaf: Any, value: Array) -> Any:
    if isinstance(leaf, np.ndarray):
        return value
    if isinstance(leaf, np.generic):
        return value[()]
    return value.item()

"""Indexing by integers: constants of the tape, or computed in the step.

Which elements a constant means is known when the tape is compiled: as flat positions.  Positions
that advance evenly are a view like any slice; others are read through an array of positions.  An
index that is computed, such as ``a[k]``, becomes arithmetic on positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.ad.core import GATHER, SCATTER, SCATTER_ADD
from revolve_ad.ad.functions.indexing import (
    INDEX,
    INDEX_ADD,
    INDEX_SET,
    LAST_WRITER,
    filled,
)
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import ArrayType, Kind, Node, Primitive

__all__ = [
    "PUT",
    "PUT_ADD",
    "TAKE",
    "WRAPPED",
    "Placement",
    "indexing",
    "last_writers",
    "placement",
    "positions",
]

TAKE = Primitive(
    "take",
    lambda x, at: np.asarray(x).reshape(-1)[at],
    infer=lambda x, at: ArrayType(at.shape, x.dtype),
    kind=Kind.STRUCTURE,
)


def _put(base: Any, value: Any, at: Any, once: bool = False) -> Any:
    out = np.array(base, order="C")
    out.reshape(-1)[at] = value
    return out


def _put_add(base: Any, value: Any, at: Any, once: bool = False) -> Any:
    out = np.array(base, order="C")
    np.add.at(out.reshape(-1), at, value)
    return out


# Their parameter says that no position is named twice; without it the positions are a constant.
PUT = Primitive("put", _put, infer=lambda base, *_: base, kind=Kind.STRUCTURE)
PUT_ADD = Primitive("put_add", _put_add, infer=lambda base, *_: base, kind=Kind.STRUCTURE)


def _wrapped(i: Any, n: Any) -> Any:
    if np.any((i < -n) | (i >= n)):
        raise IndexError(f"index {i} is out of bounds for an axis of size {n}")
    return np.where(i < 0, i + n, i)[()]


# An index of an axis of n elements, counted from its start; an error where it is out of bounds.
WRAPPED = Primitive("wrapped_index", _wrapped, infer=lambda i, n: i, kind=Kind.ELEMENTWISE)

_WRITES = {INDEX_SET: (SCATTER, PUT), INDEX_ADD: (SCATTER_ADD, PUT_ADD)}


def positions(shape: tuple[int, ...], template: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the flat positions that an index of an array of `shape` names."""
    numbers = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    return np.array(numbers[filled(template, arrays)], order="C")


def even(shape: tuple[int, ...], at: np.ndarray) -> StridedMap | None:
    """Return positions as a view, if they advance evenly along each axis."""
    if at.size == 0:
        return None
    first = int(at.flat[0])
    strides = []
    for d, n in enumerate(at.shape):
        one = [0] * at.ndim
        if n > 1:
            one[d] = 1
        strides.append(int(at[tuple(one)]) - first)
    found = StridedMap(shape, first, at.shape, tuple(strides))
    return found if np.array_equal(found.flat_indices(), at) else None


def indexing(node: Node, shape: tuple[int, ...], arrays: Sequence[np.ndarray]) -> Any:
    """Return what an indexing operation does: (primitive, map) or (primitive, positions).

    `shape` is that of the array that is indexed.  None for another operation.
    """
    at = positions(shape, node.params[0], arrays)
    view = even(shape, at)
    if node.op is INDEX:
        return (GATHER, view) if view is not None else (TAKE, at)
    scatter, put = _WRITES[node.op]
    if view is not None and view.is_injective:
        return scatter, view
    return put, at


def last_writers(
    node: Node, shape: tuple[int, ...], value: tuple[int, ...], arrays: Sequence[np.ndarray]
) -> np.ndarray:
    """Return which elements of an assigned value stay, where positions repeat."""
    assert node.op is LAST_WRITER
    found = node.op.evaluate(np.empty(shape), np.empty(value), *arrays, *node.params)
    return np.asarray(found)


class Placement(NamedTuple):
    """What an index with computed integers names: ``base + Σ stride · index`` for each axis.

    Attributes
    ----------
    base : ndarray
        The flat positions if all computed integers were 0, of the shape of the result.
    axes : tuple of int
        The axis that each computed integer runs along.
    behind : int
        How many axes of the result stand behind those of the integers' arrays.
    """

    base: np.ndarray
    axes: tuple[int, ...]
    behind: int


def placement(
    shape: tuple[int, ...], template: Any, arrays: Sequence[tuple[int, ...]]
) -> Placement | None:
    """Return what an index of an array of `shape` names; None if the array is empty.

    Parameters
    ----------
    shape : tuple of int
        The array's.
    template : tuple
        As a tape keeps an index.
    arrays : sequence of tuple of int
        The shapes of the computed integers.
    """
    named = sum(part[0] in ("array", "int", "slice") for part in template)
    axis, axes, entries = 0, [], []
    for part in template:
        kind = part[0]
        if kind == "array":
            axes.append(axis)
        entries += [kind] if kind != "rest" else ["slice"] * (len(shape) - named)
        axis += {"new": 0, "rest": len(shape) - named}.get(kind, 1)
    if any(shape[d] == 0 for d in axes):
        return None
    base = positions(shape, template, [np.zeros(s, np.intp) for s in arrays])
    common = np.broadcast_shapes(*arrays)
    # NumPy puts the axes of the arrays where they stand if they stand together, else in front.
    chosen = [k for k, kind in enumerate(entries) if kind in ("array", "int")]
    together = chosen == list(range(chosen[0], chosen[-1] + 1))
    return Placement(base, tuple(axes), base.ndim - len(common) - (chosen[0] if together else 0))

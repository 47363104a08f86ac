"""Indexing by arrays of integers that are constants of the tape.

Which elements are meant is then known when the tape is compiled: as flat positions.  Positions that
advance evenly are a view like any slice; others are read through an array of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

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

__all__ = ["PUT", "PUT_ADD", "TAKE", "indexing", "last_writers", "positions"]

TAKE = Primitive(
    "take",
    lambda x, at: np.asarray(x).reshape(-1)[at],
    infer=lambda x, at: ArrayType(at.shape, x.dtype),
    kind=Kind.STRUCTURE,
)


def _put(base: Any, value: Any, at: Any) -> Any:
    out = np.array(base, order="C")
    out.reshape(-1)[at] = value
    return out


def _put_add(base: Any, value: Any, at: Any) -> Any:
    out = np.array(base, order="C")
    np.add.at(out.reshape(-1), at, value)
    return out


PUT = Primitive("put", _put, infer=lambda base, value, at: base, kind=Kind.STRUCTURE)
PUT_ADD = Primitive("put_add", _put_add, infer=lambda base, value, at: base, kind=Kind.STRUCTURE)

_WRITES = {INDEX_SET: (SCATTER, PUT), INDEX_ADD: (SCATTER_ADD, PUT_ADD)}


def positions(shape: tuple[int, ...], template: Any, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the flat positions that an index of an array of `shape` names."""
    numbers = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    return np.ascontiguousarray(numbers[filled(template, arrays)])


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

"""Copies structured values into memory of their own, and counts bytes."""

from typing import Any

import numpy as np

from revolve_ad.trees.flattening import flatten

__all__ = ["copy", "nbytes"]


def copy(value: Any, name: str = "value") -> Any:
    """Return the same value with memory of its own for each leaf.

    Two leaves that share memory, or are one array, don't any more in the copy.  Arrays come back
    C-contiguous and writeable, with their dtype and byte order; a memory map as a plain array;
    numbers as they are, since they can't change; any other array-like object from its ``copy()``.

    Parameters
    ----------
    value
        A structured value.
    name : str
        What the value is called in messages.
    """
    leaves, structure = flatten(value, name)
    return structure.unflatten([_copy_leaf(leaf) for leaf in leaves])


def nbytes(value: Any, name: str = "value") -> int:
    """Return how many bytes the leaves of a value take as arrays, each counted by itself.

    A Python float counts 8, an int 8, a complex 16, a bool 1.
    """
    return sum(_leaf_nbytes(leaf) for leaf in flatten(value, name)[0])


def _copy_leaf(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray) and issubclass(type(leaf), np.ndarray):
        return np.array(leaf, order="C", copy=True, subok=False)
    if isinstance(leaf, (bool, int, float, complex, np.generic)):
        return leaf
    return leaf.copy()


def _leaf_nbytes(leaf: Any) -> int:
    if isinstance(leaf, bool):
        return 1
    if isinstance(leaf, (int, float)):
        return 8
    if isinstance(leaf, complex):
        return 16
    size: int = leaf.nbytes
    return size

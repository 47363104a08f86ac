"""Periodic shifts: recognised in a tape, so that they cost an index and no copy.

``np.roll`` is recorded as a concatenation of two parts, and its adjoint adds two parts to two
places.  Both are one rotation, ``y[i] = x[(i + shift) mod n]``; rotations of rotations add up, and
only where data lie in memory does the seam have to be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revolve_ad.ad.core import GATHER, SCATTER_ADD
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import ArrayType, Kind, Node, Primitive

__all__ = ["ROTATE", "pieces", "rotation_of_parts", "rotation_of_sums"]


def _rotate(x: np.ndarray, axis: int, shift: int) -> np.ndarray:
    return np.roll(x, -shift, axis)


ROTATE = Primitive(
    "rotate",
    _rotate,
    infer=lambda x, axis, shift: ArrayType(x.shape, x.dtype),
    kind=Kind.STRUCTURE,
    params=("axis", "shift"),
)


def _slab(index: StridedMap) -> tuple[int, int, int] | None:
    """Return (axis, start, length) of a view that cuts one axis and shows the others whole."""
    box = index.box
    if box is None or len(index.shape) != len(index.source):
        return None
    cut = None
    for d, (axis, n) in enumerate(zip(box.axes, index.source, strict=True)):
        if axis.view_axis not in (None, d) or (axis.step != 1 and axis.view_axis is not None):
            return None
        length = index.shape[d] if axis.view_axis == d else 1
        if index.shape[d] != length:
            return None
        if length != n:
            if cut is not None:
                return None
            cut = (d, axis.start, length)
    return cut


def rotation_of_parts(
    nodes: Sequence[Node], parts: Sequence[int], axis: int
) -> tuple[int, int] | None:
    """Return (array, shift) if a concatenation of `parts` is a rotation of one array."""
    if len(parts) != 2 or any(nodes[p].op is not GATHER for p in parts):
        return None
    first, second = nodes[parts[0]], nodes[parts[1]]
    if first.args != second.args:
        return None
    a, b = _slab(first.params[0]), _slab(second.params[0])
    if a is None or b is None or a[0] != axis or b[0] != axis:
        return None
    n = nodes[first.args[0]].shape[axis]
    if b[1] != 0 or a[1] != b[2] or a[1] + a[2] != n:
        return None
    return first.args[0], a[1]


def rotation_of_sums(nodes: Sequence[Node], node: Node) -> tuple[int, int, int, int] | None:
    """Return (base, array, axis, shift) if two additions in a row add a rotation to a base."""
    base, value = node.args
    inner = nodes[base]
    if inner.op is not SCATTER_ADD:
        return None
    values = nodes[value], nodes[inner.args[1]]
    if any(v.op is not GATHER for v in values) or values[0].args != values[1].args:
        return None
    array = values[0].args[0]
    if nodes[array].shape != node.shape or nodes[array].dtype != node.dtype:
        return None
    slabs = [_slab(m) for m in (node.params[0], inner.params[0])]
    sources = [_slab(v.params[0]) for v in values]
    if None in slabs or None in sources:
        return None
    (axis, start, length), (other, start2, length2) = slabs  # type: ignore[misc]
    (axis3, from1, _), (axis4, from2, _) = sources  # type: ignore[misc]
    n = node.shape[axis]
    if {axis, other, axis3, axis4} != {axis} or length + length2 != n:
        return None
    if sorted((start, start2)) != [0, length if start == 0 else length2]:
        return None
    shift = (from1 - start) % n
    if shift != (from2 - start2) % n:
        return None
    return inner.args[0], array, axis, shift


def pieces(coef: int, off: int, n: int, bounds: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Cut the range of a counter t where ``coef * t + off`` passes a multiple of n.

    Returns
    -------
    list of (int, int, int)
        For each part (offset, lo, hi): for lo <= t < hi, ``(coef * t + off) mod n`` is
        ``coef * t + offset``.
    """
    lo, hi = bounds
    ends = sorted(((coef * lo + off) // n, (coef * (hi - 1) + off) // n))
    found = []
    for k in range(ends[0], ends[1] + 1):
        if coef > 0:
            a, b = -((off - k * n) // coef), -((off - (k + 1) * n) // coef)
        else:
            a, b = (off - (k + 1) * n) // -coef + 1, (off - k * n) // -coef + 1
        a, b = max(a, lo), min(b, hi)
        if a < b:
            found.append((off - k * n, a, b))
    return found

"""A strided map: which elements of an array a view of it shows, and in which order.

Every basic index, transpose, flip and shape change of an array that shares its memory is one
map: an offset, and a shape with a stride for each of its axes, all counted in elements of the
array laid out in C order.  `gather` reads through a map and `scatter` writes through one; they
are each other's adjoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Axis", "Box", "StridedMap", "box_map", "c_strides", "element_map", "known_map"]

# NumPy's own class: while a recording is open, the name on the module may be a stand-in.
_ndarray = np.ndarray


@lru_cache(maxsize=4096)
def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of an array of `shape` in C order."""
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * max(shape[d + 1], 1)
    return tuple(strides)


@dataclass(frozen=True, slots=True)
class Axis:
    """What a view shows of one axis of the array.

    Attributes
    ----------
    start, step : int
        The first index and the distance to the next one.
    view_axis : int or None
        The axis of the view that runs along it; None if the index is fixed at `start`.
    """

    start: int
    step: int
    view_axis: int | None


@dataclass(frozen=True, slots=True)
class Box:
    """A view that runs along each axis of the array at most once.

    Attributes
    ----------
    axes : tuple of Axis
        One for each axis of the array.
    shape : tuple of int
        Shape of the view; axes of the view that no `Axis` names have length 1 or stride 0.
    """

    axes: tuple[Axis, ...]
    shape: tuple[int, ...]


class _Fields(NamedTuple):
    """What makes two maps equal: as a tuple it is made, hashed and compared without Python."""

    source: tuple[int, ...]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class StridedMap(_Fields):
    """The elements of a C-ordered array of shape `source` that a view shows.

    Attributes
    ----------
    source : tuple of int
        Shape of the array.
    offset : int
        Flat index of the view's first element.
    shape : tuple of int
        Shape of the view.
    strides : tuple of int
        Distance in the flat array, in elements, along each axis of the view.
    """

    @cached_property
    def parts(self) -> dict[Any, StridedMap]:
        """The maps of views of this view that were worked out before, by their index."""
        return {}

    @cached_property
    def size(self) -> int:
        """Number of elements of the view."""
        return prod(self.shape)

    @cached_property
    def is_identity(self) -> bool:
        """Whether the view is the whole array, in its own shape and order."""
        return self.shape == self.source and (
            self.size == 0
            or all(
                n == 1 or a == b
                for n, a, b in zip(self.shape, self.strides, c_strides(self.source), strict=True)
            )
        )

    @cached_property
    def is_reshape(self) -> bool:
        """Whether the view shows every element, in the array's own C order."""
        return self.size == prod(self.source) and (
            self.size == 0
            or (
                self.offset == 0
                and all(
                    n == 1 or a == b
                    for n, a, b in zip(self.shape, self.strides, c_strides(self.shape), strict=True)
                )
            )
        )

    @cached_property
    def is_injective(self) -> bool:
        """Whether no element of the array is shown twice."""
        reach = 0
        for stride, n in sorted((abs(s), n) for s, n in zip(self.strides, self.shape, strict=True)):
            if n <= 1:
                continue
            if stride <= reach:
                return self.size == 0 or self._flat_unique
            reach += stride * (n - 1)
        return True

    @cached_property
    def _flat_unique(self) -> bool:
        flat = self.flat_indices().ravel()
        return bool(np.unique(flat).size == flat.size)

    @cached_property
    def is_complete(self) -> bool:
        """Whether the view shows every element of the array exactly once."""
        return self.size == prod(self.source) and self.is_injective

    def flat_indices(self) -> np.ndarray:
        """Return the flat index of each element of the view; shape `shape`, dtype intp."""
        out = np.full(self.shape, self.offset, dtype=np.intp)
        for axis, (n, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = np.arange(n, dtype=np.intp) * stride
            out += steps.reshape((-1,) + (1,) * (len(self.shape) - axis - 1))
        return out

    @cached_property
    def box(self) -> Box | None:
        """The same as a start and a step along each axis of the array; None without such a form."""
        strides = c_strides(self.source)
        rest = self.offset
        starts = []
        for stride in strides:
            start, rest = divmod(rest, stride)
            starts.append(start)
        steps: list[int] = [1] * len(strides)
        view_axis: list[int | None] = [None] * len(strides)
        for axis, (n, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            if n == 1 or stride == 0:
                continue
            for d, unit in enumerate(strides):
                if self.source[d] > 1 and unit <= abs(stride):
                    break
            else:
                return None
            if stride % unit or view_axis[d] is not None:
                return None
            step = stride // unit
            if not 0 <= starts[d] + (n - 1) * step < self.source[d]:
                return None
            steps[d], view_axis[d] = step, axis
        axes = tuple(Axis(*a) for a in zip(starts, steps, view_axis, strict=True))
        return Box(axes, self.shape)

    def view(self, array: np.ndarray) -> np.ndarray:
        """Return the view of `array`, of shape `source`; its memory where that is in C order."""
        if self.size == 0:
            return _ndarray(self.shape, array.dtype)
        if array.flags.c_contiguous:
            itemsize = array.itemsize
            return _ndarray(
                self.shape,
                array.dtype,
                array,
                self.offset * itemsize,
                tuple([s * itemsize for s in self.strides]),
            )
        box = self.box
        if box is None or 0 in self.strides:
            return self.view(np.ascontiguousarray(array))
        index = tuple(
            a.start
            if a.view_axis is None
            else slice(
                a.start,
                (stop if (stop := a.start + a.step * self.shape[a.view_axis]) >= 0 else None),
                a.step,
            )
            for a in box.axes
        )
        shown = [a.view_axis for a in box.axes if a.view_axis is not None]
        order = sorted(range(len(shown)), key=shown.__getitem__)
        return array[index].transpose(order).reshape(self.shape)


# The same map is one object, so that what was found out about it is found once.
known_map = lru_cache(maxsize=16384)(StridedMap)


@lru_cache(maxsize=65536)
def element_map(source: tuple[int, ...], offset: int) -> StridedMap:
    """Return the map of one element."""
    return StridedMap(source, offset, (), ())


@lru_cache(maxsize=8192)
def box_map(source: tuple[int, ...], axes: tuple[tuple[int, int, int], ...]) -> StridedMap:
    """Return the map of a slice along each axis, given as (start, step, length)."""
    strides = c_strides(source)
    offset = sum(start * unit for (start, _, _), unit in zip(axes, strides, strict=True))
    return StridedMap(
        source,
        offset,
        tuple(length for _, _, length in axes),
        tuple(step * unit for (_, step, _), unit in zip(axes, strides, strict=True)),
    )

"""Boxes of points: which part of a loop reads inside a view, and how a domain is cut.

A region is a box of an array with a step along each axis.  Its points are counted from 0, so that
every index in generated code is a counter times a literal plus a literal that isn't negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

from revolve_ad.ad.strided import Box
from revolve_ad.native.passes.expression import Bounds, Index, Position

__all__ = ["Region", "ResidueError", "complement", "locate", "volume"]


class ResidueError(Exception):
    """A view with a step is met by a loop that passes over it: cut dimension `dim` by `step`."""

    def __init__(self, dim: int, step: int) -> None:
        super().__init__(dim, step)
        self.dim, self.step = dim, step


@dataclass(frozen=True, slots=True)
class Region:
    """The points ``start + step * t`` with ``0 <= t < extent`` along each axis."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    extent: tuple[int, ...]

    @staticmethod
    def whole(shape: tuple[int, ...]) -> Region:
        """Return the region of all points of an array."""
        return Region((0,) * len(shape), (1,) * len(shape), shape)

    @property
    def volume(self) -> int:
        """Number of points."""
        return prod(self.extent)

    @property
    def bounds(self) -> Bounds:
        """The range of each counter."""
        return tuple((0, n) for n in self.extent)

    @property
    def index(self) -> Index:
        """Where the point of the counters lies in the array."""
        return tuple(
            Position(d, step, start) if n != 1 else Position(-1, 0, start)
            for d, (start, step, n) in enumerate(
                zip(self.start, self.step, self.extent, strict=True)
            )
        )

    def narrowed(self, bounds: Bounds) -> Region:
        """Return the part where each counter lies in its range."""
        return Region(
            tuple(
                s + step * lo
                for s, step, (lo, _) in zip(self.start, self.step, bounds, strict=True)
            ),
            self.step,
            tuple(hi - lo for lo, hi in bounds),
        )

    def residues(self, dim: int, step: int) -> list[Region]:
        """Return the parts whose counter along `dim` has the same remainder by `step`."""
        parts = []
        for r in range(min(step, self.extent[dim])):
            start, stride, extent = list(self.start), list(self.step), list(self.extent)
            start[dim] += stride[dim] * r
            stride[dim] *= step
            extent[dim] = -((r - extent[dim]) // step)
            parts.append(Region(tuple(start), tuple(stride), tuple(extent)))
        return parts

    def points(self) -> list[Region]:
        """Return each point as a region."""
        parts = [self]
        for d in range(len(self.extent)):
            parts = [q for p in parts for q in p.residues(d, p.extent[d])]
        return parts


def volume(bounds: Bounds) -> int:
    """Return the number of points within `bounds`."""
    return prod(hi - lo for lo, hi in bounds)


def complement(region: Region, box: Bounds) -> list[Region]:
    """Cut what is left of a region without a box into at most two slabs an axis."""
    rest = list(region.bounds)
    slabs = []
    for d, (lo, hi) in enumerate(box):
        for part in ((rest[d][0], lo), (hi, rest[d][1])):
            if part[0] < part[1]:
                slabs.append(region.narrowed((*rest[:d], part, *rest[d + 1 :])))
        rest[d] = (lo, hi)
    return slabs


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def locate(box: Box, index: Index, bounds: Bounds) -> tuple[Index, Bounds] | None:
    """Find where points of an array lie in a view of it.

    Parameters
    ----------
    box : Box
        The view.
    index : Index
        The points, in the array.
    bounds : Bounds
        The range of each counter.

    Returns
    -------
    (Index, Bounds) or None
        The index into the view, and the ranges of the counters for which the points lie in it;
        None if there are none.
    """
    inside = list(bounds)
    view = [Position(-1, 0, 0)] * len(box.shape)
    for axis, (dim, coef, off, _) in zip(box.axes, index, strict=True):
        start, step = axis.start, axis.step
        n = 1 if axis.view_axis is None else box.shape[axis.view_axis]
        if step < 0:
            # Count from the other end, and turn the position around below.
            start, step = start + step * (n - 1), -step
        if dim < 0:
            place, rest = divmod(off - start, step)
            if rest or not 0 <= place < n:
                return None
            at = Position(-1, 0, place)
        else:
            lo, hi = inside[dim]
            ends = sorted((coef * lo + off, coef * (hi - 1) + off))
            common = gcd(coef, step)
            if ends[1] < start or ends[0] > start + step * (n - 1) or (off - start) % common:
                return None
            if coef % step:
                raise ResidueError(dim, step // common)
            slope, shift = coef // step, (off - start) // step
            if slope > 0:
                first, last = _ceil(-shift, slope), (n - 1 - shift) // slope
            else:
                first, last = _ceil(shift - n + 1, -slope), shift // -slope
            lo, hi = max(lo, first), min(hi, last + 1)
            if lo >= hi:
                return None
            inside[dim] = (lo, hi)
            at = Position(dim, slope, shift)
        if axis.view_axis is not None:
            if axis.step < 0:
                at = Position(at.dim, -at.coef, n - 1 - at.off)
            view[axis.view_axis] = at
    return tuple(view), tuple(inside)

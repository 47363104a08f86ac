"""Loop nests: the boxes of points at which stored nodes are computed.

The domain of a nest is cut into one box in which no choice depends on the position, a loop without
branches, and at most two slabs an axis around it, whose loops ask at each point.  Full cutting
would cost more in compiling than it gains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from revolve_ad.native.passes.expression import Bounds, Index
from revolve_ad.native.passes.points import PartialError, Points
from revolve_ad.native.passes.regions import Region, ResidueError, complement, volume

__all__ = ["Loops", "Store", "TailError", "cover", "main_box"]

FEW_POINTS = 4
"""Slabs of so few points are written out point by point: then no index is unknown."""

TAIL_LOSS = 0.02
TAIL_RATIO = 4
"""A write to a small part is made by loops of its own afterwards, if keeping it would take from the
loop without branches more than the first share, and more than so many times its own size."""


@dataclass(frozen=True, slots=True)
class Store:
    """One assignment of a loop body.

    `flat`: the terms of `index` are to be added up; `at`: the expression of a flat position, if not
    -1, in place of `index`; `add`: ``+=`` instead of ``=``.
    """

    buffer: str
    index: Index
    value: int
    flat: bool = False
    add: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class Loops:
    """Loops over counters from 0 below `extent` with assignments in the innermost."""

    extent: tuple[int, ...]
    stores: tuple[Store, ...]


class TailError(Exception):
    """A scatter writes a small part in the middle of a loop."""

    def __init__(self, node: int) -> None:
        super().__init__(node)
        self.node = node


Body = Callable[[Points, Region], Sequence[Store]]
"""Evaluates what a loop over a region assigns."""


def main_box(region: Region, evaluate: Callable[[Region], object]) -> Region:
    """Find a large box of a region in which nothing depends on the position.

    Parameters
    ----------
    region : Region
        Where to look.
    evaluate : callable
        ``evaluate(part)`` evaluates the loop's values; may raise `PartialError`.

    Raises
    ------
    TailError
        If a write to a small part stands in the way.
    ResidueError
        If the region must be cut by remainders first.
    """
    while True:
        try:
            evaluate(region)
        except PartialError as partial:
            bounds, inside = region.bounds, partial.inside
            choices = [inside]
            for d, ((lo, hi), (a, b)) in enumerate(zip(bounds, inside, strict=True)):
                if lo < a:
                    choices.append((*bounds[:d], (lo, a), *bounds[d + 1 :]))
                if b < hi:
                    choices.append((*bounds[:d], (b, hi), *bounds[d + 1 :]))
            best = max(choices, key=volume)
            whole = volume(bounds)
            loss = whole - volume(best)
            if (
                partial.node >= 0
                and whole > 16
                and loss > TAIL_LOSS * whole
                and loss > TAIL_RATIO * volume(inside)
            ):
                raise TailError(partial.node) from None
            region = region.narrowed(best)
            continue
        return region


def cover(
    region: Region, body: Body, make: Callable[[bool], Points], *, done: Region | None = None
) -> list[Loops]:
    """Return loops that compute a body at every point of a region, each point once.

    Parameters
    ----------
    region : Region
        The points.
    body : callable
        ``body(points, part) -> stores`` for the points of a part.
    make : callable
        ``make(guarded) -> Points``.
    done : Region, optional
        A box of the region that other loops compute.
    """
    loops: list[Loops] = []
    parts = [region] if done is None else complement(region, _within(region, done))
    todo = [(part, done is not None) for part in parts]
    while todo:
        part, guarded = todo.pop(0)
        if part.volume == 0:
            continue
        try:
            if part.volume <= FEW_POINTS:
                loops.extend([Loops(p.extent, tuple(body(make(True), p))) for p in part.points()])
                continue
            if guarded:
                loops.append(Loops(part.extent, tuple(body(make(True), part))))
                continue
            inner = main_box(part, lambda box: body(make(False), box))
            loops.append(Loops(inner.extent, tuple(body(make(False), inner))))
            todo.extend((slab, True) for slab in complement(part, _within(part, inner)))
        except ResidueError as residue:
            todo[:0] = [(r, guarded) for r in part.residues(residue.dim, residue.step)]
    return loops


def _within(region: Region, box: Region) -> Bounds:
    """Return a box of a region, of the same steps, as ranges of the region's counters."""
    found = []
    for start, step, first, n in zip(region.start, region.step, box.start, box.extent, strict=True):
        lo = (first - start) // step
        found.append((lo, lo + n))
    return tuple(found)

"""Which loops touch the same elements, and which run over the same rows.

Narrow loops over the ends of rows are written beside the loop over the rows themselves: after a
loop over a large array its first columns lie in the cache no more, and come from far element by
element.  They took up to a third of an adjoint step.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from revolve_ad.native.passes.expression import Graph, Index
from revolve_ad.native.passes.nests import Loops, Store

__all__ = ["Ranges", "bundled", "dependent", "joined", "overlap", "reach"]

WIDE = 8
"""Elements of a row that may be written apart from the row, beside it."""

Ranges = tuple[tuple[int, int], ...]
"""A box of an array: the first element along each axis, and the one after the last."""


Touch = tuple[str, Ranges | None]


def reach(index: Index, extent: Sequence[int]) -> Ranges:
    """Return the smallest box of an array that holds what loops touch at `index`."""
    found = []
    for dim, coef, off, wrap in index:
        if wrap:
            found.append((0, wrap))
            continue
        last = off + coef * (extent[dim] - 1) if dim >= 0 else off
        found.append((min(off, last), max(off, last) + 1))
    return tuple(found)


def overlap(one: Ranges, other: Ranges) -> bool:
    """Tell whether two boxes have an element in common."""
    return all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True))


def _roots(loops: Loops) -> list[int]:
    return [e for s in loops.stores for e in (s.value, s.at) if e >= 0]


def _touched(graph: Graph, loops: Loops) -> tuple[list[Touch], list[Touch]]:
    """Return what loops read and what they write: buffers and boxes, None for anywhere."""
    read: list[Touch] = []
    written: list[Touch] = []
    for s in loops.stores:
        anywhere = s.flat or s.at >= 0
        written.append((s.buffer, None if anywhere else reach(s.index, loops.extent)))
        if s.add:
            read.append(written[-1])
    for i in graph.reachable(_roots(loops)):
        expr = graph.exprs[i]
        if expr.kind == "take":
            read.append((expr.what, None))
        elif expr.kind == "load":
            buffer, index, flat = expr.what
            read.append((buffer, None if flat else reach(index, loops.extent)))
    return read, written


def dependent(graph: Graph, one: Loops, other: Loops) -> bool:
    """Tell whether it may matter which of two loops comes first."""
    reads, writes = _touched(graph, one)
    others_reads, others_writes = _touched(graph, other)
    return any(
        a == b and (x is None or y is None or overlap(x, y))
        for mine, theirs in ((writes, others_reads + others_writes), (reads, others_writes))
        for a, x in mine
        for b, y in theirs
    )


def joined(graph: Graph, loops: Sequence[Loops]) -> list[Loops]:
    """Return loops of which those in a row that are one point each are one: they share values."""
    found: list[Loops] = []
    written: set[str] = set()
    for nest in loops:
        point = all(n == 1 for n in nest.extent)
        last = found[-1] if found else None
        read = {graph.buffer(i) for i in graph.reachable(_roots(nest))}
        if point and last is not None and all(n == 1 for n in last.extent) and not read & written:
            found[-1] = Loops((), (*last.stores, *nest.stores))
        else:
            found.append(Loops((), nest.stores) if point else nest)
            written = set()
        written |= {s.buffer for s in nest.stores}
    return found


def bundled(graph: Graph, loops: Sequence[Loops]) -> list[list[Loops]]:
    """Put narrow loops over the ends of rows together with the loop over the rows, which is first.

    The loops of a bundle are one loop over the outer counters.
    """
    found: list[list[Loops]] = []
    for nest in loops:
        for k in range(len(found) - 1, -1, -1):
            if _shares_rows(found[k][0], nest) and not any(
                dependent(graph, nest, other) for other in found[k]
            ):
                found[k].append(nest)
                break
            if any(dependent(graph, nest, other) for other in found[k]):
                found.append([nest])
                break
        else:
            found.append([nest])
    return found


def _shares_rows(rows: Loops, nest: Loops) -> bool:
    """Whether loops run over the same rows, the second ones over few elements of each."""
    a, b = rows.extent, nest.extent
    return (
        len(a) == len(b) >= 2
        and a[:-1] == b[:-1]
        and prod(a[:-1]) > 1
        and a[-1] > WIDE >= b[-1]
        and not any(s.add and s.at < 0 and _is_point(s) for x in (rows, nest) for s in x.stores)
    )


def _is_point(store: Store) -> bool:
    return all(p.dim < 0 for p in store.index)

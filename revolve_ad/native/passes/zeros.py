"""Parts of cotangents that every adjoint step leaves zero: neither written nor read again.

A step that overwrites an array makes the cotangent of what was there zero.  Where the cotangent
stays in one array, the first adjoint step writes these zeros; the steps that follow need not, and
need not read them either.  Two passes over memory of five fall away in a relaxation between two
arrays.

The loops of later steps are those of the first with the number in place of the load, and no sum
that has a zero in it is shortened: they give the same bits, so that it doesn't matter where a
stretch of steps begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from revolve_ad.native.passes.expression import Graph
from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.passes.nests import Loops, Store
from revolve_ad.native.passes.rows import Ranges, bundled, overlap, reach
from revolve_ad.native.passes.turns import Turns, Type

__all__ = ["LEAST", "known_zeros"]

LEAST = 1024
"""Elements that must be known to be zero before further loops are compiled for it."""


def known_zeros(
    fused: Fused, turns: Turns, types: Sequence[Type], *, least: int | None = None
) -> tuple[Fused, dict[int, bool]]:
    """Split the loops of an adjoint step into those of the first step and those of later ones.

    Parameters
    ----------
    fused : Fused
        The loops; they stay as they are.
    turns : Turns
        Of the cotangents.  Only those that stay in their arrays can be known.
    types : sequence of (shape, dtype)
        Of the cotangents.
    least : int, optional
        By default `LEAST`.

    Returns
    -------
    fused : Fused
        With further nests.
    when : dict of int to bool
        The nests that run only sometimes: True, where the zeros stand already; False, where not.
    """
    least = LEAST if least is None else least
    zones: dict[str, tuple[Ranges, int]] = {}
    fills: set[Store] = set()
    for c, source in enumerate(turns.source):
        if source != c:
            continue
        found = _zone(fused, f"g{c}", max(least, prod(types[c][0]) // 4))
        if found is not None:
            store, ranges = found
            zones[store.buffer] = ranges, store.value
            fills.add(store)
    if not zones:
        return fused, {}
    nests, when = [], {}
    for nest in fused.nests:
        large = max((prod(x.extent) for x in nest.loops), default=0) // 4
        # Runs of loops that are all the same in later steps, or all different.
        runs: list[tuple[bool, list[Loops], list[Loops]]] = []
        for bundle in bundled(fused.graph, nest.loops):
            later = bundle
            if prod(bundle[0].extent) >= max(large, least):
                later = [_later(fused.graph, bundle[0], zones, fills), *bundle[1:]]
            changed = later[0] is not bundle[0]
            if not runs or runs[-1][0] != changed:
                runs.append((changed, [], []))
            runs[-1][1].extend(bundle)
            runs[-1][2].extend(x for x in later if x.stores)
        if not any(changed for changed, _, _ in runs):
            nests.append(nest)
            continue
        for k, (changed, first, later_ones) in enumerate(runs):
            targets = nest.targets if k == 0 else ()
            if changed:
                when[len(nests)] = False
            nests.append(replace(nest, targets=targets, loops=tuple(first)))
            if changed and later_ones:
                when[len(nests)] = True
                nests.append(replace(nest, targets=(), loops=tuple(later_ones)))
    return replace(fused, nests=nests), when


def _zone(fused: Fused, buffer: str, least: int) -> tuple[Store, Ranges] | None:
    """Find the largest box of a buffer that is written once, with a number."""
    graph = fused.graph
    written: list[tuple[Store, Ranges]] = []
    best: tuple[Store, Ranges] | None = None
    for nest in fused.nests:
        if nest.call is not None and buffer in nest.call.results:
            return None
        if nest.kernel is not None and buffer in nest.kernel.buffers:
            return None
        for loops in nest.loops:
            for store in loops.stores:
                if store.buffer != buffer:
                    continue
                if store.flat or store.add or store.at >= 0:
                    return None
                ranges = reach(store.index, loops.extent)
                written.append((store, ranges))
                if graph.exprs[store.value].kind != "const":
                    continue
                if not all(p.dim < 0 or p.coef == 1 for p in store.index):
                    continue
                if best is None or _volume(ranges) > _volume(best[1]):
                    best = store, ranges
    if best is None or _volume(best[1]) < least:
        return None
    others = [r for s, r in written if s is not best[0]]
    return None if any(overlap(best[1], r) for r in others) else best


def _volume(ranges: Ranges) -> int:
    return prod(b - a for a, b in ranges)


def _later(
    graph: Graph, loops: Loops, zones: dict[str, tuple[Ranges, int]], fills: set[Store]
) -> Loops:
    """Return loops without the zeros; the same object if they have none."""
    memo: dict[int, int] = {}
    roots = [e for s in loops.stores for e in (s.value, s.at) if e >= 0]
    for k in graph.reachable(roots):
        expr = graph.exprs[k]
        memo[k] = k
        if expr.kind == "load" and expr.what[0] in zones and not expr.what[2]:
            zone, value = zones[expr.what[0]]
            ranges = reach(expr.what[1], loops.extent)
            if all(a <= c and d <= b for (a, b), (c, d) in zip(zone, ranges, strict=True)):
                memo[k] = value
        elif any(memo[a] != a for a in expr.args):
            memo[k] = graph.unchanged(expr._replace(args=tuple(memo[a] for a in expr.args)))
    stores = tuple(
        replace(s, value=memo[s.value], at=memo[s.at] if s.at >= 0 else s.at)
        for s in loops.stores
        if s not in fills
    )
    return loops if stores == loops.stores else Loops(loops.extent, stores)

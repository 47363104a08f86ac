"""Cotangents that take over another one's array: fewer passes over memory.

In the leapfrog scheme of the wave equation the cotangent of the older field is minus that of the
newer one, but for the border.  The array is passed on as it is; only the border is written, and
that its sign is the other one is told to whoever reads it.  The cotangent of the newer field is
added up in place of the older one's, which nobody needs any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import prod

from revolve_ad.native.passes.expression import Graph
from revolve_ad.native.passes.fuse import Fused, Nest
from revolve_ad.native.passes.nests import Loops, Store
from revolve_ad.native.passes.rows import Ranges, overlap, reach
from revolve_ad.native.passes.turns import Turns, Type

__all__ = ["pass_on"]

EDGE = 0.2
"""The share of an array that may be written as its edge."""


def pass_on(
    fused: Fused, turns: Turns, types: Sequence[Type], *, fixed: Collection[int]
) -> tuple[Turns, tuple[int, ...]]:
    """Let cotangents be passed on, in the loops of an adjoint step.

    Parameters
    ----------
    fused : Fused
        The loops, from the cotangents ``g`` to ``h``; they are changed.
    turns : Turns
        Of the cotangents.
    types : sequence of (shape, dtype)
        Of the cotangents.
    fixed : collection of int
        Cotangents whose sign must stay.

    Returns
    -------
    turns : Turns
        With what is passed on now.
    negated : tuple of int
        The cotangents that the loops are given, and leave, with the other sign.
    """
    negated: list[int] = []
    for c in turns.computed:
        for i in range(len(types)):
            if i == c or types[i] != types[c] or i in turns.source or _leads(turns, i, c):
                continue
            sign = _sign(fused, f"h{c}", f"g{i}", prod(types[c][0]))
            if sign == 0 or (sign < 0 and c in fixed):
                continue
            found = _turned(turns, c, i, types)
            if found is None:
                continue
            _drop(fused, c, i, sign)
            turns = found
            if sign < 0:
                negated.append(c)
            break
    filled = _postpone(fused, turns.computed)
    for c in sorted(turns.computed, key=lambda c: c not in filled):
        for i in (c, *(i for i in range(len(types)) if i != c)):
            if types[i] == types[c] and i not in turns.source:
                found = _turned(turns, c, i, types)
                if found is not None and _can_be_in_place(fused, f"h{c}", f"g{i}"):
                    _rename(fused, f"h{c}", f"g{i}")
                    turns = found
                    break
    return turns, tuple(negated)


def _postpone(fused: Fused, leaves: Collection[int]) -> set[int]:
    """Write a cotangent of which most is a number only when the older one was read.

    Returns these cotangents.  They are best kept in their arrays: see `known_zeros`.
    """
    found = set()
    for c in leaves:
        own = [k for k, n in enumerate(fused.nests) if any(t.buffer == f"h{c}" for t in n.targets)]
        if len(own) != 1 or not _is_filled(fused, fused.nests[own[0]]):
            continue
        (k,) = own
        readers = [r for r, n in enumerate(fused.nests) if f"g{c}" in _read(fused, n)]
        last = max([k, *readers])
        if any(f"h{c}" in _read(fused, n) for n in fused.nests[k : last + 1]):
            continue
        fused.nests.insert(last, fused.nests.pop(k))
        found.add(c)
    return found


def _is_filled(fused: Fused, nest: Nest) -> bool:
    """Tell whether a nest writes one buffer, and most of it with a number."""
    if not nest.loops or len(nest.targets) != 1:
        return False
    largest = max(nest.loops, key=lambda loops: prod(loops.extent))
    return all(fused.graph.exprs[s.value].kind == "const" for s in largest.stores)


def _read(fused: Fused, nest: Nest) -> set[str]:
    """Return the buffers that a nest reads."""
    if nest.call is not None:
        return set(nest.call.operands)
    if nest.kernel is not None:
        return set(nest.kernel.buffers)
    roots = [e for x in nest.loops for s in x.stores for e in (s.value, s.at) if e >= 0]
    exprs = [fused.graph.exprs[k] for k in fused.graph.reachable(roots)]
    return {e.what[0] if e.kind == "load" else e.what for e in exprs if e.kind in ("load", "take")}


def _can_be_in_place(fused: Fused, target: str, source: str) -> bool:
    """Tell whether `source` is read only where `target` is written, or before that."""
    graph, began = fused.graph, False
    written: list[Ranges] = []
    for nest in fused.nests:
        if nest.call is not None or nest.kernel is not None:
            return False
        for loops in nest.loops:
            own = [s for s in loops.stores if s.buffer == target]
            began = began or bool(own)
            if any(s.buffer == source or s.flat or s.add or s.at >= 0 for s in own):
                return False
            boxes = [reach(s.index, loops.extent) for s in own]
            again = any(overlap(a, b) for a in boxes for b in written)
            written += boxes
            if began and any(s.buffer == source for s in loops.stores):
                return False
            roots = [e for s in loops.stores for e in (s.value, s.at) if e >= 0]
            for k in graph.reachable(roots):
                expr = graph.exprs[k]
                if expr.kind == "take" and expr.what in (target, source):
                    return False
                if not began or expr.kind != "load":
                    continue
                same = len(own) == 1 and expr.what[1:] == (own[0].index, False)
                # Where it was written once already, it is no more what it was.
                if expr.what[0] == source and (again or not same):
                    return False
                # What is written once more is read where it was written.
                if expr.what[0] == target and not same:
                    return False
    return began


def _rename(fused: Fused, target: str, source: str) -> None:
    """Let a buffer be another one."""
    graph = fused.graph
    memo: dict[int, int] = {}
    nests = []
    for nest in fused.nests:
        loops = []
        for one in nest.loops:
            stores = tuple(
                replace(
                    s,
                    buffer=source if s.buffer == target else s.buffer,
                    value=_rewritten(graph, s.value, target, source, memo),
                )
                for s in one.stores
            )
            loops.append(Loops(one.extent, stores))
        targets = tuple(
            replace(t, buffer=source) if t.buffer == target else t for t in nest.targets
        )
        nests.append(replace(nest, targets=targets, loops=tuple(loops)))
    fused.nests[:] = nests


def _leads(turns: Turns, i: int, c: int) -> bool:
    """Tell whether what leaf `i` passes on comes from leaf `c`."""
    while True:
        if i == c:
            return True
        following = turns.source[i]
        if following is None:
            return False
        i = following


def _turned(turns: Turns, c: int, i: int, types: Sequence[Type]) -> Turns | None:
    """Return the turns where leaf `c` takes over the array of leaf `i`."""
    source = tuple(i if j == c else s for j, s in enumerate(turns.source))
    held = {s for s in source if s is not None}
    free = [j for j in range(len(source)) if j not in held]
    freed = {}
    for j, s in enumerate(source):
        if s is None:
            match = next((f for f in free if types[f] == types[j]), None)
            if match is None:
                return None
            free.remove(match)
            freed[j] = match
    return Turns(source, freed)


def _copied(graph: Graph, store: Store, buffer: str) -> int:
    """Return the sign with which a store copies the same element of a buffer; 0 if it doesn't."""
    expr, sign = graph.exprs[store.value], 1
    if expr.kind == "op" and expr.what == "negative":
        expr, sign = graph.exprs[expr.args[0]], -1
    same = expr.kind == "load" and expr.what == (buffer, store.index, False)
    return sign if same and not (store.flat or store.add or store.at >= 0) else 0


def _sign(fused: Fused, target: str, source: str, size: int) -> int:
    """Return the sign with which `target` is `source` but for an edge; 0 if it isn't."""
    graph, signs, edge = fused.graph, set(), 0
    for nest in fused.nests:
        if nest.call is not None or nest.kernel is not None:
            return 0
        for loops in nest.loops:
            roots = [e for s in loops.stores for e in (s.value, s.at) if e >= 0]
            for k in graph.reachable(roots):
                expr = graph.exprs[k]
                if expr.kind == "load" and expr.what[0] == target:
                    return 0
                if expr.kind == "take" and expr.what in (target, source):
                    return 0
            for store in loops.stores:
                if store.buffer != target:
                    continue
                sign = _copied(graph, store, source)
                if sign:
                    signs.add(sign)
                elif graph.exprs[store.value].kind == "const" and not store.add:
                    edge += prod(loops.extent)
                else:
                    return 0
    return signs.pop() if len(signs) == 1 and edge <= EDGE * size else 0


def _drop(fused: Fused, c: int, i: int, sign: int) -> None:
    """Write only the edge of ``h{c}``, at the end, into the array of ``g{i}``."""
    graph, target, source = fused.graph, f"h{c}", f"g{i}"
    memo: dict[int, int] = {}
    nests: list[Nest] = []
    edge: list[Loops] = []
    for nest in fused.nests:
        kept: list[Loops] = []
        for loops in nest.loops:
            rest = []
            for store in loops.stores:
                if store.buffer == target:
                    if not _copied(graph, store, source):
                        expr = graph.exprs[store.value]
                        value = graph.const(expr.what * sign, expr.dtype)
                        stored = replace(store, buffer=source, value=value)
                        edge.append(Loops(loops.extent, (stored,)))
                    continue
                if sign < 0:
                    value = _rewritten(graph, store.value, f"g{c}", "", memo)
                    store = replace(store, value=value)
                rest.append(store)
            if rest:
                kept.append(Loops(loops.extent, tuple(rest)))
        left = tuple(t for t in nest.targets if t.buffer != target)
        if kept:
            nests.append(replace(nest, targets=left, loops=tuple(kept)))
    if edge:
        nests.append(Nest((), tuple(edge)))
    fused.nests[:] = nests


def _rewritten(graph: Graph, root: int, buffer: str, other: str, memo: dict[int, int]) -> int:
    """Return an expression in which `other` is read for a buffer; without one, minus the buffer."""
    for k in graph.reachable([root]):
        if k in memo:
            continue
        expr = graph.exprs[k]
        args = tuple(memo[a] for a in expr.args)
        if expr.kind == "load" and expr.what[0] == buffer:
            if other:
                memo[k] = graph.load(other, expr.what[1], expr.dtype, flat=expr.what[2])
            else:
                memo[k] = graph.op("negative", expr.dtype, (k,))
        elif args == expr.args:
            memo[k] = k
        elif expr.kind == "op" and expr.what == "cast":
            memo[k] = graph.cast(args[0], expr.dtype)
        elif expr.kind == "op":
            memo[k] = graph.op(expr.what, expr.dtype, args)
        elif expr.kind == "select":
            memo[k] = graph.select(expr.what, *args)
        else:
            memo[k] = graph.take(expr.what, args[0], expr.dtype)
    return memo[root]

"""Loops over rows go around a loop along them, if rows don't touch what others touch.

A solve along the last axis loops over that axis, level by level, and in each level over all rows:
elements far from each other, which the cache has lost when the next level needs their neighbours.
Row by row all levels stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.dependence import most, reach
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    accesses_of,
    statements,
)

__all__ = ["interchanged"]


def interchanged(body: Sequence[Statement]) -> list[Statement]:
    """Return statements in which loops over rows stand outside, where that is possible."""
    return [_around(s) if isinstance(s, Loop) else s for s in body]


def _around(levels: Loop) -> Loop:
    levels = Loop(levels.name, levels.count, interchanged(levels.body), levels.free, levels.carried)
    rows = [s for s in levels.body if isinstance(s, Loop)]
    if levels.free or levels.carried or levels.count.steps or levels.count.base < 2 or not rows:
        return levels
    n = rows[0].count
    for s in levels.body:
        if isinstance(s, Loop):
            if s.count != n or n.steps or n.base < 2 or not s.free or s.carried:
                return levels
            if not any(isinstance(t, Loop) for t in s.body):
                return levels
        elif not (isinstance(s, Let) or (isinstance(s, Load) and s.access.buffer.fixed)):
            return levels
    name = rows[0].name
    body: list[Statement] = []
    for s in levels.body:
        body += [_named(t, s.name, name) for t in s.body] if isinstance(s, Loop) else [s]
    inner = Loop(levels.name, levels.count, body)
    return Loop(name, n, [inner], True) if _apart(inner, name, n.base) else levels


def _apart(loop: Loop, row: int, n: int) -> bool:
    """Whether what a loop touches in one row is touched in no other, if it is written."""
    counts = {row: n}
    for s in statements([loop]):
        if isinstance(s, Loop):
            counts[s.name] = most(s.count, counts)
    extents: dict[Buffer, list[tuple[int, int, int]]] = {}
    written: set[Buffer] = set()
    for access, writes in accesses_of([loop]):
        at = access.at
        if any(k not in counts for k, _ in at.steps):
            return False
        extents.setdefault(access.buffer, []).append((at.step(row), *reach(at, counts, row)))
        if writes:
            written.add(access.buffer)
    for buffer in written:
        steps = {step for step, _, _ in extents[buffer]}
        low = min(lo for _, lo, _ in extents[buffer])
        high = max(hi for _, _, hi in extents[buffer])
        if len(steps) != 1 or high - low >= abs(steps.pop()):
            return False
    return True


def _named(s: Statement, old: int, new: int) -> Statement:
    """Return a statement in terms of another loop's counter."""

    def there(access: Access) -> Access:
        return Access(access.buffer, access.at.renamed(old, new))

    if isinstance(s, Load):
        return Load(s.out, there(s.access), s.flags)
    if isinstance(s, Store):
        return Store(there(s.access), s.value, s.makes)
    if isinstance(s, Add):
        return Add(there(s.access), s.value)
    if isinstance(s, Loop):
        body = [_named(t, old, new) for t in s.body]
        return Loop(s.name, Affine(*s.count).renamed(old, new), body, s.free, s.carried)
    return s

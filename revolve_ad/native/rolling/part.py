"""Adds up what loops add to neighbouring elements in arrays beside, so that they are vector code.

The adjoint of a stencil adds to several elements a pass.  Two that are a few elements apart keep a
compiler from working on several passes at once.  So each pass writes what it would add into a strip
of memory, of which a second loop adds the neighbours: with zeros at both ends it needs no cases.
The strip is as long as an inner loop, and is used again in each row; or, where one number is added
to several rows, as two loops: that second loop then writes each element once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from revolve_ad.ad.core import elementwise
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    statements,
    with_innermost,
)

__all__ = ["parted"]

FAR = 16
"""Elements between two that vector code takes for unrelated."""

FEW = 4
"""Zeros that are written without a loop."""

SHORTEST = 8
"""Passes of a loop that is worth two."""

LARGEST = 2**19
"""Bytes of a strip for two loops at most: it should stay in the cache."""

_ADD = elementwise(np.add)


def parted(body: Sequence[Statement], values: Values) -> list[Statement]:
    """Return an adjoint whose inner loops add to each element once a pass."""
    parting = _Parting(values)
    out = with_innermost(parting.pulled(body), parting.parts)
    return [*parting.zeros, *out]


@dataclass(slots=True)
class _Parting:
    values: Values
    zeros: list[Statement] = field(default_factory=list)
    """Writes what isn't written else of the strips."""

    def pulled(self, body: Sequence[Statement]) -> list[Statement]:
        """Return statements in which nests add one number to several rows afterwards."""
        out: list[Statement] = []
        for s in body:
            if isinstance(s, Loop):
                s = Loop(s.name, s.count, self.pulled(s.body), s.free, s.carried)
                out += self.pull(s)
            else:
                out.append(s)
        return out

    def pull(self, rows: Loop) -> list[Statement]:
        """Return a loop around one loop, or that and what adds up afterwards."""
        inner = [s for s in rows.body if isinstance(s, Loop)]
        if len(inner) != 1 or not rows.free or rows.count.steps or rows.count.base < SHORTEST:
            return [rows]
        (columns,) = inner
        n, width = rows.count.base, columns.count.base
        if not columns.free or columns.count.steps or width < SHORTEST:
            return [rows]
        adds = [s for s in columns.body if isinstance(s, Add)]
        others = {
            s.access.buffer
            for s in statements(rows.body)
            if isinstance(s, Load | Store | Add) and not any(s is t for t in adds)
        }
        made: dict[int, list[Statement]] = {}
        sums: list[Statement] = []
        for group in _alike([s for s in adds if s.access.buffer not in others]):
            at = group[0].access.at
            step, dtype = at.step(rows.name), group[0].access.buffer.dtype
            span = _span(group)
            size = step * (n - 1) + width
            if (
                2 * len({s.value for s in group}) > len(group)
                or at.step(columns.name) != 1
                or step < width
                or span < step
                or span > size
                or size * dtype.itemsize > LARGEST
            ):
                continue
            loops = [(rows.name, step, n), (columns.name, 1, width)]
            stores, sum_ = self.summed(group, loops)
            made |= stores
            sums.append(sum_)
        if not sums:
            return [rows]
        body = [t for s in columns.body for t in made.get(id(s), [s])]
        short = Loop(columns.name, columns.count, body, True, columns.carried)
        around = [short if s is columns else s for s in rows.body]
        return [Loop(rows.name, rows.count, around, True, rows.carried), *sums]

    def parts(self, loop: Loop) -> list[Statement]:
        """Return an inner loop, or the two that do the same."""
        adds = [s for s in loop.body if isinstance(s, Add)]
        n = loop.count.base
        if not loop.free or loop.count.steps or n < SHORTEST or len(adds) < 2:
            return [loop]
        others = {s.access.buffer for s in loop.body if isinstance(s, Load | Store)}
        made: dict[int, list[Statement]] = {}
        sums: list[Statement] = []
        for group in _neighbours([s for s in adds if s.access.at.step(loop.name) == 1]):
            if len(group) > 1 and group[0].access.buffer not in others:
                stores, sum_ = self.summed(group, [(loop.name, 1, n)])
                made |= stores
                sums.append(sum_)
        if not sums:
            return [loop]
        inner = [t for s in loop.body for t in made.get(id(s), [s])]
        return [Loop(loop.name, loop.count, inner, True, loop.carried), *sums]

    def summed(
        self, group: Sequence[Add], loops: Sequence[tuple[int, int, int]]
    ) -> tuple[dict[int, list[Statement]], Loop]:
        """Return what each addition becomes, and the loop that adds up.

        `loops` are those that the strips are for: name, step and number of passes.
        """
        buffer, at = group[0].access
        dtype, span = buffer.dtype, _span(group)
        least = min(s.access.at.base for s in group)
        size = 1 + sum(step * (n - 1) for _, step, n in loops)
        made: dict[int, list[Statement]] = {}
        strips: dict[int, Buffer] = {}
        along = self.values.loop()
        terms: list[int] = []
        each: list[Statement] = []
        for s in sorted(group, key=lambda s: s.access.at.base):
            made[id(s)] = []
            strip = strips.get(s.value)
            if strip is None:
                strip = strips[s.value] = self.values.buffer("strip", (size + 2 * span,), dtype)
                self.clear(strip, span, loops)
                there = Affine(span, tuple((name, step) for name, step, _ in loops))
                made[id(s)] = [Store(Access(strip, there), s.value)]
            place = Affine(span - (s.access.at.base - least)).moved(along, 1)
            load = Load(self.values.new(dtype), Access(strip, place))
            each.append(load)
            terms.append(load.out)
        total = terms[0]
        for term in terms[1:]:
            let = Let(self.values.new(dtype), _ADD, (), (total, term))
            each.append(let)
            total = let.out
        own = {name for name, _, _ in loops}
        outer = tuple(t for t in at.steps if t[0] not in own)
        each.append(Add(Access(buffer, Affine(least, (*outer, (along, 1)))), total))
        return made, Loop(along, Affine(size + span), each, True)

    def clear(self, strip: Buffer, span: int, loops: Sequence[tuple[int, int, int]]) -> None:
        """Write zeros at the ends of a strip, and between its rows."""
        self.zero(strip, Affine(0), span)
        self.zero(strip, Affine(strip.size - span), span)
        if len(loops) > 1:
            (_, step, n), (_, _, width) = loops
            row = self.values.loop()
            before = self.zeros
            self.zeros = []
            self.zero(strip, Affine(span + width).moved(row, step), step - width)
            if self.zeros:
                before.append(Loop(row, Affine(n - 1), self.zeros, True))
            self.zeros = before

    def zero(self, strip: Buffer, at: Affine, n: int) -> None:
        """Write zeros from some place on."""
        let = self.values.literal(strip.dtype.type(0).item(), strip.dtype)
        if n <= FEW:
            stores: list[Statement] = [Store(Access(strip, at.plus(k)), let.out) for k in range(n)]
            self.zeros += [let, *stores] if stores else []
            return
        loop = self.values.loop()
        self.zeros += [
            let,
            Loop(loop, Affine(n), [Store(Access(strip, at.moved(loop, 1)), let.out)], True),
        ]


def _span(group: Sequence[Add]) -> int:
    bases = [s.access.at.base for s in group]
    return max(bases) - min(bases)


def _alike(adds: Sequence[Add]) -> list[list[Add]]:
    """Return additions in groups, each to elements of one array that move alike."""
    found: dict[Any, list[Add]] = {}
    for s in adds:
        found.setdefault((s.access.buffer, frozenset(s.access.at.steps)), []).append(s)
    return list(found.values())


def _neighbours(adds: Sequence[Add]) -> list[list[Add]]:
    """Return additions in groups, each to elements that lie near each other."""
    found: list[list[Add]] = []
    for s in sorted(adds, key=lambda s: s.access.at.base):
        for group in found:
            last = group[-1].access
            if (
                last.buffer is s.access.buffer
                and set(last.at.steps) == set(s.access.at.steps)
                and s.access.at.base - group[0].access.at.base < FAR
            ):
                group.append(s)
                break
        else:
            found.append([s])
    return found

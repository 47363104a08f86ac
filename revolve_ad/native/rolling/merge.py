"""Puts loops over equal boxes together, so that what passes between them stays in registers.

Each operation on whole arrays is a nest of its own at first.  A nest goes into an earlier one of
the same lengths if what both touch is the same element in the same pass, and if nothing between
them stands in the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.dependence import reach
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
    made,
    statements,
    uses,
)

__all__ = ["merged", "read_once"]

LONGEST = 120
"""Statements of a merged nest: longer ones compile slowly, and run out of registers."""

FARTHEST = 40
"""Nests that are passed over in search of one to go into."""


def read_once(body: Sequence[Statement]) -> set[Buffer]:
    """Return the arrays that one nest writes as a whole and another then reads as a whole."""
    made: dict[Buffer, int] = {}
    taken: dict[Buffer, int] = {}
    sites: dict[Buffer, int] = {}
    for access, _ in accesses_of(body):
        sites[access.buffer] = sites.get(access.buffer, 0) + 1
    lists = [body]
    while lists:
        here = lists.pop()
        for s in here:
            if not isinstance(s, Loop):
                continue
            nest = _nest(s)
            if nest is None:
                lists.append(s.body)
                continue
            counts = {loop.name: loop.count.base for loop in nest.loops}
            points = prod(counts.values())
            for t in nest.body:
                if isinstance(t, Load | Store) and t.access.buffer.size == points:
                    if _distinct(t.access.at, counts):
                        found = taken if isinstance(t, Load) else made
                        found[t.access.buffer] = id(here)
    return {
        b for b, home in made.items() if b.kind == "temp" and sites[b] == 2 and taken.get(b) == home
    }


class _Nest(NamedTuple):
    """Loops right within each other, over a box, around statements without loops."""

    loops: list[Loop]
    body: list[Statement]

    @property
    def shape(self) -> list[int]:
        """How often each loop runs."""
        return [loop.count.base for loop in self.loops]


def merged(body: Sequence[Statement]) -> list[Statement]:
    """Return statements with nests merged."""
    out: list[Statement] = []
    for s in _numbers_first(body):
        if isinstance(s, Loop):
            nest = _nest(s)
            if nest is None:
                s = Loop(s.name, s.count, merged(s.body), s.free, s.carried)
            else:
                n = _home(out, nest)
                if n is not None:
                    out[n] = _joined(out[n], nest)
                    continue
        out.append(s)
    return out


def _numbers_first(body: Sequence[Statement]) -> list[Statement]:
    """Return statements with what no loop changes before the loops, so that it parts none."""
    late = {v for s in body if isinstance(s, Loop) for v in made([s])}
    first: list[Statement] = []
    rest: list[Statement] = []
    for s in body:
        if isinstance(s, Let) or (isinstance(s, Load) and s.access.buffer.fixed):
            if late.isdisjoint(uses(s)):
                first.append(s)
                continue
            late.add(s.out)
        elif isinstance(s, Load):
            late.add(s.out)
        rest.append(s)
    return [*first, *rest]


def _nest(s: Statement) -> _Nest | None:
    """Return a statement as a nest, if it is one."""
    loops: list[Loop] = []
    while isinstance(s, Loop) and s.free and not s.carried and not s.count.steps:
        loops.append(s)
        if len(s.body) == 1 and isinstance(s.body[0], Loop):
            s = s.body[0]
            continue
        if any(isinstance(t, Loop) for t in s.body):
            return None
        return _Nest(loops, s.body)
    return None


def _home(before: Sequence[Statement], nest: _Nest) -> int | None:
    """Return the number of the statement that a nest can go into."""
    read, written = _touched(nest.body)
    outside = {v for s in nest.body for v in uses(s)}
    for n in range(len(before) - 1, max(len(before) - FARTHEST, 0) - 1, -1):
        s = before[n]
        other = _nest(s)
        if (
            other is not None
            and other.shape == nest.shape
            and len(other.body) + len(nest.body) <= LONGEST
            and _agree(other, nest)
        ):
            return n
        # Otherwise the nest must pass before it.
        if isinstance(s, Let | Load) and s.out in outside:
            return None
        if isinstance(s, Loop) and any(c.out in outside for c in s.carried):
            return None
        their_read, their_written = _touched([s])
        if written & (their_read | their_written) or read & their_written:
            return None
    return None


def _touched(body: Sequence[Statement]) -> tuple[set[Buffer], set[Buffer]]:
    read: set[Buffer] = set()
    written: set[Buffer] = set()
    for s in statements(body):
        if isinstance(s, Load):
            read.add(s.access.buffer)
        elif isinstance(s, Store | Add):
            written.add(s.access.buffer)
    return read, written


def _renaming(first: _Nest, second: _Nest) -> dict[int, int]:
    return {b.name: a.name for a, b in zip(first.loops, second.loops, strict=True)}


def _renamed(at: Affine, names: dict[int, int]) -> Affine:
    steps = sorted((names.get(name, name), step) for name, step in at.steps)
    return Affine(at.base, tuple(steps))


def _agree(first: _Nest, second: _Nest) -> bool:
    """Whether each pass of `second` may follow the same pass of `first` at once."""
    names = _renaming(first, second)
    counts = {loop.name: loop.count.base for loop in first.loops}
    there: dict[Buffer, list[tuple[Affine, bool]]] = {}
    for access, writes in accesses_of(first.body):
        there.setdefault(access.buffer, []).append((_renamed(access.at, {}), writes))
    for access, writes in accesses_of(second.body):
        at = _renamed(access.at, names)
        for other, other_writes in there.get(access.buffer, ()):
            if not writes and not other_writes:
                continue
            if at == other and _distinct(at, counts):
                continue
            if not _separate(at, other, counts):
                return False
    return True


def _distinct(at: Affine, counts: dict[int, int]) -> bool:
    """Whether each pass has an element of its own."""
    span = 0
    steps = {name: step for name, step in at.steps if name in counts}
    if any(name not in steps and n > 1 for name, n in counts.items()):
        return False
    for step, n in sorted((abs(step), counts[name]) for name, step in steps.items()):
        if step <= span:
            return False
        span += step * (n - 1)
    return True


def _separate(a: Affine, b: Affine, counts: dict[int, int]) -> bool:
    """Whether two accesses touch no common element in a run of the nest."""
    if [t for t in a.steps if t[0] not in counts] != [t for t in b.steps if t[0] not in counts]:
        return False
    steps = {name: step for name, step in a.steps if name in counts}
    if steps == {name: step for name, step in b.steps if name in counts}:
        spans = sorted(((abs(t), counts[name] - 1) for name, t in steps.items()), reverse=True)
        return not _adds_up(b.base - a.base, spans)
    a_lo, a_hi = reach(a, counts)
    b_lo, b_hi = reach(b, counts)
    return a_hi < b_lo or b_hi < a_lo


def _adds_up(number: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a number is a sum of multiples of some steps, none by more than its most."""
    if not spans:
        return number == 0
    (step, most), rest = spans[0], spans[1:]
    far = sum(s * n for s, n in rest)
    low, high = max(-most, -((far - number) // step)), min(most, (number + far) // step)
    return any(_adds_up(number - step * k, rest) for k in range(low, high + 1))


def _joined(first: Statement, second: _Nest) -> Statement:
    """Return the first nest with the body of the second after its own."""
    nest = _nest(first)
    assert nest is not None
    names = _renaming(nest, second)
    body: list[Statement] = list(nest.body)
    for s in second.body:
        if isinstance(s, Load):
            body.append(Load(s.out, _moved(s.access, names), s.flags))
        elif isinstance(s, Store):
            body.append(Store(_moved(s.access, names), s.value, s.makes))
        elif isinstance(s, Add):
            body.append(Add(_moved(s.access, names), s.value))
        else:
            body.append(s)
    for loop in reversed(nest.loops):
        body = [Loop(loop.name, loop.count, body, True)]
    return body[0]


def _moved(access: Access, names: dict[int, int]) -> Access:
    return Access(access.buffer, _renamed(access.at, names))

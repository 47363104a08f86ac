"""Keeps in a register what a pass writes to memory and the next pass reads.

In ``u[i] = f(u[i - 1])`` each pass waits for the memory that the one before has written; a local
number that is carried from pass to pass is there at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revolve_ad.ad.core import elementwise
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Carried,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    with_innermost,
)

__all__ = ["in_registers"]

_ADD = elementwise(np.add)


def in_registers(body: Sequence[Statement], values: Values) -> list[Statement]:
    """Return statements in which recurrences over memory are carried by numbers."""
    return with_innermost(body, lambda loop: _carried(loop, values))


def _carried(loop: Loop, values: Values) -> list[Statement]:
    """Return a loop without loops in it, after the loads that its first pass needs."""
    if loop.free or loop.count.steps or loop.count.base < 1:
        # A loop that may make no pass has nothing to load beforehand.
        return [loop]
    before: list[Statement] = []
    carried = list(loop.carried)
    body: dict[int, list[Statement]] = {n: [s] for n, s in enumerate(loop.body)}
    following: dict[int, int] = {}
    for n, s in enumerate(loop.body):
        m = _source(loop, n)
        if m is None:
            continue
        assert isinstance(s, Load)
        if m not in following:
            following[m] = _written(body, m, values)
        at = Affine(s.access.at.base, tuple(t for t in s.access.at.steps if t[0] != loop.name))
        first = Load(values.new(values.dtypes[s.out]), Access(s.access.buffer, at))
        before.append(first)
        # The name of what was loaded is now that of what is carried.
        carried.append(Carried(s.out, first.out, following[m], values.new(values.dtypes[s.out])))
        body[n] = []
    inner = [s for part in body.values() for s in part]
    return [*before, Loop(loop.name, loop.count, inner, loop.free, carried)]


def _source(loop: Loop, n: int) -> int | None:
    """Return which statement of a pass writes what statement `n` of the next pass loads."""
    s = loop.body[n]
    if not isinstance(s, Load):
        return None
    step = s.access.at.step(loop.name)
    here = _place(s.access.at)
    before = _place(s.access.at.plus(step))
    found = None
    for m, t in enumerate(loop.body):
        if not isinstance(t, Load | Store | Add) or t.access.buffer is not s.access.buffer:
            continue
        place = _place(t.access.at)
        if place[1] != here[1]:
            # Positions that move differently may meet anywhere.
            return None
        if isinstance(t, Load):
            continue
        if place == here and m < n:
            return None
        if place == before:
            found = m
    return found if step else None


def _place(at: Affine) -> tuple[int, frozenset[tuple[int, int]]]:
    return at.base, frozenset(at.steps)


def _written(body: dict[int, list[Statement]], m: int, values: Values) -> int:
    """Return the value that statement `m` leaves in memory."""
    (t,) = body[m]
    if isinstance(t, Store):
        return t.value
    assert isinstance(t, Add)
    dtype = t.access.buffer.dtype
    old, new = values.new(dtype), values.new(dtype)
    body[m] = [
        Load(old, t.access),
        Let(new, _ADD, (), (old, t.value)),
        Store(t.access, new),
    ]
    return new

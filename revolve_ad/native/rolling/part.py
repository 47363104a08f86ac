"""Parts inner loops that add to neighbouring elements, so that each part becomes vector code.

The adjoint of a stencil adds to several elements a pass.  Two that are a few elements apart keep
a compiler from working on several passes at once; in loops of their own they don't.
"""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.native.rolling.tree import (
    Add,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    uses,
    with_innermost,
)

__all__ = ["parted"]

FAR = 16
"""Elements between two that vector code takes for unrelated."""

MOST = 24
"""Statements of a loop that is parted: what its parts share is done again in each."""


def parted(body: Sequence[Statement], values: Values) -> list[Statement]:
    """Return an adjoint whose inner loops are parted."""
    return with_innermost(body, lambda loop: _parts(loop, values))


def _parts(loop: Loop, values: Values) -> list[Statement]:
    """Return an inner loop, or the loops that do the same."""
    adds = [s for s in loop.body if isinstance(s, Add)]
    if not loop.free or loop.carried or len(adds) < 2 or len(loop.body) > MOST:
        return [loop]
    read = {s.access.buffer for s in loop.body if isinstance(s, Load)}
    stored = {s.access.buffer: s for s in loop.body if isinstance(s, Store)}
    if any(
        s.access.buffer in read | stored.keys() or not s.access.at.step(loop.name) for s in adds
    ):
        return [loop]
    if any(s.access.at.step(loop.name) == 0 for s in stored.values()):
        return [loop]
    if _read_after_stored(loop.body):
        return [loop]
    classes: list[list[Add]] = []
    for s in adds:
        for group in classes:
            if all(_unrelated(s, t) for t in group):
                group.append(s)
                break
        else:
            classes.append([s])
    if len(classes) == 1:
        return [loop]
    out: list[Statement] = []
    for group in classes[:-1]:
        out.append(Loop(loop.name, loop.count, _slice(loop.body, group, values), True))
    earlier = {id(s) for group in classes[:-1] for s in group}
    rest = [s for s in loop.body if id(s) not in earlier]
    return [*out, Loop(loop.name, loop.count, rest, True)]


def _unrelated(a: Add, b: Add) -> bool:
    if a.access.buffer is not b.access.buffer:
        return True
    distance = abs(a.access.at.base - b.access.at.base)
    return a.access.at.steps == b.access.at.steps and distance >= FAR


def _read_after_stored(body: Sequence[Statement]) -> bool:
    """Whether a pass loads from an array that it has stored to: no part has both."""
    stored: set[object] = set()
    for s in body:
        if isinstance(s, Store):
            stored.add(s.access.buffer)
        elif isinstance(s, Load) and s.access.buffer in stored:
            return True
    return False


def _slice(body: Sequence[Statement], group: Sequence[Add], values: Values) -> list[Statement]:
    """Return some additions of a body, and what computes their values, under names of its own."""
    chosen = {id(s) for s in group}
    wanted = {s.value for s in group}
    kept: list[Statement] = []
    for s in reversed(body):
        if id(s) in chosen:
            kept.append(s)
        elif isinstance(s, Let | Load) and s.out in wanted:
            wanted.update(uses(s))
            kept.append(s)
    names: dict[int, int] = {}
    out: list[Statement] = []
    for s in reversed(kept):
        if isinstance(s, Let | Load):
            names[s.out] = values.new(values.dtypes[s.out])
        if isinstance(s, Let):
            args = tuple([names.get(a, a) for a in s.args])
            out.append(Let(names[s.out], s.op, s.params, args))
        elif isinstance(s, Load):
            out.append(Load(names[s.out], s.access, s.flags))
        elif isinstance(s, Add):
            out.append(Add(s.access, names.get(s.value, s.value)))
    return out

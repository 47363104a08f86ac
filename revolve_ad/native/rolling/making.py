"""Leaves out what is overwritten before it is read where an array is made.

A step that copies its state, or begins with zeros, and then writes all elements needs neither: what
it reads of the copy beforehand it can read of the original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revolve_ad.ad.core import FULL
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.passes import pruned
from revolve_ad.native.rolling.timeline import NEVER, first_times, touches
from revolve_ad.native.rolling.tree import (
    Access,
    Affine,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    statements,
)

__all__ = ["trimmed"]

SHARE = 0.25
"""The most that may be left of an array's making; more is better done in one nest for all."""

BOXES = 4
"""The most boxes that may be left: each is a loop to compile."""


def trimmed(body: Sequence[Statement], kept: set[Buffer], values: Values) -> list[Statement]:
    """Return statements that make arrays only where that is read.

    Parameters
    ----------
    body : sequence of Statement
        A forward part.
    kept : set of Buffer
        Arrays that are read afterwards.
    values : Values
        Their values.
    """
    makers = _makers(body)
    found = touches(body, makers)
    instead: dict[int, Statement | None] = {}
    boxes: dict[int, list[Statement]] = {}
    for buffer, those in found.items():
        store, source = makers[buffer]
        others = [t for t in those if t.statement is not store]
        size = max(buffer.size, 1)
        written = first_times((t for t in others if not isinstance(t.statement, Load)), size)
        reads = [t for t in others if not isinstance(t.statement, Store)]
        early = [
            t
            for t in reads
            if isinstance(t.statement, Load)
            and source is not None
            and bool((t.times < written[t.positions]).all())
        ]
        chosen = {id(t.statement) for t in early}
        read = first_times((t for t in reads if id(t.statement) not in chosen), size)
        needed = (read <= written) & (read < NEVER)
        if buffer in kept:
            needed |= written == NEVER
        parts = _boxes(needed.reshape(-1, buffer.shape[-1] if buffer.shape else 1))
        if needed.sum() > SHARE * size or len(parts) > BOXES:
            continue
        instead[id(store)] = None
        for t in early:
            load = t.statement
            assert isinstance(load, Load)
            assert source is not None
            instead[id(load)] = Load(load.out, Access(source, load.access.at), load.flags)
        boxes[id(store)] = [
            s for box in parts for s in _made(buffer, source, store, box, body, values)
        ]
    if not instead:
        return list(body)
    out: list[Statement] = []
    for s in body:
        for inner in statements([s]):
            out += boxes.get(id(inner), [])
        out += _with(s, instead)
    return pruned(out, set(), kept)


def _makers(body: Sequence[Statement]) -> dict[Buffer, tuple[Store, Buffer | None]]:
    """Return, for each array, the statement that makes it, and of what it is a copy."""
    found: dict[Buffer, tuple[Store, Buffer | None]] = {}
    several: set[Buffer] = set()
    lists = [body]
    while lists:
        here = lists.pop()
        loads: dict[int, Access] = {}
        for s in here:
            if isinstance(s, Loop):
                lists.append(s.body)
            elif isinstance(s, Load):
                loads[s.out] = s.access
            elif isinstance(s, Store) and s.makes and not s.access.buffer.inside:
                buffer = s.access.buffer
                if buffer in found:
                    several.add(buffer)
                source = loads.get(s.value)
                if source is not None and source == Access(source.buffer, s.access.at):
                    if source.buffer is buffer.copied and source.buffer.dtype == buffer.dtype:
                        found[buffer] = s, source.buffer
                elif _literal(s.value, body) is not None:
                    found[buffer] = s, None
    return {b: maker for b, maker in found.items() if b not in several}


def _literal(value: int, body: Sequence[Statement]) -> Let | None:
    for s in statements(body):
        if isinstance(s, Let) and s.out == value:
            return s if s.op is FULL else None
    return None


Box = tuple[int, int, list[tuple[int, int]]]
"""Rows from … to, and runs of columns in each."""


def _boxes(needed: np.ndarray) -> list[Box]:
    """Return boxes that cover what is needed of rows and columns, and nothing else."""
    found: list[Box] = []
    rows = np.flatnonzero(needed.any(axis=1))
    if not len(rows):
        return found
    starts = np.flatnonzero(
        np.r_[True, (np.diff(rows) != 1) | (needed[rows[1:]] != needed[rows[:-1]]).any(axis=1)]
    )
    if len(starts) > BOXES:
        return [(0, 0, [])] * len(starts)
    for first, after in zip(starts, [*starts[1:], len(rows)], strict=True):
        edges = np.flatnonzero(np.diff(np.r_[0, needed[rows[first]].astype(np.int8), 0]))
        runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
        found.append((int(rows[first]), int(rows[after - 1]) + 1, runs))
    return found


def _made(
    buffer: Buffer,
    source: Buffer | None,
    store: Store,
    box: Box,
    body: Sequence[Statement],
    values: Values,
) -> list[Statement]:
    """Return the making of an array in a box."""
    low, high, runs = box
    width = buffer.shape[-1] if buffer.shape else 1
    row = values.loop()
    inner: list[Statement] = []
    for first, after in runs:
        at = Affine(low * width + first).moved(row, width if high - low > 1 else 0)
        column = values.loop()
        at = at.moved(column, 1 if after - first > 1 else 0)
        value = values.new(buffer.dtype)
        each: list[Statement]
        if source is not None:
            each = [Load(value, Access(source, at))]
        else:
            let = _literal(store.value, body)
            assert let is not None
            each = [Let(value, let.op, let.params, ())]
        each.append(Store(Access(buffer, at), value))
        inner += _looped(column, after - first, each)
    return _looped(row, high - low, inner)


def _looped(name: int, n: int, body: list[Statement]) -> list[Statement]:
    return body if n == 1 else [Loop(name, Affine(n), body, True)]


def _with(s: Statement, instead: dict[int, Statement | None]) -> list[Statement]:
    """Return a statement with some replaced or left out."""
    if isinstance(s, Loop):
        inner = [u for t in s.body for u in _with(t, instead)]
        return [Loop(s.name, s.count, inner, s.free, s.carried)]
    if id(s) in instead:
        new = instead[id(s)]
        return [] if new is None else [new]
    return [s]

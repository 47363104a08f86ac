"""When statements touch the elements of an array: found by going through all passes of all loops.

The lengths of loops are literal, so that reads and writes of single elements can be put in order
by enumeration.  That answers exactly what rules about indices only answer in simple cases: whether
an element is overwritten before it is read, and what stands in memory at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.dependence import most
from revolve_ad.native.rolling.tree import Add, Affine, Load, Loop, Statement, Store

__all__ = ["NEVER", "Touch", "first_times", "last_times", "touches"]

NEVER = np.iinfo(np.int64).max

LARGEST = 2_000_000
"""Passes of one statement that are gone through; what is touched more often is left alone."""


class Touch(NamedTuple):
    """What one statement touches.

    Attributes
    ----------
    statement : Load, Store or Add
        The statement.
    positions : ndarray of int64, shape (n,)
        The elements, in the order of time.
    times : ndarray of int64, shape (n,)
        When, on a clock that all statements share.
    """

    statement: Load | Store | Add
    positions: np.ndarray
    times: np.ndarray


def touches(body: Sequence[Statement], buffers: Iterable[Buffer]) -> dict[Buffer, list[Touch]]:
    """Return what statements touch in some arrays, in the order of the text.

    An array is left out if it is touched in a loop whose length depends on others, or too often.
    """
    found: dict[Buffer, list[Touch]] = {b: [] for b in buffers}
    lost: set[Buffer] = set()
    _touch(body, [], {}, Affine(0), found, lost)
    return {b: those for b, those in found.items() if b not in lost}


def first_times(those: Iterable[Touch], size: int) -> np.ndarray:
    """Return when each element is touched first; `NEVER` if it isn't."""
    found = np.full(size, NEVER)
    for touch in those:
        # Of several values for one element the last is kept: that of the earliest time.
        first = np.full(size, NEVER)
        first[touch.positions[::-1]] = touch.times[::-1]
        np.minimum(found, first, out=found)
    return found


def last_times(those: Iterable[Touch], size: int) -> np.ndarray:
    """Return when each element is touched last; -1 if it isn't."""
    found = np.full(size, -1, np.int64)
    for touch in those:
        last = np.full(size, -1, np.int64)
        last[touch.positions] = touch.times
        np.maximum(found, last, out=found)
    return found


def _duration(body: Sequence[Statement], counts: dict[int, int]) -> int:
    total = 0
    for s in body:
        if isinstance(s, Loop):
            n = most(s.count, counts)
            total += n * _duration(s.body, {**counts, s.name: n})
        else:
            total += 1
    return total


def _touch(
    body: Sequence[Statement],
    loops: list[tuple[int, int]],
    counts: dict[int, int],
    clock: Affine,
    found: dict[Buffer, list[Touch]],
    lost: set[Buffer],
) -> None:
    """Add what statements touch, the first of which runs at `clock`."""
    for s in body:
        if isinstance(s, Loop):
            n = most(s.count, counts)
            inner = {**counts, s.name: n}
            each = _duration(s.body, inner)
            loops.append((s.name, -1 if s.count.steps else n))
            _touch(s.body, loops, inner, clock.moved(s.name, each), found, lost)
            loops.pop()
            clock = clock.plus(n * each)
            continue
        if isinstance(s, Load | Store | Add) and s.access.buffer in found:
            buffer = s.access.buffer
            points = 1
            for _, n in loops:
                points *= n
            if any(n < 0 for _, n in loops) or points > LARGEST:
                lost.add(buffer)
            elif buffer not in lost and points:
                found[buffer].append(Touch(s, _all(s.access.at, loops), _all(clock, loops)))
        clock = clock.plus(1)


def _all(number: Affine, loops: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return a number in all passes, the innermost loop's fastest."""
    found = np.full(1, number.base, np.int64)
    for name, n in loops:
        steps = np.arange(n, dtype=np.int64) * number.step(name)
        found = (found[:, None] + steps).ravel()
    return found

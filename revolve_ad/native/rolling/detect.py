"""Finds loops in a list of records: windows of equal signatures whose numbers advance evenly.

From each position the shortest period is taken for which at least three windows have equal
signatures and every number advances by a constant; the windows become one item, and the list is
searched again, so that nested loops fall out.  An operand that an earlier item made is either the
same in each window, or made in the same window, or a fixed number of windows before: then it is
carried from pass to pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from revolve_ad.native.rolling.records import Item

__all__ = ["Carry", "External", "Internal", "LoopForm", "roll"]

WINDOWS = 3
"""Fewer windows are no loop: two alike stand side by side by chance."""

SHORTEST = 16
LONGEST = 4096
"""Records of one pass at most."""

CANDIDATES = 24
"""Periods that are tried at one position."""


@dataclass(frozen=True, slots=True)
class Internal:
    """A result of item `item` of the same pass."""

    item: int
    slot: int


@dataclass(frozen=True, slots=True)
class Carry:
    """A result of item `item`, `back` passes ago; `starts`: what stands for it at first."""

    item: int
    slot: int
    back: int
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class External:
    """Operand number `ref` of the loop: the same in each pass."""

    ref: int


@dataclass(frozen=True, slots=True)
class LoopForm:
    """What a loop does: the first number of its item is how often.

    Attributes
    ----------
    body : tuple of Item
        The items of the first pass; their forms count, their numbers stand in the loop's item.
    refs : tuple of tuples of Internal, Carry or External
        For each item of the body, what its operands are.
    steps : tuple of int
        How far each number of the body advances from pass to pass.
    """

    body: tuple[Item, ...]
    refs: tuple[tuple[Any, ...], ...]
    steps: tuple[int, ...]

    @property
    def n_slots(self) -> int:
        """Number of results."""
        return sum([int(b.form.n_slots) for b in self.body])


def roll(items: list[Item]) -> list[Item]:
    """Return the items with all loops found."""
    known: dict[Any, int] = {}
    longest = SHORTEST
    while True:
        found = _once(items, known, longest)
        if len(found) == len(items):
            if longest >= min(LONGEST, len(items)):
                return found
            # Inner loops first: only what they leave is searched for longer periods.
            longest *= 4
        items = found


class _Sight:
    """Items as flat arrays, which are quick to compare."""

    def __init__(self, items: list[Item]) -> None:
        for pos, item in enumerate(items):
            item.pos = pos
        self.items = items
        self.n = len(items)
        self.sigs = np.array([item.sig for item in items])
        self.sig_list = self.sigs.tolist()
        self.following = _following(self.sig_list)
        lengths = [len(item.idx) for item in items]
        self.idx_at = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.idx = np.array([x for item in items for x in item.idx], dtype=np.int64)
        self.flags = np.array([x for item in items for x in item.flags], dtype=np.int64)
        lengths = [len(item.refs) for item in items]
        self.refs_at = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.refs = np.array([r.pos for item in items for r, _ in item.refs], dtype=np.int64)
        self.slots = np.array([s for item in items for _, s in item.refs], dtype=np.int64)
        self.last_use = np.full(self.n, -1, dtype=np.int64)
        users = np.repeat(np.arange(self.n), lengths)
        np.maximum.at(self.last_use, self.refs, users)

    def windows(self, i: int, w: int) -> int:
        """Return how many windows of length `w` from `i` on make a loop."""
        sigs = self.sig_list
        if sigs[i : i + w] != sigs[i + w : i + 2 * w] or (
            sigs[i + w : i + 2 * w] != sigs[i + 2 * w : i + 3 * w]
        ):
            return 0
        # All windows with these signatures, in growing stretches.
        stretch, n = 4 * w, 0
        while True:
            stop = min(i + stretch, self.n)
            length = (stop - i) // w
            same = self.sigs[i : i + (length - 1) * w] == self.sigs[i + w : i + length * w]
            if not same.all():
                n = 1 + int(np.argmin(same)) // w
                break
            if stop == self.n:
                n = length
                break
            stretch *= 4
        if n < WINDOWS:
            return 0
        n = self._even(i, w, n)
        while n >= WINDOWS:
            end = i + n * w
            # What is read later must come from the last window.
            late = np.flatnonzero(self.last_use[i : end - w] >= end)
            if late.size == 0:
                return n
            n = int(late[0]) // w + 1
        return 0

    def _even(self, i: int, w: int, n: int) -> int:
        """Return in how many of `n` windows all numbers advance evenly."""
        for at, values in ((self.idx_at, self.idx),):
            start, width = at[i], int(at[i + w] - at[i])
            if width:
                table = values[start : start + n * width].reshape(n, width)
                n = _steady(table)
        start, width = self.refs_at[i], int(self.refs_at[i + w] - self.refs_at[i])
        if width and n >= WINDOWS:
            slots = self.slots[start : start + n * width].reshape(n, width)
            uneven = np.flatnonzero((slots != slots[0]).any(axis=1))
            if uneven.size:
                n = int(uneven[0])
            table = self.refs[start : start + n * width].reshape(n, width)
            if n >= WINDOWS:
                n = _steady(table)
            if n >= WINDOWS:
                step = table[1] - table[0]
                if not ((step == 0) | (step == w)).all():
                    return 0
                moving = step == w
                # What doesn't move must come from before the loop.
                if (table[0][~moving] >= i).any():
                    return 0
        return n


def _steady(table: np.ndarray) -> int:
    """Return how many rows of a table differ by the same row."""
    steps = table[1:] - table[:-1]
    uneven = np.flatnonzero((steps != steps[0]).any(axis=1))
    return int(uneven[0]) + 1 if uneven.size else len(table)


def _following(sigs: list[int]) -> list[int]:
    """Return for each position the next one of the same signature."""
    found = [-1] * len(sigs)
    seen: dict[int, int] = {}
    for i in range(len(sigs) - 1, -1, -1):
        found[i] = seen.get(sigs[i], -1)
        seen[sigs[i]] = i
    return found


def _once(items: list[Item], known: dict[Any, int], longest: int) -> list[Item]:
    """Search the list once."""
    sight = _Sight(items)
    out: list[Item] = []
    place: dict[int, tuple[Item, int]] = {}
    i = 0
    while i < sight.n:
        p, tried, n, w = sight.following[i], 0, 0, 0
        while p >= 0 and tried < CANDIDATES and p - i <= longest and 2 * p - i < sight.n:
            w = p - i
            n = sight.windows(i, w)
            if n:
                break
            p, tried = sight.following[p], tried + 1
        if not n:
            item = items[i]
            item.refs = [_moved(place, r) for r in item.refs]
            out.append(item)
            i += 1
            continue
        loop = _loop(sight, i, w, n, place, known)
        slot = 0
        for q, item in enumerate(items[i + (n - 1) * w : i + n * w]):
            place[id(item)] = (loop, slot)
            slot += loop.form.body[q].form.n_slots
        out.append(loop)
        i += n * w
    return out


def _moved(place: dict[int, tuple[Item, int]], ref: tuple[Item, int]) -> tuple[Item, int]:
    """Return a reference to an item that may have gone into a loop."""
    found = place.get(id(ref[0]))
    return ref if found is None else (found[0], found[1] + ref[1])


def _loop(
    sight: _Sight,
    i: int,
    w: int,
    n: int,
    place: dict[int, tuple[Item, int]],
    known: dict[Any, int],
) -> Item:
    """Return the item for `n` windows of length `w` from `i` on."""
    body = tuple(sight.items[i : i + w])
    start, width = int(sight.idx_at[i]), int(sight.idx_at[i + w] - sight.idx_at[i])
    idx = sight.idx[start : start + n * width].reshape(n, width)
    flags = np.bitwise_and.reduce(sight.flags[start : start + n * width].reshape(n, width), axis=0)
    steps = tuple((idx[1] - idx[0]).tolist())
    start, r_width = int(sight.refs_at[i]), int(sight.refs_at[i + w] - sight.refs_at[i])
    refs = sight.refs[start : start + n * r_width].reshape(n, r_width)
    outside: list[tuple[Item, int]] = []
    numbers: dict[tuple[int, int], int] = {}

    def external(ref: tuple[Item, int]) -> int:
        ref = _moved(place, ref)
        key = (id(ref[0]), ref[1])
        if key not in numbers:
            numbers[key] = len(outside)
            outside.append(ref)
        return numbers[key]

    forms: list[tuple[Any, ...]] = []
    column = 0
    for item in body:
        one: list[Any] = []
        for target, slot in item.refs:
            moves = refs[1, column] != refs[0, column]
            first = int(refs[0, column])
            column += 1
            if not moves:
                one.append(External(external((target, slot))))
            elif first >= i:
                one.append(Internal(first - i, slot))
            else:
                back = -((first - i) // w)
                # The first passes read what stands before the loop.
                starts = tuple(external((sight.items[first + t * w], slot)) for t in range(back))
                one.append(Carry((first - i) % w, slot, back, starts))
        forms.append(tuple(one))
    form = LoopForm(body, tuple(forms), steps)
    key = (tuple([b.sig for b in body]), form.refs, steps)
    sig = known.setdefault(key, -1 - len(known))
    return Item(sig, outside, [n, *idx[0].tolist()], [3, *flags.tolist()], form)

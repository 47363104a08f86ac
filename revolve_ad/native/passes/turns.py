"""How buffers take turns from step to step, so that no state is copied.

A step computes some leaves of the next state; others are leaves of this state, passed on (the
wave equation's older field).  What is passed on is a name, not a copy: after each step the names
move on, and arrays that no name holds any more take the next results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "Label",
    "Turns",
    "Type",
    "labels",
    "landing",
    "lent",
    "period",
    "settled",
    "settling",
    "turned",
    "turns_of",
]

Type = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and dtype of an array."""

Label = tuple[str, int, int]
"""An array that `advance` is given: ("x", leaf, 0) of the caller, ("y", leaf, 0) for the first
result of a computed leaf, ("s", leaf, t) for what replaces the caller's array after step t."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a state with some leaves.

    Attributes
    ----------
    source : tuple of (int or None)
        For each leaf, the leaf whose array it takes over; None if it is computed.
    freed : dict of int to int
        For each computed leaf, the leaf whose array falls free for its next result.
    """

    source: tuple[int | None, ...]
    freed: dict[int, int]

    @property
    def computed(self) -> list[int]:
        """The leaves that the step computes."""
        return [j for j, i in enumerate(self.source) if i is None]

    def constant(self, j: int) -> bool:
        """Whether a leaf never changes."""
        return self.source[j] == j

    def age(self, j: int) -> int:
        """Return how many steps ago the array of leaf `j` was computed, at least."""
        n = 0
        while (i := self.source[j]) is not None and i != j:
            j, n = i, n + 1
        return n

    def root(self, j: int, steps: int) -> int:
        """Return the leaf that held the array of leaf `j` so many steps ago."""
        for _ in range(steps):
            i = self.source[j]
            assert i is not None
            j = i
        return j

    def after(self, held: Sequence[Any], spare: dict[int, Any]) -> tuple[list[Any], dict[int, Any]]:
        """Return which array holds each leaf, and which take the next results, one step later."""
        new = [spare[j] if i is None else held[i] for j, i in enumerate(self.source)]
        return new, {c: held[i] for c, i in self.freed.items()}


def turns_of(
    outputs: Sequence[int], inputs: Sequence[int], types: Sequence[tuple[Any, Any]]
) -> Turns:
    """Find the turns of a step.

    Parameters
    ----------
    outputs, inputs : sequence of int
        The nodes of the leaves after and before the step.
    types : sequence
        Shape and dtype of each leaf.
    """
    source: list[int | None] = []
    taken: set[int] = set()
    where = {node: i for i, node in enumerate(inputs)}
    for j, node in enumerate(outputs):
        i = where.get(node)
        if i is None or i in taken or types[i] != types[j]:
            source.append(None)
        else:
            taken.add(i)
            source.append(i)
    # Leaves that are swapped in a ring would never be computed: copy one of each ring.
    for j in range(len(source)):
        seen, k = {j}, source[j]
        while k is not None and k not in seen:
            seen.add(k)
            k = source[k]
        if k == j and source[j] != j:
            source[j] = None
    held = {i for i in source if i is not None}
    free = [i for i in range(len(source)) if i not in held]
    freed: dict[int, int] = {}
    for j, i in enumerate(source):
        if i is None:
            match = next((f for f in free if types[f] == types[j]), None)
            if match is None:
                return Turns((None,) * len(source), {k: k for k in range(len(source))})
            free.remove(match)
            freed[j] = match
    return Turns(tuple(source), freed)


def labels(turns: Turns) -> list[Label]:
    """Return the arrays that `advance` is given, in order: first results, then replacements."""
    first: list[Label] = [("y", c, 0) for c in turns.computed]
    return first + [("s", c, t) for c, i in turns.freed.items() for t in range(turns.age(i) + 1)]


def period(turns: Turns) -> int:
    """Return after how many steps all arrays are back in turn."""
    held: list[Any] = [("g", j) for j in range(len(turns.source))]
    spare: dict[int, Any] = {c: ("h", c) for c in turns.computed}
    now, free = turns.after(held, spare)
    n = 1
    while (now, free) != (held, spare):
        now, free = turns.after(now, free)
        n += 1
    return n


def turned(turns: Turns, n: int) -> tuple[list[int], list[int]]:
    """Return which arrays hold the leaves, and which are spare, after `n` steps.

    The arrays are numbered: those of the leaves before the steps, then the spare one of each
    computed leaf.
    """
    computed = turns.computed
    held: list[int] = list(range(len(turns.source)))
    spare = {c: len(held) + k for k, c in enumerate(computed)}
    for _ in range(n):
        held, spare = turns.after(held, spare)
    return held, [spare[c] for c in computed]


def lent(turns: Turns) -> list[int]:
    """Return the arrays for `labels` where the caller lends those of its leaves: see `turned`."""
    first = [len(turns.source) + k for k in range(len(turns.computed))]
    return first + [turns.root(i, t) for i in turns.freed.values() for t in range(turns.age(i) + 1)]


def settling(turns: Turns) -> int:
    """Return after how many steps `landing` begins to repeat itself, each `period`."""
    return max((turns.age(i) for i in turns.freed.values()), default=0) + 1


def settled(turns: Turns, n: int) -> int:
    """Return the smallest number of steps after which `landing` is as after `n`."""
    start, cycle = settling(turns), period(turns)
    return start + (n - start) % cycle if n > start + cycle else n


def landing(turns: Turns, n: int) -> list[Label]:
    """Return which array holds each leaf after `n` steps of `advance`."""
    held: list[Label] = [("x", j, 0) for j in range(len(turns.source))]
    spare: dict[int, Label] = {c: ("y", c, 0) for c in turns.computed}
    for step in range(settled(turns, n)):
        held, spare = turns.after(held, spare)
        for c, i in turns.freed.items():
            if step <= turns.age(i):
                spare[c] = ("s", c, step)
    return held

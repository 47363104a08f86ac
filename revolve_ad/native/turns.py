"""How buffers take turns from step to step, so that no state is copied.

A step computes some leaves of the next state; others are leaves of this state, passed on (the
wave equation's older field).  What is passed on is a name, not a copy: after each step the names
move on, and arrays that no name holds any more take the next results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Turns", "turns_of"]


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

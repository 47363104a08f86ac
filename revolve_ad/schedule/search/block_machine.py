"""Reverses chains whose leaves hold as many tapes as fit, by a rule that splits in O(1)."""

from typing import NamedTuple

from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.search.capacity import Capacity

__all__ = ["BlockMachine", "Chain", "Reversal", "reversal"]

Chain = tuple[int, int, int, Restore | None]
"""First state, number of steps, checkpoints held besides, and what brings the first state back.

Instead of an action None stands where the first state is live and not saved yet.
"""

_PAGE = 512


class BlockMachine:
    """Makes the actions that reverse chains, the last chain first.

    Parameters
    ----------
    chains : list of Chain
        In the order of their steps; it belongs to the machine from now on.
    capacity : Capacity
        How many tapes fit beside so many checkpoints.
    """

    __slots__ = ("_capacity", "_chains")

    def __init__(self, chains: list[Chain], capacity: Capacity) -> None:
        self._chains = chains
        self._capacity = capacity

    def __reduce__(self) -> tuple[object, ...]:
        return BlockMachine, (self._chains, self._capacity)

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        chains, capacity = self._chains, self._capacity
        leaves, ram = capacity.leaves, Level.RAM
        actions: list[Action] = []
        while chains and len(actions) < _PAGE:
            start, steps, level, restore = chains.pop()
            if restore is not None:
                actions.append(restore)
            if steps <= leaves[level]:
                if restore is not None:
                    # Freed first: its bytes are part of what the tapes of the leaf take.
                    actions.append(Discard(start, ram))
                actions += (Record(start, start + steps), Reverse(start, start + steps))
                continue
            if restore is None:
                restore = Restore(start, ram)
                actions.append(Save(start, ram))
            middle = start + capacity.split(steps, level)
            actions.append(Advance(start, middle))
            chains.append((start, middle - start, level, restore))
            chains.append((middle, start + steps - middle, level + 1, None))
        return actions


class Reversal(NamedTuple):
    """What reversing a chain costs whose first state is live, its own save aside."""

    advanced: int
    saved: int
    restored: int
    peak_checkpoints: int
    peak_tapes: int
    peak_bytes: int


def reversal(
    n_steps: int, level: int, capacity: Capacity, state_bytes: int, tape_bytes: int
) -> Reversal:
    """Return what `BlockMachine` spends on a chain with `level` checkpoints held besides.

    Chains of one length and level are reversed alike, so it sums over the few different ones.
    """
    leaves = capacity.leaves
    splits: dict[tuple[int, int], int] = {}
    found, pending = {(level, n_steps)}, [(level, n_steps)]
    while pending:
        i, n = node = pending.pop()
        if n > leaves[i]:
            splits[node] = j = capacity.split(n, i)
            parts = {(i, j), (i + 1, n - j)} - found
            found |= parts
            pending += parts
    done: dict[tuple[int, int], Reversal] = {}
    for i, n in sorted(found, key=lambda node: (-node[0], node[1])):  # parts before the whole
        if (i, n) not in splits:
            done[i, n] = Reversal(0, 0, 0, i, n, i * state_bytes + n * tape_bytes)
            continue
        j = splits[i, n]
        left, right = done[i, j], done[i + 1, n - j]
        done[i, n] = Reversal(
            j + left.advanced + right.advanced,
            left.saved + right.saved + ((i + 1, n - j) in splits),
            left.restored + right.restored + 1,
            max(i + 1, left.peak_checkpoints, right.peak_checkpoints),
            max(left.peak_tapes, right.peak_tapes),
            max((i + 1) * state_bytes, left.peak_bytes, right.peak_bytes),
        )
    return done[level, n_steps]

"""Leaves of mixed schedules: as many steps as tapes fit beside the checkpoints that are held.

Where a checkpoint takes sigma bytes, a tape tau and the budget is M bytes,
``(M - held * sigma) // tau`` tapes fit.  A leaf of at most so many steps is recorded in one sweep
and needs no advanced step; a longer chain can't be a leaf.
"""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from itertools import accumulate

from revolve_ad.schedule.search.split_choice import cheapest_of
from revolve_ad.schedule.search.split_tree import Node

__all__ = ["BlockLeaves", "by_capacity"]

# Coming back to a checkpoint counts as this much of an advanced step, so that among schedules with
# the fewest advanced steps one with the fewest restores is taken.  A power of two, so that sums in
# floats are exact; n of them are less than one step up to sixteen million steps.
_TIE_BREAK = 2.0**-24
# In shallow trees, where a bad split costs most and nodes are few, the first ones try four splits.
_SHALLOW = 6
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class BlockLeaves:
    """Leaves that cost nothing up to ``capacity[held]`` steps and can't be longer.

    Attributes
    ----------
    capacity : tuple of int
        The longest leaf with 0, 1, 2 … checkpoints held; each at least 1, none above its
        predecessor.
    step, write, read : float
        Cost of an advanced step, of keeping a state, of coming back to it.
    """

    capacity: tuple[int, ...]
    step: float = 1.0
    write: float = 0.0
    read: float = _TIE_BREAK

    @property
    def depth(self) -> int:
        """A chain is split only while fewer checkpoints than this are held."""
        return len(self.capacity) - 1

    @property
    def tail(self) -> int:
        """The number held where one more is the last that fits."""
        return len(self.capacity) - 2

    def cost(self, held: int, length: int) -> float:
        """Nothing, or infinite for a chain that is too long."""
        return 0.0 if length <= self.capacity[held] else _INFINITE

    def tail_cost(self, length: int) -> float:
        """Cost of splitting off the longest leaf until the rest is a leaf too."""
        block, leaf = self.capacity[-1], self.capacity[-2]
        turns = -((leaf - length) // block)
        advanced = turns * length - block * turns * (turns + 1) // 2
        return advanced * self.step + turns * self.read

    def costs(self, held: int, n_steps: int) -> list[float]:
        """Cost of leaves of 0 … n_steps steps."""
        free = min(self.capacity[held], n_steps) + 1
        return [0.0] * free + [_INFINITE] * (n_steps + 1 - free)

    def priced(self, price: float) -> tuple[list[int], list[float]]:
        """The longest leaves if a step earns anything, else the shortest; and what they earn."""
        lengths = list(self.capacity) if price > 0 else [1] * len(self.capacity)
        return lengths, [price * length for length in lengths]


def reach(capacity: tuple[int, ...], n_steps: int) -> list[list[int]]:
    """Return the longest chain for each number held, 0 … depth, and each repetition, 0 … r.

    With i checkpoints held and every step advanced over at most r times a chain has at most
    ``C(i, r) = C(i, r - 1) + C(i + 1, r)`` steps, ``C(i, 0) = capacity[i]``.  The last r is the
    first with ``C(0, r) >= n_steps``.
    """
    r = 1
    while True:
        # Each row from the next: C(i, r) is capacity[i] and the sum of C(i + 1, 1 … r).
        rows = [[capacity[-1]] * (r + 1)]
        for longest in reversed(capacity[:-1]):
            rows.append(list(accumulate([longest, *rows[-1][1:]])))
        if rows[-1][-1] >= n_steps:
            break
        r *= 2
    rows.reverse()
    last = bisect_left(rows[0], n_steps)
    return [row[: max(last, 1) + 1] for row in rows]


def by_capacity(
    n_steps: int, leaves: BlockLeaves, more_tried: int = 60
) -> tuple[int, dict[Node, int]]:
    """Return the repetitions and the splits of a rule that needs no search.

    A chain is split so that neither part needs more repetitions than the whole, and the left part
    is as long as that allows.  In shallow trees the first `more_tried` nodes try four splits: sixty
    take up to ten times as long as none.

    Notes
    -----
    Of 3000 random chains of up to 400 steps the total of evaluations was at most 1.09 times the
    least possible.
    """
    capacity, rows = leaves.capacity, reach(leaves.capacity, n_steps)
    searched = min(leaves.depth, leaves.tail)  # from there on there is only one way
    splits: dict[Node, int] = {}
    candidates: dict[Node, set[int]] = {}
    more = more_tried if leaves.depth <= _SHALLOW else 0
    pending = deque([(n_steps, 0, False)])
    while pending:
        m, i, _ = node = pending.popleft()
        if node in splits:  # a Node equals the plain tuple, which is made in less time
            continue
        if m <= capacity[i] or i >= searched:
            if more:
                candidates[Node(*node)] = set()
            continue
        mine, right = rows[i], rows[i + 1]
        r = bisect_left(mine, m)
        least = max(1, mine[r - 2] if r >= 2 else 1, m - right[r])
        most = max(least, min(mine[r - 1], m - 1, m - right[r - 1]))
        splits[Node(*node)] = most
        if not more:
            pending.append((most, i, True))
            pending.append((m - most, i + 1, False))
            continue
        tried = {most}
        if len(splits) < more:
            tried |= {least, (least + most) // 2, m - capacity[i + 1]}
        candidates[Node(*node)] = tried
        for j in tried:
            pending.append((j, i, True))
            pending.append((m - j, i + 1, False))
    if more:
        _, splits = cheapest_of(n_steps, leaves, candidates)
    return len(rows[0]) - 1, splits

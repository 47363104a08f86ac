"""How a chain is split where very many checkpoints fit: two sweeps at most, by a rule, no table.

With i checkpoints held, ``K[i]`` tapes fit.  A chain that is split again and again after K[i]
steps, each left part a leaf, is a *spine*; every step but the last leaf's is advanced over once,
and ``A[i] = K[i] + K[i + 1] + …`` steps is the longest spine.  A longer chain begins with left
parts that are spines themselves, and those steps are advanced over once more.

With hundreds of thousands of levels a table of splits would have millions of entries; here a node's
split is computed from its length and level, and all sums from sums of K.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from revolve_ad.schedule.search.split_tree import Node

__all__ = ["Spines", "sum_of_capacities"]


class Spines:
    """How a chain is split, with the interface of `SplitTree` that a schedule plays.

    Parameters
    ----------
    n_steps : int
        Length of the chain, at most `longest`.
    budget, state_bytes, tape_bytes : int
        Bytes in all, of a checkpoint, and of a tape.
    levels : int
        Checkpoints held at most; at least 1.

    Attributes
    ----------
    longest : int
        The longest chain that two sweeps are enough for.
    """

    __slots__ = ("_capacity", "_given", "_long", "_main", "_sums", "longest", "n_steps")

    def __init__(
        self, n_steps: int, budget: int, state_bytes: int, tape_bytes: int, levels: int
    ) -> None:
        self.n_steps = n_steps
        self._given = n_steps, budget, state_bytes, tape_bytes, levels
        self._capacity = capacities(n_steps, budget, state_bytes, tape_bytes, levels)
        self._sums = np.concatenate([[0], np.cumsum(self._capacity)])
        # The left parts that are spines, on the first levels, and the chains that they begin.
        self._long: list[int] = []
        self._main = [n_steps]
        total = int(self._sums[-1])
        # The longest left parts are spines on all levels: A[1] + A[2] + … steps more.
        counts = np.arange(len(self._capacity), dtype=np.int64)
        self.longest = total + int((self._capacity * counts).sum())
        missing = n_steps - total
        while missing > 0 and n_steps <= self.longest:
            i = len(self._long)
            more = min(missing, total - int(self._sums[i + 1]))
            missing -= more
            self._long.append(int(self._capacity[i]) + more)
            self._main.append(self._main[i] - self._long[i])

    def __reduce__(self) -> tuple[object, ...]:
        return Spines, self._given

    @property
    def depth(self) -> int:
        """Checkpoints held at most."""
        return len(self._capacity) - 1

    def root(self) -> Node:
        """The whole chain."""
        return Node(self.n_steps, 0, False)

    def left_length(self, node: Node) -> int:
        """Length of the left part of a chain, 0 for a leaf."""
        m, i, kept = node
        here = int(self._capacity[i])
        if m <= here:
            return 0
        # No spine is as long as the chains that begin with one.
        if not kept and i < len(self._long) and m == self._main[i]:
            return self._long[i]
        return min(here, m - int(self._capacity[i + 1]))

    def parts(self, node: Node, left: int) -> tuple[Node, Node]:
        """The left and the right part of a chain that is split after `left` steps."""
        return Node(left, node.held, True), Node(node.length - left, node.held + 1, False)

    @property
    def lower_bound(self) -> int:
        """Plain steps that no schedule has fewer of, if no more levels could be of use.

        Each left part is advanced over; so at most K[1] steps are never, and at most A[0] steps at
        most once.
        """
        once = self.n_steps - int(self._capacity[1])
        return once + max(0, self.n_steps - int(self._sums[-1]))

    @property
    def advanced(self) -> int:
        """Plain steps of a pass."""
        ends = (m - int(self._capacity[i + splits]) for m, i, splits in self._spines())
        return sum(self._long) + sum(ends)

    @property
    def saved(self) -> int:
        """States kept in a pass."""
        # The first state of a spine that is a left part is kept already.
        return sum(splits for _, _, splits in self._spines())

    @property
    def restored(self) -> int:
        """Times that a kept state is brought back in a pass."""
        return self.saved + len(self._long)

    def peak(self, in_leaf: Callable[[Node], int]) -> int:
        """The most checkpoints held at a time; leaves hold none besides."""
        return self.peak_kept

    @property
    def peak_kept(self) -> int:
        """The most checkpoints held at a time."""
        return max(i + splits for _, i, splits in self._spines())

    def leaf_peaks(self, state_bytes: int, tape_bytes: int) -> tuple[int, int]:
        """The most bytes of checkpoints and tapes in a leaf, and the most steps of one."""
        levels = np.arange(len(self._capacity), dtype=np.int64)
        sizes = levels * state_bytes + self._capacity * tape_bytes
        most = steps = 0
        for m, i, splits in self._spines():
            end = i + splits
            rest = m - int(self._sums[end - 1] - self._sums[i]) - int(self._capacity[end])
            # All leaves are full but the one before the last; the first is the longest.
            steps = max(steps, rest, int(self._capacity[i if splits > 1 else end]))
            most = max(most, int(sizes[end]), (end - 1) * state_bytes + rest * tape_bytes)
            if splits > 1:
                most = max(most, int(sizes[i : end - 1].max()))
        return most, steps

    def _spines(self) -> list[tuple[int, int, int]]:
        """Length, level and number of splits of each spine."""
        found = []
        chains = [*enumerate(self._long), (len(self._long), self._main[-1])]
        for i, m in chains:
            wanted = int(self._sums[i]) + m
            found.append((m, i, int(np.searchsorted(self._sums, wanted)) - 1 - i))
        return found


def sum_of_capacities(budget: int, state_bytes: int, tape_bytes: int, levels: int) -> int:
    """Return how many tapes fit beside 0 … `levels` checkpoints, all together, or a few fewer.

    The sum of the quotients, each of which is rounded down by less than one.
    """
    bytes_ = (levels + 1) * budget - state_bytes * (levels * (levels + 1) // 2)
    return bytes_ // tape_bytes - (levels + 1)


def capacities(
    n_steps: int, budget: int, state_bytes: int, tape_bytes: int, levels: int
) -> npt.NDArray[np.int64]:
    """Return the tapes that fit beside 0 … `levels` checkpoints."""
    held = np.arange(levels + 1, dtype=np.int64)
    return np.minimum((budget - held * state_bytes) // tape_bytes, n_steps)

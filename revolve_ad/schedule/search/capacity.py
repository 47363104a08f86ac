"""How long a chain is reversed with so many repetitions, when leaves hold several tapes.

With `level` checkpoints held besides, a chain of up to ``leaves[level]`` steps is recorded at once.
A longer one saves its first state, if there is a level left, and is split.  With one tape a leaf
this is the arithmetic of `closed_form`.
"""

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["Capacity"]


class Capacity:
    """The longest chains by level and repetition, C_i(r), and the plain steps that they imply.

    C_i(0) = K_i, C_i(r) = C_i(r − 1) + C_{i+1}(r), and C_S(r) = K_S on the last level S.

    Parameters
    ----------
    leaves : sequence of int
        K_i, the tapes that fit beside i checkpoints, for i = 0 … S; each at least 1, and S at
        least 1.
    """

    __slots__ = ("_longest", "_sums", "leaves")

    def __init__(self, leaves: Sequence[int]) -> None:
        self.leaves = tuple(leaves)
        # By level, what is known so far: C_i(r), and the sum of C_i(q) over q < r.
        self._longest = [[k] for k in leaves]
        self._sums = [[0, k] for k in leaves]

    def __reduce__(self) -> tuple[object, ...]:
        return Capacity, (self.leaves,)

    @property
    def n_checkpoints(self) -> int:
        """S, the most checkpoints that a split chain may hold."""
        return len(self.leaves) - 1

    def advanced(self, n: int, level: int) -> int:
        """Return the plain steps of a chain of n steps with `level` < S checkpoints held besides.

        Σ_r max(0, n − C_level(r)): a step of the chain is repeated r times only when all chains of
        fewer repetitions are too short.  Exact where every leaf holds one tape; where capacities
        differ it is what the placement is decided by, not what is then executed.
        """
        if level == self.n_checkpoints - 1:  # C(r) = K + r K', so that r may be as large as n
            first, others = self.leaves[-2:]
            r = max(0, -((first - n) // others))
            return r * (n - first) - others * (r * (r - 1) // 2)
        longest = self._longest[level]
        while longest[-1] < n:
            self._extend(level)
        r = bisect_left(longest, n)
        return r * n - self._sums[level][r]

    def split(self, n: int, level: int) -> int:
        """Return how far to advance in a chain that is no leaf, before its right part begins.

        As far as possible so that neither part needs more repetitions than the whole.
        """
        if level == self.n_checkpoints - 1:  # the right part can only be a leaf
            return n - self.leaves[-1]
        self.advanced(n, level)  # so that what the next lines read is known
        left, right = self._longest[level], self._longest[level + 1]
        r = bisect_left(left, n)
        least = max(1, left[r - 2] if r >= 2 else 0, n - right[r])
        return max(least, min(left[r - 1], n - 1, n - right[r - 1]))

    def _extend(self, level: int) -> None:
        """Double the repetitions known on a level."""
        last = self.n_checkpoints
        r = 2 * len(self._longest[level])
        for i in range(last, level - 1, -1):
            longest, sums = self._longest[i], self._sums[i]
            for q in range(len(longest), r):
                c = longest[-1] + self._longest[i + 1][q] if i < last else longest[-1]
                longest.append(c)
                sums.append(sums[-1] + c)

"""The cheapest tree of splits for short chains, by dynamic programming over every split.

With i checkpoints held, A(m, i) is the least cost of a chain of m steps whose first state is live,
and B(m, i) that of one whose first state is kept besides::

    A(m, i) = min(leaf(m, i), write + C(m, i))
    B(m, i) = min(leaf(m, i), C(m, i))
    C(m, i) = min over 1 <= j < m of  j * step + A(m - j, i + 1) + read + B(j, i)

It is the recursion of Griewank and Walther (2000), doi:10.1145/347837.347846, with the costs that
Aupy, Herrmann, Hovland and Robert (2016), doi:10.1137/15M1019222, add for a second level.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revolve_ad.schedule.search.split_tree import Leaves, Node

__all__ = ["Table", "table_seconds", "tabulate"]


def table_seconds(n_steps: int, depth: int) -> float:
    """About how long `tabulate` takes [s]: an estimate by counting, so that it never varies."""
    return 1.2e-5 * n_steps + 1.5e-9 * n_steps * n_steps * depth


def tabulate(n_steps: int, leaves: Leaves, *, counted: bool = True) -> "Table":
    """Solve the programme for all chains of up to `n_steps` steps.

    Parameters
    ----------
    n_steps : int
        Length of the longest chain; time grows with its square.
    leaves : Leaves
        What leaves and splits cost.
    counted : bool, optional
        False: any number of checkpoints may be held, and a leaf costs the same with any.

    Returns
    -------
    Table
        The least cost of each chain, and the splits that reach it.
    """
    depth = min(leaves.depth, n_steps - 1) if counted else 1
    rows = depth + 1 if counted else 1
    leaf = np.array([leaves.costs(i, n_steps) for i in range(rows)])
    live = leaf.copy()
    kept = live if leaves.write == 0 else leaf.copy()
    split = np.zeros((rows, n_steps + 1), np.int32)
    right = live[1:] if counted else live
    # Where a leaf costs nothing, no split can be cheaper: those rows come first.
    first = np.cumprod(leaf == 0, axis=0).sum(axis=0)
    advance = leaves.step * np.arange(n_steps + 1) + leaves.read
    each_row = np.arange(rows)
    for m in range(2, n_steps + 1):
        i = int(first[m])
        if i >= depth:
            continue
        costs = right[i:depth, m - 1 : 0 : -1] + kept[i:depth, 1:m]
        costs += advance[1:m]
        j = costs.argmin(axis=1)
        best = costs[each_row[: depth - i], j]
        split[i:depth, m] = j + 1
        np.minimum(leaf[i:depth, m], best, out=kept[i:depth, m])
        if kept is not live:
            np.minimum(leaf[i:depth, m], best + leaves.write, out=live[i:depth, m])
    return Table(leaf, live, kept, split, counted)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The least costs of all chains up to a length, by checkpoints held and by steps.

    Attributes
    ----------
    leaf, live, kept : ndarray of float64, shape (held, n_steps + 1)
        Cost as a leaf; least cost where the first state is live; where it is kept.
    split : ndarray of int32, shape (held, n_steps + 1)
        Length of the left part in the best split.
    counted : bool
        False: one row serves any number of checkpoints held.
    """

    leaf: npt.NDArray[np.float64]
    live: npt.NDArray[np.float64]
    kept: npt.NDArray[np.float64]
    split: npt.NDArray[np.int32]
    counted: bool

    def cost(self, n_steps: int) -> float:
        """Least cost of a chain of `n_steps` steps; infinite where no schedule exists."""
        return float(self.live[0, n_steps])

    def splits(self, *roots: Node) -> dict[Node, int]:
        """The splits that these chains lead to: node to length of its left part."""
        splits: dict[Node, int] = {}
        pending = list(roots)
        while pending:
            node = pending.pop()
            m, i, is_kept = node
            best = self.kept[i, m] if is_kept else self.live[i, m]
            if node in splits or best == self.leaf[i, m]:
                continue
            j = splits[node] = int(self.split[i, m])
            pending.append(Node(j, i, True))
            pending.append(Node(m - j, i + 1 if self.counted else 0, False))
        return splits

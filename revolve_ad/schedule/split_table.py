"""The cheapest tree of splits for short chains, by dynamic programming over every split.

With i checkpoints held, A(m, i) is the least cost of a chain of m steps whose first state is live,
and B(m, i) that of one whose first state is kept besides::

    A(m, i) = min(leaf(m, i), write + C(m, i))
    B(m, i) = min(leaf(m, i), C(m, i))
    C(m, i) = min over 1 <= j < m of  j * step + A(m - j, i + 1) + read + B(j, i)

It is the recursion of Griewank and Walther (2000), doi:10.1145/347837.347846, with the costs that
Aupy, Herrmann, Hovland and Robert (2016), doi:10.1137/15M1019222, add for a second level.
"""

import numpy as np
import numpy.typing as npt

from revolve_ad.schedule.split_tree import Leaves, Node

__all__ = ["table_seconds", "tabulate"]


def table_seconds(n_steps: int, depth: int) -> float:
    """About how long `tabulate` takes [s]: an estimate by counting, so that it never varies."""
    return 1.2e-5 * n_steps + 1.5e-9 * n_steps * n_steps * depth


def tabulate(
    n_steps: int, leaves: Leaves, *, counted: bool = True
) -> tuple[float, dict[Node, int]]:
    """Return the least cost of a chain of `n_steps` steps, and the splits that reach it.

    Parameters
    ----------
    n_steps : int
        Length of the chain; time and memory grow with its square and itself.
    leaves : Leaves
        What leaves and splits cost.
    counted : bool, optional
        False: any number of checkpoints may be held, and a leaf costs the same with any.

    Returns
    -------
    cost : float
        Infinite where no schedule exists.
    splits : dict
        Node to length of its left part; only those that the whole chain leads to.
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
    return float(live[0, n_steps]), _reached(n_steps, leaf, live, kept, split, counted=counted)


def _reached(
    n_steps: int,
    leaf: npt.NDArray[np.float64],
    live: npt.NDArray[np.float64],
    kept: npt.NDArray[np.float64],
    split: npt.NDArray[np.int32],
    *,
    counted: bool,
) -> dict[Node, int]:
    splits: dict[Node, int] = {}
    pending = [Node(n_steps, 0, False)]
    while pending:
        node = pending.pop()
        m, i, is_kept = node
        best = kept[i, m] if is_kept else live[i, m]
        if node in splits or best == leaf[i, m]:
            continue
        j = splits[node] = int(split[i, m])
        pending.append(Node(j, i, True))
        pending.append(Node(m - j, i + 1 if counted else 0, False))
    return splits

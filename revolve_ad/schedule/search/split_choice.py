"""The cheapest tree among the splits that a rule proposes for each kind of chain."""

from collections.abc import Mapping, Set

from revolve_ad.schedule.search.split_tree import Leaves, Node

__all__ = ["cheapest_of"]


def cheapest_of(
    n_steps: int, leaves: Leaves, candidates: Mapping[Node, Set[int]]
) -> tuple[float, dict[Node, int]]:
    """Return the least cost of a chain, and the splits that reach it.

    Parameters
    ----------
    n_steps : int
        Length of the whole chain.
    leaves : Leaves
        What leaves and splits cost.
    candidates : mapping of Node to set of int
        Lengths of the left part to try for each node that the splits lead to, the whole chain
        first of all; an empty set for a node that can only be a leaf.  Being a leaf is always
        tried.
    """
    cost: dict[Node, float] = {}
    chosen: dict[Node, int] = {}
    for node in sorted(candidates):  # by length, so that the parts come before the whole
        m, i, is_kept = node
        keep = 0.0 if is_kept else leaves.write
        best, best_j = leaves.cost(i, m), 0
        if best > 0 and i == leaves.tail:
            best = leaves.tail_cost(m) + keep
        for j in candidates[node]:
            total = keep + j * leaves.step + leaves.read
            total += cost[Node(m - j, i + 1, False)] + cost[Node(j, i, True)]
            if total < best:
                best, best_j = total, j
        cost[node] = best
        if best_j:
            chosen[node] = best_j
    splits: dict[Node, int] = {}
    pending = [Node(n_steps, 0, False)]
    while pending:
        node = pending.pop()
        if node not in splits and node in chosen:
            j = splits[node] = chosen[node]
            pending += (Node(j, node.held, True), Node(node.length - j, node.held + 1, False))
    return cost[Node(n_steps, 0, False)], splits

"""The cheapest nest of splits for short chains, by dynamic programming tier by tier.

The table of one tier, from `split_table`, holds what the leaves of the next one out cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from revolve_ad.schedule.search.nest import Nest, nested
from revolve_ad.schedule.search.one_storage import leaves_in_ram
from revolve_ad.schedule.search.split_table import Table, table_seconds, tabulate
from revolve_ad.schedule.search.split_tree import Node, SplitTree
from revolve_ad.schedule.search.tiers import Tier

__all__ = ["NestTables", "nest_seconds", "tabulated"]


def _depth(tier: Tier, n: int) -> int:
    return 1 if tier.slots is None or tier.holds(n - 1) else tier.slots


def nest_seconds(n: int, order: Sequence[Tier]) -> float:
    """About how long `tabulated` takes [s]: an estimate by counting, so that it never varies."""
    return sum(table_seconds(n, _depth(tier, n)) for tier in order)


@dataclass(frozen=True, slots=True)
class _TableLeaves:
    """Leaves whose costs are those of the tier further in."""

    table: npt.NDArray[np.float64]
    depth: int
    step: float
    write: float
    read: float
    tail: int = -1

    def cost(self, held: int, length: int) -> float:
        """Cost of a leaf."""
        return float(self.table[length])

    def tail_cost(self, length: int) -> float:
        """Never asked for."""
        return float("inf")

    def costs(self, held: int, n_steps: int) -> list[float]:
        """Cost of leaves of 0 … n_steps steps."""
        return self.table[: n_steps + 1].tolist()  # type: ignore[no-any-return]

    def priced(self, price: float) -> tuple[list[int], list[float]]:
        """Never asked for: a table needs no prices."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NestTables:
    """The least costs of all chains up to a length, for each tier of an order."""

    order: Sequence[Tier]
    ram: int
    tables: list[Table]  # the outermost first

    def cost(self, n_steps: int) -> float:
        """Return the least cost of a chain, the recording aside."""
        return self.tables[0].cost(n_steps)

    def period(self) -> int:
        """Return how many steps apart checkpoints on the outermost tier cost least a step."""
        outer, kept = self.order[0], self.tables[0].kept[0]
        fixed = outer.write + outer.read
        return min(range(1, len(kept)), key=lambda j: (fixed + float(kept[j])) / j)

    def nest(self, tree: SplitTree, *roots: Node) -> Nest:
        """Return the cheapest nest in which these chains stand at the outermost tier."""
        outer, *inner = self.tables
        tree = replace(tree, splits=outer.splits(*roots), counted=outer.counted)
        splits = []
        chains = tree
        for table in inner:
            wanted = {Node(leaf.length, 0, False): 1 for leaf in chains.totals().leaves}
            found = table.splits(*wanted)
            splits.append((found, table.counted))
            chains = SplitTree(tree.n_steps, found, counted=table.counted, roots=wanted)
        return nested(self.order, tree, splits, self.ram)


def tabulated(n: int, c: int, order: Sequence[Tier], u: float, bounded: int) -> NestTables:
    """Solve the recursion for all chains of up to so many steps.

    Parameters
    ----------
    n : int
        Length of the longest chain.
    c : int
        Slots in RAM.
    order : sequence of Tier
        The outermost first.
    u : float
        Cost of a plain step.
    bounded : int
        Length of the run: a tier that holds a checkpoint of every step of it has no bound.
    """
    tables: list[Table] = []
    costs = np.array(leaves_in_ram(n, c, 0, u, 0.0, 0.0).costs(0, n))
    for tier in reversed(order):
        leaves = _TableLeaves(costs, _depth(tier, bounded), u, tier.write, tier.read)
        tables.append(tabulate(n, leaves, counted=not tier.holds(bounded - 1)))
        costs = tables[-1].live[0]
    tables.reverse()
    return NestTables(order, c, tables)

"""Leaves of multilevel schedules: chains that the slots in RAM reverse without the disk.

Such a leaf of m steps needs t(m, ram) plain steps, a convex function of m whose slope is the
number of repetitions.  So the length that is worth most at a given price has a closed form.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil

from revolve_ad.schedule.closed_form import beta, plain_steps, repetitions, split
from revolve_ad.schedule.search.split_choice import cheapest_of
from revolve_ad.schedule.search.split_tree import Leaves, Node

__all__ = ["SlotLeaves", "as_one_level"]


@dataclass(frozen=True, slots=True)
class SlotLeaves:
    """Leaves that cost the plain steps of a binomial schedule in RAM.

    Attributes
    ----------
    longest : int
        No chain is longer.
    ram : int
        Slots in RAM, at least 1.
    depth : int
        Slots on disk.
    step, write, read : float
        Cost of a plain step, of a save and of a restore on disk.
    """

    longest: int
    ram: int
    depth: int
    step: float
    write: float
    read: float

    @property
    def tail(self) -> int:
        """No chain has only one way to be split."""
        return -1

    def tail_cost(self, length: int) -> float:
        """Never asked for."""
        return float("inf")

    def cost(self, held: int, length: int) -> float:
        """Cost of the plain steps."""
        return self.step * plain_steps(length, self.ram)

    def costs(self, held: int, n_steps: int) -> list[float]:
        """Cost of leaves of 0 … n_steps steps."""
        costs, k = [0.0, 0.0], 1
        while len(costs) <= n_steps:
            # t(m, ram) = k * m - beta(ram + 1, k - 1) up to beta(ram, k) steps
            stop, less = min(n_steps, beta(self.ram, k)) + 1, beta(self.ram + 1, k - 1)
            costs += [self.step * (k * m - less) for m in range(len(costs), stop)]
            k += 1
        return costs[: n_steps + 1]

    def priced(self, price: float) -> tuple[list[int], list[float]]:
        """The length whose last step costs less than the price and whose next one doesn't."""
        length = 1
        if price > 0:
            # Between beta(ram, k - 1) and beta(ram, k) steps, one more is k plain steps more.
            length = min(self.longest, beta(self.ram, max(0, ceil(price / self.step) - 1)))
        worth = price * length - self.cost(0, length)
        return [length] * (self.depth + 1), [worth] * (self.depth + 1)


def as_one_level(n_steps: int, ram: int, leaves: Leaves) -> tuple[float, dict[Node, int]]:
    """Return the cost and the splits of the binomial positions for all slots together.

    The checkpoints that are split off first, and so are restored least, go to disk; a chain that
    is cheaper without the disk is left to RAM.  This is the idea of Stumm and Walther (2009),
    doi:10.1137/080718036; it needs no search, and disregards what the disk costs when it chooses
    the positions.
    """
    candidates: dict[Node, set[int]] = {}
    pending = deque([Node(n_steps, 0, False)])
    slots = ram + leaves.depth
    while pending:
        node = pending.popleft()
        if node in candidates:
            continue
        m, i, _ = node
        tried = candidates[node] = set()
        if m == 1 or i in (leaves.depth, leaves.tail) or leaves.cost(i, m) == 0:
            continue
        j = split(m, slots - i, repetitions(m, slots - i))
        tried.add(j)
        pending += (Node(j, i, True), Node(m - j, i + 1, False))
    return cheapest_of(n_steps, leaves, candidates)

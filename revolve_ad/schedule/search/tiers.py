"""The storages beyond RAM as a schedule sees them: slots and costs, and in which order they nest.

With several storages the steps between two checkpoints on one are reversed with the help of the
next: the chain is split at checkpoints on the outermost, its stretches at those on the next one,
and what is left is reversed in RAM.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from revolve_ad.schedule.actions import Level

__all__ = ["Tier", "nestings"]


@dataclass(frozen=True, slots=True)
class Tier:
    """One storage.

    Attributes
    ----------
    level : Level
        What its checkpoints are called.
    slots : int or None
        Checkpoints held there at a time; None: any number.
    write, read : float
        Cost of a save and of a restore.
    """

    level: Level
    slots: int | None
    write: float
    read: float

    def holds(self, number: int) -> bool:
        """Whether so many checkpoints fit."""
        return self.slots is None or self.slots >= number

    def is_at_least_as_cheap(self, other: "Tier") -> bool:
        """Whether neither a save nor a restore costs more than there."""
        return self.write <= other.write and self.read <= other.read


def nestings(tiers: Sequence[Tier], n_steps: int) -> list[tuple[Tier, ...]]:
    """Return the orders, the outermost first, among which the cheapest schedule is.

    A storage that is at least as cheap as another is nested within it; where one writes faster and
    the other reads faster, both ways are of use.  A storage without slots, or beside a cheaper one
    that has room for a checkpoint of every step, is left out.

    Parameters
    ----------
    tiers : sequence of Tier
        All storages.
    n_steps : int
        Length of the chain.
    """
    kept = [tier for tier in tiers if tier.slots != 0]
    # Of equal ones that nobody fills, the first stays.
    useful = [
        tier
        for i, tier in enumerate(kept)
        if not any(
            other.holds(n_steps - 1)
            and other.is_at_least_as_cheap(tier)
            and (j < i or not tier.is_at_least_as_cheap(other) or not tier.holds(n_steps - 1))
            for j, other in enumerate(kept)
            if j != i
        )
    ]
    return list(_orders(useful))


def _orders(tiers: Sequence[Tier]) -> Iterator[tuple[Tier, ...]]:
    # So that equal ones are tried in one order only: the first is the innermost.
    inside = {
        (i, j)
        for i, one in enumerate(tiers)
        for j, other in enumerate(tiers)
        if one.is_at_least_as_cheap(other) and (i < j or not other.is_at_least_as_cheap(one))
    }
    for order in permutations(range(len(tiers))):
        if not any((order[a], order[b]) in inside for b in range(len(order)) for a in range(b)):
            yield tuple(tiers[i] for i in order)

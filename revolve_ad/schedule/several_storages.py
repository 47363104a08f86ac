"""Plans for RAM and several storages: which nest of splits is the cheapest that can be found.

The recursion of `one_storage` is nested: what RAM is to the innermost storage, that storage with
RAM is to the next one.  It is solved exactly where there is time.  Otherwise several ways are
planned and compared: one price for a step on all levels, checkpoints every so many steps on an
unbounded storage, each storage alone, and the positions of the binomial schedule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from revolve_ad.schedule.nest import Nest, nested
from revolve_ad.schedule.nested_price import (
    Chain,
    Splits,
    by_price,
    by_rule,
    critical_price,
    price_seconds,
)
from revolve_ad.schedule.one_storage import leaves_in_ram, plan_one_storage
from revolve_ad.schedule.split_table import Table, table_seconds, tabulate
from revolve_ad.schedule.split_tree import Node, SplitTree
from revolve_ad.schedule.tiers import Tier, nestings

__all__ = ["plan_storages"]


def plan_storages(
    n: int, c: int, tiers: Sequence[Tier], u: float, seconds: float
) -> tuple[Nest, float]:
    """Return the best nest that can be found in time, and a cost below which none is.

    Parameters
    ----------
    n : int
        Number of steps.
    c : int
        Slots in RAM.
    tiers : sequence of Tier
        The storages, at least one; not all without slots where `c` is 0, for more than one step.
    u : float
        Cost of a plain step.
    seconds : float
        What planning may take.
    """
    orders = nestings(tiers, n)
    used = orders[0]
    if len(used) < 2 or n == 1 or (u == 0 and c > 0):
        return _alone(n, c, used[0] if used else tiers[0], u, seconds)
    if u == 0:
        # State 0 is saved, and all else is advanced to from there.
        return min((_alone(n, c, tier, u, seconds) for tier in used), key=lambda found: found[1])
    if sum(_table_seconds(n, order) for order in orders) <= seconds / 2:
        exact = [_exact(n, c, order, u) for order in orders]
        return min(exact, key=lambda found: found[1])
    search = _Search(n, c, u, used, seconds)
    for tier in used:
        search.add(_alone(n, c, tier, u, search.part)[0])
    for order in orders:
        search.nest(order)
    return search.best, search.bound()


def _alone(n: int, c: int, tier: Tier, u: float, seconds: float) -> tuple[Nest, float]:
    tree, bound = plan_one_storage(n, c, tier.slots, u, tier.write, tier.read, seconds)
    return nested((tier,), tree, (), c), bound


def _is_unbounded(tier: Tier, n: int) -> bool:
    return tier.holds(n - 1)


def _depth(tier: Tier, n: int) -> int:
    return 1 if tier.slots is None or _is_unbounded(tier, n) else tier.slots


def _table_seconds(n: int, order: Sequence[Tier]) -> float:
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


def _exact(n: int, c: int, order: Sequence[Tier], u: float) -> tuple[Nest, float]:
    """Return the cheapest nest of this order, and its cost."""
    tables: list[Table] = []
    costs = np.array(leaves_in_ram(n, c, 0, u, 0.0, 0.0).costs(0, n))
    for tier in reversed(order):
        leaves = _TableLeaves(costs, _depth(tier, n), u, tier.write, tier.read)
        tables.append(tabulate(n, leaves, counted=not _is_unbounded(tier, n)))
        costs = tables[-1].live[0]
    tables.reverse()
    roots = [Node(n, 0, False)]
    outer: SplitTree | None = None
    inner = []
    for table in tables:
        splits = table.splits(*roots)
        tree = SplitTree(n, splits, counted=table.counted, roots=dict.fromkeys(roots, 1))
        if outer is None:
            outer = replace(tree, roots=None)
        else:
            inner.append((splits, table.counted))
        roots = sorted({Node(leaf.length, 0, False) for leaf in tree.totals().leaves})
    assert outer is not None
    return nested(order, outer, inner, c), tables[0].cost(n)


_MOST_SLOTS = 2000
_FEWEST_SLOTS = 8
"""So many slots of each storage are planned for at least, and so many of all together at most."""

_SLOTS_AT_END = 12
_PERIODS_AT_END = 6
"""Of a chain on an unbounded storage so many periods at the end are planned with so many slots."""


class _Search:
    """Compares nests for a chain that is too long to be solved exactly."""

    def __init__(self, n: int, c: int, u: float, tiers: Sequence[Tier], seconds: float) -> None:
        self.n, self.c, self.u, self.tiers = n, c, u, tiers
        self.part = seconds / (2 + 2 * len(tiers))
        """Seconds for one of the ways; about so many are tried."""
        self._found: list[tuple[float, Nest]] = []
        self._bounds: list[float] = []
        self._loose = [u * (n - 1)]  # in the first sweep every step but the last is a plain one

    @property
    def best(self) -> Nest:
        """The cheapest nest so far."""
        return min(self._found, key=lambda found: found[0])[1]

    def bound(self) -> float:
        """A cost below which no nest is."""
        loose = max(self._loose)
        return loose if not self._bounds else max(loose, min(self._bounds))

    def add(self, nest: Nest) -> None:
        """Compare one more nest, if it keeps to the slots."""
        if nest.fits(self.tiers):
            self._found.append((nest.cost(self.u, self.tiers), nest))

    def nest(self, order: Sequence[Tier]) -> None:
        """Look for the cheapest nest of this order, and for a bound."""
        slots = self._slots(order)
        chain = self._chain(self.n, order, slots)
        is_whole = all(
            tier.slots == most or _is_unbounded(tier, self.n) and most >= self.n - 1
            for tier, most in zip(order, slots, strict=True)
        )
        self._take(order, by_rule(chain).splits)
        bound = -float("inf")
        if price_seconds(self.n, sum(slots)) <= self.part:
            for scale in (None, 0.0, 0.1):
                proposing = None if scale is None else _cheaper(chain, scale)
                found = by_price(chain, proposing=proposing)
                if found:
                    bound = max(bound, found.bound)
                    self._take(order, found.splits)
                if found and is_whole and found.cost <= 1.001 * bound:
                    break
        if price_seconds(self.n, sum(slots[1:]) + 1) <= self.part:
            bound = max(bound if is_whole else -float("inf"), self._periodic(order, slots))
        self._bounds.append(bound)

    def _take(self, order: Sequence[Tier], splits: Splits) -> None:
        outer, *inner = splits
        tree = SplitTree(self.n, outer)
        self.add(nested(order, tree, [(one, True) for one in inner], self.c))

    def _periodic(self, order: Sequence[Tier], slots: Sequence[int]) -> float:
        """Try checkpoints every so many steps on the outermost tier, and return its bound.

        The bound holds where the other tiers are planned for with all their slots.
        """
        inner = self._chain(self.n, order[1:], slots[1:])
        bound, periods = critical_price(inner, order[0])
        for period in periods:
            above = _PERIODS_AT_END * period
            if self.n <= above:
                continue
            tree = SplitTree(self.n, {}, period=period, period_above=above)
            rest, _ = tree.after_periods()
            depth = min(_SLOTS_AT_END, slots[0])
            end = self._chain(rest.length, order, (depth, *slots[1:]))
            stretch = replace(end, n_steps=period, kept=True)
            parts = [by_price(end) or by_rule(end), by_price(stretch) or by_rule(stretch)]
            merged: list[dict[Node, int]] = [
                {**one, **other}
                for one, other in zip(parts[0].splits, parts[1].splits, strict=True)
            ]
            outer, *others = merged
            nest = nested(
                order, replace(tree, splits=outer), [(one, True) for one in others], self.c
            )
            self.add(nest)
        all_slots = all(tier.slots == most for tier, most in zip(order[1:], slots[1:], strict=True))
        return bound if all_slots else -float("inf")

    def _chain(self, n: int, order: Sequence[Tier], slots: Sequence[int]) -> Chain:
        tiers = [replace(tier, slots=most) for tier, most in zip(order, slots, strict=True)]
        return Chain(n, self.c, self.u, tuple(tiers))

    def _slots(self, order: Sequence[Tier]) -> list[int]:
        """Return for how many slots of each tier there is time."""
        n = self.n
        wanted = [n - 1 if tier.slots is None else min(tier.slots, n - 1) for tier in order]
        base = price_seconds(n, 0)
        each = price_seconds(n, 1) - base
        room = min(_MOST_SLOTS, max(0, int((self.part - base) / each)))
        return _shared(wanted, room)


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """Share so much room: evenly, but for those that want less."""
    given = [0] * len(wanted)
    for place, i in enumerate(sorted(range(len(wanted)), key=lambda i: wanted[i])):
        share = room // (len(wanted) - place)
        given[i] = min(wanted[i], max(_FEWEST_SLOTS, share))
        room -= given[i]
    return given


def _cheaper(chain: Chain, scale: float) -> Chain:
    """Return the chain with saves on the outermost tier that cost less."""
    outer, *others = chain.tiers
    return replace(chain, tiers=(replace(outer, write=scale * outer.write), *others))

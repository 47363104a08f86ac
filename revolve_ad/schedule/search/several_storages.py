"""Plans for RAM and several storages: which nest of splits is the cheapest that can be found.

The recursion of `one_storage` is nested: what RAM is to the innermost storage, that storage with
RAM is to the next one.  It is solved exactly where there is time.  Otherwise several ways are
planned and compared: one price for a step on all levels, checkpoints every so many steps on an
unbounded storage, each storage alone, and the positions of the binomial schedule.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from revolve_ad.schedule.disk_period import disk_period
from revolve_ad.schedule.search.nest import Nest, nested
from revolve_ad.schedule.search.nested_price import (
    Chain,
    Found,
    Splits,
    by_price,
    by_rule,
    critical_price,
    price_seconds,
)
from revolve_ad.schedule.search.nested_table import NestTables, nest_seconds, tabulated
from revolve_ad.schedule.search.one_storage import leaves_in_ram, plan_one_storage
from revolve_ad.schedule.search.split_price import unbounded_bound
from revolve_ad.schedule.search.split_tree import Node, SplitTree
from revolve_ad.schedule.search.tiers import Tier, nestings

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
    if sum(nest_seconds(n, order) for order in orders) <= seconds / 2:
        exact = [_exact(n, c, order, u) for order in orders]
        return min(exact, key=lambda found: found[1])
    search = _Search(n, c, u, used, seconds)
    search.run(orders)
    return search.best, search.bound()


def _alone(n: int, c: int, tier: Tier, u: float, seconds: float) -> tuple[Nest, float]:
    tree, bound = plan_one_storage(n, c, tier.slots, u, tier.write, tier.read, seconds)
    return nested((tier,), tree, (), c), bound


def _exact(n: int, c: int, order: Sequence[Tier], u: float) -> tuple[Nest, float]:
    """Return the cheapest nest of this order, and its cost."""
    tables = tabulated(n, c, order, u, n)
    return tables.nest(SplitTree(n, {}), Node(n, 0, False)), tables.cost(n)


_MOST_SLOTS = 2000
_FEWEST_SLOTS = 8
"""So many slots of each storage are planned for at least, and so many of all together at most."""

_SLOTS_AT_END = 12
_PERIODS_AT_END = 6
_LONGEST_TABLE = 4000
"""Of a chain on an unbounded storage so many periods at the end are planned with so many slots, or
exactly, by a table of so many steps at most."""

_BOUND_SECONDS = 8e-3
"""About how long the bound for one unbounded storage, as cheap as the cheapest, takes."""

_NEAR = 1.001
"""A nest within this ratio of the bound is good enough to stop."""


class _Search:
    """Compares nests for a chain that is too long to be solved exactly."""

    def __init__(self, n: int, c: int, u: float, tiers: Sequence[Tier], seconds: float) -> None:
        self.n, self.c, self.u, self.tiers = n, c, u, tiers
        self._left = seconds
        self._found: list[tuple[float, Nest]] = []
        self._bounds: list[float] = []
        # In the first sweep every step but the last is a plain one.
        self._loose = u * (n - 1)
        if seconds > _BOUND_SECONDS:
            write, read = min(tier.write for tier in tiers), min(tier.read for tier in tiers)
            free = leaves_in_ram(n, c, 0, u, write, read)
            self._loose = max(self._loose, unbounded_bound(n, free))

    @property
    def best(self) -> Nest:
        """The cheapest nest so far."""
        return min(self._found, key=lambda found: found[0])[1]

    def bound(self) -> float:
        """A cost below which no nest is: the least of those of all orders."""
        return max(self._loose, min(self._bounds, default=0.0))

    def run(self, orders: Sequence[Sequence[Tier]]) -> None:
        """Look for nests of each order, for as long as there is time."""
        for order in orders:
            slots = self._slots(order, 0.0)
            self._take(order, by_rule(self._chain(self.n, order, slots)).splits)
            for period in self._quick_periods(order, slots):
                self._add_chains(order, period, slots[1:], by_rule)
        for tier in self.tiers:
            self.add(_alone(self.n, self.c, tier, self.u, self._left / 16)[0])
        seconds = self._left / len(orders)
        for order in orders:
            self._left = seconds
            self._bounds.append(self._search(order))

    def add(self, nest: Nest) -> None:
        """Compare one more nest, if it keeps to the slots."""
        if nest.fits(self.tiers):
            self._found.append((nest.cost(self.u, self.tiers), nest))

    def _is_near(self, bound: float) -> bool:
        return min(cost for cost, _ in self._found) <= _NEAR * bound

    def _affords(self, seconds: float) -> bool:
        """Whether there is time, which is then spent."""
        if seconds > self._left:
            return False
        self._left -= seconds
        return True

    def _search(self, order: Sequence[Tier]) -> float:
        """Look for the cheapest nest of this order; return a cost below which none is."""
        bound = self._periodic(order)
        if self._is_near(bound):
            return bound
        if order[0].holds(self.n - 1):
            self._priced_without_outermost(order[1:])
            return bound
        slots = self._slots(order, self._left / 3)
        chain = self._chain(self.n, order, slots)
        whole = _all_slots(order, slots)
        for scale in (1.0, 0.0, 0.1):
            if not self._affords(price_seconds(self.n, sum(slots))):
                break
            # Where a save is dearer than all that it spares at once, but is restored from many
            # times, other costs find better splits.
            found = by_price(chain, proposing=None if scale == 1 else _cheaper(chain, scale))
            if found:
                self._take(order, found.splits)
                if whole:
                    bound = max(bound, found.bound)
            if self._is_near(bound):
                break
        return bound

    def _priced_without_outermost(self, order: Sequence[Tier]) -> None:
        """Try fewer tiers, where a save on the outermost costs more than a short chain repays."""
        while len(order) > 1:
            slots = self._slots(order, self._left / 2)
            if not self._affords(price_seconds(self.n, sum(slots))):
                return
            found = by_price(self._chain(self.n, order, slots))
            if found:
                self._take(order, found.splits)
            order = order[1:]

    def _take(self, order: Sequence[Tier], splits: Splits) -> None:
        outer, *inner = splits
        tree = SplitTree(self.n, outer)
        self.add(nested(order, tree, [(one, True) for one in inner], self.c))

    def _periodic(self, order: Sequence[Tier]) -> float:
        """Try any number of checkpoints on the outermost tier, and return the bound for that."""
        n, inner = self.n, order[1:]
        slots = self._slots(inner, self._left / 4)
        if not self._affords(price_seconds(n, sum(slots))):
            return -float("inf")
        bound, periods = critical_price(self._chain(n, inner, slots), order[0])
        above = _PERIODS_AT_END * periods[-1]
        end = min(n, max(above, _LONGEST_TABLE))
        while end > above and nest_seconds(end, (_free(order[0]), *inner)) > self._left / 2:
            end //= 2
        end = min(n, max(end, above))
        if self._affords(nest_seconds(end, (_free(order[0]), *inner))):
            tables = tabulated(end, self.c, (_free(order[0]), *inner), self.u, n)
            period = tables.period()
            if end == n or period <= end:
                self._add_periodic(tables, period, end)
        else:
            for period in periods:
                self._add_priced(order, period, slots)
        return bound if _all_slots(inner, slots) else -float("inf")

    def _add_periodic(self, tables: NestTables, period: int, above: int) -> None:
        tree = SplitTree(self.n, {}, period=period, period_above=above)
        rest, periods = tree.after_periods()
        roots = [rest, Node(period, 0, True)] if periods else [rest]
        self.add(tables.nest(tree, *roots))

    def _quick_periods(self, order: Sequence[Tier], slots: Sequence[int]) -> list[int]:
        """The best periods if all slots further in were in RAM, and if there were none of them."""
        u, c, outer = self.u, self.c, order[0]
        few = {c + sum(slots[1:]), max(1, c)}
        found = {disk_period(s, step=u, write=outer.write, read=outer.read) for s in few}
        return sorted(period for period in found if period < self.n)

    def _add_priced(self, order: Sequence[Tier], period: int, slots: Sequence[int]) -> None:
        """Try one period whose chains are too long for a table."""
        if self._affords(2 * price_seconds(_PERIODS_AT_END * period, _SLOTS_AT_END + sum(slots))):
            self._add_chains(order, period, slots, lambda chain: by_price(chain) or by_rule(chain))

    def _add_chains(
        self,
        order: Sequence[Tier],
        period: int,
        slots: Sequence[int],
        split: Callable[[Chain], Found],
    ) -> None:
        """Try one period, its chain and what is left at the end split by themselves."""
        tree = SplitTree(self.n, {}, period=period, period_above=_PERIODS_AT_END * period)
        rest, periods = tree.after_periods()
        depth = _SLOTS_AT_END if order[0].slots is None else min(_SLOTS_AT_END, order[0].slots)
        end = self._chain(rest.length, order, (depth, *slots))
        chains = [end, replace(end, n_steps=period, kept=True)] if periods else [end]
        splits: list[dict[Node, int]] = [{} for _ in order]
        for chain in chains:
            for known, more in zip(splits, split(chain).splits, strict=True):
                known.update(more)
        outer, *inner = splits
        tree = replace(tree, splits=outer)
        self.add(nested(order, tree, [(one, True) for one in inner], self.c))

    def _chain(self, n: int, order: Sequence[Tier], slots: Sequence[int]) -> Chain:
        tiers = [replace(tier, slots=most) for tier, most in zip(order, slots, strict=True)]
        return Chain(n, self.c, self.u, tuple(tiers))

    def _slots(self, order: Sequence[Tier], seconds: float) -> list[int]:
        """Return for how many slots of each tier there is time."""
        n = self.n
        wanted = [n - 1 if tier.slots is None else min(tier.slots, n - 1) for tier in order]
        base = price_seconds(n, 0)
        each = price_seconds(n, 1) - base
        return _shared(wanted, min(_MOST_SLOTS, max(0, int((seconds - base) / each))))


def _free(tier: Tier) -> Tier:
    return replace(tier, slots=None)


def _all_slots(order: Sequence[Tier], slots: Sequence[int]) -> bool:
    return all(tier.slots == most for tier, most in zip(order, slots, strict=True))


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

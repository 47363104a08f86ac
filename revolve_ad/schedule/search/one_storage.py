"""Plans for RAM and one storage: how a chain is split at checkpoints on the disk.

The recursion is solved exactly where there is time, and otherwise by putting a price on a step; a
long chain on an unbounded disk has a checkpoint every so many steps, but for its end.
"""

from dataclasses import replace
from math import isqrt

from revolve_ad.schedule.closed_form import beta, plain_steps
from revolve_ad.schedule.disk_period import disk_period
from revolve_ad.schedule.search.block_leaves import BlockLeaves
from revolve_ad.schedule.search.slot_leaves import SlotLeaves, as_one_level
from revolve_ad.schedule.search.split_price import by_price, unbounded_bound
from revolve_ad.schedule.search.split_table import Table, table_seconds, tabulate
from revolve_ad.schedule.search.split_tree import Leaves, Node, SplitTree

__all__ = ["ROUNDING", "UNHURRIED", "leaves_in_ram", "plan_one_storage", "tree_cost"]

ROUNDING = 1 + 1e-12
"""Costs that differ by less are equal."""


def plan_one_storage(
    n: int, c: int, d: int | None, u: float, w: float, r: float, seconds: float
) -> tuple[SplitTree, float]:
    """Return the best tree that can be found in time, and a cost below which none is.

    Parameters
    ----------
    n : int
        Number of steps.
    c, d : int
        Slots in RAM and on disk, not both 0 for more than one step; None: any number on disk.
    u, w, r : float
        Cost of a plain step, of a save and of a restore on disk.
    seconds : float
        What planning may take.
    """
    if n == 1 or (c > 0 and (u == 0 or d == 0)):
        return SplitTree(n, {}), u * (plain_steps(n, c) if c else 0)
    if c == 0 and (d == 1 or u == 0):
        # State 0 is saved, and all else is advanced to from there.
        tree = SplitTree(n, {}, tail_held=0, tail_block=1, tail_leaf=1)
        return tree, u * (n * (n - 1) // 2) + w + r * (n - 1)
    free = leaves_in_ram(n, c, 1, u, w, r)
    # In the first sweep every step but the last is a plain one.
    bound = u * (n - 1)
    if seconds > _BOUND_SECONDS:
        bound = max(bound, unbounded_bound(n, leaves_in_ram(n, c, 0, u, w, r)))
    if d is None or d >= n - 1:
        return _unbounded(n, c, free, seconds, bound)
    # How many checkpoints an unbounded disk would hold, roughly; far fewer are allowed, or not.
    period = disk_period(c, step=u, write=w, read=r) if c else isqrt(int(2 * w / u)) + 1
    if n <= (2 * d + 8) * period:
        seconds /= 2
        tree, best = _unbounded(n, c, free, seconds, bound)
        fits = tree.peak(lambda leaf: 0) <= d
        if fits and (
            tree_cost(tree, c, u, w, r) <= best * ROUNDING
            or rule_seconds(n, d) > LEAST_SECONDS + seconds
        ):
            return tree, best
    return _bounded(n, c, leaves_in_ram(n, c, d, u, w, r), seconds, bound)


def tree_cost(tree: SplitTree, c: int, u: float, w: float, r: float) -> float:
    """Return the cost of a pass, the recording aside."""
    totals = tree.totals()
    steps = totals.advanced
    for leaf, times in totals.leaves.items():
        steps += times * plain_steps(leaf.length, c) if leaf.length > 1 else 0
    return u * steps + w * totals.kept + r * totals.returns


def leaves_in_ram(n: int, c: int, depth: int, u: float, w: float, r: float) -> Leaves:
    """Return what the chains cost that are left to so many slots in RAM."""
    if c > 0:
        return SlotLeaves(n, c, depth, u, w, r)
    # Without RAM only a single step is a leaf.
    return BlockLeaves((1,) * (depth + 1), u, w, r)


# Estimates by counting of how long the parts of a plan take [s], so that they never vary.
_BOUND_SECONDS = 4e-3
# The rule is so much better than no search at all that it may take this long in any case; with
# more time than `UNHURRIED` prices are looked for too.
LEAST_SECONDS, UNHURRIED = 2e-3, 0.2


def rule_seconds(n: int, depth: int) -> float:
    bits = n.bit_length()
    return 2e-4 * bits + max(6e-5, 3e-7 * bits**2) * min(depth, n)


def price_seconds(n: int, depth: int) -> float:
    bits = n.bit_length()
    return 1e-5 * bits**3 + 6e-7 * min(depth, n) * bits**2


def _deepest(n: int, seconds: float) -> int:
    """The most slots for which the rule fits, or both if that is many, at most `_DEEPEST`."""
    base, each = rule_seconds(n, 0), rule_seconds(n, 1)
    if seconds > UNHURRIED:
        base, each = base + price_seconds(n, 0), each + price_seconds(n, 1)
    return max(0, min(_DEEPEST, int((seconds - base) / (each - base))))


# More slots on disk than these take too long to plan for: of such many, the first ones are used
# periodically, and so many at the end are planned.
_DEEPEST, _DEEP_END, _SHALLOWEST = 5000, 1000, 16


def _bounded(
    n: int, c: int, leaves: Leaves, seconds: float, bound: float
) -> tuple[SplitTree, float]:
    """The tree for so many slots on disk as `leaves` has."""
    deepest = _deepest(n, max(seconds, LEAST_SECONDS + rule_seconds(n, 0)))
    if c == 0:
        deepest = max(_SHALLOWEST, deepest)  # there is no other way
    elif leaves.depth > deepest:
        return _bounded_and_periodic(n, c, leaves, seconds), bound
    depth = min(leaves.depth, deepest)
    used = leaves_in_ram(n, c, depth, leaves.step, leaves.write, leaves.read)
    least, splits, found = _searched(n, c, used, seconds)
    if depth == leaves.depth:
        bound = max(bound, found)
    tree = SplitTree(n, splits)
    if used.tail >= 0:
        tree = replace(tree, tail_held=used.tail, tail_block=1, tail_leaf=1)
    if least > bound * ROUNDING and table_seconds(n, leaves.depth) <= seconds / 2:
        table = tabulate(n, leaves)
        return SplitTree(n, table.splits(tree.root())), table.cost(n)
    return tree, bound


def _searched(
    n: int, c: int, leaves: Leaves, seconds: float
) -> tuple[float, dict[Node, int], float]:
    """Cost and splits of the best tree that rules and prices find, and a lower bound."""
    least, splits = as_one_level(n, c, leaves)
    bound, each = 0.0, price_seconds(n, leaves.depth)
    if each > seconds:
        return least, splits, bound
    if priced := by_price(n, leaves):
        bound = priced.bound
        if priced.cost < least:
            least, splits = priced.cost, priced.splits
    if not isinstance(leaves, SlotLeaves) or least <= 1.01 * bound:
        return least, splits, bound
    # A save that is dearer than all that it spares at once, but is restored from many times.
    left = seconds - each
    for depth in sorted({1, 2, 4, leaves.depth}):
        for write in (0.0, 0.1 * leaves.write):
            if (left := left - price_seconds(n, depth)) < 0:
                break
            other = replace(leaves, depth=min(depth, leaves.depth), write=write)
            priced = by_price(n, leaves, proposing=other)
            if priced and priced.cost < least:
                least, splits = priced.cost, priced.splits
    return least, splits, bound


def _bounded_and_periodic(n: int, c: int, leaves: Leaves, seconds: float) -> SplitTree:
    """The tree for very many slots on disk, most of them used once, a period apart.

    So many slots as there is time for are planned, at the end of the chain, for each of some
    periods, and in another tree that is the answer if it is cheaper.
    """
    u, w, r = leaves.step, leaves.write, leaves.read
    most_periods = 3 if seconds > UNHURRIED else 1
    share = seconds / (most_periods + 1)
    depth = min(_DEEP_END, _deepest(n, max(share, LEAST_SECONDS + rule_seconds(n, 0))))
    many = leaves.depth - depth
    first = disk_period(c, step=u, write=w, read=r)
    if depth == 0:
        first = max(first, -(-n // (many + 1)))
    periods = {beta(c, k) for k in range(1, _MOST_PERIODS) if beta(c, k) >= first}
    shortest = sorted(periods | {first})[:most_periods]
    best = SplitTree(n, {})
    if depth:
        used = leaves_in_ram(n, c, depth, u, w, r)
        best = SplitTree(n, _searched(n, c, used, seconds / (len(shortest) + 1))[1])
    for period in shortest:
        tree = SplitTree(n, {}, period=period, period_above=period)
        rest = n - many * period
        if rest > period and depth == 0:
            break  # more periods than slots
        if rest > period:
            end = leaves_in_ram(rest, c, depth, u, w, r)
            splits = _searched(rest, c, end, seconds / (len(shortest) + 1))[1]
            tree = SplitTree(n, splits, period=period, period_above=rest)
        elif rest < 1 and depth:
            break
        if tree_cost(tree, c, u, w, r) < tree_cost(best, c, u, w, r):
            best = tree
    return best


_MOST_PERIODS = 30


# A chain on an unbounded disk is solved exactly up to so many steps; beyond, its beginning is
# periodic, and the rest is at least so many periods long.
_EXACT_END = 4000
_PERIODS_AT_END = 6


def _unbounded(
    n: int, c: int, leaves: Leaves, seconds: float, bound: float
) -> tuple[SplitTree, float]:
    """The tree for any number of slots on disk."""
    if table_seconds(n, 1) <= seconds:
        table = tabulate(n, leaves, counted=False)
        return SplitTree(n, table.splits(Node(n, 0, False)), counted=False), table.cost(n)
    end = min(n, _EXACT_END)
    while end > 1 and table_seconds(end, 1) > seconds:
        end //= 2
    if c > 0:
        period = disk_period(c, step=leaves.step, write=leaves.write, read=leaves.read)
        if _PERIODS_AT_END * period > end:
            return _quickly_unbounded(n, c, leaves, period, seconds), bound
        table = tabulate(end, leaves, counted=False)
    else:
        end = min(n, max(end, _SHORTEST_END))
        table = tabulate(end, leaves, counted=False)
        if end == n:
            return SplitTree(n, table.splits(Node(n, 0, False)), counted=False), table.cost(n)
        period = _period(table, leaves)
    tree = SplitTree(n, {}, period=period, period_above=end, counted=False)
    rest, _ = tree.after_periods()
    return replace(tree, splits=table.splits(rest, Node(period, 0, True))), bound


_SHORTEST_END = 100


def _quickly_unbounded(n: int, c: int, leaves: Leaves, period: int, seconds: float) -> SplitTree:
    """The tree where a table of some periods would take too long: periodic but for its end."""
    u, w, r = leaves.step, leaves.write, leaves.read
    trees = [SplitTree(n, {})]
    for steps in {period, *(-(-n // k) for k in range(1, n // period + 2) if k <= _EVEN_PARTS)}:
        if steps < n:
            trees.append(SplitTree(n, {}, period=steps, period_above=steps, counted=False))
    above = _PERIODS_AT_END * period
    depth = min(2 * _PERIODS_AT_END, _deepest(min(n, above), seconds))
    if depth > 1:
        tree = SplitTree(n, {}, period=period, period_above=above)
        rest, _ = tree.after_periods()
        end = leaves_in_ram(rest.length, c, depth, u, w, r)
        trees.append(replace(tree, splits=_searched(rest.length, c, end, seconds)[1]))
    return min(trees, key=lambda tree: tree_cost(tree, c, u, w, r))


_EVEN_PARTS = 4


def _period(table: Table, leaves: Leaves) -> int:
    """The period that costs least a step, from the costs of all lengths in the table."""
    lengths = range(1, table.kept.shape[1])
    fixed = leaves.write + leaves.read
    kept = table.kept[0]
    return min(lengths, key=lambda j: (fixed + float(kept[j])) / j)

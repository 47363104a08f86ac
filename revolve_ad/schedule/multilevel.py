"""The multilevel schedule: some checkpoints in RAM, more on a disk that takes time to use.

What the disk costs is weighed against the steps that it saves: a slow disk is used rarely or not
at all, a fast one instead of any recomputation in long stretches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isqrt

from revolve_ad.errors import BudgetError
from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.arguments import cost, count
from revolve_ad.schedule.binomial import BinomialMachine
from revolve_ad.schedule.block_leaves import BlockLeaves
from revolve_ad.schedule.closed_form import beta, min_saves, plain_steps
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits
from revolve_ad.schedule.slot_leaves import SlotLeaves, as_one_level
from revolve_ad.schedule.split_price import by_price, unbounded_bound
from revolve_ad.schedule.split_table import Table, table_seconds, tabulate
from revolve_ad.schedule.split_tree import Leaves, Node, SplitTree

__all__ = ["Multilevel", "disk_period", "multilevel"]


def multilevel(
    n_steps: int,
    ram: int,
    disk: int | None = None,
    step: float = 1.0,
    adjoint: float = 1.0,
    write: float = 1.0,
    read: float = 1.0,
    *,
    effort: float | None = None,
) -> "Multilevel":
    """Return the cheapest schedule for slots in RAM and on disk, what the disk costs included.

    The cost is ``step * advanced + (step + adjoint) * recorded + write * saves on disk + read *
    restores from disk``; what happens in RAM is free.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    ram : int
        Checkpoints held in RAM at a time, at least 0.
    disk : int or None, optional
        Checkpoints held on disk at a time, at least 0; None: any number.
    step, adjoint, write, read : float, optional
        Cost of a plain step, of the reversal of a recorded one, of a save on disk and of a restore
        from it, in one unit such as seconds; 0 or more each.
    effort : float, optional
        Seconds that planning may take, estimated by counting operations, so that the same
        arguments give the same schedule everywhere.  By default 0.5, and 2 beyond 100,000 steps.

    Returns
    -------
    Multilevel
        A re-iterable value; ``counts()`` and ``cost`` tell what a pass costs, ``proven`` whether
        it is proven that no schedule is cheaper.

    Raises
    ------
    BudgetError
        If there is no slot at all for more than one step.
    ParameterError
        If an argument is not a number of the kind above.

    See Also
    --------
    streaming : for a disk that is written and read while steps run.

    Notes
    -----
    State 0 is live at the start and takes a slot only when it is saved, in RAM or on disk.  A disk
    checkpoint is discarded at its last restore, so that the disk is empty at the end.

    A chain is split at disk checkpoints down to stretches that RAM reverses by itself: the
    recursion of Aupy, Herrmann, Hovland and Robert (2016), doi:10.1137/15M1019222, and of
    Herrmann and Pallez (2020), doi:10.1145/3378672.  It is solved exactly where `effort` allows
    (some thousand steps), and otherwise by putting a price on a step; with unbounded disk, a long
    chain has a checkpoint on disk every `disk_period` steps, but for its end.  Prices give a lower
    bound besides: at a million steps the cost is mostly within 1.0001 of it.  Of 800 random
    problems of 800 to 2500 steps the worst of prices alone cost 1.07 times the least possible: few
    saves, each as dear as a thousand steps.  With less time than prices take, positions are those
    of the binomial schedule for all slots together, the first split off on disk: on 150 problems of
    up to 2500 steps 1.04 times the least on average, 1.6 times in the worst case, in 1 ms.  Of more
    than 5000 slots on disk, all needed, most are used once, a period apart, at up to 1.3 times the
    bound, which is a loose one there.

    Examples
    --------
    >>> schedule = multilevel(1000, ram=5, disk=None, write=20, read=20)
    >>> schedule.counts().advanced, schedule.counts().disk_saved, schedule.proven
    (3468, 16, True)
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    c = count("ram", ram, 0)
    d = None if disk is None else count("disk", disk, 0, "None is a disk without bound")
    u, a = cost("step", step), cost("adjoint", adjoint)
    w, r = cost("write", write), cost("read", read)
    seconds = (0.5 if n <= _LONG else 2.0) if effort is None else cost("effort", effort)
    if n > 1 and c == 0 and d == 0:
        raise BudgetError(
            f"ram and disk are 0 slots; {n} steps need at least 1, for state 0: "
            "give ram=1 or disk=1"
        )
    schedule = Multilevel(n, c, d, u, a, w, r, seconds, SplitTree(n, {}), 0.0)
    tree, bound = _plan(n, c, d, schedule, seconds)
    return replace(schedule, tree=tree, lower_bound=bound + schedule.recording_cost)


_LONG = 100_000


def disk_period(ram: int, *, step: float, write: float, read: float) -> int:
    """Return how many steps apart checkpoints on an unbounded disk are best placed.

    Parameters
    ----------
    ram : int
        Slots in RAM, at least 1, that reverse the steps between two checkpoints on disk; one of
        them holds the first state of these.
    step, write, read : float
        Cost of a plain step (above 0), of a save and of a restore.

    Returns
    -------
    int
        ``beta(ram, r)`` with the smallest r for which ``beta(ram + 1, r) * step >= write + read``.

    Raises
    ------
    ParameterError
        If an argument is not a number of the kind above.

    Notes
    -----
    A period of m steps costs ``(write + read + step * (m + t(m, ram))) / m`` a step, and by
    ``t(m, ram) = r * m - beta(ram + 1, r - 1)`` that is monotone between two lengths at which r
    grows.  Aupy and Herrmann (2017), doi:10.1080/10556788.2017.1330459, conjecture a closed form.

    Examples
    --------
    >>> disk_period(5, step=1.0, write=20.0, read=20.0)
    56
    """
    c = count("ram", ram, 1)
    target = (cost("write", write) + cost("read", read)) / cost("step", step, positive=True)
    high = 1
    while beta(c + 1, high) < target:
        high *= 2
    low = high // 2 if high > 1 else -1
    while high - low > 1:
        middle = (low + high) // 2
        if beta(c + 1, middle) < target:
            low = middle
        else:
            high = middle
    return beta(c, high)


def _plan(
    n: int, c: int, d: int | None, schedule: "Multilevel", seconds: float
) -> tuple[SplitTree, float]:
    """The best tree that can be found in time, and a cost below which none is."""
    u, w, r = schedule.step, schedule.write, schedule.read
    if n == 1 or (c > 0 and (u == 0 or d == 0)):
        return SplitTree(n, {}), u * (plain_steps(n, c) if c else 0)
    if c == 0 and (d == 1 or u == 0):
        # State 0 is saved, and all else is advanced to from there.
        tree = SplitTree(n, {}, tail_held=0, tail_block=1, tail_leaf=1)
        return tree, u * (n * (n - 1) // 2) + w + r * (n - 1)
    free = _leaves(n, c, 1, u, w, r)
    # In the first sweep every step but the last is a plain one.
    bound = u * (n - 1)
    if seconds > _BOUND_SECONDS:
        bound = max(bound, unbounded_bound(n, _leaves(n, c, 0, u, w, r)))
    if d is None or d >= n - 1:
        return _unbounded(n, c, free, seconds, bound)
    # How many checkpoints an unbounded disk would hold, roughly; far fewer are allowed, or not.
    period = disk_period(c, step=u, write=w, read=r) if c else isqrt(int(2 * w / u)) + 1
    if n <= (2 * d + 8) * period:
        seconds /= 2
        tree, best = _unbounded(n, c, free, seconds, bound)
        fits = tree.peak(lambda leaf: 0) <= d
        if fits and (
            _tree_cost(tree, c, u, w, r) <= best * _ROUNDING
            or _rule_seconds(n, d) > _LEAST_SECONDS + seconds
        ):
            return tree, best
    return _bounded(n, c, _leaves(n, c, d, u, w, r), seconds, bound)


def _tree_cost(tree: SplitTree, c: int, u: float, w: float, r: float) -> float:
    """Cost of a pass, the recording aside."""
    totals = tree.totals()
    steps = totals.advanced
    for leaf, times in totals.leaves.items():
        steps += times * plain_steps(leaf.length, c) if leaf.length > 1 else 0
    return u * steps + w * totals.kept + r * totals.returns


def _leaves(n: int, c: int, depth: int, u: float, w: float, r: float) -> Leaves:
    if c > 0:
        return SlotLeaves(n, c, depth, u, w, r)
    # Without RAM only a single step is a leaf.
    return BlockLeaves((1,) * (depth + 1), u, w, r)


# Estimates by counting of how long the parts of a plan take [s], so that they never vary.
_BOUND_SECONDS = 4e-3
# The rule is so much better than no search at all that it may take this long in any case; with
# more time than `_UNHURRIED` prices are looked for too.
_LEAST_SECONDS, _UNHURRIED = 2e-3, 0.2


def _rule_seconds(n: int, depth: int) -> float:
    return 2e-4 * n.bit_length() + 6e-5 * min(depth, n)


def _price_seconds(n: int, depth: int) -> float:
    bits = n.bit_length()
    return 1e-5 * bits**3 + 6e-7 * min(depth, n) * bits**2


def _deepest(n: int, seconds: float) -> int:
    """The most slots for which the rule fits, or both if that is many, at most `_DEEPEST`."""
    base, each = _rule_seconds(n, 0), _rule_seconds(n, 1)
    if seconds > _UNHURRIED:
        base, each = base + _price_seconds(n, 0), each + _price_seconds(n, 1)
    return max(0, min(_DEEPEST, int((seconds - base) / (each - base))))


# More slots on disk than these take too long to plan for: of such many, the first ones are used
# periodically, and so many at the end are planned.
_DEEPEST, _DEEP_END, _SHALLOWEST = 5000, 1000, 16
_ROUNDING = 1 + 1e-12


def _bounded(
    n: int, c: int, leaves: Leaves, seconds: float, bound: float
) -> tuple[SplitTree, float]:
    """The tree for so many slots on disk as `leaves` has."""
    deepest = _deepest(n, max(seconds, _LEAST_SECONDS + _rule_seconds(n, 0)))
    if c == 0:
        deepest = max(_SHALLOWEST, deepest)  # there is no other way
    elif leaves.depth > deepest:
        return _bounded_and_periodic(n, c, leaves, min(deepest, _DEEP_END), seconds), bound
    depth = min(leaves.depth, deepest)
    used = _leaves(n, c, depth, leaves.step, leaves.write, leaves.read)
    least, splits, found = _searched(n, c, used, seconds)
    if depth == leaves.depth:
        bound = max(bound, found)
    tree = SplitTree(n, splits)
    if used.tail >= 0:
        tree = replace(tree, tail_held=used.tail, tail_block=1, tail_leaf=1)
    if least > bound * _ROUNDING and table_seconds(n, leaves.depth) <= seconds / 2:
        table = tabulate(n, leaves)
        return SplitTree(n, table.splits(tree.root())), table.cost(n)
    return tree, bound


def _searched(
    n: int, c: int, leaves: Leaves, seconds: float
) -> tuple[float, dict[Node, int], float]:
    """Cost and splits of the best tree that rules and prices find, and a lower bound."""
    least, splits = as_one_level(n, c, leaves)
    bound, each = 0.0, _price_seconds(n, leaves.depth)
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
            if (left := left - _price_seconds(n, depth)) < 0:
                break
            other = replace(leaves, depth=min(depth, leaves.depth), write=write)
            priced = by_price(n, leaves, proposing=other)
            if priced and priced.cost < least:
                least, splits = priced.cost, priced.splits
    return least, splits, bound


def _bounded_and_periodic(n: int, c: int, leaves: Leaves, depth: int, seconds: float) -> SplitTree:
    """The tree for very many slots on disk, most of them used once, a period apart.

    So many slots as `depth` are planned for, at the end of the chain, or in another tree that is
    the answer if it is cheaper.
    """
    u, w, r = leaves.step, leaves.write, leaves.read
    many = leaves.depth - depth
    first = disk_period(c, step=u, write=w, read=r)
    if depth == 0:
        first = max(first, -(-n // (many + 1)))
    periods = {beta(c, k) for k in range(1, _MOST_PERIODS) if beta(c, k) >= first}
    shortest = sorted(periods | {first})[: 3 if seconds > _UNHURRIED else 1]
    best = SplitTree(n, {})
    if depth:
        used = _leaves(n, c, depth, u, w, r)
        best = SplitTree(n, _searched(n, c, used, seconds / (len(shortest) + 1))[1])
    for period in shortest:
        tree = SplitTree(n, {}, period=period, period_above=period)
        rest = n - many * period
        if rest > period and depth == 0:
            break  # more periods than slots
        if rest > period:
            end = _leaves(rest, c, depth, u, w, r)
            splits = _searched(rest, c, end, seconds / (len(shortest) + 1))[1]
            tree = SplitTree(n, splits, period=period, period_above=rest)
        elif rest < 1 and depth:
            break
        if _tree_cost(tree, c, u, w, r) < _tree_cost(best, c, u, w, r):
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
        end = _leaves(rest.length, c, depth, u, w, r)
        trees.append(replace(tree, splits=_searched(rest.length, c, end, seconds)[1]))
    return min(trees, key=lambda tree: _tree_cost(tree, c, u, w, r))


_EVEN_PARTS = 4


def _period(table: Table, leaves: Leaves) -> int:
    """The period that costs least a step, from the costs of all lengths in the table."""
    lengths = range(1, table.kept.shape[1])
    fixed = leaves.write + leaves.read
    kept = table.kept[0]
    return min(lengths, key=lambda j: (fixed + float(kept[j])) / j)


@dataclass(frozen=True, slots=True)
class Multilevel:
    """The multilevel schedule of `n_steps` steps; made by `multilevel`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    ram : int
        Checkpoints held in RAM at a time, at most.
    disk : int or None
        Checkpoints held on disk at a time, at most; None: any number.
    step, adjoint, write, read : float
        Costs of a plain step, of the reversal of a recorded one, of a save and a restore on disk.
    effort : float
        Seconds that planning was allowed to take.
    tree : SplitTree
        How the chain is split at checkpoints on disk; its leaves are reversed in RAM.
    lower_bound : float
        No schedule of this model costs less.
    """

    n_steps: int
    ram: int
    disk: int | None
    step: float
    adjoint: float
    write: float
    read: float
    effort: float
    tree: SplitTree = field(repr=False, compare=False)
    lower_bound: float = field(repr=False, compare=False)

    @property
    def recording_cost(self) -> float:
        """The part of the cost that every schedule has: each step recorded and reversed once."""
        return (self.step + self.adjoint) * self.n_steps

    @property
    def cost(self) -> float:
        """Cost of a pass, in the unit of the costs given."""
        counts = self.counts()
        return self.step * counts.advanced + self.recording_cost + counts.io_cost

    @property
    def proven(self) -> bool:
        """Whether it is proven that no schedule is cheaper, but for rounding."""
        return self.cost <= self.lower_bound * _ROUNDING

    @property
    def limits(self) -> Limits:
        """The slots on both levels, and what the disk costs."""
        return Limits(slots=(self.ram, self.disk), write=(0.0, self.write), read=(0.0, self.read))

    def counts(self) -> Counts:
        """What a pass costs, from the table of splits and the closed form of its leaves."""
        totals, ram = self.tree.totals(), self.ram
        advanced, saved, restored = totals.advanced, totals.kept, totals.returns
        for leaf, times in totals.leaves.items():
            if leaf.length > 1:
                advanced += times * plain_steps(leaf.length, ram)
                saved += times * min_saves(leaf.length, ram)
                restored += times * (leaf.length - 1)
        return Counts(
            advanced=advanced,
            recorded=self.n_steps,
            saved=saved,
            restored=restored,
            peak_checkpoints=self.tree.peak(lambda leaf: min(ram, leaf.length - 1)),
            peak_tapes=1,
            disk_saved=totals.kept,
            disk_restored=totals.returns,
            peak_disk=self.tree.peak(lambda leaf: 0),
            io_cost=self.write * totals.kept + self.read * totals.returns,
        )

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(_MultilevelMachine(self.tree, self.ram))


_PAGE = 256


class _MultilevelMachine:
    """Makes the actions of a tree whose leaves are reversed by a binomial schedule in RAM."""

    __slots__ = ("_chains", "_in_ram", "_leaf", "_ram", "_tree")

    def __init__(self, tree: SplitTree, ram: int) -> None:
        self._tree = tree
        self._ram = ram
        self._chains: list[tuple[int, Node]] = [(0, tree.root())]
        # The chains of the leaf under way; the machine that reverses them takes them from here.
        self._in_ram: list[tuple[int, int, int, Restore | None]] = []
        self._leaf = BinomialMachine(self._in_ram)

    def __reduce__(self) -> tuple[object, ...]:
        return _resumed, (self._tree, self._ram, self._chains, self._in_ram)

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        chains, tree, disk = self._chains, self._tree, Level.DISK
        actions: list[Action] = []
        while len(actions) < _PAGE:
            if self._in_ram:
                actions += self._leaf.more()
                continue
            if not chains:
                break
            start, node = chains.pop()
            if node.kept:
                actions.append(Restore(start, disk))
            j = tree.left_length(node)
            if j:
                if not node.kept:
                    actions.append(Save(start, disk))
                actions.append(Advance(start, start + j))
                left, right = tree.parts(node, j)
                chains.append((start, left))
                chains.append((start + j, right))
                continue
            if node.kept:
                actions.append(Discard(start, disk))
            if node.length == 1:
                actions.append(Record(start, start + 1))
                actions.append(Reverse(start, start + 1))
            else:
                self._in_ram.append((start, node.length, self._ram, None))
        return actions


def _resumed(
    tree: SplitTree,
    ram: int,
    chains: list[tuple[int, Node]],
    in_ram: list[tuple[int, int, int, Restore | None]],
) -> _MultilevelMachine:
    machine = _MultilevelMachine(tree, ram)
    machine._chains[:] = chains
    machine._in_ram[:] = in_ram
    return machine

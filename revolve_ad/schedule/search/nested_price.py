"""A nearly cheapest nest of splits for chains of any length, found by putting a price on a step.

It is the search of `split_price` for several storages at once.  A chain whose first state is live
may be kept on the storage that it stands at, or be left to the next one further in; with `inner`
standing for the latter, or in the end for RAM::

    A(q, i) = max(inner(q), C(q, i) - write)            the first state is live
    B(q, i) = max(inner(q), C(q, i))                    it is kept
    C(q, i) = A(q, i + 1) + B(q + 1, i) - read          split

for a step that earns ``p = price - q * step`` after q advances, with i checkpoints held on this
storage; ``inner(q)`` is ``A(q, 0)`` of the next storage.  So one price decides on all levels.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from revolve_ad.schedule.closed_form import beta, plain_steps, repetitions, split
from revolve_ad.schedule.search.split_price import bracket
from revolve_ad.schedule.search.split_tree import Node
from revolve_ad.schedule.search.tiers import Tier

__all__ = ["Chain", "Found", "by_price", "by_rule", "critical_price", "price_seconds"]

_HALVINGS = 50
_BOTH_ENDS = 10_000
_MOST_WORK = 100_000
_INFINITE = float("inf")

Splits = tuple[dict[Node, int], ...]
"""The length of the left part of each node that is split, for each tier, the outermost first."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain to be split, and with what.

    The places at which a chain can stand are numbered through: with 0, 1, … checkpoints held on
    the outermost tier, then with 0, 1, … on the next one, and so on.

    Attributes
    ----------
    n_steps : int
        Its length.
    ram : int
        Slots in RAM.
    step : float
        Cost of a plain step, above 0.
    tiers : tuple of Tier
        The outermost first, each with a number of slots.
    kept : bool
        Whether its first state is a checkpoint of the outermost tier already.
    """

    n_steps: int
    ram: int
    step: float
    tiers: tuple[Tier, ...]
    kept: bool = False
    first: list[int] = field(init=False, repr=False, compare=False)
    tier_of: list[int] = field(init=False, repr=False, compare=False)
    full: list[bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first: list[int] = []
        tier_of: list[int] = []
        full: list[bool] = []
        for k, tier in enumerate(self.tiers):
            slots = tier.slots
            assert slots is not None
            first.append(len(tier_of))
            tier_of += [k] * (slots + 1)
            full += [False] * slots + [True]
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "tier_of", tier_of)
        object.__setattr__(self, "full", full)

    @property
    def root(self) -> Node:
        """The whole chain."""
        return Node(self.n_steps, 0, self.kept)

    def within(self, place: int) -> int:
        """Return where a chain goes that is left to the next tier; -1: to RAM."""
        k = self.tier_of[place] + 1
        return self.first[k] if k < len(self.first) else -1

    def in_ram(self, length: int) -> float:
        """Return what it costs to reverse so many steps in RAM, the recording aside."""
        if length == 1:
            return 0.0
        return self.step * plain_steps(length, self.ram) if self.ram else _INFINITE

    def priced_in_ram(self, price: float) -> tuple[int, float]:
        """Return the length of the chain in RAM that is worth most at a price, and its worth."""
        if price <= 0 or not self.ram:
            return 1, price
        # Between beta(ram, k - 1) and beta(ram, k) steps, one more is k plain steps more.
        length = min(self.n_steps, beta(self.ram, max(0, ceil(price / self.step) - 1)))
        return length, price * length - self.step * plain_steps(length, self.ram)


@dataclass(frozen=True, slots=True)
class Found:
    """Splits of a chain, what they cost, and a proof of how much less any others could cost.

    Attributes
    ----------
    cost : float
        Cost, the recording aside.
    bound : float
        No splits of this chain with these tiers in this order cost less.
    splits : tuple of dict
        See `Splits`.
    """

    cost: float
    bound: float
    splits: Splits


@dataclass(frozen=True, slots=True)
class _Row:
    """The best splits after q advances: an entry for each tier, or for each place."""

    inner: list[int]  # length of what the next tier does with a live chain
    live: list[int]
    kept: list[int]
    live_split: list[bool]
    kept_split: list[bool]
    whole: int  # length and worth of a live chain that may use all tiers
    worth: float
    kept_worth: float  # of one that is kept on the outermost


@dataclass(frozen=True, slots=True)
class _Best:
    """The best splits for one price: a row for each q; past the end all are single steps."""

    price: float
    rows: list[_Row]
    cut: bool  # whether q was limited, so that better splits may exist
    is_kept: bool

    @property
    def worth(self) -> float:
        """What the whole chain is worth."""
        return self.rows[0].kept_worth if self.is_kept else self.rows[0].worth

    @property
    def length(self) -> int:
        """Its length."""
        return self.rows[0].kept[0] if self.is_kept else self.rows[0].whole

    @property
    def cost(self) -> float:
        """Its cost."""
        return self.price * self.length - self.worth

    def bound(self, n_steps: int) -> float:
        """A cost below which no splits of `n_steps` steps are."""
        return -_INFINITE if self.cut else self.price * n_steps - self.worth

    def row(self, q: int) -> _Row:
        """The row of q; beyond the last one nothing changes any more."""
        return self.rows[min(q, len(self.rows) - 1)]


def price_seconds(n_steps: int, slots: int) -> float:
    """About how long `by_price` takes [s]: an estimate by counting, so that it never varies."""
    bits = n_steps.bit_length()
    return 2e-5 * bits**3 + 8e-7 * min(slots, n_steps) * bits**2


def by_price(chain: Chain, *, proposing: Chain | None = None) -> Found | None:
    """Return nearly cheapest splits, or None if prices find none.

    Parameters
    ----------
    chain : Chain
        What is to be split.
    proposing : Chain, optional
        The same with other costs, by which the splits are found; the bound is then none.
    """
    other, n = proposing or chain, chain.n_steps
    found = bracket(n, other.step, lambda price: _best(price, other))
    if found is None:
        return None
    low, high, bound = found
    cost, splits = _cheapest(chain, _candidates(other, low, high))
    return Found(cost, bound if proposing is None else -_INFINITE, splits)


def critical_price(chain: Chain, outer: Tier) -> tuple[float, list[int]]:
    """Return a lower bound for any number of checkpoints on one more, outermost tier.

    Parameters
    ----------
    chain : Chain
        With the tiers further in.
    outer : Tier
        Its slots don't matter.

    Returns
    -------
    bound : float
        No splits cost less, the recording aside.
    periods : list of int
        How many steps apart checkpoints on the outermost tier are placed best, one or two numbers.

    Notes
    -----
    Right parts can be split for ever, and pay at every price at which a left part is worth more
    than a save and a restore.  The bound is that of the largest price at which it isn't.
    """
    fixed = outer.write + outer.read

    def left_part(price: float) -> tuple[float, int]:
        rows = _best(price, chain).rows
        worth, length = rows[-1].worth, rows[-1].whole
        for row in rows[-2:0:-1]:
            if worth > outer.read:
                worth, length = row.worth + worth - outer.read, row.whole + length
            else:
                worth, length = row.worth, row.whole
        return worth, length

    low, high = 0.0, chain.step
    while left_part(high)[0] <= fixed:
        low, high = high, 2 * high
        if _best(high, chain).length >= chain.n_steps:
            break
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if left_part(middle)[0] <= fixed:
            low = middle
        else:
            high = middle
    best = _best(low, chain)
    bound = -_INFINITE if best.cut else best.bound(chain.n_steps)
    return bound, sorted({left_part(low)[1], left_part(high)[1]})


def _best(price: float, chain: Chain) -> _Best:
    step, size = chain.step, len(chain.tier_of)
    most, q = max(2, _MOST_WORK // (size + 4)), max(0, -int(-price // step))
    cut = q > most
    q = min(q, most)
    last, last_worth = chain.priced_in_ram(price - q * step)
    never = [False] * size
    alike = [last] * size
    inner = [last] * len(chain.tiers)
    rows = [_Row(inner, alike, alike, never, never, last, last_worth, last_worth)]
    below_kept, below_worth = alike, [last_worth] * size
    # The innermost tier first.
    tiers = [
        (k, chain.first[k], chain.first[k] + slots, tier.write, tier.read)
        for k, tier in reversed(list(enumerate(chain.tiers)))
        if (slots := tier.slots) is not None
    ]
    while q > 0:
        q -= 1
        length, worth = chain.priced_in_ram(price - q * step)
        inner = [0] * len(tiers)
        live, kept = [0] * size, [0] * size
        live_worth, kept_worth = [0.0] * size, [0.0] * size
        live_split, kept_split = never.copy(), never.copy()
        for k, first, last, write, read in tiers:
            inner[k] = live[last] = kept[last] = length
            live_worth[last] = kept_worth[last] = worth
            for i in range(last - 1, first - 1, -1):
                total = live_worth[i + 1] + below_worth[i] - read
                live[i] = kept[i] = length
                live_worth[i] = kept_worth[i] = worth
                if total > worth:
                    kept_worth[i], kept_split[i] = total, True
                    kept[i] = steps = live[i + 1] + below_kept[i]
                    if total - write > worth:
                        live_worth[i], live_split[i], live[i] = total - write, True, steps
            length, worth = live[first], live_worth[first]
        below_kept, below_worth = kept, kept_worth
        outermost = kept_worth[0] if tiers else worth
        rows.append(_Row(inner, live, kept, live_split, kept_split, length, worth, outermost))
    rows.reverse()
    return _Best(price, rows, cut, chain.kept)


Candidates = dict[Node, tuple[set[int], bool]]
"""For each node the lengths of the left part to try, and whether to leave it to the next tier."""


def _candidates(chain: Chain, low: _Best, high: _Best) -> Candidates:
    """The splits to try for each node, from the bounds that the best ones for two prices give."""
    candidates: Candidates = {}
    pending = deque([(chain.root, 0)])
    seen: set[tuple[Node, int] | Node] = set(pending)
    # Each choice leads to a path of nodes that no other shares; so after some only one is followed.
    most_nodes = _BOTH_ENDS // (len(chain.tier_of) + len(high.rows))
    while pending:
        node, q = pending.popleft()
        m, i, is_kept = node
        tried, goes_in = candidates.get(node, (set(), False))
        if m == 1:
            candidates[node] = tried, goes_in
            continue
        one = len(candidates) > most_nodes
        shorter, longer = low.row(q), high.row(q)
        k, within = chain.tier_of[i], chain.within(i)
        splits_short = (shorter.kept_split if is_kept else shorter.live_split)[i]
        splits_long = (longer.kept_split if is_kept else longer.live_split)[i]
        parts: list[tuple[Node, int]] = []
        ends = chain.full[i]
        if within < 0:
            ends |= not splits_long and chain.in_ram(m) < _INFINITE
        elif ends or not splits_long or m <= longer.inner[k] or not (one or splits_short):
            goes_in = True
            ends |= one or not splits_long
            parts.append((Node(m, within, False), q))
        candidates[node] = tried, goes_in
        if not ends:
            lefts = [high.row(q + 1).kept[i]]
            rights = [longer.live[i + 1]]
            if splits_short:
                lefts.append(low.row(q + 1).kept[i])
                rights.append(shorter.live[i + 1])
            else:
                lefts.append(1)
                rights.append(shorter.inner[k])
            least = min(m - 1, max(1, min(lefts), m - max(rights)))
            most = min(m - 1, max(least, min(max(lefts), m - min(rights))))
            for j in {least} if one else {least, most}:
                tried.add(j)
                parts += [(Node(j, i, True), q + 1), (Node(m - j, i + 1, False), q)]
        for part in parts:
            key = part[0] if one else part
            if part[0].length > 1 and key not in seen:
                seen.add(key)
                pending.append(part)
    return candidates


def by_rule(chain: Chain) -> Found:
    """Return the splits of the binomial schedule for all slots together, which need no search.

    The checkpoints that are split off first, and so are restored least, go to the outermost tier;
    a chain that needs not many more repetitions without a tier is tried without it too.
    """
    slots = [tier.slots or 0 for tier in chain.tiers]
    inner = [chain.ram + sum(slots[k + 1 :]) for k in range(len(slots))]
    candidates: Candidates = {}
    pending = deque([chain.root])
    while pending:
        node = pending.popleft()
        if node in candidates:
            continue
        m, i, _ = node
        tried: set[int] = set()
        if m == 1:
            candidates[node] = tried, False
            continue
        k, within = chain.tier_of[i], chain.within(i)
        free = inner[k] + chain.first[k] + slots[k] - i
        times = repetitions(m, free) if free else 0
        goes_in = within >= 0 and inner[k] > 0
        if goes_in and not chain.full[i]:
            goes_in = repetitions(m, inner[k]) <= times + _MORE_REPETITIONS
        candidates[node] = tried, goes_in
        if goes_in:
            pending.append(Node(m, within, False))
        if chain.full[i] or (within < 0 and chain.in_ram(m) == 0):
            continue
        j = split(m, free, times)
        tried.add(j)
        pending += [part for part in (Node(j, i, True), Node(m - j, i + 1, False)) if part[0] > 1]
    return Found(*_with_no_bound(_cheapest(chain, candidates)))


_MORE_REPETITIONS = 2


def _with_no_bound(found: tuple[float, Splits]) -> tuple[float, float, Splits]:
    return found[0], -_INFINITE, found[1]


def _cheapest(chain: Chain, candidates: Candidates) -> tuple[float, Splits]:
    """Return the least cost among these splits, and the splits that reach it."""
    cost: dict[Node, float] = {}
    chosen: dict[Node, int] = {}

    def of(length: int, place: int, is_kept: bool) -> float:
        return cost[Node(length, place, is_kept)] if length > 1 else 0.0

    # By length, so that the parts come before the whole; within one, the next tier comes first.
    for node in sorted(candidates, key=lambda node: (node.length, -node.held)):
        m, i, is_kept = node
        tier = chain.tiers[chain.tier_of[i]]
        tried, goes_in = candidates[node]
        within = chain.within(i)
        best = _INFINITE
        if m == 1:
            best = 0.0
        elif within < 0:
            best = chain.in_ram(m)
        elif goes_in:
            best = cost[Node(m, within, False)]
        best_j = 0
        for j in tried:
            total = (0.0 if is_kept else tier.write) + j * chain.step + tier.read
            total += of(m - j, i + 1, False) + of(j, i, True)
            if total < best:
                best, best_j = total, j
        cost[node] = best
        if best_j:
            chosen[node] = best_j
    return cost[chain.root], _reached(chain, chosen)


def _reached(chain: Chain, chosen: Mapping[Node, int]) -> Splits:
    """Return the splits that the whole chain leads to."""
    splits: Splits = tuple({} for _ in chain.tiers)
    pending, seen = [chain.root], {chain.root}
    while pending:
        node = pending.pop()
        m, i, is_kept = node
        k, within = chain.tier_of[i], chain.within(i)
        parts = []
        if node in chosen:
            j = splits[k][Node(m, i - chain.first[k], is_kept)] = chosen[node]
            parts = [Node(j, i, True), Node(m - j, i + 1, False)]
        elif within >= 0:
            parts = [Node(m, within, False)]
        for part in parts:
            if part not in seen and part.length > 1:
                seen.add(part)
                pending.append(part)
    return splits

"""A nearly cheapest tree of splits for chains of any length, found by putting a price on a step.

Instead of asking for the cheapest way to reverse n steps, ask what is worth reversing if every
step earns a price: a tree is worth ``price * steps - cost``.  The best tree for a price needs no
search over lengths, since left and right parts don't compete for steps any more.  With i
checkpoints held and q advances behind it, a step earns ``p = price - q * step``, and::

    A(q, i) = max(leaf(p, i), C(q, i) - write)          the first state is live
    B(q, i) = max(leaf(p, i), C(q, i))                  it is kept
    C(q, i) = A(q, i + 1) + B(q + 1, i) - read          split

The length of the best tree grows with the price.  Two prices, as close together as floats allow,
whose trees are just too short and just long enough, bound the length of every part of the wanted
one; what is left open is decided by trying the ends of these bounds.  This is Lagrangian
relaxation (Everett 1963, doi:10.1287/opre.11.3.399), and it comes with a proof of how good the
answer is: no schedule of n steps costs less than ``price * n`` less the worth of the best tree.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import log10, sqrt
from typing import Protocol, TypeVar

from revolve_ad.schedule.search.split_choice import cheapest_of
from revolve_ad.schedule.search.split_tree import Leaves, Node

__all__ = ["Priced", "PricedTree", "bracket", "by_price", "price_seconds"]

_SEARCHES = 80
# Both ends of the bounds are tried for the first nodes, which are the longest; each choice leads to
# a path of nodes that no other shares, as long as the tree is deep.
_BOTH_ENDS = 20_000
_MOST_WORK = 100_000  # entries of the table for one price; the number of q is limited to that
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class PricedTree:
    """A tree of splits, what it costs, and a proof of how much less any other could cost.

    Attributes
    ----------
    cost : float
        Cost, leaves included.
    bound : float
        No schedule costs less than this.
    splits : dict of Node to int
        The length of the left part of each node that is split.
    """

    cost: float
    bound: float
    splits: dict[Node, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """The best trees after q advances, one entry for each number of checkpoints held."""

    leaf: list[int]
    live: list[int]
    kept: list[int]
    live_split: list[bool]
    kept_split: list[bool]


@dataclass(frozen=True, slots=True)
class _Best:
    """The best trees for one price: a row for each q; past the end all are leaves of one step."""

    price: float
    worth: float
    length: int
    rows: list[_Row]
    cut: bool  # whether q was limited, so that a better tree may exist

    @property
    def cost(self) -> float:
        """Cost of the tree."""
        return self.price * self.length - self.worth

    def bound(self, n_steps: int) -> float:
        """A cost below which no schedule of `n_steps` steps is."""
        return -_INFINITE if self.cut else self.price * n_steps - self.worth

    def row(self, q: int) -> _Row:
        """The row of q; beyond the last one nothing changes any more."""
        return self.rows[min(q, len(self.rows) - 1)]


def price_seconds(n_steps: int, depth: int, repetitions: int) -> float:
    """About how long `by_price` takes [s]: an estimate by counting, so that it never varies."""
    entries = (depth + 4) * (repetitions + 2)
    # Prices are tried until neighbours in length are found: fewer where a step is seldom repeated.
    search = entries * min(log10(n_steps) + 1, max(1, repetitions - 1))
    nodes = min(0.7 * n_steps, sqrt(n_steps) * (2.5 + 28 / depth), _BOTH_ENDS)
    return 1e-4 + 6e-6 * search + 7e-6 * nodes


def by_price(n_steps: int, leaves: Leaves, *, proposing: Leaves | None = None) -> PricedTree | None:
    """Return a nearly cheapest tree for a chain of `n_steps` steps, or None if prices find none.

    Parameters
    ----------
    n_steps : int
        Length of the chain.
    leaves : Leaves
        What leaves and splits cost.
    proposing : Leaves, optional
        Other costs, by which the splits are found, with no more depth; what they cost is still
        counted by `leaves`, and the bound is none.  Where one split costs more than all else, the
        trees for two prices differ too much to say anything, and other costs find better ones.
    """
    true, leaves = leaves, proposing or leaves
    if leaves.step == 0:
        return None
    found = bracket(n_steps, leaves.step, lambda price: _best(price, leaves))
    if found is None:
        return None
    low, high, bound = found
    candidates = _candidates(n_steps, leaves, low, high)
    cost, splits = cheapest_of(n_steps, true, candidates)
    return PricedTree(cost, bound if proposing is None else -_INFINITE, splits)


class Priced(Protocol):
    """The best splits for one price."""

    @property
    def price(self) -> float:
        """What a step earns."""

    @property
    def worth(self) -> float:
        """What they are worth."""

    @property
    def length(self) -> int:
        """How many steps they reverse."""

    @property
    def cost(self) -> float:
        """What they cost."""

    @property
    def cut(self) -> bool:
        """Whether repetitions were limited, so that better splits may exist."""

    def bound(self, n_steps: int) -> float:
        """A cost below which no splits of `n_steps` steps are."""


_P = TypeVar("_P", bound=Priced)


def bracket(n_steps: int, step: float, best: Callable[[float], _P]) -> tuple[_P, _P, float] | None:
    """Find two prices whose best splits are just too short and just long enough.

    Parameters
    ----------
    n_steps : int
        The length wanted.
    step : float
        Cost of a plain step, above 0.
    best : callable
        The best splits for a price.

    Returns
    -------
    low, high : Priced
        The best splits for both prices, the same if they are of that very length.
    bound : float
        No splits cost less.  None in place of all if prices find no splits so long.
    """
    low, high = best(0.0), best(step)
    bound = -_INFINITE
    while high.length < n_steps:
        bound = max(bound, high.bound(n_steps))
        low, high = high, best(2 * high.price)
        if high.cut and high.length == low.length:
            return None
    for search in range(_SEARCHES):
        if low.length == n_steps or high.length == n_steps:
            low = high = high if high.length == n_steps else low
            break
        # The price at which both are worth the same.  If none is worth more there, their lengths
        # are neighbours; halving in turn keeps the search short where lengths explode.
        tie = (high.cost - low.cost) / (high.length - low.length)
        price = tie if search % 2 == 0 else (low.price + high.price) / 2
        if not low.price < price < high.price:
            price = (low.price + high.price) / 2
        if not low.price < price < high.price:
            break
        middle = best(price)
        bound = max(bound, middle.bound(n_steps))
        if price == tie and middle.worth <= tie * low.length - low.cost + 1e-12 * abs(middle.cost):
            break
        if middle.length < n_steps:
            low = middle
        else:
            high = middle
    return low, high, max(bound, low.bound(n_steps), high.bound(n_steps))


def _best(price: float, leaves: Leaves) -> _Best:
    depth, step, write, read = leaves.depth, leaves.step, leaves.write, leaves.read
    # Where a step earns nothing any more, nothing is worth splitting.
    most, q = max(2, _MOST_WORK // (depth + 4)), max(0, -int(-price // step))
    cut = q > most
    q = min(q, most)
    lengths, worths = leaves.priced(price - q * step)
    never = [False] * (depth + 1)
    rows = [_Row(lengths, lengths, lengths, never, never)]
    below_kept, below_worth = lengths, worths
    live_worth = worths
    while q > 0:
        q -= 1
        lengths, worths = leaves.priced(price - q * step)
        live, kept = lengths.copy(), lengths.copy()
        live_worth, kept_worth = worths.copy(), worths.copy()
        live_split, kept_split = never.copy(), never.copy()
        for i in range(depth - 1, -1, -1):
            worth = live_worth[i + 1] + below_worth[i] - read
            if worth > worths[i]:
                kept_worth[i], kept_split[i] = worth, True
                kept[i] = length = live[i + 1] + below_kept[i]
                if worth - write > worths[i]:
                    live_worth[i], live_split[i], live[i] = worth - write, True, length
        below_kept, below_worth = kept, kept_worth
        rows.append(_Row(lengths, live, kept, live_split, kept_split))
    rows.reverse()
    return _Best(price, live_worth[0], rows[0].live[0], rows, cut)


def _candidates(n_steps: int, leaves: Leaves, low: _Best, high: _Best) -> dict[Node, set[int]]:
    """The splits to try for each node, from the bounds that the trees for two prices give."""
    candidates: dict[Node, set[int]] = {}
    pending = deque([(Node(n_steps, 0, False), 0)])
    seen = set(pending)
    both = _BOTH_ENDS // (leaves.depth + len(high.rows))
    while pending:
        node, q = pending.popleft()
        tried = candidates.setdefault(node, set())
        m, i, is_kept = node
        leaf = leaves.cost(i, m)
        if m == 1 or leaf == 0 or i in (leaves.depth, leaves.tail):
            continue
        shorter, longer = low.row(q), high.row(q)
        if leaf < _INFINITE and not (longer.kept_split if is_kept else longer.live_split)[i]:
            continue
        lefts = [high.row(q + 1).kept[i]]
        rights = [longer.live[i + 1]]
        if (shorter.kept_split if is_kept else shorter.live_split)[i]:
            lefts.append(low.row(q + 1).kept[i])
            rights.append(shorter.live[i + 1])
        else:
            lefts.append(1)
            rights.append(shorter.leaf[i + 1])
        least = min(m - 1, max(1, min(lefts), m - max(rights)))
        most = min(m - 1, max(least, min(max(lefts), m - min(rights))))
        for j in {least, most} if len(candidates) < both else {least}:
            tried.add(j)
            for part in ((Node(j, i, True), q + 1), (Node(m - j, i + 1, False), q)):
                if part not in seen:
                    seen.add(part)
                    pending.append(part)
    return candidates


def unbounded_bound(n_steps: int, leaves: Leaves) -> float:
    """Return a cost below which no schedule is, however many checkpoints may be held.

    Where a leaf costs the same with any number held, right parts can be split for ever, and pay at
    every price at which a left part is worth more than a save and a restore.  The largest price at
    which it isn't gives the bound.
    """
    step, fixed = leaves.step, leaves.write + leaves.read

    def worth_of_left_part(price: float) -> float:
        worth = leaves.priced(price - max(0, -int(-price // step)) * step)[1][0]
        for q in range(max(0, -int(-price // step)) - 1, 0, -1):
            leaf = leaves.priced(price - q * step)[1][0]
            worth = max(leaf, leaf + worth - leaves.read)
        return worth

    low, high = 0.0, step
    while worth_of_left_part(high) <= fixed:
        low, high = high, 2 * high
        if leaves.priced(high)[0][0] >= n_steps:
            break
    for _ in range(50):
        middle = (low + high) / 2
        if worth_of_left_part(middle) <= fixed:
            low = middle
        else:
            high = middle
    return low * n_steps - leaves.priced(low)[1][0]

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
from dataclasses import dataclass

from revolve_ad.schedule.split_choice import cheapest_of
from revolve_ad.schedule.split_tree import Leaves, Node

__all__ = ["PricedTree", "by_price", "price_seconds"]

_BISECTIONS = 60
# Both ends of the bounds are tried for the first nodes, which are the longest; each choice leads to
# a chain of up to `depth` nodes that no other shares.
_BOTH_ENDS = 20_000
_MOST_WORK = 200_000  # entries of the table for one price, beyond which prices are given up
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

    def row(self, q: int) -> _Row:
        """The row of q; beyond the last one nothing changes any more."""
        return self.rows[min(q, len(self.rows) - 1)]


def price_seconds(depth: int, repetitions: int) -> float:
    """About how long `by_price` takes [s]: an estimate by counting, so that it never varies."""
    return 2e-3 + 1.5e-5 * (depth + 4) * (repetitions + 2)


def by_price(n_steps: int, leaves: Leaves) -> PricedTree | None:
    """Return a nearly cheapest tree for a chain of `n_steps` steps, or None if prices find none.

    Parameters
    ----------
    n_steps : int
        Length of the chain.
    leaves : Leaves
        What leaves and splits cost.
    """
    if leaves.step == 0:
        return None
    high = _best(leaves.step, leaves)
    low = _best(0.0, leaves)
    while high.length < n_steps:
        price = 2 * high.price
        if price / leaves.step * (leaves.depth + 4) > _MOST_WORK:
            return None
        low, high = high, _best(price, leaves)
    for _ in range(_BISECTIONS):
        if high.length == n_steps or high.price - low.price <= 1e-13 * high.price:
            break
        middle = _best((low.price + high.price) / 2, leaves)
        if middle.length < n_steps:
            low = middle
        else:
            high = middle
    if high.length == n_steps:
        low = high
    bound = max(best.price * n_steps - best.worth for best in (low, high))
    candidates = _candidates(n_steps, leaves, low, high)
    cost, splits = cheapest_of(n_steps, leaves, candidates)
    return PricedTree(cost, bound, splits)


def _best(price: float, leaves: Leaves) -> _Best:
    depth, step, write, read = leaves.depth, leaves.step, leaves.write, leaves.read
    # Where a step earns nothing any more, nothing is worth splitting.
    q = max(0, -int(-price // step)) if step else 0
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
    return _Best(price, live_worth[0], rows[0].live[0], rows)


def _candidates(n_steps: int, leaves: Leaves, low: _Best, high: _Best) -> dict[Node, set[int]]:
    """The splits to try for each node, from the bounds that the trees for two prices give."""
    candidates: dict[Node, set[int]] = {}
    pending = deque([(Node(n_steps, 0, False), 0)])
    seen = set(pending)
    both = _BOTH_ENDS // (leaves.depth + 4)
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

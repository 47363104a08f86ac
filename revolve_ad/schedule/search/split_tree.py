"""A chain of steps is reversed as a binary tree: a leaf in one go, a split part after part.

To *split* a chain of m steps: keep its first state, advance j steps, reverse the right part (the
last m - j steps) with one checkpoint more held, come back to the first state, and reverse the left
part (the first j steps), whose first state is kept already.  Everything else is a *leaf*.  What a
leaf costs and how long it may be is what distinguishes one family of schedules from another.

Chains of the same length, with as many checkpoints held, are reversed alike; so a tree over a
million steps is a table of some hundreds of *nodes*, and its counts are sums over that table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = ["Leaves", "Node", "SplitTree", "Totals"]


class Node(NamedTuple):
    """A kind of chain: its length, the checkpoints held besides its own, and where its start is.

    `kept` says that the first state is a checkpoint already (a left part); otherwise it is live
    (a right part, or the whole chain).
    """

    length: int
    held: int
    kept: bool


class Leaves(Protocol):
    """What leaves and splits cost: the only thing that the searches for a tree know.

    `tail` is ``depth - 1`` where leaves cost nothing up to a length and can't be longer: with so
    many checkpoints held, only one more fits, and nothing is left to search for.
    """

    @property
    def depth(self) -> int:
        """A chain is split only while fewer checkpoints than this are held."""

    @property
    def step(self) -> float:
        """Cost of an advanced step."""

    @property
    def write(self) -> float:
        """Cost of keeping the first state of a chain."""

    @property
    def read(self) -> float:
        """Cost of coming back to it."""

    @property
    def tail(self) -> int:
        """The number held where the right part is always the longest leaf; -1 for none."""

    def cost(self, held: int, length: int) -> float:
        """Cost of a leaf of `length` steps, the recording aside; infinite if it can't be one."""

    def tail_cost(self, length: int) -> float:
        """Cost of a chain with `tail` checkpoints held that is too long for a leaf."""

    def costs(self, held: int, n_steps: int) -> list[float]:
        """Cost of leaves of 0 … n_steps steps."""

    def priced(self, price: float) -> tuple[list[int], list[float]]:
        """For each number held, the length that makes ``price * length - cost`` largest.

        Returns the lengths, at least 1, and those largest values.
        """


class Totals(NamedTuple):
    """Sums over one pass of a tree, leaves not played.

    Attributes
    ----------
    advanced : int
        Steps advanced by splits.
    kept : int
        First states kept.
    returns : int
        Times that a kept first state was brought back.
    leaves : dict
        How often each kind of leaf is reversed.
    split_nodes : list
        Each kind of chain that is split, by a table, the longest first.
    """

    advanced: int
    kept: int
    returns: int
    leaves: dict[Node, int]
    split_nodes: list[Node]


@dataclass(frozen=True, slots=True)
class SplitTree:
    """How a chain is split, all the way down.

    Attributes
    ----------
    n_steps : int
        Length of the whole chain.
    splits : mapping of Node to int
        The length of the left part of each kind of chain that is split; others are leaves.
    tail_held, tail_block, tail_leaf : int
        A rule instead of nodes, where one more checkpoint is the last one: a chain with
        `tail_held` checkpoints held is split so that its right part has `tail_block` steps, unless
        it has at most `tail_leaf` itself.  ``tail_held = -1``: no such rule.
    period, period_above : int
        Live chains longer than `period_above` are split after `period` steps.
    counted : bool
        Whether checkpoints held are counted.  With no bound on them all nodes have 0 held.
    roots : mapping of Node to int, optional
        Chains that are reversed, and how often, in place of the whole one once: where this tree
        only says how the leaves of another are split further.
    """

    n_steps: int
    splits: Mapping[Node, int]
    tail_held: int = -1
    tail_block: int = 0
    tail_leaf: int = 0
    period: int = 0
    period_above: int = 0
    counted: bool = True
    roots: Mapping[Node, int] | None = None
    _totals: list[Totals] = field(default_factory=list, init=False, repr=False, compare=False)

    def root(self) -> Node:
        """The whole chain."""
        return Node(self.n_steps, 0, False)

    def left_length(self, node: Node) -> int:
        """Length of the left part of a chain, 0 for a leaf."""
        if self._is_periodic(node):
            return self.period
        if node.held == self.tail_held:
            return node.length - self.tail_block if node.length > self.tail_leaf else 0
        return self.splits.get(node, 0)

    def parts(self, node: Node, left: int) -> tuple[Node, Node]:
        """The left and the right part of a chain that is split after `left` steps."""
        held = node.held if not self.counted or self._is_periodic(node) else node.held + 1
        return Node(left, node.held, True), Node(node.length - left, held, False)

    def _is_periodic(self, node: Node) -> bool:
        return bool(self.period) and node.length > self.period_above and not node.kept

    def totals(self) -> Totals:
        """Sums over one pass, from the table alone."""
        if not self._totals:
            self._totals.append(self._sum())
        return self._totals[0]

    @property
    def advanced(self) -> int:
        """Steps advanced by splits in one pass."""
        return self.totals().advanced

    @property
    def saved(self) -> int:
        """First states kept in one pass."""
        return self.totals().kept

    @property
    def restored(self) -> int:
        """Times that a kept first state is brought back in one pass."""
        return self.totals().returns

    def leaf_peaks(self, state_bytes: int, tape_bytes: int) -> tuple[int, int]:
        """The most bytes of checkpoints and tapes in a leaf, and the most steps of one."""
        leaves = self.totals().leaves
        most = max(leaf.held * state_bytes + leaf.length * tape_bytes for leaf in leaves)
        return most, max(leaf.length for leaf in leaves)

    def peak(self, in_leaf: Callable[[Node], int]) -> int:
        """The most checkpoints held at a time, given how many a leaf holds besides the kept ones.

        A first state is freed before its leaf is reversed.
        """
        of = self.peaks(in_leaf)
        if self.roots is not None:
            return max(map(of, self.roots), default=0)
        root, periods = self.after_periods()
        most = periods + of(root)
        if periods:
            most = max(most, periods - 1 + of(Node(self.period, 0, True)))
        return most

    @property
    def peak_kept(self) -> int:
        """The same where leaves hold none."""
        if self.roots is None and self.counted and not self.period:
            return max(leaf.held + leaf.kept for leaf in self.totals().leaves)
        return self.peak(lambda leaf: 0)

    def peaks(self, in_leaf: Callable[[Node], int]) -> Callable[[Node], int]:
        """The same as a function of the chain, for all that occur and aren't periodic."""
        totals = self.totals()
        peak: dict[Node, int] = {}

        def of(node: Node) -> int:
            if node in peak:
                return peak[node]
            if node.held == self.tail_held and node.length > self.tail_leaf:
                return 1 + max(in_leaf(leaf) for leaf in totals.leaves if leaf.held > node.held)
            return max(in_leaf(node), int(node.kept))

        for node in reversed(totals.split_nodes):
            left, right = self.parts(node, self.left_length(node))
            peak[node] = max(1 + of(right), of(left))
        return of

    def after_periods(self) -> tuple[Node, int]:
        """What is left of the chain after the periods, and how many periods there are."""
        if not self._is_periodic(self.root()):
            return self.root(), 0
        periods = -((self.period_above - self.n_steps) // self.period)
        return Node(self.n_steps - periods * self.period, 0, False), periods

    def _sum(self) -> Totals:
        advanced = kept = returns = 0
        # A Node equals the plain tuple, which is made in less time.
        times: dict[tuple[int, int, bool], int] = {}
        times.update((self.roots or {}).items())
        if self.roots is None:
            root, periods = self.after_periods()
            # The periods of a long chain at once, instead of one by one.
            advanced, kept, returns = periods * self.period, periods, periods
            times[root] = 1
            if periods:
                times[Node(self.period, 0, True)] = periods
        leaves: dict[Node, int] = {}
        split_nodes: list[Node] = []
        splits, counted, tail_held = self.splits, self.counted, self.tail_held
        for node in sorted(splits, reverse=True):  # by length: parts come after the whole
            m, held, is_kept = node
            if held == tail_held or node not in times:
                continue
            count, j = times.pop(node), splits[node]
            advanced += j * count
            returns += count
            kept += 0 if is_kept else count
            split_nodes.append(node)
            left, right = (j, held, True), (m - j, held + 1 if counted else held, False)
            times[left] = times.get(left, 0) + count
            times[right] = times.get(right, 0) + count
        for (m, held, is_kept), count in times.items():
            node = Node(m, held, is_kept)
            if held != tail_held or m <= self.tail_leaf:
                leaves[node] = leaves.get(node, 0) + count
                continue
            kept += 0 if is_kept else count
            block = self.tail_block
            turns = -((self.tail_leaf - m) // block)
            advanced += count * (turns * m - block * turns * (turns + 1) // 2)
            returns += turns * count
            end = Node(block, held + 1, False)
            leaves[end] = leaves.get(end, 0) + turns * count
            rest = Node(m - turns * block, held, True)
            leaves[rest] = leaves.get(rest, 0) + count
        return Totals(advanced, kept, returns, leaves, split_nodes)

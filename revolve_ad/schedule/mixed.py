"""The mixed schedule: checkpoints and tapes share one budget of bytes, to the best use of both.

Near the end of the chain, and wherever a stretch is short enough, the tapes of many steps are kept
at once instead of checkpoints; how many depends on how many checkpoints are held just then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil

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
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits
from revolve_ad.schedule.search.block_leaves import BlockLeaves, by_capacity
from revolve_ad.schedule.search.spines import Spines, sum_of_capacities
from revolve_ad.schedule.search.split_price import by_price, price_seconds
from revolve_ad.schedule.search.split_table import table_seconds, tabulate
from revolve_ad.schedule.search.split_tree import Node, SplitTree

__all__ = ["Mixed", "MixedMachine", "mixed", "smallest_budget"]


def mixed(
    n_steps: int, budget: int, state_bytes: int, tape_bytes: int, *, effort: float = 0.5
) -> "Mixed":
    """Return the schedule with the fewest plain steps that a budget of bytes allows.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    budget : int
        Bytes that checkpoints and tapes may take together at any time.  Every tape counts, the one
        in use included; a state counts where it is stored, state 0 too; the live state doesn't.
    state_bytes, tape_bytes : int
        Bytes of a checkpoint and of the tape of one step, at least 1 each.
    effort : float, optional
        Seconds that planning may take, estimated by counting operations, so that the same
        arguments give the same schedule everywhere.  0: only the rule that needs no search, one
        split for each chain.

    Returns
    -------
    Mixed
        A re-iterable value; ``counts()`` tells what a pass costs, ``proven`` whether no schedule
        needs fewer plain steps.

    Raises
    ------
    BudgetError
        If no schedule fits; the message names the smallest budget that works.
    ParameterError
        If an argument is not a number of the kind above.

    See Also
    --------
    smallest_budget : the least number of bytes that works.
    binomial : for a number of checkpoints instead of bytes.

    Notes
    -----
    With i checkpoints held, ``K = (budget - i * state_bytes) // tape_bytes`` tapes fit, and the
    fewest plain steps are X(n, i) = 0 for n <= K, otherwise the least j + X(n - j, i + 1) + X(j, i)
    over all j.  This is *revolve* (Griewank and Walther 2000, doi:10.1145/347837.347846) with
    leaves whose length depends on the depth, and it contains the mixed optimum of Maddison (2024),
    doi:10.1137/23M1568159, where state and tape are of one size.  That each step is taped exactly
    once makes the optimum independent of what an adjoint step costs.

    Short chains are solved exactly.  Long ones are split by a price on a step (Lagrangian
    relaxation), which bounds from below what any schedule needs: ``lower_bound``.  Compared with
    the exact solution on 3000 random chains of up to 400 steps, the total of evaluations ``n_steps
    + plain steps`` by prices alone was at most 1.06 times the least possible, that of the rule
    without search at most 1.09 times, and 1.3 times with ``effort=0``, which tries one split for
    each chain; the worst are the shortest, which by default are solved exactly.  From ten thousand
    steps on the two are within 1.0001 and 1.01 of the bound.  Where more than 20,000 checkpoints
    are of use and two sweeps are enough, a rule without a table loses at most one leaf for each
    part that is swept twice; at a million steps that is 1.0001.

    Examples
    --------
    >>> schedule = mixed(10_000, 2048, state_bytes=8, tape_bytes=40)
    >>> schedule.counts().advanced, schedule.counts().peak_bytes, schedule.proven
    (13522, 2048, True)
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    sigma = count("state_bytes", state_bytes, 1)
    tau = count("tape_bytes", tape_bytes, 1)
    bytes_ = count("budget", budget, 0)
    seconds = cost("effort", effort)
    least = smallest_budget(n, sigma, tau)
    if bytes_ < least:
        raise BudgetError(
            f"budget is {bytes_} bytes; {n} steps with {sigma} bytes a checkpoint and {tau} bytes "
            f"a tape need at least {least}: " + _why(n, sigma, tau)
        )
    tree, bound = _plan(n, bytes_, sigma, tau, seconds)
    return Mixed(n, bytes_, sigma, tau, seconds, tree, bound)


def smallest_budget(n_steps: int, state_bytes: int, tape_bytes: int) -> int:
    """Return the least number of bytes in which `mixed` reverses a chain.

    Parameters
    ----------
    n_steps : int
        Number of steps, at least 1.
    state_bytes, tape_bytes : int
        Bytes of a checkpoint and of the tape of one step, at least 1 each.

    Returns
    -------
    int
        One checkpoint and one tape, or all tapes where these are fewer bytes.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.
    """
    n = count("n_steps", n_steps, 1)
    sigma = count("state_bytes", state_bytes, 1)
    tau = count("tape_bytes", tape_bytes, 1)
    return min(n * tau, sigma + tau)


def _why(n: int, sigma: int, tau: int) -> str:
    if n * tau <= sigma + tau:
        return "all tapes"
    return "one checkpoint, that of state 0, and one tape"


def _capacities(n: int, budget: int, sigma: int, tau: int) -> tuple[int, ...]:
    """Tapes that fit beside 0, 1, 2 … checkpoints, as far as they can be of use.

    When the leaves down to some depth hold all steps together, nothing deeper can help; and of very
    many levels one more than `_DEEPEST` is used.
    """
    capacities: list[int] = []
    room, total = budget, 0
    while room >= tau and total < n and len(capacities) <= _DEEPEST:
        capacities.append(min(n, room // tau))
        total += capacities[-1]
        room -= sigma
    return tuple(capacities)


# With more levels than these nothing is searched for, and more than those are never used.
_DEEPEST, _MOST_LEVELS = 20_000, 2_000_000
# With less time than this [s], and this for each step, the rule without search tries one split for
# each chain.
_QUICK, _QUICK_A_STEP, _MORE_TRIED = 0.02, 4e-8, 60


def _spines(n: int, budget: int, sigma: int, tau: int) -> Spines | None:
    """The rule that needs no table, or None where two sweeps are too few for it."""
    levels = min((budget - tau) // sigma, n, _MOST_LEVELS)
    if levels < 2 or budget >= 2**62 or n * levels >= 2**62:  # more than NumPy's integers hold
        return None
    # When the leaves down to some depth hold all steps together, nothing deeper can help.
    enough = 2 * -(-n // (budget // tau)) + 2
    if enough < levels and sum_of_capacities(budget, sigma, tau, enough) >= n:
        levels = enough
    spines = Spines(n, budget, sigma, tau, levels)
    return spines if n <= spines.longest else None


def _plan(
    n: int, budget: int, sigma: int, tau: int, seconds: float
) -> tuple[SplitTree | Spines, int]:
    """The best tree that can be found in time, and a number of plain steps that none can beat."""
    if n <= budget // tau:
        return SplitTree(n, {}), 0
    spines = _spines(n, budget, sigma, tau)
    if spines and (
        spines.advanced <= spines.lower_bound
        or spines.depth > _DEEPEST
        or price_seconds(n, spines.depth, 2) > seconds
    ):
        return spines, spines.lower_bound
    leaves = BlockLeaves(_capacities(n, budget, sigma, tau))
    without_search = SplitTree(
        n,
        {},
        tail_held=leaves.tail,
        tail_block=leaves.capacity[-1],
        tail_leaf=leaves.capacity[-2],
    )
    if leaves.depth == 1:
        # One checkpoint at most: there is only one way, but for splits that waste tapes.
        return without_search, without_search.totals().advanced
    tree: SplitTree | Spines
    # Of a chain that is no leaf, only the last leaf escapes the first sweep.
    bound = n - leaves.capacity[1]
    if spines:
        repetitions, tree = 2, spines
        bound = max(bound, spines.lower_bound)
    else:
        more = seconds > _QUICK + _QUICK_A_STEP * n
        repetitions, splits = by_capacity(n, leaves, _MORE_TRIED if more else 0)
        tree = replace(without_search, splits=splits)
    least = tree.advanced + tree.restored * leaves.read
    priced_in = price_seconds(n, leaves.depth, repetitions)
    if leaves.depth < _DEEPEST and priced_in <= seconds and (priced := by_price(n, leaves)):
        seconds -= priced_in
        # The bound counts restores as a tiny part of a step each, fewer than n of them, and is
        # rounded like all sums in floats.
        safe = priced.bound * (1 - 1e-12) - n * leaves.read - 1e-6
        bound = max(bound, ceil(safe))
        if priced.cost < least:
            least, tree = priced.cost, replace(without_search, splits=priced.splits)
    if int(least) > bound and table_seconds(n, leaves.depth) <= seconds:
        table = tabulate(n, leaves)
        tree = SplitTree(n, table.splits(Node(n, 0, False)))
        bound = int(table.cost(n))
    return tree, bound


@dataclass(frozen=True, slots=True)
class Mixed:
    """The mixed schedule of `n_steps` steps in `budget` bytes; made by `mixed`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    budget : int
        Bytes of checkpoints and tapes together, at most.
    state_bytes, tape_bytes : int
        Bytes of a checkpoint and of the tape of one step.
    effort : float
        Seconds that planning was allowed to take.
    tree : SplitTree or Spines
        How the chain is split.
    lower_bound : int
        No schedule of this model runs fewer plain steps.
    """

    n_steps: int
    budget: int
    state_bytes: int
    tape_bytes: int
    effort: float
    tree: SplitTree | Spines = field(repr=False, compare=False)
    lower_bound: int = field(repr=False, compare=False)

    @property
    def proven(self) -> bool:
        """Whether it is proven that no schedule runs fewer plain steps."""
        return self.tree.advanced <= self.lower_bound

    @property
    def limits(self) -> Limits:
        """The budget, and the sizes that count against it; nothing goes to disk."""
        return Limits(
            slots=(None, 0),
            state_bytes=self.state_bytes,
            tape_bytes=self.tape_bytes,
            budget=self.budget,
        )

    def counts(self) -> Counts:
        """What a pass costs, from the table of splits."""
        tree, most = self.tree, self.tree.peak_kept
        in_leaves, longest = tree.leaf_peaks(self.state_bytes, self.tape_bytes)
        return Counts(
            advanced=tree.advanced,
            recorded=self.n_steps,
            saved=tree.saved,
            restored=tree.restored,
            peak_checkpoints=most,
            peak_tapes=longest,
            peak_bytes=max(most * self.state_bytes, in_leaves),
        )

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(MixedMachine(self.tree))


_PAGE = 256


class MixedMachine:
    """Makes the actions that reverse a chain as a tree of splits says, its last part first.

    Parameters
    ----------
    tree : SplitTree or Spines
        How the chain is split.
    start : int, optional
        The first state of the chain.
    """

    __slots__ = ("_chains", "_tree")

    def __init__(self, tree: SplitTree | Spines, start: int = 0) -> None:
        self._tree = tree
        self._chains: list[tuple[int, Node]] = [(start, tree.root())]

    def __getstate__(self) -> tuple[SplitTree | Spines, list[tuple[int, Node]]]:
        return self._tree, self._chains

    def __setstate__(self, state: tuple[SplitTree | Spines, list[tuple[int, Node]]]) -> None:
        self._tree, self._chains = state

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        chains, tree, ram = self._chains, self._tree, Level.RAM
        actions: list[Action] = []
        while chains and len(actions) < _PAGE:
            start, node = chains.pop()
            if node.kept:
                actions.append(Restore(start, ram))
            j = tree.left_length(node)
            if not j:
                if node.kept:
                    # Freed first: its bytes are part of what the tapes of the leaf take.
                    actions.append(Discard(start, ram))
                actions.append(Record(start, start + node.length))
                actions.append(Reverse(start, start + node.length))
                continue
            if not node.kept:
                actions.append(Save(start, ram))
            actions.append(Advance(start, start + j))
            left, right = tree.parts(node, j)
            chains.append((start, left))
            chains.append((start + j, right))
        return actions

"""The schedule for steps that cost differently, as adaptive steps and implicit solvers do.

A checkpoint is worth more after dear steps than after cheap ones, so that positions that are best
by the number of steps are not best by their cost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import isqrt

import numpy as np
import numpy.typing as npt

from revolve_ad.errors import ParameterError
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
from revolve_ad.schedule.arguments import cost, count, sequence
from revolve_ad.schedule.binomial import BinomialMachine
from revolve_ad.schedule.closed_form import min_saves, plain_steps
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits

__all__ = ["Heterogeneous", "checked_costs", "heterogeneous"]

# The programme runs over at most so many blocks of steps, and its table has at most so many
# entries of two bytes each.
_MOST_BLOCKS = 1000
_MOST_ENTRIES = 25_000_000


def heterogeneous(
    step_costs: Sequence[float], n_checkpoints: int, *, effort: float = 4.0
) -> "Heterogeneous":
    """Return the schedule with the least cost of plain steps when each step has its own cost.

    Parameters
    ----------
    step_costs : sequence of float, length n_steps
        Cost of each step in any unit, 0 or more; at least one step.
    n_checkpoints : int
        Checkpoints held at a time, the one of state 0 included; at least 1.  They are of one size.
    effort : float, optional
        Seconds that planning may take, estimated by counting operations, so that the same
        arguments give the same schedule everywhere.  With less time a chain is divided into fewer
        blocks; 0: into one, which is the binomial schedule.

    Returns
    -------
    Heterogeneous
        A re-iterable value; ``advance_cost`` is the cost of its plain steps.

    Raises
    ------
    ParameterError
        If there is no step, or an argument is not a number of the kind above.

    See Also
    --------
    heterogeneous_bytes : for states and tapes of different sizes too.

    Notes
    -----
    With p the sums of costs, ``t(i, j, s) = min over k of p[k] - p[i] + t(k, j, s - 1) +
    t(i, k, s)``.  The best k grows with i and with j (Knuth 1971, doi:10.1007/BF00264289; compared
    here with an exhaustive search and with all k), so that the table takes time in proportion to
    ``n_steps**2 * n_checkpoints``: exact up to 1000 steps with up to 25 checkpoints, in seconds.
    A longer chain is first divided into blocks of consecutive steps, equal in number, each of which
    is reversed by a binomial schedule; on 60 chains of 240 lognormal costs (spread 1), divided
    into 60 blocks, all evaluations together cost at most 1.17 times the least possible.

    Worth its planning where the dearest steps cost some times the mean; otherwise `binomial` is
    within a few percent.

    Examples
    --------
    >>> dear = [1.0] * 20 + [50.0] * 5 + [1.0] * 20
    >>> heterogeneous(dear, 4).advance_cost
    527.0
    """
    costs = checked_costs("step_costs", step_costs)
    s = count("n_checkpoints", n_checkpoints, 1, "state 0 takes one checkpoint")
    n = len(costs)
    seconds = cost("effort", effort)
    s_used = min(s, max(1, n - 1))
    blocks = min(n, _MOST_BLOCKS, max(2, isqrt(_MOST_ENTRIES // s_used)))
    while blocks > 1 and _seconds(blocks, s_used) > seconds:
        blocks -= -(-blocks // 20)
    return _in_blocks(costs, s, blocks)


def _seconds(blocks: int, slots: int) -> float:
    """About how long the programme takes [s]: an estimate by counting, so that it never varies."""
    if blocks <= 1:
        return 0.0
    return 1e-4 + slots * (6e-5 * blocks + 1e-7 * blocks * blocks)


def checked_costs(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Return costs as a tuple of floats, at least one, each checked."""
    entries = sequence(name, values)
    if entries and set(map(type, entries)) == {float}:  # a million of them in a tenth of the time
        among = np.array(entries)
        if np.isfinite(among).all() and (among >= 0).all():
            return tuple(entries)
    costs = tuple(cost(f"{name}[{k}]", value) for k, value in enumerate(entries))
    if not costs:
        raise ParameterError(f"{name} is empty; a loop without steps needs no schedule")
    return costs


def _in_blocks(costs: tuple[float, ...], s: int, blocks: int) -> "Heterogeneous":
    """The schedule of which the programme sees `blocks` blocks of steps."""
    n = len(costs)
    if blocks == 1:
        return Heterogeneous(costs, s, (0, n), {})
    bounds = [n * b // blocks for b in range(blocks + 1)]
    splits = _solve(np.array(costs), np.array(bounds), min(s, max(1, n - 1)))
    return Heterogeneous(costs, s, tuple(bounds), splits)


Stretch = tuple[int, int, int]
"""First block, block after the last, slots for them, the one of the first state included."""


def _solve(
    costs: npt.NDArray[np.float64], bounds: npt.NDArray[np.int64], s: int
) -> dict[Stretch, int]:
    """The block at which each stretch of blocks is split, of those that the whole leads to.

    Tables are indexed by d, the number of blocks, and by i, the first block.
    """
    blocks = len(bounds) - 1
    sums = np.concatenate([[0.0], np.cumsum(costs)])
    sums_of_sums = np.concatenate([[0.0], np.cumsum(sums[:-1])])
    at = sums[bounds]
    size = np.diff(bounds)
    # With one slot there is one way: advance from the first state to each step in turn.
    one = np.full((blocks + 1, blocks + 1), np.inf)
    for d in range(1, blocks + 1):
        i = np.arange(blocks + 1 - d)
        first, last = bounds[i], bounds[i + d]
        one[d, : len(i)] = sums_of_sums[last] - sums_of_sums[first] - (last - first) * sums[first]
    fewer, best_at = one, {}
    for slots in range(2, s + 1):
        here = np.full_like(one, np.inf)
        mean = np.diff(at) / size
        here[1, :blocks] = [m * plain_steps(int(g), slots) for m, g in zip(mean, size, strict=True)]
        split = np.zeros((blocks + 1, blocks + 1), np.int16)
        split[1, :blocks] = np.arange(blocks)
        for d in range(2, blocks + 1):
            _solve_diagonal(d, at, here, fewer, split)
        best_at[slots] = split
        if np.array_equal(here, fewer):
            # More slots help no stretch any more.
            best_at.update(dict.fromkeys(range(slots, s + 1), split))
            break
        fewer = here
    return _reached(blocks, s, size, best_at)


def _solve_diagonal(
    d: int,
    at: npt.NDArray[np.float64],
    here: npt.NDArray[np.float64],
    fewer: npt.NDArray[np.float64],
    split: npt.NDArray[np.int16],
) -> None:
    """Solve all stretches of d blocks, given the shorter ones and those with one slot fewer."""
    starts = np.arange(len(at) - d)
    # Knuth's window: between the splits of the stretches one block shorter on either side.
    low = np.maximum(split[d - 1, starts], starts + 1)
    high = np.minimum(split[d - 1, starts + 1], starts + d - 1)
    width = np.maximum(high - low, 0) + 1
    first = np.cumsum(width) - width
    i = np.repeat(starts, width)
    k = np.arange(len(i)) - np.repeat(first - low, width)
    row, left = len(at), k - i
    costs = at.take(k)
    costs -= at.take(i)
    costs += fewer.ravel().take((d - left) * row + k)
    costs += here.ravel().take(left * row + i)
    best = np.minimum.reduceat(costs, first)
    hits = np.flatnonzero(costs == np.repeat(best, width))
    # The first hit of each stretch.
    owner = i.take(hits)
    hits = hits[np.flatnonzero(np.diff(owner, prepend=-1))]
    here[d, : len(starts)] = best
    split[d, : len(starts)] = k.take(hits)


def _reached(
    blocks: int,
    s: int,
    size: npt.NDArray[np.int64],
    best_at: dict[int, npt.NDArray[np.int16]],
) -> dict[Stretch, int]:
    splits: dict[Stretch, int] = {}
    pending: list[Stretch] = [(0, blocks, s)]
    while pending:
        i, j, slots = pending.pop()
        if (i, j, slots) in splits or j - i == 1 or slots == 1:
            continue
        k = splits[i, j, slots] = int(best_at[slots][j - i, i])
        pending.append((k, j, slots - 1))
        pending.append((i, k, slots))
    return splits


@dataclass(frozen=True, slots=True)
class Heterogeneous:
    """The schedule of steps that cost differently; made by `heterogeneous`.

    Attributes
    ----------
    step_costs : tuple of float, length n_steps
        Cost of each step.
    n_checkpoints : int
        Checkpoints held at a time at most, the one of state 0 included.
    bounds : tuple of int
        The steps at which the blocks begin, and the number of steps; as many blocks as steps where
        the schedule is exact.
    splits : dict
        First block, block after the last and slots of a stretch to the block at which it is split.
    """

    step_costs: tuple[float, ...] = field(repr=False)
    n_checkpoints: int
    bounds: tuple[int, ...] = field(repr=False, compare=False)
    splits: dict[Stretch, int] = field(repr=False, compare=False)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.step_costs)

    @property
    def limits(self) -> Limits:
        """The slots: `n_checkpoints` in RAM, none on disk."""
        return Limits(slots=(self.n_checkpoints, 0))

    @property
    def advance_cost(self) -> float:
        """Cost of the plain steps of a pass; every other step is run once besides, recorded."""
        sums = list(accumulate(self.step_costs, initial=0.0))
        return sum(sums[a.stop] - sums[a.start] for a in self if isinstance(a, Advance))

    def counts(self) -> Counts:
        """What a pass costs, from the table of splits."""
        bounds, splits = self.bounds, self.splits
        advanced = saved = restored = peak = 0
        # First block, block after the last, slots, checkpoints held, whether the first is kept.
        pending = [(0, len(bounds) - 1, self.used_slots, 0, False)]
        while pending:
            i, j, slots, held, kept = pending.pop()
            steps = bounds[j] - bounds[i]
            if k := splits.get((i, j, slots)):
                advanced += bounds[k] - bounds[i]
                saved += not kept
                restored += 1
                peak = max(peak, held + 1)
                pending.append((k, j, slots - 1, held + 1, False))
                pending.append((i, k, slots, held, True))
            elif steps > 1:
                advanced += plain_steps(steps, slots)
                saved += min_saves(steps, slots) - kept
                restored += steps - 1
                peak = max(peak, held + min(slots, steps - 1))
            else:
                peak = max(peak, held + kept)
        return Counts(
            advanced=advanced,
            recorded=self.n_steps,
            saved=saved,
            restored=restored,
            peak_checkpoints=peak,
            peak_tapes=1,
        )

    @property
    def used_slots(self) -> int:
        """Slots that can be of use: one fewer than steps."""
        return min(self.n_checkpoints, max(1, self.n_steps - 1))

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(_HeterogeneousMachine(self))


_PAGE = 256


class _HeterogeneousMachine:
    """Makes the actions of a table of splits whose stretches of one block are binomial."""

    __slots__ = ("_binomial", "_in_block", "_pending", "_schedule")

    def __init__(self, schedule: Heterogeneous) -> None:
        self._schedule = schedule
        last = len(schedule.bounds) - 1
        # First block, block after the last, slots, whether the first state is kept.
        self._pending = [(0, last, schedule.used_slots, False)]
        # The stretch that a binomial schedule reverses; its machine takes it from here.
        self._in_block: list[tuple[int, int, int, Restore | None]] = []
        self._binomial = BinomialMachine(self._in_block)

    def __getstate__(self) -> tuple[object, ...]:
        return self._schedule, self._pending, self._in_block, self._binomial

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self._schedule, self._pending, self._in_block, self._binomial = state  # type: ignore[assignment]

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        bounds, splits, ram = self._schedule.bounds, self._schedule.splits, Level.RAM
        actions: list[Action] = []
        while len(actions) < _PAGE:
            if self._in_block:
                actions += self._binomial.more()
                continue
            if not self._pending:
                break
            i, j, slots, kept = self._pending.pop()
            start, stop = bounds[i], bounds[j]
            restore = Restore(start, ram)
            k = splits.get((i, j, slots))
            if k is None and stop - start > 1:
                self._in_block.append((start, stop - start, slots, restore if kept else None))
                continue
            if kept:
                actions.append(restore)
            if k is None:
                if kept:
                    actions.append(Discard(start, ram))
                actions += (Record(start, stop), Reverse(start, stop))
                continue
            if not kept:
                actions.append(Save(start, ram))
            actions.append(Advance(start, bounds[k]))
            self._pending.append((i, k, slots, True))
            self._pending.append((k, j, slots - 1, False))
        return actions

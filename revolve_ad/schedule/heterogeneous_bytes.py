"""The schedule for steps whose costs, states and tapes all differ, under one budget of bytes.

Changing meshes make states grow and shrink; what fits beside a checkpoint then depends on which
checkpoint it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import assert_never

import numpy as np
import numpy.typing as npt

from revolve_ad.errors import BudgetError, ParameterError
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
from revolve_ad.schedule.heterogeneous import checked_costs
from revolve_ad.schedule.mixed import Mixed, mixed, smallest_budget
from revolve_ad.schedule.protocol import Counts, Limits
from revolve_ad.schedule.search.least_memory import frugal
from revolve_ad.schedule.search.replacing import (
    Replacing,
    longest_window,
    replacing_seconds,
    tidied,
)

__all__ = ["HeterogeneousBytes", "heterogeneous_bytes", "least_bytes"]

_MOST_STEPS = 200
# Bytes are counted in at most so many units; fewer than the least lose too much by rounding.
_UNITS, _FEWEST_UNITS = 256, 32


def heterogeneous_bytes(
    step_costs: Sequence[float],
    budget: int,
    state_bytes: Sequence[int],
    tape_bytes: Sequence[int],
    *,
    effort: float = 2.0,
) -> "HeterogeneousBytes":
    """Return a schedule of low cost of plain steps when costs and sizes differ from step to step.

    Parameters
    ----------
    step_costs : sequence of float, length n_steps
        Cost of each step in any unit, 0 or more.
    budget : int
        Bytes that checkpoints and tapes may take together, every tape counted, the live state not.
    state_bytes : sequence of int, length n_steps + 1
        Bytes of the checkpoint of each state, at least 1; the last state is never stored.
    tape_bytes : sequence of int, length n_steps
        Bytes of the tape of each step, at least 1.
    effort : float, optional
        Seconds that planning may take, estimated by counting operations, so that the same
        arguments give the same schedule everywhere.

    Returns
    -------
    HeterogeneousBytes
        A re-iterable value; ``advance_cost`` is the cost of its plain steps.

    Raises
    ------
    BudgetError
        If no schedule fits into the budget; the message names the smallest that works.
    ParameterError
        If lengths disagree, or an argument is not a number of the kind above.

    See Also
    --------
    heterogeneous : for steps that differ only in cost.
    mixed : for steps that are all alike; a million of them are planned as well as ten.

    Notes
    -----
    By default no schedule is cheaper up to 28 steps (up to 38 where the budget is at most 30
    bytes, up to 13 with an effort of 0.1): compared with an exhaustive search on more than 1000
    chains of up to 6 steps here, and on 5000 of up to 7.

    Up to 200 steps it is the persistent programme of Beaumont et al. (2019), arXiv:1911.13214,
    over stretches i … j and bytes b: tape the first step and keep the tape, E(i + 1, j, b - tape),
    or split, ``cost(i … k) + E(k, j, b - state) + E(i, k, b)``, whichever is least.  It keeps a
    checkpoint until all steps behind it are reversed, which isn't always best where sizes differ
    and the budget is hardly more than the largest of them.  By itself it would reverse 98 of 100
    random chains of 3 to 7 steps at the least cost, and the worst of 5000 with 1.3 times the
    evaluations; those are what the exact search is for.

    Budgets above 256 bytes are counted in 256 units or, where time is short, fewer, sizes rounded
    up; then a few bytes may stay unused.  With no time for that, and beyond 200 steps, `mixed` with
    the largest sizes reverses the chain, which may leave much of the budget unused; where these
    don't fit, each step is run again from one checkpoint, as `least_bytes` needs it.

    Examples
    --------
    >>> schedule = heterogeneous_bytes([1.0, 5.0, 1.0, 1.0], 8, [3, 1, 2, 3, 3], [4, 4, 4, 4])
    >>> schedule.advance_cost, schedule.counts().peak_bytes
    (12.0, 8)
    """
    costs = checked_costs("step_costs", step_costs)
    n = len(costs)
    sigma, tau = _sizes("state_bytes", state_bytes, n + 1), _sizes("tape_bytes", tape_bytes, n)
    bytes_ = count("budget", budget, 0)
    seconds = cost("effort", effort)
    least = frugal(sigma, tau)
    if bytes_ < least.nbytes:
        raise BudgetError(
            f"budget is {bytes_} bytes; these {n} steps need at least {least.nbytes}: give more, "
            "or make the largest states or tapes smaller"
        )
    units = _units(n, bytes_, seconds)
    if not units:
        largest = max(sigma[:-1]), max(tau)
        without_search: tuple[Action, ...] | Mixed = tuple(least.actions())
        if bytes_ >= smallest_budget(n, *largest):
            without_search = mixed(n, bytes_, *largest, effort=min(seconds, 0.5))
        return HeterogeneousBytes(costs, bytes_, sigma, tau, without_search)
    unit = -(-bytes_ // units)
    states = [-(-size // unit) for size in sigma]
    tapes = [-(-size // unit) for size in tau]
    units = bytes_ // unit
    window = longest_window(n, units, seconds - _persistent_seconds(n, units))
    if replacing_seconds(n, n, units) <= seconds:
        window = n
    short = Replacing(costs, units, states, tapes, window)
    choices = _solve(short.least, window, costs, units, states, tapes)
    if short.least[n, 0, units] < inf:
        played = _played(n, choices, units, states, tapes, short, window)
        return HeterogeneousBytes(costs, bytes_, sigma, tau, tidied(played))
    # Sizes rounded up refuse a budget that works, if barely.
    return HeterogeneousBytes(costs, bytes_, sigma, tau, tuple(least.actions()))


def _persistent_seconds(n: int, units: int) -> float:
    """About how long the persistent programme takes [s]: an estimate by counting."""
    return 1e-3 + 2.5e-5 * n * n + 1.7e-9 * n**3 * (units + 1)


def _units(n: int, budget: int, seconds: float) -> int:
    """The units of bytes that there is time for; 0 if there is time for no search."""
    if n > _MOST_STEPS:
        return 0
    most = units = min(budget, _UNITS)
    while units > 0:
        if replacing_seconds(n, 1, units) + _persistent_seconds(n, units) <= seconds:
            return units
        units = units * 3 // 4
        if units < min(most, _FEWEST_UNITS):
            return 0
    return 0


def least_bytes(state_bytes: Sequence[int], tape_bytes: Sequence[int]) -> int:
    """Return the fewest bytes in which `heterogeneous_bytes`, or anything, reverses a chain.

    Parameters
    ----------
    state_bytes : sequence of int, length n_steps + 1
        Bytes of the checkpoint of each state.
    tape_bytes : sequence of int, length n_steps
        Bytes of the tape of each step.
    """
    return frugal(state_bytes, tape_bytes).nbytes


def _sizes(name: str, values: Sequence[int], length: int) -> tuple[int, ...]:
    entries = sequence(name, values)
    sizes = tuple(count(f"{name}[{k}]", value, 1) for k, value in enumerate(entries))
    if len(sizes) != length:
        raise ParameterError(
            f"{name} has {len(sizes)} entries; step_costs has one a step, and so {name} must "
            f"have {length}"
        )
    return sizes


# What to do with the stretch i … j and b units: split after step k - 1, or keep the tape of step i.
Choices = npt.NDArray[np.int16]
_TAPE = -1


def _solve(
    least: npt.NDArray[np.float64],
    window: int,
    costs: tuple[float, ...],
    budget: int,
    states: list[int],
    tapes: list[int],
) -> Choices:
    """Complete the least costs of stretches longer than `window`, and return the choices.

    Shapes (n + 1, n + 1, budget + 1); the costs by [stop, start], so that right parts lie together,
    the choices by [start, stop].
    """
    n = len(costs)
    sums = np.array(list(accumulate(costs, initial=0.0)))
    if window >= n:
        return np.empty((0, 0, 0), np.int16)
    choices = np.full((n + 1, n + 1, budget + 1), _TAPE, np.int16)
    columns = np.arange(budget + 1)
    for d in range(window + 1, n + 1):
        for i in range(n + 1 - d):
            j, state, tape = i + d, states[i], tapes[i]
            best = least[j, i]
            if tape <= budget:
                best[tape:] = least[j, i + 1, : budget + 1 - tape]
            if state > budget:
                continue
            split = least[i + 1 : j, i, state:] + least[j, i + 1 : j, : budget + 1 - state]
            split += (sums[i + 1 : j] - sums[i])[:, None]
            k = split.argmin(axis=0)
            cost = split[k, columns[: len(k)]]
            better = cost < best[state:]
            best[state:][better] = cost[better]
            choices[i, j, state:][better] = k[better] + i + 1
    return choices


def _played(
    n: int,
    choices: Choices,
    budget: int,
    states: list[int],
    tapes: list[int],
    short: Replacing | None = None,
    window: int = 0,
) -> Iterator[Action]:
    """The actions of these choices; stretches of at most `window` steps are those of `short`.

    With one budget for all, sizes are given as 0.
    """
    ram = Level.RAM
    pending: list[tuple[int, int, int, bool] | Reverse] = [(0, n, budget, False)]
    while pending:
        item = pending.pop()
        if isinstance(item, Reverse):
            yield item
            continue
        i, j, b, kept = item
        if kept:
            yield Restore(i, ram)
        if short is not None and j - i <= window:
            yield from short.actions(i, j, b, kept)
            continue
        k = int(choices[i, j, b])
        if k != _TAPE:
            if not kept:
                yield Save(i, ram)
            yield Advance(i, k)
            pending.append((i, k, b, True))
            pending.append((k, j, b - states[i], False))
            continue
        if kept:
            # Freed first: its bytes are part of what the tapes take.
            yield Discard(i, ram)
        stop = i
        while j - stop > window and choices[stop, j, b] == _TAPE:
            b -= tapes[stop]
            stop += 1
        yield Record(i, stop)
        pending.append(Reverse(i, stop))
        if stop < j:
            pending.append((stop, j, b, False))


@dataclass(frozen=True, slots=True)
class HeterogeneousBytes:
    """The schedule of steps that differ in cost and size; made by `heterogeneous_bytes`.

    Attributes
    ----------
    step_costs : tuple of float, length n_steps
        Cost of each step.
    budget : int
        Bytes of checkpoints and tapes together, at most.
    state_bytes : tuple of int, length n_steps + 1
        Bytes of the checkpoint of each state.
    tape_bytes : tuple of int, length n_steps
        Bytes of the tape of each step.
    actions : tuple of Action or Mixed
        What a pass yields.
    """

    step_costs: tuple[float, ...] = field(repr=False)
    budget: int
    state_bytes: tuple[int, ...] = field(repr=False)
    tape_bytes: tuple[int, ...] = field(repr=False)
    actions: tuple[Action, ...] | Mixed = field(repr=False, compare=False)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.step_costs)

    @property
    def limits(self) -> Limits:
        """The budget, and the sizes that count against it; nothing goes to disk."""
        return Limits(
            slots=(None, 0),
            state_bytes=self.state_bytes,
            tape_bytes=self.tape_bytes,
            budget=self.budget,
        )

    @property
    def advance_cost(self) -> float:
        """Cost of the plain steps of a pass; every step is run once besides, recorded."""
        sums = list(accumulate(self.step_costs, initial=0.0))
        return sum(sums[a.stop] - sums[a.start] for a in self if isinstance(a, Advance))

    def counts(self) -> Counts:
        """What a pass costs, counted along its actions, since sizes differ."""
        tape_sums = list(accumulate(self.tape_bytes, initial=0))
        advanced = saved = restored = 0
        held = tapes = size = 0
        peak_held = peak_tapes = peak_size = 0
        for action in self:
            match action:
                case Advance(start, stop):
                    advanced += stop - start
                case Record(start, stop):
                    tapes += stop - start
                    size += tape_sums[stop] - tape_sums[start]
                case Reverse(start, stop):
                    tapes -= stop - start
                    size -= tape_sums[stop] - tape_sums[start]
                case Save(state, _):
                    saved, held = saved + 1, held + 1
                    size += self.state_bytes[state]
                case Restore(_, _):
                    restored += 1
                case Discard(state, _):
                    held -= 1
                    size -= self.state_bytes[state]
                case _:
                    assert_never(action)
            peak_held, peak_tapes = max(peak_held, held), max(peak_tapes, tapes)
            peak_size = max(peak_size, size)
        return Counts(
            advanced=advanced,
            recorded=self.n_steps,
            saved=saved,
            restored=restored,
            peak_checkpoints=peak_held,
            peak_tapes=peak_tapes,
            peak_bytes=peak_size,
        )

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

"""Chooses the cheapest schedule for a budget: by the seconds that each would take.

Every way that fits is planned and its cost forecast: all tapes stored; checkpoints and tapes in
memory; checkpoints in memory and on disk.  The best one is the answer, the others stay as what it
was compared with.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from math import log2
from typing import Any, Final

import numpy as np

from revolve_ad.schedule import (
    Action,
    Counts,
    Discard,
    Level,
    Limits,
    Record,
    Reverse,
    Save,
    mixed,
    multilevel,
    online,
    smallest_budget,
    store_all,
)
from revolve_ad.schedule.multilevel import Multilevel
from revolve_ad.schedule.streaming import Streaming
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.problem import Problem, Way
from revolve_ad.simulation.planning.spread import Spread
from revolve_ad.simulation.planning.uneven import uneven_ways

__all__ = ["all_on_disk", "effort_of", "peak_in_ram", "ways"]


_LEAST: Final = 1e-3
_SHARE: Final = 0.01
"""A plan may take this share of the run, or `_LEAST` seconds if that is more."""

_BESIDES: Final = 4e-4
"""What a plan takes but for searching."""

_LEAST_EFFORT: Final = _LEAST - _BESIDES
_MOST_EFFORT: Final = 4.0
_EFFORT_OF_A_DESIGN: Final = 4.0


def effort_of(problem: Problem) -> float:
    """Return the seconds that a search may take, rounded so that equal runs are planned equally."""
    costs = problem.costs or Costs.at_least(problem.sizes.state)
    n = problem.n_steps or problem.max_steps or 0
    allowed = _SHARE * n * (costs.step + costs.reverse) - _BESIDES
    if allowed <= _LEAST_EFFORT:
        return _LEAST_EFFORT
    return min(_MOST_EFFORT, 2.0 ** int(log2(allowed / _LEAST_EFFORT)) * _LEAST_EFFORT)


def ways(problem: Problem, free: int) -> list[Way]:
    """Return all ways to spend `free` bytes on checkpoints and tapes, the cheapest first.

    Parameters
    ----------
    problem : Problem
        The run.
    free : int
        Bytes; enough for one of the ways.
    """
    if problem.uneven is not None:
        # Where no seconds are known, somebody is designing a run, and is in no hurry.
        effort = _EFFORT_OF_A_DESIGN if problem.costs is None else effort_of(problem)
        return uneven_ways(problem, problem.uneven, free, effort)
    sizes = problem.sizes
    state, tape, slots = max(1, sizes.state), max(1, sizes.tape), problem.slots
    rooms = tuple(problem.slots_by_level.values())
    # What the costs of memory alone are doesn't change the choice: one plan serves all of them.
    costs = problem.costs if slots != 0 else None
    effort = effort_of(problem)
    if problem.n_steps is None:
        assert problem.max_steps is not None
        step = (problem.costs or Costs.at_least(state)).step
        found = _online_ways(
            problem.max_steps, free, state, tape, problem.slots_on(problem.first_level), step
        )
    else:
        found = _known_ways(problem.n_steps, free, state, tape, rooms, costs, effort)
    timed = [replace(way, seconds=problem.seconds(way.counts, way.in_ram)) for way in found]
    guess = problem.costs or Costs.at_least(state, len(rooms))
    return sorted(timed, key=lambda way: guess.seconds(way.counts, way.in_ram))


@lru_cache(maxsize=256)
def _online_ways(
    max_steps: int, free: int, state: int, tape: int, slots: int | None, step: float
) -> tuple[Way, ...]:
    found = []
    if max_steps * tape <= free:
        schedule = online(state_bytes=state, tape_bytes=tape, budget=free, max_steps=max_steps)
        return (_way("online", schedule, schedule.counts(max_steps), state, tape),)
    if free >= state + tape:
        fitting = (free - tape) // state
        most = _few_enough(max_steps, min(fitting, max_steps), free, state, tape, step)
        in_memory = online(most, state_bytes=state, tape_bytes=tape, budget=free)
        counts = _online_counts(max_steps, most, (free, state, tape))
        found.append(_way("online", in_memory, counts, state, tape))
    if slots != 0:
        most = _few_enough(max_steps, min(slots or max_steps, max_steps), tape, 0, tape, step)
        on_disk = online(most)
        counts = all_on_disk(_online_counts(max_steps, most, (tape, 0, tape)))
        found.append(_way("online", on_disk, counts, state, tape))
    return tuple(found)


_SECONDS_OF_A_PLACE: Final = 2e-7
_LEAST_STEP: Final = 5e-6
"""What a decision of the policy takes for each checkpoint and step; and a step by itself."""


def _few_enough(n: int, fitting: int, free: int, state: int, tape: int, step: float) -> int:
    """Return so many checkpoints that deciding on them costs less than they save.

    Each decision about a checkpoint looks at all that are held.
    """
    best, most = float("inf"), fitting
    slots = 4
    while slots // 2 < fitting:
        tried = min(slots, fitting)
        if n * tried * _SECONDS_OF_A_PLACE >= best:
            break  # deciding alone costs more, here and for all that follow
        again = _again(n, _bends(n, free, state, tape, tried))
        seconds = again * max(step, _LEAST_STEP) + n * tried * _SECONDS_OF_A_PLACE
        if seconds < best:
            best, most = seconds, tried
        slots *= 2
    return most


def _again(n: int, bends: Sequence[int]) -> float:
    """Estimate the plain steps of a chain from the longest ones of each repetition."""
    again = float(sum(n - bend for bend in bends if bend < n))
    if len(bends) > 1 and bends[-1] < n:  # cut off; they go on about evenly
        again += (n - bends[-1]) ** 2 / (2 * max(1, bends[-1] - bends[-2]))
    return again


def _online_counts(n: int, slots: int, sizes: tuple[int, int, int]) -> Counts:
    """Estimate what a run of `n` steps costs; the policy's own count would take longer than a plan.

    The first sweep is plain, and the reversal costs about what it does where the length is known.
    """
    free, state, tape = sizes
    again = round(_again(n, _bends(n, free, state, tape, slots)))
    turns = min(n, again // max(1, n // max(1, slots)) + slots)
    held = min(slots, n)
    return Counts(
        advanced=n + again,
        recorded=n,
        saved=turns,
        restored=turns,
        peak_checkpoints=held,
        peak_tapes=max(1, free // tape),
        peak_bytes=min(free, held * state + n * tape) if state else 0,
    )


def all_on_disk(counts: Counts) -> Counts:
    """Return the counts of a schedule that knows no levels, if its checkpoints are on disk."""
    return replace(
        counts,
        disk_saved=counts.saved,
        disk_restored=counts.restored,
        peak_disk=counts.peak_checkpoints,
        peak_bytes=0,
    )


@lru_cache(maxsize=256)
def _known_ways(
    n: int,
    free: int,
    state: int,
    tape: int,
    rooms: tuple[int | None, ...],
    costs: Costs | None,
    effort: float,
) -> tuple[Way, ...]:
    if n * tape <= free:
        at_once = store_all(n)
        return (_way("store all", at_once, at_once.counts(), state, tape),)
    costs = costs or Costs.at_least(state, len(rooms))
    in_memory = free >= smallest_budget(n, state, tape)
    if not any(room != 0 for room in rooms):
        schedule = mixed(n, free, state, tape, effort=effort)
        return (_way("mixed", schedule, schedule.counts(), state, tape),)
    bends = _bends(n, free, state, tape) if in_memory else []
    spread = Spread.of(rooms, costs)
    periods = _periods(n, free, tape, spread, costs.step, bends)
    if effort < _SEVERAL + _SEVERAL_A_STEP * n and (in_memory or periods):
        # There is time for one: the cheapest by an estimate.
        ram = _again(n, bends) * costs.step if in_memory else float("inf")
        if periods and periods[0][0] < ram:
            stream = _stream(n, periods[0][1], free, state, tape, spread)
            return (_way("streaming", stream, stream.counts(), state, tape),)
        schedule = mixed(n, free, state, tape, effort=0)
        return (_way("mixed", schedule, schedule.counts(), state, tape),)
    found: list[Way] = []
    if in_memory:
        schedule = mixed(n, free, state, tape, effort=effort / 2)
        found.append(_way("mixed", schedule, schedule.counts(), state, tape))
    tried = [_stream(n, period, free, state, tape, spread) for _, period in periods]
    if tried:
        stream = min(tried, key=lambda one: costs.seconds(one.counts()))
        found.append(_way("streaming", stream, stream.counts(), state, tape))
    if not found or _multilevel_seconds(n, rooms) <= effort:
        several = len(rooms) > 1
        levels = multilevel(
            n,
            max(0, free - tape) // state,
            rooms if several else rooms[0],
            step=costs.step,
            adjoint=costs.adjoint,
            write=_padded(costs.writes, len(rooms)) if several else costs.write,
            read=_padded(costs.reads, len(rooms)) if several else costs.read,
            effort=effort / 2,
        )
        counts = levels.counts()
        if counts.disk_saved or not found:
            found.append(_way("multilevel", levels, counts, state, tape))
    return tuple(found)


_SEVERAL: Final = 0.02
_SEVERAL_A_STEP: Final = 4e-7
"""Planning several ways takes up to so many seconds: measured up to a million steps."""


def _way(kind: str, schedule: Any, counts: Counts, state: int, tape: int) -> Way:
    in_ram = peak_in_ram(schedule, counts, state, tape)
    return Way(kind=kind, schedule=schedule, counts=counts, seconds=None, in_ram=in_ram)


def peak_in_ram(schedule: Any, counts: Counts, state: int, tape: int) -> int:
    """Return the most bytes of checkpoints and tapes in memory."""
    limits = getattr(schedule, "limits", None)
    if counts.peak_bytes and isinstance(limits, Limits):
        if (limits.state_bytes, limits.tape_bytes) == (state, tape):
            return counts.peak_bytes
    # Memory, disk and tapes need not be at their fullest at the same time.
    if counts.disk_saved == counts.saved:
        held = 0
    elif isinstance(schedule, Multilevel):
        held = schedule.most_in_ram
    elif isinstance(schedule, Streaming):
        parts = [schedule.last, *([schedule.stretch] if schedule.on_disk else [])]
        held = max(part.counts().peak_checkpoints for part in parts)
    elif not counts.peak_disk:
        held = counts.peak_checkpoints
    else:
        return _peak_of(schedule, state, tape)
    return held * state + max(1, counts.peak_tapes) * tape


def _peak_of(schedule: Iterable[Action], state: int, tape: int) -> int:
    """Return the same of a schedule of which nothing is known but its actions."""
    held = peak = 0
    for action in schedule:
        match action:
            case Save(_, Level.RAM):
                held += state
            case Discard(_, Level.RAM):
                held -= state
            case Record(start, stop):
                held += (stop - start) * tape
            case Reverse(start, stop):
                held -= (stop - start) * tape
            case _:
                continue
        peak = max(peak, held)
    return peak


def _padded(seconds: Sequence[float], number: int) -> list[float]:
    """Return so many entries; storages at the end that have no room were not measured."""
    return [*seconds, *[0.0] * number][:number]


def _multilevel_seconds(n: int, rooms: Sequence[int | None]) -> float:
    """Estimate how long `multilevel` plans: measured, on one core of 2024."""
    bounded = sum(min(room, n, 2000) * 1e-4 for room in rooms if room is not None and room < n - 1)
    return len(rooms) * (2e-3 + 2e-5 * min(n, 4000)) + bounded


def _stream(n: int, period: int, free: int, state: int, tape: int, spread: Spread) -> Streaming:
    """Return the schedule with a checkpoint on disk every `period` steps."""
    rest = n - (n - 1) // period * period
    # The rule without search: many periods are tried, and each is within some per cent of the best.
    stretch = mixed(period, free, state, tape, effort=0)
    last = stretch if rest == period else mixed(rest, free, state, tape, effort=0)
    return Streaming(n, period, stretch, last, spread.places((n - 1) // period))


def _periods(
    n: int, free: int, tape: int, spread: Spread, step: float, bends: Sequence[int]
) -> list[tuple[float, int]]:
    """Return numbers of steps between two checkpoints on disk that may be best, the best first.

    A period of P steps costs ``write + read + (P + X(P)) * step`` beyond what every step costs,
    with X(P) plain steps to reverse it in memory.  Per step that is monotone between two lengths
    at which X bends: the longest chains with at most r repetitions, r = 0, 1, 2, …  With each
    period comes an estimate of the seconds that it costs so.
    """
    leasts = spread.least_periods(n)
    least = leasts[-1]
    if not bends:
        # No checkpoint fits beside a tape: a period is one stretch of tapes.
        bends = [free // tape]

    sums = list(accumulate(bends, initial=0))

    def seconds(period: int) -> float:
        r = bisect_left(bends, period)
        again = r - sums[r] / period
        return n * (spread.each((n - 1) // period) / period + (1 + again) * step)

    tried = [p for p in {*bends, *leasts} if least <= p < n]
    if len(bends) == 1:
        tried = [p for p in tried if p <= bends[0]]
    best = sorted(tried, key=seconds)[:3]
    # The last stretch isn't swept over in vain, and should not be shorter than the others.
    even = {-(-n // ((n - 1) // p + 1)) for p in best}
    return sorted((seconds(p), p) for p in {*best, *(p for p in even if least <= p < n)})


_MOST_LEVELS: Final = 20_000
_FEW_LEVELS: Final = 64


def _bends(n: int, free: int, state: int, tape: int, slots: int = _MOST_LEVELS) -> list[int]:
    """Return the longest chains reversed with at most 0, 1, 2, … repetitions.

    C(i, r) = C(i, r - 1) + C(i + 1, r) with i checkpoints held; lengths beyond n are n.
    """
    levels = min((free - tape) // state if state else slots, slots, n) + 1
    if levels <= _FEW_LEVELS:
        return _bends_of_few(n, [min(n, (free - i * state) // tape) for i in range(levels)])
    longest = np.minimum((free - np.arange(levels) * state) // tape, n)
    bends = [int(longest[0])]
    last = longest[-1]
    while bends[-1] < n and len(bends) < _MOST_REPETITIONS:
        # From the last level back.
        sums = np.cumsum(longest[-2::-1].astype(np.float64))[::-1] + last
        longest = np.minimum(np.append(sums, last), n).astype(np.int64)
        if longest[0] <= bends[-1]:
            break
        bends.append(int(longest[0]))
    return bends


def _bends_of_few(n: int, longest: list[int]) -> list[int]:
    bends = [longest[0]]
    longest.reverse()  # the last level first
    while bends[-1] < n and len(bends) < _MOST_REPETITIONS:
        longest = list(accumulate(longest))
        if longest[-1] <= bends[-1]:
            break
        bends.append(min(n, longest[-1]))
    return bends


_MOST_REPETITIONS: Final = 200

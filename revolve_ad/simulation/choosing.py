"""Chooses the cheapest schedule for a budget: by the seconds that each would take.

Every way that fits is planned and its cost forecast: all tapes stored; checkpoints and tapes in
memory; checkpoints in memory and on disk.  The best one is the answer, the others stay as what it
was compared with.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import log2
from typing import Any, Final

import numpy as np

from revolve_ad.schedule import (
    Counts,
    Limits,
    mixed,
    multilevel,
    online,
    smallest_budget,
    store_all,
)
from revolve_ad.schedule.multilevel import Multilevel
from revolve_ad.schedule.streaming import Streaming
from revolve_ad.simulation.costs import Costs
from revolve_ad.simulation.problem import Problem, Way
from revolve_ad.simulation.uneven import uneven_ways

__all__ = ["all_on_disk", "effort_of", "peak_in_ram", "ways"]


_LEAST_EFFORT: Final = 1e-3
_MOST_EFFORT: Final = 4.0
_SHARE: Final = 0.01
"""A plan may take this share of the run, or `_LEAST_EFFORT` seconds if that is more."""


def effort_of(problem: Problem) -> float:
    """Return the seconds that planning may take, rounded so that equal runs are planned equally."""
    costs = problem.costs or Costs.at_least(problem.sizes.state)
    n = problem.n_steps or problem.max_steps or 0
    allowed = _SHARE * n * (costs.step + costs.reverse)
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
        return uneven_ways(problem, problem.uneven, free)
    sizes = problem.sizes
    state, tape, slots = max(1, sizes.state), max(1, sizes.tape), problem.slots
    # What the costs of memory alone are doesn't change the choice: one plan serves all of them.
    costs = problem.costs if slots != 0 else None
    effort = effort_of(problem)
    if problem.n_steps is None:
        assert problem.max_steps is not None
        found = _online_ways(problem.max_steps, free, state, tape, slots)
    else:
        found = _known_ways(problem.n_steps, free, state, tape, slots, costs, effort)
    timed = [replace(way, seconds=problem.seconds(way.counts, way.in_ram)) for way in found]
    guess = problem.costs or Costs.at_least(state)
    return sorted(timed, key=lambda way: guess.seconds(way.counts, way.in_ram))


@lru_cache(maxsize=256)
def _online_ways(
    max_steps: int, free: int, state: int, tape: int, slots: int | None
) -> tuple[Way, ...]:
    found = []
    if max_steps * tape <= free or free >= state + tape:
        in_memory = online(
            state_bytes=state, tape_bytes=tape, budget=max(1, free), max_steps=max_steps
        )
        found.append(_way("online", in_memory, in_memory.counts(max_steps), state, tape))
    if slots != 0 and max_steps * tape > free:
        on_disk = online(min(_MOST_ONLINE, max_steps, slots or max_steps))
        counts = all_on_disk(on_disk.counts(max_steps))
        found.append(_way("online", on_disk, counts, state, tape))
    return tuple(found)


_MOST_ONLINE: Final = 256
"""Checkpoints of unknown number that are placed on disk: each decision looks at all of them."""


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
    slots: int | None,
    costs: Costs | None,
    effort: float,
) -> tuple[Way, ...]:
    if n * tape <= free:
        schedule = store_all(n)
        return (_way("store all", schedule, schedule.counts(), state, tape),)
    found: list[Way] = []
    if free >= smallest_budget(n, state, tape):
        in_memory = mixed(n, free, state, tape, effort=effort)
        found.append(_way("mixed", in_memory, in_memory.counts(), state, tape))
    if slots != 0:
        costs = costs or Costs.at_least(state)
        streams = _streams(n, free, state, tape, slots, costs)
        found += [_way("streaming", s, s.counts(), state, tape) for s in streams]
        if not found or _multilevel_seconds(n, slots) <= effort:
            ram = max(0, free - tape) // state
            levels = multilevel(
                n,
                ram,
                slots,
                step=costs.step,
                adjoint=costs.adjoint,
                write=costs.write,
                read=costs.read,
                effort=effort,
            )
            counts = levels.counts()
            if counts.disk_saved or not found:
                found.append(_way("multilevel", levels, counts, state, tape))
    return tuple(found)


def _way(kind: str, schedule: Any, counts: Counts, state: int, tape: int) -> Way:
    in_ram = peak_in_ram(schedule, counts, state, tape)
    return Way(kind=kind, schedule=schedule, counts=counts, seconds=None, in_ram=in_ram)


def peak_in_ram(schedule: Any, counts: Counts, state: int, tape: int) -> int:
    """Return the most bytes of checkpoints and tapes in memory."""
    held = counts.peak_checkpoints - counts.peak_disk
    if isinstance(schedule, Multilevel):
        # Memory and disk need not be at their fullest at the same time.
        lengths = (leaf.length for leaf in schedule.tree.totals().leaves)
        held = max((min(schedule.ram, length - 1) for length in lengths), default=0)
    apart = held * state + max(1, counts.peak_tapes) * tape
    # Checkpoints and tapes need not be either: a schedule that knows these bytes knows.
    limits = getattr(schedule, "limits", None)
    if not isinstance(limits, Limits) or not counts.peak_bytes:
        return apart
    if isinstance(limits.state_bytes, int) and isinstance(limits.tape_bytes, int):
        if (limits.state_bytes, limits.tape_bytes) != (state, tape):
            return apart
    return min(apart, counts.peak_bytes)


def _multilevel_seconds(n: int, slots: int | None) -> float:
    """Estimate how long `multilevel` plans: measured, on one core of 2024."""
    bounded = 0.0 if slots is None or slots >= n - 1 else min(slots, n, 2000) * 1e-4
    return 2e-3 + 2e-5 * min(n, 4000) + bounded


def _streams(
    n: int, free: int, state: int, tape: int, slots: int | None, costs: Costs
) -> list[Streaming]:
    """Return the best schedules with a checkpoint on disk every so many steps, at most two."""
    made: list[tuple[float, Streaming]] = []
    for period in _periods(n, free, state, tape, slots, costs):
        periods = (n - 1) // period
        rest = n - periods * period
        # The rule without search: many periods are tried, and each is within 1 % of the best.
        last = mixed(rest, free, state, tape, effort=0)
        schedule = Streaming(n, period, mixed(period, free, state, tape, effort=0), last)
        made.append((costs.seconds(schedule.counts()), schedule))
    made.sort(key=lambda one: one[0])
    return [schedule for _, schedule in made[:1]]


def _periods(
    n: int, free: int, state: int, tape: int, slots: int | None, costs: Costs
) -> Iterator[int]:
    """Yield numbers of steps between two checkpoints on disk that may be best.

    A period of P steps costs ``write + read + (P + X(P)) * step`` beyond what every step costs,
    with X(P) plain steps to reverse it in memory.  Per step that is monotone between two lengths
    at which X bends: the longest chains with at most r repetitions, r = 0, 1, 2, …
    """
    least = 1 if slots is None else (n - 1) // (slots + 1) + 1
    if free < state + tape:
        # No checkpoint fits beside a tape: a period is one stretch of tapes.
        period = free // tape
        if least <= period < n:
            yield period
        return
    bends = _bends(n, free, state, tape)
    fixed = (costs.write + costs.read) / costs.step if costs.step > 0 else 0.0

    def per_step(period: int) -> float:
        return fixed / period + sum(max(0.0, 1 - bend / period) for bend in bends)

    tried = {p for p in (*bends, least) if least <= p < n}
    best = sorted(tried, key=per_step)[:3]
    # The last stretch isn't swept over in vain, and should not be shorter than the others.
    even = {-(-n // ((n - 1) // p + 1)) for p in best}
    yield from sorted({*best, *(p for p in even if least <= p < n)})


_MOST_LEVELS: Final = 20_000


def _bends(n: int, free: int, state: int, tape: int) -> list[int]:
    """Return the longest chains that `mixed` reverses with at most 0, 1, 2, … repetitions."""
    levels = min((free - tape) // state + 1, n, _MOST_LEVELS)
    longest = np.minimum((free - np.arange(levels) * state) // tape, n)
    bends = [int(longest[0])]
    last = longest[-1]
    while bends[-1] < n and len(bends) < _MOST_REPETITIONS:
        # C(i, r) = C(i, r − 1) + C(i + 1, r), from the last level back; lengths beyond n are n.
        sums = np.cumsum(longest[-2::-1].astype(np.float64))[::-1] + last
        longest = np.minimum(np.append(sums, last), n).astype(np.int64)
        if longest[0] <= bends[-1]:
            break
        bends.append(int(longest[0]))
    return bends


_MOST_REPETITIONS: Final = 200

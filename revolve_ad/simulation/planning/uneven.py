"""Chooses a schedule for steps that differ in cost or size: the cheapest of those that fit."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

from revolve_ad.schedule import (
    Action,
    Advance,
    Discard,
    Record,
    Reverse,
    Save,
    heterogeneous,
    heterogeneous_bytes,
    mixed,
    smallest_budget,
    store_all,
)
from revolve_ad.simulation.planning.problem import Problem, Uneven, Way

__all__ = ["uneven_ways"]

_MOST_STEPS: Final = 200
"""`heterogeneous_bytes` takes longer chains for even ones."""


def uneven_ways(problem: Problem, uneven: Uneven, free: int, effort: float) -> list[Way]:
    """Return the ways to spend `free` bytes of memory, the cheapest first; the disk isn't used.

    Parameters
    ----------
    problem : Problem
        The run.
    uneven : Uneven
        How its steps differ.
    free : int
        Bytes for checkpoints and tapes; enough for one of the ways.
    effort : float
        Seconds that planning may take; if there is no quicker way that fits, it takes longer.
    """
    n, states, tapes = len(uneven.tapes), uneven.states, uneven.tapes
    if sum(tapes) <= free:
        return [_way("store all", store_all(n), problem, uneven)]
    state, tape = max(states[:-1]), max(tapes)
    found: list[Way] = []
    if free >= smallest_budget(n, state, tape):
        as_if_even = mixed(n, free, state, tape, effort=effort / 4)
        found.append(_way("mixed", as_if_even, problem, uneven))
    slots = (free - tape) // state
    if slots > 0 and _seconds_by_cost(n, slots) <= effort / 4:
        by_cost = heterogeneous(uneven.steps, slots, effort=effort / 4)
        found.append(_way("heterogeneous", by_cost, problem, uneven))
    if not found or (n <= _MOST_STEPS and _seconds_by_size(n) <= effort / 2):
        by_size = heterogeneous_bytes(uneven.steps, free, states, tapes, effort=effort / 2)
        found.append(_way("heterogeneous", by_size, problem, uneven))
    return sorted(found, key=lambda way: way.advance_cost)


def _seconds_by_cost(n: int, slots: int) -> float:
    """Estimate how long `heterogeneous` plans: measured, on one core of 2024."""
    nodes = min(n, 1000)
    return 5e-4 + 1e-4 * nodes * min(slots, nodes) * (1 + nodes / 1000) + 2e-6 * n


def _seconds_by_size(n: int) -> float:
    """The same of `heterogeneous_bytes`."""
    return 0.05 + 4e-7 * n**3


def _way(kind: str, schedule: Any, problem: Problem, uneven: Uneven) -> Way:
    advanced, peak = _played(schedule, uneven)
    seconds = None
    if problem.costs is not None:
        seconds = advanced + sum(uneven.steps) + uneven.adjoints
    return Way(
        kind=kind,
        schedule=schedule,
        counts=replace(schedule.counts(), peak_bytes=peak),
        seconds=seconds,
        in_ram=peak,
        advance_cost=advanced,
    )


def _played(actions: Iterable[Action], uneven: Uneven) -> tuple[float, int]:
    """Return the cost of the plain steps, and the most bytes held."""
    costs = list(accumulate(uneven.steps, initial=0.0))
    tapes = list(accumulate(uneven.tapes, initial=0))
    advanced, held, peak = 0.0, 0, 0
    for action in actions:
        match action:
            case Advance(start, stop):
                advanced += costs[stop] - costs[start]
            case Record(start, stop):
                held += tapes[stop] - tapes[start]
            case Reverse(start, stop):
                held -= tapes[stop] - tapes[start]
            case Save(state, _):
                held += uneven.states[state]
            case Discard(state, _):
                held -= uneven.states[state]
            case _:
                continue
        peak = max(peak, held)
    return advanced, peak

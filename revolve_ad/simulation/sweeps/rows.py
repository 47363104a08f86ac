"""A schedule as rows of integers, which compiled code carries out faster than Python its actions.

The checkpoints are numbered slots in one array.  So are the states of a stretch that is reversed:
they lie behind the checkpoints that are held then, so that both share one budget.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from revolve_ad.native.source.play import ADVANCE, KEEP, LEAF, LOAD, SAVE
from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.sweeps.crew import Counters, Crew

__all__ = ["MOST_ROWS", "Last", "Rows", "rows_for", "rows_of"]

MOST_ROWS: Final = 1 << 16
"""Longer schedules are played action by action: their rows would take more than a megabyte."""


class Last(NamedTuple):
    """The stretch that ends the forward run: its tape lies in the slots from `base` on."""

    start: int
    stop: int
    base: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A schedule of one run; made by `rows_of`.

    Attributes
    ----------
    forward, reverse : ndarray, shape (n, 5), int32
        What is done before and after the last stretch: see `revolve_ad.native.source.play`.
    last : Last
        The stretch that is recorded in the first sweep.
    n_slots : int
        How many states the array of checkpoints holds, those of recorded stretches included.
    n_saved : int
        How many of its first slots checkpoints are saved in.
    longest : int
        Steps of the longest stretch that is recorded.
    counters : Counters
        What all of it amounts to.
    """

    forward: np.ndarray
    last: Last
    reverse: np.ndarray
    n_slots: int
    n_saved: int
    longest: int
    counters: Counters


def rows_for(crew: Crew, plan: Plan, *, keeps: bool = False) -> Rows | None:
    """Return the rows of a plan; None where it needs what only `Sweep` can.

    Parameters
    ----------
    crew : Crew
        Who works on the run.
    plan : Plan
        What is to be done.
    keeps : bool
        As for `rows_of`.
    """
    counts, n_steps = plan.counts, crew.ending.n_steps
    if counts is None or n_steps is None or counts.disk_saved or plan.all_on_disk:
        return None
    if crew.careful or crew.progress.wanted:
        return None
    return rows_of(plan.schedule, n_steps, keeps=keeps)


def rows_of(schedule: Iterable[Action], n_steps: int, *, keeps: bool = False) -> Rows | None:
    """Return a schedule as rows; None if it is too long, or does what rows can't say.

    Parameters
    ----------
    schedule : schedule
        In memory alone.
    n_steps : int
        How many steps it reverses.
    keeps : bool
        Whether steps may write the checkpoint that they end with, so that it isn't copied.
    """
    if n_steps >= 1 << 31:
        return None
    try:
        return _kept(schedule, n_steps, keeps)  # type: ignore[arg-type]
    except TypeError:  # a schedule without a hash
        return _read(schedule, n_steps, keeps)


@lru_cache(maxsize=16)
def _kept(schedule: Any, n_steps: int, keeps: bool) -> Rows | None:
    return _read(schedule, n_steps, keeps)


class _Slots:
    """Numbers of slots, the lowest free one first."""

    __slots__ = ("_free", "_used", "held", "high", "longest", "needed")

    def __init__(self) -> None:
        self.held: dict[int, int] = {}  # state -> slot
        self._free: list[int] = []
        self._used: list[bool] = []
        self.high = 0  # all slots from here on are free
        self.needed = 0
        self.longest = 0

    def take(self, state: int) -> int:
        """Return a slot for a state."""
        if self._free:
            slot = heapq.heappop(self._free)
        else:
            slot = len(self._used)
            self._used.append(False)
        self._used[slot] = True
        self.high = max(self.high, slot + 1)
        self.needed = max(self.needed, self.high)
        self.held[state] = slot
        return slot

    @property
    def saved(self) -> int:
        """How many slots held a checkpoint at some time."""
        return len(self._used)

    def free(self, state: int) -> None:
        """Free the slot of a state."""
        slot = self.held.pop(state)
        self._used[slot] = False
        heapq.heappush(self._free, slot)
        while self.high and not self._used[self.high - 1]:
            self.high -= 1

    def behind(self, n: int) -> int:
        """Return where `n` further states lie, behind those that are held."""
        self.needed = max(self.needed, self.high + n)
        self.longest = max(self.longest, n)
        return self.high


def _read(schedule: Iterable[Action], n_steps: int, keeps: bool) -> Rows | None:
    slots, counters = _Slots(), Counters()
    rows: list[tuple[int, int, int, int, int]] = []
    forward: list[tuple[int, int, int, int, int]] = []
    last: Last | None = None
    source = -1  # the slot of the checkpoint that is to be the live state
    actions = iter(schedule)
    for action in actions:
        match action:
            case Advance(start, stop):
                rows.append((ADVANCE, start, stop, source, 0))
                counters.advanced += stop - start
                source = -1
            case Save(state):
                if state in slots.held:
                    return None
                if source >= 0:
                    rows.append((LOAD, 0, 0, source, 0))
                    source = -1
                if keeps and rows and rows[-1][0] == ADVANCE and rows[-1][2] == state:
                    source = slots.take(state)
                    rows[-1] = (KEEP, *rows[-1][1:4], source)
                else:
                    rows.append((SAVE, state, 0, slots.take(state), 0))
                counters.saved += 1
                counters.peak_checkpoints = max(counters.peak_checkpoints, len(slots.held))
            case Restore(state):
                source = slots.held[state]
                counters.restored += 1
            case Discard(state):
                slots.free(state)
            case Record(start, stop):
                following = next(actions, None)
                while isinstance(following, Discard):
                    slots.free(following.state)
                    following = next(actions, None)
                if following != Reverse(start, stop):
                    return None
                n = stop - start
                counters.recorded += n
                ends = last is None
                if ends != (stop == n_steps):
                    return None
                base = slots.behind(n if ends else n - 1)
                if source >= 0 and (ends or (n > 1 and source >= base)):
                    # The checkpoint is discarded: its slot may be written while it is read.
                    rows.append((LOAD, 0, 0, source, 0))
                    source = -1
                if ends:
                    last, forward, rows = Last(start, stop, base), rows, []
                else:
                    rows.append((LEAF, start, stop, source, base))
                source = -1
            case _:
                return None
        if len(rows) > MOST_ROWS:
            return None
    if last is None:
        return None
    return Rows(
        _array(forward),
        last,
        _array(rows),
        slots.needed,
        slots.saved,
        slots.longest + 1,
        counters,
    )


def _array(rows: list[tuple[int, int, int, int, int]]) -> np.ndarray:
    return np.array(rows, np.int32).reshape(-1, 5)

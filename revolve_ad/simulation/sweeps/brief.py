"""Plays a schedule of many short actions: from rows, which Python reads faster than actions.

It does what `Sweep` does, with the same bits, for steps whose derivative the user gives: they may
take less than a microsecond, and then making the next actions and telling them apart takes longer
than the steps.  Checkpoints are copied into slots that lie there from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Final, final

import numpy as np

from revolve_ad.native.source.play import ADVANCE, LOAD, SAVE
from revolve_ad.simulation.arrays.finiteness import (
    require_finite,
    require_finite_state,
    soundness,
)
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.sweeps.crew import Counters, Crew
from revolve_ad.simulation.sweeps.exploring import explore
from revolve_ad.simulation.sweeps.rows import Rows, rows_for

__all__ = ["BriefSweep", "brief_sweep"]

_ROWS_AT_ONCE: Final = 512
"""Rows that are Python's integers at a time: each takes 200 bytes then."""


@final
class BriefSweep:
    """One gradient under way; see `Sweep`.

    Parameters
    ----------
    crew : Crew
        Who works on it.
    rows : Rows
        The schedule.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    counters : Counters
        What has been done so far.
    """

    __slots__ = ("_crew", "_pools", "_rows", "_slots", "_tapes", "counters", "n_steps")

    def __init__(self, crew: Crew, rows: Rows) -> None:
        assert crew.ending.n_steps is not None
        self._crew, self._rows = crew, rows
        self._pools: Leaves = []
        self._slots: list[Leaves] = []
        self._tapes: list[tuple[int, int, Tape]] = []  # start, stop, tape
        self.n_steps = crew.ending.n_steps
        self.counters = Counters()

    def forward(self, state: Leaves) -> Leaves:
        """See `Sweep.forward`."""
        began = perf_counter()
        try:
            live = self._forward(state)
        except Exception as error:
            error.add_note("revolve_ad: during the first sweep")
            raise
        self.counters.note_forward(self._rows.counters)
        self.counters.forward_seconds = perf_counter() - began
        return live

    def _forward(self, live: Leaves) -> Leaves:
        crew, rows = self._crew, self._rows
        kernel, lookout, layout, last = crew.kernel, crew.lookout, crew.layout, rows.last
        n = rows.n_saved
        self._pools = crew.pool.take(
            [((n, *s), d) for s, d in zip(layout.shapes, layout.dtypes, strict=True)]
        )
        self._slots = [[pool[i, ...] for pool in self._pools] for i in range(n)]
        crew.ledger.set("checkpoints", sum(pool.nbytes for pool in self._pools))
        if lookout.next == 0:
            lookout.look(0, live, last=False)
        for what, start, stop, slot, _ in _in_python(rows.forward):
            if what == SAVE:
                require_finite_state(live, layout, start)
                for buffer, leaf in zip(self._slots[slot], live, strict=True):
                    buffer[...] = leaf
            else:
                live, _, _ = explore(
                    kernel.advance, lookout, crew.ending, crew.progress, live, start, stop
                )
        at = last.start
        while at < last.stop:
            stop = min(last.stop, lookout.next)
            crew.ledger.add("tapes", (stop - at) * crew.tape_bytes)
            tape, live = kernel.record(live, at, stop)
            self._tapes.append((at, stop, tape))
            at = stop
            if lookout.next == at:
                lookout.look(at, live, last=at == last.stop)
        require_finite_state(live, layout, last.stop)
        return live

    def reverse(self, kernel: Kernel, cotangent: Leaves, observed: Leaves) -> Leaves:
        """See `Sweep.reverse`."""
        began = perf_counter()
        crew, last = self._crew, self._rows.last
        require_finite(cotangent, crew.layout.cotangents, f"at state {last.stop}, in reverse")
        try:
            while self._tapes:
                start, stop, tape = self._tapes.pop()
                cotangent = kernel.reverse(tape, start, stop, cotangent)
            crew.ledger.add("tapes", -(last.stop - last.start) * crew.tape_bytes)
            where = f"at state {last.start}, in reverse"
            require_finite(cotangent, crew.layout.cotangents, where)
        except Exception as error:
            error.add_note(f"revolve_ad: during the reverse sweep, from state {last.stop}")
            raise
        finally:
            crew.progress.close()
        cotangent = self._play_back(kernel, cotangent)
        crew.pool.give(self._pools, granted=crew.keeps_pool)
        self.abandon()
        self.counters.restored = self._rows.counters.restored
        self.counters.reverse_seconds = perf_counter() - began
        return cotangent

    def _play_back(self, kernel: Kernel, cotangent: Leaves) -> Leaves:
        """Carry out the rows after the last stretch; return the cotangent of state 0."""
        crew, slots = self._crew, self._slots
        advance, record_and_reverse = kernel.advance, kernel.record_and_reverse
        sound, digests, layout = soundness(crew.layout), crew.replays.digests, crew.layout
        live: Leaves = []
        start = stop = 0
        try:
            for what, start, stop, slot, _ in _in_python(self._rows.reverse):
                if slot >= 0 and what != SAVE:
                    live = [leaf.copy() for leaf in slots[slot]]
                if what == ADVANCE:
                    live = advance(live, start, stop)
                elif what == SAVE:
                    if not sound(live):
                        require_finite_state(live, layout, start)
                    for buffer, leaf in zip(slots[slot], live, strict=True):
                        buffer[...] = leaf
                elif what != LOAD:
                    if stop - start > 1 or digests:
                        cotangent = self._leaf(kernel, live, start, stop, cotangent)
                    else:
                        cotangent = record_and_reverse(live, start, stop, cotangent)
                    if not sound(cotangent):
                        where = f"at state {start}, in reverse"
                        require_finite(cotangent, layout.cotangents, where)
        except Exception as error:
            error.add_note(f"revolve_ad: during the reverse sweep, in steps {start} to {stop}")
            raise
        return cotangent

    def _leaf(
        self, kernel: Kernel, live: Leaves, start: int, stop: int, cotangent: Leaves
    ) -> Leaves:
        """Record a stretch and reverse it; compare the states in it that are to be compared."""
        crew = self._crew
        crew.ledger.add("tapes", (stop - start) * crew.tape_bytes)
        tapes: list[tuple[int, int, Tape]] = []
        first = start
        for k in sorted(k for k in crew.replays.digests if start <= k < stop):
            if k > first:
                tape, live = kernel.record(live, first, k)
                tapes.append((first, k, tape))
            crew.replays.compare(k, live)
            first = k
        cotangent = kernel.record_and_reverse(live, first, stop, cotangent)
        while tapes:
            low, high, tape = tapes.pop()
            cotangent = kernel.reverse(tape, low, high, cotangent)
        crew.ledger.add("tapes", -(stop - start) * crew.tape_bytes)
        return cotangent

    def abandon(self) -> None:
        """See `Sweep.abandon`."""
        self._pools, self._slots, self._tapes = [], [], []


def _in_python(rows: np.ndarray) -> Iterator[list[int]]:
    for i in range(0, len(rows), _ROWS_AT_ONCE):
        yield from rows[i : i + _ROWS_AT_ONCE].tolist()


def brief_sweep(crew: Crew, plan: Plan) -> BriefSweep | None:
    """Return a sweep that plays rows; None where the plan needs what only `Sweep` can.

    Parameters
    ----------
    crew : Crew
        Who works on it.
    plan : Plan
        What is to be done, with all checkpoints in memory.
    """
    rows = None if crew.observations is not None else rows_for(crew, plan)
    if rows is None:
        return None
    needed = rows.n_saved * crew.layout.nbytes + rows.longest * crew.tape_bytes
    if crew.ledger.limit is not None and crew.ledger.nbytes + needed > crew.ledger.limit:
        return None
    return BriefSweep(crew, rows)

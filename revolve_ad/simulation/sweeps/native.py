"""Plays a schedule whose steps are compiled: checkpoints and tapes share one array.

It does what `Sweep` does, with the same bits.  Where there are many actions, they are carried out
by compiled code too, and Python is asked only where it has to look.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, final

import numpy as np

from revolve_ad.native.source.library import OUTSIDE
from revolve_ad.native.source.play import ADVANCE, FEW, KEEP, LEAF, LOAD, LOST, SAVE, SELDOM
from revolve_ad.simulation.arrays.addends import add
from revolve_ad.simulation.arrays.finiteness import require_finite, require_finite_state
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.kernels.native import NativeKernel
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.planning.playing import is_played
from revolve_ad.simulation.steps.blame import left_array, one_of
from revolve_ad.simulation.sweeps.crew import Counters, Crew
from revolve_ad.simulation.sweeps.rows import Rows, rows_for
from revolve_ad.simulation.sweeps.several import SeveralKernels

if TYPE_CHECKING:
    from revolve_ad.native import Sweep as Compiled

__all__ = ["NativeSweep", "native_sweep"]


class _Tests:
    """Tells when states or cotangents should be tested for NaN and Inf: large ones not always."""

    __slots__ = ("_every", "_untested")

    def __init__(self, nbytes: int) -> None:
        self._every = SELDOM if nbytes > FEW else 1
        self._untested = 0

    def due(self, n_steps: int) -> bool:
        """Tell whether it is time, after so many steps more."""
        self._untested += n_steps
        if self._untested < self._every:
            return False
        self._untested = 0
        return True


@final
class NativeSweep:
    """One gradient under way; see `Sweep`.

    Parameters
    ----------
    crew : Crew
        Who works on it; its kernel runs native code.
    rows : Rows
        The schedule.
    plays : bool
        Whether compiled code carries out the rows.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    counters : Counters
        What has been done so far.
    """

    __slots__ = (
        "_again",
        "_back",
        "_crew",
        "_final",
        "_plays",
        "_pools",
        "_rows",
        "counters",
        "n_steps",
    )

    def __init__(self, crew: Crew, rows: Rows, *, plays: bool) -> None:
        assert crew.ending.n_steps is not None
        self._crew, self._rows, self._plays = crew, rows, plays
        self._pools: Leaves = []
        self._final: Leaves = []
        self._again: _Tests | None = None  # of states: in the first sweep all that are saved
        self._back = _Tests(crew.layout.cotangents.nbytes)  # of cotangents
        self.n_steps = crew.ending.n_steps
        self.counters = Counters()

    def forward(self, state: Leaves) -> Leaves:
        """See `Sweep.forward`."""
        began = perf_counter()
        try:
            live = self._forward(state)
        except Exception as error:
            if str(error) == OUTSIDE:  # of compiled code, which doesn't say in which step
                named = left_array(IndexError(OUTSIDE), one_of(0, self.n_steps))
                named.add_note("revolve_ad: during the first sweep")
                raise named from error
            error.add_note("revolve_ad: during the first sweep")
            raise
        self.counters.note_forward(self._rows.counters)
        self.counters.forward_seconds = perf_counter() - began
        return live

    def _forward(self, state: Leaves) -> Leaves:
        crew, rows, last = self._crew, self._rows, self._rows.last
        lookout, layout = crew.lookout, crew.layout
        sweep = _native(crew.kernel).sweep
        self._pools = crew.pool.take(sweep.pool_types(rows.n_slots))
        crew.ledger.set("checkpoints", sum(pool.nbytes for pool in self._pools))
        live = list(state)
        if lookout.next == 0:
            lookout.look(0, live, last=False)
        if self._plays:
            self._play_forward(sweep, live)
        else:
            for line in rows.forward.tolist():
                self._state_row(crew.kernel, line, live)
        source = sweep.checkpoint(self._pools, last.base)
        _copy(source, live)
        block, n = sweep.block_of(self._pools, last.base + 1), last.stop - 1 - last.start
        if n:
            sweep.record(source, block, last.start, last.stop - 1)
        while lookout.next < last.stop:
            at = lookout.next
            lookout.look(at, sweep.state(source, block, at - last.start), last=False)
        final = [np.empty(s, d) for s, d in zip(layout.shapes, layout.dtypes, strict=True)]
        sweep.advance(sweep.state(source, block, n), final, last.stop - 1, last.stop)
        if lookout.next == last.stop:
            lookout.look(last.stop, final, last=True)
        require_finite_state(final, layout, last.stop)
        observations = crew.observations
        if observations is not None and observations.next == last.stop:
            self._final = [leaf.copy() for leaf in final]
        return final

    def _play_forward(self, sweep: Compiled, live: Leaves) -> None:
        """Let compiled code carry out the rows before the last stretch."""
        rows, lookout = self._rows.forward, self._crew.lookout
        row, begin = 0, -1
        while True:
            row, at = sweep.play(
                rows,
                row,
                self._pools,
                live,
                [],
                stops=np.array([min(lookout.next, self.n_steps)], np.int64),
                stop=0,
                begin=begin,
                forward=True,
            )
            if at == LOST:
                self._require_finite(rows[row].tolist(), live)
            if at < 0:
                return
            what, _, stop, _, base = rows[row - 1].tolist()  # not yet done if it is the last
            ended = row > 0 and what == KEEP and stop == at
            state = sweep.checkpoint(self._pools, base) if ended else live
            lookout.look(at, state, last=False)
            begin = -1
            if row < len(rows):
                what, start, stop = rows[row, :3].tolist()
                begin = at if what in (ADVANCE, KEEP) and start < at < stop else -1

    def _require_finite(self, row: list[int], live: Leaves) -> None:
        """Raise if the state that a row saves isn't finite: only these are tested on the way."""
        what, start, stop, _, base = row
        if what == KEEP:
            live, start = _native(self._crew.kernel).sweep.checkpoint(self._pools, base), stop
        require_finite_state(live, self._crew.layout, start)

    def _state_row(self, kernel: Kernel, row: list[int], live: Leaves) -> None:
        """Carry out one row about the live state and checkpoints by Python."""
        what, start, stop, slot, base = row
        sweep, layout = _native(kernel).sweep, self._crew.layout
        if what == SAVE:
            require_finite_state(live, layout, start)
            _copy(sweep.checkpoint(self._pools, slot), live)
            return
        state = list(live) if slot < 0 else sweep.checkpoint(self._pools, slot)
        if what == LOAD:
            _copy(live, state)
            return
        lookout = self._crew.lookout
        while start < stop:
            pause = min(stop, lookout.next)
            if what == KEEP and pause == stop:
                after = sweep.checkpoint(self._pools, base)
                _advance(sweep, state, after, start, stop)
                if self._again is None or self._again.due(stop - start):
                    require_finite_state(after, layout, stop)
                state = after
            elif slot >= 0:
                # The first step reads the checkpoint where it lies: no copy.
                _advance(sweep, state, live, start, pause)
                state, slot = list(live), -1
            else:
                live[:] = kernel.advance(state, start, pause)
                state = list(live)
            start = pause
            if lookout.next == start:
                lookout.look(start, state, last=False)

    def reverse(self, kernel: Kernel, cotangent: Leaves, observed: Leaves) -> Leaves:
        """See `Sweep.reverse`."""
        began = perf_counter()
        try:
            cotangent = self._reverse(kernel, cotangent, observed)
        except Exception as error:
            error.add_note("revolve_ad: during the reverse sweep")
            raise
        finally:
            self._crew.progress.close()
        self._crew.pool.give(self._pools, granted=self._crew.keeps_pool)
        self._pools = []
        self.counters.restored = self._rows.counters.restored
        self.counters.reverse_seconds = perf_counter() - began
        return cotangent

    def _reverse(self, kernel: Kernel, cotangent: Leaves, observed: Leaves) -> Leaves:
        crew, rows, last = self._crew, self._rows, self._rows.last
        observations, layout = crew.observations, crew.layout.cotangents
        require_finite(cotangent, layout, f"at state {last.stop}, in reverse")
        if observations is not None and observations.backwards(observed) == last.stop:
            add(cotangent, observations.reverse(last.stop, self._final))
        self._final = []
        sweep = _native(kernel).sweep
        source = sweep.checkpoint(self._pools, last.base)
        tape = [source, sweep.block_of(self._pools, last.base + 1)]
        cotangent = kernel.reverse(tape, last.start, last.stop, cotangent)
        self._again = _Tests(layout.nbytes)
        row, n = 0, len(rows.reverse)
        live = [leaf.copy() for leaf in source] if n else []
        while row < n:
            # States of the last stretch are computed once: there is no replay to compare.
            left = sorted(k for k in crew.replays.digests if k < last.start)
            stops = np.array(left, np.int64)
            if self._plays and isinstance(kernel, NativeKernel):
                row, at = self._play(kernel, row, live, cotangent, stops)
                if at == LOST:
                    require_finite(cotangent, layout, f"after row {row} of the schedule")
                    self._require_finite(rows.reverse[row].tolist(), live)
                if at < 0:
                    break
            # By Python: to compare states, for several cotangents, and where rows are few.
            cotangent = self._row(kernel, rows.reverse[row].tolist(), live, cotangent)
            row += 1
        require_finite(cotangent, layout, "at state 0, in reverse")
        return cotangent

    def _play(
        self, kernel: NativeKernel, row: int, live: Leaves, cotangent: Leaves, stops: np.ndarray
    ) -> tuple[int, int]:
        """Carry out rows until Python has to look; see `revolve_ad.native.Sweep.play`."""
        moved = [cotangent[i] for i in kernel.float_leaves]
        found = kernel.sweep.play(
            self._rows.reverse, row, self._pools, live, moved, stops=stops, stop=len(stops) - 1
        )
        for i, leaf in zip(kernel.float_leaves, moved, strict=True):
            cotangent[i] = leaf
        return found

    def _row(self, kernel: Kernel, row: list[int], live: Leaves, cotangent: Leaves) -> Leaves:
        """Carry out one row after the last stretch by Python."""
        what, start, stop, slot, base = row
        if what != LEAF:
            self._state_row(kernel, row, live)
            return cotangent
        sweep, pools, replays = _native(kernel).sweep, self._pools, self._crew.replays
        state = list(live) if slot < 0 else sweep.checkpoint(pools, slot)
        block = sweep.block_of(pools, base)
        if stop - start > 1:
            sweep.record(state, block, start, stop - 1)
        for k in sorted(k for k in replays.digests if start <= k < stop):
            replays.compare(k, sweep.state(state, block, k - start))
        cotangent = kernel.reverse([state, block], start, stop, cotangent)
        if self._back.due(stop - start):
            layout = self._crew.layout.cotangents
            require_finite(cotangent, layout, f"at state {start}, in reverse")
        return cotangent

    def abandon(self) -> None:
        """See `Sweep.abandon`."""
        self._pools = []
        self._final = []


def native_sweep(crew: Crew, plan: Plan) -> NativeSweep | None:
    """Return a sweep of compiled steps; None where the plan needs what only `Sweep` can.

    Parameters
    ----------
    crew : Crew
        Who works on it; its kernel runs native code.
    plan : Plan
        What is to be done, with all checkpoints in memory.
    """
    kernel, counts, observations = crew.kernel, plan.counts, crew.observations
    n_steps = crew.ending.n_steps
    if counts is None or n_steps is None:
        return None
    if observations is not None and any(k < n_steps for k in observations.left):
        return None
    if any(0 in shape for shape in crew.layout.shapes):
        return None
    rows = rows_for(crew, plan, keeps=True)
    if rows is None:
        return None
    limit = crew.ledger.limit
    if limit is not None and crew.ledger.nbytes + rows.n_slots * crew.layout.nbytes > limit:
        return None
    many = is_played(n_steps, counts.restored, crew.layout.nbytes)
    return NativeSweep(crew, rows, plays=many and _native(kernel).plays)


def _advance(sweep: Compiled, state: Leaves, to: Leaves, start: int, stop: int) -> None:
    try:
        sweep.advance(state, to, start, stop)
    except IndexError as error:
        raise left_array(error, one_of(start, stop)) from error


def _copy(to: Leaves, source: Leaves) -> None:
    for a, b in zip(to, source, strict=True):
        a[...] = b


def _native(kernel: Kernel) -> NativeKernel:
    """Return the kernel that does the steps, one of several with a cotangent each."""
    if isinstance(kernel, SeveralKernels):
        kernel = kernel.kernels[0]
    assert isinstance(kernel, NativeKernel)
    return kernel

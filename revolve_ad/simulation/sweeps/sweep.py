"""Plays a schedule: forward until the final state is live and, when cotangents come, the rest.

    final = sweep.forward(state)
    ...                                       # the user computes a number from it
    cotangent = sweep.reverse(cotangent)      # of the final state in, of the first state out

This is where tape, schedule and storage meet; each of them knows nothing of the other two.
"""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import assert_never, final

from revolve_ad.errors import ScheduleError
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
from revolve_ad.schedule.protocol import OnlineDriver
from revolve_ad.simulation.arrays.addends import Addend, add
from revolve_ad.simulation.arrays.finiteness import (
    require_finite,
    require_finite_state,
    soundness,
)
from revolve_ad.simulation.arrays.layout import Leaves, Tape, detach
from revolve_ad.simulation.arrays.shelf import Shelf, free_idle_buffers
from revolve_ad.simulation.kernels.growth import GrownTapeError
from revolve_ad.simulation.kernels.observations import Observations
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.sweeps.crew import Counters, Crew
from revolve_ad.simulation.sweeps.exploring import explore
from revolve_ad.simulation.sweeps.replanner import Replanner, bytes_of
from revolve_ad.simulation.sweeps.several import has_every_state
from revolve_ad.storage import Ram

__all__ = ["Sweep"]


@final
class Sweep:
    """One gradient under way.

    Parameters
    ----------
    crew : Crew
        Who works on it.
    actions : iterator of Action
        One pass over a schedule of as many steps as the run has, or an `OnlineDriver`.
    storages : sequence of Ram or Shelf
        Where checkpoints are kept, by level; they belong to this run.
    replanner : Replanner
        Plans the rest anew where a tape has grown.

    Attributes
    ----------
    n_steps : int
        Number of steps, known after `forward`.
    counters : Counters
        What has been done so far.
    """

    __slots__ = (
        "_actions",
        "_crew",
        "_final",
        "_kernel",
        "_known_bytes",
        "_n_last",
        "_replanner",
        "_seen",
        "_sound",
        "_storages",
        "_tape_bytes",
        "_tapes",
        "_watched",
        "counters",
        "n_steps",
    )

    def __init__(
        self,
        crew: Crew,
        actions: Iterator[Action],
        storages: Sequence[Ram | Shelf],
        replanner: Replanner,
    ) -> None:
        self._replanner = replanner
        self._crew = crew
        self._kernel = crew.kernel
        self._actions = actions
        self._storages: Sequence[Ram | Shelf] = storages
        self._tapes: list[tuple[int, int, Tape]] = []  # start, stop, tape of each stretch
        self._n_last = 0  # tapes reserved for the stretch that isn't run yet
        self._watched = -1  # the next observed state on the way back
        self._seen: Sequence[Addend] | None = (
            None  # its cotangent, if its stretch wasn't reversed then
        )
        self._known_bytes = 0  # of checkpoints, when the ledger was last told
        self._tape_bytes = crew.tape_bytes
        self._sound = soundness(crew.layout)
        self._final: Leaves = []
        self.n_steps = crew.ending.n_steps or 0
        self.counters = Counters()

    def forward(self, state: Leaves) -> Leaves:
        """Play the schedule until the final state is live.

        Parameters
        ----------
        state : list of ndarray
            The leaves of state 0; the sweep owns them from now on.

        Returns
        -------
        list of ndarray
            The leaves of state N, which the caller owns from now on.
        """
        began = perf_counter()
        crew, counters = self._crew, self.counters
        kernel, lookout = crew.kernel, crew.lookout
        live, at, ended = state, 0, crew.ending.n_steps == 0
        online, careful = isinstance(self._actions, OnlineDriver), crew.careful
        if lookout.next == 0:
            lookout.look(0, live, last=ended)
        try:
            while not ended:
                match action := next(self._actions):
                    case Advance():
                        live, at, ended = explore(
                            crew.kernel.advance,
                            crew.lookout,
                            crew.ending,
                            crew.progress,
                            live,
                            action.start,
                            action.stop,
                        )
                        counters.advanced += at - action.start
                    case Record():
                        at = action.start
                        while at < action.stop and not ended:
                            pause = at + 1 if online or careful else action.stop
                            pause = min(pause, lookout.next)
                            live = self._record(kernel, live, at, pause)
                            at = pause
                            ended = crew.ending.reached(live, at)
                            if lookout.next == at:
                                lookout.look(at, live, last=ended)
                        counters.recorded += at - action.start
                        crew.progress.step(at - action.start)
                    case Save():
                        self._save(action, live)
                    case Restore():
                        live, at = self._storages[action.level].restore(action.state), action.state
                        counters.restored += 1
                    case Discard():
                        self._discard(action)
                    case Reverse():
                        raise ScheduleError(
                            f"the schedule reverses step {action.stop - 1} before the final state "
                            "was reached; test it with schedule.check."
                        )
                    case _:
                        assert_never(action)
            require_finite_state(live, crew.layout, at)
        except Exception as error:
            error.add_note("revolve_ad: during the first sweep")
            raise
        self.n_steps = at
        if isinstance(self._actions, OnlineDriver):
            self._actions.finish(at)
        if crew.observations is not None and crew.observations.next == at:
            self._final = [leaf.copy() for leaf in live]
        detach(live)  # a tape may hold a leaf that a step passed on
        counters.forward_seconds = perf_counter() - began
        return live

    def reverse(self, kernel: Kernel, cotangent: Leaves, observed: Leaves) -> Leaves:
        """Play the rest of the schedule.

        Parameters
        ----------
        kernel : Kernel
            The steps, bound to sums for the gradient.
        cotangent : list of ndarray
            The cotangent of state N; the sweep owns it from now on.
        observed : list of ndarray
            The cotangents of the stacked observations.

        Returns
        -------
        list of ndarray
            The cotangent of state 0.
        """
        began = perf_counter()
        self._kernel = kernel
        observations = self._crew.observations
        if observations is not None:
            self._watched = observations.backwards(observed)
        try:
            self._require_finite(cotangent, self.n_steps)
            if observations is not None and self._watched == self.n_steps:
                self._reverse_last_observation(kernel, observations, cotangent)
            self._final = []
        except Exception as error:
            error.add_note("revolve_ad: during the reverse sweep, before its first action")
            raise
        try:
            cotangent = self._play_back(kernel, cotangent)
        finally:
            self._crew.progress.close()
        self.counters.reverse_seconds = perf_counter() - began
        return cotangent

    def _play_back(self, kernel: Kernel, cotangent: Leaves) -> Leaves:
        """Play the actions that are left; return the cotangent of state 0."""
        crew, counters, storages = self._crew, self.counters, self._storages
        advance, record_and_reverse = kernel.advance, kernel.record_and_reverse
        restore = [storage.restore for storage in storages]
        discard = [storage.discard for storage in storages]
        sound = self._sound
        advanced = restored = recorded = 0
        step = crew.progress.step if crew.progress.wanted else None
        whole = crew.observations is None and not crew.replays.digests and not crew.careful
        live: Leaves | None = None
        # The first state of the stretch that was recorded last, if it isn't run yet: in most
        # schedules it is reversed next, and nobody needs its last state.
        last: Leaves | None = None
        first = after = -1
        action: Action | None = None
        try:
            playing = True
            while playing:
                for action in self._actions:
                    if last is not None:
                        kind = type(action)
                        if kind is not Reverse and kind is not Discard:
                            self._release_last()
                            live, last = self._record(kernel, last, first, after), None
                    match action:
                        case Advance():
                            assert live is not None
                            start, stop = action.start, action.stop
                            live = advance(live, start, stop)
                            advanced += stop - start
                            if step is not None:
                                step(stop - start)
                        case Restore():
                            live = restore[action.level](action.state)
                            restored += 1
                        case Record():
                            assert live is not None
                            first, after = action.start, action.stop
                            n_taped = after - first
                            recorded += n_taped
                            if step is not None:
                                step(n_taped)
                            if not whole:
                                live, first = self._record_parts(kernel, live, first, after)
                            if n_taped > 1:
                                self._n_last = after - first
                                self._reserve(self._n_last)
                            last, live = live, None
                        case Reverse():
                            start, stop = action.start, action.stop
                            try:
                                if last is not None and first == start and first != self._watched:
                                    cotangent = record_and_reverse(last, first, after, cotangent)
                                    if self._n_last:
                                        self._release_last()
                                else:
                                    cotangent = self._reverse(
                                        kernel, last, first, start, stop, cotangent
                                    )
                            except GrownTapeError as grown:
                                live, last, cotangent = grown.state, None, grown.cotangent
                                self._replan(kernel, grown)
                                break
                            last = None
                            if not sound(cotangent):
                                self._require_finite(cotangent, start)
                        case Discard():
                            discard[action.level](action.state)
                            counters.checkpoints -= 1
                        case Save():
                            assert live is not None
                            self._save(action, live)
                        case _:
                            assert_never(action)
                else:
                    playing = False
        except Exception as error:
            at = "before its first action" if action is None else f"at {action}"
            error.add_note(f"revolve_ad: during the reverse sweep, {at}")
            raise
        counters.advanced += advanced
        counters.restored += restored
        counters.recorded += recorded
        return cotangent

    def abandon(self) -> None:
        """Let go of all checkpoints and tapes; it can't be reversed any more."""
        for storage in self._storages:
            storage.clear()
        self._storages = ()
        self._tapes = []
        self._final = []

    def _record(self, kernel: Kernel, live: Leaves, start: int, stop: int) -> Leaves:
        """Record a stretch and keep its tape; return its last state."""
        if start == stop:
            return live
        self._reserve(stop - start)
        tape, live = kernel.record(live, start, stop)
        self._tapes.append((start, stop, tape))
        return live

    def _record_parts(
        self, kernel: Kernel, live: Leaves, start: int, stop: int
    ) -> tuple[Leaves, int]:
        """Record a stretch up to the last state in it that somebody wants to see.

        A stretch begins at each observed state, since a tape shows its first state, and at each
        state that is to be compared.  Return the first state of what is left, and its index.
        """
        replays, observations = self._crew.replays, self._crew.observations
        marks = {k for k in range(start, stop) if k in replays.digests}
        if observations is not None:
            marks.update(observations.between(start + 1, stop))
            if start < self._watched < stop:  # if it was observed in a stretch that is run again
                marks.add(self._watched)
        if self._crew.careful:
            marks.update(range(start + 1, stop))
        for k in sorted(marks):
            live = self._record(kernel, live, start, k)
            if k in replays.digests:
                replays.compare(k, live)
            start = k
        return live, start

    def _reverse(
        self,
        kernel: Kernel,
        last: Leaves | None,
        first: int,
        start: int,
        stop: int,
        cotangent: Leaves,
    ) -> Leaves:
        """Reverse steps ``stop - 1 … start``; the last stretch isn't run yet if `last` is given."""
        observations = self._crew.observations
        while stop > start:
            tape: Tape | None = None
            if last is not None:
                low, state = first, last
            else:
                low, _, tape = self._tapes.pop()
                if low < start:  # it was recorded together with earlier steps
                    head, tape = kernel.split(tape, low, start)
                    self._tapes.append((low, start, head))
                    low = start
                state = tape[0]
            watched = observations is not None and low == self._watched
            try:
                if watched and self._seen is None:
                    assert observations is not None
                    self._seen = observations.reverse(low, state)
                if tape is None:
                    cotangent = kernel.record_and_reverse(state, low, stop, cotangent)
                    self._release_last()
                else:
                    cotangent = kernel.reverse(tape, low, stop, cotangent)
                    self._release(stop - low)
            except GrownTapeError as grown:
                if not grown.cotangent:  # that of an observation: nothing of the stretch is done
                    grown.at, grown.cotangent = stop, cotangent
                    if tape is not None:
                        grown.start, grown.tape = low, tape
                raise
            if watched:
                assert observations is not None
                assert self._seen is not None
                add(cotangent, self._seen)
                self._seen, self._watched = None, observations.next
            if self._crew.careful:
                self._require_finite(cotangent, low)
            last, stop = None, low
        return cotangent

    def _reverse_last_observation(
        self, kernel: Kernel, observations: Observations, cotangent: Leaves
    ) -> None:
        """Add to the cotangent of state N what the observation of that state adds."""
        while observations.next == self.n_steps:
            try:
                add(cotangent, observations.reverse(self.n_steps, self._final))
            except GrownTapeError as grown:
                grown.at = self.n_steps
                self._replan(kernel, grown)
        self._watched = observations.next

    def _replan(self, kernel: Kernel, grown: GrownTapeError) -> None:
        """Make room for a tape that has grown, and go on by a new schedule."""
        grown.__traceback__ = None  # what the functions on the way held is not needed any more
        if grown.tape:
            self._tapes.append((grown.start, grown.at, grown.tape))
        every = has_every_state(kernel)
        held = {
            start + i: state
            for start, _, tape in self._tapes
            for i, state in enumerate(tape if every else tape[:1])
        }
        for _, _, tape in self._tapes:
            tape.clear()
        self._tapes, self._n_last = [], 0
        self.counters.replanned += 1
        self._actions = self._replanner.resume(
            grown, held, self._tapes, self._storages, self._count_checkpoints
        )

    def _count_checkpoints(self, n_saved: int, n_more: int) -> None:
        counters = self.counters
        counters.saved += n_saved
        counters.checkpoints += n_more
        counters.peak_checkpoints = max(counters.peak_checkpoints, counters.checkpoints)
        self._known_bytes = self._storage_bytes()

    def _reserve(self, n: int) -> None:
        """Take the memory of the tapes of `n` steps, from idle buffers if need be."""
        ledger, needed = self._crew.ledger, n * self._tape_bytes
        idle = self._kernel.idle_bytes
        if ledger.planned is not None and ledger.nbytes + needed + idle > ledger.planned:
            self._kernel.give_back()
            free_idle_buffers(self._storages[Level.RAM])
            self._known_bytes = self._storage_bytes()
            ledger.set("checkpoints", self._known_bytes)
        ledger.add("tapes", needed)

    def _release_last(self) -> None:
        self._release(self._n_last)
        self._n_last = 0

    def _release(self, n: int) -> None:
        self._crew.ledger.add("tapes", -n * self._tape_bytes)

    def _save(self, action: Save, live: Leaves) -> None:
        if not self._sound(live):
            require_finite_state(live, self._crew.layout, action.state)
        storage, counters = self._storages[action.level], self.counters
        storage.save(action.state, live)
        counters.saved += 1
        held = counters.checkpoints = counters.checkpoints + 1
        if held > counters.peak_checkpoints:
            counters.peak_checkpoints = held
        if storage.nbytes > self._known_bytes:
            self._kernel.give_back()
            self._known_bytes = storage.nbytes
            self._crew.ledger.set("checkpoints", self._storage_bytes())

    def _storage_bytes(self) -> int:
        return bytes_of(self._storages)

    def _discard(self, action: Discard) -> None:
        self._storages[action.level].discard(action.state)
        self.counters.checkpoints -= 1

    def _require_finite(self, cotangent: Leaves, k: int) -> None:
        require_finite(cotangent, self._crew.layout.cotangents, f"at state {k}, in reverse")

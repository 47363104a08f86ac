"""Short chains under one budget of bytes, where a checkpoint may be replaced by a later one.

Where sizes differ it can pay to save a large state for a while, go on from it to a small one, drop
the large one, and make it once more later from an older checkpoint.  The usual recursions can't
express that, since they keep a checkpoint until all steps behind it are reversed.

With `base` the last checkpoint that is held, and `free` bytes beside all that is held, the fewest
costs of reversing steps ``stop - 1 … low`` are::

    kept(base, stop, low, free)            state `base` is live and saved
    going(base, at, stop, low, free)       state `at` is live, and isn't saved
    unsaved(at, stop, free)                it is live, and nothing before it is held

and each of them is the least of what can be done next: run a step plainly, or keep its tape; save;
come back to `base`; drop the last checkpoint and go on from its state::

    unsaved(at, stop, f) = min(unsaved(at + 1, stop, f - tape), going(at, at, stop, at, f - state))
    kept(base, stop, low, f) = going(base, base, stop, low, f), or unsaved(base, stop, f + state)
    going(base, at, stop, low, f) = min(
        cost + going(base, at + 1, stop, low, f),                                 advance
        going(base, at + 1, stop, at + 1, f - tape) + kept(base, at, low, f),     record
        min over middle of kept(at, stop, middle, f - state) + the lesser of      save
            kept(base, middle, low, f), going(base, at, middle, low, f))

Each of these is solved for all `low`, `middle` and `free` at once; the time grows with the fifth
power of the length of a stretch, and with the number of bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

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

__all__ = ["Replacing", "longest_window", "replacing_seconds", "tidied"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

# What is done next in `going`: these, or from 0 on a save; its code is twice the step at which the
# new checkpoint has served, from `base` on, plus one where the run goes on from it without it.
_ADVANCE: Final = -1
_RECORD: Final = -2
_LONGEST: Final = 60  # so that the codes fit in a byte


def replacing_seconds(n_steps: int, window: int, units: int) -> float:
    """About how long `Replacing` takes [s]: an estimate by counting, so that it never varies."""
    calls = n_steps * window * (window / 2 + 2)
    entries = n_steps * window**4 / 24 * (units + 1)
    if window == n_steps:  # stretches get shorter towards the end of the chain
        calls, entries = calls / 3, entries / 5
    return 2e-3 + 1.2e-4 * calls + 3.5e-8 * entries


def longest_window(n_steps: int, units: int, seconds: float) -> int:
    """The longest stretch for which `Replacing` takes so many seconds, by that estimate."""
    window = min(n_steps, _LONGEST)
    while window > 1 and replacing_seconds(n_steps, window, units) > seconds:
        window -= 1
    return window


class Replacing:
    """The cheapest way to reverse each stretch of at most `window` steps, for every budget.

    Parameters
    ----------
    costs : sequence of float
        Cost of each step.
    budget : int
        Bytes, in any unit.
    states, tapes : sequence of int
        Bytes of each state and of the tape of each step, in that unit.
    window : int
        The longest stretch, at most 60 steps.

    Attributes
    ----------
    least : ndarray of float64, shape (n_steps + 1, n_steps + 1, budget + 1)
        At [stop, start, free] the cost of the plain steps of a stretch whose first state is live
        and not saved, beside nothing that it may drop; infinite where `free` bytes are too few.
    """

    def __init__(
        self,
        costs: Sequence[float],
        budget: int,
        states: Sequence[int],
        tapes: Sequence[int],
        window: int,
    ) -> None:
        n = len(costs)
        self._costs, self._budget, self._states, self._tapes = costs, budget, states, tapes
        self._sums = list(accumulate(costs, initial=0.0))
        self._window = min(window, n, _LONGEST)
        self.least = np.full((n + 1, n + 1, budget + 1), np.inf)
        # For each base, with stretches counted from it; empty where its state doesn't fit.
        self._kept: list[Floats] = [np.empty(0) for _ in range(n)]
        self._going: list[Codes] = [np.empty(0, np.int8) for _ in range(n)]
        self._records: list[npt.NDArray[np.bool_]] = [np.empty(0, np.bool_) for _ in range(n)]
        self._drops: list[npt.NDArray[np.bool_]] = [np.empty(0, np.bool_) for _ in range(n)]
        for k in range(n + 1):
            self.least[k, k] = 0.0
        for base in range(n - 1, -1, -1):
            self._solve(base)
        self._kept.clear()

    def _solve(self, base: int) -> None:
        """Find the least costs of the stretches that begin at `base`, those after it known."""
        longest, budget = min(self._window, len(self._costs) - base), self._budget
        state, tape = self._states[base], self._tapes[base]
        self._records[base] = records = np.ones((longest + 1, budget + 1), np.bool_)
        if state > budget:
            if tape <= budget:
                for stop in range(1, longest + 1):
                    after = self.least[base + stop, base + 1]
                    self.least[base + stop, base, tape:] = after[: budget + 1 - tape]
            return
        width = budget + 1 - state  # the bytes that may be free beside `base`
        # kept[stop, low] and, by `at` first, going[at, stop, low]; everything counts from `base`.
        kept = np.full((longest + 1, longest + 1, width), np.inf)
        going = np.full((longest + 1, longest + 1, longest + 1, width), np.inf)
        # The lesser of the two: what follows when a checkpoint at `at` has served.
        then = np.full_like(going, np.inf)
        goes_on = np.zeros(going.shape, np.bool_)
        codes = np.full(going.shape, _ADVANCE, np.int8)
        drops = np.zeros((longest + 1, width), np.bool_)
        self._kept[base], self._going[base], self._drops[base] = kept, codes, drops
        kept[0, 0] = 0.0
        then[0, 0, 0] = 0.0
        for stop in range(1, longest + 1):
            for at in range(stop - 1, -1, -1):
                self._solve_going(base, at, stop, kept, going, then, goes_on, codes)
            least = self.least[base + stop, base]
            if tape <= budget:
                least[tape:] = self.least[base + stop, base + 1, : budget + 1 - tape]
            saves = going[0, stop, 0] < least[state:]
            least[state:][saves] = going[0, stop, 0][saves]
            records[stop, state:] = ~saves
            kept[stop, :stop] = going[0, stop, :stop]
            kept[stop, stop] = 0.0
            # Of equals the one that frees the checkpoint at once, unless it would be saved again.
            drops[stop] = (least[state:] <= kept[stop, 0]) & records[stop, state:]
            np.minimum(least[state:], kept[stop, 0], out=kept[stop, 0])
            np.less(going[:stop, stop], kept[stop], out=goes_on[:stop, stop])
            np.minimum(going[:stop, stop], kept[stop], out=then[:stop, stop])
            then[stop, stop] = kept[stop]

    def _solve_going(
        self,
        base: int,
        at: int,
        stop: int,
        kept: Floats,
        going: Floats,
        then: Floats,
        goes_on: npt.NDArray[np.bool_],
        codes: Codes,
    ) -> None:
        """Find the least costs for all `low` and `free` where state ``base + at`` is live."""
        here, width = base + at, kept.shape[-1]
        best, code = going[at, stop, :stop], codes[at, stop, :stop]
        if at + 1 < stop:
            np.add(going[at + 1, stop, :stop], self._costs[here], out=best)
        tape = self._tapes[here]
        if tape < width:
            recorded = kept[at, : at + 1, tape:]
            if at + 1 < stop:
                recorded = recorded + going[at + 1, stop, at + 1, : width - tape]
            _improve(best[: at + 1, tape:], code[: at + 1, tape:], recorded, np.int8(_RECORD))
        state = self._states[here]
        if at > 0 and state < width:
            served = self._kept[here][stop - at, : stop - at, None, : width - state]
            saved = then[at, at:stop, :stop, state:] + served
            middle = saved.argmin(axis=0)
            cost = np.take_along_axis(saved, middle[None], axis=0)[0]
            flags = np.take_along_axis(goes_on[at, at:stop, :stop, state:], middle[None], axis=0)[0]
            _improve(best[:, state:], code[:, state:], cost, (2 * (middle + at) + flags))

    # --- the actions ------------------------------------------------------------------------------

    def actions(self, start: int, stop: int, free: int, kept: bool = False) -> list[Action]:
        """Return the cheapest way to reverse a stretch.

        Parameters
        ----------
        start, stop : int
            The stretch, of at most `window` steps.
        free : int
            Bytes beside all that must stay.
        kept : bool, optional
            Whether the first state, which is live, is saved too; its bytes are part of `free`.
        """
        held = {start} if kept else set()
        if kept:
            free -= self._states[start]
            return list(self._play_kept(start, stop, start, free, held))
        return list(self._play_unsaved(start, stop, free, held))

    def _play_unsaved(self, at: int, stop: int, free: int, held: set[int]) -> Iterator[Action]:
        if at == stop:
            return
        if self._records[at][stop - at, free]:
            yield Record(at, at + 1)
            yield from self._play_unsaved(at + 1, stop, free - self._tapes[at], held)
            yield Reverse(at, at + 1)
            return
        yield Save(at, Level.RAM)
        held.add(at)
        yield from self._play_going(at, at, stop, at, free - self._states[at], held)
        yield from _discarded(at, held)

    def _play_kept(
        self, base: int, stop: int, low: int, free: int, held: set[int]
    ) -> Iterator[Action]:
        if stop == low:
            return
        if low == base and self._drops[base][stop - base, free]:
            yield from _discarded(base, held)
            yield from self._play_unsaved(base, stop, free + self._states[base], held)
        else:
            yield from self._play_going(base, base, stop, low, free, held)
            if low == base:
                yield from _discarded(base, held)

    def _play_again(
        self, base: int, stop: int, low: int, free: int, held: set[int]
    ) -> Iterator[Action]:
        if stop > low:
            yield Restore(base, Level.RAM)
            yield from self._play_kept(base, stop, low, free, held)

    def _play_going(
        self, base: int, at: int, stop: int, low: int, free: int, held: set[int]
    ) -> Iterator[Action]:
        if stop == low:
            return
        code = int(self._going[base][at - base, stop - base, low - base, free])
        if code == _ADVANCE:
            yield Advance(at, at + 1)
            yield from self._play_going(base, at + 1, stop, low, free, held)
        elif code == _RECORD:
            yield Record(at, at + 1)
            less = free - self._tapes[at]
            yield from self._play_going(base, at + 1, stop, at + 1, less, held)
            yield Reverse(at, at + 1)
            yield from self._play_again(base, at, low, free, held)
        else:
            middle, goes_on = base + code // 2, code % 2
            yield Save(at, Level.RAM)
            held.add(at)
            yield from self._play_kept(at, stop, middle, free - self._states[at], held)
            if goes_on:
                yield Restore(at, Level.RAM)
                yield from _discarded(at, held)
                yield from self._play_going(base, at, middle, low, free, held)
            else:
                yield from _discarded(at, held)
                yield from self._play_again(base, middle, low, free, held)


def _improve(best: Floats, code: Codes, cost: Floats, new: npt.NDArray[np.intp] | np.int8) -> None:
    """Take the new cost, and what it means, wherever it is less."""
    better = cost < best
    np.copyto(best, cost, where=better)
    np.copyto(code, new, where=better, casting="unsafe")


def _discarded(state: int, held: set[int]) -> Iterator[Action]:
    if state in held:
        held.remove(state)
        yield Discard(state, Level.RAM)


def tidied(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return the same schedule without detours.

    A checkpoint is discarded when it is restored for the last time, one that is never restored
    isn't saved, and stretches of one kind that follow each other are joined.
    """
    kept: list[Action | None] = []
    saves: dict[int, int] = {}
    restores: dict[int, int] = {}  # where the last one stands, with room for a discard behind it
    for action in actions:
        match action:
            case Save(state, _):
                saves[state] = len(kept)
            case Restore(state, _):
                restores[state] = len(kept)
                kept += (action, None)
                continue
            case Discard(state, _):
                save, last = saves.pop(state), restores.pop(state, None)
                kept[save if last is None else last + 1] = None if last is None else action
                continue
        kept.append(action)
    return tuple(_merged(action for action in kept if action is not None))


def _merged(actions: Iterable[Action]) -> list[Action]:
    """Join stretches of one kind that follow each other."""
    merged: list[Action] = []
    for action in actions:
        last = merged[-1] if merged else None
        match last, action:
            case (Advance(start, at), Advance(again, stop)) if at == again:
                merged[-1] = Advance(start, stop)
            case (Record(start, at), Record(again, stop)) if at == again:
                merged[-1] = Record(start, stop)
            case (Reverse(at, stop), Reverse(start, again)) if at == again:
                merged[-1] = Reverse(start, stop)
            case _:
                merged.append(action)
    return merged

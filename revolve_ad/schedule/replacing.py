"""Short chains under one budget of bytes, where a checkpoint may be replaced by a later one.

Where sizes differ it can pay to save a large state for a while, go on from it to a small one, drop
the large one, and make it once more later from an older checkpoint.  The usual recursions can't
express that, since they keep a checkpoint until all steps behind it are reversed.

With `base` the last checkpoint that is held, and `free` bytes beside all that is held, the fewest
costs of reversing steps ``stop - 1 … low`` are::

    kept(base, stop, low, free)            state `base` is live and saved
    going(base, at, stop, low, free)       state `at` is live, and isn't saved
    saved(base, at, stop, low, free)       it is saved now, above `base`
    unsaved(at, stop, free)                it is live, and nothing before it is held

and each of them is the least of what can be done next: run a step plainly, or keep its tape; save;
come back to `base`; drop the last checkpoint and go on from its state.  The time grows with about
the eighth power of the number of steps.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

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

__all__ = ["Replacing", "replacing_seconds"]

_INFINITE: Final = float("inf")
_ADVANCE, _TAPE, _SAVE, _DROP, _STAY = range(5)
_COME_BACK, _GO_ON = range(2)

Choice = tuple[float, int, int]
"""The cost, and what is done next.

After a save that is where to stop with this checkpoint, and whether to come back to the one before
then or to go on from this one without it.
"""


def replacing_seconds(n_steps: int) -> float:
    """About how long `Replacing` takes [s]: an estimate by counting, so that it never varies."""
    return 0.5 * float(n_steps / 12) ** 8


class Replacing:
    """The search for the cheapest schedule, and its actions.

    Parameters
    ----------
    costs : sequence of float, length n_steps
        Cost of each step.
    budget : int
        Bytes, in any unit.
    states, tapes : sequence of int
        Bytes of each state and of the tape of each step, in that unit.
    """

    def __init__(
        self, costs: Sequence[float], budget: int, states: Sequence[int], tapes: Sequence[int]
    ) -> None:
        self._n, self._budget = len(costs), budget
        self._sums = list(accumulate(costs, initial=0.0))
        self._states, self._tapes = states, tapes
        self._kept: dict[tuple[int, int, int, int], Choice] = {}
        self._going: dict[tuple[int, int, int, int, int], Choice] = {}
        self._saved: dict[tuple[int, int, int, int, int], Choice] = {}
        self._unsaved: dict[tuple[int, int, int], Choice] = {}

    @property
    def cost(self) -> float:
        """Cost of the plain steps; infinite where the budget is too small."""
        return self._least_unsaved(0, self._n, self._budget)

    def actions(self) -> list[Action]:
        """Return the cheapest schedule."""
        return _merged(self._play_unsaved(0, self._n, self._budget, set()))

    # --- the least costs --------------------------------------------------------------------------

    def _least_unsaved(self, at: int, stop: int, free: int) -> float:
        if at == stop:
            return 0.0
        key = at, stop, free
        if key not in self._unsaved:
            best: Choice = (_INFINITE, _STAY, 0)
            if self._tapes[at] <= free:
                cost = self._least_unsaved(at + 1, stop, free - self._tapes[at])
                best = (cost, _TAPE, 0)
            if self._states[at] <= free:
                cost = self._least_going(at, at, stop, at, free - self._states[at])
                best = min(best, (cost, _SAVE, 0))
            self._unsaved[key] = best
        return self._unsaved[key][0]

    def _least_kept(self, base: int, stop: int, low: int, free: int) -> float:
        if stop == low:
            return 0.0
        key = base, stop, low, free
        if key not in self._kept:
            best = (self._least_going(base, base, stop, low, free), _STAY, 0)
            if low == base:  # it is the last time that its state is needed
                cost = self._least_unsaved(base, stop, free + self._states[base])
                best = min(best, (cost, _DROP, 0))
            self._kept[key] = best
        return self._kept[key][0]

    def _least_going(self, base: int, at: int, stop: int, low: int, free: int) -> float:
        if stop == low:
            return 0.0
        if at == stop:
            return _INFINITE
        key = base, at, stop, low, free
        if key not in self._going:
            best: Choice = (_INFINITE, _STAY, 0)
            if at + 1 < stop:
                cost = self._sums[at + 1] - self._sums[at]
                cost += self._least_going(base, at + 1, stop, low, free)
                best = (cost, _ADVANCE, 0)
            if low <= at and self._tapes[at] <= free:
                cost = self._least_going(base, at + 1, stop, at + 1, free - self._tapes[at])
                cost += self._least_kept(base, at, low, free)
                best = min(best, (cost, _TAPE, 0))
            if base < at and self._states[at] <= free:
                cost = self._least_saved(base, at, stop, low, free)
                best = min(best, (cost, _SAVE, 0))
            self._going[key] = best
        return self._going[key][0]

    def _least_saved(self, base: int, at: int, stop: int, low: int, free: int) -> float:
        if self._states[at] > free:
            return _INFINITE
        key = base, at, stop, low, free
        if key not in self._saved:
            best: Choice = (_INFINITE, 0, _COME_BACK)
            for middle in range(max(at, low), stop):
                first = self._least_kept(at, stop, middle, free - self._states[at])
                if first < best[0]:
                    cost = first + self._least_kept(base, middle, low, free)
                    best = min(best, (cost, middle, _COME_BACK))
                    if middle > at:
                        cost = first + self._least_going(base, at, middle, low, free)
                        best = min(best, (cost, middle, _GO_ON))
            self._saved[key] = best
        return self._saved[key][0]

    # --- the actions ------------------------------------------------------------------------------

    def _play_unsaved(self, at: int, stop: int, free: int, held: set[int]) -> Iterator[Action]:
        if at == stop:
            return
        _, choice, _ = self._unsaved[at, stop, free]
        if choice == _TAPE:
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
        _, choice, _ = self._kept[base, stop, low, free]
        if choice == _DROP:
            yield from _discarded(base, held)
            yield from self._play_unsaved(base, stop, free + self._states[base], held)
        else:
            yield from self._play_going(base, base, stop, low, free, held)

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
        _, choice, _ = self._going[base, at, stop, low, free]
        if choice == _ADVANCE:
            yield Advance(at, at + 1)
            yield from self._play_going(base, at + 1, stop, low, free, held)
        elif choice == _TAPE:
            yield Record(at, at + 1)
            less = free - self._tapes[at]
            yield from self._play_going(base, at + 1, stop, at + 1, less, held)
            yield Reverse(at, at + 1)
            yield from self._play_again(base, at, low, free, held)
        else:
            yield from self._play_saved(base, at, stop, low, free, held)

    def _play_saved(
        self, base: int, at: int, stop: int, low: int, free: int, held: set[int]
    ) -> Iterator[Action]:
        _, middle, then = self._saved[base, at, stop, low, free]
        yield Save(at, Level.RAM)
        held.add(at)
        yield from self._play_kept(at, stop, middle, free - self._states[at], held)
        if then == _GO_ON:
            yield Restore(at, Level.RAM)
            yield from _discarded(at, held)
            yield from self._play_going(base, at, middle, low, free, held)
        else:
            yield from _discarded(at, held)
            yield from self._play_again(base, middle, low, free, held)


def _discarded(state: int, held: set[int]) -> Iterator[Action]:
    if state in held:
        held.remove(state)
        yield Discard(state, Level.RAM)


def _merged(actions: Iterator[Action]) -> list[Action]:
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

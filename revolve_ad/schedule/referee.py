"""The referee: plays any schedule on paper, checks every rule and counts what it costs.

It holds only integers: which state is live, which checkpoints and tapes exist, which step is
reversed next.  It shares no code with the schedules that it judges.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Never, NoReturn

from revolve_ad.errors import ParameterError, ScheduleError
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
from revolve_ad.schedule.arguments import count
from revolve_ad.schedule.protocol import Counts, LevelCounts, Limits, OnlineDriver

__all__ = ["check", "play_until"]


def check(
    schedule: Iterable[Action], n_steps: int | None = None, *, limits: Limits | None = None
) -> Counts:
    """Play a schedule, check every rule and count; raise at the first rule that it breaks.

    Parameters
    ----------
    schedule : iterable of Action
        A schedule of this package, or a list or generator of actions of your own.  A driver of an
        online schedule is told of the end when `n_steps` steps have been offered.
    n_steps : int, optional
        Number of steps of the chain.  Needed for an online schedule; otherwise by default what
        ``schedule.n_steps`` says, or where the first `Reverse` stops.
    limits : Limits, optional
        Slots, bytes and costs to hold it to; by default ``schedule.limits``, or none.

    Returns
    -------
    Counts
        What the pass costs.

    Raises
    ------
    ScheduleError
        If a rule is broken; the message names the action, its index and the rule.
    ParameterError
        If `n_steps` is missing, not a count, or contradicts the schedule.

    Notes
    -----
    The rules:

    1. `Advance`, `Record` and `Save` begin at the live state; at the start that is state 0.
    2. A stretch has at least one step and lies within steps 0 … N − 1.
    3. A state is saved once on a level, and only what is there is restored or discarded.
    4. A step is recorded when it has no tape and isn't reversed yet.
    5. Steps are reversed from N − 1 down to 0, each once and from its tape.
    6. Slots and bytes stay within the limits after every action.
    7. At the end every step is reversed, and no checkpoint, tape or live state is left.

    Examples
    --------
    >>> check([Record(0, 3), Reverse(0, 3)])
    Counts(advanced=0, recorded=3, saved=0, restored=0, peak_checkpoints=0, peak_tapes=3, ...)
    """
    announced: int | None = getattr(schedule, "n_steps", None)
    if n_steps is None:
        n_steps = announced
    else:
        n_steps = count("n_steps", n_steps, 0)
        if announced is not None and announced != n_steps:
            raise ParameterError(
                f"n_steps is {n_steps}, but the schedule is one of {announced} steps; "
                "leave n_steps out or make the schedule anew"
            )
    if limits is None:
        limits = getattr(schedule, "limits", None) or Limits()
    actions = iter(schedule)
    if isinstance(actions, OnlineDriver):
        if n_steps is None:
            raise ParameterError("n_steps is missing; an online schedule needs it to be checked")
        actions = play_until(n_steps, actions)
    game = _Game(n_steps, limits)
    for action in actions:
        game.play(action)
    return game.finish()


def play_until(n_steps: int, driver: OnlineDriver) -> Iterator[Action]:
    """Run a driver as an executor does whose loop ends after `n_steps` steps."""
    running = True
    for action in driver:
        if running and isinstance(action, Advance | Record) and action.stop >= n_steps:
            if action.start < n_steps:
                yield type(action)(action.start, n_steps)
            driver.finish(n_steps)
            running = False
        else:
            yield action
    if running:
        raise ScheduleError(f"the driver ended before the loop did, which has {n_steps} steps")


class _Game:
    """What an executor would hold, and the counts so far."""

    def __init__(self, n_steps: int | None, limits: Limits) -> None:
        self.n_steps = n_steps
        self.limits = limits
        self.index = -1
        self.action: Action | None = None
        self.live: int | None = 0
        self.furthest = 0  # the furthest state made
        self.position = n_steps  # steps from here on are reversed; None until that is known
        self.checkpoints: list[set[int]] = [set() for _ in Level]
        # Tapes as disjoint stretches in increasing order, one list for each end.
        self.tape_starts: list[int] = []
        self.tape_stops: list[int] = []
        self.tapes = 0
        self.state_bytes = limits.state_bytes
        self.tape_bytes: int | list[int] = (
            limits.tape_bytes
            if isinstance(limits.tape_bytes, int)
            else list(accumulate(limits.tape_bytes, initial=0))
        )
        self.slots = _by_level(limits.slots, None)
        self.bytes = 0
        self.advanced = self.recorded = 0
        self.saved = [0 for _ in Level]
        self.restored = [0 for _ in Level]
        self.peaks = [0 for _ in Level]
        self.peak_checkpoints = self.peak_disk = self.peak_tapes = self.peak_bytes = 0

    def play(self, action: Action) -> None:
        """Play one action."""
        self.index += 1
        self.action = action
        match action:
            case Advance(start, stop):
                self._run(start, stop)
                self.advanced += stop - start
            case Record(start, stop):
                self._run(start, stop)
                self.recorded += stop - start
                self._keep_tapes(start, stop)
            case Reverse(start, stop):
                self._reverse(start, stop)
            case Save(state, level):
                self._save(state, level)
            case Restore(state, level):
                if state not in self._on(level):
                    raise self._broken(f"state {state} isn't saved on {level!r}")
                self.live = state
                self.restored[level] += 1
            case Discard(state, level):
                if state not in self._on(level):
                    raise self._broken(f"state {state} isn't saved on {level!r}")
                self.checkpoints[level].remove(state)
                if level == Level.RAM:
                    self.bytes -= self._size_of(state)
            case _:
                self._refuse(action)

    def finish(self) -> Counts:
        """Check that everything is done and nothing is left, and return the counts."""
        if self.position is None:
            raise ScheduleError("the schedule has ended and reverses no step")
        if self.position > 0:
            raise ScheduleError(
                f"the schedule has ended after action {self.index}, but steps 0 … "
                f"{self.position - 1} aren't reversed"
            )
        for level in Level:
            if self.checkpoints[level]:
                left = sorted(self.checkpoints[level])
                raise ScheduleError(
                    f"the schedule has ended and leaves {len(left)} checkpoints on {level!r}, "
                    f"the first of state {left[0]}; discard them"
                )
        if self.tapes:
            raise ScheduleError(
                f"the schedule has ended and leaves {self.tapes} tapes, "
                f"the first of step {self.tape_starts[0]}"
            )
        if self.live is not None and self.furthest > 0:
            raise ScheduleError(f"the schedule has ended and leaves state {self.live} live")
        return Counts(
            advanced=self.advanced,
            recorded=self.recorded,
            saved=sum(self.saved),
            restored=sum(self.restored),
            peak_checkpoints=self.peak_checkpoints,
            peak_tapes=self.peak_tapes,
            disk_saved=sum(self.saved[1:]),
            disk_restored=sum(self.restored[1:]),
            peak_disk=self.peak_disk,
            peak_bytes=self.peak_bytes,
            io_cost=self.limits.io_cost(self.saved, self.restored),
            by_level=self._by_level(),
        )

    def _by_level(self) -> tuple[LevelCounts, ...]:
        if not any(self.saved[Level.DISK + 1 :]):
            return ()
        counted = zip(self.saved, self.restored, self.peaks, strict=True)
        return tuple([LevelCounts(*numbers) for numbers in counted][Level.DISK :])

    def _run(self, start: int, stop: int) -> None:
        if self.live != start:
            raise self._broken(f"{self._live_state()}, so no run can start at state {start}")
        if stop <= start:
            raise self._broken(f"a stretch needs at least one step, {start} … {stop} has none")
        if self.n_steps is not None and stop > self.n_steps:
            raise self._broken(f"the chain has only {self.n_steps} steps")
        self.live = stop
        if stop > self.furthest:
            self.furthest = stop

    def _keep_tapes(self, start: int, stop: int) -> None:
        if self.position is not None and stop > self.position:
            raise self._broken(f"steps from {self.position} on are reversed already")
        i = bisect_left(self.tape_stops, start + 1)  # the first stretch that stops after `start`
        if i < len(self.tape_starts) and self.tape_starts[i] < stop:
            again = max(start, self.tape_starts[i])
            raise self._broken(f"step {again} has a tape already")
        self.tape_starts.insert(i, start)
        self.tape_stops.insert(i, stop)
        self.tapes += stop - start
        self.peak_tapes = max(self.peak_tapes, self.tapes)
        self._grow(self._size_of_tapes(start, stop))

    def _reverse(self, start: int, stop: int) -> None:
        if stop <= start:
            raise self._broken(f"a stretch needs at least one step, {start} … {stop} has none")
        if self.position is None:
            self.n_steps = self.position = stop
            if self.furthest > stop:
                raise self._broken(
                    f"the first step to reverse must be the last, but step {self.furthest - 1} "
                    "has been run"
                )
        if stop != self.position:
            raise self._broken(f"the next step to reverse is {self.position - 1}, not {stop - 1}")
        low = stop
        while low > start:
            if not self.tape_stops or self.tape_stops[-1] != low:
                raise self._broken(f"step {low - 1} has no tape")
            if self.tape_starts[-1] < start:
                self.tape_stops[-1] = low = start
            else:
                low = self.tape_starts.pop()
                self.tape_stops.pop()
        self.tapes -= stop - start
        self.bytes -= self._size_of_tapes(start, stop)
        self.position = start
        self.live = None

    def _save(self, state: int, level: Level) -> None:
        if self.live != state:
            raise self._broken(f"{self._live_state()}, so state {state} can't be saved")
        held = self._on(level)
        if state in held:
            raise self._broken(f"state {state} is saved on {level!r} already")
        slots = self.slots[level]
        if slots is not None and len(held) >= slots:
            raise self._broken(f"all {slots} slots on {level!r} are taken")
        held.add(state)
        self.saved[level] += 1
        self.peaks[level] = max(self.peaks[level], len(held))
        if level == Level.RAM:
            self._grow(self._size_of(state))
        else:
            self.peak_disk = max(self.peak_disk, sum(map(len, self.checkpoints[1:])))
        self.peak_checkpoints = max(self.peak_checkpoints, sum(map(len, self.checkpoints)))

    def _grow(self, size: int) -> None:
        self.bytes += size
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        budget = self.limits.budget
        if budget is not None and self.bytes > budget:
            raise self._broken(f"it needs {self.bytes} bytes, the budget is {budget}")

    def _size_of(self, state: int) -> int:
        sizes = self.state_bytes
        return sizes if isinstance(sizes, int) else sizes[state]

    def _size_of_tapes(self, start: int, stop: int) -> int:
        sizes = self.tape_bytes
        if isinstance(sizes, int):
            return sizes * (stop - start)
        return sizes[stop] - sizes[start]

    def _on(self, level: Level) -> set[int]:
        if not 0 <= level < len(self.checkpoints):
            raise self._broken(f"there is no level {level!r}")
        return self.checkpoints[level]

    def _live_state(self) -> str:
        return "no state is live" if self.live is None else f"state {self.live} is live"

    def _broken(self, rule: str) -> ScheduleError:
        return ScheduleError(f"action {self.index}, {self.action!r}: {rule}")

    def _refuse(self, action: Never) -> NoReturn:
        raise ScheduleError(f"action {self.index} is {action!r}, which is no Action")


def _by_level(given: Sequence[int | None], missing: int | None) -> list[int | None]:
    """Return one entry for each level, `missing` where none was given."""
    return [given[level] if level < len(given) else missing for level in Level]

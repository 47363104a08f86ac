"""What a schedule does when: the lines and spans that a drawing of it consists of.

Time is counted in steps: running a step once takes 1, reversing it takes 1, and saving, restoring
and discarding take none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, assert_never

from revolve_ad.errors import ParameterError
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
from revolve_ad.schedule.protocol import Counts, OnlineDriver
from revolve_ad.schedule.referee import check, play_until

__all__ = ["WHERE", "Span", "Stretch", "Sweep", "Trace", "trace"]

_MOST_STEPS = 100_000

WHERE: Final = {
    Level.RAM: "in RAM",
    Level.DISK: "on disk",
    Level.REMOTE: "remote",
    Level.ARCHIVE: "in the archive",
}
"""How a legend says on which level a checkpoint is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of steps ``start … stop - 1`` that begins at time `begin`."""

    start: int
    stop: int
    begin: int


@dataclass(frozen=True, slots=True)
class Span:
    """A state kept on a level from time `begin` to time `end`, and restored at `restores`."""

    state: int
    level: Level
    begin: int
    end: int
    restores: tuple[int, ...]


@dataclass(slots=True)
class Sweep:
    """What happens from one restore to the next."""

    advanced: list[Stretch] = field(default_factory=list)
    recorded: list[Stretch] = field(default_factory=list)
    reversed: list[Stretch] = field(default_factory=list)
    kept: list[tuple[int, Level]] = field(default_factory=list)
    """The checkpoints held before the first step is reversed in it."""


@dataclass(slots=True)
class Trace:
    """One pass, in order of time.

    Attributes
    ----------
    counts : Counts
        What the pass costs.
    sweeps : list of Sweep
        What is run, restore by restore.
    spans : list of Span
        How long each checkpoint is held.
    holdings : list of (time, tuple of checkpoints on each level, tapes)
        What is held from that time on; several entries at one time are possible.
    runs : list of int, shape (n_steps,)
        How often each step is run plainly.
    duration : int
        When the pass ends.
    """

    counts: Counts
    sweeps: list[Sweep] = field(default_factory=lambda: [Sweep()])
    spans: list[Span] = field(default_factory=list)
    holdings: list[tuple[int, tuple[int, ...], int]] = field(
        default_factory=lambda: [(0, (0,) * len(Level), 0)]
    )
    runs: list[int] = field(default_factory=list)
    duration: int = 0

    @property
    def n_steps(self) -> int:
        """Number of steps; each is recorded once."""
        return self.counts.recorded


def trace(schedule: Iterable[Action], n_steps: int | None = None) -> Trace:
    """Return what a schedule, which is played twice, does when; it is checked first.

    Raises
    ------
    ScheduleError
        If it breaks a rule.
    ParameterError
        If it has more than 100,000 steps: nobody could see them.
    """
    if n_steps is None:
        n_steps = getattr(schedule, "n_steps", None)
    if n_steps is not None and n_steps > _MOST_STEPS:
        raise ParameterError(
            f"the schedule has {n_steps} steps; draw one of at most {_MOST_STEPS}, such as the "
            "same kind with fewer steps"
        )
    counts = check(schedule, n_steps)
    actions = iter(schedule)
    if isinstance(actions, OnlineDriver):
        actions = play_until(counts.recorded, actions)
    return _follow(counts, actions)


def _follow(counts: Counts, actions: Iterator[Action]) -> Trace:
    result = Trace(counts)
    n = counts.recorded
    changes = [0] * (n + 1)  # of the number of plain runs, from one step to the next
    since: dict[tuple[int, Level], list[int]] = {}  # when saved, and when restored
    held = [0 for _ in Level]
    now = tapes = 0
    for action in actions:
        sweep = result.sweeps[-1]
        match action:
            case Advance(start, stop):
                sweep.advanced.append(Stretch(start, stop, now))
                changes[start] += 1
                changes[stop] -= 1
                now += stop - start
            case Record(start, stop):
                sweep.recorded.append(Stretch(start, stop, now))
                now += stop - start
                tapes += stop - start
            case Reverse(start, stop):
                if not sweep.reversed:
                    sweep.kept = list(since)
                sweep.reversed.append(Stretch(start, stop, now))
                now += stop - start
                tapes -= stop - start
            case Save(state, level):
                since[state, level] = [now]
                held[level] += 1
            case Restore(state, level):
                if not sweep.reversed:
                    sweep.kept = list(since)
                since[state, level].append(now)
                result.sweeps.append(Sweep())
            case Discard(state, level):
                begin, *restores = since.pop((state, level))
                result.spans.append(Span(state, level, begin, now, tuple(restores)))
                held[level] -= 1
            case _:
                assert_never(action)
        result.holdings.append((now, tuple(held), tapes))
    result.runs = list(accumulate(changes[:-1]))
    result.duration = now
    return result

"""What every schedule has in common: it can be played, compared, pickled and counted before a run.

A schedule is a frozen value.  `iter` of it starts a fresh pass over its actions, so that one
schedule serves many gradients; a pass that is under way pickles and goes on with the same actions.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, Self, cast, runtime_checkable

from revolve_ad.errors import ParameterError
from revolve_ad.schedule.actions import Action, Level

__all__ = [
    "ActionIterator",
    "Counts",
    "LevelCounts",
    "Limits",
    "Machine",
    "OnlineDriver",
    "OnlineSchedule",
    "Schedule",
]


@dataclass(frozen=True, slots=True)
class LevelCounts:
    """What one pass does on one level.

    Attributes
    ----------
    saved, restored : int
        Checkpoints saved and restored there.
    peak : int
        The most checkpoints held there at any time.
    """

    saved: int = 0
    restored: int = 0
    peak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one pass over a schedule costs, predicted or counted: the two are equal.

    Attributes
    ----------
    advanced : int
        Plain steps, those of the first sweep included.
    recorded : int
        Taped steps.  Total evaluations of the step are ``advanced + recorded``.
    saved, restored : int
        Checkpoints saved and restored, on all levels; the save of state 0 counts.
    peak_checkpoints : int
        The most checkpoints held at any time, on all levels.
    peak_tapes : int
        The most tapes (of one step each) held at any time.
    disk_saved, disk_restored, peak_disk : int
        The share of `saved`, `restored`, `peak_checkpoints` on levels other than RAM.
    peak_bytes : int
        The most bytes of checkpoints in RAM and tapes together, every tape counted, the live state
        not; 0 where the schedule carries no sizes.
    io_cost : float
        Cost of saves and restores, in the unit of the costs that the schedule carries.
    by_level : tuple of LevelCounts
        The same for each level other than RAM, `Level.DISK` first; empty where no level beyond
        `Level.DISK` is used.
    """

    advanced: int
    recorded: int
    saved: int
    restored: int
    peak_checkpoints: int
    peak_tapes: int = 0
    disk_saved: int = 0
    disk_restored: int = 0
    peak_disk: int = 0
    peak_bytes: int = 0
    io_cost: float = 0.0
    by_level: tuple[LevelCounts, ...] = ()

    def on(self, level: Level) -> LevelCounts:
        """Return what is done on one level.

        Parameters
        ----------
        level : Level
            Any but `Level.RAM`, whose own peak isn't counted.
        """
        if level < Level.DISK:
            raise ParameterError(
                f"level is {level!r}; the peak there isn't counted apart: give Level.DISK or a "
                "slower one"
            )
        if self.by_level:
            return self.by_level[level - Level.DISK]
        if level > Level.DISK:
            return LevelCounts()
        return LevelCounts(self.disk_saved, self.disk_restored, self.peak_disk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a schedule promises to stay within, and the sizes and costs to count by.

    Attributes
    ----------
    slots : tuple of (int or None), one entry a level
        The most checkpoints held at a time on that level; None, or no entry: no bound.
    state_bytes : int or tuple of int, shape (n_steps + 1,)
        Bytes of a checkpoint, or of the checkpoint of each state.
    tape_bytes : int or tuple of int, shape (n_steps,)
        Bytes of the tape of a step, or of each step.
    budget : int or None
        The most bytes of checkpoints in RAM and tapes together; None: no bound.
    write, read : tuple of float, one entry a level
        Cost of one save and of one restore on that level; no entry: free.
    """

    slots: tuple[int | None, ...] = ()
    state_bytes: int | tuple[int, ...] = 0
    tape_bytes: int | tuple[int, ...] = 0
    budget: int | None = None
    write: tuple[float, ...] = ()
    read: tuple[float, ...] = ()

    def io_cost(self, saved: Sequence[int], restored: Sequence[int]) -> float:
        """Return the cost of so many saves and restores on each level, in the order of levels.

        Forecast and referee both call this, so that their floats agree to the last bit.
        """
        return math.fsum(
            number * price
            for numbers, prices in ((saved, self.write), (restored, self.read))
            for number, price in zip(numbers, prices, strict=False)
        )


@runtime_checkable
class Schedule(Protocol):
    """A schedule of a known number of steps."""

    @property
    def n_steps(self) -> int:
        """Number of steps N."""

    @property
    def limits(self) -> Limits:
        """The slots and bytes that it stays within, the sizes and costs that it counts by."""

    def __iter__(self) -> Iterator[Action]:
        """Start a fresh pass; the iterator pickles at any point."""

    def counts(self) -> Counts:
        """What a pass costs, exactly, without playing it."""


@runtime_checkable
class OnlineDriver(Protocol):
    """One pass over a schedule whose number of steps is learnt on the way.

    It yields actions like any other.  Until `finish` is called, an `Advance` or `Record` is an
    offer: the executor runs its steps one by one and stops where its loop ends.  It then calls
    `finish` and goes on drawing actions, which now reverse the run.
    """

    def __iter__(self) -> Iterator[Action]:
        """Return itself."""

    def __next__(self) -> Action:
        """Return the next action."""

    def finish(self, n_steps: int) -> None:
        """Tell that the loop has ended: state `n_steps` is live."""


@runtime_checkable
class OnlineSchedule(Protocol):
    """A schedule of a number of steps that isn't known when the run starts."""

    @property
    def limits(self) -> Limits:
        """The slots and bytes that it stays within, the sizes and costs that it counts by."""

    def __iter__(self) -> OnlineDriver:
        """Start a fresh pass; the driver pickles at any point."""

    def counts(self, n_steps: int) -> Counts:
        """What a pass costs if the loop ends after `n_steps` steps, exactly."""


class Machine(Protocol):
    """What makes the actions of one pass, a few at a time, from plain picklable state.

    Making some hundreds of actions a call costs about a third of making them one by one, since
    the state is then unpacked into local variables once for all of them.
    """

    def more(self) -> list[Action]:
        """Return the next actions, in order; an empty list at the end of the pass."""


class _Pages:
    """The lists that a machine makes, as the iterators that `chain` runs through."""

    __slots__ = ("machine", "page")

    def __init__(self, machine: Machine, first: Sequence[Action]) -> None:
        self.machine = machine
        self.page: Iterator[Action] | None = iter(first) if first else None

    def __iter__(self) -> Iterator[Iterator[Action]]:
        if self.page is not None:
            yield self.page
        while actions := self.machine.more():
            self.page = iter(actions)
            yield self.page


class ActionIterator(chain[Action]):
    """One pass over the actions that a machine makes; it pickles and continues where it was.

    A subclass of `itertools.chain`, so that drawing an action costs no Python call.

    Parameters
    ----------
    machine : Machine
        Makes the actions; it belongs to this iterator from now on.
    first : list of Action, optional
        What to yield before the machine's own actions.
    """

    _pages: _Pages

    def __new__(cls, machine: Machine, first: Sequence[Action] = ()) -> Self:
        """Start a pass, or continue one with the actions that were made and not drawn yet."""
        pages = _Pages(machine, first)
        self = cast(Self, cls.from_iterable(pages))  # an instance of cls, whatever typeshed says
        self._pages = pages
        return self

    @property
    def machine(self) -> Machine:
        """What makes the actions."""
        return self._pages.machine

    def made(self) -> list[Action]:
        """Return the actions that the machine has made already and nobody has drawn yet."""
        page = self._pages.page
        # A copy of a list iterator shares the list and has its own position.
        return [] if page is None else list(copy.copy(page))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._pages.machine, self.made())

    def __copy__(self) -> Self:
        # Two iterators must not draw from one machine.
        return copy.deepcopy(self)

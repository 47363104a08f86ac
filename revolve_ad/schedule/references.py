"""Three plain schedules to measure the others by: keep every tape, every m-th state, or nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

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
from revolve_ad.schedule.binomial import Binomial, binomial
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits

__all__ = ["Periodic", "StoreAll", "none", "periodic", "store_all"]


def store_all(n_steps: int) -> "StoreAll":
    """Return the schedule that keeps the tape of every step: no plain step, the most memory.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.

    Raises
    ------
    ParameterError
        If `n_steps` is no integer or is below 1.

    Examples
    --------
    >>> list(store_all(5))
    [Record(start=0, stop=5), Reverse(start=0, stop=5)]
    """
    return StoreAll(count("n_steps", n_steps, 1, "a loop without steps needs no schedule"))


def periodic(n_steps: int, period: int) -> "Periodic":
    """Return the schedule that keeps every `period`-th state and tapes one period at a time.

    It advances over all periods but the last, which is taped at once, and then goes back period by
    period; so every step but those of the last period is run twice.  With a period of √N it holds
    √N checkpoints and √N tapes.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    period : int
        Steps between two checkpoints, and tapes held at a time; at least 1.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.

    Examples
    --------
    >>> periodic(10, 4).counts().advanced
    8
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    return Periodic(n, count("period", period, 1, "keeping each state is a period of 1"))


def none(n_steps: int) -> Binomial:
    """Return the schedule that keeps state 0 only: the least memory, about N²/2 plain steps.

    It is ``binomial(n_steps, 1)``.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.

    Raises
    ------
    ParameterError
        If `n_steps` is no integer or is below 1.

    Examples
    --------
    >>> none(100).counts().advanced
    4950
    """
    return binomial(n_steps, 1)


@dataclass(frozen=True, slots=True)
class StoreAll:
    """The schedule that keeps every tape; made by `store_all`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    """

    n_steps: int

    @property
    def limits(self) -> Limits:
        """No checkpoints; tapes without bound."""
        return Limits(slots=(0, 0))

    def counts(self) -> Counts:
        """What a pass costs."""
        return Counts(
            advanced=0,
            recorded=self.n_steps,
            saved=0,
            restored=0,
            peak_checkpoints=0,
            peak_tapes=self.n_steps,
        )

    def __iter__(self) -> Iterator[Action]:
        # Iterators over tuples pickle and continue by themselves.
        return iter((Record(0, self.n_steps), Reverse(0, self.n_steps)))


@dataclass(frozen=True, slots=True)
class Periodic:
    """The schedule that keeps every `period`-th state; made by `periodic`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    period : int
        Steps between two checkpoints.
    """

    n_steps: int
    period: int

    @property
    def limits(self) -> Limits:
        """The slots: one for each period but the last."""
        return Limits(slots=(self._last // self.period, 0))

    def counts(self) -> Counts:
        """What a pass costs, in closed form."""
        kept = self._last // self.period
        return Counts(
            advanced=self._last,
            recorded=self.n_steps,
            saved=kept,
            restored=kept,
            peak_checkpoints=kept,
            peak_tapes=min(self.period, self.n_steps),
        )

    @property
    def _last(self) -> int:
        """The first state of the last period, which is taped at once and needs no checkpoint."""
        return (self.n_steps - 1) // self.period * self.period

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(PeriodicMachine(self.n_steps, self.period))


class PeriodicMachine:
    """Makes the actions of one period at a time, forwards and then back."""

    __slots__ = ("_forward", "_period", "_start", "_stop")

    def __init__(self, stop: int, period: int, start: int = 0, forward: bool = True) -> None:
        self._stop = stop  # steps from here on are reversed
        self._period = period
        self._start = start  # the live state, while the run goes forward
        self._forward = forward

    def __reduce__(self) -> tuple[object, ...]:
        return PeriodicMachine, (self._stop, self._period, self._start, self._forward)

    def more(self) -> list[Action]:
        """Return the actions of the next period; none at the end."""
        start, stop, period = self._start, self._stop, self._period
        if stop == 0:
            return []
        if self._forward and start + period < stop:
            self._start = start + period
            return [Save(start, Level.RAM), Advance(start, start + period)]
        if self._forward:
            self._forward = False
            self._stop = start
            return [Record(start, stop), Reverse(start, stop)]
        self._stop = start = stop - period
        return [
            Restore(start, Level.RAM),
            Discard(start, Level.RAM),
            Record(start, stop),
            Reverse(start, stop),
        ]

"""The schedule of a run whose number of steps is learnt only when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from revolve_ad.errors import BudgetError, ParameterError, ScheduleError
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
from revolve_ad.schedule.binomial import BinomialMachine
from revolve_ad.schedule.closed_form import min_saves, t
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits, Machine
from revolve_ad.schedule.search.block_machine import BlockMachine, Reversal, reversal
from revolve_ad.schedule.search.capacity import Capacity
from revolve_ad.schedule.search.placement import Placement

__all__ = ["Online", "OnlinePass", "online"]

# Every decision looks at all checkpoints; more than this many would cost more than they save.
_MOST_CHECKPOINTS = 256


def online(
    n_checkpoints: int | None = None,
    *,
    state_bytes: int | None = None,
    tape_bytes: int | None = None,
    budget: int | None = None,
    max_steps: int | None = None,
) -> "Online":
    """Return a schedule for a run of unknown length, such as one with an adaptive step.

    Played, it keeps states so that the run could be reversed cheaply wherever it ended; once told
    that it has ended, it reverses the stretches between them in the best way.

    Parameters
    ----------
    n_checkpoints : int, optional
        Checkpoints held at a time, the one of state 0 included; at least 1.  It may be left out
        where a budget is given, which is then what bounds them, and 256.
    state_bytes, tape_bytes, budget : int, optional
        Bytes of a checkpoint, of the tape of a step, and of all together at any time; given all
        three or not at all.  The reversal then records as many steps at a time as fit.
    max_steps : int, optional
        The most steps that the run may take, at least 1; only together with a budget.  If so many
        tapes fit, the run is recorded at once and no step is run twice.

    Returns
    -------
    Online
        A value; ``iter`` of it is a driver.  While the run goes on, each `Advance` or `Record` that
        it yields is an offer: run its steps one by one, and where your loop ends, at state n, say
        ``driver.finish(n)``.  Go on drawing actions: they are the reversal.

    Raises
    ------
    ParameterError
        If an argument isn't a count, is below 1, or one of the sizes is missing.
    BudgetError
        If the budget doesn't hold one checkpoint and one tape.

    Notes
    -----
    The run itself is plain, since nobody knows which step will be the last; so the fewest plain
    steps possible are t(n + 1, s).  For every run of up to 10,000 steps all evaluations, plain and
    taped, are at most 1.112 (s = 2), 1.065 (3), 1.055 (4), 1.041 (5 and more) times the fewest.
    No policy is optimal for all lengths beyond C(s + 2, 2): Stumm and Walther (2010),
    doi:10.1137/080742439.

    Under a budget of bytes, all evaluations were at most 1.09 times those of the best placement
    (found by search, runs of up to 300 steps), or 1.24 times where only two or three checkpoints
    fit.  The plain steps never exceeded those of a known length by more than one sweep; that sweep
    is what a short run loses, since a run whose length is known tapes its last steps at once.
    Where `max_steps` tapes fit, nothing is lost.

    Examples
    --------
    >>> driver = iter(online(2))
    >>> next(driver), next(driver)
    (Save(state=0, level=Level.RAM), Advance(start=0, stop=1))
    >>> driver.finish(1)
    >>> [type(action).__name__ for action in driver]
    ['Restore', 'Discard', 'Record', 'Reverse']
    """
    if n_checkpoints is not None:
        n_checkpoints = count("n_checkpoints", n_checkpoints, 1, "state 0 takes one checkpoint")
    if max_steps is not None:
        max_steps = count("max_steps", max_steps, 1)
    sizes = {"state_bytes": state_bytes, "tape_bytes": tape_bytes, "budget": budget}
    missing = [name for name, size in sizes.items() if size is None]
    if len(missing) == 3:
        if max_steps is not None:
            raise ParameterError("max_steps needs a budget with sizes; leave it out without one")
        if n_checkpoints is None:
            raise ParameterError("n_checkpoints is missing; give it, or a budget with sizes")
        return Online(n_checkpoints)
    if missing:
        raise ParameterError(
            f"{' and '.join(missing)} missing; a budget needs the sizes of a state and of a tape"
        )
    sigma, tau, memory = (count(name, cast(int, size), 1) for name, size in sizes.items())
    if max_steps is not None and max_steps * tau <= memory:
        return Online(0, (sigma, tau, memory), max_steps)
    if memory < sigma + tau:
        raise BudgetError(
            f"the budget is {memory} bytes, but a checkpoint of {sigma} and a tape of {tau} bytes "
            f"need {sigma + tau}; that is the smallest one that works"
        )
    fitting = (memory - tau) // sigma
    return Online(min(fitting, n_checkpoints or _MOST_CHECKPOINTS), (sigma, tau, memory))


@dataclass(frozen=True, slots=True)
class Online:
    """A schedule of an unknown number of steps; made by `online`.

    Attributes
    ----------
    n_checkpoints : int
        Checkpoints held at a time at most, the one of state 0 included.
    sizes : tuple of int or None
        Bytes of a checkpoint, of a tape, and the budget; None where only slots are bounded.
    recorded_at_once : int or None
        The most steps of a run that is recorded as it goes, without any checkpoint.
    """

    n_checkpoints: int
    sizes: tuple[int, int, int] | None = None
    recorded_at_once: int | None = None

    @property
    def limits(self) -> Limits:
        """The slots, and the bytes where they were given."""
        slots = (self.n_checkpoints, 0)
        if self.sizes is None:
            return Limits(slots=slots)
        sigma, tau, budget = self.sizes
        return Limits(slots=slots, state_bytes=sigma, tape_bytes=tau, budget=budget)

    @property
    def capacity(self) -> Capacity:
        """How many tapes fit beside 0 … `n_checkpoints` checkpoints."""
        held = range(self.n_checkpoints + 1)
        if self.sizes is None:
            return Capacity([1 for _ in held])
        sigma, tau, budget = self.sizes
        return Capacity([(budget - i * sigma) // tau for i in held])

    def counts(self, n_steps: int) -> Counts:
        """What a pass costs if the run ends after `n_steps` steps, without playing it.

        It takes the decisions of the forward sweep, about √n of them, and sums up the reversal.
        """
        n = count("n_steps", n_steps, 0)
        if self.recorded_at_once is not None:
            _, tau, _ = self.sizes or (0, 0, 0)
            return Counts(
                advanced=0,
                recorded=n,
                saved=0,
                restored=0,
                peak_checkpoints=0,
                peak_tapes=n,
                peak_bytes=n * tau,
            )
        capacity = self.capacity
        placement = Placement(capacity)
        saved = held = 1
        while placement.next < n:
            changes = placement.arrive(placement.next)
            saved += sum(isinstance(change, Save) for change in changes)
            held = max(held, len(placement.states))
        sigma = self.sizes[0] if self.sizes else 0
        parts = [
            self._reversal(stop - start, level, capacity)
            for level, (start, stop) in enumerate(_stretches(placement.states, n))
            if n > 0
        ]
        return Counts(
            advanced=n + sum(part.advanced for part in parts),
            recorded=n,
            saved=saved + sum(part.saved for part in parts),
            restored=sum(part.restored + 1 for part in parts),
            peak_checkpoints=max(held, *(part.peak_checkpoints for part in parts), 0),
            peak_tapes=max((part.peak_tapes for part in parts), default=0),
            peak_bytes=max(held * sigma, *(part.peak_bytes for part in parts), 0),
        )

    def _reversal(self, n: int, level: int, capacity: Capacity) -> Reversal:
        """What the reversal of a stretch costs, the restore of its first state aside."""
        if self.sizes is not None:
            sigma, tau, _ = self.sizes
            return reversal(n, level, capacity, sigma, tau)
        slots = self.n_checkpoints - level
        held = level if n == 1 else level + min(slots, n - 1)
        return Reversal(t(n, slots), min_saves(n, slots) - 1, n - 1, held, 1, 0)

    def __iter__(self) -> "OnlinePass":
        if self.recorded_at_once is not None:
            return OnlinePass(RecordingMachine(self.recorded_at_once))
        return OnlinePass(OnlineMachine(self))


class OnlinePass(ActionIterator):
    """One pass over an online schedule, which is told when the run has ended.

    Until then each `Advance` or `Record` is an offer, of which the executor may run fewer steps or
    none.
    """

    def finish(self, n_steps: int) -> None:
        """Tell that the run has ended: state `n_steps` is live, and no step follows.

        Parameters
        ----------
        n_steps : int
            Steps run in all; at least as many as the last offer started at, and at most as many
            as it stopped at.

        Raises
        ------
        ParameterError
            If `n_steps` isn't among the states that the last offer runs through.
        ScheduleError
            If the pass was finished before, or the last `Save` has been drawn but no offer after
            it.
        """
        machine = cast(OnlineMachine | RecordingMachine, self.machine)
        rest = [] if machine.finished else self.made()
        if len(rest) > 1:
            raise ScheduleError(
                f"{rest[0]!r} isn't drawn yet; draw actions up to the next offer before you "
                "tell of the end"
            )
        machine.finish(n_steps)
        if rest:  # an offer that nobody needs any more
            next(self)


class OnlineMachine:
    """Makes the actions of a pass: forwards between two decisions at a time, then back."""

    __slots__ = ("_back", "_offered", "_placement", "_schedule", "_start", "_unused")

    def __init__(self, schedule: Online) -> None:
        self._schedule = schedule
        self._placement = Placement(schedule.capacity)
        self._start = 0  # of the last Advance
        self._offered = 0  # where it stops
        self._back: Machine | None = None
        self._unused: list[Action] = []

    @property
    def finished(self) -> bool:
        """Whether the end of the run is known."""
        return self._back is not None

    def more(self) -> list[Action]:
        """Return the actions up to the next Advance or, in reverse, some hundreds."""
        if self._back is not None:
            if unused := self._unused:
                self._unused = []
                return unused
            return self._back.more()
        start, placement = self._offered, self._placement
        changes = placement.arrive(start) if start else (Save(0, Level.RAM),)
        self._start, self._offered = start, placement.next
        return [*changes, Advance(start, placement.next)]

    def finish(self, n_steps: int) -> None:
        """Turn round at state `n_steps`."""
        n = count("n_steps", n_steps, 0)
        _check_end(n, self.finished, self._start, self._offered)
        schedule, stretches = self._schedule, _stretches(self._placement.states, n)
        if self._offered == 0:  # nothing is saved yet
            stretches = []
        elif stretches[-1] == (n, n):  # the last state was saved, and turns out to be the end
            stretches.pop()
            self._unused.append(Discard(n, Level.RAM))
        restores = [Restore(start, Level.RAM) for start, _ in stretches]
        if schedule.sizes is None:
            self._back = BinomialMachine(
                [
                    (start, stop - start, schedule.n_checkpoints - level, restores[level])
                    for level, (start, stop) in enumerate(stretches)
                ]
            )
        else:
            self._back = BlockMachine(
                [
                    (start, stop - start, level, restores[level])
                    for level, (start, stop) in enumerate(stretches)
                ],
                self._placement.capacity,
            )


class RecordingMachine:
    """Makes the actions of a pass that records a run as it goes and reverses it at once."""

    __slots__ = ("_limit", "_offered", "_steps")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._offered = 0
        self._steps: int | None = None  # once known

    @property
    def finished(self) -> bool:
        """Whether the end of the run is known."""
        return self._steps is not None

    def more(self) -> list[Action]:
        """Return the offer or, once the end is known, the reversal."""
        if self._steps is not None:
            n, self._steps = self._steps, 0
            return [Reverse(0, n)] if n else []
        if self._offered:
            raise ScheduleError(
                f"the run goes on after max_steps={self._limit} steps; make the schedule with more"
            )
        self._offered = self._limit
        return [Record(0, self._limit)]

    def finish(self, n_steps: int) -> None:
        """Turn round at state `n_steps`."""
        n = count("n_steps", n_steps, 0)
        _check_end(n, self.finished, 0, self._offered)
        self._steps = n


def _check_end(n: int, finished: bool, start: int, stop: int) -> None:
    if finished:
        raise ScheduleError(f"finish({n}): this pass was told of its end before")
    if not start <= n <= stop:
        raise ParameterError(
            f"n_steps is {n}, but the last offer runs through states {start} … {stop}; "
            "say how many steps were run in all"
        )


def _stretches(states: Sequence[int], n: int) -> list[tuple[int, int]]:
    """Return what is to be reversed from each state kept, up to state n."""
    stops = [*states[1:], n]
    return list(zip(states, stops, strict=True))

"""The streaming schedule: checkpoints go to disk, and come back, while steps run.

Where a disk can be written and read beside the computation, and fast enough, any chain costs one
extra sweep, whatever its length: the steps between two checkpoints are taped all at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from revolve_ad.errors import ParameterError
from revolve_ad.schedule.actions import Action, Advance, Discard, Level, Restore, Save
from revolve_ad.schedule.arguments import cost, count
from revolve_ad.schedule.mixed import Mixed, MixedMachine, mixed
from revolve_ad.schedule.protocol import ActionIterator, Counts, LevelCounts, Limits

__all__ = ["Streaming", "required_bandwidth", "streaming", "streaming_period"]


def streaming_period(
    step: float = 1.0, adjoint: float = 1.0, write: float = 1.0, read: float = 1.0
) -> int:
    """Return the fewest steps between checkpoints at which a disk keeps up with the computation.

    Parameters
    ----------
    step, adjoint : float
        Seconds of a step, plain or recorded (above 0), and of the reversal of a recorded one.
    write, read : float
        Seconds of a save on disk and of a restore from it.

    Returns
    -------
    int
        The least P with ``P * step >= write`` and ``P * (step + adjoint) >= read``.

    Raises
    ------
    ParameterError
        If an argument is not a number of the kind above.

    Notes
    -----
    With one writer and one reader and two buffers each, nothing waits then: a save is done before
    the next one begins, and the checkpoint before is fetched while a stretch is reversed.  The
    idea is that of Kukreja et al. (2018), arXiv:1806.01117.
    """
    u = cost("step", step, positive=True)
    u_reverse = u + cost("adjoint", adjoint)
    return max(1, ceil(cost("write", write) / u), ceil(cost("read", read) / u_reverse))


def required_bandwidth(
    period: int, state_bytes: int, step: float = 1.0, adjoint: float = 1.0
) -> tuple[float, float]:
    """Return the bytes a second that a disk must write and read for a period of streaming.

    Parameters
    ----------
    period : int
        Steps between two checkpoints, at least 1.
    state_bytes : int
        Bytes of a checkpoint.
    step, adjoint : float
        Seconds of a step (above 0) and of the reversal of a recorded one.

    Returns
    -------
    write, read : float
        Bytes a second.

    Raises
    ------
    ParameterError
        If an argument is not a number of the kind above.

    Examples
    --------
    A state of 1 GiB every eight steps of 0.1 s:

    >>> write, read = required_bandwidth(8, 2**30, step=0.1, adjoint=0.2)
    >>> round(write / 1e9, 2), round(read / 1e9, 2)
    (1.34, 0.45)
    """
    steps, size = count("period", period, 1), count("state_bytes", state_bytes, 0)
    u = cost("step", step, positive=True)
    return size / (steps * u), size / (steps * (u + cost("adjoint", adjoint)))


def streaming(
    n_steps: int,
    budget: int,
    state_bytes: int,
    tape_bytes: int,
    step: float = 1.0,
    adjoint: float = 1.0,
    write: float = 1.0,
    read: float = 1.0,
    *,
    period: int | None = None,
) -> "Streaming":
    """Return the schedule that saves a checkpoint on disk every few steps, beside the computation.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    budget : int
        Bytes in RAM for tapes and for checkpoints within a stretch, as in `mixed`.  The buffers
        between RAM and disk, two states each way, are the storage's and don't count here.
    state_bytes, tape_bytes : int
        Bytes of a checkpoint and of the tape of one step, at least 1 each.
    step, adjoint, write, read : float, optional
        Seconds of a step (above 0), of the reversal of a recorded one, of a save on disk and of a
        restore from it.
    period : int, optional
        Steps between two checkpoints on disk; by default `streaming_period`, the fewest at which
        the disk keeps up.  More need a less quick disk and more tapes.

    Returns
    -------
    Streaming
        A re-iterable value; ``counts()`` tells what a pass costs.

    Raises
    ------
    BudgetError
        If a stretch can't be reversed in the budget; the message names the smallest that works.
    ParameterError
        If the disk is too slow for `period`, or an argument is not a number of the kind above.

    See Also
    --------
    multilevel : for a disk that is waited for.

    Notes
    -----
    If the tapes of a period fit in the budget, each step is run twice, once plain and once taped,
    but for the last stretch, which is taped at once.  Otherwise each stretch is reversed by a
    mixed schedule.  A chain no longer than a period needs no disk.

    Examples
    --------
    >>> schedule = streaming(10**6, budget=4000, state_bytes=100, tape_bytes=400, write=7.5)
    >>> schedule.period, schedule.counts().advanced, schedule.counts().peak_disk
    (8, 999992, 124999)
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    least = streaming_period(step, adjoint, write, read)
    steps = least if period is None else count("period", period, 1)
    if steps < min(least, n):
        raise ParameterError(
            f"period is {steps} steps, which take {steps * step:g} s forward and "
            f"{steps * (step + adjoint):g} s in reverse; a disk that takes {write:g} s to write "
            f"and {read:g} s to read a checkpoint is too slow for it: give at least {least}"
        )
    periods = (n - 1) // steps
    last = mixed(n - periods * steps, budget, state_bytes, tape_bytes)
    stretch = mixed(steps, budget, state_bytes, tape_bytes) if periods else last
    return Streaming(n, steps, stretch, last)


@dataclass(frozen=True, slots=True)
class Streaming:
    """The streaming schedule of `n_steps` steps; made by `streaming`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    period : int
        Steps between two checkpoints on disk.
    stretch : Mixed
        How the steps of a period are reversed.
    last : Mixed
        How the steps after the last checkpoint on disk are reversed.
    places : tuple of (Level, int)
        Where the checkpoints of the stretches lie, from the first on: so many on this level, then
        so many on that; empty: all on `Level.DISK`.
    """

    n_steps: int
    period: int
    stretch: Mixed = field(repr=False)
    last: Mixed = field(repr=False)
    places: tuple[tuple[Level, int], ...] = ()

    @property
    def on_disk(self) -> int:
        """Checkpoints on disk at the end of the first sweep."""
        return (self.n_steps - 1) // self.period

    @property
    def limits(self) -> Limits:
        """The budget in RAM and the slots that are used on disk."""
        on = self._on_levels
        return Limits(
            slots=(None, *(on.get(level, 0) for level in _BEYOND_RAM if level <= max(on))),
            state_bytes=self.last.state_bytes,
            tape_bytes=self.last.tape_bytes,
            budget=self.last.budget,
        )

    def counts(self) -> Counts:
        """What a pass costs.  What the disk takes is hidden behind the steps: `io_cost` is 0."""
        k = self.on_disk
        last = self.last.counts()
        inner = self.stretch.counts() if k else last
        return Counts(
            advanced=k * (self.period + inner.advanced) + last.advanced,
            recorded=self.n_steps,
            saved=k * (1 + inner.saved) + last.saved,
            restored=k * (1 + inner.restored) + last.restored,
            # The checkpoint of a stretch is freed before the stretch is reversed.
            peak_checkpoints=max(k + last.peak_checkpoints, k - 1 + inner.peak_checkpoints),
            peak_tapes=max(inner.peak_tapes, last.peak_tapes),
            disk_saved=k,
            disk_restored=k,
            peak_disk=k,
            peak_bytes=max(inner.peak_bytes, last.peak_bytes),
            by_level=self._by_level(),
        )

    @property
    def _on_levels(self) -> dict[Level, int]:
        """How many checkpoints lie on each level."""
        on = {Level.DISK: 0}
        for level, number in self.places or ((Level.DISK, self.on_disk),):
            on[level] = on.get(level, 0) + number
        return on

    def _by_level(self) -> tuple[LevelCounts, ...]:
        on = self._on_levels
        if not any(number for level, number in on.items() if level > Level.DISK):
            return ()
        numbers = [on.get(level, 0) for level in _BEYOND_RAM]
        return tuple([LevelCounts(number, number, number) for number in numbers])

    def level_of(self, stretch: int) -> Level:
        """Return where the checkpoint of a stretch lies."""
        for level, number in self.places:
            if stretch < number:
                return level
            stretch -= number
        return Level.DISK

    def seconds(
        self, step: float = 1.0, adjoint: float = 1.0, write: float = 1.0, read: float = 1.0
    ) -> float:
        """Return how long a pass takes, waiting included where the disk doesn't keep up [s].

        Parameters
        ----------
        step, adjoint, write, read : float
            As in `streaming`.
        """
        u, a = cost("step", step, positive=True), cost("adjoint", adjoint)
        k = self.on_disk
        last = u * self.last.counts().advanced + (u + a) * self.last.n_steps
        if not k:
            return last
        inner = u * self.stretch.counts().advanced + (u + a) * self.period
        forward = max(u * self.period, cost("write", write))
        return k * (forward + max(inner, cost("read", read))) + last

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(_StreamingMachine(self))


_BEYOND_RAM = tuple(Level)[Level.DISK :]
_PAGE = 256


class _StreamingMachine:
    """Makes the actions: the first sweep, then one stretch after the other, the last one first."""

    __slots__ = ("_next", "_schedule", "_stretch", "_sweeping")

    def __init__(self, schedule: Streaming) -> None:
        self._schedule = schedule
        self._sweeping = True
        self._next = 0  # the stretch to sweep over, or to reverse
        self._stretch: MixedMachine | None = None

    def __getstate__(self) -> tuple[Streaming, bool, int, MixedMachine | None]:
        return self._schedule, self._sweeping, self._next, self._stretch

    def __setstate__(self, state: tuple[Streaming, bool, int, MixedMachine | None]) -> None:
        self._schedule, self._sweeping, self._next, self._stretch = state

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        schedule, period = self._schedule, self._schedule.period
        actions: list[Action] = []
        while len(actions) < _PAGE:
            if self._stretch is not None:
                made = self._stretch.more()
                actions += made
                if not made:
                    self._stretch = None
            elif self._sweeping:
                start = self._next * period
                if self._next < schedule.on_disk:
                    level = schedule.level_of(self._next)
                    actions += (Save(start, level), Advance(start, start + period))
                    self._next += 1
                else:
                    self._stretch = MixedMachine(schedule.last.tree, start)
                    self._sweeping = False
            elif self._next > 0:
                self._next -= 1
                start = self._next * period
                level = schedule.level_of(self._next)
                actions += (Restore(start, level), Discard(start, level))
                self._stretch = MixedMachine(schedule.stretch.tree, start)
            else:
                break
        return actions

"""What the parts of a gradient cost in seconds, and what they add up to."""

from dataclasses import dataclass
from typing import Final

from revolve_ad.schedule import Counts

__all__ = ["Costs", "format_seconds"]

_SECONDS_A_STEP: Final = 1e-7
_SECONDS_A_BYTE: Final = 1e-10
_SECONDS_A_FILE: Final = 1e-4
_SECONDS_A_BYTE_ON_DISK: Final = 1e-9
_TIMES_SLOWER: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of what a gradient is made of.

    A stretch of m steps takes ``stretch + m * step`` to advance, and ``leaf + m * reverse`` to
    record and reverse: a call of compiled code takes some microseconds by itself, and the last step
    of a recorded stretch need not be run before it is reversed.

    Attributes
    ----------
    step : float
        A plain step.
    reverse : float
        A step recorded and reversed.
    stretch, leaf : float
        What a stretch takes besides, advanced, or recorded and reversed; may be negative.
    save, restore : float
        A checkpoint in memory, there and back.
    write, read : float
        A checkpoint on disk, there and back.
    beyond : tuple of (float, float)
        The same for each further storage.
    test : float
        The test for NaN and Inf that comes with each of these; a part of `save` and `write`.
    look : float
        An observation and its reversal.
    check : float
        The comparison of a step with its tape.
    fresh : float
        Each byte of memory that is touched for the first time.
    """

    step: float
    reverse: float
    stretch: float = 0.0
    leaf: float = 0.0
    save: float = 0.0
    restore: float = 0.0
    write: float = 0.0
    read: float = 0.0
    beyond: tuple[tuple[float, float], ...] = ()
    test: float = 0.0
    look: float = 0.0
    check: float = 0.0
    fresh: float = 0.0

    @classmethod
    def at_least(cls, state_bytes: int, n_storages: int = 1) -> "Costs":
        """Return costs for where nothing has been measured: those of the quickest steps.

        Of several storages each is taken to be so many times slower than the one before.
        """
        step = _SECONDS_A_STEP + _SECONDS_A_BYTE * state_bytes
        file = _SECONDS_A_FILE + _SECONDS_A_BYTE_ON_DISK * state_bytes
        slower = [file * _TIMES_SLOWER**i for i in range(1, n_storages)]
        beyond = tuple([(seconds, seconds) for seconds in slower])
        return cls(step=step, reverse=3 * step, write=file, read=file, beyond=beyond)

    @property
    def writes(self) -> tuple[float, ...]:
        """A checkpoint on its way to each storage."""
        return (self.write, *(write for write, _ in self.beyond))

    @property
    def reads(self) -> tuple[float, ...]:
        """A checkpoint on its way back from each storage."""
        return (self.read, *(read for _, read in self.beyond))

    @property
    def adjoint(self) -> float:
        """The part of `reverse` that a plain step doesn't take."""
        return max(0.0, self.reverse - self.step)

    def io_seconds(self, counts: Counts) -> float:
        """Return what a schedule spends on the disk, which is waited for."""
        if not counts.by_level:
            return counts.disk_saved * self.write + counts.disk_restored * self.read
        return sum(
            level.saved * write + level.restored * read
            for level, write, read in zip(counts.by_level, self.writes, self.reads, strict=False)
        )

    def seconds(
        self,
        counts: Counts,
        in_ram: int = 0,
        *,
        n_observed: int = 0,
        n_checked: int = 0,
        stepwise: bool = False,
    ) -> float:
        """Return how long a gradient takes.

        Parameters
        ----------
        counts : Counts
            What its schedule does.
        in_ram : int
            The most bytes of checkpoints and tapes that it holds in memory.
        n_observed : int
            Observed states, each of which ends a stretch, forward and in reverse.
        n_checked : int
            Steps that are compared with their tape.
        stepwise : bool
            Whether the first sweep runs one step at a time, since it may end at each.
        """
        # A schedule that splits stretches in two has one recorded stretch more than restores.
        leaves = min(counts.recorded, counts.restored + 1 + n_observed)
        stretches = min(counts.advanced, counts.restored + 1 + n_observed)
        if stepwise:
            stretches = min(counts.advanced, stretches + counts.recorded)
        steps = counts.advanced * self.step + stretches * self.stretch
        recorded = counts.recorded * self.reverse + leaves * self.leaf
        in_memory = counts.saved - counts.disk_saved, counts.restored - counts.disk_restored
        kept = in_memory[0] * self.save + in_memory[1] * self.restore
        looks = n_observed * self.look + n_checked * self.check + in_ram * self.fresh
        return max(0.0, steps + recorded + kept + self.io_seconds(counts) + looks)


def format_seconds(seconds: float) -> str:
    """Return a time in words, such as ``1.5 ms``."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= 0.9995 * factor:
            number = seconds / factor
            return f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"
    return "0 s" if seconds == 0 else f"{seconds / 1e-9:.3g} ns"

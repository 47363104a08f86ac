"""What a gradient did, as counted and measured while it ran."""

from dataclasses import dataclass

from revolve_ad.schedule import Level, LevelCounts
from revolve_ad.simulation.kernels.account import Account
from revolve_ad.simulation.memory import format_bytes

__all__ = ["Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one gradient, or one evaluation, did.

    Attributes
    ----------
    steps : int
        Number of steps N of the run.
    advanced : int
        Plain steps executed.
    recorded : int
        Steps executed with their tape, each once to be reversed: N in a gradient that was not
        planned anew on the way.
    checked : int
        Steps executed beside these, only to compare (see ``replay_check``).
    compared : int
        Replayed states whose digest was compared with the first sweep.
    saved, restored : int
        Checkpoints saved and restored.
    peak_checkpoints : int
        The most checkpoints held at a time, that of state 0 included.
    disk_saved, disk_restored, peak_disk : int
        The share of these in a storage that isn't memory.
    io_seconds : float
        Wall time of saving and restoring there.
    by_level : tuple of LevelCounts
        The same for each of several storages, the fastest first; empty where there is one.
    peak_bytes : int
        The most bytes of arrays that the library held for the gradient.
    peak_holders : dict of str to int
        The most that each holder held, not all at the same time.
    replanned : int
        How often the tape of a step, which depends on values, had grown so much that the rest was
        planned anew; `advanced` and `recorded` then count what was run again for that.
    budget : int or None
        The bytes that were allowed; None where nothing is kept.
    forward_seconds, reverse_seconds : float
        Wall time until the final state was known, and of the rest.
    schedule : object
        The schedule that was played; None for an evaluation.
    native : Account or None
        What was compiled, what wasn't, and why; None where the user gives the derivative.
    """

    steps: int
    advanced: int
    recorded: int = 0
    checked: int = 0
    compared: int = 0
    saved: int = 0
    restored: int = 0
    peak_checkpoints: int = 0
    disk_saved: int = 0
    disk_restored: int = 0
    peak_disk: int = 0
    io_seconds: float = 0.0
    by_level: tuple[LevelCounts, ...] = ()
    peak_bytes: int = 0
    peak_holders: dict[str, int] | None = None
    replanned: int = 0
    budget: int | None = None
    forward_seconds: float = 0.0
    reverse_seconds: float = 0.0
    schedule: object = None
    native: Account | None = None

    @property
    def executed(self) -> int:
        """All executed steps but those of checks: ``advanced + recorded``."""
        return self.advanced + self.recorded

    @property
    def recomputation(self) -> float:
        """Executed steps for each step of the run; 1 where nothing was computed twice."""
        return self.executed / self.steps if self.steps else 1.0

    @property
    def seconds(self) -> float:
        """Wall time in all."""
        return self.forward_seconds + self.reverse_seconds

    def __str__(self) -> str:
        lines = [
            f"steps                 {self.steps:>14,}",
            f"advanced              {self.advanced:>14,}",
            f"recorded              {self.recorded:>14,}",
            f"recomputation         {self.recomputation:>14.3f}",
            f"checked, compared     {self.checked:>8,} {self.compared:>5,}",
            f"saved, restored       {self.saved:>8,} {self.restored:>5,}",
            f"checkpoints           {self.peak_checkpoints:>14,}",
        ]
        if self.disk_saved:
            lines += [
                f"  on disk             {self.peak_disk:>14,}",
                f"  saved, restored     {self.disk_saved:>8,} {self.disk_restored:>5,}",
                f"  seconds             {self.io_seconds:>14.4g}",
            ]
        for level, on in zip(list(Level)[Level.DISK :], self.by_level, strict=False):
            if on.saved:
                numbers = f"{on.peak:,} held, {on.saved:,} saved, {on.restored:,} restored"
                lines.append(f"    {level.name.lower():<18}{numbers:>14}")
        if self.replanned:
            lines.append(f"planned anew          {self.replanned:>14,}")
        lines += [
            f"peak                  {format_bytes(self.peak_bytes):>14}",
        ]
        if self.budget is not None:
            lines.append(f"budget                {format_bytes(self.budget):>14}")
        for name, size in (self.peak_holders or {}).items():
            lines.append(f"  {name:<20}{format_bytes(size):>14}")
        lines += [
            f"seconds, forward      {self.forward_seconds:>14.4g}",
            f"seconds, reverse      {self.reverse_seconds:>14.4g}",
        ]
        if self.native is not None:
            lines += [f"note: {remark}" for remark in self.native.remarks]
        return "\n".join(lines)

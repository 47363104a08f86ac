"""What became of a step as native code: what was compiled, what NumPy does, and why."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of a step as native code; it prints as sentences.

    Attributes
    ----------
    compiled : bool
        Whether the step runs as native code.
    why_not : str
        Why it doesn't, with the line of the step where one is to blame.
    operations : int
        Operations of the step and its adjoint.
    loops : int
        Compiled loops that they became.
    called : tuple of str
        What NumPy does between the loops, why, and on which lines of the step.
    compile_seconds : float
        What planning and compiling took in this process, up to now; a fraction of a second where
        the code was found in the cache on disk.
    threads : int
        Threads that large loops use.
    """

    compiled: bool
    why_not: str = ""
    operations: int = 0
    loops: int = 0
    called: tuple[str, ...] = ()
    compile_seconds: float = 0.0
    threads: int = 1

    @property
    def remarks(self) -> tuple[str, ...]:
        """The sentences."""
        if not self.compiled:
            return (f"the step is interpreted by NumPy: {self.why_not}.",)
        text = (
            f"the step runs as native code: {self.operations:,} operations of the step and its "
            f"adjoint in {self.loops:,} {'loop' if self.loops == 1 else 'loops'}, planned and "
            f"compiled in {self.compile_seconds:.2g} s"
        )
        if self.threads > 1:
            text += f"; large loops use {self.threads} threads"
        found = [f"{text}."]
        found += [f"NumPy works between the loops: {reason}." for reason in self.called]
        return tuple(found)

    def __str__(self) -> str:
        return "\n".join(self.remarks)

"""The bytes of what a gradient holds: of one checkpoint, of one tape, and of all else."""

from dataclasses import dataclass, field

__all__ = ["Sizes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The bytes of what a gradient holds.

    Attributes
    ----------
    state : int
        One checkpoint.
    tape : int
        The tape of one step.
    fixed : dict of str to int
        What doesn't depend on the schedule: working copies, the final state and its cotangent,
        observations and theirs, sums of the gradient.
    """

    state: int
    tape: int
    fixed: dict[str, int] = field(default_factory=dict)

    @property
    def all_fixed(self) -> int:
        """The bytes of all that is fixed."""
        return sum(self.fixed.values())

    def smallest(self, n_steps: int | None, *, disk: bool = False) -> int:
        """Return the smallest budget that works.

        Parameters
        ----------
        n_steps : int or None
            Number of steps; None where it isn't known.
        disk : bool
            Whether checkpoints may be on disk, so that memory need hold none.
        """
        least = self.tape if disk else self.state + self.tape
        if n_steps is not None:
            least = min(least, n_steps * self.tape)
        return self.all_fixed + least

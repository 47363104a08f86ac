"""What kernels share that reverse one step at a time, each from its own state."""

from collections.abc import Callable

from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.kernels.growth import GrownTapeError

__all__ = ["KeepsStates", "StepByStep"]


class StepByStep:
    """Reverses a stretch step by step; a mixin without state, for `Kernel`.

    Parameters of its users
    -----------------------
    record : callable
        As in `Kernel`, with one state for each step on the tape.
    pull : callable
        ``(state, k, cotangent) -> cotangent``: reverses step `k` from state `k`.
    """

    __slots__ = ()

    record: Callable[[Leaves, int, int], tuple[Tape, Leaves]]
    pull: Callable[[Leaves, int, Leaves], Leaves]

    def reverse(self, tape: Tape, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.reverse`."""
        pull = self.pull
        try:
            for k in range(stop - 1, start - 1, -1):
                cotangent = pull(tape.pop(), k, cotangent)
        except GrownTapeError as grown:
            grown.start, grown.tape = start, tape
            raise
        return cotangent

    def record_and_reverse(self, state: Leaves, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.record_and_reverse`."""
        last = stop - 1
        if start == last:
            return self.pull(state, start, cotangent)
        tape, state = self.record(state, start, last)
        try:
            cotangent = self.pull(state, last, cotangent)
        except GrownTapeError as grown:
            grown.start, grown.tape = start, tape
            raise
        return self.reverse(tape, start, last, cotangent)

    def split(self, tape: Tape, start: int, middle: int) -> tuple[Tape, Tape]:
        """See `Kernel.split`."""
        return tape[: middle - start], tape[middle - start :]

    def give_back(self) -> None:
        """See `Kernel.give_back`: nothing is idle."""

    @property
    def idle_bytes(self) -> int:
        """See `Kernel.idle_bytes`."""
        return 0

    def finish(self) -> None:
        """See `Kernel.finish`: every cotangent is added where it comes up."""


class KeepsStates(StepByStep):
    """Records a stretch by keeping its states, which `advance` doesn't write into; a mixin too."""

    __slots__ = ()

    advance: Callable[[Leaves, int, int], Leaves]

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """See `Kernel.record`."""
        tape = []
        for k in range(start, stop):
            tape.append(state)  # no copy: a program never writes into its inputs
            state = self.advance([*state], k, k + 1)
        return tape, state

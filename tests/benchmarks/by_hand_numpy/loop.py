"""The time loop of the adjoints written by hand: a pool of states and a schedule."""

from typing import Any, Protocol

import numpy as np

from tests.benchmarks.revolve import LIVE, play, revolve

__all__ = ["Adjoint", "Loop"]


class Adjoint(Protocol):
    """One problem's step and adjoint step, on buffers that it owns."""

    start: Any
    """State 0."""

    def begin(self) -> None:
        """Set the sums of the gradient to zero."""

    def step(self, x: Any, out: Any, k: int) -> None:
        """Make state k + 1 in `out` from state k in `x`."""

    def finish(self, x: Any) -> float:
        """Return the objective at the final state `x`; keep its cotangent."""

    def reverse(self, x: Any, k: int) -> None:
        """Move the cotangent from state k + 1 to state k, which is `x`; add to the sums."""

    def result(self) -> Any:
        """Return the gradient as one vector."""


class Loop:
    """Runs an adjoint under Revolve with `slots` checkpoints, state 0 included."""

    def __init__(self, adjoint: Adjoint, steps: int, slots: int) -> None:
        self.adjoint, self.steps, self.slots = adjoint, steps, slots
        self.rows = revolve(steps, slots) if slots > 1 else None
        self.pool = np.empty((slots + 2, *np.shape(adjoint.start)))
        self.live = slots
        self.value = 0.0

    def advance(self, start: int, stop: int, source: int, target: int) -> None:
        """Make state `stop` in slot `target` (or the working buffers) from the one in `source`."""
        x = self.pool[self.live if source == LIVE else source]
        for k in range(start, stop):
            if k == stop - 1 and target != LIVE:
                out = self.pool[target]
            else:
                # The two working buffers take turns, so that a step never writes what it reads.
                self.live = self.slots + (self.live == self.slots)
                out = self.pool[self.live]
            self.adjoint.step(x, out, k)
            x = out

    def finish(self, k: int, source: int) -> None:
        x = self.pool[self.live if source == LIVE else source]
        # The state before the last one is still needed, to reverse the last step.
        out = self.pool[self.slots + (self.live == self.slots)]
        self.adjoint.step(x, out, k)
        self.value = self.adjoint.finish(out)

    def reverse(self, k: int, source: int) -> None:
        self.adjoint.reverse(self.pool[self.live if source == LIVE else source], k)

    def forward(self) -> float:
        """Run all steps; return the objective."""
        self.adjoint.begin()
        self.pool[0] = self.adjoint.start
        self.advance(0, self.steps, 0, LIVE)
        return self.adjoint.finish(self.pool[self.live])

    def gradient(self) -> tuple[float, Any]:
        """Return the objective and its gradient."""
        self.adjoint.begin()
        self.pool[0] = self.adjoint.start
        play(self.rows, self.advance, self.finish, self.reverse)
        return self.value, self.adjoint.result()

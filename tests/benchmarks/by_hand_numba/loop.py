"""The compiled loop over a schedule: one native call from the first step to the gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from tests.benchmarks.by_hand_numba.subnormals import flushed_subnormals
from tests.benchmarks.revolve import ADVANCE, FINISH, LIVE, revolve

__all__ = ["Kernels", "Loop", "compiled", "contracted"]

compiled = numba.njit(error_model="numpy", nogil=True)
"""Without the error model, a division that could raise costs the vectorisation of its loop."""


contracted = numba.njit(error_model="numpy", nogil=True, fastmath={"contract"})
"""For adjoint steps, whose bits nobody compares with NumPy's: a product and the sum that it goes
into may be one operation.  On heat and waves they take 0.94 to 0.96 of the time."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """One problem's compiled functions, and the arrays that they work on.

    advance(k, m, x, out, scratch, c): m steps from state k in `x` to `out`, by way of `scratch`.
    finish(x, lam, c) -> value: set the cotangent of the final state.
    reverse(k, x, lam, new, c): one adjoint step at state k, from cotangent `lam` to `new`.
    """

    start: Any
    """State 0, as the pool keeps it."""
    scratch: Any
    """Two working states, shape (2, ...)."""
    cotangents: Any
    """Two cotangents, shape (2, ...), which take turns."""
    constants: tuple[Any, ...]
    """What the functions get as `c`: coefficients, and sums for the gradient."""
    begin: Callable[[], None]
    advance: Any
    finish: Any
    reverse: Any
    result: Callable[[Any], Any]
    """Turns the last cotangent into the gradient, one vector."""
    sweep: Any = None
    """sweep(states, lam, c) -> value: everything at once, keeping every state, if that is faster;
    row k + 1 of `states` is for state k, and the last cotangent goes to lam[steps % 2]."""
    sweep_start: Any = None
    """State 0, as `sweep` keeps it."""


def _player(kernels: Kernels) -> Any:
    advance, finish, reverse = kernels.advance, kernels.finish, kernels.reverse

    @compiled
    def play(rows, pool, live, last, scratch, lam, c):  # type: ignore[no-untyped-def]
        value = 0.0
        turn = 0
        for i in range(len(rows)):
            kind, k, source = rows[i, 0], rows[i, 1], rows[i, 3]
            x = live if source == LIVE else pool[source]
            if kind == ADVANCE:
                out = live if rows[i, 4] == LIVE else pool[rows[i, 4]]
                advance(k, rows[i, 2] - k, x, out, scratch, c)
            elif kind == FINISH:
                advance(k, 1, x, last, scratch, c)
                value = finish(last, lam[0], c)
            else:
                reverse(k, x, lam[turn], lam[1 - turn], c)
                turn = 1 - turn
        return value

    return play


class Loop:
    """Runs compiled kernels under Revolve with `slots` checkpoints, state 0 included."""

    def __init__(self, kernels: Kernels, steps: int, slots: int) -> None:
        self.kernels, self.steps = kernels, steps
        self.flush_subnormals = False
        shape = np.shape(kernels.start)
        self.live, self.last = np.zeros(shape), np.zeros(shape)
        self.plan(slots)
        self.play = _player(kernels)
        # Compile now, so that the first call is one like the others.
        self._forward(0)
        if self.all_at_once:
            self._sweep(self.states[:2])
        else:
            self._play(self.rows[:0])

    def plan(self, slots: int) -> None:
        """Provide for `slots` checkpoints; 1 is for forward runs only."""
        self.all_at_once = self.kernels.sweep is not None and slots >= self.steps
        if self.all_at_once:
            self.states = np.zeros((self.steps + 2, *np.shape(self.kernels.sweep_start)))
            slots = 1
        self.pool = np.zeros((slots, *np.shape(self.kernels.start)))
        self.rows = revolve(self.steps, slots) if slots > 1 else np.zeros((0, 5), np.int64)

    def _forward(self, steps: int) -> None:
        kernels = self.kernels
        kernels.advance(0, steps, kernels.start, self.last, kernels.scratch, kernels.constants)

    def _sweep(self, states: Any) -> float:
        kernels = self.kernels
        value: float = kernels.sweep(states, kernels.cotangents, kernels.constants)
        return value

    def _play(self, rows: Any) -> float:
        kernels = self.kernels
        if self.all_at_once:
            self.states[1] = kernels.sweep_start
            return self._sweep(self.states)
        value: float = self.play(
            rows,
            self.pool,
            self.live,
            self.last,
            kernels.scratch,
            kernels.cotangents,
            kernels.constants,
        )
        return value

    def forward(self) -> float:
        """Run all steps; return the objective."""
        kernels = self.kernels
        kernels.begin()
        self._forward(self.steps)
        value: float = kernels.finish(self.last, kernels.cotangents[0], kernels.constants)
        return value

    def gradient(self) -> tuple[float, Any]:
        """Return the objective and its gradient."""
        kernels = self.kernels
        kernels.begin()
        self.pool[0] = kernels.start
        if self.flush_subnormals:
            with flushed_subnormals():
                value = self._play(self.rows)
        else:
            value = self._play(self.rows)
        return value, kernels.result(kernels.cotangents[self.steps % 2])

"""P5 by hand in NumPy: leapfrog in place; of the states only u has to be kept to reverse."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.problem import Problem
from tests.benchmarks.problems.wave import DT, SOURCE_ROW, W0, W1, W2, H, receivers
from tests.benchmarks.revolve import LIVE, play, revolve

__all__ = ["Leapfrog", "Wave", "make"]


class Wave:
    """u⁺ = 2u − u⁻ + m L u with m = (c dt/h)², and its adjoint λ = 2λ⁺ + Lᵀ(m λ⁺) − λ⁺⁺."""

    def __init__(self, problem: Problem) -> None:
        assert problem.inputs is not None
        c = problem.params
        n = len(c)
        self.n, self.w, self.data = n, problem.inputs, problem.data
        self.m = (c[2:-2, 2:-2] * DT / H) ** 2
        self.to_c = 2 * c[2:-2, 2:-2] * (DT / H) ** 2
        self.columns = receivers(n)
        self.residual = np.empty_like(self.data)
        self.lap, self.work = np.empty((n - 4, n - 4)), np.empty((n - 4, n - 4))
        self.scaled = np.zeros((n, n))
        self.cotangent, self.other = np.zeros((n, n)), np.zeros((n, n))
        self.grad = np.zeros((n - 4, n - 4))

    def begin(self) -> None:
        self.grad[:] = 0.0
        self.cotangent[:] = 0.0
        self.other[:] = 0.0

    def _laplacian(self, u: Any) -> Any:
        lap, work = self.lap, self.work
        np.add(u[1:-3, 2:-2], u[3:-1, 2:-2], out=lap)
        lap += u[2:-2, 1:-3]
        lap += u[2:-2, 3:-1]
        lap *= W1
        np.add(u[:-4, 2:-2], u[4:, 2:-2], out=work)
        work += u[2:-2, :-4]
        work += u[2:-2, 4:]
        work *= W2
        lap += work
        np.multiply(u[2:-2, 2:-2], 2 * W0, out=work)
        lap += work
        return lap

    def step(self, u: Any, before: Any, out: Any, k: int) -> None:
        """Make state k + 1 in `out`, which may be `before`."""
        lap, work = self._laplacian(u), self.work
        lap *= self.m
        np.multiply(u[2:-2, 2:-2], 2, out=work)
        lap += work
        np.subtract(lap, before[2:-2, 2:-2], out=out[2:-2, 2:-2])
        out[SOURCE_ROW, self.n // 2] += self.w[k]
        np.subtract(out[SOURCE_ROW, self.columns], self.data[k], out=self.residual[k])

    def reverse(self, u: Any, k: int) -> None:
        lam, other = self.cotangent, self.other
        lam[SOURCE_ROW, self.columns] += self.residual[k]
        inner = lam[2:-2, 2:-2]
        lap = self._laplacian(u)
        lap *= inner
        self.grad += lap
        np.multiply(inner, self.m, out=self.scaled[2:-2, 2:-2])
        lap = self._laplacian(self.scaled)
        np.multiply(inner, 2, out=self.work)
        lap += self.work
        np.subtract(lap, other[2:-2, 2:-2], out=other[2:-2, 2:-2])
        self.cotangent, self.other = other, lam

    def result(self) -> Any:
        full = np.zeros((self.n, self.n))
        np.multiply(self.grad, self.to_c, out=full[2:-2, 2:-2])
        return full.ravel()

    def value(self) -> float:
        return 0.5 * float(np.vdot(self.residual, self.residual))


class Leapfrog:
    """The loop over the two time levels under Revolve with `slots` checkpoints."""

    def __init__(self, wave: Wave, steps: int, slots: int) -> None:
        self.wave, self.steps = wave, steps
        self.keep_all = slots >= steps
        self.rows = revolve(steps, slots) if slots > 1 else None
        n = wave.n
        # With every state kept the one before is the neighbour, so that one level is enough.
        self.levels = 1 if self.keep_all else 2
        self.pool = np.zeros((steps + 2 if self.keep_all else slots, self.levels, n, n))
        self.scratch = np.zeros((2, n, n))
        self.spare = np.zeros((n, n))
        self.live = 0

    def advance(self, start: int, stop: int, source: int, target: int) -> None:
        u, before = self.pool[source]
        for k in range(start, stop):
            if target != LIVE and k >= stop - 2:
                out = self.pool[target, stop - 1 - k]
            else:
                self.live = 1 - self.live
                out = self.scratch[self.live]
            self.wave.step(u, before, out, k)
            u, before = out, u
        if target != LIVE and stop - start == 1:
            self.pool[target, 1] = before
        self.u, self.before = u, before

    def finish(self, k: int, source: int) -> None:
        u, before = (self.u, self.before) if source == LIVE else self.pool[source]
        self.wave.step(u, before, self.spare, k)

    def reverse(self, k: int, source: int) -> None:
        self.wave.reverse(self.u if source == LIVE else self.pool[source, 0], k)

    def forward(self) -> float:
        self.wave.begin()
        self.advance(0, self.steps, 0, LIVE)
        return self.wave.value()

    def gradient(self) -> tuple[float, Any]:
        self.wave.begin()
        if self.keep_all:
            # Row k + 1 of the pool is state k.
            states = self.pool[:, 0]
            for k in range(self.steps):
                self.wave.step(states[k + 1], states[k], states[k + 2], k)
            for k in range(self.steps - 1, -1, -1):
                self.wave.reverse(states[k + 1], k)
        else:
            play(self.rows, self.advance, self.finish, self.reverse)
        return self.wave.value(), self.wave.result()


def make(problem: Problem) -> Wave:
    return Wave(problem)

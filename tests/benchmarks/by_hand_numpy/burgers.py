"""P3 by hand in NumPy: one ghost cell at each end instead of np.roll."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.burgers import DT
from tests.benchmarks.problems.problem import Problem

__all__ = ["Burgers", "make"]


class Burgers:
    """Forward Euler for u_t + (u²/2)_x = ν u_xx on periodic cells, and its adjoint."""

    def __init__(self, problem: Problem) -> None:
        n = problem.state.size
        self.n, self.target = n, problem.data
        # States are kept with their two ghost cells, so that no step has to copy them.
        self.start = np.concatenate([problem.state[-1:], problem.state, problem.state[:1]])
        self.a = DT * n / 4
        self.per_nu = DT * n**2
        self.b = problem.params * self.per_nu
        self.square, self.work, self.work2 = np.empty(n + 2), np.empty(n), np.empty(n)
        self.cotangent, self.other = np.empty(n + 2), np.empty(n + 2)
        self.grad = 0.0

    def begin(self) -> None:
        self.grad = 0.0

    @staticmethod
    def _close(u: Any) -> None:
        u[0], u[-1] = u[-2], u[1]

    def step(self, x: Any, out: Any, k: int) -> None:
        square, work, mid = self.square, self.work, out[1:-1]
        np.multiply(x, x, out=square)
        np.subtract(square[:-2], square[2:], out=mid)
        mid *= self.a
        np.add(x[:-2], x[2:], out=work)
        work *= self.b
        mid += work
        np.multiply(x[1:-1], 1 - 2 * self.b, out=work)
        mid += work
        self._close(out)

    def finish(self, x: Any) -> float:
        mid = self.cotangent[1:-1]
        np.subtract(x[1:-1], self.target, out=mid)
        value = 0.5 / self.n * float(mid @ mid)
        mid /= self.n
        self._close(self.cotangent)
        return value

    def reverse(self, x: Any, k: int) -> None:
        lam, out, work, work2 = self.cotangent, self.other[1:-1], self.work, self.work2
        np.add(x[:-2], x[2:], out=work)
        work -= x[1:-1]
        work -= x[1:-1]
        self.grad += float(work @ lam[1:-1])
        np.subtract(lam[2:], lam[:-2], out=work)
        work *= x[1:-1]
        work *= 2 * self.a
        np.add(lam[:-2], lam[2:], out=work2)
        work2 *= self.b
        np.multiply(lam[1:-1], 1 - 2 * self.b, out=out)
        out += work
        out += work2
        self._close(self.other)
        self.cotangent, self.other = self.other, lam

    def result(self) -> Any:
        return np.append(self.cotangent[1:-1], self.grad * self.per_nu)


def make(problem: Problem) -> Burgers:
    return Burgers(problem)

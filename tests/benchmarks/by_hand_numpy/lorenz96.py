"""P2 by hand in NumPy: ghost numbers at both ends instead of np.roll."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.lorenz96 import DT
from tests.benchmarks.problems.problem import Problem

__all__ = ["Lorenz96", "make"]


class _Ring:
    """Numbers on a ring with two ghosts at each end, and its shifted views."""

    def __init__(self, n: int) -> None:
        self.all = np.empty(n + 4)
        self.mid = self.all[2:-2]
        self.back2, self.back1 = self.all[:-4], self.all[1:-3]
        self.ahead1, self.ahead2 = self.all[3:-1], self.all[4:]
        self.left_ghosts, self.left_from = self.all[:2], self.all[-4:-2]
        self.right_ghosts, self.right_from = self.all[-2:], self.all[2:4]

    def close(self) -> None:
        self.left_ghosts[:] = self.left_from
        self.right_ghosts[:] = self.right_from


class Lorenz96:
    """x_i' = (x_{i+1} − x_{i−2}) x_{i−1} − x_i + F by classic Runge–Kutta, and its adjoint."""

    def __init__(self, problem: Problem) -> None:
        self.start, self.forcing = problem.state, problem.params
        n = self.start.size
        self.stages = [_Ring(n) for _ in range(4)]
        self.k = np.empty((4, n))
        self.work, self.sum, self.pulled = np.empty(n), np.empty(n), np.empty(n)
        self.cotangent, self.seed = np.empty(n), _Ring(n)
        self.grad = 0.0

    def begin(self) -> None:
        self.grad = 0.0

    def _rates(self, y: _Ring, out: Any) -> None:
        y.close()
        np.subtract(y.ahead1, y.back2, out=out)
        out *= y.back1
        out -= y.mid
        out += self.forcing

    def _run_stages(self, x: Any) -> None:
        k = self.k
        self.stages[0].mid[:] = x
        self._rates(self.stages[0], k[0])
        for i, h in ((1, DT / 2), (2, DT / 2), (3, DT)):
            np.multiply(k[i - 1], h, out=self.work)
            np.add(x, self.work, out=self.stages[i].mid)
            self._rates(self.stages[i], k[i])

    def step(self, x: Any, out: Any, k: int) -> None:
        self._run_stages(x)
        k1, k2, k3, k4 = self.k
        np.add(k2, k3, out=self.sum)
        self.sum *= 2
        self.sum += k1
        self.sum += k4
        self.sum *= DT / 6
        np.add(x, self.sum, out=out)

    def finish(self, x: Any) -> float:
        self.cotangent[:] = x
        return 0.5 * float(x @ x)

    def reverse(self, x: Any, k: int) -> None:
        self._run_stages(x)
        lam, seed, work, pulled = self.cotangent, self.seed, self.work, self.pulled
        weights = (DT / 6, DT / 3, DT / 3, DT / 6)
        into = (DT / 2, DT / 2, DT)
        self.sum[:] = lam
        for i in (3, 2, 1, 0):
            y = self.stages[i]
            np.multiply(lam, weights[i], out=seed.mid)
            if i < 3:
                pulled *= into[i]
                seed.mid += pulled
            seed.close()
            self.grad += seed.mid.sum()
            # Row j of the transposed Jacobian: the four rates in which x_j stands.
            np.multiply(seed.back1, y.back2, out=pulled)
            np.multiply(seed.ahead2, y.ahead1, out=work)
            pulled -= work
            np.subtract(y.ahead2, y.back1, out=work)
            work *= seed.ahead1
            pulled += work
            pulled -= seed.mid
            self.sum += pulled
        lam[:] = self.sum

    def result(self) -> Any:
        return np.append(self.cotangent, self.grad)


def make(problem: Problem) -> Lorenz96:
    return Lorenz96(problem)

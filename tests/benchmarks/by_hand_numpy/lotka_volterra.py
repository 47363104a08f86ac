"""P1 by hand in NumPy: arrays of two numbers, so that calls cost more than arithmetic."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.lotka_volterra import DT, TARGET
from tests.benchmarks.problems.problem import Problem

__all__ = ["LotkaVolterra", "make"]


class LotkaVolterra:
    """x' = a x − b x y, y' = −c y + d x y by classic Runge–Kutta, and its adjoint."""

    def __init__(self, problem: Problem) -> None:
        self.start = problem.state
        a, b, c, d = problem.params
        # f = linear * y + product * (x y): one product a stage, shared by both equations.
        self.linear, self.product = np.array([a, -c]), np.array([-b, d])
        self.target = np.array(TARGET)
        self.stages = np.empty((4, 2))
        self.k = np.empty((4, 2))
        self.work, self.sum = np.empty(2), np.empty(2)
        self.cotangent = np.empty(2)
        self.seed = np.empty(2)
        self.grad = np.zeros((2, 2))  # of linear and product

    def begin(self) -> None:
        self.grad[:] = 0.0

    def _rates(self, y: Any, out: Any) -> None:
        np.multiply(self.product, y[0] * y[1], out=out)
        np.multiply(self.linear, y, out=self.work)
        out += self.work

    def _run_stages(self, x: Any) -> None:
        k, stages, work = self.k, self.stages, self.work
        self._rates(x, k[0])
        for i, h in ((1, DT / 2), (2, DT / 2), (3, DT)):
            np.multiply(k[i - 1], h, out=work)
            np.add(x, work, out=stages[i])
            self._rates(stages[i], k[i])

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
        np.subtract(x, self.target, out=self.cotangent)
        return 0.5 * float(self.cotangent @ self.cotangent)

    def reverse(self, x: Any, k: int) -> None:
        self._run_stages(x)
        lam, seed, work = self.cotangent, self.seed, self.work
        total = self.sum
        total[:] = lam
        weights = (DT / 6, DT / 3, DT / 3, DT / 6)
        into = (DT / 2, DT / 2, DT)
        pulled = np.zeros(2)
        for i in (3, 2, 1, 0):
            y = x if i == 0 else self.stages[i]
            np.multiply(lam, weights[i], out=seed)
            if i < 3:
                pulled *= into[i]
                seed += pulled
            # Cotangent of the stage's state, and of the rates.
            np.multiply(seed, self.product, out=work)
            both = work[0] + work[1]
            np.multiply(seed, self.linear, out=pulled)
            pulled[0] += both * y[1]
            pulled[1] += both * y[0]
            np.multiply(seed, y, out=work)
            self.grad[0] += work
            np.multiply(seed, y[0] * y[1], out=work)
            self.grad[1] += work
            total += pulled
        lam[:] = total

    def result(self) -> Any:
        (a, c), (b, d) = self.grad
        return np.array([a, -b, -c, d, *self.cotangent])


def make(problem: Problem) -> LotkaVolterra:
    return LotkaVolterra(problem)

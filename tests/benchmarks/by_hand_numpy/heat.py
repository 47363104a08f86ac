"""P4 by hand in NumPy: face conductivities computed once, sums over faces."""

from typing import Any

import numpy as np

from tests.benchmarks.problems.heat import R
from tests.benchmarks.problems.problem import Problem

__all__ = ["Heat", "make"]


class Heat:
    """u⁺ = u + r ∇·(k ∇u), which is its own adjoint in u."""

    def __init__(self, problem: Problem) -> None:
        self.start, self.target, k = problem.state, problem.data, problem.params
        n = len(k)
        self.kx, self.ky = R * 0.5 * (k[1:] + k[:-1]), R * 0.5 * (k[:, 1:] + k[:, :-1])
        self.fx, self.fy = np.empty((n - 1, n)), np.empty((n, n - 1))
        self.dx, self.dy = np.empty((n - 1, n)), np.empty((n, n - 1))
        self.gx, self.gy = np.empty((n - 1, n)), np.empty((n, n - 1))
        self.cotangent, self.other = np.empty((n, n)), np.empty((n, n))

    def begin(self) -> None:
        self.gx[:] = 0.0
        self.gy[:] = 0.0

    def step(self, x: Any, out: Any, k: int) -> None:
        fx, fy = self.fx, self.fy
        np.subtract(x[1:], x[:-1], out=fx)
        fx *= self.kx
        np.subtract(x[:, 1:], x[:, :-1], out=fy)
        fy *= self.ky
        np.add(x[:-1], fx, out=out[:-1])
        out[-1] = x[-1]
        out[1:] -= fx
        out[:, :-1] += fy
        out[:, 1:] -= fy

    def finish(self, x: Any) -> float:
        np.subtract(x, self.target, out=self.cotangent)
        return 0.5 * float(np.vdot(self.cotangent, self.cotangent))

    def reverse(self, x: Any, k: int) -> None:
        lam, out, fx, fy, dx, dy = (
            self.cotangent, self.other, self.fx, self.fy, self.dx, self.dy,
        )  # fmt: skip
        np.subtract(lam[1:], lam[:-1], out=fx)
        np.subtract(lam[:, 1:], lam[:, :-1], out=fy)
        np.subtract(x[1:], x[:-1], out=dx)
        np.subtract(x[:, 1:], x[:, :-1], out=dy)
        dx *= fx
        dy *= fy
        self.gx -= dx
        self.gy -= dy
        fx *= self.kx
        fy *= self.ky
        np.add(lam[:-1], fx, out=out[:-1])
        out[-1] = lam[-1]
        out[1:] -= fx
        out[:, :-1] += fy
        out[:, 1:] -= fy
        self.cotangent, self.other = out, lam

    def result(self) -> Any:
        k = np.zeros_like(self.cotangent)
        k[1:] += self.gx
        k[:-1] += self.gx
        k[:, 1:] += self.gy
        k[:, :-1] += self.gy
        k *= R * 0.5
        return k.ravel()


def make(problem: Problem) -> Heat:
    return Heat(problem)

"""P2 by hand in Numba: each Runge–Kutta stage one vector loop over a ring with ghosts."""

from typing import Any

import numpy as np

from tests.benchmarks.by_hand_numba.loop import Kernels, compiled, contracted
from tests.benchmarks.problems.lorenz96 import DT
from tests.benchmarks.problems.problem import Problem

__all__ = ["make"]

H2, H6, H3 = DT / 2, DT / 6, DT / 3


def make(problem: Problem) -> Kernels:
    n = problem.state.size
    # A ring has two ghosts on each side: element i of the state is element i + 2 of the ring.

    @compiled
    def close(y):  # type: ignore[no-untyped-def]
        y[0], y[1] = y[n], y[n + 1]
        y[n + 2], y[n + 3] = y[2], y[3]

    @compiled
    def stage(x, y, h, forcing, out):  # type: ignore[no-untyped-def]
        # out = x + h f(y), the state of the next stage.
        for i in range(n):
            out[i + 2] = x[i + 2] + h * ((y[i + 3] - y[i]) * y[i + 1] - y[i + 2] + forcing)
        close(out)

    @compiled
    def first(x, forcing, total, out):  # type: ignore[no-untyped-def]
        for i in range(n):
            rate = (x[i + 3] - x[i]) * x[i + 1] - x[i + 2] + forcing
            total[i] = rate
            out[i + 2] = x[i + 2] + H2 * rate
        close(out)

    @compiled
    def inner(x, y, h, forcing, total, out):  # type: ignore[no-untyped-def]
        for i in range(n):
            rate = (y[i + 3] - y[i]) * y[i + 1] - y[i + 2] + forcing
            total[i] += 2 * rate
            out[i + 2] = x[i + 2] + h * rate
        close(out)

    @compiled
    def last(x, y, forcing, total, out):  # type: ignore[no-untyped-def]
        for i in range(n):
            rate = (y[i + 3] - y[i]) * y[i + 1] - y[i + 2] + forcing
            out[i + 2] = x[i + 2] + H6 * (total[i] + rate)
        close(out)

    @compiled
    def advance(k, m, x, out, scratch, c):  # type: ignore[no-untyped-def]
        forcing, y2, y3, y4, total = c[0][0], c[1], c[2], c[3], c[9]
        source = x
        for i in range(m):
            target = out if i == m - 1 else scratch[i % 2]
            first(source, forcing, total, y2)
            inner(source, y2, H2, forcing, total, y3)
            inner(source, y3, DT, forcing, total, y4)
            last(source, y4, forcing, total, target)
            source = target

    @compiled
    def finish(x, lam, c):  # type: ignore[no-untyped-def]
        value = 0.0
        for i in range(n):
            lam[i + 2] = x[i + 2]
            value += 0.5 * x[i + 2] * x[i + 2]
        close(lam)
        return value

    @contracted
    def pull(y, v, lam, w, h, total, out):  # type: ignore[no-untyped-def]
        # ȳ = Jᵀ v; total += ȳ; the seed of the stage before: w lam + h ȳ.
        for i in range(n):
            bar = (
                v[i + 1] * y[i] - v[i + 4] * y[i + 3] + v[i + 3] * (y[i + 4] - y[i + 1]) - v[i + 2]
            )
            total[i + 2] += bar
            out[i + 2] = w * lam[i + 2] + h * bar
        close(out)

    @contracted
    def reverse(k, x, lam, new, c):  # type: ignore[no-untyped-def]
        forcing, y2, y3, y4, v4, v3, v2, v1, grad = (
            c[0][0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8],
        )  # fmt: skip
        stage(x, x, H2, forcing, y2)
        stage(x, y2, H2, forcing, y3)
        stage(x, y3, DT, forcing, y4)
        for i in range(n + 4):
            v4[i] = H6 * lam[i]
            new[i] = lam[i]
        pull(y4, v4, lam, H3, DT, new, v3)
        pull(y3, v3, lam, H3, H2, new, v2)
        pull(y2, v2, lam, H6, H2, new, v1)
        for i in range(n):
            bar = (
                v1[i + 1] * x[i]
                - v1[i + 4] * x[i + 3]
                + v1[i + 3] * (x[i + 4] - x[i + 1])
                - v1[i + 2]
            )
            new[i + 2] += bar
            # Summed over the ring at the end: a sum a step would need fastmath to be a vector.
            grad[i] += v1[i + 2] + v2[i + 2] + v3[i + 2] + v4[i + 2]
        close(new)

    grad = np.zeros(n)

    def begin() -> None:
        grad[:] = 0.0

    def result(cotangent: Any) -> Any:
        return np.append(cotangent[2:-2], grad.sum())

    rings = [np.zeros(n + 4) for _ in range(7)]
    start = np.concatenate([problem.state[-2:], problem.state, problem.state[:2]])
    return Kernels(
        start,
        np.zeros((2, n + 4)),
        np.zeros((2, n + 4)),
        (np.array([problem.params]), *rings, grad, np.zeros(n)),
        begin,
        advance,
        finish,
        reverse,
        result,
    )

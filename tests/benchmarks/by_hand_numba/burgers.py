"""P3 by hand in Numba: one vector loop a step over a row of cells with a ghost at each end."""

from typing import Any

import numpy as np

from tests.benchmarks.by_hand_numba.loop import Kernels, compiled, contracted
from tests.benchmarks.problems.burgers import DT
from tests.benchmarks.problems.problem import Problem

__all__ = ["make"]


def make(problem: Problem) -> Kernels:
    n = problem.state.size
    per_nu = DT * n**2
    a, b = DT * n / 4, problem.params * per_nu

    @compiled
    def close(u):  # type: ignore[no-untyped-def]
        u[0], u[n + 1] = u[n], u[1]

    @compiled
    def step(u, out, a, b):  # type: ignore[no-untyped-def]
        # r² − l² = (r − l)(r + l), and r + l stands in the second difference too.
        keep = 1 - 2 * b
        for i in range(n):
            left, right = u[i], u[i + 2]
            out[i + 1] = keep * u[i + 1] + (right + left) * (b - a * (right - left))
        close(out)

    @compiled
    def advance(k, m, x, out, scratch, c):  # type: ignore[no-untyped-def]
        a, b = c[0][0], c[0][1]
        source = x
        for i in range(m):
            target = out if i == m - 1 else scratch[i % 2]
            step(source, target, a, b)
            source = target

    @compiled
    def finish(x, lam, c):  # type: ignore[no-untyped-def]
        value = 0.0
        for i in range(n):
            difference = x[i + 1] - c[1][i]
            lam[i + 1] = difference / n
            value += 0.5 / n * difference * difference
        close(lam)
        return value

    @contracted
    def reverse(k, x, lam, new, c):  # type: ignore[no-untyped-def]
        a2, b, grad = 2 * c[0][0], c[0][1], c[2]
        for i in range(n):
            left, mid, right = lam[i], lam[i + 1], lam[i + 2]
            u = x[i + 1]
            lap = (right + left) - (mid + mid)
            new[i + 1] = mid + b * lap + u * (a2 * (right - left))
            # λ·Δu = u·Δλ on a ring; summed over the cells at the end.
            grad[i] += u * lap
        close(new)

    grad = np.zeros(n)

    def begin() -> None:
        grad[:] = 0.0

    def result(cotangent: Any) -> Any:
        return np.append(cotangent[1:-1], grad.sum() * per_nu)

    start = np.concatenate([problem.state[-1:], problem.state, problem.state[:1]])
    return Kernels(
        start,
        np.zeros((2, n + 2)),
        np.zeros((2, n + 2)),
        (np.array([a, b]), problem.data, grad),
        begin,
        advance,
        finish,
        reverse,
        result,
    )

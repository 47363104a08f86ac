"""P4 by hand in Numba: one nest a step; a frame of ghost cells that no heat crosses."""

from typing import Any

import numpy as np

from tests.benchmarks.by_hand_numba.loop import Kernels, compiled, contracted
from tests.benchmarks.problems.heat import R
from tests.benchmarks.problems.problem import Problem

__all__ = ["make"]


def make(problem: Problem) -> Kernels:
    n = len(problem.state)

    @compiled
    def step(u, out, k):  # type: ignore[no-untyped-def]
        # Sums of two cells' conductivities cost less than reading two arrays of faces.
        for i in range(n):
            for j in range(n):
                mid, here = u[i + 1, j + 1], k[i + 1, j + 1]
                out[i + 1, j + 1] = (
                    mid
                    + (here + k[i + 2, j + 1]) * (u[i + 2, j + 1] - mid)
                    - (here + k[i, j + 1]) * (mid - u[i, j + 1])
                    + (here + k[i + 1, j + 2]) * (u[i + 1, j + 2] - mid)
                    - (here + k[i + 1, j]) * (mid - u[i + 1, j])
                )
        frame(out)

    @compiled
    def frame(u):  # type: ignore[no-untyped-def]
        # Ghost cells that equal their neighbours: no difference, so no flux.
        for j in range(n):
            u[0, j + 1], u[n + 1, j + 1] = u[1, j + 1], u[n, j + 1]
        for i in range(n):
            u[i + 1, 0], u[i + 1, n + 1] = u[i + 1, 1], u[i + 1, n]

    @compiled
    def advance(k, m, x, out, scratch, c):  # type: ignore[no-untyped-def]
        source = x
        for i in range(m):
            target = out if i == m - 1 else scratch[i % 2]
            step(source, target, c[0])
            source = target

    @compiled
    def finish(x, lam, c):  # type: ignore[no-untyped-def]
        value = 0.0
        target = c[3]
        for i in range(n):
            for j in range(n):
                difference = x[i + 1, j + 1] - target[i, j]
                lam[i + 1, j + 1] = difference
                value += 0.5 * difference * difference
        frame(lam)
        return value

    @contracted
    def reverse(k, x, lam, new, c):  # type: ignore[no-untyped-def]
        kx, ky, g = c[1], c[2], c[4]
        for i in range(n):
            for j in range(n):
                mid, here = lam[i + 1, j + 1], x[i + 1, j + 1]
                down, right = lam[i + 2, j + 1] - mid, lam[i + 1, j + 2] - mid
                up, left = mid - lam[i, j + 1], mid - lam[i + 1, j]
                new[i + 1, j + 1] = (
                    mid
                    + kx[i + 1, j] * down
                    - kx[i, j] * up
                    + ky[i, j + 1] * right
                    - ky[i, j] * left
                )
                # Each face twice, once from each cell: one array of sums to read and write.
                g[i, j] += (
                    down * (x[i + 2, j + 1] - here)
                    + up * (here - x[i, j + 1])
                    + right * (x[i + 1, j + 2] - here)
                    + left * (here - x[i + 1, j])
                )
        frame(new)

    k = problem.params
    halves = 0.5 * R * np.pad(k, 1, mode="edge")
    kx = halves[1:, 1:-1] + halves[:-1, 1:-1]
    ky = halves[1:-1, 1:] + halves[1:-1, :-1]
    sums = np.zeros((n, n))

    def begin() -> None:
        sums[:] = 0.0

    def result(cotangent: Any) -> Any:
        return (-0.5 * R * sums).ravel()

    return Kernels(
        np.pad(problem.state, 1, mode="edge"),
        np.zeros((2, n + 2, n + 2)),
        np.zeros((2, n + 2, n + 2)),
        (halves, np.ascontiguousarray(kx), np.ascontiguousarray(ky), problem.data, sums),
        begin,
        advance,
        finish,
        reverse,
        result,
    )

"""P5 by hand in Numba: leapfrog in place; the adjoint is a wave equation like the forward one."""

from typing import Any

import numpy as np

from tests.benchmarks.by_hand_numba.loop import Kernels, compiled, contracted
from tests.benchmarks.problems.problem import Problem
from tests.benchmarks.problems.wave import DT, SOURCE_ROW, W0, W1, W2, H, receivers

__all__ = ["make"]


def make(problem: Problem, variant: str = "scaled") -> Kernels:
    """Build the kernels; `variant` "plain" follows λ itself, "scaled" follows m λ.

    From λ = 2λ⁺ + L (m λ⁺) − λ⁺⁺ the product μ = m λ obeys μ = 2μ⁺ + m L μ⁺ − μ⁺⁺: the forward
    step, with one stencil on a stored array, and nothing is multiplied at nine offsets.
    """
    assert problem.inputs is not None
    c_cell = problem.params
    n = len(c_cell)
    centre = n // 2
    columns = receivers(n)
    count = len(columns)
    first, apart = int(columns[0]), 8
    w00 = 2 * W0

    @compiled
    def step(u, before, out, m):  # type: ignore[no-untyped-def]
        for i in range(n - 4):
            for j in range(n - 4):
                mid = u[i + 2, j + 2]
                lap = (
                    w00 * mid
                    + W1 * (u[i + 1, j + 2] + u[i + 3, j + 2] + u[i + 2, j + 1] + u[i + 2, j + 3])
                    + W2 * (u[i, j + 2] + u[i + 4, j + 2] + u[i + 2, j] + u[i + 2, j + 4])
                )
                out[i + 2, j + 2] = 2 * mid - before[i + 2, j + 2] + m[i, j] * lap

    @compiled
    def step_in_place(u, new, m):  # type: ignore[no-untyped-def]
        # Apart from `step`: two arguments that are one array fail its check for overlap, and
        # the loop falls back to scalars, six times slower.
        for i in range(n - 4):
            for j in range(n - 4):
                mid = u[i + 2, j + 2]
                lap = (
                    w00 * mid
                    + W1 * (u[i + 1, j + 2] + u[i + 3, j + 2] + u[i + 2, j + 1] + u[i + 2, j + 3])
                    + W2 * (u[i, j + 2] + u[i + 4, j + 2] + u[i + 2, j] + u[i + 2, j + 4])
                )
                new[i + 2, j + 2] = 2 * mid - new[i + 2, j + 2] + m[i, j] * lap

    @compiled
    def advance(k, steps, x, out, scratch, c):  # type: ignore[no-untyped-def]
        m, w, data, residual = c[0], c[1], c[2], c[3]
        u, before = x[0], x[1]
        for i in range(steps):
            # The last two states are written where they are to be kept; the others take turns.
            new = out[steps - 1 - i] if i >= steps - 2 else scratch[i % 2]
            if 2 <= i < steps - 2:
                step_in_place(u, new, m)
            else:
                step(u, before, new, m)
            new[SOURCE_ROW, centre] += w[k + i]
            for r in range(count):
                residual[k + i, r] = new[SOURCE_ROW, first + apart * r] - data[k + i, r]
            before = u
            u = new
        if steps == 1:
            out[1, :, :] = before

    @compiled
    def finish(x, lam, c):  # type: ignore[no-untyped-def]
        residual = c[3]
        value = 0.0
        for t in range(residual.shape[0]):
            for r in range(count):
                value += 0.5 * residual[t, r] * residual[t, r]
        return value

    @contracted
    def reverse_scaled(k, x, lam, new, c):  # type: ignore[no-untyped-def]
        m, residual, grad = c[0], c[3], c[4]
        u = x[0]
        for r in range(count):
            column = first + apart * r
            lam[SOURCE_ROW, column] += m[SOURCE_ROW - 2, column - 2] * residual[k, r]
        for i in range(n - 4):
            for j in range(n - 4):
                mid = lam[i + 2, j + 2]
                lap = (
                    w00 * mid
                    + W1
                    * (
                        lam[i + 1, j + 2]
                        + lam[i + 3, j + 2]
                        + lam[i + 2, j + 1]
                        + lam[i + 2, j + 3]
                    )
                    + W2 * (lam[i, j + 2] + lam[i + 4, j + 2] + lam[i + 2, j] + lam[i + 2, j + 4])
                )
                new[i + 2, j + 2] = 2 * mid - new[i + 2, j + 2] + m[i, j] * lap
            # A second loop over the row, which is still in the cache: two stencils in one loop
            # want more registers than there are, and are a fifth slower.
            for j in range(n - 4):
                lap_u = (
                    w00 * u[i + 2, j + 2]
                    + W1 * (u[i + 1, j + 2] + u[i + 3, j + 2] + u[i + 2, j + 1] + u[i + 2, j + 3])
                    + W2 * (u[i, j + 2] + u[i + 4, j + 2] + u[i + 2, j] + u[i + 2, j + 4])
                )
                grad[i, j] += lam[i + 2, j + 2] * lap_u

    @contracted
    def reverse_plain(k, x, lam, new, c):  # type: ignore[no-untyped-def]
        m, residual, grad, q = c[0], c[3], c[4], c[5]
        u = x[0]
        for r in range(count):
            lam[SOURCE_ROW, first + apart * r] += residual[k, r]
        for i in range(n - 4):
            for j in range(n - 4):
                mid = lam[i + 2, j + 2]
                q[i + 2, j + 2] = m[i, j] * mid
                lap_u = (
                    w00 * u[i + 2, j + 2]
                    + W1 * (u[i + 1, j + 2] + u[i + 3, j + 2] + u[i + 2, j + 1] + u[i + 2, j + 3])
                    + W2 * (u[i, j + 2] + u[i + 4, j + 2] + u[i + 2, j] + u[i + 2, j + 4])
                )
                grad[i, j] += mid * lap_u
        for i in range(n - 4):
            for j in range(n - 4):
                lap = (
                    w00 * q[i + 2, j + 2]
                    + W1 * (q[i + 1, j + 2] + q[i + 3, j + 2] + q[i + 2, j + 1] + q[i + 2, j + 3])
                    + W2 * (q[i, j + 2] + q[i + 4, j + 2] + q[i + 2, j] + q[i + 2, j + 4])
                )
                new[i + 2, j + 2] = 2 * lam[i + 2, j + 2] - new[i + 2, j + 2] + lap

    plain = variant == "plain"
    reverse = reverse_plain if plain else reverse_scaled

    @compiled
    def sweep(states, lam, c):  # type: ignore[no-untyped-def]
        # With every state kept, the one before is the neighbour: half the memory, no copies.
        m, w, data, residual = c[0], c[1], c[2], c[3]
        steps = len(states) - 2
        for k in range(steps):
            new = states[k + 2, 0]
            step(states[k + 1, 0], states[k, 0], new, m)
            new[SOURCE_ROW, centre] += w[k]
            for r in range(count):
                residual[k, r] = new[SOURCE_ROW, first + apart * r] - data[k, r]
        for i in range(steps):
            k = steps - 1 - i
            reverse(k, states[k + 1], lam[i % 2], lam[(i + 1) % 2], c)
        return finish(states[0], lam[0], c)

    inner = c_cell[2:-2, 2:-2]
    m = (inner * DT / H) ** 2
    residual = np.zeros_like(problem.data)
    grad = np.zeros((n - 4, n - 4))
    cotangents = np.zeros((2, n, n))

    def begin() -> None:
        grad[:] = 0.0
        cotangents[:] = 0.0

    def result(cotangent: Any) -> Any:
        full = np.zeros((n, n))
        full[2:-2, 2:-2] = grad * (2 * inner * (DT / H) ** 2 if plain else 2 / inner)
        return full.ravel()

    return Kernels(
        np.zeros((2, n, n)),
        np.zeros((2, n, n)),
        cotangents,
        (m, problem.inputs, problem.data, residual, grad, np.zeros((n, n))),
        begin,
        advance,
        finish,
        reverse,
        result,
        sweep,
        np.zeros((1, n, n)),
    )

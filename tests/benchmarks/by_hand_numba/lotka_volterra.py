"""P1 by hand in Numba: two numbers in registers."""

from typing import Any

import numpy as np

from tests.benchmarks.by_hand_numba.loop import Kernels, compiled, contracted
from tests.benchmarks.problems.lotka_volterra import DT, TARGET
from tests.benchmarks.problems.problem import Problem

__all__ = ["make"]

H2, H6, H3 = DT / 2, DT / 6, DT / 3
X_END, Y_END = TARGET


@compiled
def step(p, q, a, b, e, d):  # type: ignore[no-untyped-def]
    f1, g1 = a * p - b * p * q, -e * q + d * p * q
    u, v = p + H2 * f1, q + H2 * g1
    f2, g2 = a * u - b * u * v, -e * v + d * u * v
    u, v = p + H2 * f2, q + H2 * g2
    f3, g3 = a * u - b * u * v, -e * v + d * u * v
    u, v = p + DT * f3, q + DT * g3
    f4, g4 = a * u - b * u * v, -e * v + d * u * v
    return p + H6 * (f1 + 2 * f2 + 2 * f3 + f4), q + H6 * (g1 + 2 * g2 + 2 * g3 + g4)


@contracted
def pull(p1, q1, lp, lq, a, b, e, d):  # type: ignore[no-untyped-def]
    """Return the cotangents of the state, and of the four parameters."""
    f, g = a * p1 - b * p1 * q1, -e * q1 + d * p1 * q1
    p2, q2 = p1 + H2 * f, q1 + H2 * g
    f, g = a * p2 - b * p2 * q2, -e * q2 + d * p2 * q2
    p3, q3 = p1 + H2 * f, q1 + H2 * g
    f, g = a * p3 - b * p3 * q3, -e * q3 + d * p3 * q3
    p4, q4 = p1 + DT * f, q1 + DT * g
    # Cotangents of the four rates, the last first, and of the four stages.
    f4, g4 = H6 * lp, H6 * lq
    t = d * g4 - b * f4
    u4, v4 = a * f4 + t * q4, t * p4 - e * g4
    f3, g3 = H3 * lp + DT * u4, H3 * lq + DT * v4
    t = d * g3 - b * f3
    u3, v3 = a * f3 + t * q3, t * p3 - e * g3
    f2, g2 = H3 * lp + H2 * u3, H3 * lq + H2 * v3
    t = d * g2 - b * f2
    u2, v2 = a * f2 + t * q2, t * p2 - e * g2
    f1, g1 = H6 * lp + H2 * u2, H6 * lq + H2 * v2
    t = d * g1 - b * f1
    u1, v1 = a * f1 + t * q1, t * p1 - e * g1
    r1, r2, r3, r4 = p1 * q1, p2 * q2, p3 * q3, p4 * q4
    return (
        lp + u1 + u2 + u3 + u4,
        lq + v1 + v2 + v3 + v4,
        f1 * p1 + f2 * p2 + f3 * p3 + f4 * p4,
        f1 * r1 + f2 * r2 + f3 * r3 + f4 * r4,
        g1 * q1 + g2 * q2 + g3 * q3 + g4 * q4,
        g1 * r1 + g2 * r2 + g3 * r3 + g4 * r4,
    )


@compiled
def advance(k, m, x, out, scratch, c):  # type: ignore[no-untyped-def]
    p, q = x[0], x[1]
    a, b, e, d = c[0][0], c[0][1], c[0][2], c[0][3]
    for _ in range(m):
        p, q = step(p, q, a, b, e, d)
    out[0], out[1] = p, q


@compiled
def finish(x, lam, c):  # type: ignore[no-untyped-def]
    lam[0], lam[1] = x[0] - X_END, x[1] - Y_END
    return 0.5 * (lam[0] ** 2 + lam[1] ** 2)


@compiled
def reverse(k, x, lam, new, c):  # type: ignore[no-untyped-def]
    grad = c[1]
    new[0], new[1], fa, fb, fe, fd = pull(
        x[0], x[1], lam[0], lam[1], c[0][0], c[0][1], c[0][2], c[0][3]
    )
    grad[0] += fa
    grad[1] -= fb
    grad[2] -= fe
    grad[3] += fd


@compiled
def sweep(states, lam, c):  # type: ignore[no-untyped-def]
    # Cotangents and sums stay in registers: twice as fast as one call a step.
    n = len(states) - 2
    a, b, e, d = c[0][0], c[0][1], c[0][2], c[0][3]
    p, q = states[1, 0], states[1, 1]
    for k in range(n):
        p, q = step(p, q, a, b, e, d)
        states[k + 2, 0], states[k + 2, 1] = p, q
    lp, lq = p - X_END, q - Y_END
    value = 0.5 * (lp**2 + lq**2)
    ga = gb = ge = gd = 0.0
    for i in range(n):
        lp, lq, fa, fb, fe, fd = pull(states[n - i, 0], states[n - i, 1], lp, lq, a, b, e, d)
        ga += fa
        gb -= fb
        ge -= fe
        gd += fd
    c[1][0], c[1][1], c[1][2], c[1][3] = ga, gb, ge, gd
    lam[n % 2, 0], lam[n % 2, 1] = lp, lq
    return value


def make(problem: Problem) -> Kernels:
    grad = np.zeros(4)

    def begin() -> None:
        grad[:] = 0.0

    def result(cotangent: Any) -> Any:
        return np.concatenate([grad, cotangent])

    return Kernels(
        problem.state,
        np.zeros((2, 2)),
        np.zeros((2, 2)),
        (problem.params, grad),
        begin,
        advance,
        finish,
        reverse,
        result,
        sweep,
        problem.state,
    )

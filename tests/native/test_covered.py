"""What docs/native.md lists as compiled leaves nothing to NumPy, forward and in reverse."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import revolve_ad as ra
from revolve_ad.native import explain

N = 24
RNG = np.random.default_rng(0)
V, W, X = RNG.random(N), RNG.random(4), RNG.random((N, 6))
SOME, MANY, KEPT = RNG.permutation(N)[:10], RNG.integers(0, N, N), RNG.random(N) > 0.5
M = RNG.normal(size=(4, 4)) * 0.1 + np.eye(4)


def in_place(u, p, k):
    u[1:] += 0.1 * u[:-1] * p
    u[::2] *= 0.9
    u[::-3] -= 0.01
    u[2:8][::2] += u[10:13]
    return u


def masked(u, p, k):
    u = u.copy()
    u[u > 0.5] *= 0.9 * p
    u[KEPT] += 0.1
    return np.where(u > 0, u, p * u)


def scattered(u, p, k):
    u = u.copy()
    u[SOME] = u[SOME] * p + 0.1
    np.add.at(u, MANY, 0.01 * u)
    return u


def thomas(u, p, k):
    c, d = np.zeros_like(u), np.zeros_like(u)
    c[0], d[0] = -0.2 / 1.7, u[0] * p / 1.7
    for i in range(1, N):
        m = 1.7 + 0.3 * c[i - 1]
        c[i], d[i] = -0.2 / m, (u[i] + 0.3 * d[i - 1]) / m
    x = np.zeros_like(u)
    x[-1] = d[-1]
    for i in range(N - 2, -1, -1):
        x[i] = d[i] - c[i] * x[i + 1]
    return x


def gauss_seidel(u, p, k):
    for i in range(1, N - 1):
        for j in range(1, 5):
            u[i, j] = 0.25 * p * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    return u


def runge_kutta(u, p, k):
    def f(u):
        return -p * u**2 + np.sin(u)

    k1 = f(u)
    k2 = f(u + 0.05 * k1)
    k3 = f(u + 0.05 * k2)
    return u + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + f(u + 0.1 * k3))


def inner_iterations(u, p, k):
    for _ in range(40):
        v = u.copy()
        v[1:-1] = 0.5 * (u[2:] + u[:-2]) * p
        u = v
    return u


def lorenz(u, p, k):
    x, y, z = u
    return np.array([x + p * (y - x), y + p * (x * (28 - z) - y), z + p * (x * y - z)])


COVERED = {
    "elementwise": (lambda u, p, k: np.sin(u) * p + np.arctan2(u, p) + np.abs(u) ** 1.5, V),
    "single precision": (lambda u, p, k: np.sin(u) * np.float32(0.3) + np.tanh(u), V.astype("f4")),
    "complex": (lambda u, p, k: u * np.exp(0.1j * p) + 0.01 * np.conj(u) * u, V + 0.2j),
    "integers and booleans": (
        lambda u, p, k: (u[0] + p * (u[1] % 3), u[1] + (u[0] > 0.5)),
        (V, np.arange(N)),
    ),
    "slices of any step, in place": (in_place, V),
    "pad": (lambda u, p, k: p * (np.pad(u, 1, "wrap")[2:] + np.pad(u, (0, 2), "edge")[2:]), V),
    "roll": (lambda u, p, k: u + p * (np.roll(u, 1, 0) + np.roll(u, -1, 1) - 2 * u), X),
    "concatenate": (lambda u, p, k: p * np.concatenate([u[1:], u[:1]]) + np.stack([u, u])[0], V),
    "reductions": (
        lambda u, p, k: u * p + np.sum(u, 0) + np.mean(u, 1, keepdims=True) + np.var(u),
        X,
    ),
    "extremes": (lambda u, p, k: u * p - np.min(u, 0) + np.max(u, 1, keepdims=True), X),
    "broadcasting": (lambda u, p, k: u * p + u[:, :1] * u[0], X),
    "gathers": (lambda u, p, k: u * p + 0.1 * np.sum(u[SOME]) + 0.1 * u[MANY], V),
    "scatters": (scattered, V),
    "masks": (masked, V),
    "matrix times vector": (lambda u, p, k: M @ u * p, W),
    "products of matrices": (lambda u, p, k: M @ u @ M.T * p, M),
    "solve": (lambda u, p, k: np.linalg.solve(M + p * np.eye(4), u), W),
    "einsum": (lambda u, p, k: np.einsum("ij,j->i", M, u) * p, W),
    "cumsum": (lambda u, p, k: 0.1 * p * np.cumsum(u) + 0.1 * np.cumprod(u), V),
    "tridiagonal sweeps in Python": (thomas, V),
    "Gauss-Seidel in Python": (gauss_seidel, X),
    "Runge-Kutta stages": (runge_kutta, V),
    "inner iterations": (inner_iterations, V),
    "an ODE in single numbers": (lorenz, np.array([1.0, 2.0, 3.0])),
    "a state of numbers": (lambda u, p, k: (u[0] + 0.1 * p * u[1], u[1] - u[0]), (1.0, 2.0)),
    "a slope limiter": (
        lambda u, p, k: u - p * np.diff(np.maximum(0, np.minimum(u, np.roll(u, 1))), prepend=0.0),
        V,
    ),
    "a[k]": (lambda u, p, k: u * p + 0.1 * u[k], V),
    "reshape, transpose, flip": (lambda u, p, k: p * u.reshape(6, N).T + u[::-1] + np.triu(u), X),
}


@ra.primitive
def squashed(x):
    return np.tanh(x)


@squashed.vjp
def _(g, y, x):
    return (g * (1 - y * y),)


SPARSE = scipy.sparse.diags_array([1.0, 0.1], offsets=[0, 1], shape=(N, N), format="csr")
FACTORS = scipy.linalg.lu_factor(2 * M)
CALLED = {
    "rfft": (lambda u, p, k: np.fft.irfft(np.fft.rfft(u) * np.exp(-p * np.arange(13))), V),
    "lu_solve": (lambda u, p, k: scipy.linalg.lu_solve(FACTORS, u) * p, W),
    "sparse_matmul": (lambda u, p, k: SPARSE @ u * p, V),
    "squashed": (lambda u, p, k: squashed(u) * p + u, V),
}


def numpy_lines(found):
    return [line for line in found.loops.splitlines() if line.strip().startswith("NumPy")]


@pytest.mark.parametrize("name", COVERED)
def test_all_of_it_is_compiled(name):
    step, state = COVERED[name]
    found = explain(step, state, 0.7)
    assert found.refusal == ""
    assert numpy_lines(found) == []
    assert "def " in found.source


@pytest.mark.parametrize("name", CALLED)
def test_calls_between_the_loops_are_the_only_ones(name):
    step, state = CALLED[name]
    found = explain(step, state, 0.7)
    assert found.refusal == ""
    lines = numpy_lines(found)
    assert any(line.endswith(f" {name}") for line in lines)
    assert found.source.count("for ") > 0

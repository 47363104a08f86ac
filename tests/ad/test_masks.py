"""What a traced mask takes stays an array of static shape until somebody asks for its length."""

import numpy as np
import pytest

import revolve_ad as ra

X = np.array([0.3, -1.2, 2.5, 0.7, 1.1, -0.4])
OTHERS = [X[::-1].copy(), np.array([1.0, 2.0, -1.0, -0.1, 0.2, 0.7]), -X, np.abs(X) - 0.35]
WEIGHTS = np.arange(1.0, 7.0)
TABLE = np.linspace(0.5, 2.0, 6)


def scaled(x):
    u, m = x.copy(), x > 0.5
    u[m] *= 2
    u[~m] += u[~m] ** 2
    u[m] = -u[m] / 3
    return u @ WEIGHTS


def the_same_question_asked_twice(x):
    u = x.copy()
    u[u > 0.5] = np.sin(u[u > 0.5]) + x[u > 0.5] * 3
    u[(u > 0) & (u < 1)] = 1 / (1 + u[(u > 0) & (u < 1)])
    return u @ WEIGHTS


def from_another_array(x):
    u, a, m = x.copy(), x[::-1] * 2, x > 0
    u[m] += a[m]
    u[m] -= TABLE[m] * np.arange(6.0)[m]
    return np.sum(u**3)


def with_traced_numbers(x):
    y, m = np.zeros(6), x > 0
    w = x[m]
    w *= x[2] * x[2]
    w += 1
    y[m] = np.log(w)
    y[~m] = np.sqrt(x[4] ** 2 - x[~m])
    return y @ WEIGHTS


def by_positions(x):
    i = np.where(x > 0)
    j = np.nonzero(x < 0)
    y = np.zeros(6)
    y[i] = np.log(x[i]) * i[0]
    y[j] -= x[j] ** 2
    return y @ WEIGHTS


def in_two_dimensions(x):
    z = x.reshape(2, 3) * 1.0
    z[z > 0.5] = z[z > 0.5] ** 1.7
    z[z < 0] = np.exp(z[z < 0])
    rows = z[:, 1] > 1
    z[rows] *= 2
    return np.sum(z * WEIGHTS.reshape(2, 3))


def through_views(x):
    u = x.copy()
    f = u.reshape(2, 3)[:, ::2]
    f[f > 0] *= -3
    f[f < -1] = x[0]
    return u @ WEIGHTS


def reductions(x):
    m = x > 0
    found = x[m].sum() * x[~m].mean() + x[m].max() * np.min(x[m])
    return found + np.prod(x[m]) + x[m].std() + np.var(x[m]) * np.any(x[m] > 1) + np.sum(x[m] ** 2)


def choices(x):
    m = x > 0
    u = x.copy()
    u[m] = np.where(x[m] > 1, x[m] ** 2, np.clip(u[m], 0.5, 2.0))
    u[m] /= np.maximum(u[m], 1.0)
    return np.sum(u**2)


def complex_numbers(x):
    z = x * (1 + 1j)
    m = z.real > 0
    z[m] *= 1j
    z[m] = np.conj(z[m]) * x[m]
    return np.sum(np.abs(z) ** 2 * WEIGHTS)


def written_by_functions(x):
    u = x.copy()
    np.putmask(u, u > 0, u * 2)
    np.copyto(u, u * 3, where=u < 0)
    return np.sum(u * u)


def pieces(x):
    found = np.piecewise(x, [x < -1, x > 1], [lambda t: t**2, np.exp, lambda t: -t * t])
    return found @ WEIGHTS + np.piecewise(x[0], [x[0] > 0], [lambda t: t**2, 1.0])


def counted(x):
    return np.sum(x) / np.count_nonzero(np.abs(x) > 0.5)


STATIC = [
    scaled,
    the_same_question_asked_twice,
    from_another_array,
    with_traced_numbers,
    by_positions,
    in_two_dimensions,
    through_views,
    reductions,
    choices,
    complex_numbers,
    written_by_functions,
    pieces,
    counted,
]


def assert_derivatives(f, x):
    value, gradient = ra.value_and_grad(f)(x)
    assert value == f(x.copy())
    h = 1e-6 * np.eye(x.size)
    slopes = [(f(x + e) - f(x - e)) / 2e-6 for e in h]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
    v = np.linspace(-1.0, 1.0, x.size)
    along = (ra.grad(f)(x + 1e-6 * v) - ra.grad(f)(x - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(ra.hvp(f, x, v), along, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("f", STATIC, ids=lambda f: f.__name__)
def test_a_masked_update_keeps_the_tape_and_its_bits_at_other_values(f):
    tape = ra.record(f, X)
    assert tape.depends_on_values is None
    for other in OTHERS:
        np.testing.assert_array_equal(tape(other), f(other.copy()))
    assert_derivatives(f, X)


def length(x):
    taken = x[x > 0]
    return taken.sum() / taken.size


def elements(x):
    w = x[x > 0]
    return w[0] * w[-1] + w @ w


def reversed_elements(x):
    u = x.copy()
    u[u > 0] = u[u > 0][::-1]
    return u @ WEIGHTS


def another_mask(x):
    u = x.copy()
    u[x > 0] = x[x < 2][:4]
    return u @ WEIGHTS


def appended(x):
    w = np.concatenate([x[x > 0], x[:1]])
    return np.sum(w * np.arange(1.0, 1 + len(w)))


def looped(x):
    total = 0.0
    for k, value in enumerate(x[x > 0]):
        total = total + k * value**2
    return total


def shaped_like(x):
    w = x[x > 0]
    return np.sum(w * np.full_like(w, 2.0)) + np.sum(np.zeros(np.shape(w)) + 1) * x[0]


@pytest.mark.parametrize(
    "f",
    [length, elements, reversed_elements, another_mask, appended, looped, shaped_like],
    ids=lambda f: f.__name__,
)
def test_what_needs_the_length_marks_the_tape_with_its_line(f):
    note = ra.record(f, X).depends_on_values
    assert "mask" in note
    assert "test_masks.py" in note
    assert f.__name__ in note
    assert_derivatives(f, X)


def test_a_mask_that_depends_on_no_argument_is_an_index_as_any_other():
    def f(x):
        inside, outside = np.arange(6) > 2, TABLE > 1
        x[inside] *= 2
        return np.sum(x[inside][:2] ** 2) * x[outside].size + np.sum(x[np.ones(6, bool)][1:])

    assert ra.record(f, X).depends_on_values is None
    assert_derivatives(f, X)


def test_elements_that_the_mask_leaves_out_spoil_no_derivative_and_raise_no_warning():
    def f(x):
        y, m = np.zeros(6), x > 0
        y[m] = np.log(x[m]) * np.sqrt(x[m] + x[0]) / x[m]
        return np.sum(y) + x[1]

    x = np.array([0.25, 0.0, 2.5, 0.75, 0.0, -1.0])
    gradient = ra.grad(f)(x)
    assert np.all(np.isfinite(gradient))
    assert gradient[1] == 1.0
    assert gradient[4] == gradient[5] == 0.0


def test_bits_do_not_depend_on_where_an_element_stands():
    # What the masked forms rest on: a ufunc computes an element alike in any array in one piece.
    rng = np.random.default_rng(5)
    x = rng.uniform(0.01, 0.99, 997)
    mask = rng.random(997) < 0.6
    for dtype in (float, np.float32, complex):
        u = x.astype(dtype)
        for f in (np.sin, np.cos, np.exp, np.log, np.tanh, np.sqrt, np.sinh, np.expm1, np.arctan):
            np.testing.assert_array_equal(f(u)[mask], f(u[mask]))
        np.testing.assert_array_equal((u**u)[mask], u[mask] ** u[mask])
        np.testing.assert_array_equal((u**1.7)[mask], u[mask] ** 1.7)


def test_a_simulation_with_masked_updates_keeps_its_tape():
    def step(u, p, k):
        new = u + 0.1 * p * np.roll(u, 1)
        new[new > 1] = 1 + np.tanh(new[new > 1] - 1)
        new[new < 0] *= 0.5
        return new

    sim = ra.Simulation(step, steps=9)
    f = lambda p: np.sum(sim(X, p).state ** 2)  # noqa: E731
    state = X
    for k in range(9):
        state = step(state, 0.7, k)
    value, gradient = ra.value_and_grad(f)(0.7)
    assert value == np.sum(state**2)
    assert gradient == pytest.approx((f(0.7 + 1e-6) - f(0.7 - 1e-6)) / 2e-6, rel=1e-7)
    assert ra.record(step, X, 0.7, 0).depends_on_values is None

"""The user's own operations, cuts and hidden params: in every mode, nested, in simulations."""

import math

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import ShapeError, StructureError, UnsupportedOperationError

X = np.array([0.31, -1.2, 0.6, 0.7])
V = np.array([0.5, -0.3, 0.8, 1.1])
W = np.array([-0.2, 0.9, 0.4, -0.6])


@ra.primitive
def wave(x, a):
    """``a sin(x)``, computed where NumPy can't be seen."""
    return a * np.array([math.sin(t) for t in x])


@wave.vjp
def _(g, y, x, a):
    return g * a * np.cos(x), np.sum(g * np.sin(x))


@wave.jvp
def _(tangents, y, x, a):
    dx, da = tangents
    return a * np.cos(x) * dx + da * np.sin(x)


def plain_wave(x, a):
    return a * np.sin(x)


@ra.primitive
def halves(state):
    """Two results of a structure, one of them an integer's business."""
    u, n = state["u"], state["n"]
    return {"square": n * u**2, "sum": math.fsum(u)}


@halves.vjp
def _(g, y, state):
    return ({"u": g["square"] * 2 * state["n"] * state["u"] + g["sum"], "n": 0.0},)


@halves.jvp
def _(tangents, y, state):
    (d,) = tangents
    return {"square": 2 * state["n"] * state["u"] * d["u"], "sum": np.sum(d["u"])}


def objective(op):
    def f(x):
        y = op(x * x, x[0] + 2.0)
        y[1:] *= x[:-1]
        return np.sum(y * y) + op(y, 1.0)[2]

    return f


def pair(x):
    found = halves({"u": x * x, "n": 3})
    return np.sum(found["square"] * x) * found["sum"]


def plain_pair(x):
    return np.sum(3 * x**4 * x) * np.sum(x * x)


CASES = {
    "one result": (objective(wave), objective(plain_wave)),
    "results in a structure": (pair, plain_pair),
    "one of two results": (
        lambda x: halves({"u": x, "n": 2})["sum"] ** 2,
        lambda x: np.sum(x) ** 2,
    ),
    "in another's argument": (
        lambda x: np.sum(wave(wave(x, x[1]), x[2])),
        lambda x: np.sum(plain_wave(plain_wave(x, x[1]), x[2])),
    ),
    "custom_vjp": (
        lambda x: np.sum(clipped(x * x) * x),
        lambda x: np.sum(np.tanh(x * x) * x),
    ),
    "beside a cut": (
        lambda x: np.sum(wave(ra.stop_gradient(x), 2.0) * x) + np.sum(x**3),
        lambda x: np.sum(plain_wave(X, 2.0) * x) + np.sum(x**3),
    ),
}


def by_tanh(g, y, x):
    return (g * (1 - y * y),)


clipped = ra.custom_vjp(lambda x: np.tanh(x), by_tanh)


@pytest.mark.parametrize("name", CASES)
def test_an_operation_of_ones_own_differentiates_as_plain_numpy_in_all_modes(name):
    f, plain = CASES[name]
    value, gradient = ra.value_and_grad(f)(X)
    assert value == pytest.approx(plain(X), rel=1e-15)
    np.testing.assert_allclose(gradient, ra.grad(plain)(X), rtol=1e-13)
    np.testing.assert_allclose(
        ra.jvp(f, (X,), (V,))[1], ra.jvp(plain, (X,), (V,))[1], rtol=1e-12, atol=1e-14
    )
    if name != "beside a cut":  # the plain one stands still where the cut moves
        np.testing.assert_allclose(ra.hvp(f, X, V), ra.hvp(plain, X, V), rtol=1e-12, atol=1e-13)
        assert ra.hvp(f, X, V) @ W == pytest.approx(ra.hvp(f, X, W) @ V, rel=1e-11)
    np.testing.assert_array_equal(ra.grad(f)(X), gradient)


def test_gradients_at_a_at_b_and_at_a_again_are_the_same_at_a():
    for f, _ in CASES.values():
        first, other, again = (ra.grad(f)(x) for x in (X, X + 1, X))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def simulation(op, schedule=None, **kwargs):
    def step(u, p, k):
        new = u.copy()
        new[1:] = op(u, p)[1:] + 0.1 * u[:-1]
        new[0] = np.sum(op(u[:2], 0.3)) + ra.stop_gradient(u[3]) * u[0]
        return new

    schedule = ra.schedule.binomial(7, 2) if schedule is None else schedule
    return ra.Simulation(step, steps=7, schedule=schedule, **kwargs)


def test_in_a_simulation_they_do_as_plain_numpy_does():
    def f(op, schedule=None):
        sim = simulation(op, schedule)
        return lambda z: np.sum(sim(z[:4], z[4]).state ** 2)

    z, v = np.r_[X, 1.1], np.r_[V, 0.7]
    ours, plain = f(wave), f(plain_wave)
    np.testing.assert_allclose(ra.grad(ours)(z), ra.grad(plain)(z), rtol=1e-12)
    np.testing.assert_array_equal(ra.grad(ours)(z), ra.grad(f(wave, ra.schedule.store_all(7)))(z))
    np.testing.assert_allclose(
        ra.jvp(ours, (z,), (v,))[1], ra.jvp(plain, (z,), (v,))[1], rtol=1e-12
    )
    np.testing.assert_allclose(ra.hvp(ours, z, v), ra.hvp(plain, z, v), rtol=1e-11)


def test_a_primitive_may_call_primitives_and_gradients_inside():
    @ra.primitive
    def steepest(x, rate):
        return x - rate * ra.grad(lambda y: np.sum(wave(y, 2.0)))(x)

    @steepest.vjp
    def _(g, y, x, rate):
        return g + rate * 2.0 * np.sin(x) * g, -np.sum(g * 2.0 * np.cos(x))

    found = ra.grad(lambda x: np.sum(steepest(x, x[0]) ** 2))(X)
    expected = ra.grad(lambda x: np.sum((x - x[0] * 2.0 * np.cos(x)) ** 2))(X)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def with_vjp(vjp):
    op = ra.primitive(lambda x, s: x * s["a"])
    op.vjp(vjp)
    return lambda x: np.sum(op(x, {"a": x[0]}))


@pytest.mark.parametrize(
    ("vjp", "error", "words"),
    [
        (lambda g, y, x, s: g, ShapeError, "must return a tuple"),
        (lambda g, y, x, s: (g,), ShapeError, "each of the 2 arguments"),
        (lambda g, y, x, s: (g[:2], None), ShapeError, r"shape \(2,\) for argument 0"),
        (lambda g, y, x, s: (g, {"b": 1.0}), StructureError, "cotangent 1"),
        (lambda g, y, x, s: (None, {"a": g}), ShapeError, "for argument 1"),
    ],
)
def test_a_derivative_of_another_shape_is_refused_by_name(vjp, error, words):
    with pytest.raises(error, match=words):
        ra.grad(with_vjp(vjp))(X)


def test_none_stands_for_a_zero_cotangent():
    f = with_vjp(lambda g, y, x, s: (g * s["a"], None))
    np.testing.assert_allclose(ra.grad(f)(X), np.full(4, X[0]))


def test_a_tangent_of_another_shape_is_refused():
    op = ra.primitive(lambda x: x * 2.0)
    op.jvp(lambda tangents, y, x: tangents[0][:2])
    with pytest.raises(ShapeError, match="shape"):
        ra.jvp(lambda x: op(x) * 1.0, (X,), (V,))


def test_a_mode_without_its_derivative_says_how_to_give_it():
    op = ra.primitive(lambda x: x * 2.0)
    with pytest.raises(UnsupportedOperationError, match=r"vjp"):
        ra.grad(lambda x: np.sum(op(x)))(X)
    op.vjp(lambda g, y, x: (2.0 * g,))
    np.testing.assert_array_equal(ra.grad(lambda x: np.sum(op(x)))(X), np.full(4, 2.0))
    with pytest.raises(UnsupportedOperationError, match=r"jvp"):
        ra.hvp(lambda x: np.sum(op(x) ** 2), X, V)


def test_a_primitive_that_writes_into_its_argument_is_refused():
    @ra.primitive
    def writes(x):
        x[0] = 1.0
        return x * 1.0

    writes.vjp(lambda g, y, x: (g,))
    with pytest.raises(ValueError, match="read-only"):
        ra.grad(lambda x: np.sum(writes(x)))(X)


def test_a_cut_is_one_in_every_mode_and_structure():
    def f(x):
        cut = ra.stop_gradient({"u": x[1:] * 2, "n": (x[0], 3)})
        return np.sum(cut["u"] * x[:-1]) + cut["n"][0] * x[3]

    expected = np.r_[2 * X[1:], X[0]]
    np.testing.assert_allclose(ra.grad(f)(X), expected)
    assert ra.jvp(f, (X,), (V,))[1] == pytest.approx(expected @ V)
    assert not ra.hvp(f, X, V).any()
    u = np.ones(3)
    assert ra.stop_gradient(u) is u


def hidden_in(where):
    """Return a function of x whose simulation meets x in its step, its observation, or both."""

    def f(x):
        def step(u, p, k):
            return u + 0.1 * np.sin(u) * (x[1:] if where != "observe" else 1.0) + 0.01 * p

        def observe(u, p, k):
            return u * u * (x[0] if where != "step" else 1.0)

        sim = ra.Simulation(
            step,
            steps=6,
            observe=observe,
            observe_at=(0, 3, 6),
            schedule=ra.schedule.binomial(6, 2),
        )
        run = sim(x[:3] * 2, x[3])
        return np.sum(run.observed) + np.sum(run.state * x[0])

    return f


def by_a_loop(where):
    def f(x):
        u, total = x[:3] * 2, 0.0
        for k in range(7):
            if k in (0, 3, 6):
                total = total + np.sum(u * u * (x[0] if where != "step" else 1.0))
            if k < 6:
                u = u + 0.1 * np.sin(u) * (x[1:] if where != "observe" else 1.0) + 0.01 * x[3]
        return total + np.sum(u * x[0])

    return f


@pytest.mark.parametrize("where", ["step", "observe", "both"])
def test_traced_values_from_outside_of_a_simulation_are_hidden_params_in_all_modes(where):
    f, plain = hidden_in(where), by_a_loop(where)
    first = ra.grad(f)(X)
    np.testing.assert_allclose(first, ra.grad(plain)(X), rtol=1e-12)
    assert ra.jvp(f, (X,), (V,))[1] == pytest.approx(ra.jvp(plain, (X,), (V,))[1], rel=1e-12)
    np.testing.assert_allclose(ra.hvp(f, X, V), ra.hvp(plain, X, V), rtol=1e-11, atol=1e-13)
    assert not np.array_equal(ra.grad(f)(X + 0.1), first)
    np.testing.assert_array_equal(ra.grad(f)(X), first)


def test_a_hidden_param_from_two_recordings_out_is_found():
    def outer(a):
        def middle(b):
            def step(u, p, k):
                return u * (1 + 0.1 * a[0] * b[1])

            sim = ra.Simulation(step, steps=3, schedule=ra.schedule.binomial(3, 1))
            return np.sum(sim(b).state * a)

        return ra.jvp(middle, (a * 2.0,), (V,))[1]

    def plain(a):
        def middle(b):
            return np.sum(b * (1 + 0.1 * a[0] * b[1]) ** 3 * a)

        return ra.jvp(middle, (a * 2.0,), (V,))[1]

    assert outer(X) == pytest.approx(plain(X), rel=1e-12)
    np.testing.assert_allclose(ra.grad(outer)(X), ra.grad(plain)(X), rtol=1e-10)

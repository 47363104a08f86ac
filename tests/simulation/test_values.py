"""States, params and inputs of every kind, observations, and what a run returns."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import trees
from revolve_ad.schedule import binomial
from tests.simulation.systems import PARAMS, START, rk4


def loop(step: Any, state: Any, params: Any, n: int, inputs: Any = None) -> list[Any]:
    """Return the states of a plain Python loop."""
    states = [state]
    for k in range(n):
        row = () if inputs is None else (inputs[k],)
        states.append(step(states[-1], params, k, *row))
    return states


def test_a_run_is_the_python_loop() -> None:
    run = ra.Simulation(rk4, steps=20)(START, PARAMS)
    np.testing.assert_array_equal(run.state, loop(rk4, START, PARAMS, 20)[-1])
    assert run.observed is None
    assert run.steps == 20
    assert run.report.advanced == 20


def test_zero_steps_return_the_first_state_and_its_cotangent() -> None:
    simulation = ra.Simulation(rk4, steps=0, observe=lambda y, p, k: y * p[0])
    run = simulation(START, PARAMS)
    np.testing.assert_array_equal(run.state, START)
    np.testing.assert_array_equal(run.observed, [START * PARAMS[0]])
    assert not np.shares_memory(run.state, START)

    def objective(y: Any, p: Any) -> Any:
        run = simulation(y, p)
        return np.sum(3 * run.state) + np.sum(run.observed)

    dy, dp = ra.grad(objective, argnums=(0, 1))(START, PARAMS)
    np.testing.assert_array_equal(dy, 3 + PARAMS[0] * np.ones(2))
    np.testing.assert_allclose(dp, [START.sum(), 0, 0, 0])


@pytest.mark.parametrize("at", [None, [0], [12], [0, 12], [3, 4, 9], range(1, 13, 4), []])
@pytest.mark.parametrize("s", [1, 3, 12, None])
def test_observations_and_their_gradient_are_those_of_the_loop(at: Any, s: Any) -> None:
    def observe(y: Any, p: Any, k: Any) -> Any:
        return {"product": y[0] * y[1] * p[2], "all": y * (k + 1.0)}

    schedule = None if s is None else lambda n: binomial(n, s)
    simulation = ra.Simulation(rk4, steps=12, observe=observe, observe_at=at, schedule=schedule)
    seen = range(13) if at is None else at

    def objective(y: Any, p: Any) -> Any:
        run = simulation(y, p)
        total = np.sum(run.state**2)
        if seen:
            total = total + np.sum(run.observed["product"] ** 2) + np.sum(run.observed["all"] ** 3)
        return total

    def plain(y: Any, p: Any) -> Any:
        states = loop(rk4, y, p, 12)
        total = np.sum(states[-1] ** 2)
        for k in seen:
            row = observe(states[k], p, k)
            total = total + row["product"] ** 2 + np.sum(row["all"] ** 3)
        return total

    value, (dy, dp) = ra.value_and_grad(objective, argnums=(0, 1))(START, PARAMS)
    expected, (ey, ep) = ra.value_and_grad(plain, argnums=(0, 1))(START, PARAMS)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(dy, ey, rtol=1e-11)
    np.testing.assert_allclose(dp, ep, rtol=1e-11)


def test_inputs_have_a_gradient_of_their_shape() -> None:
    def step(y: Any, p: Any, k: Any, force: Any) -> Any:
        return rk4(y, p, k) + 0.01 * force["f"] * y[0] + force["dt"]

    rng = np.random.default_rng(0)
    inputs = {"f": rng.standard_normal((9, 2)), "dt": rng.standard_normal(9) * 0.01}
    rows = [{"f": inputs["f"][k], "dt": inputs["dt"][k]} for k in range(9)]
    simulation = ra.Simulation(step, steps=9, memory=2000)

    def plain(q: Any) -> Any:
        rows = [{"f": q["f"][k], "dt": q["dt"][k]} for k in range(9)]
        return np.sum(loop(step, START, PARAMS, 9, rows)[-1] ** 2)

    found = ra.grad(lambda q: np.sum(simulation(START, PARAMS, q).state ** 2))(inputs)
    expected = ra.grad(plain)(inputs)
    for name in inputs:
        assert found[name].shape == inputs[name].shape
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11)
    np.testing.assert_array_equal(
        simulation(START, PARAMS, inputs).state, loop(step, START, PARAMS, 9, rows)[-1]
    )


def test_inputs_must_have_a_row_for_each_step() -> None:
    simulation = ra.Simulation(lambda y, p, k, f: y + f, steps=9)
    with pytest.raises(ra.RevolveError, match=r"inputs has shape \(8,\).*9 rows"):
        simulation(START, None, np.zeros(8))
    with pytest.raises(ra.RevolveError, match=r"inputs\['a'\] is a number"):
        simulation(START, None, {"a": 3.0})


class Pair(NamedTuple):
    u: Any
    v: Any


@dataclasses.dataclass
class Fluid:
    density: Any
    velocity: Any
    name: str = dataclasses.field(default="air", metadata={"static": True})


def _kinds() -> dict[str, tuple[Any, Any]]:
    u, v = np.array([1.0, 0.5, 0.2]), np.array([0.3, -0.1, 0.4])

    def advance(u: Any, v: Any, p: Any) -> tuple[Any, Any]:
        return u + 0.1 * np.sin(v) * p, v - 0.2 * u * p

    return {
        "tuple": ((u, v), lambda s, p, k: advance(*s, p)),
        "list": ([u, v], lambda s, p, k: list(advance(*s, p))),
        "dict": (
            {"u": u, "v": v},
            # The keys in another order.
            lambda s, p, k: dict(zip(("v", "u"), advance(s["u"], s["v"], p)[::-1], strict=True)),
        ),
        "named tuple": (Pair(u, v), lambda s, p, k: Pair(*advance(s.u, s.v, p))),
        "dataclass": (
            Fluid(u, v),
            lambda s, p, k: Fluid(*advance(s.density, s.velocity, p)),
        ),
        "nested": (
            {"a": (u, [v])},
            lambda s, p, k: (lambda r: {"a": (r[0], [r[1]])})(advance(s["a"][0], s["a"][1][0], p)),
        ),
        "number": ((0.7, v), lambda s, p, k: (s[0] + 0.1 * s[1][0] * p, s[1] - 0.2 * s[0] * p)),
        "two dimensions": (
            np.arange(6.0).reshape(2, 3) / 7,
            lambda s, p, k: s + 0.1 * p * np.sin(s.T @ s).sum() * np.cos(s),
        ),
        "array of no dimensions": (np.array(0.7), lambda s, p, k: s + 0.1 * p * np.sin(s)),
        "bare number": (0.7, lambda s, p, k: s + 0.1 * p * np.sin(s)),
    }


def _norm(state: Any) -> Any:
    leaves, _ = trees.flatten(state)
    total = 0.0
    for leaf in leaves:
        total = total + np.sum(leaf**2)
    return total


@pytest.mark.parametrize("kind", _kinds())
def test_every_kind_of_state_has_the_gradient_of_the_loop(kind: str) -> None:
    state, step = _kinds()[kind]
    simulation = ra.Simulation(step, steps=8, schedule=lambda n: binomial(n, 2))

    def objective(s: Any, p: Any) -> Any:
        return _norm(simulation(s, p).state)

    def plain(s: Any, p: Any) -> Any:
        return _norm(loop(step, s, p, 8)[-1])

    value, found = ra.value_and_grad(objective, argnums=(0, 1))(state, 0.8)
    expected_value, expected = ra.value_and_grad(plain, argnums=(0, 1))(state, 0.8)
    assert value == pytest.approx(expected_value, rel=1e-13)
    found_leaves, structure = trees.flatten(found)
    expected_leaves, expected_structure = trees.flatten(expected)
    assert structure == expected_structure
    for a, b in zip(found_leaves, expected_leaves, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)
    leaves, structure = trees.flatten(simulation(state, 0.8).state)
    by_loop = trees.flatten_like(structure, loop(step, state, 0.8, 8)[-1])
    for a, b in zip(leaves, by_loop, strict=True):
        np.testing.assert_array_equal(a, b)


def test_numbers_come_back_as_numpy_scalars() -> None:
    run = ra.Simulation(lambda s, p, k: s + p, steps=3)(1.0, 0.5)
    assert type(run.state) is np.float64
    assert run.state == 2.5


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.complex64])
def test_gradients_have_the_dtype_of_what_they_belong_to(dtype: Any) -> None:
    start = np.array([0.3, -0.8], dtype) * (1 if dtype == np.float32 else 1 + 0.5j)
    params = np.array([0.2, 0.4], dtype) * (1 if dtype == np.float32 else 1 - 0.2j)

    def step(z: Any, p: Any, k: Any) -> Any:
        return z + 0.1 * p * z * z

    simulation = ra.Simulation(step, steps=6, schedule=lambda n: binomial(n, 2))

    def objective(z: Any, p: Any) -> Any:
        state = simulation(z, p).state
        return np.sum((state * np.conj(state)).real)

    def plain(z: Any, p: Any) -> Any:
        state = loop(step, z, p, 6)[-1]
        return np.sum((state * np.conj(state)).real)

    found = ra.grad(objective, argnums=(0, 1))(start, params)
    expected = ra.grad(plain, argnums=(0, 1))(start, params)
    tolerance = 1e-5 if np.finfo(dtype).bits == 32 else 1e-12
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance)


def test_python_numbers_do_not_promote_a_float32_state() -> None:
    simulation = ra.Simulation(lambda s, p, k: (s[0] * p + s[1], s[1] + 0.1), steps=3)
    run = simulation((np.ones(2, np.float32), 0.5), 0.7)
    assert run.state[0].dtype == np.float32


def test_integer_leaves_are_carried_and_have_a_gradient_of_float_zeros() -> None:
    def step(s: Any, p: Any, k: Any) -> Any:
        return {"u": s["u"] * p["a"][s["n"] % 2], "n": s["n"] + 1}

    state = {"u": np.array([1.0, 2.0]), "n": np.array(3)}
    params = {"a": np.array([0.9, 1.2])}
    simulation = ra.Simulation(step, steps=4, schedule=lambda n: binomial(n, 2))
    found = ra.grad(lambda s, p: np.sum(simulation(s, p).state["u"]), argnums=(0, 1))(state, params)
    assert simulation(state, params).state["n"] == 7
    assert found[0]["n"].dtype == np.float64
    assert found[0]["n"] == 0
    np.testing.assert_allclose(found[0]["u"], 0.9**2 * 1.2**2)
    np.testing.assert_allclose(found[1]["a"], [2 * 0.9 * 1.2**2 * 3, 2 * 1.2 * 0.9**2 * 3])


def test_empty_structures_have_empty_gradients() -> None:
    simulation = ra.Simulation(lambda s, p, k: 2 * s, steps=3)
    found = ra.grad(lambda s, p: np.sum(simulation(s, p).state), argnums=(0, 1))(START, {"a": ()})
    np.testing.assert_array_equal(found[0], [8, 8])
    assert found[1] == {"a": ()}
    nothing = ra.Simulation(lambda s, p, k: s, steps=3)
    assert nothing(()).state == ()


def test_several_pullbacks_run_forward_again() -> None:
    simulation = ra.Simulation(rk4, steps=10, schedule=lambda n: binomial(n, 3))
    _, pullback = ra.vjp(lambda p: simulation(START, p).state, PARAMS)
    first = pullback(np.array([1.0, 0.0]))[0]
    second = pullback(np.array([0.0, 1.0]))[0]
    again = pullback(np.array([1.0, 0.0]))[0]
    assert first.tobytes() == again.tobytes()
    both = pullback(np.array([1.0, 1.0]))[0]
    np.testing.assert_allclose(first + second, both, rtol=1e-12)


def test_a_vjp_doesnt_see_what_happens_to_params_after_the_run() -> None:
    simulation = ra.Simulation(rk4, steps=10, schedule=lambda n: binomial(n, 3))

    def function(p: Any) -> Any:
        q = 1.0 * p
        state = simulation(START, q).state
        q[:] = 7.0
        return state

    expected = ra.vjp(lambda p: simulation(START, p).state, PARAMS)[1](np.ones(2))[0]
    found = ra.vjp(function, PARAMS)[1](np.ones(2))[0]
    assert found.tobytes() == expected.tobytes()


def test_hvp_is_the_derivative_of_the_gradient() -> None:
    simulation = ra.Simulation(
        rk4,
        steps=15,
        schedule=lambda n: binomial(n, 3),
        observe=lambda y, p, k: y * p[1],
        observe_at=[0, 7, 15],
    )

    def objective(p: Any) -> Any:
        run = simulation(START * p[0], p)
        return np.sum(run.state**3) + np.sum(run.observed**2)

    v = np.array([0.2, -0.4, 0.7, 0.1])
    found = ra.hvp(objective, PARAMS, v)
    h = 1e-6
    gradient = ra.grad(objective)
    expected = (gradient(PARAMS + h * v) - gradient(PARAMS - h * v)) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_jvp_pushes_forward() -> None:
    simulation = ra.Simulation(rk4, steps=15, observe=lambda y, p, k: y[0] * p[1])
    v = np.array([0.2, -0.4, 0.7, 0.1])

    def function(p: Any) -> Any:
        run = simulation(START, p)
        return run.state, run.observed

    _, (ds, do) = ra.jvp(function, (PARAMS,), (v,))
    h = 1e-6
    plus, minus = function(PARAMS + h * v), function(PARAMS - h * v)
    np.testing.assert_allclose(ds, (plus[0] - minus[0]) / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(do, (plus[1] - minus[1]) / (2 * h), rtol=1e-6, atol=1e-9)


def test_reverse_over_reverse_points_to_hvp() -> None:
    simulation = ra.Simulation(rk4, steps=5)
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state ** 2))
    with pytest.raises(ra.RevolveError, match=r"ra\.hvp"):
        ra.grad(lambda p: np.sum(gradient(p)))(PARAMS)


def test_a_traced_value_of_the_function_around_is_a_hidden_param() -> None:
    def objective(c: Any) -> Any:
        doubled = 2 * c

        def step(y: Any, p: Any, k: Any) -> Any:
            return y + 0.01 * doubled * y * p

        def observe(y: Any, p: Any, k: Any) -> Any:
            return y * c[0]

        run = ra.Simulation(step, steps=10, observe=observe, observe_at=[0, 4])(START, 0.5)
        return np.sum(run.state) + np.sum(run.observed**2)

    def plain(c: Any) -> Any:
        y, total = START, 0.0
        for k in range(10):
            if k in (0, 4):
                total = total + np.sum((y * c[0]) ** 2)
            y = y + 0.01 * 2 * c * y * 0.5
        return np.sum(y) + total

    c = np.array([0.7, -0.3])
    np.testing.assert_allclose(ra.grad(objective)(c), ra.grad(plain)(c), rtol=1e-12)
    np.testing.assert_allclose(ra.grad(objective)(2 * c), ra.grad(plain)(2 * c), rtol=1e-12)


def test_a_simulation_met_plain_first_finds_what_is_traced_later() -> None:
    scale = [np.array(1.0)]
    simulation = ra.Simulation(lambda y, p, k: y * (1 + 0.01 * scale[0] * p), steps=5)

    def objective(c: Any, *, capture: bool) -> Any:
        scale[0] = c if capture else np.array(0.7)
        return np.sum(simulation(START, c).state)

    c = np.array(0.7)
    first = ra.grad(lambda c: objective(c, capture=False))(c)
    both = ra.grad(lambda c: objective(c, capture=True))(c)
    np.testing.assert_allclose(both, 2 * first, rtol=1e-12)


@pytest.mark.parametrize("s", [1, 4])
def test_a_simulation_inside_a_step(s: int) -> None:
    def inner(v: Any, p: Any, j: Any) -> Any:
        return v + 0.05 * np.sin(v) * p

    def step(y: Any, p: Any, k: Any) -> Any:
        run = ra.Simulation(inner, steps=4, schedule=lambda n: binomial(n, s))(y, p * y[0])
        return run.state

    def unrolled(y: Any, p: Any, k: Any) -> Any:
        q = p * y[0]
        for j in range(4):
            y = inner(y, q, j)
        return y

    simulation = ra.Simulation(step, steps=6, schedule=lambda n: binomial(n, 2))

    def objective(y: Any, p: Any) -> Any:
        return np.sum(simulation(y, p).state ** 2)

    def plain(y: Any, p: Any) -> Any:
        return np.sum(loop(unrolled, y, p, 6)[-1] ** 2)

    found = ra.grad(objective, argnums=(0, 1))(START, np.array(0.8))
    expected = ra.grad(plain, argnums=(0, 1))(START, np.array(0.8))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_k_is_an_integer_of_the_loop() -> None:
    kinds = []

    @ra.step
    def step(y: Any, p: Any, k: Any) -> Any:
        kinds.append(type(k))
        return y * (1 + k)

    ra.Simulation(step, steps=3)(START)
    assert set(kinds) == {int}
    recorded = ra.Simulation(lambda y, p, k: y * (1 + k) ** p, steps=4)
    value, gradient = ra.value_and_grad(lambda p: np.sum(recorded(START, p).state))(2.0)
    assert value == pytest.approx(START.sum() * 24**2)
    assert gradient == pytest.approx(START.sum() * 24**2 * np.log(24))


def test_a_branch_on_a_value_is_recorded_at_each_step() -> None:
    def step(y: Any, p: Any, k: Any) -> Any:
        if y[0] > 1.1:
            return y * p * 0.8
        return y * y * p + 0.1 * k

    simulation = ra.Simulation(step, steps=10, schedule=lambda n: binomial(n, 3))
    value, gradient = ra.value_and_grad(lambda p: np.sum(simulation(START, p).state))(1.05)
    expected, eg = ra.value_and_grad(lambda p: np.sum(loop(step, START, p, 10)[-1]))(1.05)
    assert value == pytest.approx(expected, rel=1e-13)
    assert gradient == pytest.approx(eg, rel=1e-12)
    assert "test_values.py" in str(simulation.plan(START, 1.05))


def test_indexing_a_plain_array_by_k_is_right_and_the_plan_names_the_line() -> None:
    force = np.random.default_rng(1).standard_normal((10, 2))

    def step(y: Any, p: Any, k: Any) -> Any:
        return y + 0.1 * p * force[k] * y

    simulation = ra.Simulation(step, steps=10, schedule=lambda n: binomial(n, 3))
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state))(0.7)
    expected = ra.grad(lambda p: np.sum(loop(step, START, p, 10)[-1]))(0.7)
    assert gradient == pytest.approx(expected, rel=1e-12)
    assert "inputs=" in str(simulation.plan(START, 0.7))

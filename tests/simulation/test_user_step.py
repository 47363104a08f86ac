"""Steps whose derivatives the user gives, and stretches that the user runs."""

import pickle
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import NotDifferentiableError
from revolve_ad.schedule import binomial, t
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4


@ra.step
def halving(u: Any, p: Any, k: Any) -> Any:
    """Halve the state."""
    return u / 2


def test_each_decorator_returns_the_function_that_it_decorates() -> None:
    @ra.step
    def step(u: Any, p: Any, k: Any) -> Any:
        return u

    def derivative(*args: Any) -> Any:
        return None

    assert step.vjp(derivative) is derivative
    assert step.jvp(derivative) is derivative
    assert step.advance(derivative) is derivative
    assert ra.step(step) is step
    assert step.__name__ == "step"
    assert step(1.0, None, 0) == 1.0
    with pytest.raises(ra.RevolveError):
        ra.step(3)  # type: ignore[arg-type]


def test_a_step_and_a_simulation_of_it_pickle() -> None:
    # Its name is that of rk4, which is another object: it goes by its parts.
    again = pickle.loads(pickle.dumps(lotka_volterra))
    assert again == lotka_volterra
    assert again.has_vjp
    assert pickle.loads(pickle.dumps(halving)) is halving
    simulation = ra.Simulation(lotka_volterra, steps=5, memory="1 MB")
    ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    copy = pickle.loads(pickle.dumps(simulation))
    assert copy == simulation
    assert hash(copy) == hash(simulation)
    assert copy.report is None
    assert simulation.report is not None
    assert simulation != ra.Simulation(lotka_volterra, steps=6, memory="1 MB")
    np.testing.assert_array_equal(copy(START, PARAMS).state, simulation(START, PARAMS).state)


def test_a_simulation_is_immutable() -> None:
    simulation = ra.Simulation(lotka_volterra, steps=5)
    with pytest.raises(AttributeError, match="immutable"):
        simulation.steps = 7  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        simulation.settings.steps = 7  # type: ignore[misc]


def test_stretches_are_run_by_the_users_advance() -> None:
    stretches = []
    single = []

    @ra.step
    def step(u: Any, p: Any, k: Any) -> Any:
        single.append(k)
        return u * p

    step.vjp(lambda u, p, k, c: (c * p, np.sum(u * c)))

    @step.advance
    def advance(u: Any, p: Any, start: int, stop: int) -> Any:
        stretches.append((start, stop))
        for _ in range(start, stop):
            u *= p
        return u

    simulation = ra.Simulation(step, steps=30, schedule=lambda n: binomial(n, 4))
    expected = START * 0.9**30
    np.testing.assert_allclose(simulation(START, 0.9).state, expected)
    assert stretches == [(0, 30)]
    stretches.clear()
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state))(0.9)
    assert gradient == pytest.approx(30 * 0.9**29 * START.sum(), rel=1e-12)
    assert min(stop - start for start, stop in stretches) == 2  # one step is run by the step
    plain = sum(stop - start for start, stop in stretches) + len(single)
    assert plain == t(30, 4) + 1  # the last step is run to reach the final state
    assert simulation.report.advanced == t(30, 4)


def test_inputs_reach_a_users_derivatives() -> None:
    @ra.step
    def step(u: Any, p: Any, k: Any, f: Any) -> Any:
        return u * p + f["a"] * u

    @step.vjp
    def vjp(u: Any, p: Any, k: Any, f: Any, c: Any) -> Any:
        return c * (p + f["a"]), np.sum(u * c), {"a": np.sum(u * c)}

    @step.advance
    def advance(u: Any, p: Any, start: int, stop: int, f: Any) -> Any:
        for i in range(stop - start):
            u = u * p + f["a"][i] * u
        return u

    inputs = {"a": np.linspace(0.1, 0.3, 8)}

    def recorded(u: Any, p: Any, k: Any, f: Any) -> Any:
        return u * p + f["a"] * u

    gradients = []
    for candidate in (step, recorded):
        simulation = ra.Simulation(candidate, steps=8, schedule=lambda n: binomial(n, 2))
        gradient = ra.grad(
            lambda p, f, s=simulation: np.sum(s(START, p, f).state ** 2), argnums=(0, 1)
        )
        gradients.append(gradient(0.8, inputs))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], rtol=1e-12)
    np.testing.assert_allclose(gradients[0][1]["a"], gradients[1][1]["a"], rtol=1e-12)


def test_none_in_a_vjp_means_zero_also_inside_of_a_structure() -> None:
    @ra.step
    def step(s: Any, p: Any, k: Any) -> Any:
        return {"u": s["u"] * p["a"], "v": s["v"]}

    @step.vjp
    def vjp(s: Any, p: Any, k: Any, c: Any) -> Any:
        return {"v": c["v"], "u": None}, {"a": np.sum(s["u"] * c["u"]), "b": None}

    state = {"u": np.ones(2), "v": np.ones(3)}
    params = {"a": 0.5, "b": np.ones(4)}
    simulation = ra.Simulation(step, steps=3)
    ds, dp = ra.grad(
        lambda s, p: np.sum(simulation(s, p).state["u"]) + np.sum(simulation(s, p).state["v"]),
        argnums=(0, 1),
    )(state, params)
    np.testing.assert_array_equal(ds["u"], 0)
    np.testing.assert_array_equal(ds["v"], 1)
    assert dp["a"] == pytest.approx(0.25 * 2)
    np.testing.assert_array_equal(dp["b"], np.zeros(4))


def test_an_observation_of_a_users_step_is_recorded() -> None:
    def observe(y: Any, p: Any, k: Any) -> Any:
        return y * p[:2] * (k + 1.0)

    gradients = []
    for step in (lotka_volterra, rk4):
        simulation = ra.Simulation(
            step, steps=9, observe=observe, schedule=lambda n: binomial(n, 3)
        )
        gradients.append(ra.grad(lambda p, s=simulation: np.sum(s(START, p).observed ** 2))(PARAMS))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-12)


def test_a_users_jvp_pushes_tangents() -> None:
    v = np.array([0.2, -0.4, 0.7, 0.1])
    pushed = []
    for step in (lotka_volterra, rk4):
        simulation = ra.Simulation(step, steps=9, observe=lambda y, p, k: y * p[0])

        def function(p: Any, s: Any = simulation) -> Any:
            run = s(START * p[1], p)
            return run.state, run.observed

        pushed.append(ra.jvp(function, (PARAMS,), (v,))[1])
    np.testing.assert_allclose(pushed[0][0], pushed[1][0], rtol=1e-11)
    np.testing.assert_allclose(pushed[0][1], pushed[1][1], rtol=1e-11, atol=1e-14)


def test_what_a_users_step_lacks_is_said() -> None:
    step = ra.step(lambda u, p, k: u * p)
    step.vjp(lambda u, p, k, c: (c * p, np.sum(u * c)))
    simulation = ra.Simulation(step, steps=3)
    with pytest.raises(NotDifferentiableError, match="jvp"):
        ra.jvp(lambda p: simulation(START, p).state, (0.5,), (1.0,))
    simulation = ra.Simulation(lotka_volterra, steps=3)
    with pytest.raises(NotDifferentiableError, match="second derivative"):
        ra.hvp(lambda p: np.sum(simulation(START, p).state), PARAMS, PARAMS)


def test_a_step_without_a_vjp_is_recorded() -> None:
    step = ra.step(rk4)
    recorded = ra.step(lambda y, p, k: rk4(y, p, k))
    assert step.function is rk4
    simulation = ra.Simulation(recorded, steps=7)
    expected = ra.Simulation(rk4, steps=7)
    found = ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    wanted = ra.grad(lambda p: np.sum(expected(START, p).state))(PARAMS)
    assert found.tobytes() == wanted.tobytes()

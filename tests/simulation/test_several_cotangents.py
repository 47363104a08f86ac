"""Several cotangents given at once are reversed in one sweep; given later, each costs a sweep."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.schedule import binomial, mixed, store_all, t
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4

N = 40


def observe(y: Any, p: Any, k: Any) -> Any:
    return y * p[:2] + p[2]


def both(simulation: Any) -> Any:
    def function(p: Any) -> Any:
        run = simulation(START * p[0], p)
        return np.sin(np.concatenate([run.state, run.observed.reshape(-1)[::4]]))

    return function


def counting(calls: list[int]) -> Any:
    """Return a step by hand that counts how often it is run."""

    def step(y: Any, p: Any, k: Any) -> Any:
        calls[0] += 1
        return rk4(y, p, k)

    step = ra.step(step)
    step.vjp(lotka_volterra._vjp)
    return step


def row_by_row(function: Any, p: Any) -> Any:
    value, pullback = ra.vjp(function, p)
    return np.array([pullback(row)[0] for row in np.eye(len(value))])


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
@pytest.mark.parametrize(
    "options",
    [
        {"schedule": store_all},
        {"schedule": lambda n: binomial(n, 4)},
        {"schedule": lambda n: mixed(n, 9, 1, 1)},
        {"memory": 3200},
        {"memory": 1600},
        {"schedule": lambda n: binomial(n, 4), "native": True},
    ],
)
def test_the_rows_of_a_jacobian_are_bitwise_those_of_single_pullbacks(
    step: Any, options: dict[str, Any]
) -> None:
    if options.get("native"):
        pytest.importorskip("numba")
        step = rk4
    simulation = ra.Simulation(
        step, steps=N, observe=observe, observe_at=[0, 3, 20, N], replay_check="all", **options
    )
    function = both(simulation)
    assert np.array_equal(ra.jacobian(function)(PARAMS), row_by_row(function, PARAMS))
    if "memory" in options:
        assert simulation.report.peak_bytes <= options["memory"]


def test_one_sweep_reverses_all_rows_and_each_later_pullback_takes_one_more() -> None:
    calls = [0]
    simulation = ra.Simulation(
        counting(calls), steps=N, schedule=binomial(N, 4), replay_check="off"
    )

    def function(p: Any) -> Any:
        return simulation(START, p).state

    ra.grad(lambda p: np.sum(function(p)))(PARAMS)
    once, calls[0] = calls[0], 0
    ra.jacobian(function)(PARAMS)
    assert calls[0] == once
    assert (simulation.report.advanced, simulation.report.recorded) == (t(N, 4), N)
    _, pullback = ra.vjp(function, PARAMS)
    calls[0] = 0
    first = pullback(np.array([1.0, 2.0]))[0]
    rest = calls[0]
    again = pullback(np.array([1.0, 2.0]))[0]
    assert calls[0] - rest in (t(N, 4), once)
    assert first.tobytes() == again.tobytes()


def test_where_memory_is_short_more_cotangents_share_what_there_is() -> None:
    size = 2000
    start, p = np.linspace(0.0, 1.0, size), np.array([0.1, 0.2, 0.3])

    def step(u: Any, p: Any, k: Any) -> Any:
        return u + p[0] * np.sin(u) + p[1] * u[::-1] + 0.01 * p[2]

    def function(simulation: Any) -> Any:
        return lambda p: simulation(start, p).state[:3]

    smallest = ra.Simulation(step, steps=30).plan(start, p).smallest_budget
    roomy = ra.Simulation(step, steps=30)
    expected = ra.jacobian(function(roomy))(p)
    for more in (0, 40_000, 120_000, 400_000):
        simulation = ra.Simulation(step, steps=30, memory=smallest + more)
        assert np.array_equal(ra.jacobian(function(simulation))(p), expected)
        assert simulation.report.peak_bytes <= smallest + more


def test_a_number_that_is_not_finite_names_its_step_among_several_cotangents() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        return np.sqrt(u) * p

    simulation = ra.Simulation(step, steps=3)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ra.errors.NonFiniteError, match="at state 2, in reverse"),
    ):
        ra.jacobian(lambda p: simulation(p * np.array([0.0, 1.0]), np.ones(2)).state)(np.ones(2))

"""Nothing that a step does to its arguments goes unnoticed, and errors name the step and leaf."""

import random
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import (
    DivergedReplayError,
    DtypeError,
    NonFiniteError,
    ParameterError,
    ShapeError,
    StructureError,
    WriteError,
)
from revolve_ad.schedule import binomial
from tests.simulation.systems import PARAMS, START, rk4


def as_user_step(function: Any) -> Any:
    """Return the function as a step with a derivative by hand, of no meaning."""
    wrapped = ra.step(lambda *args: function(*args))
    wrapped.vjp(lambda u, p, k, c: (c, None))
    return wrapped


def run_plainly(step: Any, state: Any, params: Any) -> Any:
    return ra.Simulation(step, steps=6)(state, params)


def run_recorded(step: Any, state: Any, params: Any) -> Any:
    simulation = ra.Simulation(step, steps=6, schedule=lambda n: binomial(n, 2))

    def objective(state: Any) -> Any:
        total = 0.0
        for leaf in ra_leaves(simulation(state, params).state):
            total = total + np.sum(leaf)
        return total

    return ra.grad(objective)(state)


def run_user(step: Any, state: Any, params: Any) -> Any:
    return run_recorded(as_user_step(step), state, params)


def ra_leaves(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [value]


RUNS = pytest.mark.parametrize("run", [run_plainly, run_recorded, run_user])


@RUNS
def test_a_step_may_update_its_state_in_place(run: Any) -> None:
    def in_place(u: Any, p: Any, k: Any) -> Any:
        u["a"][1:] += p * u["a"][:-1]
        u["b"] *= 1.1
        return u

    def fresh(u: Any, p: Any, k: Any) -> Any:
        a = u["a"].copy()
        a[1:] = u["a"][1:] + p * u["a"][:-1]
        return {"a": a, "b": u["b"] * 1.1}

    state = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([0.5])}
    before = {name: leaf.copy() for name, leaf in state.items()}
    params = np.array(0.3)
    found, expected = run(in_place, state, params), run(fresh, state, params)
    if run is run_plainly:
        found, expected = found.state, expected.state
    for name in state:
        np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_array_equal(state[name], before[name])


@RUNS
def test_a_write_into_params_is_an_error(run: Any) -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        p["rate"][0] = 2.0
        return u * p["rate"][0]

    params = {"rate": np.array([1.0])}
    with pytest.raises(WriteError) as caught:
        run(step, START, params)
    assert "step 0" in str(caught.value)
    assert "params['rate']" in str(caught.value)
    assert params["rate"][0] == 1.0


def test_a_write_into_inputs_is_an_error() -> None:
    def step(u: Any, p: Any, k: Any, f: Any) -> Any:
        f += 1.0
        return u + f

    inputs = np.zeros((6, 2))
    with pytest.raises(WriteError, match=r"step 0 writes into inputs\[0\]"):
        ra.Simulation(step, steps=6)(START, None, inputs)
    with pytest.raises(WriteError, match=r"inputs\[0\]"):
        ra.grad(lambda q: np.sum(ra.Simulation(step, steps=6)(START, None, q).state))(inputs)
    assert not inputs.any()


@RUNS
def test_a_buffer_that_the_step_returns_again_and_again_is_copied(run: Any) -> None:
    buffer = np.zeros(2)

    def step(u: Any, p: Any, k: Any) -> Any:
        # With u and buffer one memory, the second line would read what the first one wrote.
        buffer[0] = u[1] * 0.9
        buffer[1] = u[0] + p
        return buffer

    def fresh(u: Any, p: Any, k: Any) -> Any:
        return np.array([u[1] * 0.9, u[0] + p])

    found, expected = run(step, START, 0.1), run(fresh, START, 0.1)
    if run is run_plainly:
        found, expected = found.state, expected.state
    np.testing.assert_array_equal(found, expected)


@RUNS
@pytest.mark.parametrize("share", ["leaves", "param", "view"])
def test_leaves_never_share_memory_with_each_other_or_with_params(run: Any, share: str) -> None:
    seen = []

    def step(s: Any, p: Any, k: Any) -> Any:
        if isinstance(s["a"], np.ndarray) and isinstance(p, np.ndarray):
            seen.append(np.may_share_memory(s["a"], s["b"]) or np.may_share_memory(s["a"], p))
        if share == "leaves":
            new = s["a"] + 1.0
            return {"a": new, "b": new}
        if share == "param":
            return {"a": p, "b": s["b"] + 1.0}
        new = np.concatenate([s["a"], s["b"]])
        return {"a": new[:2], "b": new[1:3]}

    state = {"a": START.copy(), "b": START.copy()}
    if run is run_recorded:
        step(state, PARAMS[:2], 0)
        seen.clear()
    run(step, state, PARAMS[:2])
    if run is not run_recorded:
        assert len(seen) >= 6
        assert not any(seen)


@RUNS
@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (lambda u: None, StructureError, "returned None"),
        (lambda u: u["a"][:2], StructureError, "structure"),
        (lambda u: {"a": u["a"]}, StructureError, "b"),
        (lambda u: {"a": u["a"][:2], "b": u["b"]}, ShapeError, r"state\['a'\].*\(2,\).*\(3,\)"),
        (
            lambda u: {"a": u["a"] * 1j, "b": u["b"]},
            DtypeError,
            r"state\['a'\].*complex128.*float64",
        ),
        (
            lambda u: {"a": u["a"].astype(np.float32), "b": u["b"]},
            DtypeError,
            r"state\['a'\].*float32.*float64",
        ),
    ],
)
def test_a_state_of_another_form_is_refused(run: Any, result: Any, error: Any, words: str) -> None:
    state = {"a": np.arange(3.0), "b": np.array([1.0])}
    with pytest.raises(error, match=words) as caught:
        run(lambda u, p, k: result(u), state, None)
    assert isinstance(caught.value, ra.RevolveError)
    assert "step 0" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


@pytest.mark.parametrize("step_nan", [0, 3, 7, 9])
@pytest.mark.parametrize("s", [1, 3, None])
def test_the_first_step_with_nan_and_its_leaf_are_named(step_nan: int, s: Any) -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        bad = np.where(k == step_nan, np.inf, 0.0)
        return {"a": u["a"] * p, "b": u["b"] + bad * np.array([0.0, 1.0, 0.0])}

    schedule = None if s is None else (lambda n: binomial(n, s))
    state = {"a": np.ones(3), "b": np.ones(3)}
    simulation = ra.Simulation(step, steps=10, schedule=schedule)

    def objective(p: Any) -> Any:
        return np.sum(simulation(state, p).state["b"])

    with np.errstate(invalid="ignore"):
        for call in (objective, ra.grad(objective)):
            with pytest.raises(NonFiniteError, match=rf"state {step_nan + 1}\b.*state\['b'\]"):
                call(0.5)


def test_a_first_state_with_nan_is_named() -> None:
    simulation = ra.Simulation(rk4, steps=5)
    with pytest.raises(NonFiniteError, match="state 0"):
        ra.grad(lambda y: np.sum(simulation(y, PARAMS).state))(np.array([1.0, np.nan]))


@pytest.mark.parametrize("s", [1, 3, None])
def test_a_cotangent_with_nan_names_the_step_that_made_it(s: Any) -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        # Zero to the power one half has no derivative; the value is fine.
        return u + p * np.sqrt(np.abs(np.where(k == 4, 0.0 * u, u)))

    schedule = None if s is None else (lambda n: binomial(n, s))
    simulation = ra.Simulation(step, steps=10, schedule=schedule)
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match=r"state 4, in reverse.*state"),
    ):
        ra.grad(lambda u: np.sum(simulation(u, 0.1).state))(np.array([1.0, 2.0]))


@pytest.mark.parametrize("check", ["sampled", "all"])
def test_a_step_that_draws_random_numbers_is_found(check: Any) -> None:
    rng = random.Random(0)

    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p + rng.random()

    user = ra.step(step)
    user.vjp(lambda u, p, k, c: (c * p, u @ c))
    for candidate in (step, user):
        simulation = ra.Simulation(
            candidate, steps=12, schedule=lambda n: binomial(n, 2), replay_check=check
        )
        with pytest.raises(DivergedReplayError, match=r"(step|state) \d+.*state"):
            ra.grad(lambda p, s=simulation: np.sum(s(START, p).state))(0.5)


def test_a_global_that_changes_during_the_run_is_found() -> None:
    factor = [1.0]

    def step(u: Any, p: Any, k: Any) -> Any:
        factor[0] += 0.125
        return u * p * factor[0]

    simulation = ra.Simulation(step, steps=12, schedule=lambda n: binomial(n, 2))
    with pytest.raises(DivergedReplayError, match="step"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(0.5)


@pytest.mark.parametrize("check", ["sampled", "all", "off"])
def test_what_a_step_captures_may_change_between_calls(check: Any) -> None:
    captured = np.array([1.0, 2.0])
    late = [0.0]

    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p + captured + np.where(k > 8, late[0], 0.0)

    simulation = ra.Simulation(
        step, steps=12, schedule=lambda n: binomial(n, 2), replay_check=check
    )
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state))

    def expected(p: float) -> float:
        h = 1e-6
        values = [np.sum(simulation(START, q).state) for q in (p + h, p - h)]
        return float(values[0] - values[1]) / (2 * h)

    first = gradient(0.5)
    assert first == pytest.approx(expected(0.5), rel=1e-8)
    captured[:] = 5.0
    assert gradient(0.5) == pytest.approx(expected(0.5), rel=1e-8)
    late[0] = 3.0
    assert gradient(0.5) == pytest.approx(expected(0.5), rel=1e-8)
    captured[:] = [1.0, 2.0]
    late[0] = 0.0
    assert gradient(0.5).tobytes() == first.tobytes()


@pytest.mark.parametrize(
    ("affected", "native"),
    [((0, 1), False), ((11, 12), False), ((0, 6), False), ((6, 12), True)],
)
def test_in_every_gradient_the_first_step_and_the_last_are_compared(
    affected: Any, native: bool
) -> None:
    if native:
        pytest.importorskip("numba")
    added = [0.0]

    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p + np.where((k >= affected[0]) & (k < affected[1]), added[0], 0.0)

    simulation = ra.Simulation(step, steps=12, native=native)
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state ** 2))
    for added[0] in (0.0, 1.0, 1.0, 2.0, 1.0, 0.0, 2.0, 1.0, 0.0):
        built_afresh = ra.Simulation(step, steps=12, native=native)
        expected = ra.grad(lambda p, s=built_afresh: np.sum(s(START, p).state ** 2))(0.5)
        assert gradient(0.5).tobytes() == expected.tobytes()


def test_in_some_gradients_a_step_between_is_compared_too_and_it_moves_about() -> None:
    called: set[int] = set()

    def step(u: Any, p: Any, k: Any) -> Any:
        if type(k) is int:  # in a recording it is traced
            called.add(k)
        return u * p

    simulation = ra.Simulation(step, steps=12)
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state))
    checked = []
    for _ in range(40):
        gradient(0.5)
        assert simulation.report is not None
        checked.append(simulation.report.checked)
    assert checked[0] == 3
    assert set(checked[1:]) == {2, 3}
    assert len(called) >= 8


def test_an_exception_keeps_its_type_and_gains_the_step_and_the_phase() -> None:
    @ra.step
    def step(u: Any, p: Any, k: int) -> Any:
        if k == 4:
            raise ZeroDivisionError("mine")
        return u * p

    simulation = ra.Simulation(step, steps=9)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        simulation(START, 0.5)
    assert any("step 4" in note for note in caught.value.__notes__)

    calls = []

    @ra.step
    def flaky(u: Any, p: Any, k: int) -> Any:
        calls.append(k)
        if len(calls) > 12:
            raise ZeroDivisionError("mine")
        return u * p

    flaky.vjp(lambda u, p, k, c: (c * p, u @ c))
    simulation = ra.Simulation(flaky, steps=9, schedule=lambda n: binomial(n, 2))
    with pytest.raises(ZeroDivisionError) as caught:
        ra.grad(lambda p: np.sum(simulation(START, p).state))(0.5)
    notes = "\n".join(caught.value.__notes__)
    assert f"step {calls[-1]}" in notes
    assert "reverse sweep" in notes
    assert "Advance" in notes or "replay" in notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "steps="),
        ({"steps": -1}, "at least 0"),
        ({"steps": 2.5}, "integer"),
        ({"steps": 5, "max_steps": 6}, "max_steps"),
        ({"until": lambda s, p, k: True}, "max_steps"),
        ({"until": lambda s, p, k: True, "max_steps": 5, "steps": 5}, "not both"),
        ({"steps": 5, "observe_at": [1]}, "observe="),
        ({"steps": 5, "observe": lambda s, p, k: s, "observe_at": [6]}, "0 … 5"),
        ({"steps": 5, "observe": lambda s, p, k: s, "observe_at": [-1]}, "0 … 5"),
        ({"steps": 5, "observe": lambda s, p, k: s, "observe_at": [2, 2]}, "increase"),
        ({"steps": 5, "observe": lambda s, p, k: s, "observe_at": [0.5]}, "integers"),
        ({"steps": 5, "memory": "lots"}, "200 MB"),
        ({"steps": 5, "replay_check": "often"}, "sampled"),
        ({"steps": 5, "native": "gpu"}, "auto"),
        ({"steps": 5, "schedule": 7}, "schedule"),
        ({"steps": 5, "schedule": iter(binomial(5, 2))}, "iterator"),
        ({"steps": 5, "storage": 7}, "storage"),
        ({"steps": 5, "progress": 7}, "progress"),
        ({"steps": 5, "observe": 7}, "observe"),
    ],
)
def test_settings_are_checked_when_they_are_given(options: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        ra.Simulation(rk4, **options)


def test_a_step_must_be_a_function() -> None:
    with pytest.raises(ParameterError, match="step is 7"):
        ra.Simulation(7, steps=3)  # type: ignore[arg-type]


def test_params_without_a_derivative_are_refused() -> None:
    simulation = ra.Simulation(lambda u, p, k: u * p, steps=3)
    with pytest.raises(ra.RevolveError, match="integer"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(np.array([1, 2]))


def test_a_gradient_of_something_else_than_a_number_is_refused() -> None:
    simulation = ra.Simulation(rk4, steps=3)
    with pytest.raises(ra.RevolveError, match="number"):
        ra.grad(lambda p: simulation(START, p).state)(PARAMS)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda c: c, "must return"),
        (lambda c: (c, None, None), "must return"),
        (lambda c: (c[:1], None), r"shape \(1,\)"),
        (lambda c: (c * 1j, None), "complex"),
        (lambda c: (c, np.zeros(3)), "shape"),
        (lambda c: ({"a": c}, None), "dict"),
    ],
)
def test_a_wrong_vjp_is_refused(result: Any, words: str) -> None:
    step = ra.step(lambda u, p, k: u * p)
    step.vjp(lambda u, p, k, c: result(c))
    simulation = ra.Simulation(step, steps=3)
    with pytest.raises(ra.RevolveError, match=words) as caught:
        ra.grad(lambda u: np.sum(simulation(u, 0.5).state))(START)
    assert "vjp of step 2" in str(caught.value) + "".join(caught.value.__notes__)

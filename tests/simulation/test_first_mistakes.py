"""What one gets wrong on the first day is named with its remedy, early where that can be known."""

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import revolve_ad as ra
from revolve_ad.errors import (
    DtypeError,
    NotDifferentiableError,
    ParameterError,
    TracedValueError,
    WriteError,
)

START = np.arange(3.0)


def notes(error: BaseException) -> str:
    return "\n".join(error.__notes__)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"step": lambda u, k: u}, r"step takes \(u, k\).*step\(state, params, k\) or, with inp"),
        ({"step": lambda u: u}, r"takes \(u\).*also those that it doesn't use"),
        ({"step": lambda u, k, params: u}, "its second argument, k, would be the params"),
        ({"step": lambda u, i, p, f: u}, "its second argument, i, would be the params"),
        ({"step": lambda u, p, k: u, "observe": lambda u: u}, r"observe\(state, params, k\)"),
        ({"step": lambda u, p, k: u, "observe": lambda u, k, p: u}, "Swap the two"),
    ],
)
def test_other_arguments_than_the_call_has_are_refused_when_the_simulation_is_built(
    given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ParameterError, match=says):
        ra.Simulation(**given, steps=3)


def test_functions_that_take_the_call_are_left_alone() -> None:
    def any_number(u: Any, *rest: Any) -> Any:
        return u

    for step in (any_number, lambda u, k, i: u, lambda u, p, k, f: u, np.add):
        ra.Simulation(step, steps=3)
    with pytest.raises(ParameterError, match=r"until takes"):
        ra.Simulation(any_number, until=lambda u: True, max_steps=3)


def test_a_step_without_the_inputs_it_is_given_is_told_both_signatures() -> None:
    simulation = ra.Simulation(lambda u, p, k: u * p, steps=3)
    with pytest.raises(TypeError, match="3 positional arguments") as caught:
        simulation(START, 0.5, np.ones(3))
    assert "it takes (u, p, k), and is called as step(state, params, k, inputs_k)" in notes(
        caught.value
    )


def test_nothing_is_observed_without_observe() -> None:
    simulation = ra.Simulation(lambda u, p, k: u * p, steps=3)
    with pytest.raises(TypeError) as caught:
        ra.grad(lambda p: np.sum((simulation(START, p).observed - 1) ** 2))(0.5)
    assert "has no observe=" in notes(caught.value)
    with pytest.raises(AttributeError) as attribute:
        ra.grad(lambda p: simulation(START, p).observed.sum())(0.5)
    assert "the final state is Run.state" in notes(attribute.value)
    with pytest.raises(NotDifferentiableError, match="returned None.*observe="):
        ra.grad(lambda p: np.sum(simulation(START, p).observed))(0.5)


def test_a_run_is_no_array() -> None:
    simulation = ra.Simulation(lambda u, p, k: u * p, steps=3)
    for f in (lambda p: np.sum(simulation(START, p)), lambda p: simulation(START, p) - 1.0):
        with pytest.raises(TypeError, match="Run") as caught:
            ra.grad(f)(0.5)
    assert "'Run' and 'float'" in str(caught.value)
    with pytest.raises(TypeError, match="take Run.state"):
        np.asarray(simulation(START, 0.5))


def test_params_that_are_not_given_are_none() -> None:
    with pytest.raises(TypeError) as caught:
        ra.Simulation(lambda u, p, k: u * p, steps=3)(START)
    assert "sim(state)" in notes(caught.value)


def counting(u: Any, p: Any, k: Any) -> Any:
    p["a"] += 1
    return u * p["a"]


def remembering(u: Any, p: Any, k: Any) -> Any:
    p["before"] = u
    return u * p["a"]


def test_an_item_of_the_params_that_a_step_replaces_is_named() -> None:
    for state, params in ((START, {"a": 0.5}), ({"u": START}, {"a": 0.5})):
        step = counting if state is START else lambda s, p, k: {"u": counting(s["u"], p, k)}
        simulation = ra.Simulation(step, steps=3)
        with pytest.raises(WriteError, match=r"writes into params\['a'\]"):
            simulation(state, params)
        assert params == {"a": 0.5}
    simulation = ra.Simulation(counting, steps=3)
    with pytest.raises(WriteError, match=r"step 0.*writes into params\['a'\]"):
        ra.grad(lambda a: np.sum(simulation(START, {"a": a}).state))(0.5)
    with pytest.raises(WriteError, match="params, which have other items"):
        ra.grad(lambda a: np.sum(ra.Simulation(remembering, steps=3)(START, {"a": a}).state))(0.5)


def test_a_root_finder_in_c_names_itself_and_the_remedy() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        return u + scipy.optimize.brentq(lambda z: z**3 + z - p, -10, 10)

    simulation = ra.Simulation(step, steps=3)
    with pytest.raises(TracedValueError, match=r"scipy.optimize.brentq.*ra\.primitive"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(0.5)


@pytest.mark.parametrize(
    ("state", "params", "says"),
    [
        (np.arange(3), 0.5, "whole numbers.*Start from floats"),
        (np.zeros(3, bool), 0.5, "Start from floats"),
        (np.zeros(3, np.float32), np.ones(3), "double precision came in.*np.float32"),
        (np.zeros(3), 1j, "start from complex128"),
    ],
)
def test_a_state_that_changes_its_dtype_is_told_how_to_begin(
    state: Any, params: Any, says: str
) -> None:
    simulation = ra.Simulation(lambda u, p, k: u * p, steps=3)
    with pytest.raises(DtypeError, match=says):
        simulation(state, params)


def test_a_list_is_no_array() -> None:
    with pytest.raises(TypeError) as caught:
        ra.Simulation(lambda u, p, k: u * p, steps=3)([1.0, 2.0], 0.5)
    assert "np.array" in notes(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda old, n: old[n % 3],
        lambda old, n: old[: n + 1].sum(0),
        lambda old, n: sum(old[0] for _ in range(n + 1)),
        lambda old, n: old[0] * np.ones(n + 2).sum(),
        lambda old, n: old[0] * [1.0, 2.0, 3.0][n % 3],
        lambda old, n: old[0] * (1 + (n & 1)),
    ],
)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_counter_that_counts_as_a_float_is_told_how_to_be_a_whole_number(
    use: Any, recorded: bool
) -> None:
    def step(s: Any, p: Any, k: Any) -> Any:
        return {"u": s["u"] + p * use(s["old"], s["n"]), "old": s["old"], "n": s["n"] + 1}

    simulation = ra.Simulation(step, steps=3)

    def objective(p: Any, n: Any) -> Any:
        return np.sum(simulation({"u": START, "old": np.ones((3, 3)), "n": n}, p).state["u"])

    call = ra.grad(objective) if recorded else objective
    with pytest.raises((TypeError, IndexError)) as caught:
        call(0.5, 0)
    assert "give np.int64(0) for a counter" in notes(caught.value)
    assert np.isfinite(call(0.5, np.int64(0)))

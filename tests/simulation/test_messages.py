"""What is given wrongly is refused in words that say what to do, and where it stands."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import DtypeError, NonFiniteError, ParameterError
from revolve_ad.schedule import binomial

START = np.array([0.4, 0.5, 0.6])


def halve(u: Any, p: Any, k: Any) -> Any:
    return u * p


def total(simulation: Any, state: Any = START, inputs: Any = None) -> Any:
    return lambda p: np.sum(simulation(state, p, inputs).state)


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


WIDER: list[tuple[Any, str]] = [
    (np.longdouble, "float64"),
    (np.clongdouble, "complex128"),
]


@pytest.mark.skipif(
    np.dtype(np.longdouble).itemsize == 8, reason="long double is double on this platform"
)
@pytest.mark.parametrize(("dtype", "use"), WIDER)
def test_wider_floats_are_refused_by_name(dtype: Any, use: str) -> None:
    simulation = ra.Simulation(halve, steps=3)
    for state in ({"a": START, "b": START.astype(dtype)}, {"b": START.astype(dtype)}):
        with pytest.raises(DtypeError, match=rf"state\['b'\] has dtype .*astype\(np.{use}\)"):
            simulation(state, 0.5)
    with pytest.raises(DtypeError, match="params has dtype"):
        simulation(START, dtype(0.5))
    with pytest.raises(DtypeError, match="state has dtype"):
        ra.grad(total(simulation, START.astype(dtype)))(0.5)


@pytest.mark.parametrize("mask", [[True], [False, True], np.array([False, True])])
def test_a_mask_is_no_list_of_states(mask: Any) -> None:
    with pytest.raises(ParameterError, match="observe_at is .*indices of states"):
        ra.Simulation(halve, steps=3, observe=halve, observe_at=mask)


def test_indices_of_any_integer_type_are_taken() -> None:
    several: list[Any] = [np.array([0, 2]), [np.int32(0), 2], range(0, 3, 2), iter([0, 2])]
    for at in several:
        assert ra.Simulation(halve, steps=3, observe=halve, observe_at=at)(
            START, 0.5
        ).observed.shape == (2, 3)


@pytest.mark.parametrize("steps", [True, False, 2.0, "3"])
def test_a_number_of_steps_is_an_integer(steps: Any) -> None:
    with pytest.raises(ParameterError, match="give an integer"):
        ra.Simulation(halve, steps=steps)
    with pytest.raises(ParameterError, match="it must be at least 0"):
        ra.Simulation(halve, steps=-1)


def test_the_name_of_a_schedule_is_no_schedule() -> None:
    with pytest.raises(ParameterError, match=r"schedule is 'binomial'; give a schedule, such as"):
        ra.Simulation(halve, steps=3, schedule="binomial")


@pytest.mark.parametrize("argnums", ["p", ("p",), 1.0, True, None])
def test_argnums_are_numbers(argnums: Any) -> None:
    with pytest.raises(ParameterError, match="argnums is .*number of an argument"):
        ra.grad(lambda p: p * p, argnums)


def test_argnums_may_be_of_any_integer_type() -> None:
    def product(a: Any, b: Any) -> Any:
        return a * b

    one: Any = np.int64(1)
    assert ra.grad(product, one)(2.0, 3.0) == 2.0
    assert ra.grad(product, (0, one))(2.0, 3.0) == (3.0, 2.0)


def test_a_function_of_other_arguments_is_told_how_it_is_called() -> None:
    simulation, rows = ra.Simulation(halve, steps=3), np.zeros((3, 3))
    for run in (total(simulation, START, rows), ra.grad(total(simulation, START, rows))):
        with pytest.raises(TypeError, match="argument") as caught:
            run(0.5)
        assert "is called as step(state, params, k, inputs_k);" in notes(caught.value)


def test_a_type_error_of_the_steps_own_gets_no_such_note() -> None:
    nothing: Any = lambda: None  # noqa: E731

    def step(u: Any, p: Any, k: Any) -> Any:
        return u * nothing(p)

    simulation = ra.Simulation(step, steps=3)
    for run in (total(simulation), ra.grad(total(simulation))):
        with pytest.raises(TypeError) as caught:
            run(0.5)
        assert "step 0" in notes(caught.value)
        assert "called as" not in notes(caught.value)


def test_nan_in_state_0_is_the_callers() -> None:
    state = np.array([1.0, np.nan, 1.0, 1.0])
    simulation = ra.Simulation(halve, steps=3)
    for run in (total(simulation, state), ra.grad(total(simulation, state))):
        with pytest.raises(NonFiniteError, match="state 0: 1 of 4 elements is NaN") as caught:
            run(0.5)
        assert "the simulation was given" in str(caught.value)
        assert "time step" not in str(caught.value)


def test_nan_in_a_cotangent_of_the_final_state_is_noted_before_any_action() -> None:
    simulation = ra.Simulation(halve, steps=3)
    with np.errstate(divide="ignore"), pytest.raises(NonFiniteError) as caught:
        ra.grad(lambda p: np.sum(np.sqrt(simulation(np.zeros(2), p).state)))(0.5)
    assert "before its first action" in notes(caught.value)


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("at", [None, (0, 4, 5)])
def test_nan_in_an_observation_is_an_error_that_names_the_state(n: int, at: Any) -> None:
    def observe(u: Any, p: Any, k: Any) -> Any:
        return {"a": u, "log": np.log(u - 0.05)}

    simulation = ra.Simulation(
        halve, steps=6, observe=observe, observe_at=at, schedule=lambda m: binomial(m, n)
    )

    def objective(p: Any) -> Any:
        return np.sum(simulation(START, p).observed["log"])

    first = 4 if at is not None else 3  # 0.4 · 0.5³ = 0.05, of which the log is -inf
    for run in (objective, ra.grad(objective)):
        with (
            np.errstate(invalid="ignore", divide="ignore"),
            pytest.raises(NonFiniteError, match=f"the observation of state {first}, holds NaN"),
        ):
            run(0.5)


def test_a_run_of_no_steps_has_gradients_for_inputs_of_no_rows() -> None:
    def step(u: Any, p: Any, k: Any, f: Any) -> Any:
        return u * p + f["a"] / f["b"]

    simulation = ra.Simulation(step, steps=0)
    inputs = {"a": np.zeros((0, 3)), "b": np.zeros(0)}
    found = ra.grad(lambda q: np.sum(simulation(START, 2.0, q).state))(inputs)
    assert found["a"].shape == (0, 3)
    assert found["b"].shape == (0,)
    assert ra.grad(lambda u: np.sum(simulation(u, 2.0, inputs).state))(START).tolist() == [1, 1, 1]

"""A step that branches is recorded once for each way that a run takes through it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import DivergedReplayError
from revolve_ad.schedule import binomial, store_all
from revolve_ad.simulation.kernels.ways import Ways

N = 60
START = np.linspace(0.1, 0.9, 7)


def two_ways(u: Any, p: Any, k: Any) -> Any:
    """Take one of three ways, by k and by the values."""
    v = u + 0.1 * np.sin(p * u)
    if k % 7 == 3:
        v[1:] *= 0.8
    if np.max(v) > 1.1:
        v -= 0.2 * v**2
    return v


def newton(u: Any, p: Any, k: Any) -> Any:
    """Solve v + p v³ = u, with as many iterations as that takes."""
    v = u.copy()
    while np.max(np.abs(v + p * v**3 - u)) > 1e-12:
        v -= (v + p * v**3 - u) / (1 + 3 * p * v**2)
    return 1.05 * v


def at_an_index(u: Any, p: Any, k: Any) -> Any:
    """Damp the largest element, found as a plain integer."""
    v = u.copy()
    v[int(np.argmax(u))] *= p
    return 1.03 * v


def guarded(u: Any, p: Any, k: Any) -> Any:
    """Look at what makes sense on one way alone."""
    if np.min(u) < 0.05:
        return u + 0.1 * p
    if np.sum(np.log(u)) < -3.0:
        return np.sqrt(u) * p
    return u - 0.03


STEPS = [two_ways, newton, at_an_index, guarded]


def gradient(step: Callable[..., Any], **options: Any) -> Callable[[Any, float], Any]:
    simulation = ra.Simulation(step, steps=N, **options)
    return ra.value_and_grad(lambda u, p: np.sum(simulation(u, p).state ** 2), argnums=(0, 1))


def same(a: Any, b: Any) -> bool:
    (value, (du, dp)), (other_value, (other_du, other_dp)) = a, b
    return bool(value == other_value and np.array_equal(du, other_du) and dp == other_dp)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("schedule", [store_all(N), binomial(N, 3)])
def test_a_tape_used_again_gives_the_bits_of_one_recorded_at_each_step(
    step: Callable[..., Any], schedule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = gradient(step, schedule=schedule)
    found = [f(START, p) for p in (0.9, 0.7, 0.9)]
    with monkeypatch.context() as patched:
        patched.setattr(Ways, "_known", lambda self, operands: None)
        expected = [gradient(step, schedule=schedule)(START, p) for p in (0.9, 0.7, 0.9)]
    assert all(map(same, found, expected))
    assert same(found[0], found[2])
    assert not same(found[0], found[1])


@pytest.mark.parametrize("step", STEPS)
def test_second_derivatives_use_tapes_again_too(
    step: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def product() -> Any:
        simulation = ra.Simulation(step, steps=N, schedule=binomial(N, 4))
        return ra.hvp(lambda u: np.sum(simulation(u, 0.8).state ** 2), START, np.cos(START))

    found = product()
    with monkeypatch.context() as patched:
        patched.setattr(Ways, "_known", lambda self, operands: None)
        expected = product()
    np.testing.assert_array_equal(found, expected)


def count_recordings(step: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    recorded: list[int] = []

    def counted(u: Any, p: Any, k: Any) -> Any:
        if type(u) is not np.ndarray:
            recorded.append(1)
        return step(u, p, k)

    return counted, recorded


def test_a_run_records_each_way_once_and_again_at_powers_of_two() -> None:
    step, recorded = count_recordings(two_ways)
    f = gradient(step, schedule=store_all(N))
    f(START, 0.9)
    recorded.clear()
    f(START, 0.7)
    ways, tests = 4, N.bit_length()
    assert len(recorded) <= ways + tests


def test_no_time_is_lost_where_each_state_takes_a_way_of_its_own() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        return u + p * 0.01 * np.sin(u * int(k))  # a plain number: it is in the tape

    step, recorded = count_recordings(step)
    f = gradient(step, schedule=store_all(N))
    f(START, 0.9)
    recorded.clear()
    f(START, 0.7)
    assert len(recorded) >= N


def test_an_observation_that_branches_is_recorded_once_for_each_way_too() -> None:
    recorded: list[int] = []

    def observe(u: Any, p: Any, k: Any) -> Any:
        if type(u) is not np.ndarray:
            recorded.append(1)
        return np.sum(u * u) * p if np.sum(u) > 4.0 else np.sum(u)

    simulation = ra.Simulation(
        lambda u, p, k: u + 0.1 * np.sin(p * u), steps=N, observe=observe, observe_at=range(N + 1)
    )
    f = ra.grad(lambda u, p: np.sum(np.sin(simulation(u, p).observed)), argnums=1)
    f(START, 0.9)
    recorded.clear()
    found = f(START, 0.7)
    assert len(recorded) <= 2 + N.bit_length()
    h = 1e-5
    value = lambda p: np.sum(np.sin(simulation(START, p).observed))  # noqa: E731
    assert found == pytest.approx((value(0.7 + h) - value(0.7 - h)) / (2 * h), rel=1e-7)


def test_between_runs_a_step_may_change() -> None:
    factor = np.ones(3)

    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p * factor[0] if k % 2 else u * p

    simulation = ra.Simulation(step, steps=4)
    f = ra.grad(lambda u, p: np.sum(simulation(u, p).state), argnums=1)
    once = f(START, 1.5)
    factor[0] = 3.0
    assert f(START, 1.5) == pytest.approx(9 * once, rel=1e-14)


def test_a_step_that_changes_during_the_run_is_refused() -> None:
    scale = {"now": 1.0}

    def step(u: Any, p: Any, k: Any) -> Any:
        if type(u) is not np.ndarray and k == N // 2:
            scale["now"] = 2.0
        if np.sum(u) > 0:  # one way, taken by all states
            return u + 0.01 * scale["now"] * np.sin(p * u)
        return u

    simulation = ra.Simulation(step, steps=N, schedule=store_all(N), replay_check="off")
    with pytest.raises(DivergedReplayError, match="read a global that changes during the run"):
        ra.grad(lambda u, p: np.sum(simulation(u, p).state), argnums=1)(START, 0.9)


def test_rules_made_in_the_step_keep_it_from_being_compared_and_so_it_is_recorded() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        twice = ra.primitive(lambda x: 2 * x)
        twice.vjp(lambda g, y, x: (2 * g,))
        return 0.5 * twice(u) * p if np.sum(u) > 0 else u

    simulation = ra.Simulation(step, steps=N)
    found = ra.grad(lambda u, p: np.sum(simulation(u, p).state), argnums=1)(START, 0.99)
    assert found == pytest.approx(N * 0.99 ** (N - 1) * np.sum(START), rel=1e-12)

"""Schedules of many short actions are played from rows, to the same bits as action by action."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.simulation import gradient
from revolve_ad.simulation.sweeps import brief

STEPS = 57
SCHEDULES = {
    "few": ra.schedule.binomial(STEPS, 3),
    "some": ra.schedule.binomial(STEPS, 8),
    "many": ra.schedule.binomial(STEPS, 40),
    "mixed": ra.schedule.mixed(STEPS, 9 * 48, 48, 48),
}


@ra.step
def pendulum(state: Any, params: Any, k: int, row: Any) -> Any:
    u, w = state["u"], state["w"]
    return {"u": u + 0.1 * w, "w": w - 0.1 * params * np.sin(u) + 0.01 * row}


@pendulum.vjp
def pendulum_vjp(state: Any, params: Any, k: int, row: Any, cotangent: Any) -> Any:
    gu, gw = cotangent["u"], cotangent["w"]
    u = state["u"]
    back = {"u": gu - 0.1 * params * np.cos(u) * gw, "w": gw + 0.1 * gu}
    return back, -0.1 * np.sum(np.sin(u) * gw), 0.01 * np.sum(gw)


@ra.step
def logistic(u: Any, p: Any, k: int) -> Any:
    return p * u * (1 - u)


@logistic.vjp
def logistic_vjp(u: Any, p: Any, k: int, cotangent: Any) -> Any:
    return p * (1 - 2 * u) * cotangent, np.sum(u * (1 - u) * cotangent)


def counted(monkeypatch: Any, played: bool) -> list[int]:
    """Let rows be played, or not; the list gains an item whenever they are."""
    found: list[int] = []
    whole = brief.brief_sweep

    def watched(*arguments: Any) -> Any:
        sweep = whole(*arguments)
        found.append(sweep is not None)
        return sweep

    monkeypatch.setattr(gradient, "_MANY", 0 if played else 10**9)
    monkeypatch.setattr(brief, "brief_sweep", watched)
    return found


def both_ways(monkeypatch: Any, run: Any) -> tuple[Any, Any]:
    found = []
    for played in (True, False):
        with monkeypatch.context() as patch:
            seen = counted(patch, played)
            found.append(run())
        assert bool(seen) is played
        assert all(seen)
    return found[0], found[1]


@pytest.mark.parametrize("check", ["off", "sampled", "all"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rows_give_the_bits_and_the_counts_of_actions(
    schedule: str, check: Any, monkeypatch: Any
) -> None:
    rng = np.random.default_rng(1)
    state = {"u": rng.standard_normal(3), "w": rng.standard_normal(3)}
    inputs = rng.standard_normal(STEPS)
    sim = ra.Simulation(
        pendulum, steps=STEPS, schedule=SCHEDULES[schedule], replay_check=check, native=False
    )

    def run() -> Any:
        def objective(state: Any, p: Any, rows: Any) -> Any:
            last = sim(state, p, rows).state
            return np.sum(last["u"] ** 2) + np.sum(last["w"])

        return *ra.value_and_grad(objective, argnums=(0, 1, 2))(state, 1.3, inputs), sim.report

    (value, got, report), (expected_value, expected, other) = both_ways(monkeypatch, run)
    assert value == expected_value
    for a, b in zip(ra.ravel(got)[0], ra.ravel(expected)[0], strict=True):
        assert a == b
    for name in (
        "advanced",
        "recorded",
        "saved",
        "restored",
        "compared",
        "checked",
        "peak_checkpoints",
    ):
        assert getattr(report, name) == getattr(other, name), name
    assert report.peak_bytes <= report.budget


def test_several_cotangents_are_reversed_from_rows_too(monkeypatch: Any) -> None:
    sim = ra.Simulation(logistic, steps=STEPS, schedule=SCHEDULES["some"])
    start = np.array([0.2, 0.5, 0.7])
    got, expected = both_ways(monkeypatch, lambda: ra.jacobian(lambda u: sim(u, 3.1).state)(start))
    np.testing.assert_array_equal(got, expected)


def test_a_gradient_may_be_taken_again_and_elsewhere_between(monkeypatch: Any) -> None:
    counted(monkeypatch, True)
    sim = ra.Simulation(logistic, steps=STEPS, schedule=SCHEDULES["some"], memory="4 kB")
    slope = ra.grad(lambda u, p: np.sum(sim(u, p).state), argnums=(0, 1))
    a, b = np.array([0.2, 0.5]), np.array([0.9, 0.1])
    first = slope(a, 3.3)
    slope(b, 2.9)
    for again, before in zip(slope(a, 3.3), first, strict=True):
        np.testing.assert_array_equal(again, before)
    u = a.copy()
    np.testing.assert_array_equal(a, u)


def test_a_budget_without_room_for_slots_and_tapes_is_left_to_actions(monkeypatch: Any) -> None:
    seen = counted(monkeypatch, True)
    sim = ra.Simulation(logistic, steps=STEPS, memory=9 * 16)
    slope = ra.grad(lambda u: np.sum(sim(u, 3.3).state))
    slope(np.array([0.2, 0.5]))
    assert sim.report.peak_bytes <= 9 * 16
    assert seen


def test_a_value_that_is_not_finite_is_named_with_its_step(monkeypatch: Any) -> None:
    def run() -> str:
        sim = ra.Simulation(logistic, steps=STEPS, schedule=SCHEDULES["some"])
        with np.errstate(all="ignore"), pytest.raises(ra.errors.NonFiniteError) as caught:
            ra.grad(lambda u: np.sum(sim(u, 30.0).state))(np.array([0.2, 0.5]))
        return str(caught.value)

    got, expected = both_ways(monkeypatch, run)
    assert got == expected
    assert "state " in got


def test_an_error_of_the_vjp_keeps_its_type_and_names_the_steps(monkeypatch: Any) -> None:
    seen = counted(monkeypatch, True)

    @ra.step
    def step(u: Any, p: Any, k: int) -> Any:
        return u.copy()

    @step.vjp
    def vjp(u: Any, p: Any, k: int, cotangent: Any) -> Any:
        if k == 5:
            raise KeyError("no table")
        return cotangent, None

    sim = ra.Simulation(step, steps=STEPS, schedule=SCHEDULES["some"])
    with pytest.raises(KeyError) as caught:
        ra.grad(lambda u: np.sum(sim(u).state))(np.ones(2))
    assert seen == [True]
    notes = " ".join(caught.value.__notes__)
    assert "step 5" in notes
    assert "during the reverse sweep" in notes


def test_a_step_that_draws_random_numbers_is_caught_in_a_replay(monkeypatch: Any) -> None:
    counted(monkeypatch, True)
    rng = np.random.default_rng(0)

    @ra.step
    def step(u: Any, p: Any, k: int) -> Any:
        return u + rng.standard_normal()

    @step.vjp
    def vjp(u: Any, p: Any, k: int, cotangent: Any) -> Any:
        return cotangent, None

    sim = ra.Simulation(step, steps=STEPS, schedule=SCHEDULES["some"], replay_check="all")
    with pytest.raises((ra.errors.DivergedReplayError, ra.errors.HiddenStateError)):
        ra.grad(lambda u: np.sum(sim(u).state))(np.ones(2))

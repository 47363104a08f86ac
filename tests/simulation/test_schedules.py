"""The gradient doesn't depend on the schedule, and costs the steps that theory says."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.schedule import binomial, mixed, online, store_all, t
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4


def gradient(step: Any, n: int, params: Any = PARAMS, **options: Any) -> tuple[Any, Any]:
    """Return the gradient of a number computed from the final state, and the simulation."""
    simulation = ra.Simulation(step, steps=n, **options)

    def objective(y: Any, p: Any) -> Any:
        return np.sum(np.sin(simulation(y, p).state))

    return ra.grad(objective, argnums=(0, 1))(START, params), simulation


def bits(gradients: Any) -> list[bytes]:
    return [g.tobytes() for g in gradients]


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_checkpointed_equals_store_all_bit_for_bit(step: Any, n: int) -> None:
    expected = bits(gradient(step, n, schedule=store_all)[0])
    for s in range(1, n + 1):
        found, simulation = gradient(step, n, schedule=lambda n, s=s: binomial(n, s))
        assert bits(found) == expected
        report = simulation.report
        assert report is not None
        assert (report.advanced, report.recorded) == (t(n, s), n)
        assert report.peak_checkpoints <= s


@pytest.mark.parametrize("n", [41, 60])
def test_checkpointed_equals_store_all_for_longer_runs(n: int) -> None:
    expected = bits(gradient(lotka_volterra, n, schedule=store_all)[0])
    for s in range(1, n + 1):
        found, simulation = gradient(lotka_volterra, n, schedule=lambda n, s=s: binomial(n, s))
        assert bits(found) == expected
        assert simulation.report is not None
        assert simulation.report.executed == n + t(n, s)


def test_the_tape_and_the_derivative_by_hand_agree() -> None:
    by_hand, _ = gradient(lotka_volterra, 50)
    recorded, _ = gradient(rk4, 50)
    for a, b in zip(by_hand, recorded, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_gradient_is_the_one_of_differences() -> None:
    simulation = ra.Simulation(rk4, steps=30)

    def objective(p: Any) -> Any:
        return np.sum(np.sin(simulation(START, p).state))

    gradient = ra.grad(objective)(PARAMS)
    direction = np.array([0.3, -0.7, 0.2, 0.5])
    h = 1e-6
    slope = (objective(PARAMS + h * direction) - objective(PARAMS - h * direction)) / (2 * h)
    assert slope == pytest.approx(gradient @ direction, rel=1e-8)


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
def test_a_then_b_then_a_again_is_bitwise_a(step: Any) -> None:
    simulation = ra.Simulation(step, steps=25, memory=1500)

    def objective(p: Any) -> Any:
        return np.sum(simulation(START, p).state ** 2)

    value_and_grad = ra.value_and_grad(objective)
    first = value_and_grad(PARAMS)
    other = value_and_grad(1.1 * PARAMS)
    again = value_and_grad(PARAMS)
    assert first[0] == again[0]
    assert first[1].tobytes() == again[1].tobytes()
    assert other[1].tobytes() != first[1].tobytes()


def test_checks_change_neither_value_nor_gradient() -> None:
    results = []
    for check in ("off", "sampled", "all"):
        simulation = ra.Simulation(
            rk4, steps=25, schedule=lambda n: binomial(n, 3), replay_check=check
        )
        value = ra.value_and_grad(lambda p, s=simulation: np.sum(s(START, p).state ** 2))(PARAMS)
        results.append((value[0].tobytes(), value[1].tobytes()))
        assert simulation.report is not None
        assert simulation.report.checked == {"off": 0, "sampled": 3, "all": 25}[check]
        assert simulation.report.advanced == t(25, 3)
        assert simulation.report.compared == {"off": 0, "sampled": 8, "all": 24}[check]
    assert results[0] == results[1] == results[2]


def test_a_schedule_may_be_a_list_of_actions() -> None:
    schedule = list(binomial(12, 3))
    expected = bits(gradient(rk4, 12, schedule=store_all)[0])
    for _ in range(2):
        assert bits(gradient(rk4, 12, schedule=schedule)[0]) == expected


def test_an_online_schedule_serves_a_known_number_of_steps() -> None:
    expected = bits(gradient(rk4, 12, schedule=store_all)[0])
    assert bits(gradient(rk4, 12, schedule=online(3))[0]) == expected


def test_results_of_recorded_steps_are_computed_when_the_schedule_asks_for_them() -> None:
    # One step at a time is recorded, and nothing is reversed in between.
    record = [ra.schedule.Record(k, k + 1) for k in range(6)]
    reverse = [ra.schedule.Reverse(k, k + 1) for k in reversed(range(6))]
    start = [ra.schedule.Save(0, 0), ra.schedule.Advance(0, 6), ra.schedule.Restore(0, 0)]
    schedule = [*start, ra.schedule.Discard(0, 0), *record, *reverse]
    ra.schedule.check(schedule)
    expected = bits(gradient(rk4, 6, schedule=store_all)[0])
    assert bits(gradient(rk4, 6, schedule=schedule)[0]) == expected


def test_a_schedule_for_another_number_of_steps_is_refused() -> None:
    with pytest.raises(ra.RevolveError, match="for 10 steps, but this run has 12"):
        gradient(rk4, 12, schedule=binomial(10, 3))


def test_a_schedule_that_breaks_a_rule_is_refused_before_the_run() -> None:
    with pytest.raises(ra.RevolveError):
        gradient(rk4, 3, schedule=[ra.schedule.Record(0, 2), ra.schedule.Reverse(0, 2)])


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
@pytest.mark.parametrize("check", ["off", "all"])
def test_observed_runs_have_one_gradient_under_every_schedule(step: Any, check: Any) -> None:
    def observe(y: Any, p: Any, k: Any) -> Any:
        return y * p[:2] + p[2]

    def found(schedule: Any, at: Any) -> list[bytes]:
        simulation = ra.Simulation(
            step,
            steps=14,
            schedule=schedule,
            observe=observe,
            observe_at=at,
            replay_check=check,
        )

        def objective(y: Any, p: Any) -> Any:
            run = simulation(y, p)
            return np.sum(run.state**2) + np.sum(np.sin(run.observed))

        return bits(ra.grad(objective, argnums=(0, 1))(START, PARAMS))

    schedules = [binomial(14, s) for s in range(1, 15)]
    schedules += [mixed(14, b, 2, 3) for b in (6, 11, 17, 26)]
    for at in ([0, 3, 4, 5, 13, 14], None, [6]):
        expected = found(store_all, at)
        for schedule in schedules:
            assert found(schedule, at) == expected


def test_a_stretch_may_be_reversed_in_parts() -> None:
    schedule = [
        ra.schedule.Record(0, 4),
        ra.schedule.Record(4, 10),
        ra.schedule.Reverse(7, 10),
        ra.schedule.Reverse(2, 7),
        ra.schedule.Reverse(0, 2),
    ]
    ra.schedule.check(schedule)
    expected = bits(gradient(rk4, 10, schedule=store_all)[0])
    for step in (rk4, lotka_volterra):
        expected = bits(gradient(step, 10, schedule=store_all)[0])
        assert bits(gradient(step, 10, schedule=schedule)[0]) == expected


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
def test_mixed_schedules_cost_what_they_say(step: Any) -> None:
    expected = bits(gradient(step, 30, schedule=store_all)[0])
    for budget in (5, 8, 13, 29, 80):
        schedule = mixed(30, budget, 2, 3)
        found, simulation = gradient(step, 30, schedule=schedule)
        assert bits(found) == expected
        counts, report = schedule.counts(), simulation.report
        assert report.advanced == counts.advanced
        assert report.recorded == counts.recorded
        assert (report.saved, report.restored) == (counts.saved, counts.restored)
        assert report.peak_checkpoints == counts.peak_checkpoints

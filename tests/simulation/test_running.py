"""Runs that end by themselves, progress, storages, threads."""

import threading
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import ScheduleError, StepLimitError
from revolve_ad.schedule import binomial, online, t
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4


def ends(y: Any, p: Any, k: Any) -> Any:
    return k >= 3 and y[0] > 1.5


def count(params: Any) -> int:
    y, k = START, 0
    while True:
        y, k = rk4(y, params, k), k + 1
        if ends(y, params, k):
            return k


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
@pytest.mark.parametrize("schedule", [None, online(1), online(3), online(50)])
@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_until_gives_the_gradient_of_as_many_steps(step: Any, schedule: Any, factor: float) -> None:
    params = factor * PARAMS
    n = count(params)
    options = {"observe": lambda y, p, k: y * p[0], "observe_at": [0, 3, 7, 900]}
    simulation = ra.Simulation(step, until=ends, max_steps=1000, schedule=schedule, **options)
    options["observe_at"] = [k for k in (0, 3, 7) if k <= n]
    fixed = ra.Simulation(step, steps=n, **options)

    def objective(s: Any) -> Any:
        def value(y: Any, p: Any) -> Any:
            run = s(y, p)
            assert run.steps == n
            return np.sum(run.state**2) + np.sum(run.observed)

        return value

    assert simulation(START, params).steps == n
    found = ra.value_and_grad(objective(simulation), argnums=(0, 1))(START, params)
    expected = ra.value_and_grad(objective(fixed), argnums=(0, 1))(START, params)
    assert found[0] == expected[0]
    for a, b in zip(found[1], expected[1], strict=True):
        assert a.tobytes() == b.tobytes()
    report = simulation.report
    assert report.steps == n
    assert report.recorded == n
    if schedule is not None:
        assert report.peak_checkpoints <= schedule.n_checkpoints
        assert report.advanced == schedule.counts(n).advanced


def test_until_within_a_budget() -> None:
    state = np.tile(START, 500)

    def step(y: Any, p: Any, k: Any) -> Any:
        return y * p

    simulation = ra.Simulation(
        step, until=lambda y, p, k: k == 83, max_steps=200, memory=25 * state.nbytes
    )
    gradient = ra.grad(lambda p: np.sum(simulation(state, p).state))(0.99)
    assert gradient == pytest.approx(83 * 0.99**82 * state.sum())
    assert simulation.report.peak_bytes <= 25 * state.nbytes


def test_until_that_never_comes_true_says_so() -> None:
    simulation = ra.Simulation(rk4, until=lambda y, p, k: False, max_steps=20)
    with pytest.raises(StepLimitError, match="max_steps=20"):
        simulation(START, PARAMS)
    with pytest.raises(StepLimitError, match="max_steps=20"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)


def test_until_at_the_last_allowed_step_is_fine() -> None:
    simulation = ra.Simulation(rk4, until=lambda y, p, k: k == 20, max_steps=20)
    assert simulation(START, PARAMS).steps == 20
    ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)


def test_unused_rows_of_inputs_have_gradient_zero() -> None:
    simulation = ra.Simulation(lambda y, p, k, f: y * f, until=lambda y, p, k: k == 4, max_steps=10)
    gradient = ra.grad(lambda f: np.sum(simulation(START, None, f).state))(np.full(12, 0.5))
    assert np.all(gradient[:4] != 0)
    np.testing.assert_array_equal(gradient[4:], 0)


def test_until_needs_a_schedule_for_an_unknown_number_of_steps() -> None:
    simulation = ra.Simulation(rk4, until=ends, max_steps=100, schedule=binomial(10, 3))
    with pytest.raises(ScheduleError, match=r"schedule\.online"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)


def test_hvp_through_until_freezes_the_number_of_steps() -> None:
    n = count(PARAMS)
    simulation = ra.Simulation(rk4, until=ends, max_steps=100)
    fixed = ra.Simulation(rk4, steps=n)
    v = np.array([0.2, -0.4, 0.7, 0.1])
    found = ra.hvp(lambda p: np.sum(simulation(START, p).state ** 2), PARAMS, v)
    expected = ra.hvp(lambda p: np.sum(fixed(START, p).state ** 2), PARAMS, v)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_progress_counts_every_executed_step_in_order() -> None:
    calls: list[tuple[int, Any]] = []
    simulation = ra.Simulation(
        rk4,
        steps=30,
        schedule=lambda n: binomial(n, 3),
        progress=lambda done, total: calls.append((done, total)),
    )
    simulation(START, PARAMS)
    assert calls[-1] == (30, 30)
    calls.clear()
    ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[-1] == (30 + t(30, 3), 30 + t(30, 3))


def test_a_bar_is_drawn_if_tqdm_is_there(capsys: Any) -> None:
    pytest.importorskip("tqdm")
    simulation = ra.Simulation(rk4, steps=30, progress=True)
    ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "30/30" in captured.err


@pytest.mark.parametrize("kind", ["disk", "ram"])
def test_checkpoints_may_live_elsewhere(kind: str, tmp_path: Any) -> None:
    storage: Any = ra.storage.Disk(tmp_path) if kind == "disk" else ra.storage.Ram()
    simulation = ra.Simulation(rk4, steps=20, schedule=lambda n: binomial(n, 4), storage=storage)
    memory = ra.Simulation(rk4, steps=20, schedule=lambda n: binomial(n, 4))

    def both(s: Any) -> Any:
        # Two runs at once share the storage.
        return lambda p: np.sum(s(START, p).state) * np.sum(s(2 * START, p).state)

    found, expected = ra.grad(both(simulation))(PARAMS), ra.grad(both(memory))(PARAMS)
    assert found.tobytes() == expected.tobytes()
    assert not list(tmp_path.glob("**/*.checkpoint"))
    # A run that is never reversed leaves nothing either.
    _, pullback = ra.vjp(lambda p: simulation(START, p).state, PARAMS)
    del pullback
    assert len(storage._held) == 0


def test_threads_share_a_simulation() -> None:
    simulation = ra.Simulation(rk4, steps=20, memory=2000)

    def function(p: Any) -> Any:
        return np.sum(simulation(START, p).state ** 2)

    gradient = ra.grad(function)
    params = [PARAMS * (1 + 0.01 * i) for i in range(8)]
    expected = [gradient(p).tobytes() for p in params]
    found: dict[int, bytes] = {}

    def work(i: int) -> None:
        for _ in range(3):
            found[i] = gradient(params[i]).tobytes()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(8)] == expected


def test_a_runs_report_is_its_own() -> None:
    runs = []
    first = ra.Simulation(rk4, steps=20, schedule=lambda n: binomial(n, 3))
    second = ra.Simulation(rk4, steps=10)

    def function(p: Any) -> Any:
        runs.append(first(START, p))
        runs.append(second(START, p))
        return np.sum(runs[0].state) + np.sum(runs[1].state)

    ra.grad(function)(PARAMS)
    assert runs[0].report.advanced == t(20, 3)
    assert runs[1].report.steps == 10
    assert runs[0].report == first.report
    assert "recomputation" in str(runs[0].report)

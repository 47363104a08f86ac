"""What is measured costs next to nothing: no step is run twice for it, and a plan is kept."""

import pathlib
import pickle
from itertools import islice
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.native.load import Module
from tests.simulation.clock import Clock
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4

N = 40

CLOCK = Clock()


@pytest.fixture(autouse=True)
def by_that_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    CLOCK.install(monkeypatch)


def counting(seconds: float = 0.0) -> tuple[Any, list[int], list[int]]:
    """Return a step with its vjp, and the lists of the steps that each is called for."""
    forward: list[int] = []
    reverse: list[int] = []

    @ra.step
    def step(y: Any, p: Any, k: Any) -> Any:
        forward.append(k)
        CLOCK.sleep(seconds)
        return rk4(y, p, k)

    @step.vjp
    def step_vjp(y: Any, p: Any, k: Any, c: Any) -> Any:
        reverse.append(k)
        CLOCK.sleep(seconds)
        return lotka_volterra._vjp(y, p, k, c)

    return step, forward, reverse


def test_a_plan_runs_one_slow_step_forward_and_in_reverse() -> None:
    step, forward, reverse = counting(0.11)
    plan = ra.Simulation(step, steps=10**6, memory="1 MB").plan(START, PARAMS)
    assert (forward, reverse) == ([0], [0])
    assert plan.step_seconds == pytest.approx(0.11, rel=1e-4)
    assert plan.seconds > 0.2 * 10**6


def test_a_plan_runs_quick_steps_some_times_however_long_the_run() -> None:
    calls = []
    for n in (10**3, 10**6):
        step, forward, reverse = counting(1e-3)
        ra.Simulation(step, steps=n, memory="1 MB").plan(START, PARAMS)
        calls.append((forward, reverse))
        assert len(forward + reverse) < 500
        assert set(reverse) <= set(forward) | {max(forward) + 1}
    assert calls[0] == calls[1]


@pytest.mark.parametrize("states", [1, 3, 7])
@pytest.mark.parametrize("slots", [None, 5])
def test_a_gradient_measures_its_own_first_steps_and_runs_none_twice_for_it(
    states: int, slots: int | None, tmp_path: pathlib.Path
) -> None:
    step, forward, _ = counting()
    fixed = ra.Simulation(step, steps=N).plan(START, PARAMS).sizes.all_fixed
    simulation = ra.Simulation(
        step,
        steps=N,
        memory=fixed + states * START.nbytes,
        storage=ra.storage.Disk(tmp_path),
        disk=None if slots is None else slots * START.nbytes,
    )
    forward.clear()
    _, pullback = ra.vjp(lambda p: simulation(START, p).state, PARAMS)
    assert forward == list(range(N))
    pullback(START)
    report = simulation.report
    assert report is not None
    counts = report.schedule.counts()
    assert (report.advanced, report.recorded) == (counts.advanced, counts.recorded)
    # The next gradient is planned by what this one has measured, from the start.
    ra.vjp(lambda p: simulation(START, p).state, PARAMS)[1](START)
    assert simulation.report.schedule == report.schedule
    assert simulation.report.saved == counts.saved


def test_a_pullback_again_is_one_more_sweep_and_several_at_once_are_one() -> None:
    step, forward, reverse = counting()
    simulation = ra.Simulation(step, steps=N, memory="2 kB")
    _, pullback = ra.vjp(lambda p: simulation(START, p).state, PARAMS)
    first = len(forward)
    assert forward == list(range(N))
    one = pullback(START)
    once = len(forward)
    assert len(reverse) == N
    again = pullback(START)
    assert again[0].tobytes() == one[0].tobytes()
    assert len(forward) - once == once  # the sweep from state 0, and then the same
    assert forward[once : once + first] == list(range(N))
    assert len(reverse) == 2 * N
    forward.clear()
    ra.jacobian(lambda p: simulation(START, p).state)(PARAMS)
    assert len(forward) == once


@pytest.mark.parametrize("memory", ["1 kB", "2 kB", "1 MB"])
def test_a_run_that_is_resumed_keeps_its_plan(memory: str) -> None:
    plan = ra.Simulation(rk4, steps=N, memory=memory).plan(START, PARAMS)
    for drawn in (0, 1, 7, 30):
        running = iter(plan.schedule)
        list(islice(running, drawn))
        resumed = pickle.loads(pickle.dumps(running))
        assert list(resumed) == list(running)
    kept = pickle.loads(pickle.dumps(plan))
    assert kept == plan
    assert np.isfinite(kept.seconds)


def test_a_plan_does_not_take_compiling_for_a_step(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("REVOLVE_AD_CACHE", str(tmp_path))
    compiled = Module.function

    def slowly(*given: Any) -> Any:
        CLOCK.sleep(1.0)
        return compiled(*given)

    monkeypatch.setattr(Module, "function", slowly)

    def step(u: Any, rate: Any, k: Any) -> Any:  # sort is called between the compiled loops
        return u + rate * (np.sort(u) - u) + 0.0123 * np.sin(u)

    sim = ra.Simulation(step, steps=20_000, memory="2 MB", native=True)
    plan = sim.plan(np.linspace(0.0, 1.0, 97) ** 2, 0.1)
    assert any(tmp_path.rglob("*.code"))  # it was compiled, which took a second or more
    assert plan.step_seconds < 0.1

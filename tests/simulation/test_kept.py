"""What gradients of one simulation share: a plan, and the memory of checkpoints."""

import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.simulation import memory
from revolve_ad.simulation.arrays import pool
from revolve_ad.simulation.planning import standing
from revolve_ad.simulation.planning.planner import plan_gradient

START = np.linspace(0.0, 1.0, 64)


def step(u: Any, p: Any, k: Any) -> Any:
    return u + p * u * (1.0 - u)


def simulation(budget: Any = "1 MB", steps: int = 60, **options: Any) -> ra.Simulation:
    pytest.importorskip("numba")
    return ra.Simulation(step, steps=steps, memory=budget, native=True, **options)


def gradient(sim: ra.Simulation, p: float, start: Any = START) -> Any:
    return ra.grad(lambda q: np.sum(sim(start, q).state ** 2))(p)


def idle(sim: ra.Simulation) -> list[Any]:
    return [array for block in sim._pool._idle for array in block]


def test_checkpoints_of_the_next_gradient_lie_in_the_same_memory() -> None:
    sim = simulation()
    first = gradient(sim, 0.1)
    (kept,) = idle(sim)
    assert kept.nbytes <= sim.report.peak_bytes
    other = gradient(sim, 0.2)
    assert idle(sim) == [kept]
    assert idle(sim)[0] is kept
    assert gradient(sim, 0.1).tobytes() == first.tobytes() != other.tobytes()


def test_they_are_let_go_of_for_another_form_and_with_the_simulation() -> None:
    sim = simulation()
    gradient(sim, 0.1)
    first = weakref.ref(idle(sim)[0])
    gradient(sim, 0.1, START[:32])
    assert first() is None
    second = weakref.ref(idle(sim)[0])
    assert pickle.loads(pickle.dumps(sim)) == sim
    assert not idle(pickle.loads(pickle.dumps(sim)))
    del sim
    gc.collect()
    assert second() is None


SCHEDULES = {"none": None, "one that was given": ra.schedule.binomial(10_000, 9_900)}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_memory_is_kept_whoever_chose_it_and_held_to_what_was_counted(schedule: str) -> None:
    sim = simulation(None, steps=10_000, schedule=SCHEDULES[schedule])
    first = gradient(sim, 0.1)
    (kept,) = idle(sim)
    assert pool.ALWAYS_GRANTED < kept.nbytes <= sim.report.peak_bytes <= sim.plan(START, 0.1).budget
    assert not idle(sim)  # the measurement had the memory
    assert gradient(sim, 0.1).tobytes() == first.tobytes()
    assert idle(sim)
    sim.release()
    assert not idle(sim)
    assert gradient(sim, 0.1).tobytes() == first.tobytes()


def test_what_nobody_granted_is_let_go_of_where_simulations_keep_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_unasked", [])
    monkeypatch.setattr(pool, "free_bytes", lambda: 34_000_000)
    granted = simulation("20 MB", steps=10_000)
    gradient(granted, 0.1)
    sims = [simulation(None, steps=10_000) for _ in range(3)]
    for sim in sims:  # 5.1 MB each
        gradient(sim, 0.1)
    assert [bool(idle(sim)) for sim in sims] == [False, True, True]
    gradient(sims[0], 0.1)
    assert [bool(idle(sim)) for sim in sims] == [True, False, True]
    assert idle(granted)


def test_a_plan_by_free_memory_stays_until_less_is_free_or_much_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budgets: list[int] = []

    def noting(*args: Any, **options: Any) -> Any:
        found = plan_gradient(*args, **options)
        budgets.append(found.budget)
        return found

    free = 18_000_000
    monkeypatch.setattr(standing, "plan_gradient", noting)
    monkeypatch.setattr(memory, "free_bytes", lambda: free - sum(a.nbytes for a in idle(sim)))
    sim = simulation(None, steps=10_000)
    first = gradient(sim, 0.1)
    kept = idle(sim)[0]
    gradient(sim, 0.1)
    assert budgets == [free // 4]
    assert idle(sim)[0] is kept  # what it kept counts as free
    for free in (20_000_000, 17_000_000, 24_000_000, 26_000_000):
        assert gradient(sim, 0.1).tobytes() == first.tobytes()
        assert idle(sim)[0].nbytes <= budgets[-1] <= free // 4
    assert budgets == [4_500_000, 4_250_000, 6_500_000]


def test_gradients_in_several_threads_have_memory_of_their_own() -> None:
    sim = simulation(steps=2000)
    expected = {p: gradient(sim, p).tobytes() for p in (0.1, 0.2, 0.3, 0.4)}
    found: dict[float, Any] = {}

    def work(p: float) -> None:
        found[p] = [gradient(sim, p).tobytes() for _ in range(5)]

    threads = [threading.Thread(target=work, args=(p,)) for p in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {p: [bits] * 5 for p, bits in expected.items()}
    assert len(idle(sim)) == 1


def test_a_plan_is_made_once_for_equal_calls_and_again_where_anything_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    def counting(*args: Any, **options: Any) -> Any:
        made.append(args)
        return plan_gradient(*args, **options)

    monkeypatch.setattr(standing, "plan_gradient", counting)
    sim = simulation("16 kB")
    for p in (0.1, 0.2, 0.3):
        gradient(sim, p)
    assert len(made) == 1
    gradient(sim, 0.1, START[:32])  # another form
    assert len(made) == 2
    gradient(sim, 0.1)
    assert len(made) == 2
    sim.plan(START, 0.1)  # costs are known now
    gradient(sim, 0.1)
    gradient(sim, 0.1)
    assert len(made) == 3
    actions = list(ra.schedule.store_all(60))
    listed = simulation(None, schedule=actions)
    for _ in range(2):  # who gives a list may change it
        gradient(listed, 0.1)
    assert len(made) == 5

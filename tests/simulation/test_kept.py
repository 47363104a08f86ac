"""What gradients of one simulation share: a plan, and the memory of checkpoints."""

import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.simulation.planning import standing
from revolve_ad.simulation.planning.planner import plan_gradient

START = np.linspace(0.0, 1.0, 64)


def step(u: Any, p: Any, k: Any) -> Any:
    return u + p * u * (1.0 - u)


def simulation(memory: Any = "1 MB", steps: int = 60, **options: Any) -> ra.Simulation:
    pytest.importorskip("numba")
    return ra.Simulation(step, steps=steps, memory=memory, native=True, **options)


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


def test_memory_that_was_not_granted_is_kept_only_if_it_is_little() -> None:
    for memory, kept in (("20 MB", True), (None, False)):
        sim = simulation(memory, steps=10_000)
        gradient(sim, 0.1)
        assert bool(idle(sim)) == kept
    sim = simulation(None)
    gradient(sim, 0.1)
    assert idle(sim)


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

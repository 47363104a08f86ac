"""Plain calls of a step are left out only where they could find nothing."""

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import DivergedReplayError
from revolve_ad.schedule import binomial
from revolve_ad.simulation.arrays.replay import Replays
from tests.simulation.systems import PARAMS, START, rk4

RATE = 0.5
HELD: Any = None


def law(u: Any) -> Any:
    return RATE * np.sin(u)


def step_with_helper(u: Any, p: Any, k: Any) -> Any:
    return u * p + inner(u)


def inner(u: Any) -> Any:
    return law(u)


def checked(simulation: ra.Simulation) -> int:
    assert simulation.report is not None
    return simulation.report.checked


def gradient_of(simulation: ra.Simulation) -> Callable[[float], Any]:
    return ra.grad(lambda p: np.sum(simulation(START, p).state ** 2))


@pytest.mark.parametrize("native", [False, True])
def test_a_step_of_which_all_is_known_is_compared_in_the_first_gradient_alone(
    native: bool,
) -> None:
    if native:
        pytest.importorskip("numba")
    simulation = ra.Simulation(step_with_helper, steps=12, native=native)
    gradient = gradient_of(simulation)
    found = []
    for _ in range(6):
        found.append(gradient(0.5).tobytes())
        found.append(checked(simulation))
    assert found[1::2] == [3, 0, 0, 0, 0, 0]
    assert len(set(found[::2])) == 1


def test_under_all_every_step_is_compared_in_every_gradient() -> None:
    simulation = ra.Simulation(step_with_helper, steps=12, replay_check="all")
    gradient = gradient_of(simulation)
    for _ in range(4):
        gradient(0.5)
        assert checked(simulation) == 12


def test_observe_is_spared_too_and_seen_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def observe(u: Any, p: Any, k: Any) -> Any:
        return RATE * u

    def counting(u: Any, p: Any, k: Any) -> Any:
        called.append(k)
        return RATE * u

    for function in (observe, counting):
        simulation = ra.Simulation(rk4, steps=9, observe=function, observe_at=[0, 4, 9])
        gradient = ra.grad(lambda p, s=simulation: np.sum(s(START, p).observed ** 2))
        first = gradient(PARAMS)
        n = len(called)
        assert gradient(PARAMS).tobytes() == first.tobytes()
        with monkeypatch.context() as context:
            context.setitem(globals(), "RATE", 1.0)
            assert gradient(PARAMS).tobytes() == (4.0 * first).tobytes()
        assert gradient(PARAMS).tobytes() == first.tobytes()
    assert len(called) > n  # what may have an effect is called as before


def changes() -> Iterator[tuple[Any, Callable[[pytest.MonkeyPatch], Any]]]:
    """Yield steps, and what makes each of them do something else."""
    here = sys.modules[__name__]
    scale, offset = 0.25, np.array([0.5, 0.0])
    options = {"rate": 0.5}

    def closure(u: Any, p: Any, k: Any) -> Any:
        return u * p * scale + offset

    def rescale() -> None:
        nonlocal scale
        scale = 0.75

    def default(u: Any, p: Any, k: Any, a: Any = 0.5) -> Any:
        return a * u * p

    def with_dict(u: Any, p: Any, k: Any) -> Any:
        return options["rate"] * u * p

    class Model:
        rate = 0.5

        def step(self, u: Any, p: Any, k: Any) -> Any:
            return self.rate * u * p

        def __call__(self, u: Any, p: Any, k: Any) -> Any:
            return self.rate * np.cos(u) * p

    model = Model()

    def of_class(u: Any, p: Any, k: Any) -> Any:
        return Model.rate * u * p

    def partly(rate: Any, u: Any, p: Any, k: Any) -> Any:
        return rate[0] * u * p

    rate = [0.5]
    yield step_with_helper, lambda m: m.setitem(globals(), "RATE", 0.7)
    yield step_with_helper, lambda m: m.setattr(here, "law", lambda u: u)
    yield step_with_helper, lambda m: m.setattr(inner, "__code__", (lambda u: u).__code__)
    yield closure, lambda m: rescale()
    yield closure, lambda m: offset.__setitem__(1, 0.5)
    yield default, lambda m: m.setattr(default, "__defaults__", (0.7,))
    yield with_dict, lambda m: m.setitem(options, "rate", 0.7)
    yield model.step, lambda m: m.setattr(model, "rate", 0.7)
    yield model, lambda m: m.setattr(Model, "rate", 0.7)
    yield of_class, lambda m: m.setattr(Model, "rate", 0.7)
    yield functools.partial(partly, rate), lambda m: rate.__setitem__(0, 0.7)


@pytest.mark.parametrize(("step", "change"), list(changes()))
def test_a_change_between_gradients_is_seen(
    step: Any, change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = ra.Simulation(step, steps=7)
    gradient = gradient_of(simulation)
    before = [gradient(0.5).tobytes() for _ in range(4)]
    change(monkeypatch)
    after = [gradient(0.5).tobytes() for _ in range(4)]
    expected = gradient_of(ra.Simulation(step, steps=7))(0.5).tobytes()
    assert set(after) == {expected}
    assert expected not in before


def test_a_change_during_the_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [False]

    def observe(u: Any, p: Any, k: Any) -> Any:
        if changes[0] and type(k) is int and k == 6:
            monkeypatch.setitem(globals(), "RATE", RATE + 0.125)
        return u

    simulation = ra.Simulation(step_with_helper, steps=12, observe=observe, observe_at=[6])
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).observed))
    for expected in (3, 0, 0):
        gradient(0.5)
        assert checked(simulation) == expected
    changes[0] = True
    with pytest.raises(DivergedReplayError, match="step 11"):
        gradient(0.5)


def test_a_simulation_without_params_is_spared_too() -> None:
    simulation = ra.Simulation(lambda u, p, k: u + 0.1 * np.sin(u), steps=12)
    gradient = ra.grad(lambda u: np.sum(simulation(u).state ** 2))
    found = []
    for _ in range(3):
        gradient(START)
        found.append(checked(simulation))
    assert found == [3, 0, 0]


def test_random_draws_and_clocks_are_compared_in_every_gradient() -> None:
    generator = np.random.default_rng(0)

    def draws(u: Any, p: Any, k: Any) -> Any:
        return u * p + 0.0 * generator.normal()

    simulation = ra.Simulation(draws, steps=12)
    gradient = gradient_of(simulation)
    for n in range(4):
        gradient(0.5)
        assert checked(simulation) >= (3 if n == 0 else 2)


def test_what_a_plain_run_has_recorded_is_compared_in_the_first_gradient() -> None:
    simulation = ra.Simulation(step_with_helper, steps=60, native=True)
    pytest.importorskip("numba")
    simulation(START, 0.5)
    gradient = gradient_of(simulation)
    gradient(0.5)
    assert checked(simulation) >= 2
    gradient(0.5)
    assert checked(simulation) == 0


@pytest.mark.parametrize("check", ["off", "sampled", "all"])
def test_gradients_at_two_points_in_turn_are_the_same(check: Any) -> None:
    simulation = ra.Simulation(rk4, steps=20, replay_check=check)
    both = ra.value_and_grad(lambda p, u: np.sum(simulation(u, p).state ** 2), (0, 1))
    points = [(PARAMS, START), (1.1 * PARAMS, START), (PARAMS, 0.9 * START)]
    first = [both(*point) for point in points]
    for _ in range(3):
        for (value, gradients), point in zip(first, points, strict=True):
            other, again = both(*point)
            assert value == other
            assert [g.tobytes() for g in gradients] == [g.tobytes() for g in again]


def test_the_memory_of_a_simulation_goes_with_it() -> None:
    global HELD
    HELD = ra.Simulation(rk4, steps=20, memory="1 MB")
    gradient = ra.grad(lambda p: np.sum(HELD(START, p).state))
    for _ in range(3):
        gradient(PARAMS)
    gone = weakref.ref(HELD)
    del globals()["HELD"]
    assert gone() is None
    with pytest.raises(NameError, match="HELD"):
        gradient(PARAMS)


def test_compiled_replays_are_sampled_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    remembered: list[set[int]] = []
    original = Replays.remember

    def remember(self: Replays, k: int, state: Any) -> None:
        remembered[-1].add(k)
        original(self, k, state)

    monkeypatch.setattr(Replays, "remember", remember)
    simulation = ra.Simulation(
        step_with_helper, steps=60, native=True, schedule=lambda n: binomial(n, 40)
    )
    gradient = gradient_of(simulation)
    found = set()
    for _ in range(9):
        remembered.append(set())
        found.add(gradient(0.5).tobytes())
    assert len(found) == 1
    assert [len(states) for states in remembered] == [8] + 8 * [1]
    assert set.union(*remembered[1:]) == remembered[0]

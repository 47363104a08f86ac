"""A tape is used again only where its step, recorded now, would give the same one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from tests.simulation.systems import START

N = 40


class Pulse:
    """A forcing that acts in the middle of the run, for as long as nobody looks."""

    def __init__(self) -> None:
        self.strength = 1.0
        self.big = np.ones(20_000)  # more than is compared to find out whether anything changed

    @property
    def now(self) -> float:
        return self.strength

    def step(self, u: Any, p: Any, k: Any) -> Any:
        return u * p + np.where(k == 17, self.strength, 0.0)

    def with_property(self, u: Any, p: Any, k: Any) -> Any:
        return u * p + np.where(k == 17, self.now, 0.0)

    def with_array(self, u: Any, p: Any, k: Any) -> Any:
        return u * p + np.where(k == 17, self.big[3], 0.0)

    def observe(self, u: Any, p: Any, k: Any) -> Any:
        return np.where(k == 17, self.strength, 1.0) * p * u

    def change(self, strength: float) -> None:
        self.strength = self.big[3] = strength


def steps() -> Iterator[Callable[[Pulse], Any]]:
    """Yield what makes a step that reads a pulse in one way or another."""

    def with_list(pulse: Pulse) -> Any:
        table = [pulse]

        def step(u: Any, p: Any, k: Any) -> Any:
            return u * p + np.where(k == 17, table[0].strength, 0.0)

        return step

    def with_closure(pulse: Pulse) -> Any:
        values = np.zeros(N)
        pulse.change = lambda s: values.__setitem__(17, s)  # type: ignore[method-assign]
        pulse.change(1.0)

        def step(u: Any, p: Any, k: Any) -> Any:
            return u * p + np.take(values, k)

        return step

    yield lambda pulse: pulse.step
    yield lambda pulse: pulse.with_property
    yield lambda pulse: pulse.with_array
    yield with_list
    yield with_closure


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("make", list(steps()))
def test_a_change_that_shows_in_one_step_alone_is_seen(make: Any, native: bool) -> None:
    if native:
        pytest.importorskip("numba")
    pulse = Pulse()
    step = make(pulse)
    simulation = ra.Simulation(step, steps=N, native=native)

    def objective(p: Any) -> Any:
        return np.sum(simulation(START, p).state)

    gradient = ra.value_and_grad(objective)
    for strength in (1.0, 2.0, 2.0, 5.0, 1.0, 3.0):
        pulse.change(strength)
        fresh = ra.Simulation(step, steps=N, native=native)
        expected = ra.value_and_grad(lambda p, s=fresh: np.sum(s(START, p).state))(0.9)
        assert gradient(0.9) == expected
        assert objective(0.9) == expected[0]


def test_a_change_of_observe_that_shows_at_one_state_alone_is_seen() -> None:
    pulse = Pulse()
    for step in (lambda u, p, k: u * p, as_user_step()):
        simulation = ra.Simulation(step, steps=N, observe=pulse.observe)
        gradient = ra.grad(lambda p, s=simulation: np.sum(s(START, p).observed))
        for strength in (1.0, 2.0, 2.0, 5.0, 1.0, 3.0):
            pulse.change(strength)
            powers = np.arange(N + 1)
            powers_of = np.where(powers == 17, strength, 1.0) * (powers + 1) * 0.9**powers
            assert gradient(0.9) == pytest.approx(np.sum(START) * np.sum(powers_of), rel=1e-12)


def as_user_step() -> Any:
    @ra.step
    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p

    step.vjp(lambda u, p, k, c: (c * p, u @ c))
    return step


def test_what_was_prepared_serves_again_where_a_recording_is_equal() -> None:
    pulse = Pulse()
    simulation = ra.Simulation(pulse.step, steps=N)
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).state))
    gradient(0.9)
    (model,) = simulation._models.by_form.values()
    for _ in range(3):
        gradient(0.9)
        assert next(iter(simulation._models.by_form.values())) is model
    pulse.change(2.0)
    gradient(0.9)
    assert next(iter(simulation._models.by_form.values())) is not model

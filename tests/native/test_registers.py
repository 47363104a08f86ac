"""Steps of a few numbers keep them in variables; what they compute is the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
import revolve_ad.native
from revolve_ad.native import Loop, choice, compile_loop
from tests.native.test_compile_loop import Case

FEED = np.linspace(0.0, 1.0, 5)


def pendulum(y: Any, p: Any, k: Any) -> Any:
    def rates(y: Any) -> Any:
        return np.array([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1]])

    half = y + 0.05 * rates(y)
    return y + 0.1 * rates(half)


def driven(state: Any, p: Any, k: Any, feed: Any) -> Any:
    x, v = state
    return x + 0.1 * v, v - 0.1 * p * x + feed


def square(m: Any, p: Any, k: Any) -> Any:
    """A state with two axes, whose row is passed on."""
    return np.array([[m[1, 0], m[0, 0] * p], [m[1, 1] - m[0, 1] ** 2, m[0, 0]]])


def spinning(z: Any, p: Any, k: Any) -> Any:
    return z * (1 - p) + 0.1 * z[::-1] * z


CASES: dict[str, tuple[Any, ...]] = {
    "an array of two": (pendulum, np.array([0.3, 0.1]), np.array([2.0, 0.1])),
    "numbers, inputs": (driven, (0.4, 0.2), 1.3, FEED),
    "two axes": (square, np.array([[0.2, 0.3], [0.4, 0.5]]), 0.9),
}


@pytest.mark.parametrize("name", CASES)
def test_small_states_are_kept_in_variables(name: str) -> None:
    case = Case(*CASES[name])
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert "x0e0 = " in loop.source
    for block in (1, 2, 5):
        case.check(loop, block)


def test_larger_states_are_arrays() -> None:
    case = Case(lambda y, p, k: y * p, np.ones(17), 0.5)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert "x0e0" not in loop.source


@pytest.mark.parametrize("checkpoints", [0, 3])
def test_observations_of_small_states_and_their_cotangents(
    checkpoints: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        revolve_ad.native, "compile_loop", partial(choice.compile_loop, native=False)
    )
    found = []
    for native in (True, False):
        schedule = ra.schedule.binomial(20, checkpoints) if checkpoints else None
        sim = ra.Simulation(
            pendulum,
            steps=20,
            observe=lambda y, p, k: y * y[0],
            observe_at=(0, 3, 4, 11, 20),
            native=native,
            schedule=schedule,
        )

        def misfit(p: Any, y: Any, sim: Any = sim) -> Any:
            return np.sum(sim(y, p).observed ** 2)

        state, params = CASES["an array of two"][1:]
        found.append(ra.value_and_grad(misfit, argnums=(0, 1))(params, state))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-14)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_complex_states_are_kept_in_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        revolve_ad.native, "compile_loop", partial(choice.compile_loop, native=False)
    )
    start, p = np.array([0.3 + 0.2j, 0.1 - 0.4j]), 0.3
    outs = []
    for native in (True, False):
        sim = ra.Simulation(spinning, steps=60, native=native)
        outs.append(ra.grad(lambda z, sim=sim: np.sum(np.abs(sim(z, p).state) ** 2))(start))
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-12)

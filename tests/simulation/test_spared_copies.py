"""To compare a tape with its step, the state is copied only for steps that write into it."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace

START = np.linspace(0.1, 1.0, 6)


def new(u: Any, p: Any, k: Any) -> Any:
    return u + 0.1 * p * np.sin(u)


def in_place(u: Any, p: Any, k: Any) -> Any:
    u += 0.1 * p * np.sin(u)
    return u


def through_a_view(u: Any, p: Any, k: Any) -> Any:
    parts = u.reshape(2, 3)[::-1]
    parts[:, 1:] *= p
    return u


def aside(u: Any, p: Any, k: Any) -> Any:
    v = u.copy()
    v[1:] -= p * u[:-1]
    return v


@pytest.mark.parametrize(
    ("step", "writes"), [(new, False), (in_place, True), (through_a_view, True), (aside, False)]
)
def test_a_recording_tells_whether_its_arguments_were_written_into(step: Any, writes: bool) -> None:
    assert trace(step, (START, 1.1, 0)).writes == writes


@pytest.mark.parametrize("native", [False, "auto"])
@pytest.mark.parametrize("check", ["sampled", "all"])
@pytest.mark.parametrize("step", [new, in_place, through_a_view, aside])
def test_steps_that_write_into_their_state_and_others_are_compared(
    step: Any, check: Any, native: Any
) -> None:
    simulation = ra.Simulation(step, steps=9, replay_check=check, native=native)
    gradient = ra.grad(lambda u: np.sum(simulation(u, 1.1).state ** 2))(START)

    def plain(u: Any) -> Any:
        u = u.copy()
        for k in range(9):
            u = step(u, 1.1, k)
        return np.sum(u**2)

    np.testing.assert_allclose(gradient, ra.grad(plain)(START), rtol=1e-13)
    assert simulation.report is not None
    assert simulation.report.checked >= (9 if check == "all" else 3)


def test_a_step_that_writes_all_the_same_is_called_on_a_copy() -> None:
    tried: list[bool] = []

    def step(u: Any, p: Any, k: Any) -> Any:
        out = u * p
        if type(u) is np.ndarray:  # in plain calls alone: nothing that a tape could know
            tried.append(u.flags.writeable)
            u[:] = 0.0
        return out

    simulation = ra.Simulation(step, steps=5, native=False)
    for _ in range(2):
        gradient = ra.grad(lambda u: np.sum(simulation(u, 1.1).state))(START)
        np.testing.assert_allclose(gradient, 1.1**5, rtol=1e-14)
    assert {True, False} == set(tried)

"""The derivative of what `observe` sees is that of the function itself, at each observed state."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import DivergedReplayError
from revolve_ad.schedule import binomial

START = np.array([0.4, 0.5, 0.6])


def plain_step(u: Any, p: Any, k: Any) -> Any:
    return u * p


user_step = ra.step(lambda u, p, k: u * p)
user_step.vjp(lambda u, p, k, c: (c * p, np.sum(u * c)))

STEPS = pytest.mark.parametrize("step", [plain_step, user_step])


def by_loop(observe: Any, p: Any) -> Any:
    u, total = START, observe(START, p, 0)
    for k in range(6):
        u = u * p
        total = total + observe(u, p, k + 1)
    return total


BRANCHES: dict[str, Any] = {
    "k": lambda u, p, k: np.sum(u**2) * (2.0 if k >= 3 else p),
    "a value": lambda u, p, k: np.sum(u**3) if np.sum(u) < 2.0 else p * u[0],
    "k, to a constant": lambda u, p, k: np.sum(u) * p if k % 2 else 0.5,
}


@STEPS
@pytest.mark.parametrize("branch", BRANCHES)
def test_an_observation_may_branch(step: Any, branch: str) -> None:
    observe = BRANCHES[branch]
    expected = ra.value_and_grad(lambda p: by_loop(observe, p))(1.1)
    for n in (1, 2, 6):
        simulation = ra.Simulation(
            step, steps=6, observe=observe, schedule=lambda total, n=n: binomial(total, n)
        )
        found = ra.value_and_grad(lambda p, s=simulation: np.sum(s(START, p).observed))(1.1)
        assert found == pytest.approx(expected, rel=1e-13)
        assert simulation(START, 1.1).observed.sum() == pytest.approx(expected[0], rel=1e-13)


@STEPS
@pytest.mark.parametrize("at", [None, [6]])
def test_a_captured_array_that_changes_between_calls_counts_with_its_new_values(
    step: Any, at: Any
) -> None:
    weights = np.ones(3)
    simulation = ra.Simulation(
        step, steps=6, observe=lambda u, p, k: np.sum(u * weights), observe_at=at
    )
    gradient = ra.grad(lambda p: np.sum(simulation(START, p).observed))
    before = gradient(1.1)
    weights[:] = 2.0
    assert gradient(1.1) == pytest.approx(2 * before, rel=1e-14)
    weights[:] = 1.0
    assert gradient(1.1) == before


@STEPS
def test_an_observation_that_counts_its_calls_is_an_error(step: Any) -> None:
    calls: list[int] = []

    def observe(u: Any, p: Any, k: Any) -> Any:
        calls.append(k)
        return np.sum(u) * len(calls)

    simulation = ra.Simulation(step, steps=6, observe=observe)
    with pytest.raises(DivergedReplayError, match="observe, called on state 0"):
        ra.grad(lambda p: np.sum(simulation(START, p).observed))(1.1)

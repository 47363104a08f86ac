"""Twelve programs, as they stand, have right gradients: recorded whole, and under checkpoints."""

import numpy as np
import pytest

import revolve_ad as ra
from tests.programs import NAMES, load, run

SIZES = {"gauss_seidel": 7, "heat_3d": 6, "adi": 8, "nbody": 5}
# Short enough to cross none of the limiters' jumps, and no node of the grid.
STEP_SIZES = {"hdiff": 1e-6, "particles": 1e-6}


def problem(name):
    """Return the program, where it starts, and a number that depends on all it computes."""
    module, rng = load(name), np.random.default_rng(11)
    state, params = module.make(SIZES.get(name, 8), rng)
    weights = [rng.standard_normal(array.shape) for array in state]

    def number(end):
        return sum(np.sum(w * x**2) for w, x in zip(weights, end, strict=True))

    return module, state, params, number


def along(arrays, directions, e):
    return tuple(a + e * d for a, d in zip(arrays, directions, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_the_recorded_program_is_that_of_differences(name):
    module, state, params, number = problem(name)
    rng = np.random.default_rng(12)
    by_state = [rng.standard_normal(x.shape) for x in state]
    by_params = [0.1 * rng.standard_normal(x.shape) for x in params]

    def objective(state, params):
        return number(run(module, state, params))

    value, (state_bar, params_bar) = ra.value_and_grad(objective, argnums=(0, 1))(state, params)
    assert value == objective(state, params)
    h = STEP_SIZES.get(name, 1e-4)

    def moved(e):
        return objective(along(state, by_state, e), along(params, by_params, e))

    difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
    predicted = sum(np.sum(a * b) for a, b in zip(state_bar, by_state, strict=True))
    predicted += sum(np.sum(a * b) for a, b in zip(params_bar, by_params, strict=True))
    assert predicted == pytest.approx(difference, rel=2e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_checkpointed_gradient_is_that_of_the_recorded_program(name):
    module, state, params, number = problem(name)
    steps = module.STEPS + 1
    sim = ra.Simulation(
        module.step, steps=steps, schedule=ra.schedule.binomial(steps, 2), replay_check="all"
    )

    def whole(state, params):
        return number(run(module, state, params, steps))

    def checkpointed(state, params):
        return number(sim(state, params).state)

    before = [array.copy() for array in (*state, *params)]
    value, whole_bar = ra.value_and_grad(whole, argnums=(0, 1))(state, params)
    again, bar = ra.value_and_grad(checkpointed, argnums=(0, 1))(state, params)
    assert again == value
    for part, whole_part in zip(bar, whole_bar, strict=True):
        for a, b in zip(part, whole_part, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * np.max(np.abs(b)))
    for array, copy in zip((*state, *params), before, strict=True):
        np.testing.assert_array_equal(array, copy)

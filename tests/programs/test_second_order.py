"""The twelve programs in forward mode and second order; checkpointed gradients bit by bit."""

import numpy as np
import pytest

import revolve_ad as ra
from tests.programs import NAMES
from tests.programs.test_gradients import STEP_SIZES, along, problem


def flat(structure):
    return np.concatenate([np.ravel(a) for part in structure for a in part])


def directions(state, params, seed):
    rng = np.random.default_rng(seed)
    return (
        tuple(rng.standard_normal(a.shape) for a in state),
        tuple(0.1 * rng.standard_normal(a.shape) for a in params),
    )


def simulated(name, schedule, replay_check="sampled"):
    """Return the objective over a checkpointed run, and where it is looked at."""
    module, state, params, number = problem(name)
    steps = module.STEPS + 1
    sim = ra.Simulation(
        module.step,
        steps=steps,
        schedule=schedule(steps),
        replay_check=replay_check,
        native=False,
    )
    return (lambda x: number(sim(*x).state)), (state, params)


def binomial(steps):
    return ra.schedule.binomial(steps, 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_checkpointed_gradient_is_bitwise_the_one_that_stores_all(name):
    results = []
    for schedule in (ra.schedule.store_all, binomial, lambda n: ra.schedule.binomial(n, 1)):
        objective, x = simulated(name, schedule)
        results.append(ra.value_and_grad(objective)(x))
    value, gradient = results[0]
    for other, other_gradient in results[1:]:
        assert other == value
        for part, other_part in zip(gradient, other_gradient, strict=True):
            for a, b in zip(part, other_part, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_both_modes_and_both_orders_agree_with_each_other(name):
    objective, x = simulated(name, binomial, replay_check="off")
    u, v = directions(*x, 1), directions(*x, 2)
    value, tangent = ra.jvp(objective, (x,), (v,))
    again, gradient = ra.value_and_grad(objective)(x)
    assert value == again
    by_gradient = flat(gradient) @ flat(v)
    scale = np.abs(flat(gradient)) @ np.abs(flat(v))
    assert abs(tangent - by_gradient) <= 1e-12 * scale

    along_v, along_u = (flat(ra.hvp(objective, x, d)) for d in (v, u))
    one, other = along_v @ flat(u), along_u @ flat(v)
    assert abs(one - other) <= 1e-11 * (np.abs(along_v) @ np.abs(flat(u)))


@pytest.mark.parametrize("name", NAMES)
def test_hessian_products_are_the_second_term_of_taylors_series(name):
    objective, x = simulated(name, binomial, replay_check="off")
    v = directions(*x, 3)
    h = STEP_SIZES.get(name, 1e-4)
    gradient = ra.grad(objective)

    def moved(e):
        return flat(gradient(tuple(along(a, d, e) for a, d in zip(x, v, strict=True))))

    expected = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
    found = flat(ra.hvp(objective, x, v))
    np.testing.assert_allclose(found, expected, atol=3e-7 * np.abs(expected).max())

"""What params alone decide is computed before the loop, and the gradient is the same."""

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.passes.hoist import hoist
from revolve_ad.ad.recording.call import trace
from revolve_ad.simulation.steps import recording

N = 24
RNG = np.random.default_rng(3)
U0, K0, K1 = RNG.normal(size=(N, N)), RNG.uniform(0.5, 1.5, (N, N)), RNG.uniform(0.5, 1.5, (N, N))


def step(u, params, k):
    kappa, c = params
    face = 0.5 * (kappa[1:] + kappa[:-1])
    source = np.sin(c * kappa) * (kappa > 1)
    flux = face * (u[1:] - u[:-1])
    new = u + 0.01 * source * u
    new[:-1] += 0.1 * flux
    new[1:] -= 0.1 * flux
    return new


def simulation(**options):
    return ra.Simulation(step, steps=12, native=False, **options)


def objective(sim):
    return lambda kappa, c: np.sum(np.sin(sim(U0, (kappa, c)).state))


def gradient(sim, kappa, c=1.3):
    return ra.grad(objective(sim), (0, 1))(kappa, c)


def test_the_prologue_takes_everything_that_params_decide():
    tape = trace(step, (U0, (K0, 1.3), 0)).tape
    split = hoist(tape, {1, 2})
    assert {n.op.name for n in split.prologue.nodes} >= {"sin", "greater"}
    assert "sin" not in {n.op.name for n in split.main.nodes}


def test_gradients_agree_with_those_of_the_step_as_a_whole(monkeypatch):
    split = gradient(simulation(), K1)
    assert trace_is_split()
    monkeypatch.setattr(recording, "MIN_HOISTED_BYTES", 1 << 40)

    def as_before(u, params, k):  # another function: recorded afresh, without a split
        return step(u, params, k)

    whole = gradient(ra.Simulation(as_before, steps=12, native=False), K1)
    np.testing.assert_allclose(split[0], whole[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(split[1], whole[1], rtol=1e-12)


def trace_is_split():
    form_bytes = 4 * N * N * 8
    tape = trace(step, (U0, (K0, 1.3), 0)).tape
    return recording.MIN_HOISTED_BYTES <= hoist(tape, {1, 2}).nbytes <= form_bytes


@pytest.mark.parametrize("slots", range(1, 13))
def test_checkpointed_equals_store_all_bit_for_bit_at_a_second_param(slots):
    stored = simulation(schedule=ra.schedule.store_all(12))
    few = simulation(schedule=ra.schedule.binomial(12, slots))
    first = [gradient(few, k) for k in (K0, K1, K0)]
    for a, b in zip(first[0], first[2], strict=True):
        np.testing.assert_array_equal(a, b)
    for k, found in ((K0, first[0]), (K1, first[1])):
        for a, b in zip(found, gradient(stored, k), strict=True):
            np.testing.assert_array_equal(a, b)


def test_taylor_rate_and_hessian_product():
    f = lambda kappa: objective(simulation())(kappa, 1.3)  # noqa: E731
    assert ra.check_gradient(f, np.where(abs(K1 - 1) < 0.01, 1.1, K1)).ok
    v = RNG.normal(size=(N, N))
    h = 1e-5
    expected = (gradient(simulation(), K1 + h * v)[0] - gradient(simulation(), K1 - h * v)[0]) / (
        2 * h
    )
    found = ra.hvp(f, K1, v)
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


def test_the_budget_counts_what_is_held_through_the_loop():
    plan = simulation(memory="1 MB").plan(U0, (K0, 1.3))
    sim = simulation(memory=plan.smallest_budget)
    gradient(sim, K1)
    assert sim.report.peak_bytes <= plan.smallest_budget

"""Lotka and Volterra's equations with an RK4 step of one's own give SUNDIALS' numbers."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from tests.reference import LOTKA_VOLTERRA, LOTKA_VOLTERRA_SUNDIALS

N_STEPS = 2000
DT = LOTKA_VOLTERRA["end"] / N_STEPS


def slope(u: Any, p: Any) -> Any:
    return np.array([p[0] * u[0] - p[1] * u[0] * u[1], -p[2] * u[1] + p[3] * u[0] * u[1]])


def step(u: Any, p: Any, k: Any) -> Any:
    k1 = slope(u, p)
    k2 = slope(u + DT / 2 * k1, p)
    k3 = slope(u + DT / 2 * k2, p)
    k4 = slope(u + DT * k3, p)
    return u + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@pytest.mark.parametrize("memory", ["2 kB", "1 MB"])
def test_state_and_gradient_agree_to_six_digits(memory: str) -> None:
    sim = ra.Simulation(step, steps=N_STEPS, memory=memory)

    def misfit(u0: Any, p: Any) -> Any:
        return 0.5 * np.sum((sim(u0, p).state - 1) ** 2)

    u0, p = LOTKA_VOLTERRA["start"], LOTKA_VOLTERRA["parameters"]
    # A point that isn't the first one: nothing of an earlier call may stay.
    ra.grad(misfit, argnums=(0, 1))(1.1 * u0, 0.9 * p)
    value, (by_u0, by_p) = ra.value_and_grad(misfit, argnums=(0, 1))(u0, p)
    assert value == pytest.approx(LOTKA_VOLTERRA["G"], rel=1e-6)
    assert by_u0 == pytest.approx(LOTKA_VOLTERRA["dG_du0"], rel=1e-6)
    assert by_p == pytest.approx(LOTKA_VOLTERRA["dG_dp"], rel=1e-6)
    # SUNDIALS prints more digits than its tolerances make right.
    assert by_u0 == pytest.approx(LOTKA_VOLTERRA_SUNDIALS["dG_du0"], rel=2e-6)
    assert by_p == pytest.approx(LOTKA_VOLTERRA_SUNDIALS["dG_dp"], rel=2e-6)
    assert sim(u0, p).state == pytest.approx(LOTKA_VOLTERRA_SUNDIALS["final_state"], rel=1e-6)

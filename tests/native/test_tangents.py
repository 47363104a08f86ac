"""Second derivatives run compiled where first ones do, and agree with differences of gradients."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
import revolve_ad.native
from revolve_ad.native import choice

STEPS = 12


@pytest.fixture(autouse=True)
def plain_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run generated code as plain Python: quick to load, and the same operations."""
    compiled = partial(choice.compile_loop, native=False)
    monkeypatch.setattr(revolve_ad.native, "compile_loop", compiled)


def step(u: Any, p: Any, k: Any) -> Any:
    return u + 0.1 * p * np.roll(u, 1) * u - 0.05 * u**2


def differences(f: Any, x: Any, v: Any, h: float = 1e-6) -> Any:
    return (ra.grad(f)(x + h * v) - ra.grad(f)(x - h * v)) / (2 * h)


@pytest.mark.parametrize("native", [True, False])
def test_hvp_through_compiled_steps_is_the_derivative_of_the_gradient(native: bool) -> None:
    rng = np.random.default_rng(3)
    u, p, v = rng.random((3, 7))
    sim = ra.Simulation(
        step,
        steps=STEPS,
        native=native,
        observe=lambda u, p, k: u[:2] ** 2,
        observe_at=(0, 5, STEPS),
        schedule=ra.schedule.binomial(STEPS, 3),
    )

    def f(p: Any) -> Any:
        run = sim(u, p)
        return np.sum(run.state**2) + np.sum(run.observed)

    found = ra.hvp(f, p, v)
    np.testing.assert_allclose(found, differences(f, p, v), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("native", [True, False])
def test_hidden_params_of_step_and_observation_keep_apart_in_second_derivatives(
    native: bool,
) -> None:
    def f(x: Any) -> Any:
        a, b = x[0], x[1]
        sim = ra.Simulation(
            lambda u, p, k: u * (1 + 0.1 * a) + 0.01 * u**2,
            steps=5,
            observe=lambda u, p, k: np.sin(b * u),
            observe_at=(1, 3),
            native=native,
        )
        run = sim(np.array([0.3, 0.5]) * x[2])
        return np.sum(run.observed**2) + np.sum(run.state**3)

    x, v = np.array([0.3, 0.7, 1.1]), np.array([0.2, -0.5, 0.4])
    np.testing.assert_allclose(ra.hvp(f, x, v), differences(f, x, v), rtol=1e-7)

"""Whether compiling is worth it follows from estimated seconds, and from nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, compile_loop
from revolve_ad.native.worth import GRADIENTS, LEAST_GAIN, LONGEST, Estimate
from tests.programs import load

N = 64
WAVES = np.fft.fftfreq(N, 1 / N)[:, None]
HALF = np.fft.rfftfreq(N, 1 / N)


def turbulence(w: Any, nu: Any, k: Any) -> Any:
    """Two-dimensional flow by its vorticity: eight transforms a step, and little else."""
    squares = WAVES**2 + HALF**2
    squares[0, 0] = 1.0
    waves = np.fft.rfft2(w)
    stream = waves / squares
    u, v = np.fft.irfft2(1j * HALF * stream, w.shape), -np.fft.irfft2(1j * WAVES * stream, w.shape)
    wx, wy = np.fft.irfft2(1j * WAVES * waves, w.shape), np.fft.irfft2(1j * HALF * waves, w.shape)
    waves = waves - 0.01 * np.fft.rfft2(u * wx + v * wy)
    return np.fft.irfft2(waves / (1 + 0.01 * nu * squares), w.shape)


def diffusion(u: Any, kappa: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += kappa * (u[2:] - 2 * u[1:-1] + u[:-2])
    return new


def estimate_of(step: Any, state: Any) -> Estimate:
    loop = compile_loop(trace(step, (state, 0.1, 0)).tape, Layout(1, 1), native=False)
    assert isinstance(loop, Loop)
    assert loop.estimate is not None
    return loop.estimate


def test_compiling_must_pay_within_some_gradients() -> None:
    cheap = Estimate(numpy=1e-4, native=1e-6, compiling=5.0)
    steps = int(5.0 / (GRADIENTS * (1e-4 - 1e-6)))
    assert cheap.why_not(steps + 2) is None
    reason = cheap.why_not(steps - 2)
    assert reason is not None
    assert "about 5 s" in reason


def test_compiling_must_make_steps_faster_by_much_whatever_the_number_of_steps() -> None:
    assert Estimate(numpy=LEAST_GAIN * 1.01, native=1.0, compiling=0.1).why_not(10**6) is None
    reason = Estimate(numpy=1.04, native=1.0, compiling=0.1).why_not(10**9)
    assert reason is not None
    assert "1.04 times" in reason


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_a_step_that_costs_nothing_is_not_compiled(seconds: float) -> None:
    assert Estimate(numpy=seconds, native=0.0, compiling=1.0).why_not(1000) is not None


def test_a_step_of_transforms_gains_too_little() -> None:
    estimate = estimate_of(turbulence, np.zeros((N, N)))
    assert 0.8 < estimate.gain < LEAST_GAIN
    assert estimate.why_not(10**7) is not None


def test_a_stencil_gains_much_and_is_compiled_if_it_is_run_often() -> None:
    estimate = estimate_of(diffusion, np.zeros(1000))
    assert estimate.gain > 5
    assert estimate.why_not(10**5) is None
    assert estimate.why_not(100) is not None


def test_a_sweep_over_elements_gains_most() -> None:
    def sweep(u: Any, c: Any, k: Any) -> Any:
        new = u.copy()
        for i in range(1, 40):
            new[i] = c * new[i - 1] + 0.5 * new[i]
        return new

    assert estimate_of(sweep, np.ones(40)).gain > 100


def test_compiling_for_long_must_pay_in_the_first_gradient() -> None:
    long = Estimate(numpy=2e-3, native=1e-3, compiling=1.5 * LONGEST)
    steps = int(long.compiling / 1e-3)
    assert long.why_not(steps + 2) is None
    reason = long.why_not(steps - 2)
    assert reason is not None
    assert "45 s, more than 30 s" in reason
    assert "native=True" in reason
    assert Estimate(numpy=2e-3, native=1e-3, compiling=0.9 * LONGEST).why_not(steps - 2) is None


MEASURED = {
    "jacobi": 8.3,
    "gauss_seidel": 4.0,
    "heat_3d": 16.5,
    "fdtd": 4.9,
    "adi": 14.4,
    "cavity": 14.7,
    "channel": 28.8,
    "nbody": 22.7,
    "hdiff": 7.4,
    "vadv": 16.4,
}
"""CPU seconds that compiling took, of arrays with 64 cells a side; 24 in three dimensions."""


@pytest.mark.parametrize("name", MEASURED)
def test_the_seconds_of_compiling_are_those_measured_within_half(name: str) -> None:
    module = load(name)
    state, params = module.make(24 if name == "heat_3d" else 64, np.random.default_rng(0))
    tape = trace(module.step, (state, params, 0)).tape
    loop = compile_loop(tape, Layout(len(state), len(params)), native=False)
    assert isinstance(loop, Loop)
    assert loop.estimate is not None
    assert 1 / 1.5 < loop.estimate.compiling / MEASURED[name] < 1.5


@pytest.mark.parametrize("name", ["vadv", "adi", "cavity"])
def test_sweeps_over_columns_and_rows_are_worth_compiling(name: str) -> None:
    """Measured, steps of 64 cells a side get 2.9 times, 8 times and 7 times as fast."""
    module = load(name)
    state, params = module.make(64, np.random.default_rng(0))
    tape = trace(module.step, (state, params, 0)).tape
    loop = compile_loop(tape, Layout(len(state), len(params)), native=False)
    assert isinstance(loop, Loop)
    assert loop.estimate is not None
    assert loop.estimate.gain >= LEAST_GAIN


def test_the_estimate_depends_on_the_tape_alone() -> None:
    first, second = (estimate_of(diffusion, np.zeros(1000)) for _ in range(2))
    assert first == second

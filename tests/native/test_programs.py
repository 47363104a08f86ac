"""The twelve programs give the same numbers compiled as interpreted, forward and in reverse."""

from __future__ import annotations

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.native import Loop, compile_loop
from tests.native.test_compile_loop import Case
from tests.programs import NAMES, load

SIZES = {"gauss_seidel": 7, "heat_3d": 5, "adi": 7, "nbody": 4, "vadv": 4}
SUMS = {"nbody": 1e-13}
"""Programs with sums or powers, whose last bits may differ, and by how much."""


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_source_agrees_with_the_interpreter(name):
    module = load(name)
    state, params = module.make(SIZES.get(name, 8), np.random.default_rng(21))
    case = Case(module.step, state, params)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop), loop
    case.check(loop, 2, rtol=SUMS.get(name, 0.0))


@pytest.mark.parametrize("name", ["gauss_seidel"])
def test_the_compiled_program_agrees_with_the_interpreted_one(name):
    pytest.importorskip("numba")
    module, rng = load(name), np.random.default_rng(22)
    state, params = module.make(SIZES.get(name, 8), rng)
    weights = [rng.standard_normal(x.shape) for x in state]
    found = []
    for native in (True, False):
        sim = ra.Simulation(module.step, steps=4, native=native, replay_check="all")

        def objective(state, params, sim=sim):
            end = sim(state, params).state
            return sum(np.sum(w * x**2) for w, x in zip(weights, end, strict=True))

        value, (state_bar, params_bar) = ra.value_and_grad(objective, argnums=(0, 1))(state, params)
        found.append([np.asarray(value), *state_bar, *params_bar])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13 * np.max(np.abs(b)))

"""The ten programs in ordinary NumPy are compiled as they stand, with the interpreter's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad import trees
from revolve_ad.ad.interpreter import Interpreter
from revolve_ad.ad.recording import trace
from revolve_ad.ad.transform import vjp
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.programs import NAMES, load

SIZES = {"gauss_seidel": 7, "heat_3d": 6, "adi": 8, "nbody": 5}
STEPS = 3


@pytest.mark.parametrize("name", NAMES)
def test_states_and_cotangents_of_a_program_are_the_interpreters(name: str) -> None:
    module, rng = load(name), np.random.default_rng(11)
    state, params = module.make(SIZES.get(name, 8), rng)
    tape = trace(module.step, (state, params, 0)).tape
    start, given = (
        [np.asarray(leaf) for leaf in trees.flatten(group)[0]] for group in (state, params)
    )
    n, m = len(start), len(given)
    loop = compile_loop(tape, Layout(n, m), native=False)
    assert isinstance(loop, Loop), loop
    forward, adjoint = Interpreter(tape), Interpreter(vjp(tape, [*range(n), *range(n, n + m)]))
    numbers = [p if p.ndim else p[()] for p in given]
    states: list[list[Any]] = [start]
    for k in range(STEPS):
        states.append(forward.run([*states[-1], *numbers, np.int64(k)]))
    seeds = [rng.standard_normal(leaf.shape) for leaf in start]
    cotangents, sums = list(seeds), [0.0] * m
    for k in reversed(range(STEPS)):
        found = adjoint.run([*states[k], *numbers, np.int64(k), *cotangents])
        cotangents = found[:n]
        sums = [a + b for a, b in zip(sums, found[n:], strict=True)]

    sweep = Sweep(loop, given)
    final = [np.empty_like(leaf) for leaf in start]
    sweep.advance(start, final, 0, STEPS)
    held = [seed.copy() for seed in seeds]
    sweep.reverse(start, held, 0, STEPS)
    agree(final, states[-1], 1e-14)
    agree(held, cotangents, 1e-12)
    agree(sweep.param_cotangents(), sums, 1e-12)


def agree(found: Any, expected: Any, bound: float) -> None:
    for a, b in zip(found, expected, strict=True):
        scale = 1e-300 + np.abs(b).max(initial=0.0)
        np.testing.assert_allclose(a / scale, b / scale, rtol=bound, atol=bound)

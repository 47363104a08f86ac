"""Random steps run by native code give the interpreter's states and cotangents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.native.random_steps import OPERATIONS, draw_step

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning"
)

STEPS = 3
LAYOUT = Layout(state=3, params=2)


def check(step: Any, *, native: bool) -> Loop | None:
    """Compare `STEPS` steps forward and back; return the loop, None if its tape isn't fixed."""
    rng = np.random.default_rng(7)
    state, params = step.start(rng)
    tape = trace(step, (state, params, 0)).tape
    if tape.depends_on_values:
        return None
    loop = compile_loop(tape, LAYOUT, native=native)
    assert isinstance(loop, Loop), loop
    forward, adjoint = Interpreter(tape), Interpreter(vjp(tape, range(5)))
    given = [params[0], np.float64(params[1])]
    states = [list(state)]
    for k in range(STEPS):
        states.append(forward.run([*states[-1], *given, np.int64(k)]))
    seeds = [rng.standard_normal(np.shape(x)) for x in state]
    cotangents = [s if s.ndim else s[()] for s in map(np.asarray, seeds)]
    sums: list[Any] = [0.0, 0.0]
    for k in reversed(range(STEPS)):
        found = adjoint.run([*states[k], *given, np.int64(k), *cotangents])
        cotangents = found[:3]
        sums = [a + b for a, b in zip(sums, found[3:], strict=True)]

    sweep = Sweep(loop, given)
    source = [np.array(x) for x in state]
    target = [np.full_like(x, np.nan) for x in source]
    sweep.advance(source, target, 0, STEPS)
    agree(target, states[-1], 1e-13)
    held = [np.array(s) for s in seeds]
    sweep.reverse(source, held, 0, STEPS)
    agree(held, cotangents, 1e-11)
    agree(sweep.param_cotangents(), sums, 1e-11)
    return loop


def agree(found: Any, expected: Any, tolerance: float) -> None:
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(b).max(initial=0.0)))
        np.testing.assert_allclose(a / scale, b / scale, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_operation_agrees_with_the_interpreter(name: str) -> None:
    step = draw_step(np.random.default_rng(3), 1, [name])
    assert step.instructions
    check(step, native=False)


@pytest.mark.parametrize("seed", range(20))
def test_random_steps_agree_with_interpreted_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(draw_step(rng, int(rng.integers(2, 12))), native=False)


@pytest.mark.parametrize("seed", [820, 916, 1171, 1424, 1486, 1637, 50010, 51170, 51903])
def test_steps_that_were_once_refused_or_failed(seed: int) -> None:
    # Writes of interleaved parts; integers that params decide; the real part of a Python number;
    # a computed place in an array that repeats its end before its beginning.
    rng = np.random.default_rng(seed)
    check(draw_step(rng, int(rng.integers(2, 14))), native=False)

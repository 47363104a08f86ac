"""Observations made inside of the compiled loop are those made between its calls, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad import trees
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.benchmarks.problems import make

STEPS = 5
MARKS = (0, 2, 3)


def at_points(state: Any, c: Any, k: Any) -> Any:
    return state[0][3, np.arange(2, 12, 3)]


def scattered(state: Any, c: Any, k: Any) -> Any:
    return state[0][np.array([1, 7, 1]), np.array([2, 2, 2])]


def whole(state: Any, c: Any, k: Any) -> Any:
    return state[0]


def several(state: Any, c: Any, k: Any) -> Any:
    u, before = state
    return u[2:5, 1:9:2] - 0.5 * before[4:7, 3:7], u[0, 0], u[1:4, 1] * 2.0 + u[2:5, 1]


def at_time(state: Any, c: Any, k: Any) -> Any:
    return state[1][5] * k


@pytest.mark.parametrize("observe", [at_points, scattered, whole, several, at_time])
def test_the_loop_observes_and_adds_cotangents_as_the_interpreter_does(observe: Any) -> None:
    p = make("P5", steps=STEPS, size=24)
    rng = np.random.default_rng(3)
    state = trees.map(lambda x: rng.standard_normal(x.shape), p.state)
    assert p.inputs is not None
    step = trace(p.step, (state, p.params, 0, p.inputs[0])).tape
    seen = trace(observe, (state, p.params, 0)).tape
    loop = compile_loop(step, Layout(2, 1, 1), observe=seen, native=False)
    assert isinstance(loop, Loop)
    assert loop.watch is not None
    see, forward = Interpreter(seen), Interpreter(step)
    back = Interpreter(vjp(seen, [0, 1]))
    reverse = Interpreter(vjp(step, [0, 1]))
    states = [list(state)]
    for k in range(STEPS):
        states.append(forward.run([*states[-1], p.params, np.int64(k), p.inputs[k]]))
    expected = [see.run([*states[k], p.params, np.int64(k)]) for k in MARKS]

    rows = [np.full((len(MARKS), *np.shape(leaf)), np.nan) for leaf in expected[0]]
    sweep = Sweep(loop, [p.params], [p.inputs])
    sweep.observe(MARKS, rows)
    held = sweep.advance_lent([x.copy() for x in state], 0, 3)
    block = sweep.block(2)
    sweep.record(held, block, 3, STEPS)
    for number, leaves in enumerate(expected):
        for row, leaf in zip(rows, leaves, strict=True):
            np.testing.assert_array_equal(row[number], leaf)

    seeds = [rng.standard_normal(row.shape) for row in rows]
    g = [rng.standard_normal(x.shape) for x in state]
    sweep = Sweep(loop, [p.params], [p.inputs])
    sweep.add_observed(MARKS, seeds)
    mine = [x.copy() for x in g]
    sweep.reverse(states[3], mine, 3, STEPS)
    sweep.reverse(states[0], mine, 0, 3)
    for k in reversed(range(STEPS)):
        g = reverse.run([*states[k], p.params, np.int64(k), p.inputs[k], *g])
        if k in MARKS:
            own = [s[MARKS.index(k)][()] for s in seeds]
            more = back.run([*states[k], p.params, np.int64(k), *own])
            g = [a + b for a, b in zip(g, more, strict=True)]
    for a, b in zip(mine, g, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)

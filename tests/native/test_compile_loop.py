"""The native loop gives the states and cotangents of the interpreted steps, at any stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad import trees
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.tape import Tape
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.benchmarks.problems import make

STEPS = 5


class Case:
    """A step's tape, and its interpreted forward and reverse run."""

    def __init__(self, step: Any, state: Any, params: Any, inputs: Any = None) -> None:
        rng = np.random.default_rng(0)
        row = () if inputs is None else (inputs[0],)
        self.tape: Tape = trace(step, (state, params, 0, *row)).tape
        self.params = [np.asarray(p) for p in trees.flatten(params)[0]]
        self.inputs = [] if inputs is None else [np.asarray(inputs)]
        start = [np.asarray(x) for x in trees.flatten(state)[0]]
        self.layout = Layout(len(start), len(self.params), len(self.inputs))
        forward = Interpreter(self.tape)
        self.states = [start]
        for k in range(STEPS):
            self.states.append(forward.run(self.arguments(k)))
        wrt = [j for j, i in enumerate(self.tape.inputs) if self.tape.nodes[i].dtype.kind == "f"]
        adjoint = Interpreter(vjp(self.tape, wrt))
        self.seeds = [rng.standard_normal(x.shape) for x in start]
        g, m, p = list(self.seeds), len(start), len(self.params)
        self.sums: list[Any] = [0.0] * p
        self.rows = [np.zeros_like(r) for r in self.inputs]
        for k in reversed(range(STEPS)):
            out = adjoint.run([*self.arguments(k), *g])
            g = out[:m]
            self.sums = [a + b for a, b in zip(self.sums, out[m : m + p], strict=True)]
            for row_sum, found in zip(self.rows, out[m + p :], strict=True):
                row_sum[k] = found
        self.cotangents = g

    def arguments(self, k: int) -> list[Any]:
        return [*self.states[k], *self.params, np.int64(k), *[r[k] for r in self.inputs]]

    def check(self, loop: Any, block: int = 2, *, rtol: float = 0.0) -> None:
        assert isinstance(loop, Loop), loop
        sweep = Sweep(loop, self.params, self.inputs)
        start = [x.copy() for x in self.states[0]]
        for x in start:
            x.flags.writeable = False
        for n in range(STEPS + 1):
            found = [np.full_like(x, np.nan) for x in start]
            sweep.advance(start, found, 0, n)
            lent = sweep.advance_lent([np.array(x) for x in start], 0, n)
            for a, b, c in zip(found, self.states[n], lent, strict=True):
                np.testing.assert_allclose(a, b, rtol=rtol, atol=0.0)
                np.testing.assert_array_equal(c, a)
        held = [g.copy() for g in self.seeds]
        for first in reversed(range(0, STEPS, block)):
            sweep.reverse(self.states[first], held, first, min(first + block, STEPS))
        for a, b in zip(held, self.cotangents, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
        for a, b in zip(sweep.param_cotangents(), self.sums, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
        for a, b in zip(sweep.input_cotangents, self.rows, strict=True):
            assert a is not None
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def problem(name: str, size: int | None) -> Case:
    p = make(name, steps=STEPS, size=size)
    rng = np.random.default_rng(1)
    state = trees.map(lambda x: x + 0.1 * rng.standard_normal(x.shape), p.state)
    return Case(p.step, state, p.params, p.inputs)


SIZES = {"P1": None, "P2": 12, "P3": 30, "P4": 9, "P5": 24}


@pytest.mark.parametrize("name", SIZES)
def test_the_benchmark_problems_agree_with_interpreted_steps(name: str) -> None:
    case = problem(name, SIZES[name])
    case.check(compile_loop(case.tape, case.layout, native=False))


def test_the_compiled_loop_agrees_too() -> None:
    pytest.importorskip("numba")  # of P4, the heat of a plate, the example is compiled
    case = problem("P3", SIZES["P3"])
    case.check(compile_loop(case.tape, case.layout))


def leapfrog(state: Any, c: Any, k: Any) -> Any:
    a, b, _ = state
    return 2.0 * a - b + c * k, a, b


def swap(state: Any, c: Any, k: Any) -> Any:
    a, b = state
    return b * c, a


def ring(state: Any, c: Any, k: Any) -> Any:
    a, b, d = state
    return b, a, d + a * c


def kept(state: Any, c: Any, k: Any) -> Any:
    a, b = state
    return a * c + b, b


@pytest.mark.parametrize("step", [leapfrog, swap, ring, kept])
@pytest.mark.parametrize("block", [1, 2, 5])
def test_leaves_that_are_passed_on_take_turns_without_copies(step: Any, block: int) -> None:
    rng = np.random.default_rng(2)
    m = 3 if step in (leapfrog, ring) else 2
    case = Case(step, tuple(rng.standard_normal(6) for _ in range(m)), 0.7)
    case.check(compile_loop(case.tape, case.layout, native=False), block)


def test_all_schedules_give_the_same_bits() -> None:
    case = problem("P3", 30)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    found = []
    for block in (1, 2, STEPS):
        sweep = Sweep(loop, case.params, case.inputs)
        held = [g.copy() for g in case.seeds]
        for first in reversed(range(0, STEPS, block)):
            sweep.reverse(case.states[first], held, first, min(first + block, STEPS))
        found.append((held[0].tobytes(), float(sweep.param_cotangents()[0])))
    assert found[0] == found[1] == found[2]


def test_what_depends_on_params_alone_is_computed_once_a_sweep() -> None:
    case = problem("P4", 9)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert loop.prepared_bytes == 2 * 8 * 9 * 8
    assert "0.5 *" not in loop.entries["advance"].source


@pytest.mark.parametrize("step", [leapfrog, kept, None])
def test_recorded_states_can_be_read_and_pulled_back_through_in_parts(step: Any) -> None:
    if step is None:
        case = problem("P5", 24)
    else:
        rng = np.random.default_rng(3)
        m = 3 if step is leapfrog else 2
        case = Case(step, tuple(rng.standard_normal(6) for _ in range(m)), 0.7)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    sweep = Sweep(loop, case.params, case.inputs)
    block = sweep.block(STEPS)
    sweep.record(case.states[0], block, 0, STEPS)
    for t, expected in enumerate(case.states):
        for a, b in zip(sweep.state(case.states[0], block, t), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert sum(b.nbytes for b in block) == STEPS * loop.recorded_bytes
    held = [g.copy() for g in case.seeds]
    sweep.pull(case.states[0], block, held, 3, STEPS, origin=0)
    sweep.pull(case.states[0], block, held, 0, 3, origin=0)
    for a, b in zip(held, case.cotangents, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)

"""Steps that loop over elements, or repeat blocks, are rolled back into loops, which agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Loop, Refusal, sweep
from revolve_ad.native.rolled import compile_rolled
from revolve_ad.native.rolling import part
from revolve_ad.native.rolling.detect import LoopForm
from revolve_ad.native.rolling.programs import rolled_items
from tests.benchmarks.recurrences import PROBLEMS
from tests.native.random_loops import random_loops
from tests.native.test_compile_loop import Case
from tests.programs import load

STEPS = 5


def spoilt(types: Any) -> list[np.ndarray]:
    """Return work arrays full of NaN."""
    return [np.full(s or (1,), np.nan if t.kind in "fc" else 7, t) for s, t in types]


def rolled(step: Any, state: Any, params: Any, inputs: Any = None) -> tuple[Case, Loop]:
    """Return a case and its rolled loop, as plain Python."""
    case = Case(step, state, params, inputs)
    loop = compile_rolled(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop), loop
    return case, loop


def items_of(step: Any, state: Any, params: Any) -> list[Any]:
    """Return what remains of a step's records."""
    tape = trace(step, (state, params, 0)).tape
    names = [("x", j) for j in range(len(state) if isinstance(state, tuple) else 1)]
    names += [("p", j) for j in range(len(tape.inputs) - len(names) - 1)] + [("k", 0)]
    return rolled_items(tape, names)[1]


@pytest.mark.parametrize("name", ["gauss_seidel", "adi", "vadv", "cavity"])
def test_programs_of_loops_and_repeated_blocks_agree_with_interpreted_steps(name: str) -> None:
    module = load(name)
    state, params = module.make(8, np.random.default_rng(0))
    case, loop = rolled(module.step, state, params)
    case.check(loop)
    case.check(loop, STEPS)


def test_a_sweep_over_single_elements_is_one_nest() -> None:
    module = load("gauss_seidel")
    state, params = module.make(20, np.random.default_rng(0))
    items = items_of(module.step, state, params)
    # A copy of the state, which stays as it is; then two loops, one in the other.
    assert [type(i.form) for i in items[1:]] == [LoopForm]
    assert items[1].idx[0] == 18
    (inner,) = items[1].form.body
    assert isinstance(inner.form, LoopForm)


def thomas(state: Any, params: Any, k: Any) -> Any:
    """Solve a tridiagonal system; the diagonals depend on params."""
    a, b = params
    n = len(state)
    x = state.copy()
    c, d = np.zeros(n), np.zeros(n)
    c[0] = a[0] / b[0]
    d[0] = x[0] / b[0]
    for i in range(1, n):
        pivot = b[i] - a[i - 1] * c[i - 1]
        c[i] = a[i] / pivot
        d[i] = (x[i] - a[i - 1] * d[i - 1]) / pivot
    x[n - 1] = d[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = d[i] - c[i] * x[i + 1]
    return x


def carried(state: Any, params: Any, k: Any) -> Any:
    """Carry two local numbers, one of them squared."""
    a, b = params
    total = 0.1
    last = state[0] * 0.5
    out = np.zeros(len(state))
    for i in range(len(state)):
        total = total * 0.5 + a[i] * state[i]
        last, before = np.sqrt(1.0 + last**2) + state[i] * b[i], last
        out[i] = total * last - before
    out[0] += total
    return out


def fibonacci(state: Any, params: Any, k: Any) -> Any:
    """Carry the results of two passes before."""
    a, b = params
    x, y = state[0], state[1]
    out = state.copy()
    for i in range(len(state)):
        x, y = y, 0.3 * x * y + a[i] - 0.1 * b[i] * x
        out[i] = y
    return out


def triangular(state: Any, params: Any, k: Any) -> Any:
    """Substitute forward through a lower triangle, an element at a time."""
    a, b = params
    n = len(state)
    x = state.copy()
    for i in range(n):
        for j in range(i):
            x[i] -= 0.1 * a[i] * b[j] * x[j]
    return x


def red_black(state: Any, params: Any, k: Any) -> Any:
    """Relax every other element, then the rest, periodically."""
    a, b = params
    n = len(state)
    for start in (0, 1):
        for i in range(start, n, 2):
            state[i] = a[i] * (state[i - 1] + state[(i + 1) % n]) + b[i] * state[i] ** 2
    return state


def swapped(state: Any, params: Any, k: Any) -> Any:
    """Reverse the order of the elements, pair by pair, and scale them."""
    a, b = params
    n = len(state)
    for i in range(n // 2):
        kept = state[i]
        state[i] = a[i] * state[n - 1 - i]
        state[n - 1 - i] = b[i] * kept * state[i]
    return state


def stages(state: Any, params: Any, k: Any) -> Any:
    """Take small steps within a step, whose arrays are new in each."""
    a, b = params
    u = state
    for _ in range(7):
        slope = a * np.roll(u, 1) - b * u**2
        half = u + 0.05 * slope
        u = u + 0.1 * (a * np.roll(half, 1) - b * half**2) + 0.01 * k
    return u


def ending(state: Any, params: Any, k: Any) -> Any:
    """End with what the last pass of a loop has made."""
    a, b = params
    x, y = a * state, b * state
    for _ in range(30):
        x[1:-1] = 0.3 * (x[2:] + x[:-2])
        y = y + 0.1 * x
    return y


def mixed(state: Any, params: Any, k: Any) -> Any:
    """Loop over elements between operations on whole arrays."""
    a, b = params
    u = np.sqrt(state**2 + a)
    v = u[::-1] * b
    for i in range(1, len(u)):
        v[i] += 0.5 * u[i] * v[i - 1]
    w = (v + v.reshape(4, 6).T.reshape(-1)) * u
    w[1:] -= v[:-1] * v[1:]
    return w * 0.1


def rows(state: Any, params: Any, k: Any) -> Any:
    """Eliminate downwards, a row at a time."""
    a, b = params
    u = state.reshape(6, 4)
    for i in range(1, 6):
        u[i] = (u[i] + a[i] * u[i - 1]) / (1.0 + b[i] * u[i - 1] ** 2)
    return u.reshape(-1)


LOOPS = [
    thomas,
    carried,
    fibonacci,
    triangular,
    red_black,
    swapped,
    stages,
    ending,
    mixed,
    rows,
]


@pytest.mark.parametrize("step", LOOPS)
def test_loops_of_every_kind_agree_with_interpreted_steps(step: Any) -> None:
    rng = np.random.default_rng(1)
    state = 0.2 + 0.3 * rng.random(24)
    params = (0.5 + 0.2 * rng.random(24), 1.5 + 0.2 * rng.random(24))
    case, loop = rolled(step, state, params)
    case.check(loop)
    case.check(loop, 1)


def test_rows_of_inputs_and_the_number_of_the_step_are_read_in_loops() -> None:
    def step(u: Any, p: Any, k: Any, row: Any) -> Any:
        for i in range(1, len(u)):
            u[i] = 0.5 * u[i] + 0.1 * row[i] * u[i - 1] * p + 0.01 * k
        return u

    rng = np.random.default_rng(2)
    case, loop = rolled(step, rng.random(30), 0.7, rng.random((STEPS, 30)))
    case.check(loop)
    case.check(loop, STEPS)


@pytest.mark.parametrize("seed", range(120))
def test_random_loops_agree_with_interpreted_steps(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "SHORTEST", 1 if seed % 2 else part.SHORTEST)
    # What isn't written must not be read.
    monkeypatch.setattr(sweep, "_arrays", spoilt)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    step = random_loops(rng, n)
    case = Case(step, rng.random((n, n)), (rng.random((n, n)), rng.random(n)))
    loop = compile_rolled(case.tape, case.layout, native=False)
    if not loop:
        assert isinstance(loop, Refusal)
        assert "without repeated parts" in loop.reason
        return
    case.check(loop, int(rng.integers(1, STEPS + 1)))


def test_a_simulation_of_loops_in_python_is_compiled() -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(3)
    state, params = rng.random((9, 9)), (rng.random(9), rng.random(9))
    step = PROBLEMS["tridiagonal columns"]
    found = []
    for native, memory in ((True, "1 MB"), (True, "24 kB"), (False, "1 MB")):
        sim = ra.Simulation(step, steps=6, native=native, memory=memory)

        def objective(state: Any, params: Any, sim: Any = sim) -> Any:
            return np.sum(sim(state, params).state ** 2)

        value, parts = ra.value_and_grad(objective, argnums=(0, 1))(state, params)
        found.append([np.asarray(value), parts[0], *parts[1]])
    for a, b, c in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-12, atol=1e-14)

"""Indices that a step computes, such as ``a[k]``, are arithmetic on positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from revolve_ad.native.passes.indices import placement
from tests.native.test_compile_loop import Case


def indexed(state: Any, params: Any, k: Any) -> Any:
    x, m = state
    a, b = params
    row = (2 * k) % 4
    m = m.copy()
    m[row, 1:3] = m[row - 1, :2] * a[k]
    m[:, k % 3] += b
    order = np.argsort(x)
    new = 0.5 * x[order] + m[order % 4, 1] + m[1, order % 3] + m[order % 4, order % 3] * a[-1 - k]
    return new + np.concatenate([a, a])[k : k + 3], m


def case() -> Case:
    rng = np.random.default_rng(0)
    state = rng.standard_normal(3), rng.standard_normal((4, 3))
    return Case(indexed, state, (rng.standard_normal(8), 0.3))


def test_computed_indices_agree_with_the_interpreter() -> None:
    made = case()
    loop = compile_loop(made.tape, made.layout, native=False)
    made.check(loop)
    assert isinstance(loop, Loop)
    assert loop.called == ("argsort has no compiled form",)


def forced(u: Any, feed: Any, k: Any) -> Any:
    return 0.5 * u + feed[k]


@pytest.mark.parametrize("native", [False, True])
def test_an_index_out_of_bounds_is_an_error(native: bool) -> None:
    if native:
        pytest.importorskip("numba")
    tape = trace(forced, (np.ones(3), np.ones(4), 0)).tape
    loop = compile_loop(tape, Layout(1, 1), native=native)
    assert isinstance(loop, Loop)
    assert not loop.called
    sweep, target = Sweep(loop, [np.ones(4)]), [np.empty(3)]
    sweep.advance([np.ones(3)], target, 0, 4)
    with pytest.raises(IndexError, match="out of bounds"):
        sweep.advance([np.ones(3)], target, 0, 5)


def test_the_cotangent_of_a_series_is_written_into_one_place_a_step() -> None:
    tape = trace(forced, (np.ones(3), np.ones(400), 0)).tape
    loop = compile_loop(tape, Layout(1, 1), native=False)
    assert isinstance(loop, Loop)
    assert "range(400)" not in loop.source


def rolled(state: Any, params: Any, k: Any) -> Any:
    """Look at one array across its seam and at computed places."""
    x, y = state
    a, w = params
    made = np.tanh(x * a)
    far = 1.0 / (2.0 + made)
    made[k % 6] = np.sum(made) * w[k % 3]
    return np.roll(far, 1) * x + np.sum(np.cos(far)), y + far[(k + 1) % 6] + made[::2] + far[1::2]


def test_computed_places_in_an_array_that_repeats_its_ends() -> None:
    rng = np.random.default_rng(1)
    state = rng.standard_normal(6), rng.standard_normal(3)
    made = Case(rolled, state, (0.7, rng.standard_normal(3)))
    loop = compile_loop(made.tape, made.layout, native=False)
    assert isinstance(loop, Loop)
    assert "_flat[1 + " in loop.source
    made.check(loop)


A = ("array",)
SLICE = ("slice", None, None, None)
FORMS = {
    "one": ((5,), (A,), [()]),
    "row": ((4, 3), (A,), [()]),
    "column": ((4, 3), (SLICE, A), [(2,)]),
    "apart": ((4, 3, 5), (A, SLICE, A), [(2,), (2,)]),
    "together": ((4, 3, 5), (SLICE, A, A), [(2, 1), (2,)]),
    "with a number": ((4, 3, 5), (("int", 2), SLICE, A), [(2,)]),
    "rest": ((4, 3, 5), (("rest",), A), [(2,)]),
    "new axis": ((4, 3), (("new",), A, SLICE), [(2,)]),
    "number beside": ((4, 3, 5), (SLICE, ("int", -1), A), [()]),
}


@pytest.mark.parametrize("form", FORMS)
def test_positions_are_those_of_numpy(form: str) -> None:
    shape, template, arrays = FORMS[form]
    found = placement(shape, template, arrays)
    assert found is not None
    rng = np.random.default_rng(1)
    values = [rng.integers(0, shape[d], s) for s, d in zip(arrays, found.axes, strict=True)]
    strides = [int(np.prod(shape[d + 1 :])) for d in found.axes]
    total = sum(v * s for v, s in zip(values, strides, strict=True))
    total = np.reshape(total, (*np.shape(total), *(1,) * found.behind))
    numbers = np.arange(np.prod(shape)).reshape(shape)
    rest = iter(values)
    index = tuple(
        next(rest)
        if part == A
        else {"slice": slice(None), "new": None, "rest": Ellipsis}.get(part[0], part[-1])
        for part in template
    )
    np.testing.assert_array_equal(found.base + total, numbers[index])

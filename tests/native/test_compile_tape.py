"""A compiled tape gives the interpreter's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.core import SUM, elementwise
from revolve_ad.ad.passes.transform import jvp, vjp
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.strided import box_map
from revolve_ad.ad.tape import Tape
from revolve_ad.native import Compiled, Refusal, compile_tape
from revolve_ad.native.passes import rows
from tests.native.random_tapes import random_tape, random_values

SHAPES = [(7, 6), (12,), (40,), (4, 3, 5), (9, 8)]
FLOAT = np.dtype(float)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """In small arrays, too, the ends of rows are written beside the rows."""
    monkeypatch.setattr(rows, "WIDE", 2)


def agree(tape: Tape, compiled: Compiled | Refusal, values: list[Any]) -> None:
    assert isinstance(compiled, Compiled), compiled
    sums = any(node.op is SUM for node in tape.nodes)
    for expected, found in zip(Interpreter(tape).run(values), compiled.run(values), strict=True):
        assert np.shape(found) == np.shape(expected)
        if sums:
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(120))
def test_random_overlapping_boxes_agree_with_the_interpreter_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tape = random_tape(rng, shape=SHAPES[seed % 5], n_nodes=4 + seed % 14, steps=seed % 3 == 0)
    values = random_values(rng, tape)
    agree(tape, compile_tape(tape, native=False), values)
    adjoint = vjp(tape, [0, 1, 2])
    cotangents = [rng.standard_normal(tape.nodes[o].shape) for o in tape.outputs]
    agree(adjoint, compile_tape(adjoint, exact=False, native=False), [*values, *cotangents])


@pytest.mark.parametrize("seed", range(20))
def test_second_order_agrees_too(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    tape = vjp(jvp(random_tape(rng, shape=SHAPES[seed % 5], n_nodes=6), [0]), [0, 1])
    values = random_values(rng, tape)
    agree(tape, compile_tape(tape, exact=False, native=False), values)


@pytest.mark.parametrize("seed", [0, 3, 4, 13])
def test_numba_agrees_with_the_interpreter(seed: int) -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    tape = random_tape(rng, shape=SHAPES[seed % 5], n_nodes=8, steps=seed % 2 == 0)
    agree(tape, compile_tape(tape), random_values(rng, tape))


def part(x: Symbol, *axes: tuple[int, int, int]) -> Symbol:
    return s.gather(x, box_map(x.shape, axes))


def smoothing(n: int) -> Tape:
    """Return ``u[1:-1] = 0.25·(u[:-2] + 2u[1:-1] + u[2:])``, then ``u[n // 2] += a``."""
    b = Builder()
    u, a = Symbol(b, b.input((n,), FLOAT, "u")), Symbol(b, b.input((), FLOAT, "a"))
    inner = (1, 1, n - 2)
    new = 0.25 * (part(u, (0, 1, n - 2)) + 2 * part(u, inner) + part(u, (2, 1, n - 2)))
    v = s.scatter(u, new, box_map((n,), (inner,)))
    point = box_map((n,), ((n // 2, 1, 1),))
    v = s.scatter(v, part(v, (n // 2, 1, 1)) + a, point)
    return b.tape([u.id, a.id], [v.id], None)


def test_a_write_to_one_point_does_not_cut_the_loop() -> None:
    compiled = compile_tape(smoothing(100), native=False)
    assert isinstance(compiled, Compiled)
    assert "range(98)" in compiled.source
    rng = np.random.default_rng(0)
    agree(smoothing(100), compiled, [rng.random(100), 0.3])


def test_indices_never_go_below_the_counter() -> None:
    """A signed offset below zero costs Numba its vector loops."""
    tape = vjp(smoothing(100), [0])
    compiled = compile_tape(tape, exact=False, native=False)
    assert isinstance(compiled, Compiled)
    assert "[i - " not in compiled.source.split("if ")[0]


def test_an_operation_without_compiled_form_is_called_and_named() -> None:
    b = Builder()
    x = Symbol(b, b.input((3,), FLOAT, "x"))
    y = s.ufunc(np.spacing)(x) * 2.0
    compiled = compile_tape(b.tape([x.id], [y.id], None), native=False)
    assert isinstance(compiled, Compiled)
    assert "spacing" in compiled.called[0]
    values = np.array([1.0, 2.0, 1e9])
    np.testing.assert_array_equal(compiled.run([values])[0], 2.0 * np.spacing(values))


def test_a_tape_that_depends_on_values_is_refused() -> None:
    b = Builder()
    x = b.input((3,), FLOAT, "x")
    refused = compile_tape(b.tape([x], [x], "model.py:3"), native=False)
    assert isinstance(refused, Refusal)
    assert "model.py:3" in refused.reason


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "bool", "complex128"])
@pytest.mark.parametrize(
    "function",
    [
        np.add,
        np.subtract,
        np.multiply,
        np.true_divide,
        np.sqrt,
        np.square,
        np.negative,
        np.absolute,
        np.maximum,
        np.minimum,
        np.fmax,
        np.fmin,
        np.less,
        np.equal,
        np.logical_and,
        np.logical_not,
        np.sign,
        np.floor,
        np.conjugate,
        np.reciprocal,
    ],
)
def test_exact_functions_give_the_bits_of_numpy(function: np.ufunc, dtype: str) -> None:
    special = np.array([0.0, -0.0, 1.0, -1.5, 2.5, np.inf, -np.inf, np.nan, 1e-310, 3.0])
    rng = np.random.default_rng(1)
    b = Builder()
    columns = []
    for _ in range(function.nin):
        with np.errstate(all="ignore"):
            values = np.concatenate([rng.permutation(special), rng.standard_normal(30) * 5])
            if dtype in ("int64", "int32"):
                values = rng.integers(-9, 9, 40)
            columns.append(values.astype(dtype))
    xs = [Symbol(b, b.input((40,), c.dtype, "x")) for c in columns]
    try:
        y = xs[0].apply(elementwise(function), *xs[1:])
    except TypeError:
        pytest.skip("NumPy has no such loop")
    compiled = compile_tape(b.tape([x.id for x in xs], [y.id], None), native=False)
    if isinstance(compiled, Refusal):
        pytest.skip(compiled.reason)
    with np.errstate(all="ignore"):
        (found,) = compiled.run(columns)
        expected = function(*columns)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)

"""Each pass alone: simplify, regions, rotation, turns, expressions, indices."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.strided import box_map
from revolve_ad.native import Compiled, compile_tape
from revolve_ad.native.passes.expression import Graph, Position
from revolve_ad.native.passes.regions import Region, ResidueError, complement, locate
from revolve_ad.native.passes.rotation import ROTATE, pieces
from revolve_ad.native.passes.simplify import simplified
from revolve_ad.native.passes.turns import landing, period, turns_of

FLOAT = np.dtype(float)


@pytest.mark.parametrize("seed", range(60))
def test_points_are_located_in_views_as_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 15))
    step = int(rng.choice([1, 2, 3, -1, -2]))
    length = int(rng.integers(1, (n - 1) // abs(step) + 2))
    reach = abs(step) * (length - 1)
    low = int(rng.integers(0, n - reach))
    index = box_map((n,), ((low if step > 0 else low + reach, step, length),))
    where = np.full(n, -1)
    where[index.flat_indices()] = np.arange(length)
    coef = int(rng.choice([1, 2, -1]))
    count = int(rng.integers(2, (n - 1) // abs(coef) + 2))
    off = 0 if coef > 0 else abs(coef) * (count - 1)
    points = coef * np.arange(count) + off
    assert index.box is not None
    try:
        found = locate(index.box, (Position(0, coef, off),), ((0, count),))
    except ResidueError:
        # The loop passes over the view's elements: it is cut by remainders first.
        return
    expected = [t for t in range(count) if where[points[t]] >= 0]
    if found is None:
        assert not expected
        return
    ((dim, slope, shift, _),), ((lo, hi),) = found
    assert expected == list(range(lo, hi))
    for t in expected:
        assert (slope * t if dim == 0 else 0) + shift == where[points[t]]


@pytest.mark.parametrize("seed", range(20))
def test_a_region_is_a_box_and_its_complement(seed: int) -> None:
    rng = np.random.default_rng(seed)
    region = Region((1, 2), (1, 3), (6, 5))
    ends = [sorted(rng.choice(n + 1, 2, replace=False)) for n in region.extent]
    box = tuple((int(a), int(b)) for a, b in ends)
    parts = [region.narrowed(box), *complement(region, box)]
    points = [p for part in parts for p in places(part)]
    assert sorted(points) == sorted(places(region))
    assert len(parts) <= 1 + 2 * 2


def places(region: Region) -> list[tuple[int, ...]]:
    axes = [
        [a + step * t for t in range(n)]
        for a, step, n in zip(region.start, region.step, region.extent, strict=True)
    ]
    return list(product(*axes))


@pytest.mark.parametrize("coef", [1, 2, -1, -3])
@pytest.mark.parametrize("off", range(7))
def test_a_ring_is_cut_where_its_index_passes_the_seam(coef: int, off: int) -> None:
    n, count = 7, 9
    covered = []
    for shift, lo, hi in pieces(coef, off, n, (0, count)):
        for t in range(lo, hi):
            assert coef * t + shift == (coef * t + off) % n
        covered += range(lo, hi)
    assert sorted(covered) == list(range(count))


@pytest.mark.parametrize("shift", [1, -1, 2])
@pytest.mark.parametrize("axis", [0, 1])
def test_rolls_and_their_adjoints_are_rotations(shift: int, axis: int) -> None:
    tape = trace(lambda u: np.roll(u, shift, axis) * u, (np.ones((5, 6)),)).tape
    ops = [n.op for n in simplified(tape).nodes]
    assert ROTATE in ops
    assert not {op.name for op in ops} & {"gather", "scatter", "concatenate"}
    adjoint = simplified(vjp(tape, [0]), exact=False)
    assert not {n.op.name for n in adjoint.nodes} & {"gather", "scatter_add", "concatenate"}


def test_simplification_keeps_values_and_makes_equal_nodes_once() -> None:
    b = Builder()
    x = Symbol(b, b.input((6,), FLOAT, "x"))
    part = box_map((6,), ((1, 1, 4),))
    y = s.scatter(s.scatter(x, 2 * s.gather(x, part), part), s.gather(x, part), part)
    tape = b.tape([x.id], [y.id], None)
    found = simplified(tape)
    assert [n.op.name for n in found.nodes] == ["input"]
    values = [np.arange(6.0)]
    np.testing.assert_array_equal(Interpreter(found).run(values)[0], values[0])


def test_structural_zeros_vanish_only_where_bits_need_not_be_kept() -> None:
    for exact, expected in ((True, "op"), (False, "load")):
        graph = Graph(exact)
        x = graph.load("x", (Position(0, 1, 0),), FLOAT)
        zero = graph.const(0.0, FLOAT)
        assert graph.exprs[graph.op("add", FLOAT, (zero, x))].kind == expected
        assert graph.op("subtract", FLOAT, (x, zero)) == x


@pytest.mark.parametrize("outputs", [[5, 0], [5, 0, 1], [0, 5], [1, 0, 5], [5, 6], [0, 1]])
def test_arrays_that_take_turns_hold_the_right_leaves(outputs: list[int]) -> None:
    """Play the turns with names for arrays, against states as lists of values."""
    m = len(outputs)
    turns = turns_of(outputs, list(range(m)), [((), FLOAT)] * m)
    for n in range(8):
        places = landing(turns, n)
        assert len(set(places)) == m
    assert period(turns) >= 1
    held: list[Any] = list(range(m))
    spare: dict[int, Any] = {c: 100 + c for c in turns.computed}
    for _ in range(5):
        expected = [spare[j] if i is None else held[i] for j, i in enumerate(turns.source)]
        held, spare = turns.after(held, spare)
        assert held == expected
        assert len({*held, *spare.values()}) == m + len(spare)


AT = np.array([4, 1, 4, 0, 3])


@pytest.mark.parametrize(
    "function",
    [
        lambda u: u[AT] * 2.0,
        lambda u: u[2, np.arange(0, 5, 2)] + u[0, 0],
        lambda u: u[:, AT] ** 2,
        lambda u: written(u, lambda w: w.__setitem__(AT, 2.0 * u[:5])),
        lambda u: written(u, lambda w: w.__setitem__((slice(None), AT), 3.0)),
        lambda u: added(u),
    ],
)
def test_constant_index_arrays_are_compiled(function: Any) -> None:
    rng = np.random.default_rng(0)
    u = rng.standard_normal((5, 5))
    tape = trace(function, (u,)).tape
    cotangent = rng.standard_normal(tape.nodes[tape.outputs[0]].shape)
    for case, values, exact in (
        (tape, [u], True),
        (vjp(tape, [0]), [u, cotangent], False),
    ):
        compiled = compile_tape(case, exact=exact, native=False)
        assert isinstance(compiled, Compiled), compiled
        expected = Interpreter(case).run(values)[0]
        np.testing.assert_array_equal(compiled.run(values)[0], expected)


def written(u: Any, write: Any) -> Any:
    w = u.copy()
    write(w)
    return w * u


def added(u: Any) -> Any:
    w = u.copy()
    np.add.at(w, AT, u[:5] * 2.0)
    return w


def test_evenly_spaced_positions_become_a_view() -> None:
    tape = trace(lambda u: u[2, np.arange(0, 9, 2)], (np.ones((5, 9)),)).tape
    assert "take" not in {n.op.name for n in simplified(tape).nodes}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3, 4), (4, 2)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 3, 4), (4, 2)),
        ((5, 3, 4), (5, 4, 2)),
    ]
    + [((4, 3, 4), (4, 4, 4)), ((4,), (5, 4, 2)), ((3, 1, 2, 2), (1, 4, 2, 3))],
)
def test_small_matrix_products_are_compiled(first: Any, second: Any) -> None:
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(first), rng.standard_normal(second)]
    tape = trace(lambda a, b: a @ b, tuple(values)).tape
    compiled = compile_tape(tape, native=False)
    assert isinstance(compiled, Compiled), compiled
    np.testing.assert_allclose(compiled.run(values)[0], values[0] @ values[1], rtol=1e-13)


def test_an_element_that_is_written_twice_keeps_the_last_value() -> None:
    def function(u: Any) -> Any:
        value = u.copy()
        value[:, 1:] = -u[:, :-1]
        w = u.copy()
        w[np.array([1, 1])] = value
        return w

    u = np.arange(8.0).reshape(2, 4)
    compiled = compile_tape(trace(function, (u,)).tape, native=False)
    assert isinstance(compiled, Compiled), compiled
    np.testing.assert_array_equal(compiled.run([u])[0], function(u))

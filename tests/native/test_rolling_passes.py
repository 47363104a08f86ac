"""Each pass over rolled loops computes the same as before, and does what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.core import elementwise
from revolve_ad.ad.recording.call import trace
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.dependence import set_free
from revolve_ad.native.rolling.detect import LoopForm
from revolve_ad.native.rolling.factoring import exact_values, factored_loops, gives_numpys_bits
from revolve_ad.native.rolling.interchange import interchanged
from revolve_ad.native.rolling.making import trimmed
from revolve_ad.native.rolling.merge import merged, read_once
from revolve_ad.native.rolling.part import parted
from revolve_ad.native.rolling.passes import hoisted, pruned, settled, shared
from revolve_ad.native.rolling.programs import forward_program, rolled_items
from revolve_ad.native.rolling.registers import in_registers
from revolve_ad.native.rolling.source import buffers_of, groups, kernel_source
from revolve_ad.native.rolling.spill import spilled
from revolve_ad.native.rolling.standing import standing
from revolve_ad.native.rolling.timeline import NEVER, first_times, last_times, touches
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Carried,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    listing,
    made,
    statements,
)
from tests.benchmarks.recurrences import PROBLEMS

FLOAT = np.dtype(np.float64)
N = 40


class Writing:
    """Writes statements by hand: values, buffers of `N` elements, one loop after the other."""

    def __init__(self) -> None:
        self.values = Values()

    def buffer(self, name: str, kind: str = "temp") -> Buffer:
        return Buffer(kind, self.values.n_buffers, (N,), FLOAT, name)

    def load(self, buffer: Buffer, base: int = 0, loop: int | None = None, step: int = 1) -> Load:
        at = Affine(base) if loop is None else Affine(base).moved(loop, step)
        return Load(self.values.new(FLOAT), Access(buffer, at))

    def let(self, ufunc: np.ufunc, *args: int) -> Let:
        dtype = FLOAT if ufunc not in (np.less, np.equal) else np.dtype(bool)
        return Let(self.values.new(dtype), elementwise(ufunc), (), args)

    def literal(self, number: float) -> Let:
        return self.values.literal(number, FLOAT)


def at(buffer: Buffer, base: int, loop: int, step: int = 1) -> Access:
    return Access(buffer, Affine(base).moved(loop, step))


def run(
    parts: Sequence[Sequence[Statement]], values: Values, buffers: Sequence[Buffer]
) -> list[np.ndarray]:
    """Run statements as plain Python from the same random arrays; return the arrays after it."""
    rng = np.random.default_rng(3)
    arrays = {b.name: 0.5 + rng.random(b.size) for b in buffers}
    for part in parts:
        for b in buffers_of(part):
            b.name = b.name or f"{b.kind}{b.number}"
            arrays.setdefault(b.name, np.zeros(max(b.size, 1)))
        text = kernel_source("run", part, values, sums=False)
        space: dict[str, Any] = {"np": np, "kernel": lambda f: f}
        exec(text, space)
        space["run"](*[arrays[b.name] for b in buffers_of(part)])
    return [arrays[b.name] for b in buffers]


def same(
    before: Sequence[Statement],
    after: Sequence[Statement],
    w: Writing,
    buffers: Sequence[Buffer],
    rtol: float = 0.0,
) -> None:
    for a, b in zip(run([before], w.values, buffers), run([after], w.values, buffers), strict=True):
        np.testing.assert_allclose(b, a, rtol=rtol, atol=0.0)


def test_nests_over_equal_boxes_become_one_unless_an_element_is_read_beside_its_place() -> None:
    w = Writing()
    a, b, c = w.buffer("a"), w.buffer("b"), w.buffer("c")
    first, second, third = (w.values.loop() for _ in range(3))
    x, y, z = w.load(a, 0, first), w.load(b, 0, second), w.load(b, 1, third)
    square, product = w.let(np.multiply, x.out, x.out), w.let(np.multiply, y.out, y.out)
    body: list[Statement] = [
        Loop(first, Affine(N - 1), [x, square, Store(at(b, 0, first), square.out)], True),
        Loop(second, Affine(N - 1), [y, product, Store(at(c, 0, second), product.out)], True),
        Loop(third, Affine(N - 1), [z, Add(at(a, 0, third), z.out)], True),
    ]
    after = merged(body)
    assert [s.name for s in after if isinstance(s, Loop)] == [first, third]
    same(body, after, w, (a, b, c))


def test_nests_over_interleaved_elements_become_one() -> None:
    w = Writing()
    a = w.buffer("a")
    first, second = w.values.loop(), w.values.loop()
    x, y = w.load(a, 0, first, 3), w.load(a, 1, second, 3)
    half, twice = w.let(np.negative, x.out), w.let(np.square, y.out)
    body: list[Statement] = [
        Loop(first, Affine(12), [x, half, Store(at(a, 0, first, 3), half.out)], True),
        Loop(second, Affine(12), [y, twice, Store(at(a, 2, second, 3), twice.out)], True),
    ]
    after = merged(body)
    assert len(after) == 1
    same(body, after, w, [a])


@pytest.mark.parametrize(("width", "rows_outside"), [(7, True), (6, False)])
def test_rows_go_around_levels_if_none_touches_another(width: int, rows_outside: bool) -> None:
    """Levels 0 … 4 of pairs: a row spans 7 elements, so that rows of 6 overlap."""
    w = Writing()
    a, b = w.buffer("a"), w.buffer("b", "x")
    level, row, pair = (w.values.loop() for _ in range(3))

    def place(buffer: Buffer, base: int, step: int) -> Access:
        return Access(buffer, Affine(base).moved(level, 1).moved(row, step).moved(pair, 1))

    x, y = Load(w.values.new(FLOAT), place(a, 0, width)), w.load(b, 0, level)
    product = w.let(np.multiply, x.out, y.out)
    inner = Loop(pair, Affine(2), [x, product, Store(place(a, 1, width), product.out)])
    body: list[Statement] = [Loop(level, Affine(5), [y, Loop(row, Affine(4), [inner], True)])]
    after = interchanged(body)
    assert isinstance(after[0], Loop)
    assert after[0].name == (row if rows_outside else level)
    same(body, after, w, (a, b))


def test_an_array_is_read_once_if_one_nest_writes_it_whole_and_one_reads_it_whole() -> None:
    w = Writing()
    a, b, c = w.buffer("a"), w.buffer("b"), w.buffer("c")
    loops = [w.values.loop() for _ in range(3)]
    x, y, z = w.load(a, 0, loops[0]), w.load(b, 0, loops[1]), w.load(c, 1, loops[2])
    body: list[Statement] = [
        Loop(loops[0], Affine(N), [x, Store(at(b, 0, loops[0]), x.out)], True),
        Loop(loops[1], Affine(N), [y, Store(at(c, 0, loops[1]), y.out)], True),
        Loop(loops[2], Affine(N - 1), [z, Store(at(a, 0, loops[2]), z.out)], True),
    ]
    assert read_once(body) == {b}


def test_additions_to_neighbours_are_summed_in_a_loop_of_their_own() -> None:
    w = Writing()
    g, a = w.buffer("g", "bar"), w.buffer("a")
    i = w.values.loop()
    x = w.load(g, 1, i)
    square = w.let(np.multiply, x.out, x.out)
    added = (square.out, x.out, square.out)
    body: list[Statement] = [
        Loop(i, Affine(N - 2), [x, square, *(Add(at(a, k, i), v) for k, v in enumerate(added))])
    ]
    assert listing(parted(body, w.values)) == listing(body)
    body = [Loop(s.name, s.count, s.body, True) for s in body if isinstance(s, Loop)]
    after = parted(body, w.values)
    loops = [s for s in after if isinstance(s, Loop)]
    assert [sum(isinstance(s, Add) for s in loop.body) for loop in loops] == [0, 1]
    assert len({b for b in buffers_of(after) if b.kind == "strip"}) == 2
    same(body, after, w, (g, a), rtol=1e-15)


@pytest.mark.parametrize("apart", [1, 9])
def test_one_number_added_to_several_rows_is_summed_after_them(apart: int) -> None:
    w = Writing()
    g, a = w.buffer("g", "bar"), w.buffer("a")
    g.shape = a.shape = (13 * N,)
    i, j = w.values.loop(), w.values.loop()
    x = Load(w.values.new(FLOAT), Access(g, Affine(0).moved(i, 12).moved(j, 1)))
    there = [Access(a, Affine(k).moved(i, 12).moved(j, 1)) for k in (0, 11, 13, 12 * (1 + apart))]
    body: list[Statement] = [
        Loop(i, Affine(12), [Loop(j, Affine(10), [x, *(Add(k, x.out) for k in there)], True)], True)
    ]
    after = parted(body, w.values)
    first, last = (s for s in after[-2:] if isinstance(s, Loop))
    assert not any(isinstance(s, Add) for s in statements([first]))
    assert last.count.base == 12 * 11 + 10 + 12 * (1 + apart)
    arrays = [run([part], w.values, (g, a)) for part in (body, after)]
    np.testing.assert_allclose(arrays[1][1], arrays[0][1], rtol=1e-15)


def test_a_pass_that_reads_what_it_adds_to_is_not_parted() -> None:
    w = Writing()
    g, a = w.buffer("g", "bar"), w.buffer("a")
    i = w.values.loop()
    x, y = w.load(a, 0, i), w.load(g, 0, i)
    body: list[Statement] = [
        Loop(
            i,
            Affine(N - 2),
            [x, Store(at(g, 0, i), x.out), y, Add(at(a, 1, i), y.out), Add(at(a, 2, i), y.out)],
            True,
        )
    ]
    assert listing(parted(body, w.values)) == listing(body)


def factors(compared: bool) -> tuple[Writing, list[Statement], tuple[Buffer, ...]]:
    """Return ``a[i] += g·ω·0.25; b[0] = Σ g/ω``, and with `compared` a choice by ``g·ω < 0.5``."""
    w = Writing()
    g, a, b = w.buffer("g", "bar"), w.buffer("a"), w.buffer("b")
    i = w.values.loop()
    omega, quarter, zero, bound = w.load(b, 1), w.literal(0.25), w.literal(0.0), w.literal(0.5)
    x = w.load(g, 0, i)
    first = w.let(np.multiply, x.out, omega.out)
    second = w.let(np.multiply, first.out, quarter.out)
    quotient = w.let(np.divide, x.out, omega.out)
    phi, out = w.values.new(FLOAT), w.values.new(FLOAT)
    total = w.let(np.add, phi, quotient.out)
    inner: list[Statement] = [x, first, second, quotient, total]
    if compared:
        less = w.let(np.less, first.out, bound.out)
        cast = w.let(np.multiply, second.out, less.out)
        inner += [less, cast, Add(at(a, 0, i), cast.out)]
    else:
        inner.append(Add(at(a, 0, i), second.out))
    loop = Loop(i, Affine(N), inner, True, [Carried(phi, zero.out, total.out, out)])
    body = [omega, quarter, zero, bound, loop, Store(Access(b, Affine(0)), out)]
    return w, body, (g, a, b)


def test_factors_that_a_loop_does_not_change_leave_it() -> None:
    w, body, buffers = factors(False)
    before = run([body], w.values, buffers)
    after = factored_loops(body, w.values)
    for a, b in zip(before, run([after], w.values, buffers), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)
    (loop,) = (s for s in after if isinstance(s, Loop))
    operations = [s.op.name for s in loop.body if isinstance(s, Let)]
    # One product and the sum: no quotient, and no second product.
    assert sorted(operations) == ["add", "multiply"]


def test_what_a_comparison_reads_keeps_its_operations() -> None:
    w, body, _ = factors(True)
    (loop,) = (s for s in body if isinstance(s, Loop))
    first = next(s for s in loop.body if isinstance(s, Let))
    assert first.out in exact_values(body)
    after = factored_loops(body, w.values)
    kept = {s.out: s for s in statements(after) if isinstance(s, Let)}
    assert kept[first.out].args == first.args


def test_sums_functions_and_powers_are_not_taken_for_numpys_bits() -> None:
    w = Writing()
    a = w.buffer("a")
    i = w.values.loop()
    x = w.load(a, 0, i)
    square, sine = w.let(np.square, x.out), w.let(np.sin, x.out)
    store: Statement = Store(at(a, 0, i), square.out)
    assert gives_numpys_bits([Loop(i, Affine(N), [x, square, store])], w.values)
    assert not gives_numpys_bits([Loop(i, Affine(N), [x, sine, store])], w.values)
    add: Statement = Add(at(a, 0, i), square.out)
    assert not gives_numpys_bits([Loop(i, Affine(N), [x, square, add])], w.values)


@pytest.mark.parametrize("adds", [False, True])
def test_what_one_pass_writes_and_the_next_reads_is_carried(adds: bool) -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    i = w.values.loop()
    x, y = w.load(a, 0, i), w.load(c, 1, i)
    product = w.let(np.multiply, x.out, y.out)
    write = Add if adds else Store
    body: list[Statement] = [
        Loop(i, Affine(N - 1), [x, y, product, write(at(a, 1, i), product.out)])
    ]
    after = in_registers(body, w.values)
    (loop,) = (s for s in after if isinstance(s, Loop))
    assert len(loop.carried) == 1
    assert x.out not in made(loop.body)
    same(body, after, w, (a, c))


def test_nothing_is_carried_where_a_pass_writes_the_element_before_it_reads_it() -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    i = w.values.loop()
    y, x = w.load(c, 1, i), w.load(a, 0, i)
    body: list[Statement] = [
        Loop(
            i,
            Affine(N - 1),
            [y, Store(at(a, 0, i), y.out), x, Store(at(a, 1, i), x.out)],
        )
    ]
    same(body, in_registers(body, w.values), w, (a, c))


def test_a_write_that_only_an_earlier_statement_reads_is_pruned_but_not_in_a_loop() -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    x, y = w.load(a, 0), w.load(c, 0)
    reads: list[Statement] = [x, Store(Access(c, Affine(1)), x.out)]
    writes: list[Statement] = [y, Store(Access(a, Affine(0)), y.out)]
    assert pruned([*reads, *writes], set(), {c}) == reads
    loop = Loop(w.values.loop(), Affine(3), [*reads, *writes])
    (kept,) = pruned([loop], set(), {c})
    assert isinstance(kept, Loop)
    assert kept.body == loop.body


def test_what_is_stored_is_not_loaded_again_and_equal_operations_are_one() -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    x = w.load(a, 0)
    first, second = w.let(np.multiply, x.out, x.out), w.let(np.multiply, x.out, x.out)
    again = w.load(c, 1)
    body: list[Statement] = [
        x,
        first,
        second,
        Store(Access(c, Affine(1)), first.out),
        again,
        Store(Access(a, Affine(2)), again.out),
        Store(Access(a, Affine(3)), second.out),
    ]
    after = shared(body)
    assert [type(s) for s in after] == [Load, Let, Store, Store, Store]
    same(body, after, w, (a, c))


def test_loads_of_elements_that_a_loop_leaves_alone_stand_before_it() -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    i = w.values.loop()
    x, y = w.load(c, 3), w.load(a, 3)
    product = w.let(np.multiply, x.out, y.out)
    body: list[Statement] = [Loop(i, Affine(N), [x, y, product, Store(at(a, 0, i), product.out)])]
    after = hoisted(body)
    assert after[0] is x
    assert len(after) == 2
    same(body, after, w, (a, c))


def test_zero_and_an_addition_to_it_become_a_write_and_sums_stay_in_registers() -> None:
    w = Writing()
    a, c = w.buffer("a"), w.buffer("c")
    i = w.values.loop()
    zero, x, y = w.literal(0.0), w.load(c, 3), w.load(c, 0, i)
    body: list[Statement] = [
        zero,
        x,
        Store(Access(a, Affine(5)), zero.out),
        Add(Access(a, Affine(5)), x.out),
        Loop(i, Affine(N), [y, Add(Access(a, Affine(7)), y.out)], True),
    ]
    after = settled(body, w.values)
    assert sum(isinstance(s, Store) for s in after) == 1
    (loop,) = (s for s in after if isinstance(s, Loop))
    assert len(loop.carried) == 1
    same(body, after, w, (a, c), rtol=1e-14)


def test_parts_of_a_long_program_share_no_numbers() -> None:
    w = Writing()
    a = w.buffer("a")
    body: list[Statement] = []
    last = w.load(a, 0)
    body.append(last)
    for k in range(70):
        i = w.values.loop()
        x = w.load(a, 0, i)
        product = w.let(np.add, x.out, last.out)
        body.append(Loop(i, Affine(3), [x, product, Store(at(a, k % 30, i), product.out)]))
    parts = spilled(groups(body), w.values)
    assert len(parts) > 2
    found = run([body], w.values, [a])
    np.testing.assert_array_equal(run(parts, w.values, [a])[0], found[0])


@pytest.mark.parametrize(
    ("read", "write", "step", "free"),
    [(0, 0, 1, True), (0, 1, 1, False), (1, 0, 1, False), (0, 1, 2, True), (0, N // 2, 1, True)],
)
def test_a_loop_is_free_if_no_pass_reads_what_another_writes(
    read: int, write: int, step: int, free: bool
) -> None:
    w = Writing()
    a = w.buffer("a")
    i = w.values.loop()
    x = w.load(a, read, i, step)
    loop = Loop(i, Affine(N // 2 // step), [x, Store(at(a, write, i, step), x.out)])
    set_free([loop])
    assert loop.free is free


def test_a_rolled_program_prints_as_loops() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        for i in range(1, len(u)):
            u[i] = 0.5 * u[i] + p * u[i - 1]
        return u

    tape = trace(step, (np.ones(N), 0.3, 0)).tape
    program, items = rolled_items(tape, [("x", 0), ("p", 0), ("k", 0)])
    assert sum(isinstance(item.form, LoopForm) for item in items) == 1
    p = next(b for b in program.inputs if b.kind == "p")
    sums = {p: Buffer("sum", 0, (), FLOAT, "sum0")}
    rolled = forward_program(program, items, computed=[0], floats=[0], sums=sums)
    text = str(rolled)
    assert "forward:" in text
    assert "reverse:" in text
    assert f"for i1 in {N - 1}" in text
    assert listing(rolled.forward, "    ") in text


def test_a_clock_says_when_elements_are_touched_first_and_last() -> None:
    w = Writing()
    a = w.buffer("a")
    i, j = w.values.loop(), w.values.loop()
    x = w.load(a, 0, j)
    access = Access(a, Affine(1).moved(i, 3).moved(j, 1))
    body: list[Statement] = [Loop(i, Affine(4), [Loop(j, Affine(2), [x, Store(access, x.out)])])]
    # By hand: the order in which the passes run.
    events: list[tuple[int, bool]] = []
    for p in range(4):
        for q in range(2):
            events += [(q, False), (1 + 3 * p + q, True)]
    (those,) = touches(body, [a]).values()
    for writes, (touch,) in ((False, those[:1]), (True, those[1:])):
        times = [n for n, (_, written) in enumerate(events) if written is writes]
        assert touch.times.tolist() == times
        assert touch.positions.tolist() == [events[n][0] for n in times]
    first, last = first_times(those, N), last_times(those, N)
    for element in range(N):
        seen = [n for n, (e, _) in enumerate(events) if e == element]
        assert (first[element], last[element]) == ((seen[0], seen[-1]) if seen else (NEVER, -1))


@pytest.mark.parametrize(("first", "count", "left"), [(0, N, 0), (1, N - 1, 1), (1, N // 2, None)])
def test_a_copy_is_made_only_where_it_is_read(first: int, count: int, left: int | None) -> None:
    w = Writing()
    x, y = w.buffer("x0", "x"), w.buffer("y0")
    y.copied = x
    i, j = w.values.loop(), w.values.loop()
    before, old = w.load(x, 0, i), w.load(y, first, j)
    square = w.let(np.multiply, old.out, old.out)
    body: list[Statement] = [
        Loop(i, Affine(N), [before, Store(at(y, 0, i), before.out, True)], True),
        Loop(j, Affine(count), [old, square, Store(at(y, first, j), square.out)], True),
    ]
    after = trimmed(body, {y}, w.values)
    same(body, after, w, (x, y))
    copies = [s for s in statements(after) if isinstance(s, Load) and s.access.buffer is y]
    if left is None:
        assert after == body
    else:
        assert not copies
        assert sum(isinstance(s, Store) for s in after) == left


def test_a_value_stands_in_an_array_unless_a_later_pass_overwrites_it() -> None:
    w = Writing()
    a, b, c = w.buffer("a"), w.buffer("b"), w.buffer("c", "x")
    i = w.values.loop()
    x = w.load(c, 0, i)
    y = w.let(np.multiply, x.out, x.out)
    z = w.load(a, 0, i)
    body: list[Statement] = [
        Loop(i, Affine(9), [x, z, y, Store(at(a, 1, i), y.out), Store(Access(b, Affine(0)), y.out)])
    ]
    assert standing(body) == {y.out: at(a, 1, i), z.out: at(a, 0, i)}
    body.append(Store(Access(a, Affine(4)), x.out))
    assert standing(body) == {}


def test_a_solve_in_columns_keeps_nothing_beside_its_arrays() -> None:
    step = PROBLEMS["tridiagonal columns"]
    state, params = np.ones((6, 5)), (np.ones(6), np.ones(6))
    tape = trace(step, (state, params, 0)).tape
    program, items = rolled_items(tape, [("x", 0), ("p", 0), ("p", 1), ("k", 0)])
    ps = [b for b in program.inputs if b.kind == "p"]
    sums = {p: Buffer("sum", k, p.shape, FLOAT, f"sum{k}") for k, p in enumerate(ps)}
    rolled = forward_program(program, items, computed=[0], floats=[0], sums=sums)
    everything = [*rolled.forward, *rolled.again, *rolled.reverse]
    assert not any(b.kind == "tape" for b in buffers_of(everything))
    # The state before the step is read an element at a time, not copied first.
    copies = [s for s in statements(rolled.forward) if isinstance(s, Store) and s.makes]
    assert not copies

"""Adjoint steps that leave out known zeros give the bits of those that write and read them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from revolve_ad.native import Loop, Sweep, compile_loop
from revolve_ad.native.load import Module
from revolve_ad.native.passes import rows, zeros
from revolve_ad.native.source import emit
from revolve_ad.native.threads import threaded_source
from tests.native.test_compile_loop import STEPS, Case

SEEDS = int(os.environ.get("REVOLVE_AD_FUZZ", "24"))
"""Random steps; by hand REVOLVE_AD_FUZZ=3000 takes some minutes."""


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays, too, are worth further loops, narrow ends of rows, and threads."""
    monkeypatch.setattr(zeros, "LEAST", 1)
    monkeypatch.setattr(rows, "WIDE", 3)
    monkeypatch.setattr(emit, "LARGE", 1)


def relax(state: Any, p: Any, k: Any) -> Any:
    a, b = state
    b[1:-1, 1:-1] = p * (a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    a[1:-1, 1:-1] = p * (b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])
    return a, b


def test_a_relaxation_between_two_arrays_reads_and_writes_as_much_in_reverse() -> None:
    rng = np.random.default_rng(0)
    state = (rng.random((9, 8)), rng.random((9, 8)))
    case = Case(relax, state, 0.2)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert loop.zeros
    assert loop.backward.source[1] == 1
    for block in (1, 2, STEPS):
        case.check(loop, block)


def looked_at(state: Any, p: Any, k: Any) -> Any:
    """Relax, but read one element before it is overwritten: its cotangent isn't zero."""
    a, b = state
    seen = a[7, 8]
    a[1:-1, 1:-1] = p * (b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])
    b[1:-1, 1:-1] = 0.3 * a[1:-1, 1:-1] + 0.5 * seen
    return a, b


def test_an_element_that_is_read_before_it_is_overwritten_counts() -> None:
    rng = np.random.default_rng(1)
    case = Case(looked_at, tuple(rng.random((2, 15, 17))), 0.2)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    for block in (1, STEPS):
        case.check(loop, block)


class Overwriting:
    """A step that writes boxes of its arrays in place, from boxes of others: a list of writes."""

    def __init__(self, rng: Any) -> None:
        self.shape = tuple(int(n) for n in rng.integers(9, 13, int(rng.integers(1, 3))))
        self.n = int(rng.integers(2, 4))
        self.writes = [self._write(rng) for _ in range(int(rng.integers(1, 6)))]
        if rng.random() < 0.6:
            # Two arrays in turn: what is written first is read before it is written again.
            near = [tuple(int(m) for m in rng.integers(-1, 2, len(self.shape))) for _ in range(3)]
            self.writes += [("linear", to, [1 - to, 1 - to], 1, near) for to in (1, 0)]
        order = list(range(self.n))
        if rng.random() < 0.3:
            rng.shuffle(order)
        self.order = order

    def _write(self, rng: Any) -> tuple[Any, ...]:
        to, *sources = (int(i) for i in rng.integers(0, self.n, 3))
        edge = int(rng.integers(0, 3))
        moves = [
            tuple(int(m) for m in rng.integers(-edge, edge + 1, len(self.shape))) for _ in range(3)
        ]
        kind = str(rng.choice(["linear", "linear", "product", "add", "number", "whole", "point"]))
        return kind, to, sources, edge, moves

    def _box(self, edge: int, move: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(edge + m, n - edge + m) for m, n in zip(move, self.shape, strict=True))

    def __call__(self, state: Any, p: Any, k: Any) -> Any:
        arrays = list(state)
        for kind, to, sources, edge, moves in self.writes:
            x = arrays[to]
            a, b = (arrays[i] for i in sources)
            here = self._box(edge, (0,) * len(self.shape))
            near = [self._box(edge, move) for move in moves]
            if kind == "linear":
                x[here] = p * (a[near[0]] + a[near[1]]) + 0.3 * b[near[2]]
            elif kind == "product":
                x[here] = 0.5 * p * np.sin(a[near[0]]) * b[near[1]]
            elif kind == "add":
                x[here] += p * a[near[0]]
            elif kind == "number":
                x[here] = 0.25
            elif kind == "whole":
                x[...] = p * (a - 0.5 * b)
            else:
                x[(4,) * len(self.shape)] = p * a[(3,) * len(self.shape)]
        return tuple(arrays[i] for i in self.order)


def pulled(loop: Loop, case: Case, block: int) -> list[bytes]:
    """Return cotangents and sums, pulled back in stretches of `block` steps."""
    sweep = Sweep(loop, case.params)
    held = [g.copy() for g in case.seeds]
    for first in reversed(range(0, STEPS, block)):
        sweep.reverse(case.states[first], held, first, min(first + block, STEPS))
    return [np.asarray(x).tobytes() for x in (*held, *sweep.param_cotangents())]


def check(seed: int) -> bool:
    """Compare with the interpreter and stretch by stretch; whether zeros were left out."""
    rng = np.random.default_rng(seed)
    step = Overwriting(rng)
    state = tuple(rng.standard_normal((step.n, *step.shape)))
    case = Case(step, state, 0.3)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop), loop
    case.check(loop, STEPS, rtol=1e-14)
    together = pulled(loop, case, STEPS)
    assert pulled(loop, case, 1) == together
    assert pulled(loop, case, 2) == together
    # Threads may take rows in any order: here the last comes first.
    turned = Module(threaded_source(loop.source), native=False)
    assert pulled(replace(loop, module=turned, _functions={}), case, 2) == together
    return loop.zeros


def test_random_steps_that_overwrite_in_place_give_the_same_bits_at_any_stretch() -> None:
    # One step at a time writes and reads all zeros, several together don't.
    found = [check(seed) for seed in range(SEEDS)]
    assert sum(found) > SEEDS // 8

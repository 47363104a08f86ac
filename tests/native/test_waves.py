"""Steps that pass over the rows together give the bits of steps one after the other."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from revolve_ad import trees
from revolve_ad.native import Loop, Sweep, compile_loop
from revolve_ad.native.passes import rows, waves, zeros
from revolve_ad.native.passes.waves import Rows, Stage, delay_of
from revolve_ad.native.source import emit
from revolve_ad.native.threads import BLOCKS
from tests.benchmarks.problems import make
from tests.native.test_compile_loop import STEPS, Case
from tests.native.test_known_zeros import Overwriting

SEEDS = int(os.environ.get("REVOLVE_AD_FUZZ", "8"))
"""Random steps; by hand REVOLVE_AD_FUZZ=3000 takes some minutes."""


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays, too, have zeros left out, narrow ends of rows, and threads."""
    monkeypatch.setattr(zeros, "LEAST", 1)
    monkeypatch.setattr(rows, "WIDE", 3)
    monkeypatch.setattr(emit, "LARGE", 1)


def planned(
    case: Case, monkeypatch: pytest.MonkeyPatch, *, together: int, block: int, observe: Any = None
) -> Loop:
    """Plan a loop in which so many steps pass over blocks of so many rows; 1: one by one."""
    monkeypatch.setattr(waves, "LEAST", 0 if together > 1 else 1 << 60)
    monkeypatch.setattr(waves._Size, "blocks", lambda self, delay: (block, together))
    loop = compile_loop(case.tape, case.layout, observe=observe, native=False)
    assert isinstance(loop, Loop), loop
    return loop


def results(loop: Loop, case: Case, block: int) -> list[bytes]:
    """Return states, cotangents and sums of stretches of `block` steps."""
    sweep = Sweep(loop, case.params, case.inputs)
    start = [np.array(x) for x in case.states[0]]
    found: list[Any] = []
    for n in (1, 2, STEPS):
        target = [np.full_like(x, np.nan) for x in start]
        sweep.advance(start, target, 0, n)
        found += [*target, *sweep.advance_lent([x.copy() for x in start], 0, n)]
    kept = sweep.block(STEPS)
    sweep.record(start, kept, 0, STEPS)
    found += sweep.state(start, kept, STEPS)
    held = [g.copy() for g in case.seeds]
    for first in reversed(range(0, STEPS, block)):
        sweep.reverse(case.states[first], held, first, min(first + block, STEPS))
    found += [*held, *sweep.param_cotangents(), *sweep.input_cotangents]
    return [np.asarray(x).tobytes() for x in found]


def in_waves(loop: Loop) -> tuple[bool, bool]:
    return BLOCKS in loop.entries["advance"].source, BLOCKS in loop.entries["pull"].source


def check(seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, bool]:
    """Compare a random step; whether steps passed over the rows together, and in reverse."""
    rng = np.random.default_rng(seed)
    step = Overwriting(rng)

    def weighted(state: Any, w: Any, k: Any) -> Any:
        first, *others = step(state, 0.3, k)
        return (first * w, *others)

    case = Case(
        weighted, tuple(rng.standard_normal((step.n, *step.shape))), 0.9 + np.zeros(step.shape)
    )
    one_by_one = planned(case, monkeypatch, together=1, block=1)
    size = int(rng.integers(1, 4))
    loop = planned(case, monkeypatch, together=int(rng.integers(2, 6)), block=size)
    expected = results(one_by_one, case, STEPS)
    for block in (2, STEPS):
        assert results(loop, case, block) == expected
    return in_waves(loop)


def test_random_steps_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [check(seed, monkeypatch) for seed in range(SEEDS)]
    assert sum(ahead for ahead, _ in found) > SEEDS // 4
    assert sum(back for _, back in found) > SEEDS // 8


@pytest.mark.parametrize(("name", "delays"), [("P4", (1, 1)), ("P5", (2, 4))])
@pytest.mark.parametrize(("together", "block"), [(2, 1), (4, 3), (5, 40)])
def test_benchmark_problems_in_waves(
    name: str, delays: tuple[int, int], together: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = make(name, steps=STEPS, size=23)
    rng = np.random.default_rng(1)
    state = trees.map(lambda x: x + 0.1 * rng.standard_normal(x.shape), p.state)
    case = Case(p.step, state, p.params, p.inputs)
    loop = planned(case, monkeypatch, together=together, block=block)
    for entry, delay in zip(("advance", "pull"), delays, strict=True):
        assert f" + {delay} * (" in loop.entries[entry].source
    expected = results(planned(case, monkeypatch, together=1, block=1), case, STEPS)
    assert results(loop, case, STEPS) == expected
    assert results(loop, case, 2) == expected


def stage(n: int, reads: Any, writes: Any) -> Stage:
    return Stage(
        n, {b: Rows(*r) for b, r in reads.items()}, {b: Rows(*w) for b, w in writes.items()}
    )


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_a_stencil_of_two_arrays_in_turn_is_behind_by_its_reach(reach: int) -> None:
    steps = [
        [stage(50, {a: ((0, 2 * reach),)}, {b: ((reach, reach),)})]
        for a, b in [("x", "y"), ("y", "x")] * 4
    ]
    assert delay_of(steps, 2) == (reach, [0])


def test_steps_that_need_a_whole_state_run_one_after_the_other() -> None:
    steps = [
        [stage(500, {a: ((0, 0), (0, 500))}, {b: ((0, 0),)})]
        for a, b in [("x", "y"), ("y", "x")] * 4
    ]
    assert delay_of(steps, 2) is None


def fits(steps: list[list[Stage]], delay: int, shifts: list[int]) -> bool:
    """Look at all pairs of passes one by one: an oracle that knows nothing of inequalities."""
    order = [
        (shifts[k] + i + delay * t, t, k, i, s)
        for t, step in enumerate(steps)
        for k, s in enumerate(step)
        for i in range(s.n)
    ]

    def rows_of(found: Rows, i: int) -> set[int]:
        moving = (
            set() if found.moving is None else range(i + found.moving[0], i + found.moving[1] + 1)
        )
        return set(moving) | (set() if found.fixed is None else set(range(*found.fixed)))

    for a, one in enumerate(order):
        for other in order[a + 1 :]:
            if (one[1], one[2]) == (other[1], other[2]) or other[0] >= one[0]:
                continue
            for mine, theirs in (("writes", "reads"), ("writes", "writes"), ("reads", "writes")):
                found, others = getattr(one[4], mine), getattr(other[4], theirs)
                for b in found.keys() & others.keys():
                    if rows_of(found[b], one[3]) & rows_of(others[b], other[3]):
                        return False
    return True


def test_shifts_keep_the_order_of_all_that_depends_and_no_smaller_delay_does() -> None:
    rng = np.random.default_rng(0)
    smaller = 0
    for _ in range(25):

        def touched() -> Rows:
            low, at = int(rng.integers(0, 3)), int(rng.integers(0, 6))
            kind = rng.integers(0, 3)
            moving = (low, low + int(rng.integers(0, 2))) if kind < 2 else None
            return Rows(moving, (at, at + 1) if kind > 0 else None)

        pattern = [
            (int(rng.integers(1, 5)), rng.choice(list("xyw"), 2), touched(), touched())
            for _ in range(int(rng.integers(1, 4)))
        ]
        steps = []
        for t in range(5):
            names = {"x": "xy"[t % 2], "y": "yx"[t % 2], "w": "w"}
            steps.append([Stage(n, {names[a]: r}, {names[b]: w}) for n, (a, b), r, w in pattern])
        found = delay_of(steps, 2)
        assert found is not None
        delay, shifts = found
        assert fits(steps, delay, shifts)
        if delay > 1:
            smaller += 1
            assert not fits(steps, delay - 1, shifts) or len(pattern) > 1
    assert smaller > 3

"""Cotangents that take over arrays: no pass over memory for them, and the same derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.native import Loop, compile_loop
from revolve_ad.native.passes.expression import Graph, Position
from revolve_ad.native.passes.fuse import Fused, Nest, Target
from revolve_ad.native.passes.nests import Loops, Store
from revolve_ad.native.passes.passing import pass_on
from revolve_ad.native.passes.turns import Turns
from tests.native.test_compile_loop import Case


def leapfrog(state: Any, c: Any, k: Any) -> Any:
    """Border zero: the older field's cotangent is minus the newer one's, but for the border."""
    u, before = state
    new = np.zeros_like(u)
    inner = u[2:] - 2 * u[1:-1] + u[:-2]
    new[1:-1] = 2 * u[1:-1] - before[1:-1] + c[1:-1] * inner
    return new, u


def wrapped(state: Any, c: Any, k: Any) -> Any:
    u, before = state
    return 2 * u - before + c * (np.roll(u, 1) - 2 * u + np.roll(u, -1)), u


def kept(state: Any, c: Any, k: Any) -> Any:
    """The older field is read at a neighbour: its cotangent is no copy."""
    u, before = state
    return 2 * u - np.roll(before, 1) + c * u, u


def damped(state: Any, c: Any, k: Any) -> Any:
    u, before, other = state
    return 2 * u - before + c * other, u, 0.9 * other + u


@pytest.mark.parametrize(
    ("step", "n", "negated"),
    [(leapfrog, 2, (1,)), (wrapped, 2, (1,)), (kept, 2, ()), (damped, 3, (1,))],
)
def test_cotangents_that_are_passed_on_are_those_of_the_interpreter(
    step: Any, n: int, negated: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    case = Case(step, tuple(rng.random((n, 23))), rng.random(23))
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert loop.negated == negated
    for block in (1, 2, 5):
        case.check(loop, block)


def test_a_wave_takes_two_arrays_for_its_cotangents() -> None:
    rng = np.random.default_rng(0)
    case = Case(leapfrog, tuple(rng.random((2, 23))), rng.random(23))
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert loop.backward.source == (1, 0)
    assert not loop.backward.computed


FLOAT = np.dtype(float)
HERE, NEXT, THIRD = (Position(0, 1, 0),), (Position(0, 1, 1),), (Position(-1, 0, 3),)


def written(at: Any, read: Any, n: int = 9, *, add: bool = False) -> Any:
    """Loops that write ``h0[at]`` from ``g0[read]``; from nothing without `read`."""

    def loops(graph: Graph) -> Loops:
        value = graph.const(0.0, FLOAT) if read is None else graph.load("g0", read, FLOAT)
        return Loops((n,), (Store("h0", at, value, add=add),))

    return loops


@pytest.mark.parametrize(
    ("loops", "in_place"),
    [
        ([written(HERE, HERE)], True),
        ([written(HERE, NEXT)], False),
        ([written(HERE, HERE, 3), written(THIRD, THIRD, 1)], True),
        ([written(HERE, HERE), written(THIRD, THIRD, 1)], False),
        ([written(HERE, None), written(HERE, HERE, add=True)], False),
    ],
    ids=["there", "a neighbour", "apart", "once more", "added to zero"],
)
def test_a_cotangent_is_computed_in_place_where_it_is_read_only_there(
    loops: Any, in_place: bool
) -> None:
    graph = Graph(False)
    nest = Nest((Target(0, "h0"),), tuple(made(graph) for made in loops))
    turns, negated = pass_on(
        Fused(graph, [nest], {}, {}), Turns((None,), {0: 0}), [((9,), FLOAT)], fixed=()
    )
    assert (turns.source == (0,)) == in_place
    assert negated == ()

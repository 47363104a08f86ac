"""Loops over the ends of rows are written beside the rows where no order between them matters."""

from __future__ import annotations

import numpy as np
import pytest

from revolve_ad.native.passes.expression import Graph, Position
from revolve_ad.native.passes.nests import Loops, Store
from revolve_ad.native.passes.rows import bundled, dependent, reach

FLOAT = np.dtype(float)


def box(*axes: tuple[int, int]) -> tuple[Position, ...]:
    return tuple(
        Position(d, 1, off) if n > 1 else Position(-1, 0, off) for d, (off, n) in enumerate(axes)
    )


def copy(
    graph: Graph, to: str, source: str, at: tuple[tuple[int, int], ...], shift: int = 0
) -> Loops:
    """Loops that copy a box, from `shift` columns further on."""
    moved = (*at[:-1], (at[-1][0] + shift, at[-1][1]))
    value = graph.load(source, box(*moved), FLOAT)
    return Loops(tuple(n for _, n in at), (Store(to, box(*at), value),))


MAIN = ((0, 20), (2, 30))
LEFT, RIGHT, TOP = ((0, 20), (0, 2)), ((0, 20), (32, 1)), ((20, 2), (0, 33))


def test_the_ends_of_rows_join_the_rows_and_other_loops_stay_in_order() -> None:
    graph = Graph(True)
    loops = [copy(graph, "h", "g", at) for at in (MAIN, TOP, LEFT, RIGHT)]
    assert bundled(graph, loops) == [[loops[0], loops[2], loops[3]], [loops[1]]]


@pytest.mark.parametrize(
    ("to", "source", "shift"),
    [("g", "h", 0), ("h", "g", 30), ("k", "h", 2)],
    ids=["writes what the rows read", "writes what the rows write", "reads what the rows write"],
)
def test_loops_that_depend_on_the_rows_come_after_them(to: str, source: str, shift: int) -> None:
    graph = Graph(True)
    rows = copy(graph, "h", "g", ((0, 20), (0, 30)))
    ends = copy(graph, to, source, ((0, 20), (0, 2)), shift)
    assert dependent(graph, rows, ends)
    assert bundled(graph, [rows, ends]) == [[rows], [ends]]


def test_ends_of_rows_do_not_pass_loops_that_they_depend_on() -> None:
    graph = Graph(True)
    rows = copy(graph, "h", "g", MAIN)
    between = copy(graph, "k", "g", TOP)
    ends = Loops((20, 2), (Store("h", box(*LEFT), graph.load("k", box((20, 1), (0, 1)), FLOAT)),))
    assert dependent(graph, between, ends)
    assert bundled(graph, [rows, between, ends]) == [[rows], [between], [ends]]


def test_what_loops_reach_is_the_smallest_box() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        extent = tuple(int(n) for n in rng.integers(1, 6, 2))
        index = tuple(
            Position(
                int(rng.integers(-1, 2)), int(rng.choice([-2, -1, 1, 3])), int(rng.integers(10, 20))
            )
            for _ in range(3)
        )
        seen = [
            [p.off + (p.coef * at[p.dim] if p.dim >= 0 else 0) for p in index]
            for at in np.ndindex(extent)
        ]
        assert reach(index, extent) == tuple((min(x), max(x) + 1) for x in zip(*seen, strict=True))

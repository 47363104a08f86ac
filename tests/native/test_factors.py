"""Taking common factors out of sums changes their value by rounding alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.native.passes.expression import Graph, Position
from revolve_ad.native.passes.factors import factored
from revolve_ad.native.passes.nests import Loops, Store

F8 = np.dtype(np.float64)


def evaluate(graph: Graph, i: int, values: dict[int, float]) -> Any:
    expr = graph.exprs[i]
    if expr.kind == "const":
        return expr.what
    if expr.kind == "load":
        return values[expr.what[1][0].off]
    args = [evaluate(graph, a, values) for a in expr.args]
    return getattr(np, expr.what)(*args)


@pytest.mark.parametrize("seed", range(30))
def test_random_sums_of_products_keep_their_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = Graph(False)
    known = [graph.load("x", (Position(0, 1, k),), F8) for k in range(4)]
    known += [graph.const(c, F8) for c in (0.15, -2.0, 3.0)]
    for _ in range(25):
        name = ("add", "subtract", "multiply", "multiply", "negative")[rng.integers(5)]
        picked = rng.integers(len(known), size=1 if name == "negative" else 2)
        known.append(graph.op(name, F8, tuple(known[k] for k in picked)))
    roots = known[-3:]
    before = Loops((1000,), tuple(Store("y", (Position(0, 1, 0),), r) for r in roots))
    after = factored(graph, before)
    values = {k: float(v) for k, v in enumerate(rng.uniform(0.5, 1.5, 4))}
    for old, new in zip(before.stores, after.stores, strict=True):
        a, b = (evaluate(graph, s.value, values) for s in (old, new))
        scale = max(1.0, abs(a))
        assert abs(a - b) <= 1e-9 * scale


def test_the_adjoint_of_a_stencil_multiplies_once_by_each_weight() -> None:
    graph = Graph(False)
    loads = [graph.load("g", (Position(0, 1, k),), F8) for k in range(5)]
    weights = [graph.const(c, F8) for c in (0.1, 0.7, -2.0, 0.7, 0.1)]
    total = graph.op("multiply", F8, (loads[0], weights[0]))
    for x, w in zip(loads[1:], weights[1:], strict=True):
        total = graph.op("add", F8, (total, graph.op("multiply", F8, (x, w))))
    (store,) = factored(graph, Loops((99,), (Store("h", (Position(0, 1, 0),), total),))).stores
    names = [graph.exprs[i].what for i in graph.reachable([store.value])]
    assert names.count("multiply") == 3

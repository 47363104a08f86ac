"""The value of a tape's node at one point, as an expression: the heart of fusion.

A tape defines arrays point by point.  `Points.value` follows the definition of a node from one
index, through elementwise operations, gathers and scatters, down to what lies in a buffer.  Where
the points of a loop lie partly inside a scatter, either the loop must be cut (`PartialError` says
where) or the value becomes a choice by position.  The adjoint of a scatter is a gather, so that an
adjoint evaluated this way is in pull form, without adjoints that are known to be zero.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONSTANT,
    FULL,
    GATHER,
    IMAG,
    INPUT,
    REAL,
    SCALAR_POWER,
    SCATTER,
    SCATTER_ADD,
    WHERE,
)
from revolve_ad.ad.strided import Axis, Box, StridedMap
from revolve_ad.ad.tape import Kind, Node
from revolve_ad.native.passes import arithmetic
from revolve_ad.native.passes.expression import Bounds, Graph, Index, Position
from revolve_ad.native.passes.indices import TAKE, WRAPPED
from revolve_ad.native.passes.regions import locate
from revolve_ad.native.passes.rotation import ROTATE, pieces

__all__ = [
    "NeedsBufferError",
    "PartialError",
    "Points",
    "RefusedError",
    "box_of",
    "flat_index",
    "loop_dtypes",
]

RING = 256
"""Elements up to which an array is copied to have its ends repeated."""

Key = tuple[int, Index, Bounds]


class RefusedError(Exception):
    """A node that has no compiled form; the text says why."""


class PartialError(Exception):
    """Only the points within `inside` lie in the box that scatter `node` writes.

    `node` is -1 for the seam of a ring.
    """

    def __init__(self, node: int, inside: Bounds) -> None:
        super().__init__(node, inside)
        self.node, self.inside = node, inside


class NeedsRingError(Exception):
    """A small array is read across its seam: a copy with the ends repeated saves asking."""

    def __init__(self, node: int) -> None:
        super().__init__(node)
        self.node = node


class NeedsBufferError(Exception):
    """A node can't be evaluated at a point: it has to lie in a buffer."""

    def __init__(self, node: int) -> None:
        super().__init__(node)
        self.node = node


def box_of(index: StridedMap) -> Box | None:
    """Return the view as a box, or None for one that has none or shows an element twice."""
    box = index.box
    if box is None:
        return None
    named = {a.view_axis for a in box.axes}
    if any(n > 1 and axis not in named for axis, n in enumerate(box.shape)):
        return None
    return box


def flat_index(index: StridedMap, view: Index) -> Index:
    """Return the terms that add up to the flat position of a point of the view."""
    off = index.offset
    slopes: dict[int, int] = {}
    for (dim, coef, shift, _), stride in zip(view, index.strides, strict=True):
        off += stride * shift
        if dim >= 0:
            slopes[dim] = slopes.get(dim, 0) + stride * coef
    terms = [Position(d, c, 0) for d, c in sorted(slopes.items()) if c]
    return (Position(-1, 0, off), *terms)


def loop_dtypes(node: Node, operands: Sequence[np.dtype[Any]]) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes with which an elementwise node computes."""
    if node.op.ufunc is not None:
        found = node.op.ufunc.resolve_dtypes((*operands, *(None,) * node.op.ufunc.nout))
        return tuple(found[: len(operands)])
    if node.op is WHERE:
        return (operands[0], node.dtype, node.dtype)
    if node.op is SCALAR_POWER:
        return (node.dtype, node.dtype)
    return tuple(operands)


class Points:
    """Evaluates nodes of a tape at points.

    Parameters
    ----------
    nodes : sequence of Node
        The tape.
    graph : Graph
        Where expressions are made.
    buffers : mapping of int to str
        The nodes that lie in buffers.
    scalars : mapping of int to str
        Inputs that are variables of the generated function.
    guarded : bool
        Make choices by position instead of raising `PartialError`.
    skipped : set of int
        Scatters whose own writes are left out: a later loop makes them.
    rings : mapping of int to str, optional
        Nodes that lie in a further buffer, one that can repeat its ends.
    pads : dict of str to [int, int], optional
        The buffers that can, and how many elements are repeated before and after; grows.
    effort : list of one int, optional
        Evaluations left for all evaluators that share it; `RefusedError` when it is used up.
    limit : int
        The largest number of evaluations.
    """

    __slots__ = (
        "buffers",
        "effort",
        "graph",
        "guarded",
        "limit",
        "memo",
        "nodes",
        "pads",
        "rings",
        "scalars",
        "skipped",
    )

    def __init__(
        self,
        nodes: Sequence[Node],
        graph: Graph,
        buffers: Mapping[int, str],
        *,
        scalars: Mapping[int, str] | None = None,
        guarded: bool = False,
        skipped: frozenset[int] = frozenset(),
        rings: Mapping[int, str] | None = None,
        pads: dict[str, list[int]] | None = None,
        effort: list[int] | None = None,
        limit: int = 3_000,
    ) -> None:
        self.nodes, self.graph, self.buffers = nodes, graph, buffers
        self.scalars = scalars or {}
        self.guarded, self.skipped, self.limit = guarded, skipped, limit
        self.rings = {} if rings is None else rings
        self.pads = {} if pads is None else pads
        self.effort = [limit] if effort is None else effort
        self.memo: dict[Key, int] = {}

    def value(self, node: int, index: Index, bounds: Bounds) -> int:
        """Return the value of `node` at `index`; a load if it lies in a buffer."""
        return self._run(self._of(node, index, bounds))

    def definition(self, node: int, index: Index, bounds: Bounds) -> int:
        """Return the value of a node that is about to be stored, from its operands."""
        return self._run(self._defined(node, index, bounds))

    def _run(self, start: Generator[Key, int, int]) -> int:
        """Play coroutines that ask for values: a deep tape must not exhaust Python's stack."""
        stack: list[tuple[Key | None, Generator[Key, int, int]]] = [(None, start)]
        answer: int | None = None
        while stack:
            key, running = stack[-1]
            try:
                wanted = next(running) if answer is None else running.send(answer)
            except StopIteration as stop:
                stack.pop()
                answer = stop.value
                if key is not None:
                    self.memo[key] = stop.value
                continue
            answer = self.memo.get(wanted)
            if answer is None:
                if len(self.memo) > self.limit:
                    raise OverflowError
                self.effort[0] -= 1
                if self.effort[0] < 0:
                    raise RefusedError(f"a step of {len(self.nodes)} operations, too many to fuse,")
                stack.append((wanted, self._of(*wanted)))
        assert answer is not None
        return answer

    def _of(self, i: int, index: Index, bounds: Bounds) -> Generator[Key, int, int]:
        """Evaluate a node: a load if it lies in a buffer, else by its definition."""
        index = tuple([_settled(p, bounds) for p in index])
        if any(p.wrap for p in index) and (i in self.buffers or not _passes_index(self.nodes[i])):
            if len(index) == 1 and i in self.buffers:
                found = self._on_ring(i, index[0], bounds)
                if found is not None:
                    return found
            return (yield from self._unwrapped(i, index, bounds))
        name = self.scalars.get(i)
        if name is not None:
            return self.graph.scalar(name, self.nodes[i].dtype)
        name = self.buffers.get(i)
        if name is not None:
            return self.graph.load(name, index, self.nodes[i].dtype)
        return (yield from self._defined(i, index, bounds))

    def _defined(self, i: int, index: Index, bounds: Bounds) -> Generator[Key, int, int]:
        node = self.nodes[i]
        op = node.op
        if op is FULL:
            return self.graph.const(node.params[0], node.dtype)
        if op in (INPUT, CONSTANT):
            raise NeedsBufferError(i)
        if op is GATHER:
            return (yield from self._gathered(node, index, bounds))
        if op in (SCATTER, SCATTER_ADD):
            return (yield from self._scattered(i, node, index, bounds))
        if op is ROTATE:
            axis, shift = node.params
            p, n = index[axis], node.shape[axis]
            turned = Position(p.dim, p.coef, (p.off + shift) % n, n)
            return (yield (node.args[0], (*index[:axis], turned, *index[axis + 1 :]), bounds))
        if op is TAKE:
            source, where = node.args
            at = yield (where, index, bounds)
            name = self.buffers.get(source)
            if name is None:
                raise NeedsBufferError(source)
            return self.graph.take(name, at, node.dtype)
        if op is BROADCAST:
            return (yield self._operand(node.args[0], index, bounds))
        if op is CAST:
            x = yield self._operand(node.args[0], index, bounds)
            if self.nodes[node.args[0]].dtype.kind == "c" and node.dtype.kind != "c":
                raise RefusedError("a cast of complex numbers to real ones")
            return self.graph.cast(x, node.dtype)
        if op.ufunc is not None or op in (WHERE, SCALAR_POWER, REAL, IMAG, WRAPPED):
            if node.results is not None:
                raise RefusedError(f"{op.name}, which has several results,")
            args = []
            for a in node.args:
                args.append((yield self._operand(a, index, bounds)))
            return self._operated(node, args)
        raise NeedsBufferError(i)

    def _on_ring(self, i: int, p: Position, bounds: Bounds) -> int | None:
        """Load from a buffer that repeats its ends; None if there is none."""
        n = p.wrap
        name = self.rings.get(i, self.buffers[i])
        pads = self.pads.get(name)
        lo, hi = bounds[p.dim]
        if pads is None:
            if p.coef == 1 and n <= RING and hi - lo > 1 and i not in self.scalars:
                raise NeedsRingError(i)
            return None
        over, under = p.off + hi - n, n - p.off - lo
        if p.coef != 1 or min(over, under) > n // 2:
            return None
        off = p.off if over <= under else p.off - n
        side = 1 if over <= under else 0
        pads[side] = max(pads[side], over, 0) if side else max(pads[side], under, 0)
        return self.graph.load(name, (Position(p.dim, 1, off),), self.nodes[i].dtype)

    def _unwrapped(self, i: int, index: Index, bounds: Bounds) -> Generator[Key, int, int]:
        """Evaluate a node at an index that passes the seam of a ring."""
        axis = next(k for k, p in enumerate(index) if p.wrap)
        p = index[axis]
        parts = pieces(p.coef, p.off, p.wrap, bounds[p.dim])

        def part(off: int, lo: int, hi: int) -> tuple[Index, Bounds]:
            plain = (*index[:axis], Position(p.dim, p.coef, off), *index[axis + 1 :])
            return plain, (*bounds[: p.dim], (lo, hi), *bounds[p.dim + 1 :])

        if len(parts) == 1:
            return (yield (i, part(*parts[0])[0], bounds))
        if not self.guarded:
            raise PartialError(-1, part(*max(parts, key=lambda x: x[2] - x[1]))[1])
        dtype = self.nodes[i].dtype
        found = self.graph.const(dtype.type(0).item(), dtype)
        for off, lo, hi in parts:
            at, inside = part(off, lo, hi)
            x = yield (i, at, inside)
            found = self.graph.select(((p.dim, lo, hi),), x, found)
        return found

    def _operand(self, a: int, index: Index, bounds: Bounds) -> Key:
        """Broadcast an index of the result to one of an operand."""
        return (a, aligned(index, self.nodes[a].shape), bounds)

    def _operated(self, node: Node, args: Sequence[int]) -> int:
        graph = self.graph
        name = "power" if node.op is SCALAR_POWER else node.op.name
        operands = [self.nodes[a].dtype for a in node.args]
        dtypes = loop_dtypes(node, operands)
        args = [
            graph.cast(x, d) if name != "where" or k else x
            for k, (x, d) in enumerate(zip(args, dtypes, strict=True))
        ]
        if name == "power":
            return self._power(node, args)
        reason = arithmetic.refusal(name, dtypes)
        if reason is not None:
            raise RefusedError(reason)
        if name in ("conjugate", "real") and dtypes[0].kind != "c":
            return args[0]
        return graph.op(name, node.dtype, tuple(args))

    def _power(self, node: Node, args: Sequence[int]) -> int:
        """Write powers with the usual fixed exponents as products and roots."""
        graph, dtype = self.graph, node.dtype
        exponent = graph.exprs[args[1]]
        known = exponent.what if exponent.kind == "const" else None
        if dtype.kind not in "fiu" or (dtype.kind != "f" and (known is None or known < 0)):
            raise RefusedError(f"power of {dtype}")
        if dtype.kind != "f" and known == 0:
            return graph.const(1, dtype)
        names: dict[Any, str] = {
            1: "positive",
            2: "square",
            3: "cube",
            0.5: "sqrt",
            -1: "reciprocal",
            -1.5: "power_minus_1_5",
        }
        name = names.get(known)
        if name is not None and (dtype.kind == "f" or known in (1, 2)):
            return graph.op(name, dtype, (args[0],))
        return graph.op("power", dtype, tuple(args))

    def _gathered(self, node: Node, index: Index, bounds: Bounds) -> Generator[Key, int, int]:
        (a,) = node.args
        stride: StridedMap = node.params[0]
        box = stride.box
        if box is not None:
            return (yield (a, tuple(_along(axis, index) for axis in box.axes), bounds))
        name = self.buffers.get(a)
        if name is None:
            raise NeedsBufferError(a)
        return self.graph.load(name, flat_index(stride, index), node.dtype, flat=True)

    def _scattered(
        self, i: int, node: Node, index: Index, bounds: Bounds
    ) -> Generator[Key, int, int]:
        base, value = node.args
        if i in self.skipped:
            return (yield (base, index, bounds))
        box = box_of(node.params[0])
        if box is None:
            raise NeedsBufferError(i)
        found = locate(box, index, bounds)
        if found is None:
            return (yield (base, index, bounds))
        view, inside = found
        if inside == bounds:
            return (yield from self._written(node, base, value, index, view, bounds))
        if not self.guarded:
            raise PartialError(i, inside)
        outside = yield (base, index, bounds)
        within = yield from self._written(node, base, value, index, view, inside, outside)
        guards = tuple(
            _guard(d, new, old)
            for d, (new, old) in enumerate(zip(inside, bounds, strict=True))
            if new != old
        )
        return self.graph.select(guards, within, outside)

    def _written(
        self,
        node: Node,
        base: int,
        value: int,
        index: Index,
        view: Index,
        bounds: Bounds,
        before: int | None = None,
    ) -> Generator[Key, int, int]:
        """Evaluate a scatter where it writes; `before` is its base there, if it is known."""
        graph = self.graph
        x = yield (value, aligned(view, self.nodes[value].shape), bounds)
        if node.op is SCATTER:
            return graph.cast(x, node.dtype)
        if before is None:
            before = yield (base, index, bounds)
        return added(graph, before, x, node.dtype)


def added(graph: Graph, before: int, x: int, dtype: np.dtype[Any]) -> int:
    """Return ``before + x`` as ``+=`` on an array of `dtype` computes it."""
    wide = np.result_type(graph.exprs[before].dtype, graph.exprs[x].dtype)
    reason = arithmetic.refusal("add", (wide, wide))
    if reason is not None or (wide.kind == "c" and dtype.kind != "c"):
        raise RefusedError(reason or "adding complex numbers to real ones")
    total = graph.op("add", wide, (graph.cast(before, wide), graph.cast(x, wide)))
    return graph.cast(total, dtype)


def aligned(index: Index, shape: tuple[int, ...]) -> Index:
    """Return the index into an operand of `shape` that broadcasts to where `index` points."""
    tail = index[len(index) - len(shape) :] if shape else ()
    return tuple(Position(-1, 0, 0) if n == 1 else p for n, p in zip(shape, tail, strict=True))


def _settled(p: Position, bounds: Bounds) -> Position:
    """Return an index whose counter has one value as a fixed one."""
    dim, coef, off, wrap = p
    if dim >= 0:
        lo, hi = bounds[dim]
        if hi - lo > 1:
            return p
        off += coef * lo
    return Position(-1, 0, off % wrap if wrap else off)


def _passes_index(node: Node) -> bool:
    """Whether the operands of a node are read where the node is."""
    op = node.op
    return op.kind is Kind.ELEMENTWISE or op in (BROADCAST, FULL, ROTATE)


def _guard(d: int, new: tuple[int, int], old: tuple[int, int]) -> tuple[int, int, int]:
    """Return (d, lo, hi), with -1 for an end that needs no asking."""
    if new[1] - new[0] == 1:
        return (d, *new)
    return (d, new[0] if new[0] > old[0] else -1, new[1] if new[1] < old[1] else -1)


def _along(axis: Axis, view: Index) -> Position:
    if axis.view_axis is None:
        return Position(-1, 0, axis.start)
    dim, coef, off, _ = view[axis.view_axis]
    return Position(dim, coef * axis.step, axis.start + axis.step * off)


Evaluate = Callable[[int, Index, Bounds], int]

"""Simplification of a tape before it is fused: dead nodes go, equal nodes are made once."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    CAST,
    CONCATENATE,
    CONSTANT,
    COPY,
    FULL,
    GATHER,
    INPUT,
    SCATTER,
    SCATTER_ADD,
    SUM,
    Frozen,
    elementwise,
)
from revolve_ad.ad.functions.indexing import INDEX, INDEX_ADD, INDEX_SET, LAST_WRITER
from revolve_ad.ad.functions.products import MATMUL
from revolve_ad.ad.strided import StridedMap, box_map, c_strides
from revolve_ad.ad.tape import Node, Primitive, Tape, live_nodes
from revolve_ad.native.passes.contractions import contracted
from revolve_ad.native.passes.indices import (
    PUT,
    PUT_ADD,
    TAKE,
    WRAPPED,
    indexing,
    last_writers,
    placement,
)
from revolve_ad.native.passes.rotation import ROTATE, rotation_of_parts, rotation_of_sums

__all__ = ["simplified"]

_ADD = elementwise(np.add)
_INT = np.dtype(np.int64)

SMALL_PRODUCT = 20_000
"""Multiplications up to which a matrix product is written as loops."""


def simplified(tape: Tape, *, exact: bool | int = True) -> Tape:
    """Return a tape with the same outputs, without dead and repeated nodes; all inputs stay.

    Parameters
    ----------
    tape : Tape
        What to simplify.
    exact : bool or int
        Keep every bit; a number: of so many leading nodes only.
    """
    limit = len(tape.nodes) if exact is True else int(exact)
    rewriter = _Rewriter()
    live = live_nodes(tape.nodes, (*tape.outputs, *tape.inputs))
    for i, node in enumerate(tape.nodes):
        rewriter.exact = i < limit
        if live[i]:
            rewriter.take(node)
        else:
            rewriter.position.append(-1)
    position = rewriter.position
    return Tape(
        tuple(rewriter.kept),
        tuple(position[i] for i in tape.inputs),
        tuple(position[i] for i in tape.outputs),
        tape.depends_on_values,
    ).pruned()


class _Rewriter:
    """Takes the nodes of a tape in order and keeps simpler ones."""

    def __init__(self) -> None:
        self.exact = True
        self.known: dict[Any, int] = {}
        self.position: list[int] = []
        self.kept: list[Node] = []

    def take(self, node: Node) -> None:
        """Take the next node of the tape."""
        args = tuple([self.position[a] for a in node.args])
        self.position.append(self.simpler(node._replace(args=args)))

    def simpler(self, node: Node) -> int:
        """Return the position of a node kept that has the value of `node`."""
        if node.op is COPY or (node.op is GATHER and node.params[0].is_identity):
            return node.args[0]
        if node.op is _ADD and not self.exact:
            # Σa + Σb = Σ(a + b): one sum, and none at all if it is taken over the steps first.
            a, b = (self.kept[k] for k in node.args)
            if a.op is SUM and b.op is SUM and a.params == b.params and a.dtype == b.dtype:
                first, second = self.kept[a.args[0]], self.kept[b.args[0]]
                if first.shape == second.shape and first.dtype == second.dtype == a.dtype:
                    both = self.keep(
                        Node(_ADD, (a.args[0], b.args[0]), (), first.shape, first.dtype)
                    )
                    return self.keep(Node(SUM, (both,), a.params, node.shape, node.dtype))
        if node.op in (INDEX, INDEX_SET, INDEX_ADD, LAST_WRITER):
            return self.indexed(node)
        if node.op is MATMUL:
            return self.product(node)
        found = contracted(node, self.kept, self.keep, most=SMALL_PRODUCT)
        if found is not None:
            return found
        if node.op is CONCATENATE:
            return self.concatenation(node)
        if node.op is SCATTER_ADD:
            base, value = node.args
            ring = rotation_of_sums(self.kept, node)
            if ring is not None:
                below, array, axis, shift = ring
                turned = self.keep(Node(ROTATE, (array,), (axis, shift), node.shape, node.dtype))
                total = self.total(below, turned, node.shape, node)
                if total is not None:
                    return total
            inner, index = self.kept[base], node.params[0]
            if inner.op is SCATTER and inner.params[0] == index and index.is_injective:
                total = self.total(inner.args[1], value, index.shape, node)
                if total is not None:
                    return self.simpler(
                        Node(SCATTER, (inner.args[0], total), (index,), node.shape, node.dtype)
                    )
        if node.op is SCATTER:
            index = node.params[0]
            base, value = node.args
            # Written over at once: the first write is void.
            while self.kept[base].op in (SCATTER, SCATTER_ADD) and (
                self.kept[base].params[0] == index
            ):
                base = self.kept[base].args[0]
            inner = self.kept[value]
            if inner.op is GATHER and inner.params[0] == index and inner.args[0] == base:
                return base
            node = node._replace(args=(base, value))
        return self.keep(node)

    def indexed(self, node: Node) -> int:
        """Return an operation with integer arrays as its index as one on known positions."""
        first = 1 if node.op is INDEX else 2
        arrays = [self.kept[a] for a in node.args[first:]]
        if any(a.op not in (CONSTANT, FULL) for a in arrays):
            return self.moving(node, first)
        values = [a.op.evaluate(*a.params) for a in arrays]
        shape = self.kept[node.args[0]].shape
        if node.op is LAST_WRITER:
            stays = last_writers(node, shape, self.kept[node.args[1]].shape, values)
            return self.constant(stays)
        op, where = indexing(node, shape, values)
        if isinstance(where, StridedMap):
            return self.simpler(Node(op, node.args[:first], (where,), node.shape, node.dtype))
        return self.keep(
            Node(op, (*node.args[:first], self.constant(where)), (), node.shape, node.dtype)
        )

    def moving(self, node: Node, first: int) -> int:
        """Return an operation with a computed index as one on computed positions."""
        array, arrays = node.args[0], node.args[first:]
        shape = self.kept[array].shape
        if any(self.kept[a].dtype.kind not in "iu" for a in arrays):
            return self.keep(node)
        found = placement(shape, node.params[0], [self.kept[a].shape for a in arrays])
        once = all(self.kept[a].shape == () for a in arrays)
        if found is None or (node.op is LAST_WRITER and not once):
            return self.keep(node)
        if node.op is LAST_WRITER:
            return self.keep(Node(FULL, (), (True, node.shape, node.dtype), node.shape, node.dtype))
        total = -1
        for a, axis in zip(arrays, found.axes, strict=True):
            index = self.keep(Node(CAST, (a,), (_INT,), self.kept[a].shape, _INT))
            index = self.arithmetic(WRAPPED, index, self.constant(np.asarray(shape[axis])))
            stride = self.constant(np.asarray(c_strides(shape)[axis]))
            index = self.arithmetic(elementwise(np.multiply), index, stride)
            total = index if total < 0 else self.arithmetic(_ADD, total, index)
        wide = (*self.kept[total].shape, *(1,) * found.behind)
        if found.behind and len(wide) > found.behind:
            total = self.view(total, wide, c_strides(wide))
        at = self.arithmetic(_ADD, self.constant(found.base), total)
        if node.op is INDEX:
            return self.keep(Node(TAKE, (array, at), (), node.shape, node.dtype))
        op = PUT if node.op is INDEX_SET else PUT_ADD
        return self.keep(Node(op, (array, node.args[1], at), (once,), node.shape, node.dtype))

    def arithmetic(self, op: Primitive, a: int, b: int) -> int:
        """Return an operation on integers."""
        shape = np.broadcast_shapes(self.kept[a].shape, self.kept[b].shape)
        return self.keep(Node(op, (a, b), (), shape, _INT))

    def product(self, node: Node) -> int:
        """Return a small matrix product as a sum of products; a large one is BLAS's business."""
        first, second = (self.kept[a] for a in node.args)
        a, b = node.args
        if node.dtype.kind not in "fc" or first.dtype != second.dtype:
            return self.keep(node)
        shape = (*node.shape, first.shape[-1])
        if prod(shape) > SMALL_PRODUCT:
            return self.keep(node)
        if prod(shape) == 0:
            zero = node.dtype.type(0).item()
            return self.keep(Node(FULL, (), (zero, node.shape, node.dtype), node.shape, node.dtype))
        if len(first.shape) > 1 and len(second.shape) > 1:
            strides = c_strides(first.shape)
            wide = (*first.shape[:-1], 1, first.shape[-1])
            a = self.view(a, wide, (*strides[:-1], 1, strides[-1]))
        if len(second.shape) > 1:
            strides = c_strides(second.shape)
            rows = () if len(first.shape) == 1 else (1,)
            turned = (*second.shape[:-2], *rows, second.shape[-1], second.shape[-2])
            b = self.view(b, turned, (*strides[:-2], *rows, strides[-1], strides[-2]))
        terms = self.keep(Node(elementwise(np.multiply), (a, b), (), shape, node.dtype))
        return self.keep(Node(SUM, (terms,), ((len(shape) - 1,), False), node.shape, node.dtype))

    def view(self, i: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
        """Return a view of all elements of a node."""
        node = self.kept[i]
        index = StridedMap(node.shape, 0, shape, strides)
        return self.simpler(Node(GATHER, (i,), (index,), shape, node.dtype))

    def constant(self, value: np.ndarray) -> int:
        """Return the position of a constant."""
        if value.ndim == 0:
            number = value.item()
            return self.keep(Node(FULL, (), (number, (), value.dtype), (), value.dtype))
        return self.keep(Node(CONSTANT, (), (Frozen(value),), value.shape, value.dtype))

    def concatenation(self, node: Node) -> int:
        """Return a concatenation as a rotation, or as writes into zeros."""
        (axis,) = node.params
        ring = rotation_of_parts(self.kept, node.args, axis)
        if ring is not None and self.kept[ring[0]].dtype == node.dtype:
            array, shift = ring
            if self.kept[array].shape == node.shape:
                return self.keep(Node(ROTATE, (array,), (axis, shift), node.shape, node.dtype))
        zero = node.dtype.type(0).item()
        whole = self.keep(Node(FULL, (), (zero, node.shape, node.dtype), node.shape, node.dtype))
        start = 0
        for a in node.args:
            shape = self.kept[a].shape
            box = tuple((start if d == axis else 0, 1, n) for d, n in enumerate(shape))
            index = box_map(node.shape, box)
            if index.size:
                whole = self.keep(Node(SCATTER, (whole, a), (index,), node.shape, node.dtype))
            start += shape[axis]
        return whole

    def total(self, a: int, b: int, shape: tuple[int, ...], node: Node) -> int | None:
        """Return a node for ``a + b``, both of the scatter's dtype; None if they aren't."""
        first, second = self.kept[a], self.kept[b]
        if first.dtype != node.dtype or second.dtype != node.dtype:
            return None
        if first.op is FULL and first.params[0] == 0 and not self.exact and second.shape == shape:
            return b
        return self.keep(Node(_ADD, (a, b), (), shape, node.dtype))

    def keep(self, node: Node) -> int:
        """Keep a node, unless an equal one stands already."""
        params: Any = node.params
        if node.op is FULL:
            params = (repr(node.params[0]), *node.params[1:])
        elif node.op is CONSTANT:
            value = node.params[0].value
            params = (value.tobytes(), value.shape, value.dtype.str)
        key = (node.op, node.args, params, node.shape, node.dtype)
        found = None if node.op is INPUT else self.known.get(key)
        if found is None:
            found = self.known[key] = len(self.kept)
            self.kept.append(node)
        return found

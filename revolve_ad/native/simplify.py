"""Simplification of a tape before it is fused: dead nodes go, equal nodes are made once."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.core import CONSTANT, FULL, GATHER, INPUT, SCATTER, SCATTER_ADD, elementwise
from revolve_ad.ad.tape import Node, Tape

__all__ = ["simplified"]


def simplified(tape: Tape, *, exact: bool = True) -> Tape:
    """Return a tape with the same outputs, without dead and repeated nodes; all inputs stay.

    Parameters
    ----------
    tape : Tape
        What to simplify.
    exact : bool
        Keep the sign of zeros too.
    """
    rewriter = _Rewriter(exact)
    tape = tape.pruned()
    for node in tape.nodes:
        rewriter.take(node)
    position = rewriter.position
    return Tape(
        tuple(rewriter.kept),
        tuple(position[i] for i in tape.inputs),
        tuple(position[i] for i in tape.outputs),
        tape.depends_on_values,
    ).pruned()


class _Rewriter:
    """Takes the nodes of a tape in order and keeps simpler ones."""

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self.known: dict[Any, int] = {}
        self.position: list[int] = []
        self.kept: list[Node] = []

    def take(self, node: Node) -> None:
        """Take the next node of the tape."""
        args = tuple([self.position[a] for a in node.args])
        self.position.append(self.simpler(node._replace(args=args)))

    def simpler(self, node: Node) -> int:
        """Return the position of a node kept that has the value of `node`."""
        if node.op is GATHER and node.params[0].is_identity:
            return node.args[0]
        if node.op is SCATTER_ADD:
            base, value = node.args
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

    def total(self, a: int, b: int, shape: tuple[int, ...], node: Node) -> int | None:
        """Return a node for ``a + b``, both of the scatter's dtype; None if they aren't."""
        first, second = self.kept[a], self.kept[b]
        if first.dtype != node.dtype or second.dtype != node.dtype:
            return None
        if first.op is FULL and first.params[0] == 0 and not self.exact and second.shape == shape:
            return b
        return self.keep(Node(elementwise(np.add), (a, b), (), shape, node.dtype))

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

"""A tape with less in it that computes the same bits: equal operations once, constants folded."""

from __future__ import annotations

from math import prod

import numpy as np

from revolve_ad.ad.builder import Builder
from revolve_ad.ad.core import CONSTANT, FULL, GATHER, INPUT, ITEM, Frozen
from revolve_ad.ad.tape import Kind, Node, Tape, live_nodes

__all__ = ["simplify"]

# Arrays above this size aren't folded: they would be held for as long as the tape.
FOLD_BYTES = 1 << 16


def simplify(tape: Tape) -> Tape:
    """Return a tape that gives the same bits with fewer operations.

    Operations that no output needs go; equal ones are done once; operations on constants are done
    now.
    """
    builder = Builder()
    live = live_nodes(tape.nodes, tape.outputs)
    position: dict[int, int] = {}
    for i in tape.inputs:
        node = tape.nodes[i]
        position[i] = builder.input(node.shape, node.dtype, *node.params)
    with np.errstate(all="ignore"):
        for i, node in enumerate(tape.nodes):
            if not live[i] or i in position:
                continue
            args = tuple([position[a] for a in node.args])
            if node.op is FULL:
                position[i] = builder.literal(node.params[0], node.dtype, node.shape)
            elif _foldable(builder, node, args):
                position[i] = _folded(builder, node, args)
            elif node.results is not None:
                position[i] = _with_results(builder, node, args)
            elif node.op is ITEM:
                position[i] = builder.item(args[0], node.params[0])
            elif node.op is GATHER and node.params[0].is_identity:
                position[i] = args[0]
            else:
                position[i] = builder.append(node.op, args, node.params, node.shape, node.dtype)
    return Tape(
        tuple(builder.nodes),
        tuple(position[i] for i in tape.inputs),
        tuple(position[i] for i in tape.outputs),
        tape.depends_on_values,
    ).pruned()


def _foldable(builder: Builder, node: Node, args: tuple[int, ...]) -> bool:
    return (
        bool(args)
        and node.op is not INPUT
        and node.results is None
        and node.op is not ITEM
        and node.op.kind in (Kind.ELEMENTWISE, Kind.STRUCTURE, Kind.REDUCTION)
        and all(builder.nodes[a].op in (CONSTANT, FULL) for a in args)
        and prod(node.shape) * node.dtype.itemsize <= FOLD_BYTES
        and all(_nbytes(builder.nodes[a]) <= FOLD_BYTES for a in args)
    )


def _nbytes(node: Node) -> int:
    return prod(node.shape) * node.dtype.itemsize


def _folded(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    values = [builder.nodes[a].op.evaluate(*builder.nodes[a].params) for a in args]
    value = np.asarray(node.op.evaluate(*values, *node.params))
    if value.ndim == 0:
        return builder.literal(value.item(), node.dtype)
    return builder.append(CONSTANT, (), (Frozen(value),), node.shape, node.dtype)


def _with_results(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    key = (node.op, args, node.params)
    i = builder.known.get(key)
    if i is None:
        i = builder.known[key] = len(builder.nodes)
        builder.nodes.append(node._replace(args=args))
    return i

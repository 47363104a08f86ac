"""Sums over the steps, taken before what is linear: a gradient of params is assembled once.

The cotangent of params is added up over all steps.  Where it comes from a varying array by
operations that are linear and the same at every step, the array is added up instead and the
operations are done once at the end: no reduction, no scatter, no scaling within the loop.  The
order of the additions over the steps doesn't depend on the schedule, so that all schedules give
the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from revolve_ad.ad.builder import Builder
from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    FULL,
    GATHER,
    INPUT,
    SCATTER,
    SCATTER_ADD,
    SUM,
    elementwise,
)
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.native.passes.rotation import ROTATE

__all__ = ["Assembly", "assemble"]

SHARE = 1.2
"""The accumulators may hold so many times the elements of what they are assembled to."""

SMALL = 64
"""Fewer elements aren't worth the trouble."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """How the sums over the steps become the cotangents of params.

    Attributes
    ----------
    sums : tuple of int
        The nodes that are added up over the steps.
    tape : Tape
        From the sums, then the tape's invariant inputs, to the cotangents.
    """

    sums: tuple[int, ...]
    tape: Tape


_TWO = (elementwise(np.add), elementwise(np.subtract))


def _is_zero(node: Node) -> bool:
    return node.op is FULL and node.params[0] == 0


def linear_operands(nodes: Sequence[Node], fixed: Sequence[bool], i: int) -> list[int] | None:
    """Return the varying operands in which node `i` is linear, jointly; None if it isn't."""
    node = nodes[i]
    op, args = node.op, node.args
    varying = [a for a in args if not fixed[a]]
    if not varying or node.dtype.kind not in "fc":
        return None
    if op in (SUM, GATHER, BROADCAST, ROTATE) or op is elementwise(np.negative):
        return varying
    if op is CAST:
        return varying if nodes[args[0]].dtype.kind == node.dtype.kind else None
    if op in (elementwise(np.add), elementwise(np.subtract), SCATTER, SCATTER_ADD):
        return varying if all(not fixed[a] or _is_zero(nodes[a]) for a in args) else None
    if op is elementwise(np.multiply):
        return varying if len(varying) == 1 and args[0] != args[1] else None
    if op is elementwise(np.true_divide):
        return varying if fixed[args[1]] else None
    return None


def _sums(nodes: Sequence[Node], fixed: Sequence[bool], outputs: Sequence[int]) -> list[int]:
    """Choose what is added up: as far down as the memory for it doesn't grow too much."""
    current = {i for i in outputs if not fixed[i]}
    room = float(sum(prod(nodes[i].shape) for i in current))
    best = set(current)
    tried: set[int] = set()
    while True:
        open_ = [i for i in current if i not in tried]
        if not open_:
            return sorted(best)
        i = max(open_)
        tried.add(i)
        if nodes[i].op is not SUM and 1 < prod(nodes[i].shape) < SMALL:
            continue
        operands = linear_operands(nodes, fixed, i)
        if nodes[i].op in _TWO and operands is not None and len(operands) > 1:
            # Two arrays to add to instead of one.
            continue
        if operands is None or any(nodes[a].op is INPUT for a in operands):
            continue
        if nodes[i].op is SUM:
            room = max(room, float(prod(nodes[nodes[i].args[0]].shape)))
        current = (current - {i}) | set(operands)
        if sum(prod(nodes[a].shape) for a in current) <= SHARE * room:
            best = set(current)


def assemble(
    nodes: Sequence[Node],
    fixed: Sequence[bool],
    outputs: Sequence[int],
    invariant_inputs: Sequence[int],
) -> Assembly:
    """Split the cotangents `outputs` into sums over the steps and what is done at the end.

    Parameters
    ----------
    nodes : sequence of Node
        The adjoint of one step.
    fixed : sequence of bool
        Which nodes are the same at every step.
    outputs : sequence of int
        The cotangents of params, of one step.
    invariant_inputs : sequence of int
        The inputs that are the same at every step.
    """
    sums = _sums(nodes, fixed, outputs)
    builder = Builder()
    at: dict[int, int] = {}
    for i in sums:
        dtype = np.result_type(nodes[i].dtype, np.float64)
        at[i] = builder.input(nodes[i].shape, dtype, "sum")
    inputs = list(at.values())
    for i in invariant_inputs:
        at[i] = builder.input(nodes[i].shape, nodes[i].dtype, "param")
        inputs.append(at[i])
    for i in outputs:
        _copy(nodes, i, builder, at)
    # A cotangent that is the same at every step is zero: vjp makes no other.
    return Assembly(tuple(sums), builder.tape(inputs, [at[i] for i in outputs], None))


def _copy(nodes: Sequence[Node], root: int, builder: Builder, at: dict[int, int]) -> None:
    """Copy node `root` and what it needs, where `at` doesn't have it."""
    stack = [root]
    while stack:
        i = stack[-1]
        if i in at:
            stack.pop()
            continue
        missing = [a for a in nodes[i].args if a not in at]
        if missing:
            stack.extend(missing)
            continue
        node = nodes[i]
        kind = node.dtype.kind
        if node.op is CAST and kind in "fc" and kind == nodes[node.args[0]].dtype.kind:
            # The sums are wide already; other casts mean what they say.
            at[i] = at[node.args[0]]
        elif node.op is FULL and node.dtype.kind in "fc":
            at[i] = builder.literal(
                node.params[0], np.result_type(node.dtype, np.float64), node.shape
            )
        elif not node.args:
            at[i] = builder.append(node.op, (), node.params, node.shape, node.dtype)
        else:
            at[i] = builder.apply(node.op, [at[a] for a in node.args], node.params)
        stack.pop()

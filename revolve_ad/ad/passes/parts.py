"""Products of a number and a linear function of an array, whose adjoint needs one pass, not two.

The step ``u + ν Lu`` with a viscosity ν and a difference operator L has the cotangents
``λ + Lᵀ(νλ)`` of u and ``⟨λ, Lu⟩`` of ν: two differences.  But ``⟨λ, Lu⟩ = ⟨Lᵀλ, u⟩``, summation by
parts, and ``Lᵀ(νλ) = ν Lᵀλ``: one difference of λ serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from revolve_ad.ad.core import CONCATENATE, FULL, GATHER, elementwise
from revolve_ad.ad.tape import Tape

__all__ = ["Part", "linear_parts"]

_MULTIPLY, _DIVIDE = elementwise(np.multiply), elementwise(np.divide)
_SUMS = (elementwise(np.add), elementwise(np.subtract), elementwise(np.negative))
_MOVES = (GATHER, CONCATENATE)


@dataclass(frozen=True, slots=True)
class Part:
    """A node that is the product of a number and a linear function of an array.

    Attributes
    ----------
    factor : int
        The node of the number.
    value : int
        The node of the linear function's value, which nothing else reads.
    root : int
        The node of the array.
    between : tuple of int
        The nodes from the array (without) to the value (with), in their order.
    """

    factor: int
    value: int
    root: int
    between: tuple[int, ...]


def linear_parts(tape: Tape, active: Sequence[bool]) -> dict[int, Part]:
    """Return these products by their nodes.

    Parameters
    ----------
    tape : Tape
        A function.
    active : sequence of bool
        For each node whether it is differentiated.
    """
    n_users = [0] * len(tape.nodes)
    for node in tape.nodes:
        for a in node.args:
            n_users[a] += 1
    for i in tape.outputs:
        n_users[i] += 1
    found = {}
    for i, node in enumerate(tape.nodes):
        if node.op is not _MULTIPLY or node.dtype.kind != "f" or not node.shape:
            continue
        for factor, value in (node.args, node.args[::-1]):
            number, array = tape.nodes[factor], tape.nodes[value]
            if number.shape or array.shape != node.shape:
                continue
            if not number.dtype == array.dtype == node.dtype:
                continue
            if not (active[factor] and active[value]) or n_users[value] > 1:
                continue
            part = _part(tape, active, n_users, factor, value)
            if part is not None:
                found[i] = part
    return found


def _part(
    tape: Tape, active: Sequence[bool], n_users: Sequence[int], factor: int, value: int
) -> Part | None:
    """Follow a value back to the array that it is a linear function of."""
    between: set[int] = set()
    roots: set[int] = set()
    todo = [value]
    while todo:
        i = todo.pop()
        if i in between or i in roots:
            continue
        node = tape.nodes[i]
        if node.dtype != tape.nodes[value].dtype:
            return None
        # Where an array is only moved, it doesn't matter who else reads the result.
        if node.op in _MOVES or (n_users[i] == 1 and _is_linear(tape, i)):
            between.add(i)
            todo += [a for a in node.args if not _is_number(tape, a)]
        elif active[i]:
            roots.add(i)
        else:
            return None
        if len(roots) > 1:
            return None
    if not between or len(roots) != 1:
        return None
    (root,) = roots
    if prod(tape.nodes[root].shape) > 2 * prod(tape.nodes[value].shape):
        return None
    return Part(factor, value, root, tuple(sorted(between)))


def _is_linear(tape: Tape, i: int) -> bool:
    """Whether a node is a sum of its arguments, or a multiple of one of them."""
    node = tape.nodes[i]
    numbers = [_is_number(tape, a) for a in node.args]
    if node.op in _SUMS:
        return not any(numbers) and all(tape.nodes[a].shape == node.shape for a in node.args)
    if node.op is _MULTIPLY:
        return sum(numbers) == 1
    return node.op is _DIVIDE and numbers == [False, True]


def _is_number(tape: Tape, i: int) -> bool:
    node = tape.nodes[i]
    return node.op is FULL and not node.shape

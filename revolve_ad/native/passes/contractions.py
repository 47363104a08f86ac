"""Small products of arrays (dot, inner, einsum) as sums of products, which loops can hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import GATHER, SUM, elementwise
from revolve_ad.ad.functions.products import DOT, INNER, VDOT, VECDOT
from revolve_ad.ad.strided import StridedMap, c_strides
from revolve_ad.ad.tape import Node

__all__ = ["contracted", "subscripts_of"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_EINSUM = re.compile(r"einsum ([A-Za-z,]*)->([A-Za-z]*)")

Terms = tuple[list[str], str]


def subscripts_of(node: Node, operands: Sequence[Node]) -> Terms | None:
    """Return a letter for each axis of each operand and of the result; None for no product.

    Letters are as in `numpy.einsum`; those that the result lacks are summed over.
    """
    named = _EINSUM.fullmatch(node.op.name)
    if named:
        terms = named[1].split(",")
        if any(len(set(t)) < len(t) for t in terms):  # a diagonal is no box
            return None
        return terms, named[2]
    if node.op not in (DOT, INNER, VDOT, VECDOT) or any(not a.shape for a in operands):
        return None
    first, second = (len(a.shape) for a in operands)
    a = _LETTERS[:first]
    if node.op in (VDOT, VECDOT) and node.dtype.kind == "c":
        return None
    if node.op is VDOT:
        return ([a, a], "") if operands[0].shape == operands[1].shape else None
    if node.op is VECDOT:
        return ([a, a], a[:-1]) if operands[0].shape == operands[1].shape else None
    at = second - 1 if node.op is INNER else max(second - 2, 0)
    rest = _LETTERS[first : first + second - 1]
    return [a, rest[:at] + a[-1] + rest[at:]], a[:-1] + rest


def contracted(
    node: Node,
    kept: Sequence[Node],
    keep: Callable[[Node], int],
    *,
    most: int,
) -> int | None:
    """Return a small product as a sum of products; None for what is no small product.

    Parameters
    ----------
    node : Node
        The product.
    kept : sequence of Node
        The tape so far.
    keep : callable
        ``keep(node) -> position`` appends a node, unless an equal one stands there.
    most : int
        Multiplications from which the product is a matter for BLAS.
    """
    operands = [kept[a] for a in node.args]
    found = subscripts_of(node, operands)
    if found is None or node.dtype.kind not in "fc":
        return None
    terms, output = found
    if any(a.dtype != node.dtype for a in operands):
        return None
    sizes: dict[str, int] = {}
    for term, a in zip(terms, operands, strict=True):
        for letter, n in zip(term, a.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 0), n)
    summed = [c for c in sizes if c not in output]
    order = [*output, *summed]
    shape = tuple(sizes[c] for c in order)
    if not 0 < prod(shape) <= most or len(set(output)) < len(output) or len(shape) > 8:
        return None
    product = -1
    for i, term, a in zip(node.args, terms, operands, strict=True):
        strides = dict(zip(term, c_strides(a.shape), strict=True))
        wide = tuple(a.shape[term.index(c)] if c in term else 1 for c in order)
        index = StridedMap(a.shape, 0, wide, tuple(strides.get(c, 1) for c in order))
        view = i if index.is_identity else keep(Node(GATHER, (i,), (index,), wide, a.dtype))
        if product >= 0:
            both = np.broadcast_shapes(kept[product].shape, wide)
            view = keep(Node(elementwise(np.multiply), (product, view), (), both, node.dtype))
        product = view
    if kept[product].shape != shape:  # a letter that no operand of this length has
        return None
    axes = tuple(range(len(output), len(order)))
    if not axes:
        return product
    params: Any = (axes, False)
    return keep(Node(SUM, (product,), params, node.shape, node.dtype))

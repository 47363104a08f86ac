"""Operations that NumPy does between the loops: solves, transforms, large products, sorts.

What has no form point by point runs as the interpreter runs it, by the same function on operands
that lie in memory in the same way, so that it gives the same bits; its result goes to a buffer of
the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
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
    ITEM,
    REAL,
    SCALAR_POWER,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
)
from revolve_ad.ad.functions.products import MATMUL
from revolve_ad.ad.tape import Node
from revolve_ad.native.passes import arithmetic
from revolve_ad.native.passes.indices import PUT, PUT_ADD, TAKE, WRAPPED
from revolve_ad.native.passes.points import loop_dtypes
from revolve_ad.native.passes.rotation import ROTATE

__all__ = ["Call", "call_of", "origin", "settled", "why_called"]

_MOVES = frozenset(
    (INPUT, CONSTANT, FULL, GATHER, ROTATE, TAKE, PUT, PUT_ADD, BROADCAST, ITEM, REAL, IMAG)
)
_COMPILED_DTYPES = frozenset("?bhilqBHILQfdFD")


def why_called(nodes: Sequence[Node], i: int) -> str | None:
    """Say why node `i` can't be computed point by point; None if it can."""
    node = nodes[i]
    op = node.op
    if op in _MOVES:
        return None
    operands = [nodes[a].dtype for a in node.args]
    if any(d.char not in _COMPILED_DTYPES for d in (*operands, node.dtype)):
        return f"{op.name} of {', '.join(map(str, operands))} has no compiled form"
    if op is SUM:
        return None
    if op is CAST:
        if operands[0].kind == "c" and node.dtype.kind != "c":
            return "a cast of complex numbers to real ones has no compiled form"
        return None
    if op in (SCATTER, SCATTER_ADD):
        if op is SCATTER and not node.params[0].is_injective:
            return "a write to elements that are shown twice has no compiled form"
        if operands[1].kind == "c" and node.dtype.kind != "c":
            return "a write of complex numbers to real ones has no compiled form"
        wide = np.result_type(*operands)
        return arithmetic.refusal("add", (wide, wide)) if op is SCATTER_ADD else None
    if op.ufunc is None and op not in (WHERE, SCALAR_POWER, WRAPPED):
        return f"{op.name} has no compiled form"
    if node.results is not None:
        return f"{op.name}, which has several results, has no compiled form"
    name = "power" if op is SCALAR_POWER else op.name
    if name == "power" and node.dtype.kind != "f":
        exponent = _literal(nodes, node.args[1])
        if node.dtype.kind in "iu" and exponent is not None and exponent >= 0:
            return None
        return f"power of {node.dtype} has no compiled form"
    return arithmetic.refusal(name, loop_dtypes(node, operands))


def _literal(nodes: Sequence[Node], i: int) -> Any:
    """Return the number that a node is everywhere; None if it isn't one."""
    while nodes[i].op in (CAST, BROADCAST):
        i = nodes[i].args[0]
    return nodes[i].params[0] if nodes[i].op is FULL else None


def origin(nodes: Sequence[Node], i: int) -> int:
    """Return the operation that node `i` is a result of: itself, unless that has several."""
    return nodes[i].args[0] if nodes[i].op is ITEM else i


def settled(nodes: Sequence[Node], a: int, known: Container[int]) -> int:
    """Return the node that must lie in a buffer so that a call can read operand `a`.

    A view of all that an array holds is taken by the call itself, so that the products of BLAS see
    a transposed matrix as what it is.
    """
    while a not in known:
        node = nodes[a]
        whole = node.op is GATHER and node.params[0].size >= prod(nodes[node.args[0]].shape)
        if node.op is not BROADCAST and not whole:
            break
        a = node.args[0]
    return a


Take = Callable[[Any], Any]
"""Makes the operand of a call from a buffer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of NumPy on buffers.

    Attributes
    ----------
    name : str
        The operation.
    results, operands : tuple of str
        Buffers, and variables, that it is given in this order.
    into : callable
        ``into(results, operands)`` does the operation.
    takes : tuple of callable
        Makes each operand from what is given for it.
    constants : tuple
        For each operand its value if it is a constant, which isn't given; else None.
    temporary_bytes : int
        Array bytes that are allocated in each call.
    """

    name: str
    results: tuple[str, ...]
    operands: tuple[str, ...]
    into: Callable[[Sequence[np.ndarray], Sequence[Any]], None]
    takes: tuple[Take, ...]
    constants: tuple[Any, ...]
    temporary_bytes: int

    def __call__(self, *given: Any) -> None:
        """Do the operation with arrays for `results` and `operands`."""
        n = len(self.results)
        values = list(self.constants)
        arrays = iter(given[n:])
        for k, take in enumerate(self.takes):
            if take is not _constant:
                values[k] = take(next(arrays))
        self.into(given[:n], values)


def _constant(_: Any) -> Any:
    raise AssertionError("a constant isn't taken from a buffer")


def _number(buffer: Any) -> Any:
    return buffer[0]


def _same(buffer: Any) -> Any:
    return buffer


def _viewed(takes: Sequence[Take], buffer: Any) -> Any:
    for take in takes:
        buffer = take(buffer)
    return buffer


def _views(nodes: Sequence[Node], a: int, root: int) -> list[Node]:
    """Return the views that lead from `root` to operand `a`."""
    chain: list[Node] = []
    while a != root:
        chain.append(nodes[a])
        a = nodes[a].args[0]
    return chain[::-1]


def _taken(nodes: Sequence[Node], a: int, root: int) -> Take:
    """Return how operand `a` is made from the buffer of `root`."""
    takes: list[Take] = [partial(_evaluated, node) for node in _views(nodes, a, root)]
    if nodes[root].shape == ():
        takes.insert(0, _number)
    if not takes:
        return _same
    return takes[0] if len(takes) == 1 else partial(_viewed, tuple(takes))


def _evaluated(node: Node, x: Any) -> Any:
    return node.op.evaluate(x, *node.params)


def call_of(
    nodes: Sequence[Node],
    i: int,
    roots: Sequence[int],
    results: dict[int, str],
    buffers: Mapping[int, str],
    scalars: Mapping[int, str],
) -> Call:
    """Return the call of node `i`.

    Parameters
    ----------
    nodes : sequence of Node
        The tape.
    i : int
        The operation.
    roots : sequence of int
        For each operand the node that it is a view of; see `settled`.
    results : dict of int to str
        The buffer of each result that is needed, by its number.
    buffers, scalars : mapping of int to str
        The buffers, and the variables, that hold nodes.
    """
    node = nodes[i]
    operands: list[str] = []
    takes: list[Take] = []
    constants: list[Any] = []
    for a, root in zip(node.args, roots, strict=True):
        if nodes[root].op in (CONSTANT, FULL):
            # As the interpreter has it: a constant may lie in memory in another order.
            value = nodes[root].op.evaluate(*nodes[root].params)
            for view in _views(nodes, a, root):
                value = _evaluated(view, value)
            constants.append(value)
            takes.append(_constant)
            continue
        constants.append(None)
        if root in scalars:
            operands.append(scalars[root])
            takes.append(partial(_typed, nodes[root].dtype.type))
        else:
            operands.append(buffers[root])
            takes.append(_taken(nodes, a, root))
    into, allocates = _into(node, tuple(results))
    types = node.results or ((node.shape, node.dtype),)
    nbytes = sum(prod(shape) * dtype.itemsize for shape, dtype in types)
    return Call(
        node.op.name,
        tuple(results.values()),
        tuple(operands),
        into,
        tuple(takes),
        tuple(constants),
        nbytes if allocates else 0,
    )


def _typed(kind: Any, x: Any) -> Any:
    return kind(x)


# -- results into buffers ------------------------------------------------------------------------

_TRANSFORMS = frozenset(("fft", "ifft", "rfft", "irfft"))


def _into(node: Node, numbers: tuple[int, ...]) -> tuple[Any, bool]:
    """Return what computes a node into buffers, and whether it allocates its results first."""
    op = node.op
    if node.results is None and node.shape != ():
        if op.ufunc is not None:
            return partial(_by_out, op.ufunc), False
        if op is MATMUL:
            return partial(_by_out, np.matmul), False
        if op.name in _TRANSFORMS and op.params == ("n", "axis", "norm"):
            return partial(_transformed, getattr(np.fft, op.name), node.params), False
    return partial(_copied, op.evaluate, node.params, numbers), True


def _by_out(function: Any, results: Sequence[np.ndarray], operands: Sequence[Any]) -> None:
    function(*operands, out=results[0])


def _transformed(
    function: Any,
    params: tuple[Any, ...],
    results: Sequence[np.ndarray],
    operands: Sequence[Any],
) -> None:
    function(operands[0], *params, out=results[0])


def _copied(
    evaluate: Any,
    params: tuple[Any, ...],
    numbers: tuple[int, ...],
    results: Sequence[np.ndarray],
    operands: Sequence[Any],
) -> None:
    found = evaluate(*operands, *params)
    if not isinstance(found, tuple):
        results[0][...] = found
        return
    for k, result in zip(numbers, results, strict=True):
        result[...] = found[k]

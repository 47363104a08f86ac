"""Additions to boxes of one array, put in an order in which they can run block by block.

The adjoint of a stencil adds one product to an array in many places.  Each addition is a pass over
memory; in blocks of rows all of them are one, but for the order in which an element gets its terms:
what goes further down must be added first (`blocks`).  A sum may be added up in any order, so this
is done where a reverse tape is made, before anything runs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.ad.core import SCATTER_ADD
from revolve_ad.ad.node import Node
from revolve_ad.ad.running.blocks import LEAST_BYTES, first_row
from revolve_ad.ad.tape import Tape

__all__ = ["regroup"]

MOST_VALUES = 6
"""So many different values are kept until all of them are added."""


def regroup(tape: Tape) -> Tape:
    """Return a tape in which additions to boxes of one array follow each other.

    The sums have the same terms; their last bits may differ from those of the given tape.
    """
    nodes = tape.nodes
    chains = _chains(tape)
    if not chains:
        return tape
    # Where a chain ends, all of it stands, in its new order.
    placed: dict[int, list[int]] = {chain[-1]: _ordered(nodes, chain) for chain in chains}
    moved = {i for chain in chains for i in chain[:-1]}
    position = [-1] * len(nodes)
    made: list[Node] = []
    for i, node in enumerate(nodes):
        if i in moved:
            continue
        if i not in placed:
            position[i] = len(made)
            made.append(node._replace(args=tuple([position[a] for a in node.args])))
            continue
        first = min(placed[i])
        total = position[nodes[first].args[0]]
        for k in placed[i]:
            value, index = nodes[k].args[1], nodes[k].params
            made.append(nodes[k]._replace(args=(total, position[value]), params=index))
            total = len(made) - 1
        position[i] = total
    return Tape(
        tuple(made),
        tuple([position[i] for i in tape.inputs]),
        tuple([position[i] for i in tape.outputs]),
        tape.depends_on_values,
    )


def _chains(tape: Tape) -> list[list[int]]:
    """Return the runs of additions to one large array of which only the last result is used."""
    nodes = tape.nodes
    n_users = [0] * len(nodes)
    for node in nodes:
        for a in node.args:
            n_users[a] += 1
    for i in tape.outputs:
        n_users[i] += 1
    chains: dict[int, list[int]] = {}  # by their last node
    for i, node in enumerate(nodes):
        if not _is_addition(node):
            continue
        base = node.args[0]
        chain = chains.get(base)
        if chain is None or n_users[base] > 1 or _is_full(nodes, chain, node.args[1]):
            chains[i] = [i]
        else:
            chain.append(i)
            chains[i] = chains.pop(base)
    return [chain for chain in chains.values() if len(chain) > 1]


def _is_full(nodes: Sequence[Node], chain: Sequence[int], value: int) -> bool:
    """Whether a chain would keep too many values at once with one more."""
    values = {nodes[i].args[1] for i in chain[-4 * MOST_VALUES :]}
    return value not in values and len(values) >= MOST_VALUES


def _is_addition(node: Node) -> bool:
    return (
        node.op is SCATTER_ADD
        and node.params[0].size * node.dtype.itemsize >= LEAST_BYTES
        and node.params[0].is_injective
        and first_row(node.params[0]) is not None
    )


def _ordered(nodes: Sequence[Node], chain: Sequence[int]) -> list[int]:
    """Return a chain by the shapes of the boxes, and of one shape what goes furthest down first."""
    shapes = list(dict.fromkeys(nodes[i].params[0].shape for i in chain))
    place = {shape: k for k, shape in enumerate(shapes)}

    def key(i: int) -> tuple[int, int]:
        row = first_row(nodes[i].params[0])
        assert row is not None
        return place[nodes[i].params[0].shape], -row

    return sorted(chain, key=key)

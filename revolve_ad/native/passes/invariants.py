"""What a step computes from params alone: done once a sweep instead of once a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from revolve_ad.ad.core import BROADCAST, CAST, CONSTANT, FULL, GATHER, INPUT, SCATTER, SCATTER_ADD
from revolve_ad.ad.tape import Node
from revolve_ad.native.passes.rotation import ROTATE

__all__ = ["frontier", "invariant_nodes"]

_MOVES = (GATHER, BROADCAST, ROTATE, SCATTER, SCATTER_ADD, CAST)


def invariant_nodes(nodes: Sequence[Node], varying: Iterable[int]) -> list[bool]:
    """Return for each node whether it is independent of the inputs `varying`."""
    changing = set(varying)
    fixed: list[bool] = []
    for i, node in enumerate(nodes):
        fixed.append(i not in changing and all(fixed[a] for a in node.args))
    return fixed


def frontier(nodes: Sequence[Node], fixed: Sequence[bool], live: Sequence[bool]) -> list[int]:
    """Return the invariant results of arithmetic that varying nodes need, in order.

    What only moves elements is left where it is: reading through it costs nothing.
    """
    found: set[int] = set()
    seen: set[int] = set()
    stack = [
        a for i, node in enumerate(nodes) if live[i] and not fixed[i] for a in node.args if fixed[a]
    ]
    while stack:
        i = stack.pop()
        if i in seen:
            continue
        seen.add(i)
        op = nodes[i].op
        if op in (INPUT, CONSTANT, FULL):
            continue
        if op in _MOVES:
            stack.extend(nodes[i].args)
        else:
            found.add(i)
    return sorted(found)

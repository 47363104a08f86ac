"""The operations of a tape in an order in which fewer values have to be held at once.

A reverse tape as it is made computes all that the cotangents need, and adds to the sums over the
steps at its end; until then the terms of the sums are held.  Put first, with just what they need,
the sums free their terms at once, and stand beside the operations that made them, so that all run
on one block after the other (`blocks`).

What a recording hasn't kept is made again from what it has, and stands at the beginning, where the
function made it; put right before its first reader it is still in the cache there.

The operations stay the same, and so do the bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from revolve_ad.ad.core import BROADCAST, GATHER, INPUT, ITEM, SCATTER, SCATTER_ADD
from revolve_ad.ad.tape import Node, Tape

__all__ = ["made_late", "results_first"]

_SHARING = (GATHER, BROADCAST, ITEM)


def results_first(tape: Tape, numbers: Sequence[int]) -> Tape:
    """Return a tape that comes to some of its outputs as soon as it can.

    Parameters
    ----------
    tape : Tape
        What will run; its nodes are reordered, where that doesn't matter they keep their order.
    numbers : sequence of int
        The numbers of the outputs, in the order in which they shall be made.
    """
    order = _Order(tape)
    for i in tape.inputs:
        order.place(i)
    for k in numbers:
        start = len(order.made)
        order.place(tape.outputs[k])
        for i in order.made[start:]:
            order.place_successors(i)
    return order.tape()


def made_late(tape: Tape, given: Collection[int]) -> Tape:
    """Return a tape that makes what follows from some inputs alone right before its first reader.

    Parameters
    ----------
    tape : Tape
        What will run; all other nodes keep their order.
    given : collection of int
        Inputs, by their nodes.
    """
    late = [True] * len(tape.nodes)
    for i, node in enumerate(tape.nodes):
        late[i] = i in given if node.op is INPUT else all(late[a] for a in node.args)
    order = _Order(tape)
    for i in tape.inputs:
        order.place(i)
    for i in range(len(tape.nodes)):
        if not late[i]:
            order.place(i)
    return order.tape()


class _Order:
    """An order in the making.

    Attributes
    ----------
    made : list of int
        The nodes that have their place.
    """

    def __init__(self, tape: Tape) -> None:
        self.made: list[int] = []
        self._tape = tape
        self._nodes = tape.nodes
        self._placed = [False] * len(tape.nodes)
        self._users: list[list[int]] = [[] for _ in tape.nodes]
        for i, node in enumerate(tape.nodes):
            for a in node.args:
                self._users[a].append(i)
        self._before = _readers_before(tape)

    def tape(self) -> Tape:
        """Return the tape in this order; nodes without a place keep their order behind it."""
        tape, nodes = self._tape, self._nodes
        for i in range(len(nodes)):
            self.place(i)
        position = {i: k for k, i in enumerate(self.made)}
        return Tape(
            tuple([_moved(nodes[i], position) for i in self.made]),
            tuple([position[i] for i in tape.inputs]),
            tuple([position[i] for i in tape.outputs]),
            tape.depends_on_values,
        )

    def _missing(self, i: int) -> list[int]:
        """Return what must come before a node and has no place yet."""
        return [a for a in (*self._nodes[i].args, *self._before.get(i, ())) if not self._placed[a]]

    def place(self, i: int) -> None:
        """Give a node its place, after all that must come before it."""
        pending = [i]
        while pending:
            i = pending[-1]
            missing = [] if self._placed[i] else self._missing(i)
            pending += reversed(missing)
            if not missing:
                pending.pop()
                if not self._placed[i]:
                    self._placed[i] = True
                    self.made.append(i)

    def place_successors(self, i: int) -> None:
        """Give their places to elementwise nodes that can be computed in the place of node `i`."""
        nodes = self._nodes
        while True:
            left = [j for j in self._users[i] if not self._placed[j]]
            if len(left) != 1 or nodes[left[0]].op.ufunc is None:
                return
            shape, (i,) = nodes[i].shape, left
            if nodes[i].shape != shape or shape == () or self._missing(i):
                return
            self.place(i)


def _moved(node: Node, position: Mapping[int, int]) -> Node:
    return node._replace(args=tuple([position[a] for a in node.args]))


def _readers_before(tape: Tape) -> dict[int, list[int]]:
    """Return for each write into an array who read it before: else it would have to be copied."""
    nodes = tape.nodes
    origin = list(range(len(nodes)))
    readers: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        if node.op in _SHARING:
            origin[i] = origin[node.args[0]]
            continue
        written = -1
        if node.op in (SCATTER, SCATTER_ADD):
            written = origin[node.args[0]]
            before[i] = readers.pop(written, [])
        for a in node.args:
            if origin[a] != written:
                readers.setdefault(origin[a], []).append(i)
    return before

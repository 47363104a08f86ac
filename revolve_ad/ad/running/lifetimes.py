"""Which memory each value of a tape lives in, and until when.

Views live in the memory of what they are views of.  A scatter takes over the memory of its base
where nobody needs the base any more, and an elementwise result that is made for one box alone is
computed right into that box.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from math import prod

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONCATENATE,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    ITEM,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
    elementwise,
)
from revolve_ad.ad.tape import Node, Tape, live_nodes

__all__ = ["REUSE_BYTES", "Lifetimes", "Storage", "c_ordered", "goes_into", "is_view"]

# Below this size the views of an input that a program takes cost more than a copy of it would:
# measured, 200 ns a view, 200 ns and an eighth of a nanosecond a byte for the copy.
COPIED_BYTES_A_VIEW = 1600

# From this size on a product is computed in the place that it is for, not moved there.
REUSE_BYTES = 1 << 13

_NEGATIVE = elementwise(np.negative)


def is_view(node: Node) -> bool:
    """Whether the value shares the memory of its operand."""
    return node.op in (GATHER, BROADCAST) and node.shape != ()


def goes_into(nodes: Sequence[Node], node: Node) -> bool:
    """Whether the value is computed by `Primitive.into`."""
    return (
        node.op.into is not None
        and node.shape != ()
        and all(0 < len(nodes[a].shape) < 3 and nodes[a].dtype == node.dtype for a in node.args)
    )


def c_ordered(nodes: Sequence[Node]) -> list[bool]:
    """Return for each value whether it surely lies in C order, or is a slice of what does.

    Or, for one that is broadcast, whether that was so before.
    """
    ordered: list[bool] = []
    for node in nodes:
        op = node.op
        if op is CONSTANT:
            found = bool(node.params[0].value.flags.c_contiguous)
        elif op in (INPUT, FULL) or node.shape == ():
            found = True  # other inputs are refused when a run begins
        elif op is GATHER:
            index = node.params[0]
            steps = [s for s, n in zip(index.strides, index.shape, strict=True) if n > 1]
            downward = all(s > 0 for s in steps) and steps == sorted(steps, reverse=True)
            found = ordered[node.args[0]] and downward and nodes[node.args[0]].op is not BROADCAST
        elif op in (BROADCAST, SCATTER, SCATTER_ADD):
            found = ordered[node.args[0]]
        elif op.ufunc is not None:
            # An axis of stride 0 leaves the order of a ufunc's result to the others: C order.
            found = node.results is None and all(ordered[a] for a in node.args)
        elif op in (SUM, WHERE, CAST, CONCATENATE):
            found = all(ordered[a] and nodes[a].op is not BROADCAST for a in node.args)
        else:
            found = goes_into(nodes, node)
        ordered.append(found)
    return ordered


class Storage:
    """Memory that one value after another lives in: a result, then what is written into it.

    Attributes
    ----------
    node : int
        The value that is made in it first.
    nbytes : int
        Its size.
    last : int
        The last node that reads it or writes into it; the number of nodes if it is returned.
    views : int
        How many views of it are taken or written through.
    donated : bool
        Whether it is an array that the caller gave away.
    name : str
        What the code calls it; empty for a new array that the code forgets.
    """

    __slots__ = ("donated", "last", "name", "nbytes", "node", "views")

    def __init__(self, node: int, nbytes: int, *, donated: bool = False) -> None:
        self.node = self.last = node
        self.nbytes = nbytes
        self.views = 0
        self.donated = donated
        self.name = ""


class Lifetimes:
    """The storage of each value of a tape, and the last use of each.

    Parameters
    ----------
    tape : Tape
        What will run.
    donated : collection of int
        Inputs, by number, whose memory the run may overwrite and return.

    Attributes
    ----------
    order : list of int
        The nodes that some output needs, and all inputs.
    origin : dict of int to int
        The node whose memory a node's value lives in; itself if that isn't a view.
    storage : dict of int to Storage
        Of origins that are arrays made by the run, copied by it, or donated.
    users : dict of int to list of int
        The nodes that read a value; the number of nodes stands for the caller.
    last_use : dict of int to int
        Of an origin, through any view.
    in_place : set of int
        Scatters that write into the memory of their base.
    direct : dict of int to int
        Elementwise nodes computed right into the box of a scatter.
    subtracted : dict of int to int
        Additions to a box of what is negated before: x + (−y) is x − y, with a pass less.
    copied : set of int
        Small inputs that are copied, since many views of them are taken.
    ordered : list of bool
        See `c_ordered`.
    """

    __slots__ = (
        "copied",
        "direct",
        "in_place",
        "last_use",
        "negations",
        "nodes",
        "order",
        "ordered",
        "origin",
        "storage",
        "subtracted",
        "tape",
        "users",
    )

    def __init__(self, tape: Tape, donated: Collection[int] = ()) -> None:
        self.tape = tape
        self.nodes = tape.nodes
        live = live_nodes(tape.nodes, tape.outputs)
        given = set(tape.inputs)
        self.order = [i for i in range(len(tape.nodes)) if live[i] or i in given]
        self.ordered = c_ordered(tape.nodes)
        self._find_users()
        self._find_subtractions()
        self._find_uses()
        self._find_storages({tape.inputs[k] for k in donated})
        self._find_direct_writes()
        self._count_views()

    def value_of(self, j: int) -> int:
        """Return the node that scatter `j` writes, adds or, in place of its negation, subtracts."""
        i = self.nodes[j].args[1]
        return self.nodes[i].args[0] if j in self.subtracted else i

    def _find_users(self) -> None:
        self.users: dict[int, list[int]] = {}
        for i in self.order:
            for a in self.nodes[i].args:
                self.users.setdefault(a, []).append(i)
        end = len(self.nodes)
        for i in self.tape.outputs:
            self.users.setdefault(i, []).append(end)

    def _find_subtractions(self) -> None:
        nodes = self.nodes
        self.subtracted: dict[int, int] = {}
        for j in self.order:
            node = nodes[j]
            if node.op is SCATTER_ADD and node.params[0].is_injective and node.shape != ():
                i = node.args[1]
                if nodes[i].op is _NEGATIVE and self.users[i] == [j] and nodes[i].shape != ():
                    self.subtracted[j] = i
        self.negations = {i: j for j, i in self.subtracted.items()}

    def _find_uses(self) -> None:
        nodes = self.nodes
        self.origin: dict[int, int] = {}
        self.last_use: dict[int, int] = {}
        origin, last_use = self.origin, self.last_use
        for i in self.order:
            node = nodes[i]
            origin[i] = origin[node.args[0]] if is_view(node) or node.op is ITEM else i
            # The operand of a negation that is subtracted instead is read at the subtraction.
            when = self.negations.get(i, i)
            for a in node.args:
                last_use[origin[a]] = max(last_use.get(origin[a], 0), when)
        end = len(nodes)
        for i in self.tape.outputs:
            last_use[origin[i]] = end

    def _find_storages(self, donated: Collection[int]) -> None:
        nodes, origin, last_use = self.nodes, self.origin, self.last_use
        self.storage: dict[int, Storage] = {}
        self.in_place: set[int] = set()
        self.copied: set[int] = set()
        for i in self.order:
            node = nodes[i]
            if origin[i] != i or node.shape == () or node.results is not None:
                continue
            if node.op is CONSTANT or i in self.negations:
                continue
            nbytes = prod(node.shape) * node.dtype.itemsize
            if node.op is INPUT:
                if i in donated:
                    self.storage[i] = Storage(i, nbytes, donated=True)
                    continue
                n_views = sum(k < len(nodes) and is_view(nodes[k]) for k in self.users.get(i, ()))
                if n_views < 2 or nbytes > COPIED_BYTES_A_VIEW * (n_views - 1):
                    continue
                self.copied.add(i)
            elif node.op in (SCATTER, SCATTER_ADD):
                base = node.args[0]
                if (
                    base in self.storage
                    and origin[base] == base
                    and last_use.get(base) == i
                    and self.ordered[base]
                    and origin[node.args[1]] != base
                    and (i not in self.subtracted or origin[self.value_of(i)] != base)
                ):
                    self.storage[i] = self.storage[base]
                    self.in_place.add(i)
                    continue
            self.storage[i] = Storage(i, nbytes)
        for i, storage in self.storage.items():
            storage.last = max(storage.last, last_use.get(i, i))

    def _find_direct_writes(self) -> None:
        """Find elementwise results that can be computed right into the box that they are for.

        ``a[box] *= b`` is a product and a scatter of it; where nothing else uses the product, and
        nothing between the two looks at the array, the product is computed in place.
        """
        nodes = self.nodes
        self.direct: dict[int, int] = {}
        reads: dict[int, list[int]] = {}  # of an origin, increasing
        for i in self.order:
            for a in nodes[i].args:
                reads.setdefault(self.origin[a], []).append(i)
        for j in self.order:
            node = nodes[j]
            if node.op is not SCATTER or j not in self.storage:
                continue
            base, i = node.args
            value, index = nodes[i], node.params[0]
            if (
                value.op.ufunc is None
                or value.results is not None
                or self.users[i] != [j]
                or value.shape != index.shape
                or value.shape == ()
                or value.dtype != node.dtype
                or not self.ordered[i]
                or not self.ordered[base]
                or self.storage[j].nbytes < REUSE_BYTES
                or not index.is_injective
                or (base >= i and nodes[base].op is not INPUT)
            ):
                continue
            seen = reads[self.origin[base]]
            k = bisect_right(seen, i)
            if k < len(seen) and seen[k] < j:
                continue
            self.direct[i] = j
            if j not in self.in_place:
                self.storage[j].node = i
            del self.storage[i]

    def _count_views(self) -> None:
        for i in self.order:
            node = self.nodes[i]
            if is_view(node):
                storage = self.storage.get(self.origin[i])
            elif node.op is CONCATENATE or node.op in (SCATTER, SCATTER_ADD):
                storage = self.storage.get(i)
            else:
                continue
            if storage is not None:
                storage.views += len(node.args) if node.op is CONCATENATE else 1

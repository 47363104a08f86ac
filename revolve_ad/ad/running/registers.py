"""Gives each value of a tape its memory: registers that serve one value after another."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import prod

from revolve_ad.ad.core import CAST, CONCATENATE, FULL, INPUT, SCATTER, SCATTER_ADD, SUM
from revolve_ad.ad.running.blocks import Group
from revolve_ad.ad.running.lifetimes import Lifetimes, Storage

__all__ = ["Registers", "has_register"]

COPIED_RESULT_BYTES = 1 << 14
"""Up to this size a result is copied out of a register rather than made in a new array, of which
views would have to be taken in each run."""

_WRITTEN = (FULL, SCATTER, SCATTER_ADD, CAST, SUM, CONCATENATE)


def has_register(lives: Lifetimes, i: int) -> bool:
    """Whether a value can be computed into memory that is there already."""
    node = lives.nodes[i]
    return lives.ordered[i] and (
        node.op in _WRITTEN or node.op.ufunc is not None or node.op.into is not None
    )


class Registers:
    """The memory of a program, planned.

    It sets the `name` of each storage: ``reg3`` for a register, ``out0`` for a new array that is
    returned, ``x2`` for an array that the caller gave away, nothing for a new array that the code
    forgets.

    Parameters
    ----------
    lives : Lifetimes
        What lives until when.
    groups : sequence of Group
        What runs block by block: a group counts as one operation.

    Attributes
    ----------
    sizes : list of int
        The bytes of each register.
    peak : int
        The bytes that a run holds at its peak, beside inputs, outputs and constants.
    group_of : dict of int to Group
        Of members, and of nodes that run before one.
    """

    __slots__ = ("_free", "_lives", "_results", "group_of", "peak", "sizes")

    def __init__(self, lives: Lifetimes, groups: Sequence[Group]) -> None:
        self._lives = lives
        self.group_of = {i: g for g in groups for i in (*g.members, *g.before)}
        self.sizes: list[int] = []
        self._free: list[tuple[int, str]] = []  # sorted
        self._results: dict[Storage, str] = {}
        self._name_results()
        self._assign()

    def is_local(self, i: int) -> bool:
        """Whether only a block of a value is ever needed."""
        group = self.group_of.get(i)
        return group is not None and i in group.local

    def _name_results(self) -> None:
        """Let the results that the caller gets be made in arrays of their own."""
        lives = self._lives
        outputs = lives.tape.outputs
        times: dict[int, int] = {}
        for i in outputs:
            times[lives.origin[i]] = times.get(lives.origin[i], 0) + 1
        for number, i in enumerate(outputs):
            storage = lives.storage.get(i)
            if storage is None or times[lives.origin[i]] > 1 or lives.origin[i] != i:
                continue
            if storage.donated or lives.nodes[storage.node].op is INPUT:
                continue
            if not has_register(lives, self._made_by(storage)):
                continue
            if storage.views < 2 or storage.nbytes > COPIED_RESULT_BYTES:
                self._results.setdefault(storage, f"out{number}")

    def _made_by(self, storage: Storage) -> int:
        """Return the node that a storage is made for: a scatter, if a value goes into its box."""
        return self._lives.direct.get(storage.node, storage.node)

    def _begin(self, i: int) -> int:
        """Return the place in the order at which the code of a node stands."""
        group = self.group_of.get(i)
        return i if group is None or i in group.local else group.first

    def _end(self, storage: Storage) -> int:
        """Return the last place at which a storage is used."""
        group = self.group_of.get(storage.last)
        if group is None or self.is_local(storage.node):
            return storage.last
        return group.last

    def _assign(self) -> None:
        lives = self._lives
        begin: dict[int, list[Storage]] = {}
        end: dict[int, list[Storage]] = {}
        for storage in dict.fromkeys(lives.storage.values()):
            end.setdefault(self._end(storage), []).append(storage)
            if storage.donated:
                storage.name = f"x{storage.node}"
            elif lives.nodes[storage.node].op is INPUT:
                storage.name = self._take(storage.nbytes)
            else:
                begin.setdefault(self._begin(storage.node), []).append(storage)
        held = anonymous = 0
        for i in lives.order:
            for storage in begin.get(i, ()):
                node = storage.node
                if not has_register(lives, self._made_by(storage)):
                    anonymous += storage.nbytes
                    held = max(held, anonymous)
                elif self.is_local(node):
                    self._place(storage, node, self.group_of[node].rows)
                else:
                    self._place(storage, node, 0)
            for done in end.get(i, ()):
                if done.name.startswith("reg"):
                    insort(self._free, (self.sizes[int(done.name[3:])], done.name))
                elif not done.name:
                    anonymous -= done.nbytes
        self.peak = held + sum(self.sizes)

    def _place(self, storage: Storage, i: int, rows: int) -> None:
        """Give a storage a register: that of an operand which nobody needs any more, or another."""
        own = self._results.get(storage)
        spare = None if i in self._lives.direct else self._spare(i, "x" if own else "reg")
        if spare is not None:
            storage.name = spare.name
            spare.name = f"({spare.name})"  # given on: not free at its end
            return
        if own:
            storage.name = own
            return
        nbytes = storage.nbytes
        if rows:
            node = self._lives.nodes[i]
            nbytes = rows * prod(node.shape[1:]) * node.dtype.itemsize
        storage.name = self._take(nbytes)

    def _spare(self, i: int, kind: str) -> Storage | None:
        """Return the storage of an operand that nobody needs after this elementwise operation."""
        lives = self._lives
        node = lives.nodes[i]
        # In place NumPy multiplies one complex number in another way than into a new array.
        if node.op.ufunc is None or (node.dtype.kind == "c" and prod(node.shape) == 1):
            return None
        group = self.group_of.get(i)
        for a in node.args:
            storage = lives.storage.get(a)
            if (
                storage is not None
                and storage.name.startswith(kind)
                and storage.last == i
                and lives.origin[a] == a
                and lives.nodes[a].shape == node.shape
                and lives.nodes[a].dtype == node.dtype
                and self.is_local(a) == self.is_local(i)
                # No other operand may be a shifted view of the same memory,
                and all(
                    b == a or lives.storage.get(lives.origin[b]) is not storage for b in node.args
                )
                # and in a group, which runs all its members on one block after the other, nobody
                # may look at another part of it.
                and (group is None or self.is_local(i) or self._is_whole(group, a, storage))
            ):
                return storage
        return None

    def _is_whole(self, group: Group, a: int, storage: Storage) -> bool:
        """Whether a group reads a storage only as the value `a`, element by element."""
        lives = self._lives
        return not any(
            lives.storage.get(lives.origin[b]) is storage and b != a
            for i in (*group.members, *group.before)
            for b in (*lives.nodes[i].args, lives.direct.get(i, lives.origin[i]))
        )

    def _take(self, nbytes: int) -> str:
        k = bisect_left(self._free, (nbytes, ""))
        if k < len(self._free) and self._free[k][0] <= 2 * nbytes:
            return self._free.pop(k)[1]
        self.sizes.append(nbytes)
        return f"reg{len(self.sizes) - 1}"

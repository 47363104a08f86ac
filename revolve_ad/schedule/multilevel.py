"""The multilevel schedule: some checkpoints in RAM, more on storages that take time to use.

What a disk costs is weighed against the steps that it saves: a slow disk is used rarely or not at
all, a fast one instead of any recomputation in long stretches.  Behind it there may be slower ones
with more room, such as a file system on the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from revolve_ad.errors import BudgetError, ParameterError
from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.arguments import cost, count
from revolve_ad.schedule.binomial import BinomialMachine
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits
from revolve_ad.schedule.search.nest import Nest, Stage
from revolve_ad.schedule.search.one_storage import ROUNDING
from revolve_ad.schedule.search.several_storages import plan_storages
from revolve_ad.schedule.search.split_tree import Node, SplitTree
from revolve_ad.schedule.search.tiers import Tier

__all__ = ["Multilevel", "multilevel"]

Slots = int | None | Sequence[int | None]
Cost = float | Sequence[float]


def multilevel(
    n_steps: int,
    ram: int,
    disk: Slots = None,
    step: float = 1.0,
    adjoint: float = 1.0,
    write: Cost = 1.0,
    read: Cost = 1.0,
    *,
    effort: float | None = None,
) -> "Multilevel":
    """Return the cheapest schedule for slots in RAM and on storages, what these cost included.

    The cost is ``step * advanced + (step + adjoint) * recorded``, and for each storage ``write *
    saves + read * restores``; what happens in RAM is free.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1.
    ram : int
        Checkpoints held in RAM at a time, at least 0.
    disk : int or None, or sequence of them, optional
        Checkpoints held on disk at a time, at least 0; None: any number.  A sequence has one entry
        for each storage, the fastest first, at most three: `Level.DISK`, `Level.REMOTE`,
        `Level.ARCHIVE`.
    step, adjoint : float, optional
        Cost of a plain step and of the reversal of a recorded one, in one unit such as seconds; 0
        or more each.
    write, read : float or sequence of float, optional
        Cost of a save on disk and of a restore from it, in the same unit; with several storages one
        entry for each, or one number for all.
    effort : float, optional
        Seconds that planning may take, estimated by counting operations, so that the same
        arguments give the same schedule everywhere.  By default 0.5, and 2 beyond 100,000 steps.

    Returns
    -------
    Multilevel
        A re-iterable value; ``counts()`` and ``cost`` tell what a pass costs, ``proven`` whether
        it is proven that no schedule is cheaper.

    Raises
    ------
    BudgetError
        If there is no slot at all for more than one step.
    ParameterError
        If an argument is not a number of the kind above, or sequences differ in length or are too
        long.

    See Also
    --------
    streaming : for a disk that is written and read while steps run.

    Notes
    -----
    State 0 is live at the start and takes a slot only when it is saved, in RAM or on a storage.  A
    checkpoint is discarded at its last restore, so that all storages are empty at the end.

    A chain is split at disk checkpoints down to stretches that RAM reverses by itself: the
    recursion of Aupy, Herrmann, Hovland and Robert (2016), doi:10.1137/15M1019222, and of
    Herrmann and Pallez (2020), doi:10.1145/3378672.  It is solved exactly where `effort` allows
    (some thousand steps), and otherwise by putting a price on a step; with unbounded disk, a long
    chain has a checkpoint on disk every `disk_period` steps, but for its end.  Prices give a lower
    bound besides: at a million steps the cost is mostly within 1.0001 of it.  Of 800 random
    problems of 800 to 2500 steps the worst of prices alone cost 1.07 times the least possible: few
    saves, each as dear as a thousand steps.  With less time than prices take, positions are those
    of the binomial schedule for all slots together, the first split off on disk: on 150 problems of
    up to 2500 steps 1.04 times the least on average, 1.6 times in the worst case, in 1 ms.  Of more
    than 5000 slots on disk, all needed, most are used once, a period apart, at up to 1.3 times the
    bound, which is a loose one there.

    With several storages the same recursion is nested: a stretch between two checkpoints on a slow
    storage is split at checkpoints on a faster one, and so on down to RAM.  A checkpoint may lie on
    any storage that has a slot, whatever else is free, and may be saved again on another when it
    has been restored; none of this is cheaper than the best nest.  Where one storage writes faster
    and another reads faster, both orders of nesting are tried.  That is why it doesn't matter in
    which order storages are given, but for the names of their levels.

    Examples
    --------
    >>> schedule = multilevel(1000, ram=5, disk=None, write=20, read=20)
    >>> schedule.counts().advanced, schedule.counts().disk_saved, schedule.proven
    (3468, 16, True)

    Four checkpoints on a fast disk, and any number on a slow one:

    >>> both = multilevel(1000, 5, disk=(4, None), write=(2, 40), read=(1, 30))
    >>> both.cost < multilevel(1000, 5, disk=4, write=2, read=1).cost
    True
    >>> both.counts().on(Level.REMOTE).saved
    2
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    c = count("ram", ram, 0)
    slots, writes, reads = _by_storage(disk, write, read)
    u, a = cost("step", step), cost("adjoint", adjoint)
    seconds = (0.5 if n <= _LONG else 2.0) if effort is None else cost("effort", effort)
    if n > 1 and c == 0 and not any(slot != 0 for slot in slots):
        raise BudgetError(
            f"ram and disk are 0 slots; {n} steps need at least 1, for state 0: "
            "give ram=1 or disk=1"
        )
    single = not _is_several(disk)
    schedule = Multilevel(
        n,
        c,
        slots[0] if single else slots,
        u,
        a,
        writes[0] if single else writes,
        reads[0] if single else reads,
        seconds,
        Nest((Stage(Level.DISK, SplitTree(n, {})),), c),
        0.0,
    )
    nest, bound = plan_storages(n, c, schedule.tiers, u, seconds)
    return replace(schedule, nest=nest, lower_bound=bound + schedule.recording_cost)


_LONG = 100_000
_MOST_STORAGES = len(Level) - 1


def _by_storage(
    disk: Slots, write: Cost, read: Cost
) -> tuple[tuple[int | None, ...], tuple[float, ...], tuple[float, ...]]:
    """Return slots, cost of a save and cost of a restore, an entry for each storage."""
    if not _is_several(disk):
        for name, given in (("write", write), ("read", read)):
            if _is_several(given):
                raise ParameterError(
                    f"{name} is {given!r}, one entry for each storage, but disk is {disk!r}, one "
                    f"storage; give disk= as a sequence too, or one number for {name}"
                )
        return (_slots("disk", disk),), (cost("write", write),), (cost("read", read),)  # type: ignore[arg-type]
    entries: Any = disk
    if not 1 <= len(entries) <= _MOST_STORAGES:
        raise ParameterError(
            f"disk has {len(entries)} entries; give 1 to {_MOST_STORAGES}, one for each storage"
        )
    slots = tuple([_slots(f"disk[{i}]", entry) for i, entry in enumerate(entries)])
    return slots, _costs("write", write, len(slots)), _costs("read", read, len(slots))


def _slots(name: str, given: Any) -> int | None:
    return None if given is None else count(name, given, 0, "None is a disk without bound")


def _costs(name: str, given: Any, n_storages: int) -> tuple[float, ...]:
    if not _is_several(given):
        return (cost(name, given),) * n_storages
    if len(given) != n_storages:
        raise ParameterError(
            f"{name} has {len(given)} entries, but disk has {n_storages}; give one for each "
            "storage, the fastest first, or one number for all"
        )
    return tuple([cost(f"{name}[{i}]", entry) for i, entry in enumerate(given)])


def _is_several(given: Any) -> bool:
    """Whether it is a sequence; an array without dimensions is none."""
    return (
        hasattr(given, "__len__")
        and not isinstance(given, str | bytes)
        and getattr(given, "ndim", 1) == 1
    )


@dataclass(frozen=True, slots=True)
class Multilevel:
    """The multilevel schedule of `n_steps` steps; made by `multilevel`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    ram : int
        Checkpoints held in RAM at a time, at most.
    disk : int, None, or tuple of them
        Checkpoints held on disk at a time, at most; None: any number.  A tuple where several
        storages were given, one entry for each; so are `write` and `read`.
    step, adjoint : float
        Costs of a plain step and of the reversal of a recorded one.
    write, read : float or tuple of float
        Costs of a save and of a restore on disk.
    effort : float
        Seconds that planning was allowed to take.
    nest : Nest
        How the chain is split at checkpoints on each storage, down to what RAM reverses.
    lower_bound : float
        No schedule of this model costs less.
    """

    n_steps: int
    ram: int
    disk: int | tuple[int | None, ...] | None
    step: float
    adjoint: float
    write: float | tuple[float, ...]
    read: float | tuple[float, ...]
    effort: float
    nest: Nest = field(repr=False, compare=False)
    lower_bound: float = field(repr=False, compare=False)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The storages, the fastest first, as they were given."""
        slots = self.disk if isinstance(self.disk, tuple) else (self.disk,)
        writes = self.write if isinstance(self.write, tuple) else (self.write,)
        reads = self.read if isinstance(self.read, tuple) else (self.read,)
        rows = zip(_BEYOND_RAM, slots, writes, reads, strict=False)
        return tuple([Tier(*row) for row in rows])

    @property
    def tree(self) -> SplitTree:
        """How the chain is split on the outermost storage that is used."""
        return self.nest.stages[0].tree

    @property
    def recording_cost(self) -> float:
        """The part of the cost that every schedule has: each step recorded and reversed once."""
        return (self.step + self.adjoint) * self.n_steps

    @property
    def cost(self) -> float:
        """Cost of a pass, in the unit of the costs given."""
        counts = self.counts()
        return self.step * counts.advanced + self.recording_cost + counts.io_cost

    @property
    def proven(self) -> bool:
        """Whether it is proven that no schedule is cheaper, but for rounding."""
        return self.cost <= self.lower_bound * ROUNDING

    @property
    def most_in_ram(self) -> int:
        """The most checkpoints held in RAM at a time."""
        return self.nest.most_in_ram

    @property
    def limits(self) -> Limits:
        """The slots on all levels, and what the storages cost."""
        tiers = self.tiers
        return Limits(
            slots=(self.ram, *(tier.slots for tier in tiers)),
            write=(0.0, *(tier.write for tier in tiers)),
            read=(0.0, *(tier.read for tier in tiers)),
        )

    def counts(self) -> Counts:
        """What a pass costs, from the tables of splits and the closed form of their leaves."""
        return self.nest.counts(self.n_steps, self.limits)

    def __iter__(self) -> Iterator[Action]:
        return ActionIterator(_MultilevelMachine(self.nest, [(0, self.tree.root(), 0)], []))


_BEYOND_RAM = tuple(Level)[Level.DISK :]
_PAGE = 256

InRam = list[tuple[int, int, int, Restore | None]]


class _MultilevelMachine:
    """Makes the actions of a nest of splits.

    Parameters
    ----------
    nest : Nest
        The splits.
    chains : list of (int, Node, int)
        First state, kind and stage of each chain that isn't begun yet, the last one first.
    in_ram : list
        The chains of the leaf under way; the machine that reverses them takes them from here.
    """

    __slots__ = ("_chains", "_in_ram", "_leaf", "_nest")

    def __init__(self, nest: Nest, chains: list[tuple[int, Node, int]], in_ram: InRam) -> None:
        self._nest = nest
        self._chains = chains
        self._in_ram = in_ram
        self._leaf = BinomialMachine(in_ram)

    def __reduce__(self) -> tuple[object, ...]:
        return _MultilevelMachine, (self._nest, self._chains, self._in_ram)

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        chains, stages, ram = self._chains, self._nest.stages, self._nest.ram
        actions: list[Action] = []
        while len(actions) < _PAGE:
            if self._in_ram:
                actions += self._leaf.more()
                continue
            if not chains:
                break
            start, node, at = chains.pop()
            level, tree = stages[at].level, stages[at].tree
            if node.kept:
                actions.append(Restore(start, level))
            j = tree.left_length(node)
            if j:
                if not node.kept:
                    actions.append(Save(start, level))
                actions.append(Advance(start, start + j))
                left, right = tree.parts(node, j)
                chains.append((start, left, at))
                chains.append((start + j, right, at))
                continue
            if node.kept:
                actions.append(Discard(start, level))
            if node.length == 1:
                actions.append(Record(start, start + 1))
                actions.append(Reverse(start, start + 1))
            elif at + 1 < len(stages):
                chains.append((start, Node(node.length, 0, False), at + 1))
            else:
                self._in_ram.append((start, node.length, ram, None))
        return actions

"""What the planner is asked, and the answers that it weighs: a run, and ways to reverse it."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from revolve_ad.schedule import Counts, Level
from revolve_ad.schedule.heterogeneous_bytes import least_bytes
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.playing import SECONDS_OF_A_BYTE, SECONDS_OF_A_TURN, is_played
from revolve_ad.simulation.planning.sizes import Sizes

__all__ = ["Disk", "Problem", "Uneven", "Way"]


@dataclass(frozen=True, slots=True)
class Disk:
    """The room for checkpoints on disk.

    Attributes
    ----------
    nbytes : int or None
        Bytes that they may take; None: any number.
    """

    nbytes: int | None = None

    def slots(self, state_bytes: int) -> int | None:
        """Return how many checkpoints fit; None: any number."""
        return None if self.nbytes is None else self.nbytes // max(1, state_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uneven:
    """Steps that differ, as with adaptive steps or changing meshes.

    Attributes
    ----------
    states : tuple of int, length n_steps + 1
        Bytes of the checkpoint of each state.
    tapes : tuple of int, length n_steps
        Bytes of the tape of each step.
    steps : tuple of float, length n_steps
        Seconds of each plain step; ones where nothing was measured.
    adjoints : float
        Seconds that all adjoint steps take together.
    """

    states: tuple[int, ...]
    tapes: tuple[int, ...]
    steps: tuple[float, ...]
    adjoints: float

    @property
    def smallest(self) -> int:
        """The fewest bytes of checkpoints and tapes with which all steps can be reversed."""
        return _smallest(self.states, self.tapes)


@lru_cache(maxsize=16)
def _smallest(states: tuple[int, ...], tapes: tuple[int, ...]) -> int:
    return min(sum(tapes), least_bytes(states, tapes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be planned, but for the budget.

    Attributes
    ----------
    n_steps : int or None
        Number of steps; None where it isn't known.
    max_steps : int or None
        The most steps, where the number isn't known.
    sizes : Sizes
        The bytes of what is held.
    costs : Costs or None
        The seconds of what is done; None where nothing was measured.
    disk : Disk or None
        The room on disk; None where there is no disk.
    beyond : tuple of Disk
        The room on further storages, the fastest first.
    uneven : Uneven or None
        Where steps differ: their sizes and costs; those above are then the largest, and the mean.
    n_observed, n_checked : int
        States that are observed, and steps that are compared with their tape.
    compiled : bool
        Whether compiled code may carry out the schedule's actions too.
    """

    n_steps: int | None
    sizes: Sizes
    max_steps: int | None = None
    costs: Costs | None = None
    disk: Disk | None = None
    beyond: tuple[Disk, ...] = ()
    uneven: Uneven | None = None
    n_observed: int = 0
    n_checked: int = 0
    compiled: bool = False

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The room on each storage, the fastest first."""
        return () if self.disk is None else (self.disk, *self.beyond)

    @property
    def slots(self) -> int | None:
        """How many checkpoints fit on all storages together; None: any number."""
        if self.disk is None:
            return 0
        rooms = list(self.slots_by_level.values())
        return None if None in rooms else sum(room for room in rooms if room is not None)

    @property
    def slots_by_level(self) -> dict[Level, int | None]:
        """How many checkpoints fit on each storage; None: any number."""
        if self.disk is None:
            return {}
        levels = zip(list(Level)[Level.DISK :], self.disks, strict=False)
        return {level: disk.slots(self.sizes.state) for level, disk in levels}

    @property
    def first_level(self) -> Level:
        """The first level beyond RAM that has room; `Level.DISK` if none has."""
        for level, slots in self.slots_by_level.items():
            if slots != 0:
                return level
        return Level.DISK

    def slots_on(self, level: Level) -> int | None:
        """Return how many checkpoints fit on one level; None: any number."""
        return self.slots_by_level.get(level, 0)

    @property
    def smallest_budget(self) -> int:
        """The fewest bytes of memory that work."""
        if self.uneven is not None:
            return self.sizes.all_fixed + self.uneven.smallest
        # A run of unknown length is recorded as it goes where all its tapes fit.
        n_steps = self.max_steps if self.n_steps is None else self.n_steps
        return self.sizes.smallest(n_steps, disk=self.slots != 0)

    def seconds(self, counts: Counts, in_ram: int) -> float | None:
        """Return the forecast for a schedule; None if nothing was measured.

        Parameters
        ----------
        counts : Counts
            What it does.
        in_ram : int
            The most bytes of checkpoints and tapes that it holds in memory.
        """
        costs = self.costs
        if costs is None:
            return None
        if self.compiled and not counts.disk_saved and self.n_steps is not None:
            if is_played(self.n_steps, counts.restored, self.sizes.state):
                turn = SECONDS_OF_A_TURN + self.sizes.state * SECONDS_OF_A_BYTE
                costs = replace(costs, stretch=0.0, leaf=turn, save=turn, restore=turn)
        return costs.seconds(
            counts,
            in_ram,
            n_observed=self.n_observed,
            n_checked=self.n_checked,
            stepwise=self.n_steps is None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to spend a budget.

    Attributes
    ----------
    kind : str
        ``"store all"``, ``"mixed"``, ``"multilevel"``, ``"streaming"``, ``"heterogeneous"``,
        ``"online"`` or ``"given"``.
    schedule : Schedule
        What would be played.
    counts : Counts
        What that costs; of a run of unknown length, what the longest one costs, about.
    seconds : float or None
        The forecast of its time.
    in_ram : int
        The most bytes of checkpoints and tapes in memory.
    advance_cost : float
        What the plain steps cost, where steps differ.
    """

    kind: str
    schedule: Any = field(repr=False)
    counts: Counts
    seconds: float | None
    in_ram: int
    advance_cost: float = 0.0

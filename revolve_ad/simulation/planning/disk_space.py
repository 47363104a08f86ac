"""Compares what a plan puts on disk with what the disk has free, before the run."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from revolve_ad.errors import BudgetError, StorageFullError
from revolve_ad.schedule import Level
from revolve_ad.schedule.trace import WHERE
from revolve_ad.simulation.memory import format_bytes
from revolve_ad.simulation.planning.plan import Plan, make_plan
from revolve_ad.simulation.planning.problem import Disk

__all__ = ["bytes_of_file", "within_free_space"]

_BLOCK: Final = 4096
_HEADER: Final = 256
_HEADER_OF_A_LEAF: Final = 48


def bytes_of_file(state_bytes: int, n_leaves: int) -> int:
    """Return what the file of a checkpoint takes on disk, about: its header, and whole blocks."""
    size = state_bytes + _HEADER + n_leaves * _HEADER_OF_A_LEAF
    return -(-size // _BLOCK) * _BLOCK


def within_free_space(
    plan: Plan, storages: Sequence[Any], n_leaves: int, *, exact: Collection[Level]
) -> Plan:
    """Return a plan whose checkpoints fit into what the disk has free now.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    storages : sequence of Storage
        Where its checkpoints go, by level; one that can't tell its free space isn't asked.
    n_leaves : int
        Leaves of the state.
    exact : collection of Level
        The levels whose room was given, or for which the schedule was: what doesn't fit there is
        not planned anew.

    Raises
    ------
    StorageFullError
        If the checkpoints don't fit, and the plan can't do with fewer.
    """
    if plan.problem.slots == 0:
        return plan
    each = bytes_of_file(plan.sizes.state, n_leaves)
    short: list[tuple[Level, Any, int]] = []
    left: dict[object, int] = {}  # of what storages share that are on the same disk
    for level, storage in zip(plan.problem.slots_by_level, storages, strict=False):
        free = getattr(storage, "free_bytes", None)
        if free is None or plan.problem.slots_on(level) == 0:
            continue
        device = getattr(storage, "device", None)
        shared = id(storage) if device is None else ("device", device)
        free = left.get(shared, free)
        left[shared] = max(0, free - plan.n_on(level) * each)
        fitting = free // each
        if plan.n_on(level) > fitting or (not fitting and plan.kind != "given"):
            short.append((level, storage, free))
    if not short:
        return plan
    full = [found for found in short if plan.n_on(found[0]) and found[0] in exact]
    if not full:
        with suppress(BudgetError):
            # What doesn't fit on one storage may now be planned for another.
            return within_free_space(_with_less(plan, short, each), storages, n_leaves, exact=exact)
    level, storage, free = (full or short)[0]
    wanted, fitting = plan.n_on(level), free // each
    raise StorageFullError(
        f"the plan keeps up to {wanted:,} checkpoints of {each:,} bytes {WHERE[level]} at a time, "
        f"{wanted * each:,} bytes ({format_bytes(wanted * each)}), but {storage!r} "
        f"has {free:,} free ({format_bytes(free)}), enough for {fitting:,}. "
        f"{_remedy(plan, fitting * plan.sizes.state)}"
    )


def _with_less(plan: Plan, short: Sequence[tuple[Level, Any, int]], each: int) -> Plan:
    """Return the plan for what these storages have free."""
    disks = dict(zip(plan.problem.slots_by_level, plan.problem.disks, strict=True))
    remarks = []
    for level, _, free in short:
        fitting = free // each
        disks[level] = Disk(fitting * plan.sizes.state)
        name = "disk" if len(disks) == 1 else f"storage {WHERE[level]}"
        remarks.append(
            f"the {name} has {format_bytes(free)} free, which hold {fitting:,} checkpoints; "
            f"{plan.n_on(level):,} would be of use."
        )
    disk, *beyond = disks.values()
    problem = replace(plan.problem, disk=disk, beyond=tuple(beyond))
    planned = make_plan(problem, plan.budget)
    return replace(planned, remarks=(*plan.remarks, *remarks))


def _remedy(plan: Plan, room: int) -> str:
    if plan.kind == "given":
        return "Free some space, name another folder, or give a schedule with fewer on disk."
    least = plan.sizes.smallest(plan.n_steps)
    if room < plan.sizes.state:
        return f"Free some space, name another folder, or give memory={least} or more and disk=0."
    return f"Free some space, name another folder, or give disk={room} or less."

"""Compares what a plan puts on disk with what the disk has free, before the run."""

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from revolve_ad.errors import BudgetError, StorageFullError
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


def within_free_space(plan: Plan, storage: Any, n_leaves: int, *, exact: bool) -> Plan:
    """Return a plan whose checkpoints fit into what the disk has free now.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    storage : Storage
        Where its checkpoints go; one that can't tell its free space isn't asked.
    n_leaves : int
        Leaves of the state.
    exact : bool
        Whether the room on disk, or the schedule, was given: it is not planned anew then.

    Raises
    ------
    StorageFullError
        If the checkpoints don't fit, and the plan can't do with fewer.
    """
    free = getattr(storage, "free_bytes", None)
    if free is None or plan.problem.slots == 0:
        return plan
    each = bytes_of_file(plan.sizes.state, n_leaves)
    fitting = free // each
    if plan.n_on_disk <= fitting and (fitting or plan.kind == "given"):
        return plan
    room = fitting * plan.sizes.state
    if not exact or not plan.n_on_disk:
        problem = replace(plan.problem, disk=Disk(room))
        with suppress(BudgetError):
            planned = make_plan(problem, plan.budget)
            remark = (
                f"the disk has {format_bytes(free)} free, which hold {fitting:,} checkpoints; "
                f"{plan.n_on_disk:,} would be of use."
            )
            return replace(planned, remarks=(*plan.remarks, remark))
    raise StorageFullError(
        f"the plan keeps up to {plan.n_on_disk:,} checkpoints of {each:,} bytes on disk at a time, "
        f"{plan.n_on_disk * each:,} bytes ({format_bytes(plan.n_on_disk * each)}), but {storage!r} "
        f"has {free:,} free ({format_bytes(free)}), enough for {fitting:,}. {_remedy(plan, room)}"
    )


def _remedy(plan: Plan, room: int) -> str:
    if plan.kind == "given":
        return "Free some space, name another folder, or give a schedule with fewer on disk."
    least = plan.sizes.smallest(plan.n_steps)
    if room < plan.sizes.state:
        return f"Free some space, name another folder, or give memory={least} or more and disk=0."
    return f"Free some space, name another folder, or give disk={room} or less."

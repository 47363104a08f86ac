"""Which storage keeps the checkpoints of which level, in one run."""

from typing import Any

from revolve_ad.errors import ParameterError
from revolve_ad.schedule import Counts, Level, Limits
from revolve_ad.simulation.arrays.shelf import Shelf
from revolve_ad.storage import Ram, Storage

__all__ = ["storages_by_level", "uses_disk"]


def uses_disk(schedule: Any, counts: Counts | None) -> bool:
    """Tell whether a schedule tells memory and disk apart, and may keep checkpoints on disk.

    Parameters
    ----------
    schedule : schedule or iterable of Action
        Ours or a user's.
    counts : Counts or None
        What it costs, where the number of steps is known.
    """
    if counts is not None and counts.disk_saved:
        return True
    limits = getattr(schedule, "limits", None)
    slots = limits.slots if isinstance(limits, Limits) else (None, 0)
    return len(slots) <= Level.DISK or slots[Level.DISK] != 0


def storages_by_level(
    schedule: Any, counts: Counts | None, given: Storage | None
) -> tuple[Ram | Shelf, ...]:
    """Return where the checkpoints of one run are kept, one storage a level.

    A schedule for memory alone has all checkpoints in the storage that was given.  One that tells
    memory and disk apart has those of `Level.DISK` there, and the others in memory.

    Raises
    ------
    ParameterError
        If the schedule saves on disk and no storage was given.
    """
    shelf: Ram | Shelf = Ram() if given is None else Shelf(given)
    if not uses_disk(schedule, counts):
        return (shelf,) * len(Level)
    if given is not None:
        return Ram(), shelf
    if counts is not None and not counts.disk_saved:
        return (shelf,) * len(Level)
    raise ParameterError(
        "the schedule keeps checkpoints on Level.DISK, but storage= doesn't say where; give "
        "storage=ra.storage.Disk(path), or ra.storage.Ram() to try the schedule without a disk."
    )

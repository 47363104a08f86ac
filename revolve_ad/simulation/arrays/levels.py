"""Which storage keeps the checkpoints of which level, in one run."""

from collections.abc import Sequence
from typing import Any

from revolve_ad.errors import ParameterError
from revolve_ad.schedule import Counts, Level, Limits
from revolve_ad.simulation.arrays.shelf import Shelf, Tally
from revolve_ad.storage import Ram, Storage

__all__ = ["on_levels", "storages_by_level", "uses_disk"]


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
    return len(slots) <= Level.DISK or any(slot != 0 for slot in slots[Level.DISK :])


def on_levels(given: Sequence[Storage]) -> tuple[Ram | Shelf, ...]:
    """Return where checkpoints of each level are kept: in memory, then in what was given.

    Parameters
    ----------
    given : sequence of Storage
        At least one, the fastest first; those of levels beyond are kept in the last.
    """
    tally = Tally()
    shelves = [Shelf(storage, tally) for storage in given]
    beyond = [shelves[min(i, len(shelves) - 1)] for i in range(len(Level) - 1)]
    return Ram(), *beyond


def storages_by_level(
    schedule: Any, counts: Counts | None, given: Sequence[Storage]
) -> tuple[Ram | Shelf, ...]:
    """Return where the checkpoints of one run are kept, one storage a level.

    A schedule for memory alone has all checkpoints in the first storage that was given.  One that
    tells memory and disk apart has those of `Level.DISK` there, those of slower levels in the
    next ones, and the others in memory.

    Raises
    ------
    ParameterError
        If the schedule saves on a level for which no storage was given.
    """
    shelf: Ram | Shelf = Shelf(given[0]) if given else Ram()
    if not uses_disk(schedule, counts):
        return (shelf,) * len(Level)
    last = max((i for i, on in enumerate(_beyond(counts), start=1) if on), default=0)
    if last > max(1, len(given)):
        raise ParameterError(
            f"the schedule keeps checkpoints on {Level(last)!r}, but storage= names "
            f"{len(given)} of the {last} storages that it needs; give storage=[...] with one for "
            "each level, the fastest first, such as ra.storage.Disk(path)."
        )
    if given:
        return on_levels(given)
    if counts is not None and not counts.disk_saved:
        return (shelf,) * len(Level)
    raise ParameterError(
        "the schedule keeps checkpoints on Level.DISK, but storage= doesn't say where; give "
        "storage=ra.storage.Disk(path), or ra.storage.Ram() to try the schedule without a disk."
    )


def _beyond(counts: Counts | None) -> list[int]:
    """How many checkpoints are saved on each level beyond RAM, as far as that is known."""
    return [] if counts is None else [level.saved for level in counts.by_level]

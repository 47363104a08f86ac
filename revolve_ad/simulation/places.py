"""Checks where checkpoints may live: the storages of a simulation, and the room on each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from revolve_ad.errors import ParameterError
from revolve_ad.schedule import Level
from revolve_ad.simulation.memory import parse_bytes
from revolve_ad.storage import Disk, Ram

__all__ = ["rooms_of", "storage_of"]

_MOST: Final = len(Level) - 1


def storage_of(given: Any, schedule: Any) -> Any:
    """Return one storage, a tuple of several, or None.

    Parameters
    ----------
    given : Storage, sequence of Storage, or None
        What `Simulation` was given; of several the fastest comes first.
    schedule : schedule, callable or None
        What it was given besides: with a schedule of several levels each may be in memory.

    Raises
    ------
    ParameterError
        If one of them is no storage, or the same as another, or there are too many.
    """
    if not _is_several(given):
        _require_storage("storage", given)
        return given
    if not 1 <= len(given) <= _MOST:
        raise ParameterError(
            f"storage has {len(given)} entries; give 1 to {_MOST} storages, the fastest first."
        )
    for i, storage in enumerate(given):
        name = f"storage[{i}]"
        if storage is None:
            raise ParameterError(f"{name} is None; give ra.storage.Disk(path).")
        _require_storage(name, storage)
        if isinstance(storage, Ram) and len(given) > 1 and schedule is None:
            raise ParameterError(
                f"{name} is {storage!r}, memory, which is used before any storage anyway; leave "
                "it out, or give schedule= too to try one of several levels without disks."
            )
        for j, other in enumerate(given[:i]):
            if storage is other or (folder := _folder(storage)) and folder == _folder(other):
                raise ParameterError(
                    f"storage[{j}] and {name} are both {storage!r}; several storages are of use "
                    "where they are on different disks: give each its own, or leave one out."
                )
    return given[0] if len(given) == 1 else tuple(given)


def _is_several(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _folder(storage: Any) -> Path | None:
    return storage.path.resolve() if isinstance(storage, Disk) else None


def _require_storage(name: str, storage: Any) -> None:
    for verb in ("save", "restore", "discard"):
        if storage is not None and not hasattr(storage, verb):
            raise ParameterError(
                f"{name} is {storage!r}, which has no {verb!r}; give ra.storage.Ram() or "
                "ra.storage.Disk(path)."
            )


def rooms_of(given: Any, storage: Any) -> int | tuple[int | None, ...] | None:
    """Return the most bytes of checkpoints on disk, for several storages a tuple of them.

    Parameters
    ----------
    given : str, int, None, or sequence of them
        What `Simulation` was given; one number holds for each storage.
    storage : Storage, sequence of Storage, or None
        Where checkpoints live, as `Simulation` was given it.

    Raises
    ------
    ParameterError
        If there is no disk, or not one entry for each storage.
    """
    if given is None:
        return None
    storages = list(storage) if _is_several(storage) else [storage]
    if all(one is None or isinstance(one, Ram) for one in storages):
        raise ParameterError(
            "disk= bounds the checkpoints of a storage on disk; give it too: "
            "storage=ra.storage.Disk(path)."
        )
    number = len(storages)
    if not _is_several(given) or not _is_several(storage):
        room = parse_bytes(given, "disk")
        return room if number == 1 else (room,) * number
    if len(given) != number:
        raise ParameterError(
            f"disk has {len(given)} entries, but storage names {number} storages; give one for "
            "each, the fastest first, None where any number of bytes may be used."
        )
    rooms = [
        None if room is None else parse_bytes(room, f"disk[{i}]") for i, room in enumerate(given)
    ]
    return rooms[0] if number == 1 else tuple(rooms)

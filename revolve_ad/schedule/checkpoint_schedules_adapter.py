"""The class that `to_checkpoint_schedules` makes; the only file that imports that package."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import Any

from checkpoint_schedules import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    CheckpointSchedule,
    Copy,
    EndForward,
    EndReverse,
    Forward,
    Move,
    StorageType,
)
from checkpoint_schedules import Reverse as ReverseTheirs

from revolve_ad.errors import ScheduleError
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

__all__ = ["Adapter"]

_STORAGE = {Level.RAM: StorageType.RAM, Level.DISK: StorageType.DISK}


class Adapter(CheckpointSchedule):  # type: ignore[misc]
    """One pass over a schedule of ours in the actions of checkpoint_schedules."""

    # What the base class keeps: the forward run's state, steps reversed, steps in all.
    _n: int
    _r: int
    _max_n: int

    def __init__(self, schedule: Iterable[Action], n_steps: int) -> None:
        super().__init__(n_steps)
        self._schedule = schedule
        self._exhausted = False

    @property
    def is_exhausted(self) -> bool:
        """Whether the pass is over."""
        return self._exhausted

    def uses_storage_type(self, storage_type: Any) -> bool:
        """Return whether checkpoints may be kept there, or tapes in working memory."""
        limits = getattr(self._schedule, "limits", None)
        slots: tuple[int | None, ...] = getattr(limits, "slots", ())
        for level, storage in _STORAGE.items():
            if storage_type == storage:
                return level >= len(slots) or slots[level] != 0
        return bool(storage_type == StorageType.WORK)

    def _iterator(self) -> Iterator[Any]:
        saved: Save | None = None  # made part of the next Forward
        unwritten: set[tuple[int, Level]] = set()
        held: set[int] = set()  # states in RAM, under whose index no tape can be kept
        reached: dict[tuple[int, Level], int] = {}  # where the run after each save stopped
        moved = False
        in_work = 0, 0  # the tapes in working memory
        for action, following in pairwise(chain(self._schedule, (None,))):
            if getattr(action, "level", Level.RAM) not in _STORAGE:
                raise _unknown_level(action)
            match action:
                case Save(state, level):
                    if isinstance(following, Advance):
                        saved = action
                    else:  # harmless for a checkpoint that nobody restores, such as of one step
                        unwritten.add((state, level))
                case Advance(start, stop):
                    self._n = stop
                    storage = StorageType.WORK if saved is None else _STORAGE[saved.level]
                    if storage == StorageType.RAM:
                        held.add(start)
                    if saved is not None:
                        reached[start, saved.level] = stop
                    yield Forward(start, stop, saved is not None, False, storage)
                    saved = None
                case Record(start, stop):
                    # Another forward run or restore would clear the working memory.
                    if isinstance(following, Reverse) and following.start <= start:
                        in_work = start, stop
                        self._n = stop
                        yield Forward(start, stop, False, True, StorageType.WORK)
                        continue
                    for k in range(start, stop):
                        if k in held:
                            raise ScheduleError(
                                f"{action!r} keeps the tape of step {k} beside the checkpoint of "
                                f"state {k}, which checkpoint_schedules can't express"
                            )
                        self._n = k + 1
                        yield Forward(k, k + 1, False, True, StorageType.RAM)
                case Reverse(start, stop):
                    if self._r == 0:
                        yield EndForward()
                    while stop > start:
                        low = stop - 1
                        if in_work[0] <= low < in_work[1]:
                            low = max(start, in_work[0])
                        else:
                            self._n = stop
                            yield Move(low, StorageType.RAM, StorageType.WORK)
                        self._r = self._max_n - low
                        yield ReverseTheirs(stop, low, True)
                        stop = low
                case Restore(state, level):
                    if (state, level) in unwritten:
                        raise ScheduleError(
                            f"{action!r}: the state was saved and taped from at once, which "
                            "checkpoint_schedules can't express"
                        )
                    if reached[state, level] < self._max_n - self._r:
                        raise ScheduleError(
                            f"{action!r}: steps up to {self._max_n - self._r} are run again from "
                            f"it, but only those up to {reached[state, level]} were run right "
                            "after it was saved, for which checkpoint_schedules keeps what they "
                            "need; a checkpoint must not be replaced by a later one"
                        )
                    self._n = state
                    moved = following == Discard(state, level)
                    kind = Move if moved else Copy
                    yield kind(state, _STORAGE[level], StorageType.WORK)
                case Discard(state, level):
                    if (state, level) in unwritten:
                        unwritten.remove((state, level))
                    elif not moved:
                        yield Move(state, _STORAGE[level], StorageType.NONE)
                    if level == Level.RAM:
                        held.discard(state)
                    moved = False
        self._exhausted = True
        yield EndReverse()


def _unknown_level(action: Action | None) -> ScheduleError:
    return ScheduleError(
        f"{action!r}: checkpoint_schedules knows memory and one disk only, Level.RAM and "
        "Level.DISK; give a schedule of these two, such as multilevel(n, ram, disk) with one "
        "number for disk"
    )

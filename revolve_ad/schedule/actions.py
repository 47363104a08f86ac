"""The instructions of a schedule: frozen values with one effect each.

Steps are numbered as everywhere in revolve_ad: step k makes state k + 1 from state k.  One state
is *live*, the working state; stored states are *checkpoints*, each kept on a `Level`.  Stretches
of steps are half-open: ``start`` is executed, ``stop`` is not.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Action", "Advance", "Discard", "Level", "Record", "Restore", "Reverse", "Save"]


class Level(enum.IntEnum):
    """Where a checkpoint is kept, the fastest first: in memory, or on one of three storages.

    The names are those of a usual machine: a disk of its own, a file system on the network, an
    archive.  What keeps the checkpoints of a level is up to who plays the schedule.
    """

    RAM = 0
    DISK = 1
    REMOTE = 2
    ARCHIVE = 3

    def __repr__(self) -> str:
        return f"Level.{self.name}"


_Class = TypeVar("_Class", bound=type)

# A schedule makes millions of actions.  The `__init__` of a frozen dataclass writes its fields by
# name through `object.__setattr__`; writing them through the descriptors of the slots takes 0.7 of
# that time.  Nothing else changes: frozen, slotted, equality, hash, repr, match, pickle.


def _fast_stretch(cls: _Class) -> _Class:
    """Let `__init__` of a class with the fields `start` and `stop` write its slots directly."""
    set_start, set_stop = cls.__dict__["start"].__set__, cls.__dict__["stop"].__set__

    def __init__(self: object, start: int, stop: int) -> None:
        set_start(self, start)
        set_stop(self, stop)

    return _with_init(cls, __init__)


def _fast_checkpoint(cls: _Class) -> _Class:
    """Let `__init__` of a class with the fields `state` and `level` write its slots directly."""
    set_state, set_level = cls.__dict__["state"].__set__, cls.__dict__["level"].__set__

    def __init__(self: object, state: int, level: Level) -> None:
        set_state(self, state)
        set_level(self, level)

    return _with_init(cls, __init__)


def _with_init(cls: _Class, init: Callable[..., None]) -> _Class:
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    type.__setattr__(cls, "__init__", init)
    return cls


@_fast_stretch
@dataclass(frozen=True, slots=True)
class Advance:
    """Run steps ``start … stop - 1`` from the live state and keep nothing; state `stop` is live."""

    start: int
    stop: int


@_fast_stretch
@dataclass(frozen=True, slots=True)
class Record:
    """Run steps ``start … stop - 1`` and keep the tape of each; state `stop` is live."""

    start: int
    stop: int


@_fast_stretch
@dataclass(frozen=True, slots=True)
class Reverse:
    """Use and drop the tapes of steps ``stop - 1 … start``, last first; no state is live after."""

    start: int
    stop: int


@_fast_checkpoint
@dataclass(frozen=True, slots=True)
class Save:
    """Copy the live state, state `state`, to a checkpoint on `level`."""

    state: int
    level: Level


@_fast_checkpoint
@dataclass(frozen=True, slots=True)
class Restore:
    """Make a copy of the checkpoint of state `state` on `level` the live state."""

    state: int
    level: Level


@_fast_checkpoint
@dataclass(frozen=True, slots=True)
class Discard:
    """Free the checkpoint of state `state` on `level`."""

    state: int
    level: Level


Action = Advance | Record | Reverse | Save | Restore | Discard
"""Any instruction of a schedule; play it with ``match`` and close with ``assert_never``."""

"""The instructions of a schedule: frozen values with one effect each.

Steps are numbered as everywhere in revolve_ad: step k makes state k + 1 from state k.  One state
is *live*, the working state; stored states are *checkpoints*, each kept on a `Level`.  Stretches
of steps are half-open: ``start`` is executed, ``stop`` is not.
"""

import enum
from dataclasses import dataclass

__all__ = ["Action", "Advance", "Discard", "Level", "Record", "Restore", "Reverse", "Save"]


class Level(enum.IntEnum):
    """Where a checkpoint is kept, the fastest first."""

    RAM = 0
    DISK = 1


@dataclass(frozen=True, slots=True)
class Advance:
    """Run steps ``start … stop - 1`` from the live state and keep nothing; state `stop` is live."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Record:
    """Run steps ``start … stop - 1`` and keep the tape of each; state `stop` is live."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reverse:
    """Use and drop the tapes of steps ``stop - 1 … start``, last first; no state is live after."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Save:
    """Copy the live state, state `state`, to a checkpoint on `level`."""

    state: int
    level: Level


@dataclass(frozen=True, slots=True)
class Restore:
    """Make a copy of the checkpoint of state `state` on `level` the live state."""

    state: int
    level: Level


@dataclass(frozen=True, slots=True)
class Discard:
    """Free the checkpoint of state `state` on `level`."""

    state: int
    level: Level


Action = Advance | Record | Reverse | Save | Restore | Discard
"""Any instruction of a schedule; play it with ``match`` and close with ``assert_never``."""

"""The part of a storage given by the user that belongs to one run."""

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import final

import numpy as np

from revolve_ad.simulation.arrays.layout import Array
from revolve_ad.storage import Key, Storage

__all__ = ["Shelf", "Tally", "free_idle_buffers"]

_runs = itertools.count(1)


@final
@dataclass(slots=True)
class Tally:
    """How many checkpoints one run holds on all its storages together, and the most of them."""

    held: int = 0
    peak: int = 0

    def add(self, number: int) -> None:
        """Note that so many more are held."""
        self.held += number
        self.peak = max(self.peak, self.held)


@final
class Shelf:
    """Keeps the checkpoints of one run in a storage that several runs may share; see `Storage`.

    Parameters
    ----------
    storage : Storage
        Where they are kept, under keys (number of the run, index of the state).
    tally : Tally, optional
        Counts what this storage and others hold together.

    Attributes
    ----------
    tally : Tally
        What this storage and others hold together.
    saved, restored, peak : int
        Checkpoints saved and restored, and the most held at a time.
    seconds : float
        What saving and restoring took.
    """

    __slots__ = ("_held", "_run", "_storage", "peak", "restored", "saved", "seconds", "tally")

    def __init__(self, storage: Storage, tally: Tally | None = None) -> None:
        self._storage = storage
        self.tally = Tally() if tally is None else tally
        self._run = next(_runs)
        self._held: set[int] = set()
        self.saved = self.restored = self.peak = 0
        self.seconds = 0.0

    def save(self, key: Key, leaves: Sequence[Array]) -> None:
        """See `Storage.save`."""
        assert isinstance(key, int)
        began = perf_counter()
        self._storage.save((self._run, key), leaves)
        self.seconds += perf_counter() - began
        if key not in self._held:
            self.tally.add(1)
        self._held.add(key)
        self.saved += 1
        self.peak = max(self.peak, len(self._held))

    def restore(self, key: Key, out: Sequence[Array] | None = None) -> list[Array]:
        """See `Storage.restore`."""
        assert isinstance(key, int)
        began = perf_counter()
        leaves = self._storage.restore((self._run, key), out)
        self.seconds += perf_counter() - began
        self.restored += 1
        return leaves

    def discard(self, key: Key) -> None:
        """See `Storage.discard`."""
        assert isinstance(key, int)
        self._storage.discard((self._run, key))
        self._held.discard(key)
        self.tally.add(-1)

    def clear(self) -> None:
        """Discard what this run still holds, as far as the storage allows."""
        while self._held:
            # What can't be deleted stays; an error here would hide the one that led to it.
            with contextlib.suppress(OSError):
                self._storage.discard((self._run, self._held.pop()))

    def __del__(self) -> None:
        self.clear()

    @property
    def keys(self) -> list[int]:
        """The states that are held."""
        return list(self._held)

    @property
    def nbytes(self) -> int:
        """The bytes of memory of the whole storage."""
        return self._storage.nbytes

    @property
    def peak_bytes(self) -> int:
        """The most bytes of memory that the whole storage has held."""
        return self._storage.peak_bytes


def free_idle_buffers(storage: Storage) -> None:
    """Let a storage in memory give back the buffers of discarded checkpoints.

    A `Ram` lets go of them when a checkpoint arrives that fits none; one without elements, of a
    shape that was never there, takes no room itself.  A storage on disk has none.
    """
    if not storage.nbytes:
        return
    storage.save(-1, [np.empty((0, next(_runs)))])
    storage.discard(-1)

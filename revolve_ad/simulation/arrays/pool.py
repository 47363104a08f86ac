"""Keeps the memory of one gradient's checkpoints for the next gradient of the same simulation.

A large block that is fresh from the system costs a fault for each page that is touched first, which
may take longer than the steps that fill it.
"""

import threading
import weakref
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.memory import ALWAYS_GRANTED, DEFAULT_SHARE, free_bytes

__all__ = ["Pool"]

_lock: Final = threading.Lock()
_unasked: list["weakref.ref[Pool]"] = []
"""Pools with memory that nobody has granted, that of the last gradient last."""


@final
class Pool:
    """At most one block, while no gradient uses it; several threads may take and give.

    It goes with the simulation, which alone refers to it strongly, and is no part of its pickle.
    What the user granted by ``memory=`` or ``schedule=`` is kept.  What wasn't is kept too, but all
    pools together hold no more of that than one simulation may by default.
    """

    __slots__ = ("__weakref__", "_idle")

    def __init__(self) -> None:
        self._idle: list[Leaves] = []

    def take(self, types: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> Leaves:
        """Return arrays of these shapes and dtypes, whatever they hold.

        An idle block of another form is let go of first, so that both are never there together.
        """
        try:
            block = self._idle.pop()
        except IndexError:
            block = []
        if [(array.shape, array.dtype) for array in block] == list(types):
            return block
        del block
        return [np.empty(shape, dtype) for shape, dtype in types]

    def give(self, block: Leaves, *, granted: bool) -> None:
        """Keep a block that nobody uses any more; if its bytes weren't granted, others may go."""
        self._idle[:] = [block]
        if not granted and self.nbytes > ALWAYS_GRANTED:
            self._make_room()

    def clear(self) -> None:
        """Let go of what is idle."""
        self._idle.clear()

    @property
    def nbytes(self) -> int:
        """The bytes of what is idle."""
        return sum(array.nbytes for block in list(self._idle) for array in block)

    def _make_room(self) -> None:
        """Let other pools go of what wasn't granted where it becomes too much, the oldest first."""
        with _lock:
            others = [p for ref in _unasked if (p := ref()) is not None and p is not self]
            held = [pool.nbytes for pool in others]
            room = int(DEFAULT_SHARE * (free_bytes() + sum(held) + self.nbytes)) - self.nbytes
            kept = [self]
            for pool, nbytes in zip(reversed(others), reversed(held), strict=True):
                room -= nbytes
                if room >= 0:
                    kept.insert(0, pool)
                else:
                    pool.clear()
            _unasked[:] = [weakref.ref(pool) for pool in kept]

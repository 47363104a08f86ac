"""Keeps the memory of one gradient's checkpoints for the next gradient of the same simulation.

A large block that is fresh from the system costs a fault for each page that is touched first, which
may take longer than the steps that fill it.
"""

from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from revolve_ad.simulation.arrays.layout import Leaves

__all__ = ["Pool"]

_ALWAYS_KEPT: Final = 4 * 1024**2
"""Blocks of so many bytes are kept whether memory was granted or not."""


@final
class Pool:
    """At most one block, while no gradient uses it; several threads may take and give.

    It goes with the simulation, which alone refers to it strongly, and is no part of its pickle.
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
        """Keep a block that nobody uses any more, if its bytes are granted, or few."""
        if granted or sum(array.nbytes for array in block) <= _ALWAYS_KEPT:
            self._idle[:] = [block]

    def clear(self) -> None:
        """Let go of what is idle."""
        self._idle.clear()

    @property
    def nbytes(self) -> int:
        """The bytes of what is idle."""
        return sum(array.nbytes for block in list(self._idle) for array in block)

"""Memory that several programs use in turn: the steps of one loop never run at the same time.

Each thread that runs one of the programs gets a buffer of its own; it is large enough for the
largest of them, and stays for the next run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Arena", "Buffer"]

_ALIGNMENT = 64
"""Bytes: a cache line, and the width of the widest vector instructions.

Where NumPy's own arrays begin, 16 bytes into a line, every second access of a wide vector touches
two lines: measured, products of 128 kB in the second-level cache take 1.6 to 2.2 times as long.
"""


class Buffer:
    """The memory of one thread.

    Attributes
    ----------
    ready : dict of int to Any
        What programs have made ready to run in it, by their identity.
    """

    __slots__ = ("_memory", "ready")

    def __init__(self, nbytes: int) -> None:
        self._memory = np.empty(nbytes, np.uint8)
        self.ready: dict[int, Any] = {}

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self._memory.nbytes

    def registers(self, sizes: Sequence[int]) -> list[np.ndarray]:
        """Return views of these sizes in bytes, with a gap between each two."""
        views = []
        start = -self._memory.__array_interface__["data"][0] % _ALIGNMENT
        for nbytes in sizes:
            views.append(self._memory[start : start + nbytes])
            start += _rounded(nbytes)
        return views


class Arena:
    """Buffers for programs that take turns.

    Attributes
    ----------
    nbytes : int
        What the largest of the programs needs.
    """

    __slots__ = ("_idle", "nbytes")

    def __init__(self) -> None:
        self._idle: list[Buffer] = []
        self.nbytes = 0

    def reserve(self, sizes: Sequence[int]) -> None:
        """Make room for a program with registers of these sizes, in bytes."""
        self.nbytes = max(self.nbytes, sum(map(_rounded, sizes)) + _ALIGNMENT)

    def take(self) -> Buffer:
        """Return a buffer that nobody else uses, until it is put back."""
        try:
            buffer = self._idle.pop()
        except IndexError:
            return Buffer(self.nbytes)
        return buffer if buffer.nbytes >= self.nbytes else Buffer(self.nbytes)

    def put(self, buffer: Buffer) -> None:
        """Give a buffer back."""
        self._idle.append(buffer)

    def __reduce__(self) -> tuple[type[Arena], tuple[()]]:
        return Arena, ()


def _rounded(nbytes: int) -> int:
    """Return where the next register may begin, counted from the start of one of `nbytes`.

    At least a byte stays free: NumPy 2.0.0 takes an operand that ends where the result begins for
    one that overlaps it, and then computes exp, log, power and others by another routine, whose
    last bits may differ.
    """
    return (nbytes // _ALIGNMENT + 1) * _ALIGNMENT

"""What generated loops read and write: arrays, addressed by flat positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

__all__ = ["FRESH", "STABLE", "Buffer"]

STABLE, FRESH = 1, 2
"""Flags of a load: the element isn't written later; it hasn't been written since its buffer was
made as a copy of an array that never changes."""


@dataclass(eq=False, slots=True)
class Buffer:
    """An array that a step reads or makes.

    Attributes
    ----------
    kind : str
        "x" (a leaf of the state before the step), "p" (of params), "row" (of a row of inputs),
        "c" (a constant), "k" (the number of the step), "temp" (made by the step), "bar" (a
        cotangent), "tape" (what the reverse needs of the forward part), "strip" (what the passes of
        an inner loop add to neighbouring elements).
    number : int
        Which of its kind.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Its dtype.
    name : str
        The variable of the generated functions.
    copied : Buffer, optional
        The unchanging array of which this one is a copy at first.
    inside : bool
        Made within a loop, afresh in each pass.
    """

    kind: str
    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str = ""
    copied: Buffer | None = None
    inside: bool = False

    @property
    def size(self) -> int:
        """Number of elements; at least one is allocated."""
        return prod(self.shape)

    @property
    def fixed(self) -> bool:
        """Whether the step never writes it."""
        return self.kind in ("x", "p", "row", "c", "k")

    def __repr__(self) -> str:
        return self.name or f"{self.kind}{self.number}"

"""Variables that stand for the elements of small arrays in generated source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import final

import numpy as np

from revolve_ad.native.passes.expression import Position

__all__ = ["Elements", "NotSmallError"]

MANY = 96
"""Elements of all arrays together from which there would be too many variables."""


class NotSmallError(Exception):
    """The loops need arrays."""


@final
class Elements:
    """The variables of the elements of arrays, made as they are met."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.used: dict[str, dict[int, str]] = {}

    def name(self, buffer: str, index: Sequence[Position], *, flat: bool) -> str:
        """Return the variable of an element; `flat`: the terms of `index` are added up."""
        if any(p.dim >= 0 for p in index):
            raise NotSmallError
        at = [p.off for p in index]
        shape = self.shapes[buffer] or (1,)
        place = sum(at)
        if not flat:
            at = at or [0]
            place = int(np.ravel_multi_index(at, shape)) if len(at) == len(shape) else -1
        if not 0 <= place < prod(shape):
            raise NotSmallError
        return self.variable(buffer, place)

    def variable(self, buffer: str, place: int) -> str:
        """Return the variable of an element by its place in C order."""
        if sum(map(len, self.used.values())) > MANY:
            raise NotSmallError
        return self.used.setdefault(buffer, {}).setdefault(place, f"{buffer}e{place}")

    def all(self, buffer: str) -> list[str]:
        """Return the variables of all elements of an array."""
        return [self.variable(buffer, i) for i in range(prod(self.shapes[buffer] or (1,)))]

    def places(self, buffer: str, array: str = "", row: str = "") -> list[str]:
        """Return the elements of an array in Python, or of one like it, or of a row of that."""
        shape = self.shapes[buffer] or (1,)
        found = []
        for i in range(prod(shape)):
            at = ", ".join(str(k) for k in np.unravel_index(i, shape))
            found.append(f"{array or buffer}[{row + ', ' if row else ''}{at}]")
        return found

    def read(self, buffer: str) -> list[str]:
        """Return lines that read what is used of an array."""
        places = self.places(buffer)
        return [f"{v} = {places[i]}" for i, v in sorted(self.used.get(buffer, {}).items())]

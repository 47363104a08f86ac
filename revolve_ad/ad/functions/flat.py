"""``x.flat`` of an array that has no view as one axis: reads and writes by flat index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.traced import Traced

__all__ = ["Flat"]


@implements("flat")
class Flat:
    """The elements of a traced array in C order; what is written into them goes to the array."""

    def __init__(self, x: Traced) -> None:
        self._x = x

    def _places(self, index: Any) -> tuple[Any, ...]:
        flat = np.arange(self._x.size)[index]
        return tuple(np.unravel_index(flat, self._x.shape))

    def __getitem__(self, index: Any) -> Any:
        return self._x[self._places(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        places = self._places(index)
        shape = np.shape(places[0])
        given = np.shape(value.v if type(value) is Traced else value)
        if shape and given and given != shape:  # NumPy repeats or cuts what it is given
            value = np.resize(value, shape)
        self._x[places] = value

    def __len__(self) -> int:
        return self._x.size

    def __iter__(self) -> Iterator[Any]:
        return iter(self._x.reshape(-1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._x.reshape(-1), name)

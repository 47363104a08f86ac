"""``x.flat``: the elements of a traced array in C order, read and written by flat index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from revolve_ad.ad.traced import Traced
from revolve_ad.ad.traced.dispatch import implements

__all__ = ["Flat"]


@implements("flat")
class Flat:
    """The elements of a traced array in C order; what is written into them goes to the array.

    As NumPy's, it isn't an array: an index gives an element or a copy, and functions take a copy.
    """

    def __init__(self, x: Traced) -> None:
        self._x = x
        line = x.reshape(-1)
        # Where the array has a view as one axis, slices stay slices on the tape.
        self._line = line if x.cell is not None and line.cell == x.cell else None

    def _places(self, index: Any) -> tuple[Any, ...]:
        flat = np.arange(self._x.size)[index]
        return tuple(np.unravel_index(flat, self._x.shape))

    def __getitem__(self, index: Any) -> Any:
        found = self._x[self._places(index)] if self._line is None else self._line[index]
        return found.copy()

    def __setitem__(self, index: Any, value: Any) -> None:
        target, places = self._x, self._places(index)
        shape = np.shape(places[0])
        if self._line is not None:
            target, places = self._line, index
        if shape != ():  # NumPy repeats or cuts what it is given
            value = np.asarray(value) if type(value) in (list, tuple) else value
            given = np.shape(value.v if type(value) is Traced else value)
            if given not in ((), shape):
                value = np.resize(value, shape)
        target[places] = value

    def __len__(self) -> int:
        return self._x.size

    def __iter__(self) -> Iterator[Any]:
        return iter(self.copy())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.copy(), name)

    def copy(self) -> Any:
        """Return the elements as an array of one axis."""
        return self._x.flatten()

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, how)(*map(_copied, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(_copied, args), **{k: _copied(v) for k, v in kwargs.items()})


def _copied(x: Any) -> Any:
    """Return an argument with the elements of arrays as arrays."""
    if type(x) in (list, tuple):
        return type(x)(map(_copied, x))
    return x.copy() if type(x) is Flat else x

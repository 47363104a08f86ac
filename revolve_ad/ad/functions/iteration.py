"""Walks over the elements of an array: ``np.nditer``, ``np.ndenumerate``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from revolve_ad.ad.traced import Traced
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["Walk"]

_nditer, _ndenumerate = np.nditer, np.ndenumerate


class Walk:
    """``np.nditer`` over one traced array, an element at a time, which may be written into."""

    def __init__(self, x: Traced, flags: Any, order: Any) -> None:
        self._x = x
        # NumPy itself says in which order; it walks over a copy that lies in memory as `x` does.
        places = np.empty_like(x.v, dtype=np.int8)
        self._at = _nditer(places, flags=["multi_index", *flags], order=order)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._at, name)

    def __getitem__(self, k: int) -> Any:
        if k not in (0, -1):
            raise IndexError("a walk over one array has one operand")
        return self.value

    def __len__(self) -> int:
        return 1

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def value(self) -> Any:
        """The element here, as an array without axes that is a view."""
        return self._x[(*self._at.multi_index, Ellipsis)]

    def __iter__(self) -> Iterator[Any]:
        while not self._at.finished:
            yield self.value
            self._at.iternext()


def nditer(
    rec: Recorder, op: Any, flags: Any = (), op_flags: Any = None, *args: Any, **kw: Any
) -> Any:
    operands = list(op) if type(op) in (list, tuple) else [op]
    if not any(type(x) is Traced for x in operands):
        return _nditer(op, flags, op_flags, *args, **kw)
    order = kw.pop("order", "K")
    flags = [flag for flag in flags if flag not in ("multi_index", "refs_ok", "zerosize_ok")]
    if len(operands) > 1 or args or kw or {"external_loop", "buffered"} & {*flags}:
        raise UnsupportedOperationError(
            "np.nditer of a traced array walks over one array, an element at a time. Use NumPy's "
            "operations on whole arrays instead, or loop over np.ndindex(a.shape)"
        )
    return Walk(operands[0], [*flags, "zerosize_ok"], order)


def ndenumerate(rec: Recorder, arr: Any) -> Any:
    if type(arr) is not Traced:
        return _ndenumerate(arr)
    return ((index, arr[index]) for index in np.ndindex(arr.shape))


CREATION.update(nditer=nditer, ndenumerate=ndenumerate)

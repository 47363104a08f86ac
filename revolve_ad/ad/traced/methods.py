"""The attributes and methods of an array, of traced ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.operations import copied
from revolve_ad.ad.traced.recorder import _PYTHON_DTYPE
from revolve_ad.ad.traced.value import (
    Traced,
    attribute,
    method,
    node_and_value,
    recorder_of,
    unsupported,
)
from revolve_ad.ad.traced.views import view_of

__all__ = ["METHODS"]

# What a copy can't answer.
_OF_MEMORY = frozenset(("ctypes", "setflags", "resize", "setfield", "itemset", "base", "data"))

# What a number tells of itself as plain Python values.
_OF_NUMBERS = frozenset(("is_integer", "as_integer_ratio", "hex", "bit_count"))

METHODS: dict[str, Callable[..., Any]] = {}
"""Methods that are NumPy's function of the array, by name."""


@attribute
def T(self: Traced) -> Any:
    """The array with its axes reversed."""
    return self if self.cell is None else view_of(self, self.v.T)


@attribute
def mT(self: Traced) -> Any:
    """The array with its last two axes exchanged."""
    return view_of(self, self.v.mT)


def _flat(self: Traced) -> Any:
    """The elements in C order, to read and to write."""
    return FUNCTIONS["flat"](self)


def _set_flat(self: Traced, value: Any) -> None:
    FUNCTIONS["flat"](self)[:] = value


def _set_real(self: Traced, value: Any) -> None:
    np.real(self)[...] = value


def _set_imag(self: Traced, value: Any) -> None:
    if self.dtype.kind != "c":
        raise TypeError("array does not have imaginary part to set")
    np.imag(self)[...] = value


setattr(Traced, "flat", property(_flat, _set_flat))  # noqa: B010
# Of a complex array they are views, as in NumPy.
setattr(Traced, "real", property(np.real, _set_real))  # noqa: B010
setattr(Traced, "imag", property(np.imag, _set_imag))  # noqa: B010


@method
def copy(self: Traced, order: str = "C") -> Any:
    """Return a copy."""
    if self.cell is None:
        return self
    return copied(recorder_of((self,)), self, np.array(self.v, order=order, copy=True))  # type: ignore[call-overload]


@method
def reshape(self: Traced, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    """Return the elements in another shape; a view where NumPy gives one."""
    if len(shape) == 1:
        shape = shape[0] if not isinstance(shape[0], int) else shape
    return FUNCTIONS[np.reshape](recorder_of((self,)), self, shape, order, copy=copy)


@method
def transpose(self: Traced, *axes: Any) -> Any:
    """Return the array with its axes permuted."""
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
        return np.transpose(self, axes[0])
    return np.transpose(self, axes or None)


@method
def item(self: Traced, *index: Any) -> Any:
    """Return one element as a Python number, still traced."""
    if len(index) == 1 and not isinstance(index[0], tuple):
        return _python_number(reshape(self, -1)[index[0]])
    if index:
        return _python_number(self[index if len(index) > 1 else index[0]])
    if self.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return _python_number(reshape(self, -1)[0] if self.ndim else self)


@method
def tolist(self: Traced) -> Any:
    """Return the elements as nested lists of Python numbers, still traced."""
    return [x.tolist() for x in self] if self.ndim else _python_number(self)


def _python_number(x: Traced) -> Traced:
    """Return a number as Python's, which gives way in type promotion."""
    if x.weak:
        return x
    rec = recorder_of((x,))
    node, value = node_and_value(rec, x)
    number = value.item()
    return Traced.wrap(rec, rec.cast(node, _PYTHON_DTYPE[type(number)]), number)


@method
def fill(self: Traced, value: Any) -> None:
    """Assign one value to all elements."""
    self[...] = value


@method
def view(self: Traced, *args: Any) -> Any:
    """Return a view of the same memory."""
    if not args or (args[0] is np.ndarray):
        return view_of(self, self.v.view())
    raise unsupported("ndarray.view with another dtype")


def _other(self: Traced, name: str) -> Any:
    """Return a method that is a function of NumPy's, or say that there is none."""
    function = METHODS.get(name)
    if function is None:
        if name in _OF_NUMBERS and self.cell is None:
            return getattr(self._concrete(f"{name}() of a traced number"), name)
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        if name not in _OF_MEMORY and not self.varies():
            constant = np.array(self.v)
            constant.flags.writeable = False
            return getattr(constant, name)
        raise unsupported(f"ndarray.{name}")

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return call


setattr(Traced, "__getattr__", _other)  # noqa: B010  # a function of this name is the module's

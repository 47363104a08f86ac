"""What a function reads besides its arguments, and whether all of it is as it was.

A function that reads only numbers, arrays, stateless functions, and functions of the same kind,
gives the same for the same arguments as long as each of its names refers to the same object, and
each array holds the same bits.  That is looked up in microseconds, where a call to find out takes
a hundred.

Whatever isn't known to be harmless counts as unknown: an instruction (see `reads`), an attribute,
an object with a state, a function that isn't listed in `stateless`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, Final, final

import numpy as np

from revolve_ad.ad.recording.reads import reads_of
from revolve_ad.ad.recording.stateless import ATTRIBUTES, UFUNC_METHODS, is_stateless
from revolve_ad.ad.traced.interception import original_of, stands_for
from revolve_ad.trees import Structure

__all__ = ["IMMUTABLE", "Sight", "has_plain_containers", "sight_of"]

IMMUTABLE: dict[type, Callable[[Any], tuple[Any, ...] | None]] = {}
"""For classes whose objects never change: ``object -> functions that it calls``.

None as the answer says that the object does more than to call them.
"""

_MOST_BYTES: Final = 1 << 16
"""So many bytes of arrays are compared in less time than a function that reads them takes."""

_ndarray: Final = np.ndarray
_NOTHING: Final = object()

_NUMBERS: Final = frozenset(
    {bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range}
    | {np.bool_, np.float64, np.float32, np.complex128, np.complex64}
    | {np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8}
)


class _UnknownError(Exception):
    """Something may change that can't be looked up."""


@final
class Sight:
    """What one function read besides its arguments when it was looked at; made by `sight_of`."""

    __slots__ = ("_arrays", "_attributes", "_cells", "_containers", "_functions", "_names", "_weak")

    def __init__(self, looking: _Looking) -> None:
        self._names = tuple(looking.names)
        self._cells = tuple(looking.cells)
        self._attributes = tuple(looking.attributes)
        self._functions = tuple(looking.functions)
        self._arrays = tuple(looking.arrays)
        self._containers = tuple(looking.containers)
        self._weak = tuple(looking.weak)

    def unchanged(self) -> bool:
        """Tell whether each name refers to what it referred to, and each array holds its bits."""
        for namespace, name, value in self._names:
            found = namespace.get(name, _NOTHING)
            if found is not value and not stands_for(found, value):
                return False
        for cell, value in self._cells:
            if _content(cell) is not value:
                return False
        for get, reference in self._weak:
            found = reference()
            if found is None or get() is not found:
                return False
        for x, name, value in self._attributes:
            if _attribute(x, name) is not value:
                return False
        for f, code, defaults, keywords in self._functions:
            if f.__code__ is not code or f.__defaults__ is not defaults:
                return False
            if f.__kwdefaults__ is not keywords or f.__dict__:
                return False
        for container, items in self._containers:
            now = _items(container)
            if len(now) != len(items) or any(a is not b for a, b in zip(now, items, strict=True)):
                return False
        for array, form, content in self._arrays:
            if _form(array) != form or array.tobytes() != content:
                return False
        return True


def sight_of(*functions: Any) -> Sight | None:
    """Look at all that functions read besides their arguments; None if it isn't all known.

    Whoever calls the functions afterwards knows that they give the same for the same arguments
    (arrays, numbers, tuples, lists and dicts of them) as long as `Sight.unchanged`.
    """
    looking = _Looking()
    try:
        for function in functions:
            looking.value(function)
        if looking.writes and looking.containers:
            return None  # a function could leave there what it reads the next time
    except (_UnknownError, RecursionError):
        return None
    return Sight(looking)


def has_plain_containers(structure: Structure) -> bool:
    """Tell whether a structured value has no object of a user's class, whose methods may run."""
    return structure.container is None or (
        structure.type in (tuple, list, dict, type(None))
        and all(map(has_plain_containers, structure.children))
    )


class _Looking:
    """One look at what functions read: all that has been found so far."""

    def __init__(self) -> None:
        self.names: list[tuple[dict[str, Any], str, Any]] = []
        self.cells: list[tuple[CellType, Any]] = []
        self.attributes: list[tuple[Any, str, Any]] = []
        self.functions: list[tuple[FunctionType, CodeType, Any, Any]] = []
        self.arrays: list[tuple[np.ndarray, tuple[Any, ...], bytes]] = []
        self.containers: list[tuple[Any, tuple[Any, ...]]] = []
        self.weak: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        self.writes = False
        self._bytes = 0
        self._seen: dict[int, Any] = {}

    def value(self, x: Any) -> None:
        """Look at a value that a function reads."""
        cls = type(x)
        if cls in _NUMBERS or isinstance(x, np.dtype):
            return
        if id(x) in self._seen or is_stateless(x):
            return
        self._seen[id(x)] = x
        if cls is _ndarray:
            self._array(x)
        elif cls is FunctionType:
            self._function(x)
        elif cls is tuple:
            for item in x:
                self.value(item)
        elif cls is list or cls is dict:
            items = _items(x)
            self.containers.append((x, items))
            for item in items:
                self.value(item)
        elif cls in IMMUTABLE:
            calls = IMMUTABLE[cls](x)
            if calls is None:
                raise _UnknownError
            for function in calls:
                self.value(function)
        else:
            raise _UnknownError

    def _array(self, x: np.ndarray) -> None:
        self._bytes += x.nbytes
        if x.dtype.kind not in "biufc" or self._bytes > _MOST_BYTES:
            raise _UnknownError
        self.arrays.append((x, _form(x), x.tobytes()))

    def _function(self, f: FunctionType) -> None:
        reads = reads_of(f.__code__)
        if reads is None or f.__dict__ or type(f.__globals__) is not dict:
            raise _UnknownError
        self.writes = self.writes or reads.writes
        self.functions.append((f, f.__code__, f.__defaults__, f.__kwdefaults__))
        self.value(f.__defaults__)
        self.value(f.__kwdefaults__)
        cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        for chain in reads.chains:
            if chain.is_cell:
                cell = cells[chain.name]
                found = _content(cell)
                if type(found) in IMMUTABLE:
                    self.weak.append((_getter(cell), weakref.ref(found)))
                else:
                    self.cells.append((cell, found))
            else:
                found = self._global(f, chain.name)
            self._chain(found, chain.attributes)

    def _global(self, f: FunctionType, name: str) -> Any:
        namespace = f.__globals__
        if name not in namespace:
            self.names.append((namespace, name, _NOTHING))
            namespace = f.__builtins__  # type: ignore[attr-defined,unused-ignore]
            if type(namespace) is not dict:
                raise _UnknownError
        return self._name(namespace, name)

    def _name(self, namespace: dict[str, Any], name: str) -> Any:
        found = original_of(namespace.get(name, _NOTHING))
        if found is _NOTHING:
            raise _UnknownError
        if type(found) in IMMUTABLE:
            self.weak.append((_getter_of(namespace, name), weakref.ref(found)))
        else:
            self.names.append((namespace, name, found))
        return found

    def _chain(self, x: Any, attributes: tuple[str, ...]) -> None:
        """Look at a value by the attributes that are taken of it."""
        for position, name in enumerate(attributes):
            if type(x) is ModuleType:
                x = self._name(vars(x), name)
                continue
            if type(x) is np.ufunc and is_stateless(x) and name in UFUNC_METHODS:
                return
            if _is_data(x):
                if any(a not in ATTRIBUTES for a in attributes[position:]):
                    raise _UnknownError
                break
            found = _attribute(x, name)
            if found is _NOTHING:
                raise _UnknownError
            self.attributes.append((x, name, found))
            x = found
        self.value(x)


def _is_data(x: Any) -> bool:
    return type(x) in _NUMBERS or type(x) in (_ndarray, tuple, list, dict) or type(x) in IMMUTABLE


def _form(x: np.ndarray) -> tuple[Any, ...]:
    return x.shape, x.strides, x.dtype


def _items(container: Any) -> tuple[Any, ...]:
    if type(container) is dict:
        return (*container.keys(), *container.values())
    return tuple(container)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet bound
        return _NOTHING


def _getter(cell: CellType) -> Callable[[], Any]:
    return lambda: _content(cell)


def _getter_of(namespace: dict[str, Any], name: str) -> Callable[[], Any]:
    return lambda: namespace.get(name)


def _attribute(x: Any, name: str) -> Any:
    """Return an attribute that lies in the object itself; `_NOTHING` if a function would run."""
    cls = type(x)
    if isinstance(x, type | ModuleType | FunctionType) or cls.__getattribute__ not in _PLAIN:
        return _NOTHING
    for one in cls.__mro__:
        if name in one.__dict__:
            if type(one.__dict__[name]) is MemberDescriptorType:
                return getattr(x, name, _NOTHING)
            return _NOTHING  # a property, a method, or a default that may be hidden
    own = getattr(x, "__dict__", None)
    return own.get(name, _NOTHING) if type(own) is dict else _NOTHING


_PLAIN: Final[tuple[Any, ...]] = (object.__getattribute__, SimpleNamespace.__getattribute__)

"""Arrays that a recorded function reaches without being given them: scratch buffers in globals.

``np.multiply(a, b, out=buffer)`` with a plain `buffer` from outside can't be recorded, since
plain memory doesn't tell who reads it.  Such a function is recorded once more as a copy of
itself, in which the captured arrays are arrays of the recording, and NumPy's functions those of
`lists`.  The functions that it calls are copied too, with their globals; nothing that another
thread could see is changed.

A captured array that a step reads *before* it overwrites it would carry hidden state from step to
step.  `hidden_state` finds it, element by element.
"""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from revolve_ad.ad.core import GATHER, SCATTER
from revolve_ad.ad.recording.lists import stand_ins
from revolve_ad.ad.tape import Tape
from revolve_ad.ad.traced import Traced, view_of
from revolve_ad.ad.traced.interception import CREATION, numpy_stand_in, stand_in_of

__all__ = ["STAND_INS", "Rebound", "hidden_state"]

STAND_INS: dict[str, Callable[[Any], Any]] = {}
"""What stands for captured objects of compiled classes, by the class's name; None leaves one."""

_ndarray = np.ndarray
_TRUSTED = ("numpy", "scipy", "revolve_ad")
_PYTHONS = (FunctionType, MethodType, functools.partial, type)
"""What can be called, of Python's own classes."""


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _holds_arrays(x: Any) -> bool:
    """Tell whether a value is an object of a user's class with arrays among its attributes."""
    cls = type(x)
    if cls is Traced or isinstance(x, type | ModuleType | FunctionType | MethodType):
        return False
    attributes = getattr(x, "__dict__", None)
    return (
        type(attributes) is dict
        and _is_users(cls)
        and (_contains_arrays(attributes) or any(map(_stands, attributes.values())))
    )


def _stands(x: Any) -> bool:
    return _stand_in(x) is not None


def _contains_arrays(x: Any, depth: int = 4) -> bool:
    """Tell whether a dict, a list or a tuple has arrays in it, itself or a few levels below."""
    parts = x.values() if type(x) is dict else x
    return any(
        type(v) is _ndarray
        or (depth > 0 and type(v) in (dict, list, tuple) and _contains_arrays(v, depth - 1))
        for v in parts
    )


def _stand_in(x: Any) -> Any:
    """Return what stands for an object of a compiled class; None if nothing does."""
    made = STAND_INS.get(type(x).__name__)
    return None if made is None else made(x)


def _is_numpy(x: Any) -> bool:
    """Tell whether a value is NumPy, or what stands for it while a recording is open."""
    return isinstance(x, ModuleType) and x.__name__ == "numpy"


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet bound
        return _UNBOUND


_UNBOUND = object()


def _is_users(x: FunctionType | ModuleType | type) -> bool:
    """Tell whether a function, class or module is the user's own, not NumPy's or Python's."""
    name = x.__name__ if isinstance(x, ModuleType) else x.__module__
    package = (name or "").partition(".")[0]
    return package not in _TRUSTED and (
        package == "__main__" or package not in sys.stdlib_module_names
    )


class Rebound:
    """Copies of functions in which captured arrays are those of a recording.

    Attributes
    ----------
    firsts : list of (int, Cell)
        For each captured array the node that is its content at the start, and its memory.
    """

    def __init__(self) -> None:
        self.firsts: list[tuple[int, Any]] = []
        self._arrays: dict[int, tuple[np.ndarray, Any]] = {}
        self._functions: dict[int, FunctionType] = {}
        self._objects: dict[int, tuple[Any, Any]] = {}
        self._globals: dict[int, dict[str, Any]] = {}

    def copy(self, f: Callable[..., Any], recorder: Any) -> Callable[..., Any]:
        """Return the copy of a function for a recording."""

        def ndarray(shape: Any, dtype: Any = float, **kwargs: Any) -> Any:
            return CREATION["zeros"](recorder, shape, dtype)

        self._recorder = recorder
        self._stand_in = _array_class(ndarray)
        by_name, self._numpys = stand_ins()
        self._numpy = numpy_stand_in(**by_name, ndarray=self._stand_in)
        if not isinstance(f, _PYTHONS) and _is_users(type(f)):
            f = type(f).__call__.__get__(f)  # of an object that may hold arrays
        return self.function(f)  # type: ignore[no-any-return]

    def function(self, f: Any) -> Any:
        """Return the copy of a callable."""
        if isinstance(f, functools.partial):
            args = [self.value(a) for a in f.args]
            return functools.partial(self.function(f.func), *args, **f.keywords)
        if isinstance(f, MethodType):
            return MethodType(self.function(f.__func__), self.value(f.__self__))
        if not isinstance(f, FunctionType) or not _is_users(f):
            return f
        known = self._functions.get(id(f))
        if known is not None:
            return known
        namespace = self._globals.get(id(f.__globals__))
        if namespace is None:
            namespace = self._globals[id(f.__globals__)] = dict(f.__globals__)
            # An ``import numpy`` inside of the function gets the stand-in too.
            namespace["__builtins__"] = {**vars(builtins), "__import__": self._import}
        cells = tuple(CellType() for _ in f.__closure__ or ())
        copy = FunctionType(f.__code__, namespace, f.__name__, f.__defaults__, cells or None)
        self._functions[id(f)] = copy
        # Buffers stand in defaults too: ``def step(u, p, k, work=np.empty(n))``.
        if f.__defaults__ is not None:
            copy.__defaults__ = tuple([self.value(v) for v in f.__defaults__])
        if f.__kwdefaults__ is not None:
            copy.__kwdefaults__ = {name: self.value(v) for name, v in f.__kwdefaults__.items()}
        for name in _names(f.__code__):
            if name in f.__globals__:
                namespace[name] = self.value(f.__globals__[name])
        for cell, original in zip(cells, f.__closure__ or (), strict=True):
            content = _content(original)
            if content is not _UNBOUND:
                cell.cell_contents = self.value(content)
        return copy

    def _import(self, name: str, *args: Any, **kwargs: Any) -> Any:
        found = builtins.__import__(name, *args, **kwargs)
        return self._numpy if _is_numpy(found) else found

    def value(self, x: Any) -> Any:
        """Return what a captured value becomes."""
        if type(x) is _ndarray:
            return self.array(x)
        if _is_numpy(x):
            return self._numpy
        if x is _ndarray:
            return self._stand_in
        instead = self._numpys.get(id(x)) or stand_in_of(x)
        if instead is None:
            instead = _stand_in(x)
        if instead is not None:
            return instead
        if isinstance(x, ModuleType) and _is_users(x):
            return _Module(x, self.value)
        if _holds_arrays(x):
            return self._object(x)
        if type(x) in (dict, list, tuple) and _contains_arrays(x):
            return self._container(x)
        return self.function(x)

    def _container(self, x: Any) -> Any:
        """Return a copy of a dict, a list or a tuple, whose arrays are those of the recording."""
        known = self._objects.get(id(x))
        if known is None:
            if type(x) is dict:
                copy: Any = {key: self.value(v) for key, v in x.items()}
            else:
                copy = type(x)([self.value(v) for v in x])
            known = self._objects[id(x)] = (x, copy)
        return known[1]

    def _object(self, x: Any) -> Any:
        """Return a copy of an object of a user's class, whose arrays are those of the recording."""
        known = self._objects.get(id(x))
        if known is None:
            copy = object.__new__(type(x))
            known = self._objects[id(x)] = (x, copy)
            copy.__dict__.update({name: self.value(v) for name, v in vars(x).items()})
        return known[1]

    def array(self, x: np.ndarray) -> Any:
        """Return the traced form of a captured array; of a view, that view of its base."""
        if x.dtype.kind not in "biufc":
            return x
        known = self._arrays.get(id(x))
        if known is not None:
            return known[1]
        base = x.base
        if isinstance(base, _ndarray):
            if base.dtype != x.dtype or not base.flags.c_contiguous:
                return x
            whole = self.array(base)
            offset = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
            traced = view_of(whole, _ndarray(x.shape, x.dtype, whole.v, offset, x.strides))
        else:
            recorder = self._recorder
            copy = np.array(x, order="C", copy=True)
            # A node of its own for each array: equal content doesn't make them one.
            node = recorder.frozen(copy)
            traced = Traced.wrap(recorder, node, copy)
            self.firsts.append((node, traced.cell))
        self._arrays[id(x)] = (x, traced)
        return traced


class _Module(ModuleType):
    """A module of the user's whose functions are the copies."""

    def __init__(self, original: ModuleType, value: Callable[[Any], Any]) -> None:
        super().__init__(original.__name__)
        self._original, self._value = original, value

    def __getattr__(self, name: str) -> Any:
        return self._value(getattr(self._original, name))


def _array_class(creation: Callable[..., Any]) -> Any:
    """Return what stands for the class `ndarray`: it can be called, and asked for instances."""

    class Meta(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return creation(*args, **kwargs)

        def __instancecheck__(cls, x: Any) -> bool:
            return isinstance(x, _ndarray)

        def __subclasscheck__(cls, c: type) -> bool:
            return issubclass(c, _ndarray)

        def __getattr__(cls, name: str) -> Any:
            return getattr(_ndarray, name)

        def __eq__(cls, other: object) -> bool:
            return other is _ndarray or other is cls

        def __hash__(cls) -> int:
            return hash(_ndarray)

    return Meta("ndarray", (), {})


def _writes(tape: Tape, first: int, last: int) -> set[int]:
    """Return the writes into the array itself; others, into copies of it, start at it too."""
    found: set[int] = set()
    while last != first and tape.nodes[last].op is SCATTER:
        found.add(last)
        last = tape.nodes[last].args[0]
    return found


def hidden_state(tape: Tape, first: int, last: int) -> bool:
    """Tell whether elements of a captured array are read before they are overwritten.

    Parameters
    ----------
    tape : Tape
        What was recorded.
    first : int
        The node that is the array's content at the start.
    last : int
        The node that is its content at the end.
    """
    if last == first:
        return False
    writes = _writes(tape, first, last)
    shape = tape.nodes[first].shape
    size = int(np.prod(shape))
    old = {first: np.ones(size, bool)}  # per version: which elements are still the first ones
    read = np.zeros(size, bool)
    written = np.zeros(size, bool)
    for i, node in enumerate(tape.nodes):
        if node.op is SCATTER and node.args[0] in old:
            box = node.params[0].flat_indices().ravel()
            old[i] = old[node.args[0]].copy()
            old[i][box] = False
            if i in writes:
                written[box] = True
        for number, a in enumerate(node.args):
            if a not in old or (node.op is SCATTER and number == 0):
                continue
            if node.op is GATHER:
                seen = np.zeros(size, bool)
                seen[node.params[0].flat_indices().ravel()] = True
                read |= old[a] & seen
            else:
                read |= old[a]
    for i in tape.outputs:
        if i in old:
            read |= old[i]
    if last not in old:  # all of it was replaced at once
        written[:] = True
    return bool((read & written).any())

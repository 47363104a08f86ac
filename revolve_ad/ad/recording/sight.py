"""What a function reads besides its arguments, and whether all of it is as it was.

A function that reads only numbers, arrays, stateless functions, and functions of the same kind,
gives the same for the same arguments as long as each of its names refers to the same object, and
each array holds the same bits.  That is looked up in microseconds, where a call to find out takes
a hundred.

All of it is read from the bytecode, and whatever isn't known to be harmless counts as unknown: an
instruction, an attribute, an object with a state, a function that isn't listed in `stateless`.
"""

from __future__ import annotations

import dis
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

# Instructions that touch nothing but the function's own variables and the values at hand.
_HARMLESS: Final = (
    "CACHE NOP RESUME EXTENDED_ARG PRECALL PUSH_NULL KW_NAMES COPY_FREE_VARS MAKE_CELL "
    "POP_TOP COPY SWAP TO_BOOL END_FOR LOAD_CONST RETURN_VALUE RETURN_CONST LOAD_FAST "
    "STORE_FAST DELETE_FAST LOAD_FAST_CHECK LOAD_FAST_AND_CLEAR LOAD_FAST_LOAD_FAST "
    "STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST LOAD_CLOSURE MAKE_FUNCTION "
    "SET_FUNCTION_ATTRIBUTE UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE "
    "BINARY_SUBSCR BINARY_SLICE COMPARE_OP CONTAINS_OP IS_OP BUILD_CONST_KEY_MAP BUILD_LIST "
    "BUILD_MAP BUILD_SLICE BUILD_TUPLE LIST_APPEND LIST_EXTEND LIST_TO_TUPLE MAP_ADD "
    "DICT_MERGE DICT_UPDATE UNPACK_SEQUENCE UNPACK_EX GET_ITER FOR_ITER CALL CALL_KW "
    "CALL_FUNCTION_EX JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT "
    "JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP POP_JUMP_IF_FALSE POP_JUMP_IF_TRUE "
    "POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_TRUE "
    "POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_FALSE "
    "POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE "
    "LOAD_ASSERTION_ERROR RAISE_VARARGS RERAISE RETURN_GENERATOR YIELD_VALUE"
)
_HARMLESS_NAMES: Final = frozenset(_HARMLESS.split())
_ATTRIBUTE: Final = ("LOAD_ATTR", "LOAD_METHOD")
_ITEM_WRITES: Final = ("STORE_SUBSCR", "STORE_SLICE", "DELETE_SUBSCR")
_INTRINSICS: Final = (3, 5, 6)  # StopIteration in generators, unary plus, list to tuple


class _UnknownError(Exception):
    """Something may change that can't be looked up."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """A name that isn't the function's own, and the attributes that are taken of it at once."""

    name: str
    is_cell: bool
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Code:
    """What stands in the code of a function: the names that it reads, and if it writes items."""

    chains: tuple[_Chain, ...]
    writes: bool


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
        code = _code(f.__code__)
        if code is None or f.__dict__ or type(f.__globals__) is not dict:
            raise _UnknownError
        self.writes = self.writes or code.writes
        self.functions.append((f, f.__code__, f.__defaults__, f.__kwdefaults__))
        self.value(f.__defaults__)
        self.value(f.__kwdefaults__)
        cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        for chain in code.chains:
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
            namespace = f.__builtins__  # type: ignore[attr-defined]
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


# -- reading the code ---------------------------------------------------------------------------

_codes: weakref.WeakKeyDictionary[CodeType, _Code | None] = weakref.WeakKeyDictionary()


def _code(code: CodeType) -> _Code | None:
    """Return what stands in a code; None if there is an instruction that may do anything."""
    if code not in _codes:
        try:
            chains: dict[_Chain, None] = {}
            writes = _read(code, frozenset(code.co_freevars), chains)
            _codes[code] = _Code(tuple(chains), writes)
        except _UnknownError:
            _codes[code] = None
    return _codes[code]


def _read(code: CodeType, free: frozenset[str], chains: dict[_Chain, None]) -> bool:
    """Collect the names that a code reads, and the functions defined in it; tell if it writes.

    Parameters
    ----------
    code : CodeType
        Of the function, or of one in it.
    free : frozenset of str
        The variables that belong to functions around the one that is looked at.
    chains : dict
        Is filled, in order.
    """
    writes = False
    instructions = list(dis.get_instructions(code))
    skip = 0
    for i, one in enumerate(instructions):
        if i < skip:
            continue
        op, name = one.opname, one.argval
        if op == "LOAD_GLOBAL" or (op == "LOAD_DEREF" and name in free):
            attributes = tuple(_attributes(instructions, i + 1))
            skip = i + 1 + len(attributes)
            chains[_Chain(name, op == "LOAD_DEREF", attributes)] = None
        elif op in _ATTRIBUTE:
            if name not in ATTRIBUTES:
                raise _UnknownError
        elif op == "BINARY_OP":
            # In place, on an array of the function's own or on a list that it was given.
            writes = writes or one.argrepr.endswith("=")
        elif op in _ITEM_WRITES:
            writes = True
        elif op == "CALL_INTRINSIC_1":
            if one.arg not in _INTRINSICS:
                raise _UnknownError
        elif op in ("LOAD_DEREF", "STORE_DEREF", "DELETE_DEREF"):
            if name in free:  # a variable of a function around it is bound anew
                raise _UnknownError
        elif op not in _HARMLESS_NAMES:
            raise _UnknownError
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            # What is a variable of this function's own is one of its calls.
            writes |= _read(constant, free.intersection(constant.co_freevars), chains)
    return writes


def _attributes(instructions: list[dis.Instruction], start: int) -> Iterator[str]:
    """Yield the attributes that are taken one after the other from a position on."""
    for one in instructions[start:]:
        # Where a jump leads to, another value may be at hand.
        if one.opname not in _ATTRIBUTE or one.is_jump_target:
            return
        yield one.argval

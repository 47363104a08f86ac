"""Machine code from an object file: linked into this process, and called with arrays.

Numba isn't needed for that, whose import takes longer than a short gradient: its linker alone is,
which comes with it (llvmlite).  Each object file is linked by itself, so that functions of the same
name in two of them stay apart.
"""

from __future__ import annotations

import ctypes
import pickle
import struct
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.errors import DtypeError

__all__ = ["Argument", "Code", "called", "layout_is_known", "undefined_symbols"]

HEAD = object.__basicsize__
"""Bytes of a Python object before its own fields."""

ITEMS = tuple.__basicsize__
"""Bytes before the items of a tuple."""


class Argument(NamedTuple):
    """Type of a parameter of an entry: an array in C order, or with `ndim` None a number."""

    dtype: np.dtype[Any]
    ndim: int | None


class Code(NamedTuple):
    """Machine code of a function.

    Attributes
    ----------
    machine : bytes
        An object file.
    entry : str
        The name of the function that takes its arguments from a tuple of Python.
    needs : tuple of str or None
        What the object file calls that lies elsewhere; None if that isn't known.
    results : int
        How many numbers the function returns, one by itself, more as a tuple.
    """

    machine: bytes
    entry: str
    needs: tuple[str, ...] | None
    results: int


def layout_is_known() -> bool:
    """Whether arrays and tuples of this Python lie in memory as entries read them."""
    array = np.empty((2, 3))
    items = (None, array)
    if sys.implementation.name != "cpython":
        return False
    address = ctypes.c_void_p.from_address
    at = id(array) + HEAD
    return (
        address(id(items) + ITEMS + ctypes.sizeof(ctypes.c_void_p)).value == id(array)
        and address(at - ctypes.sizeof(ctypes.c_void_p)).value == id(np.ndarray)
        and address(at).value == array.ctypes.data
    )


class _Raised(ctypes.Structure):
    """How compiled code describes an exception: see ``CPUCallConv`` in Numba."""

    _fields_ = (("pickled", ctypes.c_void_p), ("size", ctypes.c_int32))


def called(code: Code, arguments: Sequence[Argument]) -> Callable[..., Any] | None:
    """Return a function of Python that calls machine code.

    Parameters
    ----------
    code : Code
        The machine code.
    arguments : sequence of Argument
        Its parameters.

    Returns
    -------
    callable or None
        None if this process lacks something that the code calls.  The function releases the GIL;
        several threads may call it.
    """
    address, engine = _linked(code)
    if not address:
        return None
    numbers = [i for i, a in enumerate(arguments) if a.ndim is None]
    room = ctypes.c_int64 * (code.results + 1)
    word = ctypes.c_void_p
    types: list[Any] = [ctypes.py_object, word, room, *[ctypes.c_int64] * len(numbers)]
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address)
    array = id(np.ndarray)
    first, last = (numbers[0], numbers[-1] + 1) if numbers else (0, 0)
    together = last - first == len(numbers)
    n_results = code.results

    def call(*args: Any) -> Any:
        out = room()
        given = args[first:last] if together else [args[i] for i in numbers]
        status = entry(args, array, out, *map(int, given))
        if status:
            if status > 0 and any(_is_derived(a) for a in args):
                return call(*(a.view(np.ndarray) if _is_derived(a) else a for a in args))
            raise _error(status, out[0], args, arguments)
        if n_results == 0:
            return None
        return out[1] if n_results == 1 else tuple(out[1:])

    call.engine = engine  # type: ignore[attr-defined]  # the code lives as long as it
    return call


def _is_derived(value: Any) -> bool:
    return isinstance(value, np.ndarray) and type(value) is not np.ndarray


def _error(
    status: int, raised: int, args: tuple[Any, ...], arguments: Sequence[Argument]
) -> Exception:
    """Return what a call is to raise: what the code raised, or a mistake of ours."""
    if status < 0:
        found = _Raised.from_address(raised)
        kind, values, *_ = pickle.loads(ctypes.string_at(found.pickled, found.size))
        error: Exception = kind(*(values or ()))
        return error
    value = args[status - 1]
    given = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
    wanted = arguments[status - 1]
    return DtypeError(
        f"Argument {status - 1} of compiled code is {given}; it must be an array of {wanted.dtype} "
        f"with {wanted.ndim} axes in C order that may be written."
    )


@lru_cache(maxsize=1)
def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())


def _linked(code: Code) -> tuple[int, Any]:
    """Return the address of an entry and what keeps it in memory; 0 if it can't be linked.

    Numba is imported only for code that calls it: that allocates memory, or uses threads.
    """
    import llvmlite.binding as llvm

    # Making an engine lets this process look up its own symbols.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target().create_target_machine())
    for bring_in in (None, _numba_functions, _numba_threads):
        if bring_in is not None:
            bring_in()
        elif code.needs is None:
            continue
        # A symbol that nobody has would end the process.
        if code.needs is not None and not all(map(llvm.address_of_symbol, code.needs)):
            continue
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.machine))
        engine.finalize_object()
        return engine.get_function_address(code.entry), engine
    return 0, None


def _numba_functions() -> None:
    """Let compiled code call what Numba brings: the allocation of arrays, and errors."""
    from numba.core.registry import cpu_target
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(cpu_target.target_context)


def _numba_threads() -> None:
    from numba.np.ufunc import parallel

    threads: Any = parallel
    threads._launch_threads()


_SYMBOL_TABLE = 2
_UNDEFINED = 0
_OF_THE_LINKER = "_GLOBAL_OFFSET_TABLE_"


def undefined_symbols(machine: bytes) -> tuple[str, ...] | None:
    """Return the names that an object file uses and doesn't define.

    Those in the symbol table of a little-endian ELF file for 64 bits: see elf(5).  None for others.
    """
    if machine[:6] != b"\x7fELF\x02\x01":
        return None
    (sections,) = struct.unpack_from("<Q", machine, 0x28)
    size, count = struct.unpack_from("<HH", machine, 0x3A)
    found: set[str] = set()
    for k in range(count):
        kind = struct.unpack_from("<I", machine, sections + k * size + 4)[0]
        if kind != _SYMBOL_TABLE:
            continue
        start, length, link = struct.unpack_from("<QQI", machine, sections + k * size + 0x18)
        (names,) = struct.unpack_from("<Q", machine, sections + link * size + 0x18)
        for at in range(start, start + length, 24):
            name, section = struct.unpack_from("<IxxH", machine, at)
            if section == _UNDEFINED and name:
                text = machine[names + name : machine.index(b"\0", names + name)].decode()
                if text != _OF_THE_LINKER:
                    found.add(text)
    return tuple(sorted(found))

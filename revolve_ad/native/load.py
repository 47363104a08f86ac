"""Turns generated source into functions: through Numba, or as plain Python for tests."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from revolve_ad.native.cache import entry_path, has_worked, read_entry, worked, write_entry
from revolve_ad.native.machine import Argument, Code, called, layout_is_known
from revolve_ad.native.source.library import needed

__all__ = ["Argument", "Module", "has_numba", "indexable", "made_for", "without_numba", "writable"]


@lru_cache(maxsize=1)
def has_numba() -> bool:
    """Whether Numba seems to be installed; it isn't imported for that."""
    from importlib.util import find_spec

    try:
        return find_spec("numba") is not None
    except (ImportError, ValueError):
        return False


@lru_cache(maxsize=1)
def without_numba() -> str | None:
    """Say why nothing can be compiled here, and the remedy; None if Numba works.

    Where it has worked before, it isn't imported to find out: code may be in the cache.
    """
    if not has_numba():
        return "Numba isn't installed (pip install revolve-ad[fast])"
    if not layout_is_known():
        return "this Python keeps arrays in memory in a way of its own"
    try:
        if "numba" not in sys.modules and has_worked(made_for()):
            return None
        import numba  # noqa: F401
    except ImportError as error:
        # Such as a Numba that is older than this NumPy.
        return (
            f"Numba can't be imported: {str(error).rstrip('.')} "
            "(pip install --upgrade revolve-ad[fast])"
        )
    return None


def indexable(array: np.ndarray) -> np.ndarray:
    """Return an array without axes as one of length one, which generated code can index."""
    return array if array.ndim else array.reshape(1)


class _Memory:
    """The memory of an array that mustn't be written, for a function that doesn't."""

    __slots__ = ("__array_interface__", "base")

    def __init__(self, array: np.ndarray) -> None:
        self.base = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def writable(array: np.ndarray) -> np.ndarray:
    """Return an array as one type of argument, whether it may be written or not."""
    if array.flags.writeable:
        return array
    return np.asarray(_Memory(array))


class Module:
    """Generated functions; each is compiled when it is asked for.

    Parameters
    ----------
    source : str
        Functions decorated with ``@kernel``, ``@kernel_apart`` or ``@kernel_sums``, in terms of
        ``np``.
    native : bool
        Compile with Numba; False runs plain Python, for tests.
    names : mapping of str to object, optional
        What functions that aren't compiled refer to.
    """

    __slots__ = ("_compiled", "_dispatchers", "_names", "_source", "_space", "native")

    def __init__(
        self, source: str, *, native: bool, names: Mapping[str, Any] | None = None
    ) -> None:
        self.native = native
        self._source = source
        self._names = dict(names or {})
        self._space: dict[str, Any] | None = None
        self._dispatchers: dict[str, Any] | None = None
        self._compiled: dict[str, Any] = {}

    @property
    def space(self) -> dict[str, Any]:
        """The functions as plain Python, but for those that have been compiled."""
        if self._space is None:
            tools: dict[str, Any] = dict.fromkeys(_DECORATORS, _unchanged)
            tools |= {"borrowed": _unchanged, "flat": np.ravel, "multiply_add": _multiply_add}
            # The last row first: no row may need another.
            self._space = self._run(tools | {"prange": _backwards})
            self._space |= self._compiled
        return self._space

    def function(self, name: str, source: str, arguments: Sequence[Argument]) -> Any:
        """Return a function, compiled for arguments of these types.

        `source` is what its machine code depends on.
        """
        if not self.native:
            return self.space[name]
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = self._machine(name, needed(source) + source, arguments)
            if self._space is not None:
                self._space[name] = found
        return found

    def _machine(self, name: str, source: str, arguments: Sequence[Argument]) -> Any:
        """Compile a function, or take its machine code from the cache."""
        types = " ".join(f"{a.dtype.str}{a.ndim}" for a in arguments)
        path = entry_path(source, name, types, made_for())
        kept = read_entry(path) if path is not None else None
        if isinstance(kept, tuple) and len(kept) == len(Code._fields):
            found = called(Code(*kept), arguments)
            if found is not None:
                return found
        from revolve_ad.native.compiling import compiled, kernel, threads_range, views

        if self._dispatchers is None:
            tools = {name: kernel(**options) for name, options in _DECORATORS.items()}
            self._dispatchers = self._run(tools | views() | {"prange": threads_range()})
        code = compiled(self._dispatchers[name], arguments)
        found = called(code, arguments)
        assert found is not None, f"{name} calls what isn't there: {code.needs}"
        if path is not None:
            write_entry(path, tuple(code), source)
            worked(made_for())
        return found

    def _run(self, tools: Mapping[str, Any]) -> dict[str, Any]:
        """Run the source, with decorators as given."""
        # Numba looks up the module of functions by name.
        space: dict[str, Any] = {"__name__": __name__, "np": np, "math": math}
        space |= {**self._names, **tools}
        exec(compile(needed(self._source) + self._source, "<generated>", "exec"), space)
        return space


_DECORATORS: dict[str, dict[str, bool]] = {
    "kernel": {},
    "kernel_apart": {"apart": True},
    "kernel_sums": {"sums": True},
    "kernel_summing": {"adds": True},
    "kernel_contracting": {"contracts": True},
    "kernel_threads": {"threads": True},
}
"""The decorators of generated functions, and what they ask for: see `compiling.kernel`."""


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _multiply_add(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def _backwards(*bounds: int) -> range:
    return range(*bounds)[::-1]


@lru_cache(maxsize=1)
def made_for() -> str:
    """Return what machine code depends on besides its source."""
    import llvmlite.binding as binding
    from llvmlite import __version__ as llvm

    features = binding.get_host_cpu_features().flatten()
    cpu = binding.get_host_cpu_name()
    return "|".join((_numba_version(), llvm, np.__version__, cpu, features))


def _numba_version() -> str:
    """Return the version of Numba, which isn't imported for that."""
    from importlib.util import find_spec

    found = find_spec("numba")
    if found is not None and found.origin is not None:
        written = Path(found.origin).with_name("_version.py")
        if written.is_file():
            return written.read_text()
    from importlib.metadata import version

    return version("numba")

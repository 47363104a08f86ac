"""Turns generated source into functions: through Numba, or as plain Python for tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.native.cache import entry_path, read_entry, write_entry
from revolve_ad.native.source.library import needed

__all__ = ["Argument", "Module", "has_numba", "indexable", "without_numba", "writable"]


class Argument(NamedTuple):
    """Type of a parameter of an entry: an array in C order, or with `ndim` None a number."""

    dtype: np.dtype[Any]
    ndim: int | None


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
    """Say why nothing can be compiled here, and the remedy; None if Numba works."""
    if not has_numba():
        return "Numba isn't installed (pip install revolve-ad[fast])"
    try:
        import numba  # noqa: F401
    except ImportError as error:
        # Such as a Numba that is older than this NumPy.
        return (
            f"Numba can't be imported: {str(error).rstrip('.')} "
            "(pip install --upgrade revolve-ad[fast])"
        )
    return None


_CALLED_BY_GENERATED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options for functions that aren't called from Python: what would unpack their arguments takes a
sixth of the time of compiling."""


@lru_cache(maxsize=3)
def kernel(*, apart: bool = False, sums: bool = False) -> Callable[[Any], Any]:
    """Return the decorator that compiles a generated function.

    `apart`: LLVM is told that the arrays don't overlap.  It then keeps values in registers across
    statements.
    `sums`: it may add in any order, so that sums become vector code; for adjoints.

    Other generated functions can call it; for Python see `Module.function`.
    """
    import numba
    from numba.core.compiler import CompilerBase, DefaultPassBuilder

    class WithoutAliases(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            builder: Any = DefaultPassBuilder
            return [builder.define_nopython_pipeline(self.state)]

    options: dict[str, Any] = dict(_CALLED_BY_GENERATED)
    if apart:
        options["pipeline_class"] = WithoutAliases
    if sums:
        options["fastmath"] = {"reassoc", "nsz", "contract"}
    found: Callable[[Any], Any] = numba.njit(error_model="numpy", nogil=True, **options)
    return found


@lru_cache(maxsize=1)
def summing_kernel() -> Callable[[Any], Any]:
    """Return the decorator for functions whose sums LLVM may add in another order."""
    import numba

    found: Callable[[Any], Any] = numba.njit(error_model="numpy", nogil=True, fastmath={"reassoc"})
    return found


@lru_cache(maxsize=1)
def borrowing() -> Any:
    """Return the function that names an array without counting a reference to it.

    Numba counts references to arrays by atomic operations whenever a name moves from one to another
    or a row is taken.  In a loop whose steps take a tenth of a microsecond, they are most of it.
    What is named so must be held elsewhere: by the caller.
    """
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def borrowed(typing: Any, array: Any) -> Any:
        def build(context: Any, builder: Any, made: Any, arguments: Any) -> Any:
            found = context.make_array(array)(context, builder, arguments[0])
            counter: Any = types.MemInfoPointer
            found.meminfo = context.get_constant_null(counter(types.voidptr))
            found.parent = context.get_constant_null(types.pyobject)
            return found._getvalue()

        return array(array), build

    return borrowed


@lru_cache(maxsize=1)
def threads_kernel() -> Callable[[Any], Any]:
    """Return the decorator for functions with loops over rows by threads."""
    import numba

    found: Callable[[Any], Any] = numba.njit(error_model="numpy", nogil=True, parallel=True)
    return found


def signature(arguments: Sequence[Argument]) -> Any:
    """Return the Numba types of the parameters of an entry."""
    from numba.core import types
    from numba.np.numpy_support import from_dtype

    return tuple(
        from_dtype(a.dtype)
        if a.ndim is None
        else types.Array(from_dtype(a.dtype), max(a.ndim, 1), "C")
        for a in arguments
    )


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

    __slots__ = ("native", "space")

    def __init__(
        self, source: str, *, native: bool, names: Mapping[str, Any] | None = None
    ) -> None:
        self.native = native
        # Numba looks up the module of cached functions by name.
        self.space: dict[str, Any] = {"__name__": __name__, "np": np, "math": math}
        self.space |= names or {}
        self.space["kernel"] = kernel() if native else _unchanged
        self.space["kernel_apart"] = kernel(apart=True) if native else _unchanged
        self.space["kernel_sums"] = kernel(sums=True) if native else _unchanged
        self.space["kernel_summing"] = summing_kernel() if native else _unchanged
        self.space["borrowed"] = borrowing() if native else _unchanged
        if "@kernel_threads" in source:
            # In plain Python the last row first: no row may need another.
            self.space["prange"] = _numba_range() if native else _backwards
            self.space["kernel_threads"] = threads_kernel() if native else _unchanged
        exec(compile(needed(source) + source, "<generated>", "exec"), self.space)

    def function(self, name: str, source: str, arguments: Sequence[Argument]) -> Any:
        """Return a function, compiled for arguments of these types.

        `source` is what its machine code depends on.
        """
        found = self.space[name]
        if self.native and not found.overloads:
            found.targetoptions["no_cpython_wrapper"] = False
            _compile(found, needed(source) + source, name, signature(arguments))
            # Arguments of other types are a mistake of ours, not a reason to compile.
            found.disable_compile()
        return found


def _unchanged(function: Any) -> Any:
    return function


def _backwards(n: int) -> range:
    return range(n - 1, -1, -1)


def _numba_range() -> Any:
    import numba

    return numba.prange


def _made_for() -> str:
    """Return what machine code depends on besides its source."""
    import llvmlite.binding as binding  # type: ignore[import-untyped]
    import numba
    from llvmlite import __version__ as llvm

    features = binding.get_host_cpu_features().flatten()
    return "|".join((numba.__version__, llvm, binding.get_host_cpu_name(), features))


def _compile(dispatcher: Any, source: str, name: str, types: Any) -> None:
    """Compile a function, or take its machine code from the cache."""
    from numba.core import serialize

    dumps: Any = serialize.dumps
    path = entry_path(source, name, repr(types), _made_for())
    kept = read_entry(path) if path is not None else None
    if kept is not None and _restored(dispatcher, kept):
        return
    dispatcher.compile(types)
    if path is not None:
        (result,) = dispatcher.overloads.values()
        try:
            payload = dumps(result._reduce())
        except Exception:
            # Code that can't be kept is compiled in each process.
            return
        write_entry(path, payload, source)


def _restored(dispatcher: Any, kept: Any) -> bool:
    """Give a function the machine code of an earlier process; whether that worked."""
    from numba.core import compiler
    from numba.core.runtime.nrt import rtsys

    made: Any = compiler.CompileResult

    try:
        context = dispatcher.targetctx
        # Of what compiling needs, which takes half a second to load, code that is compiled needs
        # the allocation of memory alone: it calls the mathematical library, and itself.
        rtsys.initialize(context)
        result = made._rebuild(context, *kept)
        context.insert_user_function(result.entry_point, result.fndesc, [result.library])
        dispatcher.add_overload(result)
    except Exception:
        return False
    return True

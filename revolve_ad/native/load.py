"""Turns generated source into functions: through Numba, or as plain Python for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Argument", "has_numba", "indexable", "interpreted", "loaded"]


class Argument(NamedTuple):
    """Type of a parameter of an entry: an array in C order, or with `ndim` None a number."""

    dtype: np.dtype[Any]
    ndim: int | None
    writable: bool = False


@lru_cache(maxsize=1)
def has_numba() -> bool:
    """Whether Numba can be imported."""
    from importlib.util import find_spec

    return find_spec("numba") is not None


@lru_cache(maxsize=2)
def kernel(*, apart: bool) -> Callable[[Any], Any]:
    """Return the decorator that compiles a generated function.

    `apart`: LLVM is told that the arrays don't overlap.  It then keeps values in registers across
    statements.
    """
    import numba
    from numba.core.compiler import CompilerBase, DefaultPassBuilder

    class WithoutAliases(CompilerBase):  # type: ignore[misc]
        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            return [DefaultPassBuilder.define_nopython_pipeline(self.state)]

    options: dict[str, Any] = {"pipeline_class": WithoutAliases} if apart else {}
    found: Callable[[Any], Any] = numba.njit(error_model="numpy", nogil=True, **options)
    return found


def signature(arguments: Sequence[Argument]) -> Any:
    """Return the Numba types of the parameters of an entry."""
    from numba.core import types
    from numba.np.numpy_support import from_dtype

    return tuple(
        from_dtype(a.dtype)
        if a.ndim is None
        else types.Array(from_dtype(a.dtype), max(a.ndim, 1), "C", readonly=not a.writable)
        for a in arguments
    )


def indexable(array: np.ndarray) -> np.ndarray:
    """Return an array without axes as one of length one, which generated code can index."""
    return array if array.ndim else array.reshape(1)


def interpreted(source: str, filename: str = "<generated>") -> dict[str, Any]:
    """Run generated source as plain Python."""
    space: dict[str, Any] = {"np": np, "kernel": lambda f: f, "kernel_apart": lambda f: f}
    exec(compile(source, filename, "exec"), space)
    return space


def loaded(
    source: str, entries: Mapping[str, Sequence[Argument]], filename: str = "<generated>"
) -> dict[str, Any]:
    """Compile generated source with Numba; return its entries.

    Parameters
    ----------
    source : str
        Functions decorated with ``@kernel``, in terms of ``np``.
    entries : mapping of str to sequence of Argument
        The functions to be called from Python, and the types of their parameters.
    """
    space: dict[str, Any] = {
        "np": np,
        "kernel": kernel(apart=False),
        "kernel_apart": kernel(apart=True),
    }
    exec(compile(source, filename, "exec"), space)
    for name, arguments in entries.items():
        space[name].compile(signature(arguments))
    return {name: space[name] for name in entries}

"""NumPy's own Python code, run on traced arrays: values and keywords are NumPy's by construction.

Much of NumPy is Python that calls a few C functions: ``np.gradient`` slices and divides,
``np.linalg.norm`` multiplies and sums.  `from_source` returns such a function with other globals,
in which creation functions (``asarray``, ``empty``, …) are the ones that record.  Functions of C
are left to NumPy's dispatch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy._core._multiarray_umath import _array_converter  # type: ignore[import-not-found]

from revolve_ad.ad.functions import ranges  # noqa: F401  # fills CREATION
from revolve_ad.ad.traced import Traced
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import Recorder, active

__all__ = ["INSTEAD", "from_source", "source_of"]

_namespaces: dict[int, dict[str, Any]] = {}
_modules: dict[str, Any] = {}


def _recording(recorded: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        rec = active()
        assert rec is not None
        return recorded(rec, *args, **kwargs)

    return call


INSTEAD: dict[int, Any] = {}
"""What stands for an object of NumPy, by its id, in the code that is run on traced arrays."""

_BY_NAME = {
    name: _recording(f) for name, f in CREATION.items() if not isinstance(getattr(np, name), type)
}
for _name, _f in _BY_NAME.items():
    INSTEAD[id(getattr(np, _name))] = _f


class _Converter:
    """What NumPy's own functions use to make arrays of their arguments."""

    def __init__(self, *array_likes: Any) -> None:
        self._arrays = tuple(
            x if type(x) is Traced and x.cell is not None else _BY_NAME["asarray"](x)
            for x in array_likes
        )
        self.scalar_input = tuple(np.ndim(x) == 0 for x in array_likes)

    def __getitem__(self, k: int) -> Any:
        return self._arrays[k]

    def __len__(self) -> int:
        return len(self._arrays)

    def as_arrays(self, subok: bool = True, pyscalars: str = "convert") -> tuple[Any, ...]:
        """Return the arguments as arrays."""
        return self._arrays

    def wrap(self, array: Any, to_scalar: bool | None = None) -> Any:
        """Return a result; one without axes as a number if all arguments were numbers."""
        numbers = all(self.scalar_input) if to_scalar is None else to_scalar
        return array[()] if numbers and np.ndim(array) == 0 else array


INSTEAD[id(_array_converter)] = _Converter
INSTEAD[id(np.concatenate.__wrapped__)] = np.concatenate  # type: ignore[attr-defined]
INSTEAD[id(np.broadcast)] = lambda *xs: _broadcast(*[x.v if type(x) is Traced else x for x in xs])
_broadcast = np.broadcast


class _Module:
    """A module whose creation functions record."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if self._module is np and name in _BY_NAME:
            return _BY_NAME[name]
        found = _instead(getattr(self._module, name))
        setattr(self, name, found)
        return found


def _instead(value: Any) -> Any:
    # What a recording that is open has put on a module names the original as `__wrapped__`.
    found = INSTEAD.get(id(value)) or INSTEAD.get(id(getattr(value, "__wrapped__", None)))
    if found is not None:
        return found
    if isinstance(value, ModuleType) and value.__name__.partition(".")[0] == "numpy":
        return _modules.setdefault(value.__name__, _Module(value))
    if type(value) is FunctionType and value.__module__.partition(".")[0] == "numpy":
        return _rebound(value)
    return value


def _namespace(names: dict[str, Any]) -> dict[str, Any]:
    """Return a module's globals with what stands instead."""
    found = _namespaces.get(id(names))
    if found is None:
        found = _namespaces[id(names)] = {}
        for name, value in list(names.items()):
            found[name] = value if name.startswith("__") else _instead(value)
    return found


def _rebound(f: FunctionType) -> FunctionType:
    if f.__globals__ is globals():
        return f
    new = FunctionType(
        f.__code__, _namespace(f.__globals__), f.__name__, f.__defaults__, f.__closure__
    )
    new.__kwdefaults__ = f.__kwdefaults__
    return new


def source_of(function: Any, overrides: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """Return NumPy's Python implementation of a function, made to record.

    Parameters
    ----------
    function : callable
        A function of NumPy that is written in Python.
    overrides : mapping, optional
        Further names of its globals with what shall stand for them.
    """
    implementation = getattr(function, "_implementation", function)
    new = _rebound(implementation)
    if overrides:
        names = {**new.__globals__, **overrides}
        copied = FunctionType(new.__code__, names, new.__name__, new.__defaults__, new.__closure__)
        copied.__kwdefaults__ = new.__kwdefaults__
        return copied
    return new


def from_source(*functions: Any) -> None:
    """Record functions of NumPy by running their own Python code; prepared at the first call."""
    for function in functions:
        implements(function)(_first_call(function))


def _first_call(function: Any) -> Callable[..., Any]:
    prepared: list[Callable[..., Any]] = []

    def call(rec: Recorder, *args: Any, **kwargs: Any) -> Any:
        if not prepared:
            prepared.append(source_of(function))
        return prepared[0](*args, **kwargs)

    return call


for _name in ("cumulative_sum", "cumulative_prod", "unstack", "digitize"):
    if hasattr(np, _name):  # some came with NumPy 2.1
        from_source(getattr(np, _name))

from_source(
    np.append,
    np.apply_along_axis,
    np.apply_over_axes,
    np.block,
    np.corrcoef,
    np.cov,
    np.delete,
    np.diag,
    np.diagflat,
    np.diff,
    np.dsplit,
    np.ediff1d,
    np.emath.arccos,
    np.emath.arcsin,
    np.emath.arctanh,
    np.emath.log,
    np.emath.log10,
    np.emath.log2,
    np.emath.logn,
    np.emath.power,
    np.emath.sqrt,
    np.fill_diagonal,
    np.fix,
    np.gradient,
    np.hsplit,
    np.insert,
    np.isclose,
    np.isneginf,
    np.isposinf,
    np.ix_,
    np.kron,
    np.meshgrid,
    np.nan_to_num,
    np.pad,
    np.resize,
    np.select,
    np.sinc,
    np.tile,
    np.trapezoid,
    np.tril,
    np.triu,
    np.trim_zeros,
    np.unwrap,
    np.vsplit,
)

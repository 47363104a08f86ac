"""NumPy's functions for lists of traced numbers, such as ``np.sum([a, b])``.

NumPy looks for its protocols on arguments, not inside of lists, and would make plain numbers of
what stands there.  The stand-ins make an array of such a list first.  A function that needs them is
recorded a second time, with them in the place of NumPy's functions (see `captured`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from revolve_ad.ad.traced import Traced, as_array
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.interception import CREATION
from revolve_ad.ad.traced.recorder import Recorder, active

__all__ = ["stand_ins"]

# These take a sequence of arrays: the arrays in it are made, it stays a sequence.
_OF_SEQUENCES = frozenset(
    ("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "block", "select")
    + ("choose", "multi_dot", "piecewise", "lexsort", "concat")
)
# Arguments that are never data.
_NEVER_DATA = frozenset(
    ("shape", "newshape", "axis", "axes", "reps", "repeats", "shift", "out", "pad_width", "s", "n")
    + (
        "indices_or_sections",
        "bins",
        "k",
        "N",
        "decimals",
        "dtype",
        "order",
        "funclist",
        "subscripts",
    )
)


def _contains_traced(x: Any) -> bool:
    if type(x) is Traced:
        return True
    return type(x) in (list, tuple) and any(_contains_traced(k) for k in x)


def _array(rec: Recorder, x: Any) -> Any:
    return as_array(rec, x) if type(x) in (list, tuple) and _contains_traced(x) else x


def _arrays(rec: Recorder, x: Any) -> Any:
    return type(x)(_array(rec, k) for k in x) if type(x) in (list, tuple) else x


def _has_lists(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(type(x) in (list, tuple) and _contains_traced(x) for x in (*args, *kwargs.values()))


@functools.lru_cache(maxsize=1024)
def _parameters(f: Any) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C that says nothing of itself
        return ()


def _named(f: Any, args: tuple[Any, ...]) -> list[str]:
    """Return what each positional argument is called; "" where that isn't known."""
    names: list[str] = []
    for parameter in _parameters(f):
        if parameter.kind is parameter.VAR_POSITIONAL:
            break
        names.append(parameter.name)
    return (names + [""] * len(args))[: len(args)]


def _function(f: Any) -> Callable[..., Any]:
    convert = _arrays if f.__name__ in _OF_SEQUENCES else _array

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        rec = active()
        if rec is not None and _has_lists(args, kwargs):
            args = tuple(
                x if name in _NEVER_DATA else convert(rec, x)
                for name, x in zip(_named(f, args), args, strict=True)
            )
            kwargs = {k: x if k in _NEVER_DATA else convert(rec, x) for k, x in kwargs.items()}
        return f(*args, **kwargs)

    return call


class _Ufunc:
    """A ufunc that takes lists of traced numbers, in its methods too."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc
        self._methods = {
            name: _called(getattr(ufunc, name))
            for name in ("reduce", "accumulate", "reduceat", "outer", "at")
        }
        self._call = _called(ufunc)

    @property  # type: ignore[misc]  # object has a setter, which a proxy must not offer
    def __class__(self) -> type:
        return np.ufunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._ufunc, name)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._ufunc

    def __hash__(self) -> int:
        return hash(self._ufunc)


def _called(f: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        rec = active()
        if rec is not None and _has_lists(args, {}):
            args = tuple(_array(rec, x) for x in args)
        return f(*args, **kwargs)

    return call


class _Joined:
    """``np.r_`` and ``np.c_``, which may hold traced values."""

    def __init__(self, original: Any, columns: bool) -> None:
        self._original, self._columns = original, columns

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(map(_contains_traced, parts)):
            return self._original[key]
        if any(isinstance(p, str) for p in parts):
            raise TypeError("np.r_ and np.c_ of traced values take no text; use np.concatenate")
        arrays = [self._original[p] if isinstance(p, slice) else np.atleast_1d(p) for p in parts]
        if self._columns:
            return np.concatenate([a[:, None] if a.ndim == 1 else a for a in arrays], axis=-1)
        return np.concatenate(arrays)


@functools.cache
def stand_ins() -> tuple[dict[str, Any], dict[int, Any]]:
    """Return the stand-ins by their names on NumPy, and by the ids of what they stand for."""
    by_id: dict[int, Any] = {}

    def of(module: ModuleType) -> dict[str, Any]:
        found = {}
        for name, f in vars(module).items():
            if isinstance(f, np.ufunc):
                found[name] = by_id.setdefault(id(f), _Ufunc(f))
            elif name in CREATION or not callable(f) or isinstance(f, type):
                continue
            elif f in FUNCTIONS:
                found[name] = by_id.setdefault(id(f), _function(f))
        return found

    by_name = of(np)
    by_name["r_"] = by_id[id(np.r_)] = _Joined(np.r_, columns=False)
    by_name["c_"] = by_id[id(np.c_)] = _Joined(np.c_, columns=True)
    for name in ("linalg", "fft"):
        module = getattr(np, name)
        copy = ModuleType(module.__name__)
        copy.__dict__.update(vars(module))
        copy.__dict__.update(of(module))
        by_name[name] = by_id[id(module)] = copy
    return by_name, by_id

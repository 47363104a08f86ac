"""What a function reads beside its arguments, so that a change of it can be seen."""

import hashlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = ["Captured"]

_DEEPEST: Final = 4
_NOT_OURS: Final = ("numpy", "scipy", "revolve_ad", "numba", "builtins")
_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), np.generic)


@dataclass(frozen=True, eq=False, slots=True)
class Captured:
    """The values that a function captured, as they were at one moment.

    Attributes
    ----------
    prints : dict of str to str
        A fingerprint of each value, by its name: closures, globals, default arguments, attributes
        of the object that a method is bound to, and what these hold, a few levels deep.
    arrays : dict of str to ndarray
        Those of them that are arrays; not copied.
    """

    prints: dict[str, str]
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]]

    @classmethod
    def of(cls, *functions: Callable[..., Any] | None) -> "Captured":
        """Look at what these functions capture now."""
        prints: dict[str, str] = {}
        arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
        seen: set[int] = set()
        for function in functions:
            for name, value in _walk(function, "", seen, 0):
                prints[name] = _fingerprint(value)
                if isinstance(value, np.ndarray):
                    arrays[name] = value
        return cls(prints, arrays)

    def changed(self, later: "Captured") -> list[str]:
        """Return the names of what is another value later, or is new or gone."""
        names = [*self.prints, *(name for name in later.prints if name not in self.prints)]
        return [name for name in names if self.prints.get(name) != later.prints.get(name)]


def _walk(value: Any, name: str, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the values of a kind that has a fingerprint, by name."""
    if isinstance(value, (*_PLAIN, np.ndarray, np.random.Generator, np.random.RandomState)):
        yield name, value
        return
    if depth > _DEEPEST or id(value) in seen or isinstance(value, (types.ModuleType, type)):
        return
    seen.add(id(value))
    inner = depth + 1
    for label, part in _parts(value, name):
        yield from _walk(part, label, seen, inner)


def _parts(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what a function, a container or an object holds."""
    dot = f"{name}." if name else ""
    if isinstance(value, types.MethodType):
        yield f"{dot}self" if name else "self", value.__self__
        yield name, value.__func__
    elif isinstance(value, types.FunctionType):
        if (value.__module__ or "").split(".")[0] in _NOT_OURS:
            return
        for free, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield f"{dot}{free}", cell.cell_contents
            except ValueError:  # not yet bound
                continue
        for used in sorted(_global_names(value.__code__)):
            if used in value.__globals__:
                yield f"{dot}{used}", value.__globals__[used]
        for i, default in enumerate(value.__defaults__ or ()):
            yield f"{dot}default {i}", default
        for key, default in (value.__kwdefaults__ or {}).items():
            yield f"{dot}default {key}", default
        for key, held in vars(value).items():
            yield f"{dot}{key}", held
    elif isinstance(value, dict):
        for key, part in value.items():
            yield f"{name}[{key!r}]", part
    elif isinstance(value, (list, tuple, set, frozenset)):
        if len(value) <= 1000:
            for i, part in enumerate(value):
                yield f"{name}[{i}]", part
    elif isinstance(getattr(value, "__dict__", None), dict):
        for key, part in vars(value).items():
            yield f"{dot}{key}", part


def _global_names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _global_names(constant)
    return found


def _fingerprint(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return repr(value)
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return f"{value.dtype}{value.shape}{digest.hexdigest()}"
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return repr([str(part) for part in value.get_state(legacy=True)])
    return repr(value)

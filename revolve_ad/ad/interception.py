"""NumPy's ways around its own protocols, caught by name while a recording is open.

``np.zeros(n)`` has no operand that could tell NumPy of a recording, and neither has
``np.array([x, y])`` of traced numbers.  For the time of a recording such functions are replaced
by ones that ask whether *this thread* records, and else do what they always did; the last
recording to end puts the originals back.  A function that was imported by name
(``from numpy import zeros``) is replaced where it was imported to.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["CREATION", "FOREIGN", "intercepted"]

CREATION: dict[str, Callable[..., Any]] = {}
"""What is done in a recording instead of NumPy's function of that name: ``f(recorder, *args)``."""

FOREIGN: dict[str, dict[str, Callable[..., Any]]] = {}
"""The same for functions that don't ask NumPy's protocols, by module (``scipy.ndimage``) and name:
``f(recorder, original, *args)``.

A module that nobody has imported is left alone.  A name with a dot is that of a class's method.
"""

_lock = threading.Lock()
_depth = 0
_undo: list[tuple[dict[str, Any], str, Any]] = []
_undo_methods: list[tuple[type, str, Any]] = []
_methods: list[tuple[type, str, Any]] = []
_prepared_modules: set[str] = set()
_replacements: dict[int, Any] = {}
_originals: dict[str, Any] = {}
_scanned: tuple[int, list[tuple[dict[str, Any], str, int]]] = (-1, [])

# Code of these packages knows what it does; it gets the originals.
_TRUSTED = ("numpy", "scipy", "revolve_ad")


@contextmanager
def intercepted(f: Callable[..., Any]) -> Iterator[None]:
    """Replace NumPy's creation functions for the time of the body, for this thread alone."""
    _enter(f)
    try:
        yield
    finally:
        _leave()


def _enter(f: Callable[..., Any]) -> None:
    global _depth
    with _lock:
        if not _replacements:
            _prepare()
        for module_name in FOREIGN.keys() - _prepared_modules:
            if module_name in sys.modules:
                _prepare_foreign(module_name)
        _depth += 1
        if _depth == 1:
            for name, original in _originals.items():
                _replace(vars(np), name, id(original))
        for owner, name, method in _methods:
            if (original := vars(owner)[name]) is not method:
                _undo_methods.append((owner, name, original))
                setattr(owner, name, method)
        for namespace, name, key in [*_foreign_names, *_imported(), *_in_function(f)]:
            _replace(namespace, name, key)


def _leave() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth == 0:
            while _undo:
                namespace, name, original = _undo.pop()
                if namespace.get(name) is _replacements[id(original)]:
                    namespace[name] = original
            while _undo_methods:
                setattr(*_undo_methods.pop())


def _replace(namespace: dict[str, Any], name: str, key: int) -> None:
    if id(namespace.get(name)) == key:
        _undo.append((namespace, name, namespace[name]))
        namespace[name] = _replacements[key]


def _prepare() -> None:
    for name, recorded in CREATION.items():
        original = getattr(np, name)
        _originals[name] = original
        _replacements[id(original)] = _replacement(original, recorded)


def _prepare_foreign(module_name: str) -> None:
    """Make the stand-ins for the functions of a module that has been imported."""
    global _scanned
    _prepared_modules.add(module_name)
    _scanned = (-1, [])
    module = sys.modules[module_name]
    for name, recorded in FOREIGN[module_name].items():
        owner_name, dot, method_name = name.rpartition(".")
        if dot:
            owner = getattr(module, owner_name)
            if method_name not in vars(owner):
                continue
            original = vars(owner)[method_name]
            known = functools.partial(_knowing, recorded, original)
            method = _replacement(original, known, trusting=False)
            _methods.append((owner, method_name, method))
        elif hasattr(module, name):
            original = getattr(module, name)
            if id(original) not in _replacements:
                _foreign_originals.append(original)
                known = functools.partial(_knowing, recorded, original)
                _replacements[id(original)] = _replacement(original, known)
            _foreign_names.append((vars(module), name, id(original)))


def _knowing(
    recorded: Callable[..., Any], original: Any, recorder: Any, *args: Any, **kwargs: Any
) -> Any:
    return recorded(recorder, original, *args, **kwargs)


_foreign_originals: list[Any] = []
_foreign_names: list[tuple[dict[str, Any], str, int]] = []


def _replacement(original: Any, recorded: Callable[..., Any], *, trusting: bool = True) -> Any:
    from revolve_ad.ad.recorder import active

    def call(*args: Any, **kwargs: Any) -> Any:
        recorder = active()
        if recorder is None:
            return original(*args, **kwargs)
        if trusting:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if caller.partition(".")[0] in _TRUSTED:
                return original(*args, **kwargs)
        return recorded(recorder, *args, **kwargs)

    if isinstance(original, type):
        return _class_replacement(original, call)
    return functools.wraps(original)(call)


def _class_replacement(original: type, call: Callable[..., Any]) -> type:
    """Return a stand-in for the class `ndarray`: it can be called, and asked for instances."""

    class Meta(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        def __instancecheck__(cls, x: Any) -> bool:
            return isinstance(x, original)

        def __subclasscheck__(cls, c: type) -> bool:
            return issubclass(c, original)

        def __getattr__(cls, name: str) -> Any:
            return getattr(original, name)

        def __eq__(cls, other: object) -> bool:
            return other is original or other is stand_in

        def __hash__(cls) -> int:
            return hash(original)

    stand_in = Meta(original.__name__, (), {"__doc__": original.__doc__})
    return stand_in


def _imported() -> list[tuple[dict[str, Any], str, int]]:
    """Return where modules of users hold an original by name; looked up again as modules come."""
    global _scanned
    modules = sys.modules
    if _scanned[0] == len(modules):
        return _scanned[1]
    found = []
    for module_name, module in list(modules.items()):
        if module_name.partition(".")[0] in _SKIPPED or not isinstance(module, ModuleType):
            continue
        found += _in_namespace(vars(module))
    _scanned = (len(modules), found)
    return found


_SKIPPED = {*_TRUSTED, *sys.stdlib_module_names} - {"__main__"}


def _in_namespace(namespace: dict[str, Any]) -> list[tuple[dict[str, Any], str, int]]:
    keys = _replacements.keys()
    return [(namespace, name, id(v)) for name, v in list(namespace.items()) if id(v) in keys]


def _in_function(f: Any) -> list[tuple[dict[str, Any], str, int]]:
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "__func__", getattr(f, "__wrapped__", f))
    if not isinstance(f, FunctionType) or f.__module__.partition(".")[0] in _TRUSTED:
        return []
    return _in_namespace(f.__globals__)

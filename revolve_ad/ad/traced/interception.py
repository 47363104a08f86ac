"""NumPy's ways around its own protocols, caught by name while a recording is open.

``np.zeros(n)`` has no operand that could tell NumPy of a recording, and neither has
``np.array([x, y])`` of traced numbers.  For the time of a recording the names by which *users'
modules* reach such functions, ``np`` or an imported ``zeros``, refer to stand-ins, which ask
whether this thread records, and else do what the originals do; the last recording to end puts the
originals back.  NumPy itself stays as it is: compiled code of other packages calls it by name too,
and must get plain arrays.
"""

from __future__ import annotations

import functools
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakSet

import numpy as np

from revolve_ad.ad.traced.recorder import active

__all__ = [
    "CREATION",
    "FOREIGN",
    "Token",
    "intercepted",
    "leave_whole",
    "numpy_stand_in",
    "original_of",
    "recording_of",
    "stand_in_of",
    "stands_for",
]

CREATION: dict[str, Callable[..., Any]] = {}
"""What is done in a recording instead of NumPy's function of that name: ``f(recorder, *args)``."""

FOREIGN: dict[str, dict[str, Callable[..., Any]]] = {}
"""The same for functions that don't ask NumPy's protocols, by module (``scipy.ndimage``) and name:
``f(recorder, original, *args)``.

A module that nobody has imported is left alone.  A name with a dot is that of a class's method.
"""


class Token:
    """Who is in a context that several share; gone with the call that made it."""

    __slots__ = ("__weakref__",)


_lock = threading.Lock()
_open: WeakSet[Token] = WeakSet()  # one for each recording
_undo: list[tuple[dict[str, Any], str, Any]] = []
_undo_methods: list[tuple[type, str, Any]] = []
_methods: list[tuple[type, str, Any]] = []
_prepared_modules: set[str] = set()
_prepared_for: Any = None
_replacements: dict[int, Any] = {}
_scanned: tuple[Any, list[tuple[dict[str, Any], str, int]]] = (None, [])

# Code of these packages knows what it does; it gets the originals.
_TRUSTED = ("numpy", "scipy", "revolve_ad")


@contextmanager
def intercepted(f: Callable[..., Any]) -> Iterator[None]:
    """Replace NumPy's creation functions for the time of the body, for this thread alone."""
    token = Token()
    try:
        _enter(f, token)
        yield
    finally:
        leave_whole(_open, token, _leave)


def leave_whole(entered: WeakSet[Token], token: Token, leave: Callable[[Token], None]) -> None:
    """Leave a context that others share, even if Ctrl-C comes in between.

    Parameters
    ----------
    entered : WeakSet
        The tokens of those who are in the context.
    token : Token
        Who leaves.
    leave : callable
        ``leave(token)`` puts things back and at last removes the token; it may be done twice.
    """
    interrupt = None
    while token in entered:
        try:
            leave(token)
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _enter(f: Callable[..., Any], token: Token) -> None:
    global _prepared_for
    with _lock:
        if not _open:
            _put_back()  # what is left if an interrupt came before one could leave
        if not _replacements:
            _prepare()
        now = _modules_now()
        if now != _prepared_for:
            for module_name in FOREIGN.keys() - _prepared_modules:
                if module_name in sys.modules:
                    _prepare_foreign(module_name)
            _prepared_for = now
        _open.add(token)
        for owner, name, method in _methods:
            if (original := vars(owner)[name]) is not method:
                _undo_methods.append((owner, name, original))
                setattr(owner, name, method)
        own = _function_of(f)
        places = [*_foreign_names, *_imported(own), *_in_namespace(own.__globals__ if own else {})]
        for namespace, name, key in places:
            _replace(namespace, name, key)


def _leave(token: Token) -> None:
    with _lock:
        if len(_open) == 1 and token in _open:
            _put_back()
        _open.discard(token)


def _put_back() -> None:
    while _undo:
        namespace, name, original = _undo[-1]
        if namespace.get(name) is _replacements[id(original)]:
            namespace[name] = original
        _undo.pop()
    while _undo_methods:
        setattr(*_undo_methods[-1])
        _undo_methods.pop()


def _replace(namespace: dict[str, Any], name: str, key: int) -> None:
    if id(namespace.get(name)) == key:
        _undo.append((namespace, name, namespace[name]))
        namespace[name] = _replacements[key]


def _prepare() -> None:
    namespace = dict(vars(np))
    for name, recorded in CREATION.items():
        original = getattr(np, name)
        stand_in = _replacement(original, recorded)
        _replacements[id(original)] = namespace[name] = stand_in
    _numpy.__dict__.update(namespace)
    _replacements[id(np)] = _numpy


_numpy = ModuleType("numpy")


def numpy_stand_in(**others: Any) -> ModuleType:
    """Return NumPy as a recorded function sees it, with further names of its own."""
    with _lock:
        if not _replacements:
            _prepare()
    found = ModuleType("numpy")
    found.__dict__.update(vars(_numpy), **others)
    return found


def stand_in_of(x: Any) -> Any:
    """Return what stands for a creation function of NumPy's; None for anything else."""
    return None if x is np else _replacements.get(id(x))


def stands_for(x: Any, original: Any) -> bool:
    """Tell whether `x` is what stands for a function, or for NumPy, in an open recording."""
    return x is not None and _replacements.get(id(original)) is x


def original_of(x: Any) -> Any:
    """Return what `x` stands for in an open recording, of this thread or of another; else `x`."""
    if x is _numpy:
        return np
    original = vars(x).get("__wrapped__") if type(x) is FunctionType else None
    return original if original is not None and stands_for(x, original) else x


def _prepare_foreign(module_name: str) -> None:
    """Make the stand-ins for the functions of a module that has been imported."""
    global _scanned
    _prepared_modules.add(module_name)
    _scanned = (None, [])
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
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        recorder = active()
        if recorder is None:
            return original(*args, **kwargs)
        if trusting:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if caller.partition(".")[0] in _TRUSTED:
                return original(*args, **kwargs)
        return recorded(recorder, *args, **kwargs)

    call.__dict__["recorded"] = recorded
    return call


def recording_of(f: Any) -> Callable[..., Any] | None:
    """Return ``f(recorder, *args)`` for a function that recordings replace; else None.

    It is recorded itself, as in ``ra.grad(scipy.linalg.det)``: called by this package, which gets
    the originals.
    """
    given: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    while isinstance(f, functools.partial):
        given, keywords = (*f.args, *given), {**f.keywords, **keywords}
        f = f.func
    stand_in = stand_in_of(f)
    if stand_in is None:
        return None
    return lambda recorder, *args: stand_in.recorded(recorder, *given, *args, **keywords)


def _imported(own: FunctionType | None) -> list[tuple[dict[str, Any], str, int]]:
    """Return where modules of users hold an original by name; looked up again as modules come.

    Installed packages are left alone, but for the one that the recorded function comes from.
    """
    global _scanned
    package = _package(own.__module__ if own else "")
    key = (_modules_now(), package)
    if _scanned[0] == key:
        return _scanned[1]
    found = []
    # A recording that is open has replaced some already; they are to be found again after it.
    stand_ins = {id(stand_in): original for original, stand_in in _replacements.items()}
    for name, module in list(sys.modules.items()):
        if _package(name) in _SKIPPED or not isinstance(module, ModuleType):
            continue
        file = getattr(module, "__file__", None) or ""
        if _package(name) == package or not _INSTALLED.search(file):
            namespace = vars(module)
            found += _in_namespace(namespace)
            found += [
                (namespace, name, stand_ins[id(v)])
                for name, v in list(namespace.items())
                if id(v) in stand_ins
            ]
    _scanned = (key, found)
    return found


def _modules_now() -> Any:
    """Return what changes whenever a module is imported, also in place of one that was removed."""
    last = next(reversed(sys.modules), "")
    return len(sys.modules), last, id(sys.modules.get(last))


def _package(module_name: str | None) -> str:
    return (module_name or "").partition(".")[0]


_SKIPPED = {*_TRUSTED, *sys.stdlib_module_names} - {"__main__"}
_INSTALLED = re.compile(r"[/\\](site|dist)-packages[/\\]")


def _in_namespace(namespace: dict[str, Any]) -> list[tuple[dict[str, Any], str, int]]:
    keys = _replacements.keys()
    return [(namespace, name, id(v)) for name, v in list(namespace.items()) if id(v) in keys]


def _function_of(f: Any) -> FunctionType | None:
    """Return the Python function behind a callable of a user's; None if there is none."""
    while isinstance(f, functools.partial):
        f = f.func
    f = getattr(f, "__func__", getattr(f, "__wrapped__", f))
    if not isinstance(f, FunctionType) or _package(f.__module__) in _TRUSTED:
        return None
    return f

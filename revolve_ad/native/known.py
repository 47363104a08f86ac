"""Finds what was planned for a step before: a later process neither fuses nor compiles.

Machine code is found by the source that it was compiled from, but the source of a long step takes
seconds to be made.  So what planning made is kept too, without what only planning reads.  Its file
is named by a digest of the recorded tape (operations, shapes, dtypes, constants bit by bit), of the
files that compile, and of what the machine code depends on.  A tape with anything in it that isn't
a part of this library or of NumPy and SciPy, such as a user's primitive, is planned each time.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from revolve_ad.ad.core import Frozen, elementwise
from revolve_ad.ad.node import Primitive
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import Tape
from revolve_ad.native.cache import plan_path, read_entry, write_entry
from revolve_ad.native.compiled import Refusal
from revolve_ad.native.load import Module, made_for
from revolve_ad.native.loop import Layout, Loop

__all__ = ["keep_plan", "known_plan", "path_of"]

_LIBRARY = __name__.partition(".")[0]

_COMPILER = ("ad", "native")
"""The packages whose code decides what a tape becomes."""

_TRUSTED = frozenset({"revolve_ad", "numpy", "scipy", "builtins", "collections", "copyreg"})
"""Where a function or a class is the same whenever its name is."""


def path_of(tape: Tape, layout: Layout, observe: Tape | None, max_operations: int) -> Path | None:
    """Return the file of a plan; None where there is no cache, or the tape can't be told by it."""
    files = _files_of_the_compiler()
    if files is None or tape.depends_on_values:
        return None
    digest = hashlib.sha256()
    try:
        for one in (tape, observe):
            digest.update(b"none" if one is None else _content(one))
    except Exception:  # whatever the pickling of a foreign object raises
        return None
    digest.update(repr((tuple(layout), max_operations, files)).encode())
    return plan_path(digest.hexdigest(), made_for())


def known_plan(path: Path) -> Loop | Refusal | None:
    """Return what an earlier process planned; None if there is nothing that can be used."""
    written = read_entry(path)
    if not isinstance(written, bytes):
        return None
    try:
        found = pickle.loads(written)
        if isinstance(found, Refusal):
            return found
        return Loop(**found, compile_seconds=0.0, module=Module(found["source"], native=True))
    except Exception:  # written by something else
        return None


def keep_plan(path: Path, planned: Loop | Refusal) -> None:
    """Keep what was planned, but for steps in which NumPy is called between the loops."""
    content: Any = planned
    if isinstance(planned, Loop):
        if planned.called or not planned.native:
            return
        content = {f.name: getattr(planned, f.name) for f in fields(Loop) if f.name not in _OWN}
        if planned.watch is not None:
            content["watch"] = replace(planned.watch, parts=[])
    try:
        written = io.BytesIO()
        _Pickler(written, pickle.HIGHEST_PROTOCOL).dump(content)
    except Exception:  # see `path_of`
        return
    write_entry(path, written.getvalue())


_OWN = frozenset({"module", "forms", "threaded", "compile_seconds", "_functions", "_lock"})
"""Fields of a loop that are made anew."""


def _content(tape: Tape) -> bytes:
    """Return a tape as bytes: the same for the same tape, in every process."""
    # What many nodes share is written once, by a number: a tape may have many thousands.
    operations: dict[Primitive, int] = {}
    maps: dict[StridedMap, int] = {}
    dtypes: dict[np.dtype[Any], int] = {}
    nodes = [
        (
            operations.setdefault(op, len(operations)),
            args,
            [maps.setdefault(p, len(maps)) if type(p) is StridedMap else (p,) for p in params],
            shape,
            dtypes.setdefault(dtype, len(dtypes)),
            results,
        )
        for op, args, params, shape, dtype, results in tape.nodes
    ]
    written = io.BytesIO()
    pickler = _Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.fast = True  # which objects are one object is left out
    names = [_told(op) for op in operations]
    pickler.dump((names, [*maps], [*dtypes], nodes, tape.inputs, tape.outputs))
    return written.getvalue()


def _told(op: Primitive) -> tuple[Any, ...]:
    """Return what tells an operation from all others of the library."""
    _home_of(op)
    if op.ufunc is not None:
        return op.name, _name_of(op.ufunc)
    code = getattr(op.evaluate, "__code__", None)
    line = None if code is None else code.co_firstlineno
    return op.name, op.evaluate.__module__, op.evaluate.__qualname__, line


class _Pickler(pickle.Pickler):
    """Writes operations by name, and refuses functions and classes of others."""

    def reducer_override(self, x: Any) -> Any:
        """See `pickle.Pickler.reducer_override`."""
        if isinstance(x, Primitive):
            return _operation, _home_of(x)
        if isinstance(x, Interpreter):
            return Interpreter, (x.tape.pruned(),)
        if isinstance(x, Frozen):
            return Frozen, (x.value,)
        if isinstance(x, type | FunctionType | BuiltinFunctionType | np.ufunc | ModuleType):
            home = getattr(x, "__module__", None) or type(x).__module__
            if home.partition(".")[0] not in _TRUSTED:
                raise pickle.PicklingError(f"{x!r} may be another in another process")
        elif isinstance(x, tuple) and hasattr(x, "__dict__"):
            return x.__reduce_ex__(2)[:2]  # without what it has found out about itself
        return NotImplemented


def _operation(home: str, name: str) -> Any:
    """Return an operation of the library by where it is kept."""
    found = getattr(import_module(home), name)
    return elementwise(found) if isinstance(found, np.ufunc) else found


def _home_of(op: Primitive) -> tuple[str, str]:
    """Return module and name of an operation of the library."""
    if op.ufunc is not None and elementwise(op.ufunc) is op:
        return _name_of(op.ufunc)
    home = _homes.get(id(op))
    if home is None:
        _homes.update(_all_homes())
        home = _homes.get(id(op))
    if home is None:
        raise pickle.PicklingError(f"{op} isn't an operation that the library keeps by name")
    return home


_homes: dict[int, tuple[str, str]] = {}
"""By the identity of operations that modules of the library keep, and so are never deleted."""


def _all_homes() -> Iterator[tuple[int, tuple[str, str]]]:
    for name, module in list(sys.modules.items()):
        if name.startswith(_LIBRARY + "."):
            for key, value in list(vars(module).items()):
                if isinstance(value, Primitive):
                    yield id(value), (name, key)


def _name_of(ufunc: np.ufunc) -> tuple[str, str]:
    for home in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(home), ufunc.__name__, None) is ufunc:
            return home, ufunc.__name__
    raise pickle.PicklingError(f"{ufunc} is neither NumPy's nor SciPy's")


@lru_cache(maxsize=1)
def _files_of_the_compiler() -> str | None:
    """Return a digest of the files that compile, by size and time; None if these aren't known."""
    top = Path(__file__).parents[1]
    found: list[tuple[str, int, int]] = []
    try:
        for name in _COMPILER:
            folders = [os.fspath(top / name)]
            while folders:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir():
                            folders.append(entry.path)
                        elif entry.name.endswith((".py", ".so", ".pyd")):
                            at = entry.stat()
                            path = os.path.relpath(entry.path, top)
                            found.append((path, at.st_size, at.st_mtime_ns))
    except OSError:
        return None
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest() if found else None

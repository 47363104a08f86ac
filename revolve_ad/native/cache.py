"""Machine code kept on disk, so that a second process doesn't compile.

An entry is one file.  Its name is a digest of the generated source (which holds shapes and
constants), the types of the arguments, and the versions and the processor that the code was made
for; that of a plan (see `known`) is one of the recorded tape.  Its contents begin with their own
digest.  An entry is written to a temporary name and renamed,
so that processes don't meet half of one, and none waits for another; what isn't as it was written
is deleted and made again.  An entry that another user could have written isn't read: it is code.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = [
    "cache_folder",
    "entry_path",
    "has_worked",
    "plan_path",
    "read_entry",
    "worked",
    "write_entry",
]

MAGIC = b"revolve_ad machine code 9\n"
"""Its number goes up whenever `load` compiles the same source to other code: entries of before,
which might be called in another way, are then compiled again."""

ABANDONED = 3600.0
"""Seconds after which a temporary file is one that a killed process left."""


def cache_folder() -> Path | None:
    """Return where compiled code is kept: ``REVOLVE_AD_CACHE``, or a folder of the user's cache.

    An empty ``REVOLVE_AD_CACHE`` turns the cache off: then None.
    """
    chosen = os.environ.get("REVOLVE_AD_CACHE")
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "revolve_ad"


def entry_path(source: str, name: str, types: str, made_for: str) -> Path | None:
    """Return the file of an entry; None without a cache."""
    folder = cache_folder()
    if folder is None:
        return None
    key = _digest(source, name, types, made_for, sys.version)
    return folder / key[:2] / f"{key[2:]}.code"


def plan_path(tape: str, made_for: str) -> Path | None:
    """Return the file of what was planned for a tape; None without a cache."""
    folder = cache_folder()
    if folder is None:
        return None
    key = _digest(tape, made_for, sys.version)
    return folder / key[:2] / f"{key[2:]}.plan"


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _mark(made_for: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / f"{_digest(made_for, sys.version)}.works"


def worked(made_for: str) -> None:
    """Note that code was compiled here for `made_for`; see `has_worked`."""
    mark = _mark(made_for)
    if mark is not None:
        with contextlib.suppress(OSError):
            mark.touch()


def has_worked(made_for: str) -> bool:
    """Whether the compiler has worked before, in these versions: it needs no trial."""
    mark = _mark(made_for)
    return mark is not None and mark.exists()


def read_entry(path: Path) -> Any:
    """Return what an entry holds; None if there is none, or none that is sound."""
    try:
        with path.open("rb") as file:
            if not _is_own(os.fstat(file.fileno())):
                return None
            data = file.read()
    except OSError:
        return None
    head = len(MAGIC)
    if (
        data[:head] == MAGIC
        and hashlib.sha256(data[head + 32 :]).digest() == data[head : head + 32]
    ):
        # What doesn't unpickle was written by something else.
        with contextlib.suppress(Exception):
            return pickle.loads(data[head + 32 :])
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _is_own(found: os.stat_result) -> bool:
    """Whether nobody but this user and root could have written a file."""
    user = getattr(os, "getuid", None)
    if user is None:  # Windows: the folder is in the user's profile
        return True
    return found.st_uid in (0, user()) and not found.st_mode & 0o022


def write_entry(path: Path, content: Any, source: str | None = None) -> None:
    """Keep an entry, and beside it the source, if there is one, for whoever wants to read it.

    A folder that can't be written only means that the next process compiles again.
    """
    payload = pickle.dumps(content)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path.parent)
        _replace(path, MAGIC + hashlib.sha256(payload).digest() + payload)
        if source is not None:
            _replace(path.with_suffix(".py"), source.encode())


def _clear(folder: Path) -> None:
    """Delete what killed processes were writing."""
    for left in folder.glob(".new-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

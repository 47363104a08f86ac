"""Keeps checkpoints on disk, one file each, written whole or not at all."""

import contextlib
import errno
import os
import pathlib
import shutil
import weakref
from collections.abc import Sequence
from typing import Final, final

from revolve_ad.errors import CheckpointCorruptError, StorageError, StorageFullError
from revolve_ad.storage import checkpoint_file
from revolve_ad.storage.fitting import not_held, require_numbers
from revolve_ad.storage.protocol import Array, Key

__all__ = ["Disk"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@final
class Disk:
    """Checkpoints in files, one each, in the format that `checkpoint_file` describes.

    A file is written under a temporary name and then renamed, so that under its own name it is
    always whole.  At every restore its checksum is verified.  Names hold a random part for each
    Disk object, and so does the header: two runs may share a folder, and none reads or deletes
    what it hasn't written.  The files of checkpoints that are still held when the object goes, or
    when Python ends, are deleted; those of a process that was killed stay, and may be deleted by
    hand (``*.checkpoint``, ``*.checkpoint.part``).

    Writing is synchronous: when `save` returns, the operating system has the bytes.  Without
    `fsync` a checkpoint outlives a crash of the process, but not for sure one of the machine; a
    file damaged by that is found out by its checksum.

    A pickled Disk comes back empty, for the same folder; so is the copy that a forked process has.
    One object must not be used by two threads at once.

    Parameters
    ----------
    path : str or path
        The folder; it is made, with its parents, at the first save.
    fsync : bool, keyword only
        Wait at each save until the device has the bytes: much slower, for machines that lose
        power.
    """

    __slots__ = (
        "__weakref__",
        "_finalizer",
        "_fsync",
        "_held",
        "_owner",
        "_path",
        "_peak_bytes",
        "_peak_stored_bytes",
        "_pid",
    )

    def __init__(self, path: str | os.PathLike[str], *, fsync: bool = False) -> None:
        self._path = pathlib.Path(path)
        self._fsync = fsync
        self._peak_bytes = 0
        self._peak_stored_bytes = 0
        self._start_afresh()

    def save(self, key: Key, leaves: Sequence[Array]) -> None:
        """Write a checkpoint, in place of what this key held; see `Storage.save`."""
        if self._pid != os.getpid():
            self._start_afresh()
        require_numbers(leaves)
        self._count_copies(leaves)
        path = self._file(key)
        part = path.with_name(path.name + ".part")
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                checkpoint_file.write(file, self._owner, key, leaves)
                if self._fsync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, path)
            if self._fsync:
                self._fsync_folder()
        except BaseException as error:
            # A keyboard interrupt leaves no half file either.
            with contextlib.suppress(OSError):
                part.unlink()
            if isinstance(error, OSError):
                raise self._failure(error, key, leaves) from error
            raise
        self._held[key] = checkpoint_file.size_of(self._owner, key, leaves)
        self._peak_stored_bytes = max(self._peak_stored_bytes, self.stored_bytes)

    def restore(self, key: Key, out: Sequence[Array] | None = None) -> list[Array]:
        """Read a checkpoint and verify it; see `Storage.restore`."""
        self._require_held(key)
        self._count_copies(out or ())
        path = self._file(key)
        try:
            with open(path, "rb", buffering=0) as file:
                return checkpoint_file.read(file, self._owner, key, out, str(path))
        except FileNotFoundError:
            raise CheckpointCorruptError(
                f"{path} is gone, though checkpoint {key} was not discarded. Recompute it from an "
                "older one, and see what deletes files there."
            ) from None
        except StorageError:
            raise
        except OSError as error:
            raise CheckpointCorruptError(f"{path} can't be read: {error}.") from error

    def discard(self, key: Key) -> None:
        """Delete a checkpoint's file; see `Storage.discard`."""
        self._require_held(key)
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"checkpoint {key} can't be deleted from {self._path}: {error}. Give a folder that "
                "can be written to, and delete its *.checkpoint files."
            ) from error
        del self._held[key]

    def clear(self) -> None:
        """Discard all checkpoints of this object; other files in the folder stay."""
        for key in list(self._held):
            self.discard(key)

    @property
    def path(self) -> pathlib.Path:
        """The folder."""
        return self._path

    @property
    def nbytes(self) -> int:
        """The bytes of memory held between calls: none."""
        return 0

    @property
    def peak_bytes(self) -> int:
        """The most memory taken within a call: the largest array that had to be made contiguous."""
        return self._peak_bytes

    @property
    def stored_bytes(self) -> int:
        """The bytes of all files of this object."""
        return sum(self._held.values())

    @property
    def peak_stored_bytes(self) -> int:
        """The largest value that `stored_bytes` has had."""
        return self._peak_stored_bytes

    @property
    def free_bytes(self) -> int | None:
        """The bytes that are free on the disk of the folder now; None if nobody can tell."""
        for folder in (self._path, *self._path.absolute().parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(folder).free
        return None

    @property
    def device(self) -> int | None:
        """The number of the file system of the folder, whose room others there share."""
        for folder in (self._path, *self._path.absolute().parents):
            with contextlib.suppress(OSError):
                return folder.stat().st_dev
        return None

    def __len__(self) -> int:
        """Return the number of checkpoints held."""
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __repr__(self) -> str:
        return f"Disk({str(self._path)!r}, fsync={self._fsync})"

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self._path, self._fsync)

    def _start_afresh(self) -> None:
        """Take a new name, and hold nothing: at the start, and in a forked process."""
        self._pid = os.getpid()
        self._owner = os.urandom(6).hex()
        self._held: dict[Key, int] = {}
        self._finalizer = weakref.finalize(
            self, _delete_files, self._path, self._owner, self._held, self._pid
        )

    def _require_held(self, key: Key) -> None:
        if self._pid != os.getpid():
            self._start_afresh()
        if key not in self._held:
            raise not_held(key, self._held)

    def _file(self, key: Key) -> pathlib.Path:
        return self._path / _file_name(self._owner, key)

    def _count_copies(self, leaves: Sequence[Array]) -> None:
        for leaf in leaves:
            if not leaf.flags.c_contiguous:
                self._peak_bytes = max(self._peak_bytes, leaf.nbytes)

    def _fsync_folder(self) -> None:
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _failure(self, error: OSError, key: Key, leaves: Sequence[Array]) -> StorageError:
        if error.errno not in _FULL:
            return StorageError(
                f"checkpoint {key} can't be written to {self._path}: {error}. Give a folder that "
                "can be written to."
            )
        needed = checkpoint_file.size_of(self._owner, key, leaves)
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self._path).free
            return StorageFullError(
                f"checkpoint {key} needs {needed:,} bytes, and {self._path} has {free:,} free "
                f"({error.strerror}); {len(self._held)} checkpoints take {self.stored_bytes:,} "
                "there. They are intact. Free some space, or allow fewer checkpoints on disk."
            )
        return StorageFullError(f"checkpoint {key} needs {needed:,} bytes: {error}.")


def _file_name(owner: str, key: Key) -> str:
    numbers = ("t", *map(int, key)) if isinstance(key, tuple) else (int(key),)
    return f"{owner}-{'-'.join(map(str, numbers))}.checkpoint"


def _make(path: pathlib.Path, fsync: bool) -> Disk:
    return Disk(path, fsync=fsync)


def _delete_files(path: pathlib.Path, owner: str, held: dict[Key, int], pid: int) -> None:
    if pid != os.getpid():
        return  # a forked process has no right to its parent's files
    for key in held:
        with contextlib.suppress(OSError):
            (path / _file_name(owner, key)).unlink()

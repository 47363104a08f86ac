r"""The format of a checkpoint file: how arrays become bytes and come back, every bit checked.

All integers of the frame are little-endian::

    offset        bytes
    0             8     magic  b"RVLV\r\n\x1a\n"  (shows transfers in text mode, as PNG's does)
    8             2     version of this format, 1
    10            4     H, the length of the header
    14            4     CRC-32 of the header
    18            H     header: JSON in UTF-8 with "owner", "key", "leaves": [[dtype, shape], ...]
    18 + H        P     the arrays, C order, in their own byte order, without gaps
    18 + H + P    4     CRC-32 of the arrays

A dtype is written as NumPy's ``dtype.str``, such as ``"<f8"`` or ``">c16"``.  There is no pickle:
reading a file can't run code.

CRC-32 finds all errors of up to 32 bits in a row, and any other one but for a chance of 2**-32.
It is no protection against an attacker; but zlib's runs at 1.3 GB/s where BLAKE2b, which would be
one, runs at 0.4 GB/s (measured in one run on one core), and a checkpoint is read as often as
it is written.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import numpy as np

from revolve_ad.errors import CheckpointCorruptError
from revolve_ad.storage.fitting import require_fit
from revolve_ad.storage.protocol import Array, Key

__all__ = ["read", "size_of", "write"]

MAGIC: Final = b"RVLV\r\n\x1a\n"
VERSION: Final = 1
_FRAME: Final = struct.Struct("<8sHII")
_CRC: Final = struct.Struct("<I")
_CHUNK: Final = 1 << 20  # checksummed while it is still in the cache
_BYTE: Final = np.dtype(np.uint8)


def write(file: BinaryIO, owner: str, key: Key, leaves: Sequence[Array]) -> None:
    """Write one checkpoint.

    Parameters
    ----------
    file : binary file, open for writing
        Must write all that it is given, as Python's buffered files do.
    owner : str
        Who writes; a reader that names another owner gets an error.
    key : int or tuple of int
        The name of the checkpoint.
    leaves : sequence of ndarray
        Numbers; an array that is not C-contiguous is copied on the way.
    """
    file.write(_head(owner, key, leaves))
    crc = 0
    for leaf in leaves:
        for chunk in _chunks(np.ascontiguousarray(leaf)):
            crc = zlib.crc32(chunk, crc)
            file.write(chunk)
    file.write(_CRC.pack(crc))


def read(
    file: io.RawIOBase, owner: str, key: Key, out: Sequence[Array] | None, name: str
) -> list[Array]:
    """Read and check one checkpoint.

    Parameters
    ----------
    file : unbuffered binary file, open for reading
        At its beginning.
    owner, key
        As they were given to `write`.
    out : sequence of ndarray or None
        Arrays to fill, or None for new ones.
    name : str
        What the file is called in messages.

    Raises
    ------
    CheckpointCorruptError
        If the file is damaged, cut off, of another version, or another checkpoint's.
    ShapeError, DtypeError
        If an array of `out` doesn't fit.
    """
    frame = file.read(_FRAME.size) or b""
    if len(frame) < _FRAME.size:
        raise _corrupt(name, f"it ends after {len(frame)} bytes")
    magic, version, n_head, crc_head = _FRAME.unpack(frame)
    if magic != MAGIC:
        raise _corrupt(name, f"it begins with {magic!r}, where {MAGIC!r} stands in ours")
    if version != VERSION:
        raise _corrupt(name, f"it is of format version {version}; this release reads {VERSION}")
    head = file.read(n_head) or b""
    if len(head) < n_head or zlib.crc32(head) != crc_head:
        raise _corrupt(name, "its header is damaged")
    content = json.loads(head)
    if content["owner"] != owner or content["key"] != _key_as_list(key):
        raise _corrupt(
            name,
            f"it holds checkpoint {content['key']} of run {content['owner']}, where checkpoint "
            f"{_key_as_list(key)} of run {owner} is expected",
        )
    dtypes = [np.dtype(text) for text, _ in content["leaves"]]
    shapes = [tuple(shape) for _, shape in content["leaves"]]
    n_data = sum(
        dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        for dtype, shape in zip(dtypes, shapes, strict=True)
    )
    expected = _FRAME.size + n_head + n_data + _CRC.size
    found = os.fstat(file.fileno()).st_size
    if found != expected:
        raise _corrupt(name, f"it has {found:,} bytes where {expected:,} were written")
    if out is None:
        out = [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    else:
        require_fit(shapes, dtypes, out)
    crc = 0
    for leaf in out:
        target = leaf if leaf.flags.c_contiguous else np.empty(leaf.shape, leaf.dtype)
        for chunk in _chunks(target):
            _read_into(file, chunk, name)
            crc = zlib.crc32(chunk, crc)
        if target is not leaf:
            leaf[...] = target
    if file.read(_CRC.size) != _CRC.pack(crc):
        raise _corrupt(name, "the checksum of its arrays is wrong: some of its bytes have changed")
    return list(out)


def size_of(owner: str, key: Key, leaves: Sequence[Array]) -> int:
    """Return how many bytes a checkpoint's file has."""
    return len(_head(owner, key, leaves)) + sum(leaf.nbytes for leaf in leaves) + _CRC.size


def _head(owner: str, key: Key, leaves: Sequence[Array]) -> bytes:
    content = {
        "owner": owner,
        "key": _key_as_list(key),
        "leaves": [[leaf.dtype.str, leaf.shape] for leaf in leaves],
    }
    head = json.dumps(content).encode()
    return _FRAME.pack(MAGIC, VERSION, len(head), zlib.crc32(head)) + head


def _key_as_list(key: Key) -> int | list[int]:
    return list(key) if isinstance(key, tuple) else int(key)


def _chunks(contiguous: Array) -> Iterator[memoryview]:
    """Yield the memory of an array as bytes, in pieces."""
    memory = memoryview(contiguous.reshape(-1).view(_BYTE))  # type: ignore[arg-type]
    for start in range(0, len(memory), _CHUNK):
        yield memory[start : start + _CHUNK]


def _read_into(file: io.RawIOBase, chunk: memoryview, name: str) -> None:
    while chunk:
        n = file.readinto(chunk)
        if not n:
            raise _corrupt(name, f"it ends {len(chunk):,} bytes too early")
        chunk = chunk[n:]


def _corrupt(name: str, what: str) -> CheckpointCorruptError:
    return CheckpointCorruptError(
        f"{name} is not the checkpoint that was written: {what}. Recompute it from an older one, "
        "and check the disk."
    )

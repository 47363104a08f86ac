"""Keeps checkpoints in memory, in buffers that are used again for the next one."""

from collections.abc import Sequence
from typing import final

import numpy as np

from revolve_ad.errors import StorageFullError
from revolve_ad.storage.fitting import not_held, require_fit, require_numbers
from revolve_ad.storage.protocol import Array, Key

__all__ = ["Ram"]


@final
class Ram:
    """Checkpoints in memory.

    The buffers of a discarded checkpoint are kept for the next one, so that a gradient allocates
    nothing after its first checkpoints, and a thousand gradients take no more memory than one.
    Idle buffers count in `nbytes`.  They go when an arriving checkpoint fits none of them, by
    `clear`, or with this object.

    A pickled Ram comes back empty.  One object must not be used by two threads at once.

    Examples
    --------
    >>> import numpy as np
    >>> storage = Ram()
    >>> storage.save(0, [np.zeros(1000)])
    >>> storage.nbytes
    8000
    >>> storage.discard(0)
    >>> storage.save(7, [np.ones(1000)])
    >>> storage.nbytes, storage.peak_bytes
    (8000, 8000)
    """

    __slots__ = ("_held", "_idle", "_nbytes", "_peak_bytes")

    def __init__(self) -> None:
        self._held: dict[Key, list[Array]] = {}
        self._idle: list[list[Array]] = []
        self._nbytes = 0
        self._peak_bytes = 0

    def save(self, key: Key, leaves: Sequence[Array]) -> None:
        """Keep a copy of the arrays, in place of what this key held; see `Storage.save`."""
        idle = self._idle
        if key in self._held:
            idle.append(self._held.pop(key))
        # In a sweep all checkpoints have one form, and the last idle buffers fit.
        if idle and (_fill_one if len(leaves) == 1 else _fill)(idle[-1], leaves):
            self._held[key] = idle.pop()
        else:
            self._held[key] = self._save_elsewhere(leaves)

    def restore(self, key: Key, out: Sequence[Array] | None = None) -> list[Array]:
        """Return a copy of a checkpoint, which stays held; see `Storage.restore`."""
        buffers = self._held.get(key)
        if buffers is None:
            raise not_held(key, self._held)
        if out is None:
            if len(buffers) == 1:  # where steps take a microsecond, a comprehension counts
                return [buffers[0].copy()]
            return [buffer.copy() for buffer in buffers]
        if not _fill(out, buffers):
            require_fit([b.shape for b in buffers], [b.dtype for b in buffers], out)
        return out if type(out) is list else list(out)

    def discard(self, key: Key) -> None:
        """Free a checkpoint; its buffers stay for the next one.  See `Storage.discard`."""
        buffers = self._held.pop(key, None)
        if buffers is None:
            raise not_held(key, self._held)
        self._idle.append(buffers)

    def clear(self) -> None:
        """Forget all checkpoints and give all memory back."""
        self._held.clear()
        self._idle.clear()
        self._nbytes = 0

    @property
    def keys(self) -> list[Key]:
        """The keys of the checkpoints that are held."""
        return list(self._held)

    @property
    def nbytes(self) -> int:
        """The bytes of all buffers, idle ones included."""
        return self._nbytes

    @property
    def peak_bytes(self) -> int:
        """The largest value that `nbytes` has had."""
        return self._peak_bytes

    def __len__(self) -> int:
        """Return the number of checkpoints held."""
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __repr__(self) -> str:
        return f"Ram({len(self._held)} checkpoints, {len(self._idle)} idle, {self._nbytes:,} bytes)"

    def __reduce__(self) -> tuple[type["Ram"], tuple[()]]:
        return Ram, ()

    def _save_elsewhere(self, leaves: Sequence[Array]) -> list[Array]:
        for i, buffers in enumerate(self._idle):
            if _fill(buffers, leaves):
                del self._idle[i]
                return buffers
        require_numbers(leaves)
        # Idle buffers of another form would stay for good, and take their bytes from the budget.
        self._nbytes -= sum(_nbytes(buffers) for buffers in self._idle)
        self._idle.clear()
        try:
            buffers = [np.empty(leaf.shape, leaf.dtype) for leaf in leaves]
        except MemoryError:
            raise StorageFullError(
                f"no memory for another checkpoint of {_nbytes(leaves):,} bytes: "
                f"{len(self._held)} are held, {self._nbytes:,} bytes in all. Use fewer "
                "checkpoints, that is, a smaller memory budget."
            ) from None
        self._nbytes += _nbytes(buffers)
        self._peak_bytes = max(self._peak_bytes, self._nbytes)
        _fill(buffers, leaves)
        return buffers


def _fill(buffers: Sequence[Array], leaves: Sequence[Array]) -> bool:
    """Copy the arrays into buffers of just their shapes and dtypes; False if they have others."""
    if len(buffers) != len(leaves):
        return False
    # Assignment alone would broadcast and cast.
    for buffer, leaf in zip(buffers, leaves, strict=True):
        if buffer.shape != leaf.shape or buffer.dtype != leaf.dtype:
            return False
        buffer[...] = leaf
    return True


def _fill_one(buffers: Sequence[Array], leaves: Sequence[Array]) -> bool:
    """Do the same for one array, in less time."""
    if len(buffers) != 1:
        return False
    buffer, leaf = buffers[0], leaves[0]
    if buffer.shape != leaf.shape or buffer.dtype != leaf.dtype:
        return False
    buffer[...] = leaf
    return True


def _nbytes(leaves: Sequence[Array]) -> int:
    return sum(leaf.nbytes for leaf in leaves)

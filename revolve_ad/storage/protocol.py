"""What every storage can do: three verbs, and counts of the memory that it takes."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["Array", "Key", "Storage"]

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""

Key = int | tuple[int, ...]
"""What a checkpoint is called, such as the index of its state."""


class Storage(Protocol):
    """Keeps lists of arrays under keys; the rules stand in the package's docstring."""

    def save(self, key: Key, leaves: Sequence[Array]) -> None:
        """Keep a copy of the arrays, in place of what this key held.

        Parameters
        ----------
        key : int or tuple of int
            The name of the checkpoint.
        leaves : sequence of ndarray
            Of any shape, layout and byte order; boolean, integer, float or complex.

        Raises
        ------
        StorageFullError
            If there is no room; what was held before is held still, but for this key.
        DtypeError
            If an array holds Python objects or anything else that is no number.
        """

    def restore(self, key: Key, out: Sequence[Array] | None = None) -> list[Array]:
        """Return a copy of a checkpoint, which stays held.

        Parameters
        ----------
        key : int or tuple of int
            The name of the checkpoint.
        out : sequence of ndarray, optional
            Arrays of the shapes and dtypes that were saved, to be filled instead of new ones.
            After an error their contents are undefined.

        Returns
        -------
        leaves : list of ndarray
            `out`'s arrays, or new ones, C-contiguous.

        Raises
        ------
        StorageError
            If nothing is held under this key.
        CheckpointCorruptError
            If what comes back isn't what was saved.
        ShapeError, DtypeError
            If an array of `out` doesn't fit.
        """

    def discard(self, key: Key) -> None:
        """Free a checkpoint.

        Raises
        ------
        StorageError
            If nothing is held under this key.
        """

    @property
    def nbytes(self) -> int:
        """The bytes of memory, not of disk, that the storage holds now; idle buffers count."""

    @property
    def peak_bytes(self) -> int:
        """The largest value that `nbytes` has had."""

"""Checks that arrays can be kept, and that buffers fit what is to be put into them."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from revolve_ad.errors import DtypeError, ShapeError, StorageError
from revolve_ad.storage.protocol import Array, Key

__all__ = ["not_held", "require_fit", "require_numbers"]

_NUMERIC: Final = frozenset("biufc")


def require_numbers(leaves: Sequence[Array]) -> None:
    """Raise `DtypeError` unless every array holds numbers, whose bytes are their value."""
    for i, leaf in enumerate(leaves):
        if leaf.dtype.kind not in _NUMERIC:
            raise DtypeError(
                f"leaf {i} has dtype {leaf.dtype}; a storage keeps booleans, integers, floats and "
                "complex numbers. Convert it first."
            )


def require_fit(
    shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[np.generic]], out: Sequence[Array]
) -> None:
    """Raise `ShapeError` or `DtypeError` unless the arrays of `out` have these forms."""
    if len(out) != len(shapes):
        raise ShapeError(
            f"{len(out)} arrays were given to restore into, but the checkpoint holds {len(shapes)}."
        )
    for i, (shape, dtype, array) in enumerate(zip(shapes, dtypes, out, strict=True)):
        if array.shape != shape:
            raise ShapeError(
                f"array {i} to restore into has shape {array.shape}, but {shape} was saved."
            )
        if array.dtype != dtype:
            raise DtypeError(
                f"array {i} to restore into has dtype {array.dtype}, but {dtype} was saved."
            )


def not_held(key: Key, held: Collection[Key]) -> StorageError:
    """Return the error for a key under which there is nothing."""
    some = ", ".join(str(key) for key in list(held)[:10])
    return StorageError(
        f"no checkpoint is held under {key}; held are {len(held)}: {some or 'none'}"
        f"{', …' if len(held) > 10 else ''}. Save it before, and discard it once."
    )

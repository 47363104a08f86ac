"""Adds up the gradient with respect to params, inputs and hidden params over the steps."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from revolve_ad import trees
from revolve_ad.errors import DtypeError, ShapeError
from revolve_ad.simulation.arrays.layout import Layout, Leaves

__all__ = ["Sums"]


@final
class Sums:
    """Sums in float64 or complex128, whatever the dtype of what they belong to.

    Their memory is taken where the first term comes: a kernel may have none before its end.

    Parameters
    ----------
    layout : Layout
        The form of the cotangent of what the gradient is with respect to.
    """

    __slots__ = ("_layout", "_leaves")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._leaves: Leaves | None = None

    @property
    def leaves(self) -> Leaves:
        """The sums."""
        if self._leaves is None:
            self._leaves = self._layout.zeros(double=True)
        return self._leaves

    @property
    def nbytes(self) -> int:
        """The bytes of the sums."""
        return sum(leaf.nbytes for leaf in self.leaves)

    def add(self, value: Any, k: int) -> None:
        """Add a cotangent that the user's vjp of step `k` returned; None is zero."""
        if value is None:
            return
        leaves = self.leaves
        if len(leaves) == 1 and type(value) is np.ndarray:
            total = leaves[0]
            if value.dtype is total.dtype and value.shape == total.shape:
                np.add(total, value, total)
                return
        for total, part in zip(leaves, checked(value, self._layout, k), strict=True):
            if part is not None:
                np.add(total, part, out=total)

    def add_row(self, k: int, value: Any) -> None:
        """Add a cotangent of row `k` of the inputs; None is zero."""
        if value is None:
            return
        for total, part in zip(self.leaves, checked(value, self._layout.rows, k), strict=True):
            if part is not None:
                total[k] += part

    def add_leaves(self, parts: Sequence[Any], offset: int = 0) -> None:
        """Add trusted parts to the leaves from `offset` on; None is zero."""
        for i, part in enumerate(parts, offset):
            if part is not None:
                total = self.leaves[i]
                np.add(total, part, out=total)

    def add_sums(self, other: "Sums") -> None:
        """Add the sums of another object of this form."""
        if other._leaves is not None:
            self.add_leaves(other._leaves)

    def set_row(self, k: int, parts: Sequence[Any]) -> None:
        """Enter the trusted cotangent of row `k` of the inputs; None is zero."""
        for i, part in enumerate(parts):
            if part is not None:
                self.leaves[i][k] = part

    def result(self) -> Leaves:
        """Return the sums in the dtypes of what they belong to."""
        return [
            leaf.astype(dtype, copy=False)
            for leaf, dtype in zip(self.leaves, self._layout.dtypes, strict=True)
        ]


def checked(value: Any, layout: Layout, k: int) -> list[Any]:
    """Return the leaves of a cotangent given by the user, each with its right shape or None."""
    origin = f"the vjp of step {k}"
    try:
        parts = _flatten_with_none(value, layout)
    except TypeError as error:
        error.add_note(f"{origin} returned it as the {layout.name}.")
        raise
    for i, part in enumerate(parts):
        if part is None:
            continue
        found = np.asarray(part)
        path = layout.paths[i]
        if found.shape != layout.shapes[i]:
            raise ShapeError(
                f"{origin} returned {path} with shape {found.shape}; it must have the shape "
                f"{layout.shapes[i]} of what it belongs to, or be None for zero."
            )
        if found.dtype.kind == "c" and layout.dtypes[i].kind != "c":
            raise DtypeError(
                f"{origin} returned {path} with dtype {found.dtype}, but it belongs to a real leaf "
                f"({layout.dtypes[i]}); take its real part."
            )
        if found.dtype.kind not in "biufc":
            raise DtypeError(f"{origin} returned {path} with dtype {found.dtype}; give numbers.")
        parts[i] = found
    return parts


def _flatten_with_none(value: Any, layout: Layout) -> list[Any]:
    """Return the leaves of a value in which None may stand for any part."""
    if value is None:
        return [None] * layout.structure.n_leaves
    structure = layout.structure
    if structure.container is None or type(value) is not structure.type:
        return list(trees.flatten_like(structure, value, layout.name))
    labels = structure.labels()
    parts: Any
    parts, rest = structure.container.split(value)
    keyed: Any = value
    if structure.container.keyed and set(rest) == set(structure.rest):
        parts = [keyed[key] for key in structure.rest]
    elif rest != structure.rest or len(parts) != len(structure.children):
        return list(trees.flatten_like(structure, value, layout.name))
    found: list[Any] = []
    start = 0
    for label, child, part in zip(labels, structure.children, parts, strict=True):
        stop = start + child.n_leaves
        inner = Layout(
            layout.name + label,
            child,
            layout.shapes[start:stop],
            layout.dtypes[start:stop],
            layout.kinds[start:stop],
        )
        found += _flatten_with_none(part, inner)
        start = stop
    return found

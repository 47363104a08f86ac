"""The fixed form of a structured value: where its leaves stand, their shapes, dtypes and kinds.

A simulation works on lists of arrays of its own; what the user's functions see is built from them.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from sys import getrefcount
from typing import Any, Self

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.traced import is_traced, plain
from revolve_ad.errors import DtypeError, ShapeError, StructureError, TracedValueError

__all__ = ["NOTHING", "Array", "Layout", "Leaves", "Tape", "detach"]

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""

Leaves = list[Array]
"""The leaves of a structured value, in memory of our own, C-contiguous."""

Tape = list[Leaves]
"""What reverses a stretch of steps: the states before its steps, at least the first one."""


class Kind(enum.Enum):
    """What a leaf is for the user."""

    ARRAY = enum.auto()
    SCALAR = enum.auto()
    """A NumPy scalar."""
    WEAK = enum.auto()
    """A number of Python, which doesn't decide the dtype of what is computed with it."""


@dataclass(frozen=True)
class Layout:
    """The form of a structured value.

    Attributes
    ----------
    name : str
        What the value is called in messages, such as ``"state"``.
    structure : Structure
        Its nesting.
    shapes : tuple of tuple of int
        One shape a leaf; ``()`` for a number.
    dtypes : tuple of dtype
        One a leaf, in native byte order; float64 for a Python int, which counts as a float.
    kinds : tuple of Kind
        Whether the user gave an array or a number.
    """

    name: str
    structure: trees.Structure
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]
    kinds: tuple[Kind, ...]

    @classmethod
    def of(cls, value: Any, name: str) -> tuple[list[Any], Self]:
        """Return the leaves of a value, not copied, and its layout."""
        leaves, structure = trees.flatten(value, name)
        return leaves, cls.of_leaves([plain(leaf) for leaf in leaves], structure, name)

    @classmethod
    def of_leaves(cls, leaves: Sequence[Any], structure: trees.Structure, name: str) -> Self:
        """Return the layout of plain leaves of a known structure."""
        kinds = tuple([_kind(leaf) for leaf in leaves])
        dtypes = tuple([_dtype(leaf) for leaf in leaves])
        shapes = tuple([x.shape if type(x) is np.ndarray else np.shape(x) for x in leaves])
        if not _TOO_WIDE.isdisjoint(dtypes):
            raise _too_wide(structure.paths(name), dtypes)
        return cls(name, structure, shapes, dtypes, kinds)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.name, self.structure, self.shapes, self.dtypes, self.kinds))

    def __reduce__(self) -> tuple[Any, ...]:
        # What is worked out on the way stays behind: a hash holds in one process.
        return Layout, (self.name, self.structure, self.shapes, self.dtypes, self.kinds)

    @cached_property
    def paths(self) -> list[str]:
        """Where each leaf stands, such as ``state['u']``."""
        return self.structure.paths(self.name)

    @cached_property
    def nbytes(self) -> int:
        """The bytes of all leaves together."""
        return sum(
            prod(shape) * dtype.itemsize
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        )

    @cached_property
    def differentiable(self) -> tuple[bool, ...]:
        """Whether each leaf has a gradient: floats and complex numbers do."""
        return tuple([dtype.kind in "fc" for dtype in self.dtypes])

    @cached_property
    def cotangents(self) -> "Layout":
        """The layout of a cotangent: integer leaves have one of float zeros."""
        dtypes = tuple([d if d.kind in "fc" else np.dtype(np.float64) for d in self.dtypes])
        # The cotangent of a number is a NumPy scalar: it is computed in the leaf's dtype.
        kinds = tuple([Kind.ARRAY if k is Kind.ARRAY else Kind.SCALAR for k in self.kinds])
        return Layout(f"cotangent of {self.name}", self.structure, self.shapes, dtypes, kinds)

    @cached_property
    def is_array(self) -> bool:
        """Whether the value is one array, not nested in anything: the case to be fast in."""
        return self.kinds == (Kind.ARRAY,) and self.is_leaf

    @cached_property
    def is_leaf(self) -> bool:
        """Whether the value is one array or number, not nested in anything."""
        return self.structure == _ARRAY

    @cached_property
    def rows(self) -> "Layout":
        """The layout of one row of arrays with a leading axis."""
        shapes = tuple([shape[1:] for shape in self.shapes])
        kinds = tuple([Kind.ARRAY if shape else Kind.SCALAR for shape in shapes])
        return Layout(f"{self.name}_k", self.structure, shapes, self.dtypes, kinds)

    @cached_property
    def doubled(self) -> "Layout":
        """The layout of the leaves, then of the tangents of those that are differentiable."""
        has = self.differentiable
        tangents = self.cotangents

        def twice(own: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
            return own + tuple([x for x, flag in zip(other, has, strict=True) if flag])

        return Layout(
            self.name,
            trees.flatten((0.0,) * (len(has) + sum(has)))[1],
            twice(self.shapes, self.shapes),
            twice(self.dtypes, tangents.dtypes),
            twice(self.kinds, tangents.kinds),
        )

    def numpy(self, leaves: Sequence[Any]) -> list[Any]:
        """Return arrays as they are, and numbers as NumPy scalars: what a tape takes."""
        if self.is_array:
            return list(leaves)
        return [
            leaf if kind is Kind.ARRAY else leaf[()]
            for leaf, kind in zip(leaves, self.kinds, strict=True)
        ]

    def arrays(self, values: Sequence[Any]) -> Leaves:
        """Return what a tape gave as leaves: C-contiguous arrays."""
        return [
            value
            if type(value) is np.ndarray and value.flags.carray
            else np.array(value, dtype, order="C", ndmin=0)
            for value, dtype in zip(values, self.dtypes, strict=True)
        ]

    def zeros(self, *, double: bool = False) -> Leaves:
        """Return zeros of this form; with `double` in float64 or complex128."""
        return [
            np.zeros(shape, np.promote_types(dtype, np.float64) if double else dtype)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]

    def build(self, leaves: Sequence[Any]) -> Any:
        """Return the structured value of these leaves, as the user's functions see it.

        Arrays are not copied; numbers come as NumPy scalars or, where the user gave a Python
        number, as Python numbers, so that they don't promote float32 to float64.
        """
        if self.is_array:
            return leaves[0]
        return self.structure.unflatten(
            [
                leaf if kind is Kind.ARRAY else leaf[()] if kind is Kind.SCALAR else leaf.item()
                for leaf, kind in zip(leaves, self.kinds, strict=True)
            ]
        )

    def result(self, leaves: Sequence[Any]) -> Any:
        """Return the structured value as a result: numbers are NumPy scalars."""
        return self.structure.unflatten(self.numpy(leaves))

    def copy_in(self, leaves: Sequence[Any]) -> Leaves:
        """Return copies of leaves of the caller, in memory of our own."""
        return [
            np.array(leaf, dtype, order="C", copy=True)
            for leaf, dtype in zip(leaves, self.dtypes, strict=True)
        ]

    def read_only(self, leaves: Sequence[Any]) -> Leaves:
        """Return views of arrays that can't be written through; numbers as arrays."""
        views = []
        for leaf, dtype in zip(leaves, self.dtypes, strict=True):
            view = np.asarray(leaf, dtype).view()
            view.flags.writeable = False
            views.append(view)
        return views

    def build_read_only(self, leaves: Sequence[Any]) -> Any:
        """Return the structured value of the caller's leaves, with arrays that can't be written."""
        return self.build(self.read_only(leaves))

    def adopt(self, value: Any, origin: str) -> Leaves:
        """Take over what a function of the user returned, as leaves of our own.

        An array that nobody else holds is taken as it is; anything else is copied, so that no two
        leaves, and no leaf and anything of the user's, share memory.

        Parameters
        ----------
        value
            The result.
        origin : str
            What returned it, for messages, such as ``"step 3 (state 3 to state 4)"``.

        Raises
        ------
        StructureError, LeafError, ShapeError, DtypeError
            If it isn't of this form; the message names the leaf.
        """
        if value is None and self.structure.n_leaves:
            raise StructureError(
                f"{origin} returned None instead of the {self.name}; end it with "
                "'return ...', in-place updates included."
            )
        try:
            leaves = trees.flatten_like(self.structure, value, self.name)
        except (StructureError, TypeError) as error:
            error.add_note(f"{origin} returned it; it must keep the structure of the {self.name}.")
            raise
        del value  # so that its leaves are ours alone, if they are
        for i, dtype in enumerate(self.dtypes):
            leaf = leaves[i]
            if (
                type(leaf) is np.ndarray
                and leaf.dtype is dtype
                and leaf.shape == self.shapes[i]
                and leaf.base is None
                and getrefcount(leaf) == _SOLE_IN_LIST
                and leaf.flags.carray
            ):
                continue
            leaves[i] = self._copied(leaf, i, origin)
        return leaves

    def _copied(self, leaf: Any, i: int, origin: str) -> Array:
        shape, dtype = self.shapes[i], self.dtypes[i]
        if is_traced(leaf):
            raise TracedValueError(
                f"{origin} returned {self.paths[i]} as a traced value: it reads a value of the "
                "function around the simulation that wasn't read when it was recorded, at step 0. "
                "Pass that value to the simulation in params=."
            )
        found = np.asarray(leaf)
        if found.shape != shape:
            raise ShapeError(
                f"{origin} returned {self.paths[i]} with shape {found.shape}, but it had shape "
                f"{shape}; keep it, or pad the array to its largest size."
            )
        weak = type(leaf) in (bool, int, float, complex) and np.can_cast(
            found.dtype, dtype, "same_kind"
        )
        loose = self.kinds[i] is Kind.WEAK and np.can_cast(found.dtype, dtype, "same_kind")
        if found.dtype != dtype and not weak and not loose:
            raise DtypeError(
                f"{origin} returned {self.paths[i]} with dtype {found.dtype}, but it had dtype "
                f"{dtype}; {_way_out(self.name, dtype, found.dtype)}"
            )
        return np.array(found, dtype, order="C", copy=True)


def detach(leaves: Leaves) -> None:
    """Copy those arrays of a list that others hold too, so that all of them are its owner's."""
    for i in range(len(leaves)):
        leaf = leaves[i]
        if getrefcount(leaf) != _SOLE_IN_LIST:
            leaves[i] = leaf.copy()


def _way_out(name: str, had: np.dtype[Any], came: np.dtype[Any]) -> str:
    """Return what to do about a leaf that changes its dtype."""
    if had.kind in "biu" and came.kind in "fc":
        return (
            f"a {name} of whole numbers is carried as whole numbers. Start from floats, such as "
            f"np.zeros(3) or x.astype({came}); convert with .astype({had}) what has to stay whole."
        )
    if had == np.float32 and came == np.float64:
        return (
            "something of double precision came in, such as a param, a constant array or a number "
            "of NumPy's (np.sqrt(2)). Make it np.float32, or start from float64; plain Python "
            "numbers change nothing."
        )
    return f"convert it with .astype, or start from {came}."


_ARRAY = trees.flatten(np.zeros(0))[1]


_TOO_WIDE = {np.dtype(t) for t in (np.longdouble, np.clongdouble)} - {
    np.dtype(np.float64),
    np.dtype(np.complex128),
}


def _too_wide(paths: Sequence[str], dtypes: Sequence[np.dtype[Any]]) -> DtypeError:
    path, dtype = next(
        (path, dtype) for path, dtype in zip(paths, dtypes, strict=True) if dtype in _TOO_WIDE
    )
    double = "complex128" if dtype.kind == "c" else "float64"
    return DtypeError(f"{path} has dtype {dtype}, which isn't supported; use .astype(np.{double}).")


def _kind(leaf: Any) -> Kind:
    if type(leaf) is np.ndarray:
        return Kind.ARRAY
    if isinstance(leaf, (bool, int, float, complex)) and not isinstance(leaf, np.generic):
        return Kind.WEAK
    return Kind.SCALAR if isinstance(leaf, np.generic) else Kind.ARRAY


def _dtype(leaf: Any) -> np.dtype[Any]:
    if type(leaf) is int:
        return np.dtype(np.float64)
    dtype: np.dtype[Any] = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    # Of a native dtype there is one object, so that comparing by identity finds it at once.
    return np.dtype(dtype.type)


def _count_in_list() -> int:
    """Return what `getrefcount` says in `Layout.adopt` of an array that nobody else holds."""

    def probe(value: Any) -> int:
        leaves = trees.flatten_like(structure, value, "")
        del value
        leaf = leaves[0]
        return getrefcount(leaf)

    structure = trees.flatten({"probe": np.zeros(1)})[1]
    return probe({"probe": np.zeros(1)})


_SOLE_IN_LIST = _count_in_list()

NOTHING = Layout.of((), "hidden")[1]
"""The layout of no leaves."""

"""What a traced mask takes: ``u[mask] *= 2`` without asking how many elements the mask has.

``u[mask]`` has a length that depends on values.  As long as nobody asks for it, it stands on the
tape as an array of the shape of `u` whose elements count where the mask holds: point by point
operations act on that, and ``u[mask] = …`` chooses between it and `u`.  Whoever asks for more (a
length, an element, a result of that shape) gets the elements themselves, and the tape then depends
on values.

Where the mask doesn't hold, the array repeats the first element that it takes: what is computed
there is computed anyway, so that it raises no warnings of its own, and what it makes of a
derivative is cut off by the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import WHERE, common_shape
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.functions.indexing import INDEX
from revolve_ad.ad.functions.roots import root
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import PYTHON_NUMBERS, Traced, operand_nodes, record_value
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Cell, Recorder

__all__ = ["Masked"]


class Masked(Cell):
    """The memory of the elements that a traced mask takes, while nobody asks how many they are.

    Attributes
    ----------
    mask : int
        The node of the mask.
    taken : ndarray of bool
        Its real value.
    full : int
        The node of an array whose elements are these where the mask holds.
    axis : int or None
        For ``np.nonzero(mask)[axis]``.
    """

    __slots__ = ("_settled", "axis", "full", "mask", "rec", "taken")

    def __init__(
        self,
        rec: Recorder,
        mask: int,
        taken: np.ndarray,
        full: int,
        root: np.ndarray,
        axis: int | None = None,
    ) -> None:
        self.rec = rec
        self.mask = mask
        self.taken = taken
        self.full = full
        self.root = self.owner = root
        self.reads = None
        self._address = -1
        self.axis = axis
        self._settled: int | None = None

    @property
    def lazy(self) -> bool:
        """Whether nobody has asked for more yet."""
        return self._settled is None

    @property
    def node(self) -> int:
        """The node of the elements, from now on of a length that depends on values."""
        if self._settled is None:
            rec = self.rec
            rec.mark_dependent("the number of elements that a traced mask takes")
            places = [rec.constant(k) for k in np.nonzero(self.taken)]
            template = (("array",),) * len(places)
            v = self.root
            self._settled = rec.append(
                INDEX, (self.full, *places), (template,), v.shape, v.dtype, v.copy()
            )
        return self._settled

    @node.setter
    def node(self, node: int) -> None:
        self._settled = node


@implements("settle")
def settle(x: Traced) -> None:
    """Mark the tape if `x` has a length that depends on values, which is looked at now."""
    cell = x.cell
    if type(cell) is Masked:
        cell.node  # noqa: B018


def _lazy(x: Any) -> Masked | None:
    """Return the memory of `x` if it is what a mask takes and nobody has asked for more."""
    if type(x) is not Traced:
        return None
    cell = x.cell
    return cell if type(cell) is Masked and cell.lazy and x.v is cell.root else None


def _same(rec: Recorder, a: int, b: int, depth: int = 6) -> bool:
    """Tell whether two nodes are the same operations on the same nodes."""
    if a == b:
        return True
    first, second = rec.nodes[a], rec.nodes[b]
    return (
        depth > 0
        and first.op is second.op
        and first.dtype == second.dtype
        and len(first.args) == len(second.args) > 0
        and first.params == second.params
        and all(_same(rec, x, y, depth - 1) for x, y in zip(first.args, second.args, strict=True))
    )


def _made(rec: Recorder, like: Masked, full: int, v: np.ndarray, axis: int | None = None) -> Traced:
    t = object.__new__(Traced)
    t.rec, t.v, t._node, t._seen, t._map = rec, v, -1, -1, None
    t.cell = Masked(rec, like.mask, like.taken, full, v, axis)
    rec.masks, rec.simple = True, False
    return t


def _widened(rec: Recorder, mask: int, ndim: int) -> int:
    """Return the mask with axes of length one for the axes that it doesn't have."""
    shape = rec.nodes[mask].shape
    return rec.reshape(mask, shape + (1,) * (ndim - len(shape)))


def _chosen(rec: Recorder, mask: int, a: int, b: int, shape: tuple[int, ...]) -> int:
    """Return the node of `a` where the mask holds, else `b`."""
    nodes = rec.nodes
    dtype = nodes[a].dtype
    return rec.append(WHERE, (_widened(rec, mask, len(shape)), a, b), (), shape, dtype, None)


def _first_taken(x: Any, mask: Any) -> Any:
    x = np.asarray(x)
    if x.ndim < mask.ndim:  # a number
        return x[()]
    first = int(mask.argmax())
    rows = x.reshape((mask.size, *x.shape[mask.ndim :]))
    return rows[first].copy() if mask.reshape(-1)[first] else np.ones(rows.shape[1:], x.dtype)[()]


# The first element (or row) that a mask takes, ones if it takes none; without a derivative.
FIRST_TAKEN = Primitive(
    "first_taken",
    _first_taken,
    infer=lambda x, mask: ArrayType(x.shape[len(mask.shape) :], x.dtype),
)
no_derivative(FIRST_TAKEN)


def _filled(rec: Recorder, mask: int, x: int, shape: tuple[int, ...]) -> int:
    """Return `x` where the mask holds, else what does no harm."""
    kind = rec.nodes[x]
    rest = kind.shape[len(rec.nodes[mask].shape) :]
    other = rec.append(FIRST_TAKEN, (x, mask), (), rest, kind.dtype, None)
    return _chosen(rec, mask, x, other, shape)


# -- reading and writing -----------------------------------------------------------------------


@implements("masked read")
def masked_read(rec: Recorder, x: Traced, index: Any) -> Traced | None:
    """Return ``x[mask]``, not yet settled; None where that can't be put off."""
    found = _mask_of(rec, x, index)
    if found is None or x.v.size == 0:
        return None
    mask, taken = found
    full = _filled(rec, mask, x.read(), x.v.shape)
    like = Masked(rec, mask, taken, full, taken)
    return _made(rec, like, full, x.v[taken])


@implements("masked write")
def masked_write(rec: Recorder, x: Traced, index: Any, value: Any) -> bool:
    """Do ``x[mask] = value`` by a choice point by point; return False where that can't be."""
    cell = _lazy(value)
    if cell is None or value.rec is not rec or rec.nodes[cell.full].shape != x.v.shape:
        return False
    found = _mask_of(rec, x, index)
    if found is None or not _same(rec, found[0], cell.mask):
        return False
    assert x.cell is not None
    kept = x.read()
    new = rec.cast(cell.full, x.dtype)
    rec.before_write(x.cell)
    x.v[found[1]] = value.v
    node = _chosen(rec, cell.mask, new, kept, x.v.shape)
    rec.write(x.cell, x.map, node)
    return True


def _mask_of(rec: Recorder, x: Traced, index: Any) -> tuple[int, np.ndarray] | None:
    """Return the node and the value of a traced mask that an index is, or stands for."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if type(index) is tuple:  # ``np.nonzero(mask)``
        cells = [_lazy(k) for k in index]
        first = cells[0] if cells else None
        if first is None or first.taken.shape != x.v.shape or len(cells) != x.v.ndim:
            return None
        for d, cell in enumerate(cells):
            if cell is None or cell.axis != d or cell.mask != first.mask:
                return None
        return first.mask, first.taken
    if type(index) is not Traced or index.rec is not rec:
        return None
    cell = _lazy(index)
    if cell is not None:
        return (cell.mask, cell.taken) if cell.axis == 0 and cell.taken.shape == x.v.shape else None
    mask = index.v
    if (
        index.cell is None
        or mask.dtype != np.bool_
        or not mask.ndim
        or mask.shape != x.v.shape[: mask.ndim]
        or not index.varies()
    ):
        return None
    return index.read(), mask.copy()


@implements("lazy nonzero")
def lazy_nonzero(rec: Recorder, mask: Traced) -> tuple[Traced, ...] | None:
    """Return ``np.nonzero(mask)``, not yet settled."""
    v = mask.v
    if mask.cell is None or v.dtype != np.bool_ or not v.size or mask.rec is not rec:
        return None
    if not mask.varies():
        return None
    taken = v.copy()
    node = mask.read()
    found = []
    for axis, (places, grid) in enumerate(zip(np.nonzero(taken), np.indices(v.shape), strict=True)):
        full = _filled(rec, node, rec.constant(grid), v.shape)
        found.append(_made(rec, Masked(rec, node, taken, full, taken), full, places, axis))
    return tuple(found)


# -- point by point ----------------------------------------------------------------------------


def _masks(rec: Recorder, inputs: Sequence[Any]) -> Masked | None:
    """Return the mask that all operands have that have one; None if they aren't of one."""
    first: Masked | None = None
    for x in inputs:
        cell = _lazy(x)
        if cell is None:
            if type(x) in PYTHON_NUMBERS or isinstance(x, np.generic):
                continue
            if type(x) is Traced and x.rec is rec and np.ndim(x.v) == 0:
                continue
            return None
        if first is None:
            first = cell
        elif (
            not _same(rec, first.mask, cell.mask)
            or rec.nodes[first.full].shape != rec.nodes[cell.full].shape
        ):
            return None
    return first if first is None or first.rec is rec else None


def _whole(rec: Recorder, x: Any, mask: Masked) -> Any:
    """Return an operand as one for whole arrays."""
    cell = _lazy(x)
    shape = rec.nodes[mask.full].shape
    if cell is not None:
        node = cell.full
    elif type(x) is Traced and x.varies() and x.dtype.kind in "fc" and not x.weak:
        # Where the mask doesn't hold, not even the derivative by a number may come through.
        node = _filled(rec, mask.mask, x.read(), shape)
    else:
        return x
    t = object.__new__(Traced)
    t.rec, t.cell, t._node, t._seen, t._map = rec, None, node, node, None
    t.v = np.broadcast_to(np.zeros((), x.dtype), shape)
    return t


@implements("lazy")
def lazy(rec: Recorder, op: Primitive, ufunc: np.ufunc, inputs: Sequence[Any], value: Any) -> Any:
    """Record a point by point operation on what a mask takes; None if that can't be put off."""
    if isinstance(value, tuple) or not isinstance(value, np.ndarray) or ufunc.signature is not None:
        return None
    mask = _masks(rec, inputs)
    if mask is None:
        return None
    args = operand_nodes(rec, [_whole(rec, x, mask) for x in inputs], ufunc)
    shape = common_shape(tuple([rec.nodes[a].shape for a in args]))
    full = rec.append(op, args, (), shape, value.dtype, None)
    return _made(rec, mask, full, value)


@implements("lazy where")
def lazy_where(rec: Recorder, condition: Any, x: Any, y: Any, value: np.ndarray) -> Any:
    """Record ``np.where`` of what a mask takes; None if that can't be put off."""
    mask = _masks(rec, (condition, x, y))
    if mask is None:
        return None
    condition, x, y = (_whole(rec, k, mask) for k in (condition, x, y))
    args = (
        operand_nodes(rec, (condition,), np.logical_not)[0],
        *operand_nodes(rec, (x, y), np.add),
    )
    shape = common_shape(tuple([rec.nodes[a].shape for a in args]))
    return _made(rec, mask, rec.append(WHERE, args, (), shape, value.dtype, None), value)


@implements("lazy in place")
def lazy_in_place(rec: Recorder, x: Traced, value: Any) -> bool:
    """Do ``w *= 2`` on what a mask takes; return False where that can't be put off."""
    cell, new = _lazy(x), _lazy(value)
    if cell is None or new is None or cell.mask != new.mask:
        return False
    x.v[...] = value.v
    cell.full, cell.axis = rec.cast(new.full, x.dtype), None
    return True


# -- reductions --------------------------------------------------------------------------------


def _reduction(name: str, equal: Callable[[Any, Any], Any] | None) -> Primitive:
    """Return the primitive ``name(x[mask])``, computed as NumPy does, in its order."""
    function = getattr(np, name)

    def infer(x: ArrayType, mask: ArrayType) -> ArrayType:
        return ArrayType((), np.asarray(function(np.ones(1, x.dtype))).dtype)

    op = Primitive(f"{name}_where", lambda x, mask: function(np.asarray(x)[mask]), infer=infer)
    if equal is None:
        no_derivative(op)
    else:
        define_by_equal(op, equal)
    return op


def _mean(x: Any, mask: Any) -> Any:
    return np.sum(np.where(mask, x, 0)) / np.sum(mask)


def _var(x: Any, mask: Any) -> Any:
    return np.sum(np.where(mask, np.abs(x - _mean(x, mask)) ** 2, 0)) / np.sum(mask)


def _extreme(function: Any, worst: float) -> Callable[[Any, Any], Any]:
    return lambda x, mask: function(np.where(mask, x, worst))


_REDUCTIONS = {
    getattr(np, name): _reduction(name, equal)
    for name, equal in {
        "sum": lambda x, mask: np.sum(np.where(mask, x, 0)),
        "prod": lambda x, mask: np.prod(np.where(mask, x, 1)),
        "mean": _mean,
        "var": _var,
        "std": lambda x, mask: root(_var(x, mask)),
        "max": _extreme(np.max, -np.inf),
        "min": _extreme(np.min, np.inf),
        "any": None,
        "all": None,
        "count_nonzero": None,
    }.items()
}
_REDUCTIONS.update({np.amax: _REDUCTIONS[np.max], np.amin: _REDUCTIONS[np.min]})


@implements("masked function")
def masked_function(rec: Recorder, function: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """Record NumPy's function of what a mask takes; None where that can't be put off."""
    if len(args) != 1 or any(v is not None for v in kwargs.values()):
        return None
    (x,) = args
    cell = _lazy(x)
    if cell is None or x.rec is not rec or cell.taken.ndim != len(rec.nodes[cell.full].shape):
        return None
    if function is np.copy:
        return _made(rec, cell, cell.full, x.v.copy())
    op = _REDUCTIONS.get(function)
    if op is None:
        return None
    return record_value(rec, op, (cell.full, cell.mask), (), function(x.v))

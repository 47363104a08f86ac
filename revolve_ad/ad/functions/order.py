"""Order statistics: sort, partition, median, quantiles; and positions, which have no derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from revolve_ad.ad.functions.arguments import finished, prepared
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import METHODS, Traced, apply, unsupported
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

__all__ = ["positions"]

_NO_VALUE = np._NoValue
_BOOL = np.dtype(bool)


def positions(
    name: str, function: Callable[..., Any], *params: str, infer: Callable[..., Any] | None = None
) -> Primitive:
    """Return a primitive whose value doesn't change with small changes of its operands."""
    op = Primitive(name, function, infer=infer, params=params)
    no_derivative(op)
    return op


def _integers(x: ArrayType, *_: Any) -> ArrayType:
    return ArrayType(x.shape, np.dtype(np.intp))


def _same(x: ArrayType, *_: Any) -> ArrayType:
    return x


# -- sorting -----------------------------------------------------------------------------------

ARGSORT = positions(
    "argsort",
    lambda x, axis, kind, stable: np.argsort(x, axis=axis, kind=kind, stable=stable),
    "axis",
    "kind",
    "stable",
    infer=_integers,
)
ARGPARTITION = positions(
    "argpartition",
    lambda x, kth, axis: np.argpartition(x, kth, axis=axis),
    "kth",
    "axis",
    infer=_integers,
)
SORT = Primitive(
    "sort",
    lambda x, axis, kind, stable: np.sort(x, axis=axis, kind=kind, stable=stable),
    infer=_same,
    params=("axis", "kind", "stable"),
)
define_by_equal(
    SORT,
    lambda x, axis, kind, stable: np.take_along_axis(
        x, apply(ARGSORT, (x,), (axis, kind, stable)), axis
    ),
)
PARTITION = Primitive(
    "partition",
    lambda x, kth, axis: np.partition(x, kth, axis=axis),
    infer=_same,
    params=("kth", "axis"),
)
define_by_equal(
    PARTITION,
    lambda x, kth, axis: np.take_along_axis(x, apply(ARGPARTITION, (x,), (kth, axis)), axis),
)


def _flat(rec: Recorder, a: Any, axis: Any) -> tuple[Any, int]:
    a = prepared(rec, a)
    if axis is None:
        return np.ravel(a), 0
    return a, normalize_axis_index(int(axis), a.ndim)


def _sort_parameters(kind: Any, order: Any, stable: Any, name: str) -> tuple[Any, Any]:
    if order is not None:
        raise unsupported(f"np.{name} with order=")
    return kind, stable


@implements(np.sort)
def sort(
    rec: Recorder,
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    a, axis = _flat(rec, a, axis)
    return apply(SORT, (a,), (axis, *_sort_parameters(kind, order, stable, "sort")))


@implements(np.argsort)
def argsort(
    rec: Recorder,
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
) -> Any:
    a, axis = _flat(rec, a, axis)
    return apply(ARGSORT, (a,), (axis, *_sort_parameters(kind, order, stable, "argsort")))


def _kth(kth: Any) -> Any:
    found = np.asarray(kth).tolist()
    return tuple(found) if isinstance(found, list) else found


@implements(np.partition)
def partition(
    rec: Recorder, a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    a, axis = _flat(rec, a, axis)
    return apply(PARTITION, (a,), (_kth(kth), axis))


@implements(np.argpartition)
def argpartition(
    rec: Recorder, a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    a, axis = _flat(rec, a, axis)
    return apply(ARGPARTITION, (a,), (_kth(kth), axis))


def sort_in_place(x: Traced, axis: int = -1, **kwargs: Any) -> None:
    """Record ``x.sort()``."""
    x.write(np.sort(x, axis, **kwargs))


def partition_in_place(x: Traced, kth: Any, axis: int = -1, **kwargs: Any) -> None:
    """Record ``x.partition(kth)``."""
    x.write(np.partition(x, kth, axis, **kwargs))


METHODS.update(
    sort=sort_in_place,
    partition=partition_in_place,
    argsort=np.argsort,
    argpartition=np.argpartition,
)


# -- searching ---------------------------------------------------------------------------------

SEARCHSORTED = positions(
    "searchsorted",
    lambda a, v, side: np.searchsorted(a, v, side=side),
    "side",
    infer=lambda a, v, side: ArrayType(v.shape, np.dtype(np.intp)),
)
COUNT_NONZERO = positions(
    "count_nonzero",
    lambda x, axes, keepdims: np.intp(1) * np.count_nonzero(x, axis=axes, keepdims=keepdims),
    "axes",
    "keepdims",
)


@implements(np.searchsorted)
def searchsorted(rec: Recorder, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    a, v = prepared(rec, a), prepared(rec, v)
    if sorter is not None:
        a = np.take(a, sorter)
    return apply(SEARCHSORTED, (a, v), (side,))


@implements(np.count_nonzero)
def count_nonzero(rec: Recorder, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    a = prepared(rec, a)
    axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
    return apply(COUNT_NONZERO, (a,), (axes, bool(keepdims)))


METHODS["searchsorted"] = np.searchsorted


# -- integers and truth values, carried along --------------------------------------------------

ISREAL = positions("isreal", lambda x: np.isreal(x), infer=lambda x: ArrayType(x.shape, _BOOL))
ISCOMPLEX = positions(
    "iscomplex",
    lambda x: np.asarray(np.iscomplex(x))[()],
    infer=lambda x: ArrayType(x.shape, _BOOL),
)
ISIN = positions(
    "isin",
    lambda x, among, given: np.isin(x, among, **dict(given)),
    "keywords",
    infer=lambda x, among, given: ArrayType(x.shape, _BOOL),
)
UNRAVEL_INDEX = positions("unravel_index", np.unravel_index, "shape", "order")
RAVEL_MULTI_INDEX = positions(
    "ravel_multi_index",
    lambda *given: np.ravel_multi_index(given[:-3], given[-3], given[-2], given[-1]),
    *("dims", "mode", "order"),
)
PACKBITS = positions("packbits", np.packbits, "axis", "bitorder")
UNPACKBITS = positions("unpackbits", np.unpackbits, "axis", "count", "bitorder")


@implements(np.isreal)
def isreal(rec: Recorder, x: Any) -> Any:
    return apply(ISREAL, (x,))


@implements(np.iscomplex)
def iscomplex(rec: Recorder, x: Any) -> Any:
    return apply(ISCOMPLEX, (x,))


@implements(np.isin)
def isin(rec: Recorder, element: Any, test_elements: Any, *args: Any, **kwargs: Any) -> Any:
    given = dict(zip(("assume_unique", "invert"), args, strict=False)) | kwargs
    operands = (prepared(rec, element), prepared(rec, test_elements))
    return apply(ISIN, operands, (tuple(sorted(given.items())),))


@implements(np.unravel_index)
def unravel_index(rec: Recorder, indices: Any, shape: Any, order: str = "C") -> Any:
    return apply(UNRAVEL_INDEX, (prepared(rec, indices),), (tuple(np.atleast_1d(shape)), order))


@implements(np.ravel_multi_index)
def ravel_multi_index(
    rec: Recorder, multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C"
) -> Any:
    rows = [prepared(rec, x) for x in multi_index]
    mode = tuple(mode) if isinstance(mode, list) else mode
    return apply(RAVEL_MULTI_INDEX, rows, (tuple(np.atleast_1d(dims).tolist()), mode, order))


@implements(np.packbits)
def packbits(rec: Recorder, a: Any, /, axis: Any = None, bitorder: str = "big") -> Any:
    return apply(PACKBITS, (prepared(rec, a),), (axis, bitorder))


@implements(np.unpackbits)
def unpackbits(
    rec: Recorder, a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big"
) -> Any:
    return apply(UNPACKBITS, (prepared(rec, a),), (axis, count, bitorder))


def _arg(name: str) -> None:
    function = getattr(np, name)
    op = positions(
        name,
        lambda x, axis, keepdims: function(x, axis=axis, keepdims=keepdims),
        "axis",
        "keepdims",
    )

    def call(
        rec: Recorder, a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False
    ) -> Any:
        a = prepared(rec, a)
        keep = keepdims is not _NO_VALUE and bool(keepdims)
        along = None if axis is None else normalize_axis_index(axis, a.ndim)
        return finished(apply(op, (a,), (along, keep)), out, name)

    implements(function)(call)
    METHODS.setdefault(name, function)


for _name in ("argmax", "argmin", "nanargmax", "nanargmin"):
    _arg(_name)
    if _name.startswith("nan"):
        METHODS.pop(_name)

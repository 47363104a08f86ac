"""Order statistics: sort, partition, median, quantiles; and positions, which have no derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import METHODS, Traced, _as_array, apply, unsupported
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["positions"]

_NO_VALUE = np._NoValue


def positions(
    name: str, function: Callable[..., Any], *params: str, infer: Callable[..., Any] | None = None
) -> Primitive:
    """Return a primitive whose value doesn't change with small changes of its operands."""
    op = Primitive(name, function, infer=infer, params=params)
    no_derivative(op)
    return op


def _prepared(rec: Recorder, a: Any) -> Any:
    if type(a) in (list, tuple):
        return _as_array(rec, a)
    return a if type(a) is Traced else np.asarray(a)


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
    a = _prepared(rec, a)
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
    a, v = _prepared(rec, a), _prepared(rec, v)
    if sorter is not None:
        a = np.take(a, sorter)
    return apply(SEARCHSORTED, (a, v), (side,))


@implements(np.count_nonzero)
def count_nonzero(rec: Recorder, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    a = _prepared(rec, a)
    axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
    return apply(COUNT_NONZERO, (a,), (axes, bool(keepdims)))


METHODS["searchsorted"] = np.searchsorted


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
        if out is not None:
            raise unsupported(f"np.{name} with out=")
        a = _prepared(rec, a)
        keep = keepdims is not _NO_VALUE and bool(keepdims)
        return apply(op, (a,), (None if axis is None else normalize_axis_index(axis, a.ndim), keep))

    implements(function)(call)
    METHODS.setdefault(name, function)


for _name in ("argmax", "argmin", "nanargmax", "nanargmin"):
    _arg(_name)
    if _name.startswith("nan"):
        METHODS.pop(_name)


# -- median and quantiles ----------------------------------------------------------------------


def _merged(a: Any, axes: tuple[int, ...] | None) -> Any:
    """Return `a` with the axes of a reduction as one in front."""
    axes = tuple(range(a.ndim)) if axes is None else axes
    rest = [d for d in range(a.ndim) if d not in axes]
    moved = np.transpose(a, (*axes, *rest))
    return np.reshape(moved, (-1, *(a.shape[d] for d in rest)))


def _quantile_places(n: Any, q: Any, method: str, percent: bool) -> Any:
    if percent:
        q = q / 100
    if method == "linear":
        return q * (n - 1)
    if type(q) is Traced:
        raise UnsupportedOperationError(
            f"a quantile by method={method!r} has no derivative by q; 'linear' has one"
        )
    return np.quantile(np.arange(n, dtype=float), q, method=method)  # type: ignore[call-overload]


def _quantile_formula(skip: bool, percent: bool) -> Callable[..., Any]:
    def equal(a: Any, q: Any, axes: Any, method: str, keepdims: bool) -> Any:
        rows = _merged(a, axes)
        rest = rows.shape[1:]
        ordered = np.sort(rows, axis=0)
        q_shape = np.shape(q.v) if type(q) is Traced else np.shape(q)
        flat = np.reshape(q, (-1,))
        n: Any = len(rows)
        if skip:
            n = np.sum(~np.isnan(rows), axis=0)
        found = []
        for k in range(flat.shape[0]):
            place = _quantile_places(n, flat[k], method, percent)
            place = np.broadcast_to(place, (1, *rest))
            below = np.floor(place).astype(np.intp)
            part = place - below
            above = np.minimum(below + 1, n - 1)
            low, high = (np.take_along_axis(ordered, i, 0)[0] for i in (below, above))
            found.append(low * (1 - part[0]) + high * part[0])
        out = np.reshape(np.stack(found), (*q_shape, *rest))
        if keepdims:
            dims = range(a.ndim) if axes is None else axes
            kept = tuple(1 if d in dims else m for d, m in enumerate(a.shape))
            out = np.reshape(out, (*q_shape, *kept))
        return out

    return equal


def _quantile(name: str) -> None:
    function = getattr(np, name)
    op = Primitive(
        name,
        lambda a, q, axes, method, keepdims: function(
            a, q, axis=axes, method=method, keepdims=keepdims
        ),
        params=("axes", "method", "keepdims"),
    )

    def constant_q(a: Any, q: Any, axes: Any, method: str, keepdims: bool) -> Any:
        return _quantile_formula("nan" in name, "percentile" in name)(a, q, axes, method, keepdims)

    define_by_equal(op, constant_q)

    def call(
        rec: Recorder,
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        if weights is not None:
            raise unsupported(f"np.{name} with weights=")
        a = _prepared(rec, a)
        axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
        keep = keepdims is not _NO_VALUE and bool(keepdims)
        if type(q) is Traced and q.varies():
            found = apply(op, (a, q), (axes, method, keep))
        else:
            real = np.asarray(q.v if type(q) is Traced else q)
            weak = type(q) in (int, float)
            fixed = _FixedQuantile(function, real.tolist() if weak else _Frozen(real))
            found = apply(_fixed(name), (a,), (fixed, axes, method, keep))
        if out is not None:
            out.write(found)
            return out
        return found

    implements(function)(call)


class _Frozen:
    """An array as a hashable parameter."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value
        self.key = (value.tobytes(), value.shape, value.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return repr(self.value.tolist())


class _FixedQuantile:
    """Which quantiles of which function: a number, or an array of them."""

    def __init__(self, function: Any, q: Any) -> None:
        self.function = function
        self.q = q

    @property
    def real(self) -> Any:
        return self.q.value if isinstance(self.q, _Frozen) else self.q

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _FixedQuantile) and (self.function, self.q, type(self.q)) == (
            other.function,
            other.q,
            type(other.q),
        )

    def __hash__(self) -> int:
        return hash((self.function, self.q))

    def __repr__(self) -> str:
        return repr(self.q)


_fixed_ops: dict[str, Primitive] = {}


def _fixed(name: str) -> Primitive:
    """Return the primitive of a quantile whose q is a parameter."""
    op = _fixed_ops.get(name)
    if op is None:
        equal = _quantile_formula("nan" in name, "percentile" in name)
        op = _fixed_ops[name] = Primitive(
            name,
            lambda a, q, axes, method, keepdims: q.function(
                a, q.real, axis=axes, method=method, keepdims=keepdims
            ),
            params=("q", "axes", "method", "keepdims"),
        )
        define_by_equal(
            op, lambda a, q, axes, method, keepdims: equal(a, q.real, axes, method, keepdims)
        )
    return op


for _name in ("quantile", "percentile", "nanquantile", "nanpercentile"):
    _quantile(_name)


def _median(name: str) -> None:
    function = getattr(np, name)
    op = Primitive(
        name,
        lambda a, axes, keepdims: function(a, axis=axes, keepdims=keepdims),
        params=("axes", "keepdims"),
    )
    equal = _quantile_formula(name == "nanmedian", percent=False)
    define_by_equal(op, lambda a, axes, keepdims: equal(a, 0.5, axes, "linear", keepdims))

    def call(
        rec: Recorder,
        a: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        keepdims: Any = False,
    ) -> Any:
        a = _prepared(rec, a)
        axes = None if axis is None else normalize_axis_tuple(axis, a.ndim)
        found = apply(op, (a,), (axes, keepdims is not _NO_VALUE and bool(keepdims)))
        if out is not None:
            out.write(found)
            return out
        return found

    implements(function)(call)


_median("median")
_median("nanmedian")

"""Reductions over axes: sums, products, extremes, means."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as product
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import SUM, reduced_shape
from revolve_ad.ad.functions.arguments import axes_of, finished, prepared, reduction
from revolve_ad.ad.functions.roots import root
from revolve_ad.ad.rules.table import define_linear, define_rules, no_derivative
from revolve_ad.ad.tape import ArrayType, Kind, Primitive
from revolve_ad.ad.traced import METHODS, Traced, apply, as_array, as_type, plain
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

_NO_VALUE = np._NoValue


def _reduction(name: str, ufunc: np.ufunc, dtype: Any = None) -> Primitive:
    def infer(x: ArrayType, axes: tuple[int, ...], keepdims: bool) -> ArrayType:
        found = dtype or ufunc.reduce(np.ones(1, x.dtype)).dtype
        return ArrayType(reduced_shape(x.shape, axes, keepdims), np.dtype(found))

    return Primitive(
        name,
        lambda x, axes, keepdims: ufunc.reduce(x, axis=axes, keepdims=keepdims),
        infer=infer,
        kind=Kind.REDUCTION,
        params=("axes", "keepdims"),
    )


PROD = _reduction("prod", np.multiply)
MAX = _reduction("max", np.maximum)
MIN = _reduction("min", np.minimum)
FMAX = _reduction("fmax", np.fmax)
FMIN = _reduction("fmin", np.fmin)
ANY = _reduction("any", np.logical_or, bool)
ALL = _reduction("all", np.logical_and, bool)
no_derivative(ANY, ALL)

REDUCTIONS = {
    np.add: SUM,
    np.multiply: PROD,
    np.maximum: MAX,
    np.minimum: MIN,
    np.fmax: FMAX,
    np.fmin: FMIN,
    np.logical_or: ANY,
    np.logical_and: ALL,
}


def spread(g: Symbol, x: Symbol, axes: tuple[int, ...]) -> Symbol:
    """Return the value of a reduction of `x` over `axes` repeated to the shape of `x`."""
    return s.broadcast_to(s.reshape(g, reduced_shape(x.shape, axes, True)), x.shape)


def _extreme_share(y: Symbol, x: Symbol, axes: tuple[int, ...]) -> Symbol:
    """Return 1/m at each of the m places where the extreme is, 0 elsewhere."""
    here = s.where(s.ufunc(np.equal)(x, spread(y, x, axes)), s.full_like(x, 1), s.full_like(x, 0))
    return here / spread(s.sum_over(here, axes), x, axes)


def _extreme_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (x,), (axes, _) = xs, params
    return [spread(g, x, axes) * _extreme_share(y, x, axes)]


def _extreme_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (x,), (axes, keepdims) = xs, params
    if ts[0] is None:
        return None
    return s.sum_over(ts[0] * _extreme_share(y, x, axes), axes, keepdims=keepdims)


for _op in (MAX, MIN, FMAX, FMIN):
    define_rules(_op, vjp=_extreme_vjp, jvp=_extreme_jvp)


# Products of all elements but one, along the first axis: exact where elements are zero.
def _others(x: Any) -> Any:
    x = np.asarray(x)
    before = np.ones_like(x)
    np.cumprod(x[:-1], axis=0, out=before[1:])
    after = np.ones_like(x)
    after[:-1] = np.cumprod(x[:0:-1], axis=0)[::-1]
    return before * after


OTHERS = Primitive("product_of_others", _others, infer=lambda x: x)


def _moved(x: Symbol, axes: tuple[int, ...]) -> Symbol:
    """Return `x` with the reduced axes as one in front, the others as one behind."""
    rest = [d for d in range(x.ndim) if d not in axes]
    n = product(x.shape[d] for d in axes)
    return s.reshape(s.transpose(x, [*axes, *rest]), (n, product(x.shape[d] for d in rest)))


def _prod_factors(x: Symbol, axes: tuple[int, ...]) -> Symbol:
    rest = [d for d in range(x.ndim) if d not in axes]
    order = [*axes, *rest]
    back = s.reshape(_moved(x, axes).apply(OTHERS), tuple(x.shape[d] for d in order))
    return s.transpose(back, [order.index(d) for d in range(x.ndim)]) if x.ndim else back


def _prod_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (x,), (axes, _) = xs, params
    if x.dtype.kind not in "fc":
        return [None]
    return [spread(g, x, axes) * s.conj(_prod_factors(x, axes))]


def _prod_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (x,), (axes, keepdims) = xs, params
    if ts[0] is None:
        return None
    return s.sum_over(ts[0] * _prod_factors(x, axes), axes, keepdims=keepdims)


define_rules(PROD, vjp=_prod_vjp, jvp=_prod_jvp)


# The derivative of the product of the others is what is left when a second factor goes too.
def _others_matrix(x: Any) -> Any:
    """Return products of all elements but i and j, shape (n, n, m), zero for i = j."""
    x = np.asarray(x)
    n = len(x)
    out = np.zeros((n, n, *x.shape[1:]), x.dtype)
    for i in range(n):
        without = np.delete(x, i, axis=0)
        rest = _others(without)
        out[i, [j for j in range(n) if j != i]] = rest
    return out


PAIRS = Primitive(
    "product_of_others_but_two",
    _others_matrix,
    infer=lambda x: ArrayType((x.shape[0], *x.shape), x.dtype),
)


def _others_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (x,) = xs
    pairs = s.conj(x.apply(PAIRS))
    return [s.sum_over(s.reshape(g, (x.shape[0], 1, *x.shape[1:])) * pairs, (0,))]


def _others_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (t,), (x,) = ts, xs
    if t is None:
        return None
    return s.sum_over(s.reshape(t, (1, *x.shape)) * x.apply(PAIRS), (1,))


define_rules(OTHERS, vjp=_others_vjp, jvp=_others_jvp)


def _masked(ufunc: np.ufunc) -> Primitive:
    """Return the primitive of a reduction with ``where=`` or ``initial=``, in NumPy's order.

    Its operands are the array, the mask and the initial value.
    """
    op = _MASKED.get(ufunc)
    if op is None:
        from revolve_ad.ad.functions.formulas import define_by_equal

        def evaluate(x: Any, mask: Any, first: Any, axes: Any, keepdims: bool) -> Any:
            mask = True if np.ndim(mask) == 0 and mask else mask
            return ufunc.reduce(x, axis=axes, keepdims=keepdims, where=mask, initial=first)

        def equal(x: Any, mask: Any, first: Any, axes: Any, keepdims: bool) -> Any:
            shape = reduced_shape(x.shape, axes, keepdims)
            if x.size == 0:
                return np.broadcast_to(first, shape)
            if ufunc in REDUCTIONS:
                neutral = first if ufunc.identity is None else ufunc.identity
                kept = np.where(mask, x, neutral)
                whole: Any = ufunc.reduce
                return ufunc(whole(kept, axis=axes, keepdims=keepdims), first)
            front = range(len(axes))
            found = np.broadcast_to(first, reduced_shape(x.shape, axes, keepdims=False))
            rows, masks = (
                np.reshape(np.moveaxis(y, axes, front), (-1, *found.shape))
                for y in (x, np.broadcast_to(mask, x.shape))
            )
            for k in range(rows.shape[0]):  # subtract and divide mind the order
                found = np.where(masks[k], ufunc(found, rows[k]), found)
            return np.reshape(found, shape)

        op = _MASKED[ufunc] = Primitive(
            f"{ufunc.__name__}.reduce", evaluate, params=("axes", "keepdims")
        )
        define_by_equal(op, equal)
    return op


_MASKED: dict[np.ufunc, Primitive] = {}


def reduce(
    rec: Recorder,
    ufunc: np.ufunc,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = _NO_VALUE,
    where: Any = True,
) -> Any:
    """Record ``ufunc.reduce``."""
    op = REDUCTIONS.get(ufunc)  # type: ignore[call-overload]
    if op is None:
        from revolve_ad.ad.functions.ufunc_methods import reduced

        op = reduced(ufunc)
    if type(x) in (list, tuple):
        x = as_array(rec, x)
    if dtype is None and out is not None:  # NumPy adds up in the common type
        dtype = np.result_type((out[0] if isinstance(out, tuple) else out).dtype, x.dtype)
    if dtype is not None:
        x = as_type(rec, x, np.dtype(dtype))
    axes = axes_of(axis, x.ndim)
    keepdims = keepdims is not _NO_VALUE and bool(keepdims)
    where = True if where is _NO_VALUE else where
    if where is not True or (initial is not _NO_VALUE and initial is not None):
        if initial is _NO_VALUE or initial is None:
            initial = ufunc.identity
            if initial is None:
                raise ValueError(
                    f"reduction operation {ufunc.__name__!r} has no identity, so to use a where "
                    f"mask one has to specify 'initial'"
                )
        if type(initial) is not Traced:
            kind = np.result_type(x.dtype, type(initial)) if x.dtype.kind == "b" else x.dtype
            initial = np.asarray(initial).astype(kind)[()]
        mask = where if type(where) is Traced else np.asarray(where)
        found = apply(_masked(ufunc), (x, mask, initial), (axes, keepdims))
    elif type(x) is Traced and x.cell is None:
        found = x
    else:
        found = apply(op, (x,), (axes, keepdims))
    return found if out is None else finished(found, out, ufunc.__name__)


@implements((np.ufunc, "reduce"))
def ufunc_reduce(rec: Recorder, ufunc: np.ufunc, x: Any, axis: Any = 0, **kwargs: Any) -> Any:
    return reduce(rec, ufunc, x, axis, **kwargs)


def _named(function: Any, ufunc: np.ufunc, order: str) -> None:
    @reduction(function, order=order)
    def call(rec: Recorder, a: Any, axis: Any = None, **given: Any) -> Any:
        return reduce(rec, ufunc, a, axis, **given)


_SUMS = "axis dtype out keepdims initial where"
_EXTREMES = "axis out keepdims initial where"
for _function, _ufunc, _order in (
    (np.sum, np.add, _SUMS),
    (np.prod, np.multiply, _SUMS),
    (np.max, np.maximum, _EXTREMES),
    (np.amax, np.maximum, _EXTREMES),
    (np.min, np.minimum, _EXTREMES),
    (np.amin, np.minimum, _EXTREMES),
    (np.nanmax, np.fmax, _EXTREMES),
    (np.nanmin, np.fmin, _EXTREMES),
    (np.any, np.logical_or, "axis out keepdims where"),
    (np.all, np.logical_and, "axis out keepdims where"),
):
    _named(_function, _ufunc, _order)


def _count(a: Any, axis: Any, keepdims: bool, where: Any) -> Any:
    """Return how many elements a reduction takes in: a number, or an array if a mask says which."""
    if where is True:
        return product(a.shape[d] for d in axes_of(axis, a.ndim))
    shown = np.broadcast_to(where, a.shape)
    return np.sum(shown, axis=axis, dtype=np.intp, keepdims=keepdims)


def divided(total: Any, n: Any) -> Any:
    """Return ``total / n`` in the dtype of the total."""
    found = total / n
    return found if found.dtype == total.dtype else found.astype(total.dtype)


@reduction(np.mean, order="axis dtype out keepdims where")
def mean(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    where: Any = True,
) -> Any:
    if dtype is None and a.dtype.kind in "biu":
        dtype = float
    total = reduce(rec, np.add, a, axis, dtype, None, keepdims, where=where)
    return divided(total, _count(a, axis, bool(keepdims), where))


def var(
    rec: Recorder,
    a: Any,
    *,
    dtype: Any,
    typed: Any,
    ddof: Any,
    axis: Any = None,
    keepdims: Any = False,
    where: Any = True,
    mean: Any = None,
) -> Any:
    """Record np.var, with the squares added up in the type `typed`."""
    if dtype is None and a.dtype.kind in "biu":
        dtype = float
    if mean is None:
        total = reduce(rec, np.add, a, axis, dtype, None, True, where=where)
        mean = divided(total, _count(a, axis, True, where))
    x = a - mean
    x = x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag
    left = _count(a, axis, bool(keepdims), where) - ddof
    left = np.maximum(left, 0) if type(left) is Traced or np.ndim(left) else max(left, 0)
    typed = dtype if typed is None else typed
    return divided(reduce(rec, np.add, x, axis, typed, None, keepdims, where=where), left)


def deviation(function: Any, square: Any, after: Any) -> None:
    """Enter a function that squares deviations from the mean, and takes a root after it or not."""

    # The mean is that of `dtype` alone: only the sum of the squares is in the type of `out`.
    @reduction(function, order="axis dtype out ddof keepdims", sees_out=True)
    def call(
        rec: Recorder,
        a: Any,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        correction: Any = None,
        **given: Any,
    ) -> Any:
        given["ddof"] = ddof if correction is None else correction
        return after(
            square(rec, a, dtype=dtype, typed=dtype if out is None else out.dtype, **given)
        )


deviation(np.var, var, lambda found: found)
deviation(np.std, var, root)


@implements(np.average)
def average(
    rec: Recorder,
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = False,
) -> Any:
    keepdims = keepdims is not np._NoValue and bool(keepdims)
    a = prepared(rec, a)
    axes = tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)
    if weights is None:
        found = np.mean(a, axis=axes, keepdims=keepdims)
        scale: Any = found.dtype.type(a.size / max(product(np.shape(plain(found))), 1))
    else:
        w = prepared(rec, weights)
        kinds = (a.dtype, w.dtype, "f8") if a.dtype.kind in "biu" else (a.dtype, w.dtype)
        dtype = np.result_type(*kinds)
        if w.shape != a.shape:
            if w.shape != tuple(a.shape[d] for d in axes):
                raise ValueError(
                    "Shape of weights must be consistent with shape of a along specified axis."
                )
            order = sorted(range(len(axes)), key=axes.__getitem__)
            w = np.transpose(w, order)
            w = w.reshape(tuple(n if d in axes else 1 for d, n in enumerate(a.shape)))
        scale = np.sum(w, axis=axes, dtype=dtype, keepdims=keepdims)
        if np.any(plain(scale) == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        found = np.sum(np.multiply(a, w, dtype=dtype), axis=axes, keepdims=keepdims) / scale
    if not returned:
        return found
    shape = np.shape(plain(found))
    return found, scale if np.shape(plain(scale)) == shape else np.broadcast_to(scale, shape)


@reduction(np.ptp, order="axis out keepdims", typed=True)
def ptp(rec: Recorder, a: Any, dtype: Any = None, **given: Any) -> Any:
    top = np.max(a, **given)
    return np.subtract(top if dtype is None else top.astype(dtype), np.min(a, **given))


# Running sums and products along one axis.
def _reverse(x: Symbol, axis: int) -> Symbol:
    from revolve_ad.ad.strided import box_map

    box = tuple((n - 1, -1, n) if d == axis and n else (0, 1, n) for d, n in enumerate(x.shape))
    return s.gather(x, box_map(x.shape, box))


CUMSUM = Primitive(
    "cumsum",
    lambda x, axis: np.add.accumulate(x, axis=axis),
    infer=lambda x, axis: ArrayType(x.shape, np.add.accumulate(np.ones(1, x.dtype)).dtype),
    params=("axis",),
)


def _cumsum_adjoint(g: Symbol, y: Symbol, x: Symbol, axis: int) -> Symbol:
    return _reverse(_reverse(g, axis).apply(CUMSUM, params=(axis,)), axis)


define_linear(CUMSUM, _cumsum_adjoint)


METHODS.update(
    sum=np.sum,
    prod=np.prod,
    max=np.max,
    min=np.min,
    any=np.any,
    all=np.all,
    mean=np.mean,
    var=np.var,
    std=np.std,
    cumsum=np.cumsum,
    cumprod=np.cumprod,
)

"""The primitives of the tape's normal form: inputs, constants, elementwise, gather and scatter.

Everything else (reductions, products, solves) stands beside its rule in `rules`.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import ArrayType, Kind, Primitive

__all__ = [
    "BROADCAST",
    "CAST",
    "COMPLEX",
    "CONCATENATE",
    "CONSTANT",
    "COPY",
    "FULL",
    "GATHER",
    "IMAG",
    "INPUT",
    "ITEM",
    "OF_NUMBERS",
    "REAL",
    "SCALAR_POWER",
    "SCATTER",
    "SCATTER_ADD",
    "SUM",
    "WHERE",
    "Frozen",
    "common_shape",
    "elementwise",
    "reduced_shape",
    "scatter_add_into",
    "scatter_into",
    "ufunc_types",
]


class Frozen:
    """A constant array of a tape: a private copy that nobody can write into."""

    __slots__ = ("value",)

    def __init__(self, value: np.ndarray | np.generic) -> None:
        self.value = np.array(value, order="K", copy=True)
        self.value.flags.writeable = False

    def __repr__(self) -> str:
        return f"array{self.value.shape}"


def _unfed(*_: Any) -> Any:
    raise AssertionError("an input has no value of its own")


INPUT = Primitive("input", _unfed, kind=Kind.INPUT, params=("name",))

CONSTANT = Primitive("constant", lambda frozen: frozen.value, kind=Kind.CONSTANT, params=("value",))


def _full(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if shape == ():
        return dtype.type(value)
    return np.full(shape, value, dtype) if value else np.zeros(shape, dtype)


# An array with one value everywhere; of shape () it is a literal.  `value` is a Python number.
FULL = Primitive("full", _full, kind=Kind.CONSTANT, params=("value", "shape", "dtype"))


@lru_cache(maxsize=4096)
def ufunc_types(ufunc: np.ufunc, dtypes: tuple[np.dtype[Any], ...]) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes of a ufunc's results for operands of `dtypes`."""
    found = ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout))
    return tuple(found[len(dtypes) :])


def common_shape(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the broadcast shape; the usual cases cost no call into NumPy."""
    first = shapes[0]
    for shape in shapes[1:]:
        if shape != first and shape != ():
            if first != ():
                return np.broadcast_shapes(*shapes)
            first = shape
    return first


# What the rules of `rules.elementwise` read; those not named read the operands alone.
_READS_NOTHING = frozenset(
    ("add", "subtract", "negative", "positive", "conjugate", "less", "less_equal", "greater")
    + ("greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not")
    + ("isnan", "isfinite", "isinf", "floor", "ceil", "rint", "trunc")
)
_READS_RESULT = frozenset(("exp", "exp2", "sqrt", "reciprocal", "tan", "tanh"))
_READS_BOTH = frozenset(
    ("divide", "power", "float_power", "cbrt", "hypot", "logaddexp", "logaddexp2", "maximum")
    + ("minimum", "fmax", "fmin", "copysign", "ldexp", "absolute", "sign")
)


@lru_cache(maxsize=1024)
def elementwise(ufunc: np.ufunc) -> Primitive:
    """Return the primitive that applies `ufunc` point by point."""

    def infer(*types: ArrayType) -> Any:
        shape = common_shape(tuple([t.shape for t in types]))
        dtypes = ufunc_types(ufunc, tuple([t.dtype for t in types]))
        if len(dtypes) == 1:
            return ArrayType(shape, dtypes[0])
        return tuple(ArrayType(shape, d) for d in dtypes)

    name = ufunc.__name__
    return Primitive(
        name,
        ufunc,
        infer=infer,
        kind=Kind.ELEMENTWISE,
        ufunc=ufunc,
        reads_operands=name not in _READS_NOTHING and name not in _READS_RESULT,
        reads_result=name in _READS_RESULT or name in _READS_BOTH or ufunc.nout > 1,
    )


# ``x ** p`` of two scalars: NumPy's scalar power calls another routine than its ufunc does and
# can differ from it in the last bit.
SCALAR_POWER = Primitive(
    "scalar_power",
    lambda x, p: x**p,
    infer=lambda x, p: ArrayType((), np.result_type(x.dtype, p.dtype)),
    kind=Kind.ELEMENTWISE,
)


def _of_numbers(ufunc: np.ufunc, function: Any) -> Primitive:
    """Return the primitive of an operator on numbers, where a ufunc would give other bits."""
    alike = elementwise(ufunc)
    return Primitive(
        alike.name,
        lambda *xs: function(*[x[()] if isinstance(x, np.ndarray) else x for x in xs]),
        infer=alike.infer,
        kind=Kind.ELEMENTWISE,
        ufunc=ufunc,
        reads_operands=alike.reads_operands,
        reads_result=alike.reads_result,
    )


# Products and absolute values of complex numbers: the loops of NumPy's ufuncs fuse the product of
# the parts with their sum, or scale in another way, where its numbers do not.
OF_NUMBERS = {
    np.multiply: _of_numbers(np.multiply, operator.mul),
    np.absolute: _of_numbers(np.absolute, operator.abs),
}


def _number_or_array(x: Any) -> Any:
    return x if x.ndim else x[()]


WHERE = Primitive(
    "where",
    lambda c, a, b: _number_or_array(np.where(c, a, b)),
    infer=lambda c, a, b: ArrayType(
        common_shape((c.shape, a.shape, b.shape)), np.promote_types(a.dtype, b.dtype)
    ),
    kind=Kind.ELEMENTWISE,
)

CAST = Primitive(
    "cast",
    lambda x, dtype: x.astype(dtype),
    infer=lambda x, dtype: ArrayType(x.shape, dtype),
    kind=Kind.ELEMENTWISE,
    params=("dtype",),
    reads_operands=False,
    reads_result=False,
)


# The same elements laid out in memory in another order ("C", "F" or "K").
COPY = Primitive(
    "copy",
    lambda x, order: np.array(x, order=order, copy=True),
    infer=lambda x, order: x,
    kind=Kind.ELEMENTWISE,
    params=("order",),
    reads_operands=False,
    reads_result=False,
)


def _own(part: Any) -> Any:
    """Return real or imaginary parts in memory of their own; numbers are that already."""
    return part.copy() if isinstance(part, np.ndarray) else part


REAL = Primitive(
    "real",
    lambda x: _own(np.real(x)),
    infer=lambda x: ArrayType(x.shape, np.empty(0, x.dtype).real.dtype),
    kind=Kind.ELEMENTWISE,
    reads_operands=False,
    reads_result=False,
)

IMAG = Primitive(
    "imag",
    lambda x: _own(np.imag(x)),
    infer=lambda x: ArrayType(x.shape, np.empty(0, x.dtype).real.dtype),
    kind=Kind.ELEMENTWISE,
    reads_operands=False,
    reads_result=False,
)


def _joined(re: Any, im: Any) -> Any:
    # Not re + 1j * im, which changes infinities and the sign of zeros.
    shape = np.broadcast_shapes(np.shape(re), np.shape(im))
    out = np.empty(shape, np.result_type(re, im, np.complex64))
    out.real, out.imag = re, im
    return out[()]


# A complex number from its parts.
COMPLEX = Primitive(
    "complex",
    _joined,
    infer=lambda re, im: ArrayType(
        common_shape((re.shape, im.shape)), np.result_type(re.dtype, im.dtype, np.complex64)
    ),
    reads_operands=False,
    reads_result=False,
)


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """Return the shape that a reduction of `shape` over `axes` has."""
    if keepdims:
        return tuple(1 if d in axes else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in axes)


# Sum over `axes`, counted from the first; small integers widen as in NumPy.
SUM = Primitive(
    "sum",
    lambda x, axes, keepdims: np.add.reduce(x, axis=axes, keepdims=keepdims),
    infer=lambda x, axes, keepdims: ArrayType(
        reduced_shape(x.shape, axes, keepdims), np.add.reduce(np.empty(0, x.dtype)).dtype
    ),
    kind=Kind.REDUCTION,
    params=("axes", "keepdims"),
    reads_operands=False,
    reads_result=False,
)


def _gather(array: Any, index: StridedMap) -> Any:
    array = np.asarray(array)
    if index.shape == ():
        return array.reshape(-1)[index.offset] if array.ndim != 1 else array[index.offset]
    return index.view(array)


# The elements that a view shows.  The value may share memory with the operand.
GATHER = Primitive(
    "gather",
    _gather,
    infer=lambda x, index: ArrayType(index.shape, x.dtype),
    kind=Kind.STRUCTURE,
    params=("index",),
    reads_operands=False,
    reads_result=False,
)


def _fresh(base: Any) -> np.ndarray:
    return np.array(base, order="C", copy=True)


def scatter_into(base: np.ndarray, value: Any, index: StridedMap) -> np.ndarray:
    """Write `value` into the view of `base`, in place if it is in C order, and return it."""
    if not base.flags.c_contiguous:
        base = base.copy(order="C")
    if index.shape == ():
        base.reshape(-1)[index.offset] = value
    else:
        index.view(base)[...] = value
    return base


def scatter_add_into(base: np.ndarray, value: Any, index: StridedMap) -> np.ndarray:
    """Add `value` to the view of `base`, in place if it is in C order, and return it."""
    if not base.flags.c_contiguous:
        base = base.copy(order="C")
    if index.is_injective:
        view = index.view(base)
        np.add(view, value, out=view, casting="unsafe")
    else:
        np.add.at(base.reshape(-1), index.flat_indices(), value)
    return base


# `base` with the elements of the view replaced by `value`, which broadcasts to the view.
SCATTER = Primitive(
    "scatter",
    lambda base, value, index: scatter_into(_fresh(base), value, index),
    infer=lambda base, value, index: base,
    kind=Kind.STRUCTURE,
    params=("index",),
    reads_operands=False,
    reads_result=False,
)

# `base` with `value` added to the elements of the view.
SCATTER_ADD = Primitive(
    "scatter_add",
    lambda base, value, index: scatter_add_into(_fresh(base), value, index),
    infer=lambda base, value, index: base,
    kind=Kind.STRUCTURE,
    params=("index",),
    reads_operands=False,
    reads_result=False,
)


def _broadcast(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    x = np.asarray(x)
    if x.size == 1 and 0 not in shape:  # the adjoint of a sum over all; NumPy takes 5 µs for it
        return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)


# Repeats along new and length-one axes, as NumPy's broadcasting; shares memory.
BROADCAST = Primitive(
    "broadcast",
    _broadcast,
    infer=lambda x, shape: ArrayType(shape, x.dtype),
    kind=Kind.STRUCTURE,
    params=("shape",),
    reads_operands=False,
    reads_result=False,
)


def _concatenate_infer(*rest: Any) -> ArrayType:
    *types, axis = rest
    shape = list(types[0].shape)
    shape[axis] = sum(t.shape[axis] for t in types)
    return ArrayType(tuple(shape), np.result_type(*(t.dtype for t in types)))


CONCATENATE = Primitive(
    "concatenate",
    lambda *rest: np.concatenate(rest[:-1], axis=rest[-1]),
    infer=_concatenate_infer,
    params=("axis",),
)

# One of several results.
ITEM = Primitive("item", lambda results, k: results[k], kind=Kind.STRUCTURE, params=("k",))

"""NumPy's functions over symbols: what the formulas of the rules are written in.

Each takes symbols (and Python numbers beside them) and returns a symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    FULL,
    GATHER,
    IMAG,
    REAL,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
    elementwise,
)
from revolve_ad.ad.strided import StridedMap, c_strides

__all__ = [
    "broadcast_to",
    "cast",
    "conj",
    "expand_dims",
    "full_like",
    "gather",
    "imag",
    "match",
    "real",
    "reshape",
    "scatter",
    "scatter_add",
    "sum_over",
    "transpose",
    "ufunc",
    "where",
    "zeros",
]


def ufunc(function: np.ufunc) -> Callable[..., Symbol]:
    """Return `function` over symbols."""
    op = elementwise(function)

    def call(*operands: Any) -> Symbol:
        first = next(o for o in operands if type(o) is Symbol)
        symbols = [first.lift(o) for o in operands]
        return Symbol(first.builder, first.builder.apply(op, [s.id for s in symbols]))

    return call


def full_like(x: Symbol, value: complex, dtype: np.dtype[Any] | None = None) -> Symbol:
    """Return an array of one value with the shape of `x`."""
    return Symbol(x.builder, x.builder.literal(value, dtype or x.dtype, x.shape))


def zeros(x: Symbol, shape: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> Symbol:
    """Return zeros of `shape` beside `x`."""
    return Symbol(x.builder, x.builder.literal(0, dtype or x.dtype, shape))


def cast(x: Symbol, dtype: np.dtype[Any]) -> Symbol:
    """Return `x` as `dtype`; itself if it has it."""
    return x if x.dtype == dtype else x.apply(CAST, params=(dtype,))


def real(x: Symbol) -> Symbol:
    """Return the real part."""
    return x.apply(REAL) if x.dtype.kind == "c" else x


def imag(x: Symbol) -> Symbol:
    """Return the imaginary part."""
    return x.apply(IMAG) if x.dtype.kind == "c" else full_like(x, 0)


def conj(x: Symbol) -> Symbol:
    """Return the complex conjugate; itself if real."""
    return x.apply(elementwise(np.conjugate)) if x.dtype.kind == "c" else x


def where(condition: Symbol, a: Any, b: Any) -> Symbol:
    """Return `a` where `condition` holds, else `b`."""
    first = a if type(a) is Symbol else b if type(b) is Symbol else condition
    a, b = first.lift(a), first.lift(b)
    return condition.apply(WHERE, a, b)


def gather(x: Symbol, index: StridedMap) -> Symbol:
    """Return the elements of `x` that a map shows."""
    if index.is_identity:
        return x
    if x.literal is not None:
        return zeros(x, index.shape) if x.literal == 0 else _full(x, index.shape)
    return x.apply(GATHER, params=(index,))


def _full(x: Symbol, shape: tuple[int, ...]) -> Symbol:
    return Symbol(x.builder, x.builder.literal(x.literal, x.dtype, shape))


def scatter(base: Symbol, value: Symbol, index: StridedMap) -> Symbol:
    """Return `base` with the elements that the map shows replaced."""
    if index.is_identity and value.shape == base.shape and value.dtype == base.dtype:
        return value
    if base.literal is not None and base.node.params == value.node.params[:1] + (
        base.shape,
        base.dtype,
    ):
        if value.node.op is FULL:
            return base
    return base.apply(SCATTER, value, params=(index,))


def scatter_add(base: Symbol, value: Symbol, index: StridedMap) -> Symbol:
    """Return `base` with `value` added to the elements that the map shows."""
    if value.literal == 0:
        return base
    if index.is_identity and value.shape == base.shape:
        return base + value
    if index.is_reshape and value.shape == index.shape and value.dtype == base.dtype:
        return base + reshape(value, base.shape)
    return base.apply(SCATTER_ADD, value, params=(index,))


def reshape(x: Symbol, shape: tuple[int, ...]) -> Symbol:
    """Return `x` in another shape, in C order."""
    if x.shape == shape:
        return x
    return gather(x, StridedMap(x.shape, 0, shape, c_strides(shape)))


def transpose(x: Symbol, axes: Sequence[int] | None = None) -> Symbol:
    """Return `x` with its axes permuted, by default reversed."""
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)
    strides = c_strides(x.shape)
    shape = tuple(x.shape[a] for a in order)
    return gather(x, StridedMap(x.shape, 0, shape, tuple(strides[a] for a in order)))


def expand_dims(x: Symbol, axes: Sequence[int]) -> Symbol:
    """Return `x` with axes of length one inserted, at these positions of the result."""
    ndim = x.ndim + len(axes)
    where_ = {a % ndim for a in axes}
    rest = iter(x.shape)
    return reshape(x, tuple(1 if d in where_ else next(rest) for d in range(ndim)))


def broadcast_to(x: Symbol, shape: tuple[int, ...]) -> Symbol:
    """Return `x` repeated to `shape`."""
    if x.shape == shape:
        return x
    if x.literal is not None:
        return _full(x, shape)
    return x.apply(BROADCAST, params=(shape,))


def sum_over(x: Symbol, axes: tuple[int, ...], *, keepdims: bool = False) -> Symbol:
    """Return the sum over `axes`, counted from the first."""
    return x.apply(SUM, params=(axes, keepdims)) if axes else x


def match(g: Symbol, x: Symbol) -> Symbol:
    """Return `g` in the shape and dtype of `x`: for a cotangent, the adjoint of broadcasting."""
    from_, to = g.node, x.node
    if from_.shape == to.shape and from_.dtype is to.dtype:
        return g
    if g.shape != x.shape:
        if prod(g.shape) == 0 and prod(x.shape) != 0:
            return zeros(g, x.shape, x.dtype)
        lead = g.ndim - x.ndim
        if lead >= 0 and all(
            a == b or b == 1 for a, b in zip(g.shape[lead:], x.shape, strict=True)
        ):
            axes = tuple(
                d for d in range(g.ndim) if d < lead or (x.shape[d - lead] == 1 != g.shape[d])
            )
            if axes:
                g = sum_over(g, axes)
            g = reshape(g, x.shape) if g.shape != x.shape else g
        else:
            g = broadcast_to(g, x.shape)
    if g.dtype.kind == "c" and x.dtype.kind != "c":
        g = real(g)
    return cast(g, x.dtype) if x.dtype.kind in "fc" else g

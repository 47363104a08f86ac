"""Rules of what moves elements: gather, scatter, broadcasting, casts, parts of complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    COMPLEX,
    COPY,
    GATHER,
    IMAG,
    REAL,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
    reduced_shape,
)
from revolve_ad.ad.rules.table import ACCUMULATE, define_linear, define_rules

define_linear(GATHER, lambda g, y, x, index: s.scatter_add(s.zeros(g, x.shape), g, index))
ACCUMULATE[GATHER] = lambda so_far, g, i, node: s.scatter_add(so_far, g, node.params[0])
define_linear(COPY, lambda g, y, x, order: g)
define_linear(CAST, lambda g, y, x, dtype: g)
define_linear(BROADCAST, lambda g, y, x, shape: g)  # `match` sums
define_linear(REAL, lambda g, y, x: s.cast(g, x.dtype))
define_linear(IMAG, lambda g, y, x: s.cast(g, x.dtype) * (1j if x.dtype.kind == "c" else 0))


def _complex_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    re, im = xs
    return [s.match(s.real(g), re), s.match(s.imag(g), im)]


def _complex_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol:
    first = next(t for t in ts if t is not None)
    re, im = (
        s.zeros(first, x.shape, x.dtype) if t is None else t for t, x in zip(ts, xs, strict=True)
    )
    return s.match(re.apply(COMPLEX, im), y)


define_rules(COMPLEX, vjp=_complex_vjp, jvp=_complex_jvp)


def _sum_adjoint(g: Symbol, y: Symbol, x: Symbol, axes: tuple[int, ...], keepdims: bool) -> Symbol:
    if g.shape != ():
        g = s.reshape(g, reduced_shape(x.shape, axes, True))
    return s.broadcast_to(g, x.shape)


define_linear(SUM, _sum_adjoint)


def _where_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    condition, a, b = xs
    return [None, s.match(s.where(condition, g, 0), a), s.match(s.where(condition, 0, g), b)]


def _where_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol | None:
    _, a, b = ts
    if a is None and b is None:
        return None
    return s.match(s.where(xs[0], 0 if a is None else a, 0 if b is None else b), y)


define_rules(WHERE, vjp=_where_vjp, jvp=_where_jvp)


def _scatter_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    _, value = xs
    (index,) = params
    covered = index.is_complete
    rest = None if covered else s.scatter(g, s.zeros(g, ()), index)
    return [rest, s.match(s.gather(g, index), value)]


def _scatter_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol | None:
    base, value = ts
    (index,) = params
    if base is None and value is None:
        return None
    if base is None:
        assert value is not None
        base = s.zeros(value, xs[0].shape, xs[0].dtype)
    if value is None:
        return s.scatter(base, s.zeros(base, ()), index)
    value = s.broadcast_to(s.cast(value, base.dtype), index.shape)
    return s.scatter(base, value, index)


define_rules(SCATTER, vjp=_scatter_vjp, jvp=_scatter_jvp)


def _scatter_add_vjp(
    g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    (index,) = params
    return [g, s.match(s.gather(g, index), xs[1])]


def _scatter_add_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Symbol | None:
    base, value = ts
    (index,) = params
    if value is None:
        return base
    if base is None:
        base = s.zeros(value, xs[0].shape, xs[0].dtype)
    return s.scatter_add(base, value, index)


define_rules(SCATTER_ADD, vjp=_scatter_add_vjp, jvp=_scatter_add_jvp)

"""Products of arrays: matmul, dot, inner, outer, vdot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import common_shape
from revolve_ad.ad.dispatch import implements
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.rules.table import define_rules
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import METHODS, Traced, _as_array, apply


def _matmul_infer(a: ArrayType, b: ArrayType) -> ArrayType:
    rows = a.shape[-2:-1]
    columns = b.shape[-1:] if len(b.shape) > 1 else ()
    stack = common_shape((a.shape[:-2], b.shape[:-2]))
    return ArrayType((*stack, *rows, *columns), np.promote_types(a.dtype, b.dtype))


MATMUL = Primitive("matmul", np.matmul, infer=_matmul_infer)


def matmul(a: Symbol, b: Symbol) -> Symbol:
    """Return ``a @ b``."""
    return a.apply(MATMUL, b)


def _swapped(x: Symbol) -> Symbol:
    return s.transpose(x, [*range(x.ndim - 2), x.ndim - 1, x.ndim - 2])


def _matmul_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    a, b = xs
    # Vectors become matrices of one row or column, and go back at the end.
    a2 = s.reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    b2 = s.reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    stack = common_shape((a2.shape[:-2], b2.shape[:-2]))
    g2 = s.reshape(g, (*stack, a2.shape[-2], b2.shape[-1]))
    a_bar = s.match(matmul(g2, s.conj(_swapped(b2))), a2) if a.dtype.kind in "fc" else None
    b_bar = s.match(matmul(s.conj(_swapped(a2)), g2), b2) if b.dtype.kind in "fc" else None
    return [
        None if a_bar is None else s.reshape(a_bar, a.shape),
        None if b_bar is None else s.reshape(b_bar, b.shape),
    ]


def _matmul_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (ta, tb), (a, b) = ts, xs
    if ta is None:
        return None if tb is None else matmul(a, tb)
    return matmul(ta, b) if tb is None else matmul(ta, b) + matmul(a, tb)


define_rules(MATMUL, vjp=_matmul_vjp, jvp=_matmul_jvp)


def _prepared(rec: Recorder, x: Any) -> Any:
    if type(x) in (list, tuple):
        return _as_array(rec, x)
    return x if type(x) is Traced else np.asarray(x)


@implements(np.matmul)
def record_matmul(rec: Recorder, a: Any, b: Any) -> Any:
    return apply(MATMUL, (_prepared(rec, a), _prepared(rec, b)))


@implements(np.dot)
def dot(rec: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = _prepared(rec, a), _prepared(rec, b)
    if a.ndim == 0 or b.ndim == 0:
        found = a * b
    elif b.ndim <= 2:
        found = apply(MATMUL, (a, b))
    else:
        found = np.tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))
    if out is not None:
        out.write(found)
        return out
    return found


@implements(np.vdot)
def vdot(rec: Recorder, a: Any, b: Any) -> Any:
    a, b = (np.ravel(_prepared(rec, x)) for x in (a, b))
    return dot(rec, np.conjugate(a) if a.dtype.kind == "c" else a, b)


@implements(np.inner)
def inner(rec: Recorder, a: Any, b: Any) -> Any:
    a, b = _prepared(rec, a), _prepared(rec, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim == 1:
        return dot(rec, a, b)
    return np.tensordot(a, b, (-1, -1))


@implements(np.outer)
def outer(rec: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = (np.ravel(_prepared(rec, x)) for x in (a, b))
    return np.multiply(a[:, None], b[None, :], out=out)


@implements(np.tensordot)
def tensordot(rec: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = _prepared(rec, a), _prepared(rec, b)
    if np.ndim(axes) == 0:
        axes_a, axes_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        axes_a, axes_b = (list(np.atleast_1d(x)) for x in axes)
    axes_a = [int(d) % a.ndim for d in axes_a]
    axes_b = [int(d) % b.ndim for d in axes_b]
    if [a.shape[d] for d in axes_a] != [b.shape[d] for d in axes_b]:
        raise ValueError("shape-mismatch for sum")
    rest_a = [d for d in range(a.ndim) if d not in axes_a]
    rest_b = [d for d in range(b.ndim) if d not in axes_b]
    n = int(np.prod([a.shape[d] for d in axes_a], dtype=int))
    left = np.reshape(np.transpose(a, rest_a + axes_a), (-1, n) if n else (int(np.prod([a.shape[d] for d in rest_a])), 0))
    right = np.reshape(np.transpose(b, axes_b + rest_b), (n, -1) if n else (0, int(np.prod([b.shape[d] for d in rest_b]))))
    return np.reshape(apply(MATMUL, (left, right)), [*(a.shape[d] for d in rest_a), *(b.shape[d] for d in rest_b)])


METHODS["dot"] = np.dot

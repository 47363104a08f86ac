"""Products of arrays: matmul, dot, inner, outer, vdot, tensordot, einsum."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy._core import einsumfunc
from numpy._core.multiarray import c_einsum

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import common_shape
from revolve_ad.ad.functions.arguments import finished, prepared
from revolve_ad.ad.functions.formulas import define_by_equal, insert
from revolve_ad.ad.functions.source import INSTEAD, from_source, source_of
from revolve_ad.ad.rules.table import define_rules
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import METHODS, Traced, apply, view_of
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.recorder import Recorder

__all__ = ["DOT", "MATMUL", "matmul"]

# -- matmul ------------------------------------------------------------------------------------


def _matmul_infer(a: ArrayType, b: ArrayType) -> ArrayType:
    rows = a.shape[-2:-1]
    columns = b.shape[-1:] if len(b.shape) > 1 else ()
    stack = common_shape((a.shape[:-2], b.shape[:-2]))
    return ArrayType((*stack, *rows, *columns), np.promote_types(a.dtype, b.dtype))


MATMUL = Primitive("matmul", np.matmul, infer=_matmul_infer, into=np.matmul)


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
        return None if tb is None else s.match(matmul(a, tb), y)
    found = matmul(ta, b) if tb is None else matmul(ta, b) + matmul(a, tb)
    return s.match(found, y)


define_rules(MATMUL, vjp=_matmul_vjp, jvp=_matmul_jvp)


@implements(np.matmul)
def record_matmul(rec: Recorder, a: Any, b: Any) -> Any:
    return apply(MATMUL, (prepared(rec, a), prepared(rec, b)))


# -- dot, inner, vdot, vecdot: other loops than matmul's, and so other rounding errors -----------


def _dot_equal(a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return np.matmul(a, b)
    rest = [d for d in range(b.ndim) if d != b.ndim - 2]
    flat = np.reshape(np.transpose(b, [b.ndim - 2, *rest]), (b.shape[-2], -1))
    return np.reshape(np.matmul(a, flat), (*a.shape[:-1], *(b.shape[d] for d in rest)))


def _inner_equal(a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    flat = np.reshape(b, (-1, b.shape[-1]))
    return np.reshape(np.matmul(a, flat.T), (*a.shape[:-1], *b.shape[:-1]))


def _product(name: str, function: Callable[..., Any], equal: Callable[..., Any]) -> Primitive:
    def infer(a: ArrayType, b: ArrayType) -> ArrayType:
        value = function(np.zeros(a.shape, np.int8), np.zeros(b.shape, np.int8))
        return ArrayType(np.shape(value), np.promote_types(a.dtype, b.dtype))

    op = Primitive(name, function, infer=infer, into=np.dot if function is np.dot else None)
    define_by_equal(op, equal)
    return op


DOT = _product("dot", np.dot, _dot_equal)
INNER = _product("inner", np.inner, _inner_equal)
VDOT = _product("vdot", np.vdot, lambda a, b: np.sum(np.conjugate(np.ravel(a)) * np.ravel(b)))
VECDOT = _product("vecdot", np.vecdot, lambda a, b: np.sum(np.conjugate(a) * b, axis=-1))


def _recorded(op: Primitive) -> Callable[..., Any]:
    def call(rec: Recorder, a: Any, b: Any, out: Any = None) -> Any:
        if out is None and type(a) is type(b) is Traced:
            return apply(op, (a, b))
        found = apply(op, (prepared(rec, a), prepared(rec, b)))
        return finished(found, out, op.name)

    return call


for _function, _op in ((np.dot, DOT), (np.inner, INNER), (np.vdot, VDOT), (np.vecdot, VECDOT)):
    FUNCTIONS[_function] = _recorded(_op)

if hasattr(np, "matvec"):
    FUNCTIONS[np.matvec] = _recorded(
        _product("matvec", np.matvec, lambda a, x: np.matmul(a, x[..., None])[..., 0])
    )
    FUNCTIONS[np.vecmat] = _recorded(
        _product(
            "vecmat", np.vecmat, lambda x, a: np.matmul(np.conjugate(x)[..., None, :], a)[..., 0, :]
        )
    )

METHODS["dot"] = np.dot


@implements("core axes")
def along_axes(
    ufunc: np.ufunc,
    inputs: Sequence[Any],
    axes: Any = None,
    axis: Any = None,
    keepdims: bool = False,
) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return the operands of a product as it stands by default, and what moves its result back.

    These are ``axes=``, ``axis=`` and ``keepdims=`` of ufuncs that multiply vectors or matrices.
    """
    cores = _core(ufunc)
    sizes = [0 if part == "()" else part.count(",") + 1 for part in cores]
    operands = [x if type(x) is Traced else np.asarray(x) for x in inputs]
    optional = "?" in (ufunc.signature or "")  # a vector stands for a matrix of one row or column
    if optional:
        for k, x in enumerate(operands):
            sizes[k] = min(sizes[k], x.ndim)
        sizes[-1] = sum(sizes[:-1]) - 2
    if axis is not None:
        axes = [(axis,) if size else () for size in sizes]
    if axes is None:
        axes = [tuple(range(-size, 0)) for size in sizes]
    listed = [(a,) if isinstance(a, int) else tuple(a) for a in axes]
    if len(listed) == len(operands):  # a result of no axes of its own needn't be named
        listed.append(())
    moveaxis: Any = np.moveaxis
    moved = [
        moveaxis(x, a, range(-len(a), 0)) if a else x
        for x, a in zip(operands, listed, strict=False)
    ]

    def back(found: Any) -> Any:
        if keepdims:
            return np.expand_dims(found, listed[0])
        last = listed[-1]
        return np.moveaxis(found, range(-len(last), 0), last) if last else found

    return moved, back


def _core(ufunc: np.ufunc) -> list[str]:
    """Return the parts of a signature such as (n),(n)->()."""
    return re.findall(r"\([^)]*\)", ufunc.signature or "")


from_source(np.tensordot)


@implements(np.outer)
def outer(rec: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    a, b = (np.ravel(prepared(rec, x)) for x in (a, b))
    return np.multiply(a[:, None], b[None, :], out=out)


# -- einsum ------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _einsum(subscripts: str, n: int, dtype: Any) -> Primitive:
    """Return the primitive of one contraction of n operands; ellipses are letters already."""
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")

    op = Primitive(
        f"einsum {subscripts}",
        lambda *xs: _own(c_einsum(subscripts, *xs, dtype=dtype, casting="unsafe"), xs),
    )

    def cotangent_of(k: int) -> Callable[..., Any]:
        mine = terms[k]
        others = [t for i, t in enumerate(terms) if i != k]
        letters = "".join(dict.fromkeys(mine))
        known = set(output).union(*others)

        def formula(g: Any, *xs: Any) -> Any:
            rest = [np.conjugate(x) for i, x in enumerate(xs) if i != k]
            sizes = dict(zip(mine, xs[k].shape, strict=True))
            alone = [c for c in letters if c not in known]
            ones = [np.ones(sizes[c]) for c in alone]
            spec = ",".join([output, *others, *alone]) + "->" + letters
            found = c_einsum_recorded(spec, g, *rest, *ones)
            if len(letters) < len(mine):  # a diagonal was taken: put it back
                free = iter(c for c in _LETTERS if c not in mine)
                names = [c if mine.index(c) == d else next(free) for d, c in enumerate(mine)]
                pairs = [(c, q) for c, q in zip(mine, names, strict=True) if c != q]
                eyes = [np.eye(sizes[c]) for c, _ in pairs]
                spec = ",".join([letters, *(c + q for c, q in pairs)]) + "->" + "".join(names)
                found = c_einsum_recorded(spec, found, *eyes)
            return found

        return formula

    formulas = [cotangent_of(k) for k in range(n)]

    def vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        return [
            s.match(insert(f, [g, *xs])[0], x) if x.dtype.kind in "fc" else None
            for f, x in zip(formulas, xs, strict=True)
        ]

    def jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        total: Symbol | None = None
        for k, t in enumerate(ts):
            if t is not None:
                part = [*xs[:k], t, *xs[k + 1 :]]
                term = part[0].apply(op, *part[1:])
                total = term if total is None else total + term
        return None if total is None else s.match(total, y)

    define_rules(op, vjp=vjp, jvp=jvp)
    return op


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _own(found: Any, operands: Sequence[Any]) -> Any:
    if isinstance(found, np.ndarray) and any(np.may_share_memory(found, x) for x in operands):
        return found.copy()
    return found


def c_einsum_recorded(*operands: Any, out: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Record one contraction; where NumPy gives a view (``ii->i``), so does this."""
    inputs, output, _ = einsumfunc._parse_einsum_input(_shapes_of(operands))  # type: ignore[attr-defined]
    subscripts = f"{inputs}->{output}"
    arrays = _arrays_of(operands)
    if dtype is None and out is not None:  # NumPy adds up in the type that holds them all
        dtype = np.result_type(out.dtype, *(x.dtype for x in arrays))
    if dtype is not None:
        dtype = None if all(x.dtype == dtype for x in arrays) else np.dtype(dtype)
    x = arrays[0]
    if dtype is None and len(arrays) == 1 and type(x) is Traced and x.cell is not None:
        shown = c_einsum(subscripts, x.v)
        if isinstance(shown, np.ndarray) and np.shares_memory(shown, x.v):
            return view_of(x, shown)
    if not any(type(x) is Traced for x in arrays):
        found = c_einsum(subscripts, *arrays, dtype=dtype, casting="unsafe")
    else:
        found = apply(_einsum(subscripts, len(arrays), dtype), arrays)
    return finished(found, out, "einsum")


def _arrays_of(operands: Sequence[Any]) -> list[Any]:
    if isinstance(operands[0], str):
        found = list(operands[1:])
    else:
        found = list(operands[: len(operands) // 2 * 2 : 2])
    return [x if type(x) is Traced else np.asarray(x) for x in found]


def _shapes_of(operands: Sequence[Any]) -> list[Any]:
    """Return the call's arguments with plain arrays of the same shapes, for NumPy's parser."""

    def probe(x: Any) -> Any:
        return np.broadcast_to(np.int8(0), np.shape(x.v if type(x) is Traced else x))

    if isinstance(operands[0], str):
        return [operands[0], *map(probe, operands[1:])]
    pairs = len(operands) // 2 * 2
    return [probe(x) if k < pairs and k % 2 == 0 else x for k, x in enumerate(operands)]


INSTEAD[id(c_einsum)] = c_einsum_recorded
from_source(np.einsum, np.einsum_path)


_cross = source_of(np.cross)


@implements(np.cross)
def cross(
    rec: Recorder,
    a: Any,
    b: Any,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Any:
    a, b = prepared(rec, a), prepared(rec, b)
    if a.ndim == b.ndim == 1:  # NumPy's code then writes into results that are numbers for us
        return _cross(a[None], b[None])[0]
    return _cross(a, b, axisa, axisb, axisc, axis)


from_source(np.linalg.cross, np.linalg.outer)

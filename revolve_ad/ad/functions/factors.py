"""LU factors, Toeplitz matrices and decompositions of `scipy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import Keywords, bound, foreign, scipy_function
from revolve_ad.ad.functions.formulas import (
    define_by_equal,
    define_by_formulas,
    define_by_tangents,
)
from revolve_ad.ad.functions.linalg import (
    INV,
    _adjoint,
    _by_reflections,
    _qr_tangent,
    _svd_tangent,
    _svdvals_tangent,
)
from revolve_ad.ad.functions.scipy_linalg import SOLVE_TRIANGULAR
from revolve_ad.ad.rules.table import no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply, plain
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

_MODULE = "scipy.linalg"


def refused(what: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        f"scipy.linalg.{what} has no rule for traced arrays. Call it without that argument, or "
        f"wrap it and give its derivative with ra.primitive"
    )


# -- LU ----------------------------------------------------------------------------------------


def _lu_factor(a: Any) -> Any:
    return tuple(scipy_function(_MODULE, "lu_factor")(a))


LU_FACTOR = Primitive("lu_factor", _lu_factor)


def _rows_of(piv: Any) -> Any:
    """Return the order of the rows that LAPACK's swaps amount to."""
    piv = np.asarray(piv)
    rows = np.arange(piv.shape[0])
    for k, other in enumerate(piv.tolist()):
        rows[[k, other]] = rows[[other, k]]
    return rows


ROWS = Primitive("rows_of_pivots", _rows_of, infer=lambda p: ArrayType(p.shape, np.dtype(np.intp)))
PLACES = Primitive(
    "places_of_pivots",
    lambda p: np.argsort(_rows_of(p)),
    infer=lambda p: ArrayType(p.shape, np.dtype(np.intp)),
)
no_derivative(ROWS, PLACES)


def _lu_tangent(t: Any, lu: Any, piv: Any, a: Any) -> Any:
    # P A = L U, so that L⁻¹ P dA U⁻¹ = L⁻¹ dL + dU U⁻¹: a strictly lower and an upper part.
    n = a.shape[0]
    low = np.tril(lu, -1) + np.eye(n, dtype=lu.dtype)
    up = np.triu(lu)
    inner = np.matmul(apply(INV, (low,)), t[apply(ROWS, (piv,))])
    inner = np.matmul(inner, apply(INV, (up,)))
    found = np.matmul(low, np.tril(inner, -1)) + np.matmul(np.triu(inner), up)
    return found, np.zeros(n)


define_by_tangents(LU_FACTOR, _lu_tangent)


@foreign(_MODULE, "lu_factor")
def lu_factor(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a,), _ = bound(rec, original, ("a",), args, kwargs)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise refused("lu_factor of what isn't one square matrix")
    return apply(LU_FACTOR, (a,))


def _lu_solve(lu: Any, piv: Any, b: Any, trans: int) -> Any:
    return scipy_function(_MODULE, "lu_solve")((lu, piv), b, trans)


LU_SOLVE = Primitive("lu_solve", _lu_solve, params=("trans",))


def _lu_solve_equal(lu: Any, piv: Any, b: Any, trans: int) -> Any:
    def solved(x: Any, lower: bool) -> Any:
        values = {"trans": trans, "lower": lower, "unit_diagonal": lower}
        return apply(SOLVE_TRIANGULAR, (lu, x), (Keywords(values),))

    if trans == 0:
        return solved(solved(b[apply(ROWS, (piv,))], True), False)
    return solved(solved(b, False), True)[apply(PLACES, (piv,))]


define_by_equal(LU_SOLVE, _lu_solve_equal)


@foreign(_MODULE, "lu_solve")
def lu_solve(
    rec: Recorder,
    original: Any,
    lu_and_piv: Any,
    b: Any,
    trans: Any = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    lu, piv, b = (prepared(rec, x) for x in (*lu_and_piv, b))
    if lu.ndim != 2:
        raise refused("lu_solve with a stack of matrices")
    return apply(LU_SOLVE, (lu, piv, b), (int(plain(trans)),))


# -- Toeplitz matrices ---------------------------------------------------------------------------


def _toeplitz(c: Any, r: Any, b: Any) -> Any:
    return scipy_function(_MODULE, "solve_toeplitz")((c, r), b)


# The matrix has the first column c and the first row r, of which the first element is not read.
SOLVE_TOEPLITZ = Primitive("solve_toeplitz", _toeplitz)


def _each_column(f: Any, x: Any) -> Any:
    if x.ndim == 1:
        return f(x)
    return np.stack([f(x[:, k]) for k in range(x.shape[1])], axis=1)


def _times(c: Any, r: Any, x: Any) -> Any:
    """Return the product of a Toeplitz matrix and x."""
    n = c.shape[0]
    values = np.concatenate([r[:0:-1], c])
    return _each_column(lambda v: np.convolve(values, v)[n - 1 : 2 * n - 1], x)


def _solved_back(g: Any, c: Any, r: Any) -> Any:
    """Solve with the adjoint matrix, of which the column and the row change places."""
    column = np.concatenate([c[:1], r[1:]])
    return apply(SOLVE_TOEPLITZ, (np.conjugate(column), np.conjugate(c), g))


def _diagonal_sums(g: Any, x: Any, c: Any, r: Any) -> Any:
    """Return −Σ λ[j + k] conj(x[j]) for k = −(n − 1) … n − 1, summed over right-hand sides."""
    back = _solved_back(g, c, r)
    pairs = [(back, x)] if x.ndim == 1 else [(back[:, k], x[:, k]) for k in range(x.shape[1])]
    return -sum(np.convolve(lam, np.conjugate(v)[::-1]) for lam, v in pairs)


def _column_bar(g: Any, x: Any, c: Any, r: Any, b: Any) -> Any:
    return _diagonal_sums(g, x, c, r)[c.shape[0] - 1 :]


def _row_bar(g: Any, x: Any, c: Any, r: Any, b: Any) -> Any:
    sums = _diagonal_sums(g, x, c, r)[: c.shape[0]][::-1]
    return np.concatenate([np.zeros_like(sums[:1]), sums[1:]])


def _first_zero(t: Any) -> Any:
    return np.concatenate([np.zeros_like(t[:1]), t[1:]])


define_by_formulas(
    SOLVE_TOEPLITZ,
    vjp=[_column_bar, _row_bar, lambda g, x, c, r, b: _solved_back(g, c, r)],
    jvp=[
        lambda t, x, c, r, b: apply(SOLVE_TOEPLITZ, (c, r, -_times(t, np.zeros_like(t), x))),
        lambda t, x, c, r, b: apply(
            SOLVE_TOEPLITZ, (c, r, -_times(np.zeros_like(t), _first_zero(t), x))
        ),
        lambda t, x, c, r, b: apply(SOLVE_TOEPLITZ, (c, r, t)),
    ],
)


@foreign(_MODULE, "solve_toeplitz")
def solve_toeplitz(
    rec: Recorder, original: Any, c_or_cr: Any, b: Any, check_finite: bool = True
) -> Any:
    pair = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, np.conjugate(c_or_cr))
    c, r, b = (prepared(rec, x) for x in (*pair, b))
    if c.ndim != 1 or c.shape != r.shape or b.ndim > 2:
        raise refused("solve_toeplitz of other shapes than (n,), (n,) and (n,) or (n, m)")
    return apply(SOLVE_TOEPLITZ, (c, r, b))


# -- decompositions: SciPy's values, so that signs and phases are those of its own vectors ---------


SVD = Primitive(
    "svd",
    lambda a, keywords: tuple(
        scipy_function(_MODULE, "svd")(a, full_matrices=False, **keywords.values)
    ),
    params=("keywords",),
)
define_by_tangents(SVD, lambda t, u, s, vh, a, keywords: _svd_tangent(t, u, s, vh, a))
SVDVALS = Primitive("svdvals", lambda a: scipy_function(_MODULE, "svdvals")(a))
define_by_tangents(SVDVALS, _svdvals_tangent)


@foreign(_MODULE, "svd")
def svd(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a,), rest = bound(rec, original, ("a",), args, kwargs)
    if not rest["compute_uv"]:
        return apply(SVDVALS, (a,))
    if rest["full_matrices"] and a.shape[-1] != a.shape[-2]:
        raise refused("svd with full_matrices=True of a matrix that isn't square")
    return apply(SVD, (a,), (Keywords({"lapack_driver": rest["lapack_driver"]}),))


@foreign(_MODULE, "svdvals")
def svdvals(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a,), _ = bound(rec, original, ("a",), args, kwargs)
    return apply(SVDVALS, (a,))


# The order of the columns, where they are pivoted, is constant between swaps.


def _economic(a: Any, pivoting: bool) -> Any:
    return tuple(scipy_function(_MODULE, "qr")(a, mode="economic", pivoting=pivoting))


QR = Primitive("qr", _economic, params=("pivoting",))


def _columns(a: Any, order: Any) -> Any:
    return np.take_along_axis(a, order[..., None, :], axis=-1)


def _economic_tangent(t: Any, q: Any, r: Any, *rest: Any) -> Any:
    *order, a, pivoting = rest
    if pivoting:
        t, a = _columns(t, order[0]), _columns(a, order[0])
    m, n = a.shape[-2:]
    if m >= n:
        dq, dr = _qr_tangent(t, q, r, a)
    else:
        dq, dr = _qr_tangent(t[..., :m], q, r[..., :m], a[..., :m])
        right = np.matmul(_adjoint(dq), a[..., m:]) + np.matmul(_adjoint(q), t[..., m:])
        dr = np.concatenate([dr, right], axis=-1)
    return (dq, dr, 0.0 * order[0]) if pivoting else (dq, dr)


define_by_tangents(QR, _economic_tangent)


def _full(a: Any, pivoting: bool) -> Any:
    return tuple(scipy_function(_MODULE, "qr")(a, mode="full", pivoting=pivoting))


def _full_equal(a: Any, pivoting: bool) -> Any:
    if not pivoting:
        return _by_reflections(a)
    order = apply(QR, (a,), (True,))[2]
    return (*_by_reflections(_columns(a, order)), order)


QR_FULL = Primitive("qr", _full, params=("pivoting",))
define_by_equal(QR_FULL, _full_equal)


@foreign(_MODULE, "qr")
def qr(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a,), rest = bound(rec, original, ("a",), args, kwargs)
    mode, pivoting = rest["mode"], bool(rest["pivoting"])
    if mode == "raw":
        raise refused("qr with mode='raw'")
    m, n = a.shape[-2:]
    found = apply(QR_FULL if m > n and mode != "economic" else QR, (a,), (pivoting,))
    return found[1:] if mode == "r" else found


# -- matrices made of vectors --------------------------------------------------------------------


@foreign(_MODULE, "toeplitz")
def toeplitz(rec: Recorder, original: Any, c: Any, r: Any = None) -> Any:
    c = prepared(rec, c)
    r = np.conjugate(c) if r is None else prepared(rec, r)
    if c.ndim != 1 or r.ndim != 1:
        raise refused("toeplitz of other than vectors")
    values = np.concatenate([r[:0:-1], c])
    n, m = c.shape[0], r.shape[0]
    return values[np.arange(n)[:, None] - np.arange(m) + (m - 1)]


@foreign(_MODULE, "circulant")
def circulant(rec: Recorder, original: Any, c: Any) -> Any:
    c = prepared(rec, c)
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)) % n]


@foreign(_MODULE, "block_diag")
def block_diag(rec: Recorder, original: Any, *arrays: Any) -> Any:
    parts = [np.atleast_2d(prepared(rec, x)) for x in arrays]
    rows = [
        [x if i == j else np.zeros((x.shape[0], y.shape[1]), x.dtype) for j, y in enumerate(parts)]
        for i, x in enumerate(parts)
    ]
    return np.block(rows)

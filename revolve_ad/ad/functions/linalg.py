"""NumPy's linear algebra: solves, decompositions, determinants.

Values are LAPACK's, by NumPy's own functions.  The tangents are the standard ones; see Giles,
*Collected matrix derivative results for forward and reverse mode algorithmic differentiation*
(2008), doi:10.1007/978-3-540-68942-3_4, extended to complex matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.linalg import _linalg

from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.core import common_shape
from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.formulas import (
    define_by_equal,
    define_by_formulas,
    define_by_tangents,
    insert,
)
from revolve_ad.ad.functions.roots import power_norm, root
from revolve_ad.ad.functions.source import INSTEAD, from_source, source_of
from revolve_ad.ad.rules.table import JVP, VJP, Missing, define_rules, no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import Traced, apply, plain
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

_NO_VALUE = np._NoValue


def _adjoint(a: Any) -> Any:
    """Return the conjugate transposed matrices."""
    return np.conjugate(np.swapaxes(a, -1, -2))


def _as_makearray(a: Any) -> tuple[Any, Callable[[Any], Any]]:
    return (a if type(a) is Traced else np.asarray(a)), lambda found: found


INSTEAD[id(_linalg._makearray)] = _as_makearray  # type: ignore[attr-defined]
INSTEAD[id(_linalg._umath_linalg.inv)] = lambda a, signature=None: apply(INV, (a,))  # type: ignore[attr-defined]


# -- solve and inverse -------------------------------------------------------------------------


def _float_of(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which NumPy's linear algebra gives results: float64 for integers."""
    found = np.result_type(*dtypes)
    return found if found.kind in "fc" else np.dtype(float)


def _columns(x: Any, b: Any) -> Any:
    """Return vectors as matrices of one column, as `solve` takes a `b` of one axis."""
    return x[..., None] if b.ndim == 1 else x


def _back(x: Any, b: Any) -> Any:
    return x[..., 0] if b.ndim == 1 else x


def _solve_columns(a: Any, b: Any) -> Any:
    return apply(SOLVE, (a, b))


def _solve_infer(a: ArrayType, b: ArrayType) -> ArrayType:
    tail = b.shape[-2:] if len(b.shape) > 1 else b.shape
    stack = common_shape((a.shape[:-2], b.shape[:-2]))
    return ArrayType((*stack, *tail), _float_of(a.dtype, b.dtype))


SOLVE = Primitive("solve", np.linalg.solve, infer=_solve_infer)
define_by_formulas(
    SOLVE,
    vjp=[
        lambda g, x, a, b: (
            -np.matmul(_solve_columns(_adjoint(a), _columns(g, b)), _adjoint(_columns(x, b)))
        ),
        lambda g, x, a, b: _back(_solve_columns(_adjoint(a), _columns(g, b)), b),
    ],
    jvp=[
        lambda t, x, a, b: _back(_solve_columns(a, -np.matmul(t, _columns(x, b))), b),
        lambda t, x, a, b: _back(_solve_columns(a, _columns(t, b)), b),
    ],
)

INV: Primitive = Primitive(
    "inv", np.linalg.inv, infer=lambda a: ArrayType(a.shape, _float_of(a.dtype))
)
define_by_formulas(
    INV,
    vjp=[lambda g, y, a: -np.matmul(np.matmul(_adjoint(y), g), _adjoint(y))],
    jvp=[lambda t, y, a: -np.matmul(np.matmul(y, t), y)],
)

DET = Primitive("det", np.linalg.det, infer=lambda a: ArrayType(a.shape[:-2], _float_of(a.dtype)))
define_by_formulas(
    DET,
    vjp=[lambda g, y, a: (g * np.conjugate(y))[..., None, None] * _adjoint(apply(INV, (a,)))],
    jvp=[lambda t, y, a: y * np.trace(np.matmul(apply(INV, (a,)), t), axis1=-2, axis2=-1)],
)


def _slogdet_tangent(t: Any, sign: Any, logdet: Any, a: Any) -> Any:
    # d log det A = tr(A⁻¹ dA): its real part is that of log |det A|, its imaginary one the phase's.
    change = np.trace(np.matmul(apply(INV, (a,)), t), axis1=-2, axis2=-1)
    if change.dtype.kind == "c":
        return sign * (1j * change.imag), change.real
    return change * 0, change


SLOGDET = Primitive("slogdet", lambda a: tuple(np.linalg.slogdet(a)))
define_by_tangents(SLOGDET, _slogdet_tangent)


# -- symmetric matrices: only one triangle is read ----------------------------------------------


def _from_triangle(a: Any, lower: bool) -> Any:
    """Return the Hermitian matrix that LAPACK sees in one triangle of `a`."""
    part = np.tril(a, -1) if lower else np.triu(a, 1)
    diagonal = np.diagonal(a, axis1=-2, axis2=-1).real
    return part + _adjoint(part) + diagonal[..., None] * np.eye(a.shape[-1], dtype=a.dtype)


def gaps(w: Any) -> Any:
    """Return 1 / (w_j − w_i), 0 where they are equal, which is the choice that stays finite."""
    gap = w[..., None, :] - w[..., :, None]
    same = gap == 0
    return np.where(same, 0.0, 1 / np.where(same, 1.0, gap)).astype(gap.dtype)


def _diagonal(a: Any) -> Any:
    return np.diagonal(a, axis1=-2, axis2=-1)


def _eigh_tangent(t: Any, w: Any, v: Any, a: Any, uplo: str) -> Any:
    inner = np.matmul(np.matmul(_adjoint(v), _from_triangle(t, uplo == "L")), v)
    return _diagonal(inner).real, np.matmul(v, gaps(w) * inner)


EIGH = Primitive("eigh", lambda a, uplo: tuple(np.linalg.eigh(a, uplo)), params=("UPLO",))
define_by_tangents(EIGH, _eigh_tangent)

EIGVALSH = Primitive("eigvalsh", np.linalg.eigvalsh, params=("UPLO",))


def _eigvalsh_tangent(t: Any, w: Any, a: Any, uplo: str) -> Any:
    w, v = apply(EIGH, (a,), (uplo,))
    return _eigh_tangent(t, w, v, a, uplo)[0]


define_by_tangents(EIGVALSH, _eigvalsh_tangent)


def _cholesky_tangent(t: Any, low: Any, a: Any) -> Any:
    inverse = apply(INV, (low,))
    inner = np.matmul(np.matmul(inverse, _from_triangle(t, lower=True)), _adjoint(inverse))
    half = np.tril(np.full(a.shape[-2:], 1.0, a.dtype), -1) + 0.5 * np.eye(
        a.shape[-1], dtype=a.dtype
    )
    return np.matmul(low, inner * half)


CHOLESKY = Primitive(
    "cholesky", np.linalg.cholesky, infer=lambda a: ArrayType(a.shape, _float_of(a.dtype))
)
define_by_tangents(CHOLESKY, _cholesky_tangent)
CHOLESKY_UPPER = Primitive("cholesky_upper", lambda a: np.linalg.cholesky(a, upper=True))
define_by_equal(CHOLESKY_UPPER, lambda a: _adjoint(apply(CHOLESKY, (_adjoint(a),))))


# -- QR ----------------------------------------------------------------------------------------


def _qr_tangent(t: Any, q: Any, r: Any, a: Any) -> Any:
    inverse = apply(INV, (r,))
    scaled = np.matmul(t, inverse)
    inner = np.matmul(_adjoint(q), scaled)
    below = np.tril(inner, -1)
    turn = below - _adjoint(below)
    if inner.dtype.kind == "c":  # the diagonal of r is real, so that q turns the phases
        turn = turn + (1j * _diagonal(inner).imag)[..., None] * np.eye(a.shape[-1])
    return scaled - np.matmul(q, inner - turn), np.matmul(inner - turn, r)


# Reduced QR of matrices with at least as many rows as columns.
QR = Primitive("qr", lambda a: tuple(np.linalg.qr(a)))
define_by_tangents(QR, _qr_tangent)


def _qr_wide_equal(a: Any) -> Any:
    m = a.shape[-2]
    q, r = apply(QR, (a[..., :m],))
    return q, np.concatenate([r, np.matmul(_adjoint(q), a[..., m:])], axis=-1)


QR_WIDE = Primitive("qr", lambda a: tuple(np.linalg.qr(a)))
define_by_equal(QR_WIDE, _qr_wide_equal)


def _by_reflections(a: Any) -> Any:
    """Return the complete QR decomposition as LAPACK makes it, one reflection after the other.

    Step k reflects column k onto its first element: H = I − τ v vᴴ, with β = −sign(Re α)·|column|,
    τ = (β − α)/β, v = (1, x/(α − β)); see LAPACK's geqrf and larfg.
    """
    m, n = a.shape[-2:]
    q = np.broadcast_to(np.eye(m, dtype=a.dtype), (*a.shape[:-2], m, m))
    r = a * 1
    for k in range(min(m - 1, n) if a.dtype.kind != "c" else min(m, n)):
        column = r[..., k:, k]
        alpha = column[..., :1]
        size = np.sqrt(np.sum((column * np.conjugate(column)).real, axis=-1, keepdims=True))
        beta = -np.where(alpha.real < 0, -1.0, 1.0) * size
        tau = (beta - alpha) / beta
        v = np.concatenate([np.ones_like(alpha), column[..., 1:] / (alpha - beta)], axis=-1)
        v, tau = v[..., :, None], tau[..., None]
        lower = r[..., k:, :]
        reflected = lower - np.conjugate(tau) * np.matmul(v, np.matmul(_adjoint(v), lower))
        r = np.concatenate([r[..., :k, :], reflected], axis=-2)
        right = q[..., :, k:]
        turned = right - tau * np.matmul(np.matmul(right, v), _adjoint(v))
        q = np.concatenate([q[..., :, :k], turned], axis=-1)
    return q, np.triu(r)


QR_COMPLETE = Primitive("qr_complete", lambda a: tuple(np.linalg.qr(a, mode="complete")))
define_by_equal(QR_COMPLETE, _by_reflections)
R_ALONE = Primitive("qr_r", lambda a: np.linalg.qr(a, mode="r"))


def _r_alone_equal(a: Any) -> Any:
    return apply(QR if a.shape[-2] >= a.shape[-1] else QR_WIDE, (a,))[1]


define_by_equal(R_ALONE, _r_alone_equal)


# -- SVD ---------------------------------------------------------------------------------------


def _svd_tangent(t: Any, u: Any, s: Any, vh: Any, a: Any) -> Any:
    v = _adjoint(vh)
    inner = np.matmul(np.matmul(_adjoint(u), t), v)
    apart = gaps(s * s)
    row, column = s[..., None, :], s[..., :, None]
    turn_u = apart * (inner * row + column * _adjoint(inner))
    turn_v = apart * (column * inner + _adjoint(inner) * row)
    if inner.dtype.kind == "c":
        phase = (1j * _diagonal(inner).imag / (2 * s))[..., None] * np.eye(s.shape[-1])
        turn_u, turn_v = turn_u + phase, turn_v - phase
    du, dv = np.matmul(u, turn_u), np.matmul(v, turn_v)
    m, n = a.shape[-2:]
    if m > n:
        out = np.matmul(t, v) / row
        du = du + out - np.matmul(u, np.matmul(_adjoint(u), out))
    if n > m:
        out = np.matmul(_adjoint(t), u) / row
        dv = dv + out - np.matmul(v, np.matmul(vh, out))
    return du, _diagonal(inner).real, _adjoint(dv)


SVD = Primitive("svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False)))
define_by_tangents(SVD, _svd_tangent)
# All singular vectors of a matrix that isn't square: those beyond the smaller side are any basis of
# the rest, so that the matrix that holds them has no derivative.  The others have one.
SVD_FULL = Primitive("svd_full", lambda a: tuple(np.linalg.svd(a)))
_ANY_BASIS = (
    "np.linalg.svd with full_matrices=True has no derivative of the singular vectors beyond the "
    "smaller side, which are any basis of the rest. Use full_matrices=False"
)


def _svd_cut(a: Any) -> Any:
    return apply(SVD, (a,))


def _svd_full_vjp(g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (a,) = xs
    beyond = 0 if a.shape[-2] > a.shape[-1] else 2
    if beyond in g:
        raise UnsupportedOperationError(_ANY_BASIS)
    whole = insert(_svd_cut, xs)[0].node.args[0]
    return VJP[SVD](g, Symbol(y.builder, whole), xs, params)


def _svd_full_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    (a,) = xs
    whole = insert(_svd_cut, xs)[0].node.args[0]
    found = dict(JVP[SVD](ts, Symbol(y.builder, whole), xs, params))
    if found:
        found[0 if a.shape[-2] > a.shape[-1] else 2] = Missing(_ANY_BASIS)
    return found


define_rules(SVD_FULL, vjp=_svd_full_vjp, jvp=_svd_full_jvp)


def _hermitian_svd_tangent(t: Any, u: Any, s: Any, vh: Any, a: Any) -> Any:
    return _svd_tangent(_from_triangle(t, lower=True), u, s, vh, a)


SVD_HERMITIAN = Primitive("svd", lambda a: tuple(np.linalg.svd(a, hermitian=True)))
define_by_tangents(SVD_HERMITIAN, _hermitian_svd_tangent)
SVDVALS_HERMITIAN = Primitive(
    "svdvals", lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True)
)
define_by_equal(SVDVALS_HERMITIAN, lambda a: apply(SVD_HERMITIAN, (a,))[1])


def _svdvals_tangent(t: Any, s: Any, a: Any) -> Any:
    u, _, vh = apply(SVD, (a,))
    return _diagonal(np.matmul(np.matmul(_adjoint(u), t), _adjoint(vh))).real


SVDVALS = Primitive("svdvals", lambda a: np.linalg.svd(a, compute_uv=False))
define_by_tangents(SVDVALS, _svdvals_tangent)


# -- least squares -----------------------------------------------------------------------------


def _pinv_tangent(t: Any, p: Any, a: Any) -> Any:
    # Golub and Pereyra (1973), doi:10.1137/0710036, equation (4.12); the rank must stay.
    ph, th = _adjoint(p), _adjoint(t)
    left = np.matmul(np.matmul(p, ph), th)
    right = np.matmul(np.matmul(th, ph), p)
    return (
        -np.matmul(np.matmul(p, t), p)
        + left
        - np.matmul(np.matmul(left, a), p)
        + right
        - np.matmul(p, np.matmul(a, right))
    )


PINV = Primitive(
    "pinv",
    lambda a, keywords: np.linalg.pinv(a, **dict(keywords)),
    infer=lambda a, keywords: ArrayType(
        (*a.shape[:-2], a.shape[-1], a.shape[-2]), _float_of(a.dtype)
    ),
    params=("keywords",),
)
define_by_tangents(PINV, lambda t, p, a, keywords: _pinv_tangent(t, p, a))


def _lstsq_infer(a: ArrayType, b: ArrayType, rcond: Any) -> Any:
    (m, n), dtype = a.shape, _float_of(a.dtype, b.dtype)
    real = np.empty(0, dtype).real.dtype
    rest = b.shape[1:]
    left = (rest or (1,)) if m > n else (0,)
    return (
        ArrayType((n, *rest), dtype),
        ArrayType(left, real),
        ArrayType((), np.dtype(np.int32)),
        ArrayType((min(m, n),), real),
    )


def _lstsq(a: Any, b: Any, rcond: Any) -> Any:
    x, left, rank, s = np.linalg.lstsq(a, b, rcond)
    return x, left, np.int32(rank), s


def _lstsq_parts(da: Any, db: Any, x: Any, left: Any, s: Any, a: Any, b: Any) -> Any:
    p = apply(PINV, (a,), ((),))
    matrix = b[:, None] if b.ndim == 1 else b
    solution = x[:, None] if b.ndim == 1 else x
    rest = matrix - np.matmul(a, solution)
    change = np.zeros_like(rest)
    dx = np.zeros_like(solution)
    ds = np.zeros_like(s)
    if db is not None:
        change = db[:, None] if b.ndim == 1 else db
        dx = np.matmul(p, change)
    if da is not None:
        change = change - np.matmul(da, solution)
        dx = dx + np.matmul(_pinv_tangent(da, p, a), matrix)
        ds = _svdvals_tangent(da, s, a)
    dleft = np.zeros_like(left)
    if left.shape[0]:
        dleft = 2 * np.sum((np.conjugate(rest) * change).real, axis=0)
    return dx[:, 0] if b.ndim == 1 else dx, dleft, np.zeros(()), ds


LSTSQ = Primitive("lstsq", _lstsq, infer=_lstsq_infer, params=("rcond",))
define_by_tangents(
    LSTSQ,
    lambda t, x, left, rank, s, a, b, rcond: _lstsq_parts(t, None, x, left, s, a, b),
    lambda t, x, left, rank, s, a, b, rcond: _lstsq_parts(None, t, x, left, s, a, b),
)


# -- NumPy's functions -------------------------------------------------------------------------


@implements(np.linalg.solve)
def solve(rec: Recorder, a: Any, b: Any) -> Any:
    return apply(SOLVE, (prepared(rec, a), prepared(rec, b)))


@implements(np.linalg.inv)
def inv(rec: Recorder, a: Any) -> Any:
    return apply(INV, (prepared(rec, a),))


@implements(np.linalg.det)
def det(rec: Recorder, a: Any) -> Any:
    return apply(DET, (prepared(rec, a),))


@implements(np.linalg.slogdet)
def slogdet(rec: Recorder, a: Any) -> Any:
    return _linalg.SlogdetResult(*apply(SLOGDET, (prepared(rec, a),)))


@implements(np.linalg.eigh)
def eigh(rec: Recorder, a: Any, UPLO: str = "L") -> Any:
    return _linalg.EighResult(*apply(EIGH, (prepared(rec, a),), (UPLO.upper(),)))


@implements(np.linalg.eigvalsh)
def eigvalsh(rec: Recorder, a: Any, UPLO: str = "L") -> Any:
    return apply(EIGVALSH, (prepared(rec, a),), (UPLO.upper(),))


@implements(np.linalg.cholesky)
def cholesky(rec: Recorder, a: Any, /, *, upper: bool = False) -> Any:
    return apply(CHOLESKY_UPPER if upper else CHOLESKY, (prepared(rec, a),))


@implements(np.linalg.qr)
def qr(rec: Recorder, a: Any, mode: str = "reduced") -> Any:
    a = prepared(rec, a)
    m, n = a.shape[-2:]
    if mode == "r":
        return apply(R_ALONE, (a,))
    if mode not in ("reduced", "complete"):
        raise UnsupportedOperationError(
            f"np.linalg.qr with mode={mode!r} has no rule; 'reduced', 'complete' and 'r' have one"
        )
    op = QR_COMPLETE if mode == "complete" and m > n else QR if m >= n else QR_WIDE
    return _linalg.QRResult(*apply(op, (a,)))


@implements(np.linalg.svd)
def svd(
    rec: Recorder,
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
) -> Any:
    a = prepared(rec, a)
    if hermitian:
        if not compute_uv:
            return apply(SVDVALS_HERMITIAN, (a,))
        return _linalg.SVDResult(*apply(SVD_HERMITIAN, (a,)))
    if not compute_uv:
        return apply(SVDVALS, (a,))
    full = full_matrices and a.shape[-1] != a.shape[-2]
    return _linalg.SVDResult(*apply(SVD_FULL if full else SVD, (a,)))


@implements(np.linalg.pinv)
def pinv(
    rec: Recorder, a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NO_VALUE
) -> Any:
    keywords: dict[str, Any] = {}
    if rcond is not None:
        keywords["rcond"] = float(plain(rcond))
    if hermitian:
        keywords["hermitian"] = True
    if rtol is not _NO_VALUE:
        keywords["rtol"] = None if rtol is None else float(plain(rtol))
    return apply(PINV, (prepared(rec, a),), (tuple(sorted(keywords.items())),))


@implements(np.linalg.lstsq)
def lstsq(rec: Recorder, a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = prepared(rec, a), prepared(rec, b)
    x, left, rank, s = apply(LSTSQ, (a, b), (None if rcond is None else float(plain(rcond)),))
    return x, left, rank.v, s


@implements(np.linalg.vecdot)
def vecdot(rec: Recorder, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    a, b = (np.moveaxis(prepared(rec, x), axis, -1) for x in (x1, x2))
    return np.vecdot(a, b)


MATRIX_RANK = Primitive(
    "matrix_rank",
    lambda a, keywords: np.linalg.matrix_rank(a, **dict(keywords)),
    params=("keywords",),
)
no_derivative(MATRIX_RANK)


@implements(np.linalg.matrix_rank)
def matrix_rank(
    rec: Recorder, A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None
) -> Any:
    keywords = {"tol": tol, "hermitian": hermitian, "rtol": rtol}
    return apply(MATRIX_RANK, (prepared(rec, A),), (tuple(sorted(keywords.items())),))


# NumPy adds up the squares of a complex array's parts where they lie, one beside the other, and
# BLAS rounds such a sum in another way than that of our copies of the parts.
COMPLEX_NORM = Primitive("norm", lambda x: np.linalg.norm(x))
define_by_equal(COMPLEX_NORM, lambda x: root(np.sum(np.square(x.real) + np.square(x.imag))))
_norm = source_of(np.linalg.norm, {"sqrt": root})
_OWN_BRANCHES = (None, 0, 1, 2)


@implements(np.linalg.norm)
def norm(rec: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = prepared(rec, x)
    flat = ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)
    if x.dtype.kind == "c" and axis is None and flat:
        found = apply(COMPLEX_NORM, (x,))
        return np.reshape(found, (1,) * x.ndim) if keepdims else found
    vectors = x.ndim == 1 if axis is None else not isinstance(axis, tuple) or len(axis) == 1
    if vectors and ord not in _OWN_BRANCHES and not isinstance(ord, str) and 0 < ord < np.inf:
        x = x if x.dtype.kind in "fc" else x.astype(float)
        return power_norm(x, ord, axis, keepdims)
    return _norm(x, ord, axis, keepdims)


from_source(
    np.linalg.cond,
    np.linalg.diagonal,
    np.linalg.matmul,
    np.linalg.matrix_norm,
    np.linalg.matrix_power,
    np.linalg.matrix_transpose,
    np.linalg.multi_dot,
    np.linalg.svdvals,
    np.linalg.tensordot,
    np.linalg.tensorinv,
    np.linalg.tensorsolve,
    np.linalg.trace,
    np.linalg.vector_norm,
)

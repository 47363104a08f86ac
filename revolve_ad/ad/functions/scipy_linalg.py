"""Solves and factorizations of `scipy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import (
    Keywords,
    bound,
    foreign,
    opaque,
    scipy_function,
)
from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.functions.linalg import _adjoint, _from_triangle
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply, plain
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

_MODULE = "scipy.linalg"
_SPEED = ("overwrite_a", "overwrite_b", "overwrite_ab", "check_finite", "overwrite_c")


def _matrix(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def _like(x: Any, b: Any) -> Any:
    return x[:, 0] if b.ndim == 1 else x


# -- general matrices --------------------------------------------------------------------------


def _solve(a: Any, b: Any, lower: bool, assume_a: Any, transposed: bool) -> Any:
    if assume_a in ("pos", "her", "positive definite", "hermitian"):
        a = _from_triangle(a, lower)
    elif assume_a in ("sym", "symmetric"):
        part = np.tril(a) if lower else np.triu(a)
        a = part + np.swapaxes(part, -1, -2) - part * np.eye(a.shape[-1], dtype=a.dtype)
    elif assume_a == "diagonal":
        a = a * np.eye(a.shape[-1], dtype=a.dtype)
    elif assume_a == "tridiagonal":
        a = np.triu(np.tril(a, 1), -1)
    elif assume_a == "lower triangular":
        a = np.tril(a)
    elif assume_a == "upper triangular":
        a = np.triu(a)
    elif assume_a not in (None, "gen", "general", "banded"):  # what another SciPy knows
        raise UnsupportedOperationError(
            f"scipy.linalg.solve with assume_a={assume_a!r} has no derivative; without it, it has"
        )
    if transposed:
        a = np.swapaxes(a, -1, -2)
    return np.linalg.solve(a, b)


opaque(_MODULE, "solve", ("a", "b"), _solve, without=_SPEED)


def _inv(a: Any, assume_a: Any = None, lower: bool = False) -> Any:
    unit = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    return _solve(a, unit, lower, assume_a, False)


opaque(_MODULE, "inv", ("a",), _inv, without=_SPEED)
opaque(_MODULE, "det", ("a",), lambda a: np.linalg.det(a), without=_SPEED)


def _scipy_cholesky(a: Any, lower: bool) -> Any:
    if lower:
        return np.linalg.cholesky(a)
    return _adjoint(np.linalg.cholesky(_adjoint(a)))


opaque(_MODULE, "cholesky", ("a",), _scipy_cholesky, without=_SPEED)


# -- triangular matrices -----------------------------------------------------------------------


def _triangular(a: Any, b: Any, keywords: Any) -> Any:
    return scipy_function(_MODULE, "solve_triangular")(a, b, **keywords.values)


SOLVE_TRIANGULAR = Primitive("solve_triangular", _triangular, params=("keywords",))
_TRANS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def _other_way(b: Any, a: Any, keywords: Any, adjoint: bool) -> Any:
    """Solve with the matrix that the call stands for, or with its adjoint."""
    trans = _TRANS[keywords.values["trans"]]
    if not adjoint:
        return apply(SOLVE_TRIANGULAR, (a, b), (keywords,))
    if trans == 1:  # (Aᵀ)ᴴ is the conjugate of A
        values = {**keywords.values, "trans": 0}
        return apply(SOLVE_TRIANGULAR, (np.conjugate(a), b), (Keywords(values),))
    values = {**keywords.values, "trans": 2 if trans == 0 else 0}
    return apply(SOLVE_TRIANGULAR, (a, b), (Keywords(values),))


def _read_triangle(t: Any, keywords: Any) -> Any:
    """Return the part of a matrix that the call reads."""
    diagonal = 1 if keywords.values["unit_diagonal"] else 0
    return np.tril(t, -diagonal) if keywords.values["lower"] else np.triu(t, diagonal)


def _as_called(t: Any, keywords: Any) -> Any:
    trans = _TRANS[keywords.values["trans"]]
    t = _read_triangle(t, keywords)
    return t if trans == 0 else t.T if trans == 1 else _adjoint(t)


def _triangular_a_bar(g: Any, x: Any, a: Any, b: Any, keywords: Any) -> Any:
    back = _other_way(_matrix(g), a, keywords, adjoint=True)
    bar = -np.matmul(back, _adjoint(_matrix(x)))
    trans = _TRANS[keywords.values["trans"]]
    bar = bar if trans == 0 else bar.T if trans == 1 else _adjoint(bar)
    return _read_triangle(bar, keywords)


define_by_formulas(
    SOLVE_TRIANGULAR,
    vjp=[
        _triangular_a_bar,
        lambda g, x, a, b, keywords: _other_way(g, a, keywords, adjoint=True),
    ],
    jvp=[
        lambda t, x, a, b, keywords: _like(
            _other_way(-np.matmul(_as_called(t, keywords), _matrix(x)), a, keywords, adjoint=False),
            b,
        ),
        lambda t, x, a, b, keywords: _other_way(t, a, keywords, adjoint=False),
    ],
)


@foreign(_MODULE, "solve_triangular")
def solve_triangular(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    operands, rest = bound(rec, original, ("a", "b"), args, kwargs)
    rest = {k: rest[k] for k in ("trans", "lower", "unit_diagonal")}
    return apply(SOLVE_TRIANGULAR, operands, (Keywords(rest),))


# -- Cholesky ----------------------------------------------------------------------------------


def _cho_factor(a: Any, keywords: Any) -> Any:
    return scipy_function(_MODULE, "cho_factor")(a, **keywords.values)[0]


def _cho_factor_equal(a: Any, keywords: Any) -> Any:
    # The other triangle keeps what it held.
    if keywords.values["lower"]:
        return np.linalg.cholesky(a) + np.triu(a, 1)
    return _adjoint(np.linalg.cholesky(_adjoint(a))) + np.tril(a, -1)


CHO_FACTOR = Primitive("cho_factor", _cho_factor, infer=lambda a, _: a, params=("keywords",))
define_by_equal(CHO_FACTOR, _cho_factor_equal)


@foreign(_MODULE, "cho_factor")
def cho_factor(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (a,), rest = bound(rec, original, ("a",), args, kwargs)
    lower = bool(rest["lower"])
    return apply(CHO_FACTOR, (a,), (Keywords({"lower": lower}),)), lower


def _cho_solve(c: Any, b: Any, keywords: Any) -> Any:
    return scipy_function(_MODULE, "cho_solve")((c, keywords.values["lower"]), b)


def _cho_solve_equal(c: Any, b: Any, keywords: Any) -> Any:
    lower = keywords.values["lower"]

    def solved(x: Any, trans: int) -> Any:
        values = {"trans": trans, "lower": lower, "unit_diagonal": False}
        return apply(SOLVE_TRIANGULAR, (c, x), (Keywords(values),))

    return solved(solved(b, 0), 2) if lower else solved(solved(b, 2), 0)


CHO_SOLVE = Primitive("cho_solve", _cho_solve, infer=lambda c, b, _: b, params=("keywords",))
define_by_equal(CHO_SOLVE, _cho_solve_equal)


@foreign(_MODULE, "cho_solve")
def cho_solve(
    rec: Recorder, original: Any, c_and_lower: Any, b: Any, *args: Any, **kwargs: Any
) -> Any:
    c, lower = c_and_lower
    operands = (prepared(rec, c), prepared(rec, b))
    return apply(CHO_SOLVE, operands, (Keywords({"lower": bool(plain(lower))}),))


# -- banded matrices ---------------------------------------------------------------------------


def _banded(ab: Any, b: Any, below: int, above: int) -> Any:
    return scipy_function(_MODULE, "solve_banded")((below, above), ab, b)


SOLVE_BANDED = Primitive(
    "solve_banded", _banded, infer=lambda ab, b, *_: b, params=("below", "above")
)


def _diagonals(below: int, above: int, n: int) -> list[tuple[int, int, slice, slice]]:
    """Return for each diagonal its row of `ab`, its offset, and the rows and columns it spans.

    Entry (i, j) stands at ``ab[above + i - j, j]``; the offset is j − i.
    """
    out = []
    for offset in range(-below, above + 1):
        size = n - abs(offset)
        if size > 0:
            i, j = max(-offset, 0), max(offset, 0)
            out.append((above - offset, offset, slice(i, i + size), slice(j, j + size)))
    return out


def _banded_times(ab: Any, x: Any, below: int, above: int) -> Any:
    out = np.zeros_like(x, dtype=np.result_type(ab.dtype, x.dtype))
    for row, _, i, j in _diagonals(below, above, x.shape[0]):
        out[i] = out[i] + _column(ab[row, j], x) * x[j]
    return out


def _column(d: Any, x: Any) -> Any:
    return d if x.ndim == 1 else d[:, None]


def _banded_adjoint(ab: Any, below: int, above: int) -> Any:
    """Return the conjugate transposed matrix, with `above` diagonals below and `below` above."""
    n = ab.shape[1]
    out = np.zeros_like(ab)
    for row, offset, i, j in _diagonals(below, above, n):
        out[below + offset, i] = np.conjugate(ab[row, j])
    return out


def _banded_b_bar(g: Any, x: Any, ab: Any, b: Any, below: int, above: int) -> Any:
    return apply(SOLVE_BANDED, (_banded_adjoint(ab, below, above), g), (above, below))


def _banded_a_bar(g: Any, x: Any, ab: Any, b: Any, below: int, above: int) -> Any:
    back = _banded_b_bar(g, x, ab, b, below, above)
    out = np.zeros_like(back, np.result_type(back.dtype, x.dtype), shape=ab.shape)
    for row, _, i, j in _diagonals(below, above, x.shape[0]):
        entries = -back[i] * np.conjugate(x[j])
        out[row, j] = entries if x.ndim == 1 else np.sum(entries, axis=1)
    return out


define_by_formulas(
    SOLVE_BANDED,
    vjp=[_banded_a_bar, _banded_b_bar],
    jvp=[
        lambda t, x, ab, b, below, above: apply(
            SOLVE_BANDED, (ab, -_banded_times(t, x, below, above)), (below, above)
        ),
        lambda t, x, ab, b, below, above: apply(SOLVE_BANDED, (ab, t), (below, above)),
    ],
)


@foreign(_MODULE, "solve_banded")
def solve_banded(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    (ab, b), rest = bound(rec, original, ("ab", "b"), args, kwargs)
    below, above = map(int, rest["l_and_u"])
    return apply(SOLVE_BANDED, (ab, b), (below, above))


def _hermitian_banded(ab: Any, b: Any, lower: bool) -> Any:
    """Solve with a Hermitian matrix of which one half of the diagonals is given."""
    half, n = ab.shape[0] - 1, ab.shape[1]
    full = np.zeros_like(ab, shape=(2 * half + 1, n))
    for k in range(half + 1):
        d = ab[k, : n - k] if lower else ab[half - k, k:]  # the diagonal k below or above the main
        below, above = (d, np.conjugate(d)) if lower else (np.conjugate(d), d)
        full[half + k, : n - k] = below
        if k:
            full[half - k, k:] = above
    return apply(SOLVE_BANDED, (full, b), (half, half))


opaque(_MODULE, "solveh_banded", ("ab", "b"), _hermitian_banded, without=_SPEED)


# -- the exponential ---------------------------------------------------------------------------


EXPM = Primitive("expm", lambda a: scipy_function(_MODULE, "expm")(a), infer=lambda a: a)


def _frechet(a: Any, e: Any) -> Any:
    """Return the derivative of the exponential at a along e, as a block of a larger exponential.

    Najfeld and Havel (1995), doi:10.1006/aama.1995.1017.
    """
    n = a.shape[-1]
    zero = np.zeros_like(a)
    top = np.concatenate([a, e], axis=-1)
    bottom = np.concatenate([zero, a], axis=-1)
    return apply(EXPM, (np.concatenate([top, bottom], axis=-2),))[..., :n, n:]


define_by_formulas(
    EXPM,
    vjp=[lambda g, y, a: _frechet(_adjoint(a), g)],
    jvp=[lambda t, y, a: _frechet(a, t)],
)


@foreign(_MODULE, "expm")
def expm(rec: Recorder, original: Any, A: Any) -> Any:
    return apply(EXPM, (prepared(rec, A),))


# -- the same as NumPy's -------------------------------------------------------------------------


def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return np.linalg.norm(a, ord, axis, keepdims)


opaque(_MODULE, "norm", ("a",), _norm, without=("check_finite",))

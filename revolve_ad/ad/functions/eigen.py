"""Eigenvalues and eigenvectors of general matrices, which must be distinct for a derivative.

With A V = V diag(w) and P = V⁻¹ dA V: dw is the diagonal of P, and dV = V K with
K_ij = P_ij / (w_j − w_i), but for what LAPACK's choice of each column's length and phase adds.
See Giles (2008), doi:10.1007/978-3-540-68942-3_4, section 3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import _linalg

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.formulas import define_by_tangents
from revolve_ad.ad.functions.linalg import INV, gaps
from revolve_ad.ad.functions.order import positions
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.recorder import Recorder

_eig, _eigvals = np.linalg.eig, np.linalg.eigvals


def _complex(x: Any) -> Any:
    return np.asarray(x).astype(np.result_type(x.dtype, np.complex64))


def _complex_types(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    found = np.result_type(a.dtype if a.dtype.kind in "fc" else float, np.complex64)
    return ArrayType(a.shape[:-1], found), ArrayType(a.shape, found)


# Both give complex numbers, also for a real matrix: whether its eigenvalues are real is a question
# about values, which the functions below ask.
EIG = Primitive("eig", lambda a: tuple(map(_complex, _eig(a))), infer=_complex_types)
EIGVALS = Primitive(
    "eigvals", lambda a: _complex(_eigvals(a)), infer=lambda a: _complex_types(a)[0]
)
# The row of each eigenvector in which LAPACK makes it real: that of the largest element.
LARGEST = positions(
    "row_of_largest",
    lambda v: np.argmax(np.square(v.real) + np.square(v.imag), axis=-2, keepdims=True),
    infer=lambda v: ArrayType((*v.shape[:-2], 1, v.shape[-1]), np.dtype(np.intp)),
)


def _inner(t: Any, v: Any) -> Any:
    return np.matmul(apply(INV, (v,)), np.matmul(t, v))


def _eig_tangent(t: Any, w: Any, v: Any, a: Any) -> Any:
    inner = _inner(t, v)
    turned = np.matmul(v, gaps(w) * inner)
    # Each column stays of length one, and real where it is largest.
    along = np.sum((np.conjugate(v) * turned).real, axis=-2, keepdims=True)
    turned = turned - v * along
    row = apply(LARGEST, (v,))
    largest = np.take_along_axis(v, row, -2).real
    phase = np.take_along_axis(turned, row, -2).imag / largest
    return np.diagonal(inner, axis1=-2, axis2=-1), turned - 1j * v * phase


def _eigvals_tangent(t: Any, w: Any, a: Any) -> Any:
    _, v = apply(EIG, (a,))
    return np.diagonal(_inner(t, v), axis1=-2, axis2=-1)


define_by_tangents(EIG, _eig_tangent)
define_by_tangents(EIGVALS, _eigvals_tangent)


def _all_real(a: Any, w: Any) -> bool:
    """Whether NumPy gives real numbers, which it does for real matrices if all eigenvalues are."""
    if a.dtype.kind == "c":
        return False
    return bool(np.all(w._concrete("whether all eigenvalues are real").imag == 0))


@implements(np.linalg.eig)
def eig(rec: Recorder, a: Any) -> Any:
    a = prepared(rec, a)
    w, v = apply(EIG, (a,))
    return _linalg.EigResult(*((w.real.copy(), v.real.copy()) if _all_real(a, w) else (w, v)))


@implements(np.linalg.eigvals)
def eigvals(rec: Recorder, a: Any) -> Any:
    a = prepared(rec, a)
    w = apply(EIGVALS, (a,))
    return w.real.copy() if _all_real(a, w) else w

"""Products of a constant `scipy.sparse` matrix and a traced array, from both sides."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

from revolve_ad.ad.rules.table import define_linear
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import Traced, apply
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["Matrix", "frozen_matrix"]


class Matrix:
    """A sparse matrix as a static parameter: a private copy, and its adjoint when asked for."""

    __slots__ = ("__weakref__", "_adjoint", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._adjoint: Matrix | None = None

    @property
    def adjoint(self) -> Matrix:
        """The conjugate transposed matrix."""
        if self._adjoint is None:
            self._adjoint = Matrix(self.value.T.conj())
            self._adjoint._adjoint = self
        return self._adjoint

    def __repr__(self) -> str:
        return f"sparse{self.value.shape}"


_known: OrderedDict[int, tuple[Any, Matrix]] = OrderedDict()


def frozen_matrix(a: Any) -> Matrix:
    """Return a copy of a matrix; the same one as long as its entries stay."""
    found = _known.get(id(a))
    if found is not None:
        alive, matrix = found
        if alive() is a and _same(a, matrix.value):
            return matrix
    matrix = Matrix(a.copy())
    _known[id(a)] = (weakref.ref(a), matrix)
    while len(_known) > 16:
        _known.popitem(last=False)
    return matrix


def _same(a: Any, b: Any) -> bool:
    if a.shape != b.shape or a.format != b.format or not hasattr(a, "data"):
        return False
    parts = ("data", "indices", "indptr", "offsets", "row", "col")
    return a.format not in ("dok", "lil") and all(
        np.array_equal(getattr(a, p), getattr(b, p)) for p in parts if hasattr(a, p)
    )


def _infer(x: ArrayType, matrix: Matrix) -> ArrayType:
    dtype = np.result_type(x.dtype, matrix.value.dtype)
    return ArrayType((matrix.value.shape[0], *x.shape[1:]), dtype)


# The products of both sides: A x, and x A, which SciPy computes as (Aᵀ xᵀ)ᵀ.
TIMES = Primitive(
    "sparse_matmul",
    lambda x, matrix: _plain(matrix.value @ np.asarray(x)),
    infer=_infer,
    params=("matrix",),
)
define_linear(TIMES, lambda g, y, x, matrix: g.apply(TIMES, params=(matrix.adjoint,)))


def _plain(found: Any) -> Any:
    return np.asarray(found)


def _matmul(rec: Recorder, original: Any, matrix: Any, other: Any) -> Any:
    if type(other) is not Traced:
        return original(matrix, other)
    if other.ndim == 0:
        raise ValueError("Scalar operands are not allowed, use '*' instead")
    if other.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"matmul: dimension mismatch with signature (n,k={matrix.shape[1]}),"
            f"(k={other.shape[0]},m)->(n,m)"
        )
    return apply(TIMES, (other,), (frozen_matrix(matrix),))


def _rmatmul(rec: Recorder, original: Any, matrix: Any, other: Any) -> Any:
    if type(other) is not Traced or other.ndim == 0:
        return original(matrix, other)
    found = _matmul(rec, original, matrix.T, other.T)
    return found.T


# The class that all formats derive from, and the one that has its own methods in some versions.
for _module, _class in (("scipy.sparse._base", "_spbase"), ("scipy.sparse._coo", "_coo_base")):
    FOREIGN[_module] = {
        f"{_class}._matmul_dispatch": _matmul,
        f"{_class}._rmatmul_dispatch": _rmatmul,
    }


# -- matrices of traced entries ------------------------------------------------------------------


def _made_of(rec: Recorder, original: Any, matrix: Any, *args: Any, **kwargs: Any) -> None:
    original(
        matrix, *map(_known_entries, args), **{k: _known_entries(x) for k, x in kwargs.items()}
    )


def _known_entries(x: Any) -> Any:
    """Return what a matrix is made of, plain; raise if it depends on the function's arguments."""
    if type(x) in (list, tuple):
        return type(x)(map(_known_entries, x))
    if type(x) is not Traced:
        return x
    if x.is_needed_traced("an entry of a sparse matrix"):
        raise UnsupportedOperationError(
            "a scipy.sparse matrix can't hold traced entries: their derivative would be lost. Keep "
            "the matrix constant and scale what goes in or comes out, A @ (d * x) or d * (A @ x); "
            "solve banded systems with scipy.linalg.solve_banded; or wrap the solve and give its "
            "derivative with ra.primitive"
        )
    return np.array(x.v)


for _module, _class in (
    ("_compressed", "_cs_matrix"),
    ("_bsr", "_bsr_base"),
    ("_coo", "_coo_base"),
    ("_dia", "_dia_base"),
    ("_dok", "_dok_base"),
    ("_lil", "_lil_base"),
):
    FOREIGN.setdefault(f"scipy.sparse.{_module}", {})[f"{_class}.__init__"] = _made_of

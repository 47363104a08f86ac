"""Solves with constant sparse matrices: spsolve, factorized, and the factors that splu returns.

Factors are objects of compiled code, whose methods ask no protocol.  While a recording is open,
what a user's module, function or closure holds of them is replaced by a stand-in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.creation import contains_traced
from revolve_ad.ad.functions.foreign import foreign, real_operand, scipy_function
from revolve_ad.ad.functions.sparse import Matrix, frozen_matrix
from revolve_ad.ad.recording.captured import STAND_INS
from revolve_ad.ad.rules.table import define_linear
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.sparse.linalg"


# -- factors -------------------------------------------------------------------------------------

_ADJOINT = {"N": "H", "H": "N", "T": "C", "C": "T"}
"""Of a solve with A, Aᴴ, Aᵀ or conj(A), the solve that is its adjoint."""


def _solved(lu: Any, b: Any, trans: str) -> Any:
    b = np.asarray(b)
    if trans == "C":
        return np.conjugate(lu.solve(np.conjugate(b)))
    if b.dtype.kind == "c" and lu.U.dtype.kind != "c":  # SuperLU takes no complex ones then
        return lu.solve(b.real.copy(), trans) + 1j * lu.solve(b.imag.copy(), trans)
    return lu.solve(b, trans)


FACTORS_SOLVE = Primitive(
    "lu.solve", lambda b, lu, trans: _solved(lu, b, trans), params=("lu", "trans")
)
define_linear(
    FACTORS_SOLVE,
    lambda g, y, b, lu, trans: g.apply(FACTORS_SOLVE, params=(lu, _ADJOINT[trans])),
)


class Factors:
    """Stands for SuperLU factors in a recording: `solve` takes traced right-hand sides."""

    def __init__(self, lu: Any) -> None:
        self._lu = lu

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lu, name)

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        """Return the solution of A x = b, Aᵀ x = b or Aᴴ x = b."""
        if not contains_traced(rhs):
            return self._lu.solve(rhs, trans)
        return apply(FACTORS_SOLVE, (rhs,), (self._lu, trans))


def _solve_of(method: Any) -> Any:
    """Return the stand-in for a method ``solve`` that was taken off its factors, else None."""
    owner = getattr(method, "__self__", None)
    if getattr(method, "__name__", "") != "solve" or type(owner).__name__ != "SuperLU":
        return None
    return Factors(owner).solve


STAND_INS["SuperLU"] = Factors
STAND_INS["builtin_function_or_method"] = _solve_of


@foreign(_MODULE, "splu", "spilu", "factorized")
def factors(rec: Recorder, original: Any, A: Any, *args: Any, **kwargs: Any) -> Any:
    real_operand(A, f"scipy.sparse.linalg.{original.__name__}", "A")
    return original(A, *args, **kwargs)


def _made_inside(name: str) -> None:
    """Let factors that are made while recording be stand-ins at once."""
    entered = FOREIGN[_MODULE][name]

    def call(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
        found = entered(rec, original, *args, **kwargs)
        return _solve_of(found) or (Factors(found) if type(found).__name__ == "SuperLU" else found)

    FOREIGN[_MODULE][name] = call


for _name in ("splu", "spilu", "factorized"):
    _made_inside(_name)


# -- solves --------------------------------------------------------------------------------------


def _spsolve(b: Any, matrix: Matrix, order: str | None, umfpack: bool) -> Any:
    solve = scipy_function(_MODULE, "spsolve")
    return np.asarray(solve(matrix.value, np.asarray(b), order, umfpack))


SPSOLVE = Primitive("spsolve", _spsolve, params=("matrix", "permc_spec", "use_umfpack"))
define_linear(
    SPSOLVE,
    lambda g, y, b, matrix, order, umfpack: g.apply(
        SPSOLVE, params=(matrix.adjoint, order, umfpack)
    ),
)


@foreign(_MODULE, "spsolve")
def spsolve(
    rec: Recorder, original: Any, A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True
) -> Any:
    real_operand(A, "scipy.sparse.linalg.spsolve", "A")
    b = prepared(rec, b)
    if b.shape[1:] == (1,):  # SciPy gives a vector back
        b = b[:, 0]
    return apply(SPSOLVE, (b,), (frozen_matrix(A), permc_spec, bool(use_umfpack)))


_TRIANGULAR = Primitive(
    "spsolve_triangular",
    lambda b, matrix, lower, unit: np.asarray(
        scipy_function(_MODULE, "spsolve_triangular")(
            matrix.value.tocsr(), np.array(b), lower, unit_diagonal=unit
        )
    ),
    params=("matrix", "lower", "unit_diagonal"),
)
define_linear(
    _TRIANGULAR,
    lambda g, y, b, matrix, lower, unit: g.apply(
        _TRIANGULAR, params=(matrix.adjoint, not lower, unit)
    ),
)


@foreign(_MODULE, "spsolve_triangular")
def spsolve_triangular(
    rec: Recorder,
    original: Any,
    A: Any,
    b: Any,
    lower: bool = True,
    overwrite_A: bool = False,
    overwrite_b: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    real_operand(A, "scipy.sparse.linalg.spsolve_triangular", "A")
    return apply(
        _TRIANGULAR, (prepared(rec, b),), (frozen_matrix(A), bool(lower), bool(unit_diagonal))
    )

"""Functions of Python, NumPy and SciPy that give the same for the same arguments, and do no more.

A function that isn't listed here is taken for one that may do anything: draw a random number, keep
a count, look at a clock.  What a name refers to is compared by identity, so that a function that
somebody has put in NumPy's place isn't taken for NumPy's.
"""

from __future__ import annotations

import builtins
import math
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

__all__ = ["ATTRIBUTES", "UFUNC_METHODS", "is_stateless"]

_BUILTINS: Final = (
    "abs all any bool complex dict divmod enumerate float int isinstance len list max min pow "
    "range reversed round slice sorted sum tuple zip"
)

# Not listed: what gives memory as it is found (empty, empty_like, ndarray), what reads or writes
# files or settings, and what is random.
_NUMPY: Final = (
    "all allclose amax amin angle any append arange argmax argmin argsort argwhere around array "
    "array_equal array_split asanyarray asarray ascontiguousarray astype atleast_1d atleast_2d "
    "atleast_3d average block broadcast_arrays broadcast_shapes broadcast_to can_cast choose clip "
    "column_stack compress concat concatenate convolve copy copyto correlate count_nonzero cross "
    "cumprod cumsum cumulative_prod cumulative_sum delete diag diag_indices diagflat diagonal diff "
    "digitize dot dsplit dstack ediff1d einsum expand_dims extract eye fill_diagonal fix "
    "flatnonzero flip fliplr flipud full full_like geomspace gradient hsplit hstack i0 identity "
    "imag indices inner insert interp iscomplexobj isclose isin isneginf isposinf isreal isrealobj "
    "isscalar ix_ kron linspace logspace matrix_transpose max mean median meshgrid min moveaxis "
    "nan_to_num nanargmax nanargmin nanmax nanmean nanmin nanprod nanstd nansum nanvar ndim "
    "nonzero ones ones_like outer pad permute_dims piecewise polyder polyint polyval prod "
    "promote_types ptp ravel ravel_multi_index real repeat reshape result_type roll rollaxis rot90 "
    "round searchsorted select shape sinc size sort split squeeze stack std sum swapaxes take "
    "take_along_axis tensordot tile trace transpose trapezoid tri tril tril_indices triu "
    "triu_indices unravel_index unwrap vander var vdot vsplit vstack where zeros zeros_like "
    "bool bool_ complex128 complex64 double float32 float64 int16 int32 int64 int8 int_ intp "
    "single uint16 uint32 uint64 uint8 finfo iinfo"
)
_LINALG: Final = (
    "cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm "
    "matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd "
    "svdvals tensordot tensorinv tensorsolve trace vecdot vector_norm"
)
_FFT: Final = (
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft "
    "rfft2 rfftfreq rfftn"
)

_OF_ARRAYS: Final = (
    "T all any argmax argmin argsort astype clip conj conjugate copy cumprod cumsum diagonal dot "
    "dtype fill flatten imag item itemsize kind max mean min nbytes ndim nonzero prod ravel real "
    "repeat reshape round searchsorted shape size squeeze std sum swapaxes take tolist trace "
    "transpose var"
)
_OF_CONTAINERS: Final = "count get index items keys values"
_OF_RESULTS: Final = "Q R S U Vh eigenvalues eigenvectors logabsdet sign observed state steps"

ATTRIBUTES: Final = frozenset(f"{_OF_ARRAYS} {_OF_CONTAINERS} {_OF_RESULTS}".split())
"""Attributes of arrays, of numbers and of containers that only read; `fill` writes an array."""

UFUNC_METHODS: Final = frozenset({"accumulate", "at", "outer", "reduce", "reduceat"})


def is_stateless(x: Any) -> bool:
    """Tell whether a function or a class is one of these."""
    known = _known(_scipy_special())
    return known.get(id(x)) is x


def _scipy_special() -> ModuleType | None:
    # Somebody else has to import it: that takes long, and who hasn't doesn't call it.
    return sys.modules.get("scipy.special")


@lru_cache(maxsize=2)
def _known(special: ModuleType | None) -> dict[int, Any]:
    """Return the functions by their ids; they are held, so that no other gets one of these."""
    found = [*_listed(builtins, _BUILTINS), *_listed(np, _NUMPY)]
    found += [*_listed(np.linalg, _LINALG), *_listed(np.fft, _FFT)]
    found += [f for f in vars(math).values() if type(f) is BuiltinFunctionType]
    # The ufuncs themselves, whatever NumPy's own names refer to.
    core = vars(sys.modules["numpy._core.umath"])
    found += [f for name, f in vars(np).items() if type(f) is np.ufunc and core.get(name) is f]
    compiled = None if special is None else vars(special).get("_ufuncs")
    if special is not None and compiled is not None:
        own = vars(compiled)
        found += [
            f for name, f in vars(special).items() if type(f) is np.ufunc and own.get(name) is f
        ]
    return {id(f): f for f in found}


def _listed(module: ModuleType, names: str) -> Iterator[Any]:
    for name in names.split():
        found = vars(module).get(name)
        if _comes_from(found, module.__name__.partition(".")[0]):
            yield found


def _comes_from(f: Any, package: str) -> bool:
    """Tell whether a function or a class is of a package's own making."""
    # NumPy's functions that ask for a protocol wrap the one that does the work.
    f = getattr(f, "_implementation", f)
    if isinstance(f, FunctionType):
        return f.__code__.co_filename.startswith(_folder(package))
    return isinstance(f, type | BuiltinFunctionType) and (
        (f.__module__ or package).partition(".")[0] == package
    )


def _folder(package: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(sys.modules[package].__file__ or "")), "")

"""Sums over moving windows and interpolation: convolve, correlate, interp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy._core import multiarray

from revolve_ad.ad.functions.formulas import define_by_equal, define_by_formulas
from revolve_ad.ad.functions.source import INSTEAD, from_source
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import Traced, apply, node_and_value, plain, view_of
from revolve_ad.ad.traced.dispatch import implements
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import ParameterError

# -- convolution -------------------------------------------------------------------------------

# Full convolution of two vectors; the plainest form, in which the rules are written.
CONVOLVE = Primitive(
    "convolve",
    lambda a, v: np.convolve(a, v),
    infer=lambda a, v: ArrayType((a.shape[0] + v.shape[0] - 1,), np.result_type(a.dtype, v.dtype)),
)


def _pulled(g: Any, v: Any, n: int) -> Any:
    """Return the cotangent of one factor, of length n, given the other one."""
    m = v.shape[0]
    return apply(CONVOLVE, (g, np.conjugate(v[::-1])))[m - 1 : m - 1 + n]


define_by_formulas(
    CONVOLVE,
    vjp=[
        lambda g, y, a, v: _pulled(g, v, a.shape[0]),
        lambda g, y, a, v: _pulled(g, a, v.shape[0]),
    ],
    jvp=[lambda t, y, a, v: apply(CONVOLVE, (t, v)), lambda t, y, a, v: apply(CONVOLVE, (a, t))],
)


def _window(full: Any, n: int, m: int, mode: Any) -> Any:
    """Return the part of a full convolution of lengths n ≥ m that a mode keeps."""
    name = {0: "valid", 1: "same", 2: "full"}.get(mode, str(mode)[0])
    if name[0] == "f":
        return full
    if name[0] == "s":
        # NumPy centres the window; of an even one the longer half comes first.
        start = m - 1 - m // 2
        return full[start : start + n]
    return full[m - 1 : n]


def _correlation(reverses: bool) -> Any:
    """Return the equal of NumPy's compiled correlations, of which one turns its result around."""

    def equal(a: Any, v: Any, mode: Any) -> Any:
        n, m = a.shape[0], v.shape[0]
        if n < m:
            swapped = _window(apply(CONVOLVE, (v, a[::-1])), m, n, mode)
            return swapped[::-1] if reverses else swapped
        return _window(apply(CONVOLVE, (a, v[::-1])), n, m, mode)

    return equal


_correlate, _correlate2 = multiarray.correlate, multiarray.correlate2
CORRELATE = Primitive("correlate", lambda a, v, mode: _correlate(a, v, mode), params=("mode",))
define_by_equal(CORRELATE, _correlation(reverses=False))
# The same with the conjugate of `v`.
CORRELATE_CONJUGATE = Primitive(
    "correlate_conjugate", lambda a, v, mode: _correlate2(a, v, mode), params=("mode",)
)
define_by_equal(
    CORRELATE_CONJUGATE, lambda a, v, mode: _correlation(reverses=True)(a, np.conjugate(v), mode)
)

INSTEAD[id(_correlate)] = lambda a, v, mode=0: apply(CORRELATE, (a, v), (mode,))
INSTEAD[id(_correlate2)] = lambda a, v, mode=0: apply(
    CORRELATE_CONJUGATE, (np.asarray(a), np.asarray(v)), (mode,)
)


@implements(np.correlate)
def correlate(rec: Recorder, a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = (x if type(x) is Traced else np.asarray(x) for x in (a, v))
    return apply(CORRELATE_CONJUGATE, (a, v), (mode,))


from_source(np.convolve, np.interp)


# -- interpolation -----------------------------------------------------------------------------


def _interp_equal(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    n = xp.shape[0]
    if n == 1:
        inside = np.broadcast_to(fp[0], np.shape(x))
    else:
        i = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, n - 2)
        slope = (fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i])
        inside = fp[i] + slope * (x - xp[i])
    low = fp[0] if left is None else left
    high = fp[-1] if right is None else right
    return np.where(x < xp[0], low, np.where(x > xp[-1], high, inside))


def _varies(end: Any) -> bool:
    return type(end) is Traced and end.varies()


def _interpolation(compiled: Any, name: str, dtype: Any) -> Any:
    op = Primitive(
        name,
        lambda x, xp, fp, left, right: compiled(x, xp, fp, left, right),
        infer=lambda x, xp, fp, left, right: ArrayType(x.shape, np.dtype(dtype)),
        params=("left", "right"),
    )
    define_by_equal(op, _interp_equal)

    number = complex if dtype is complex else float

    def call(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
        operands = [np.asarray(v) if type(v) in (list, tuple) else v for v in (x, xp, fp)]
        ends = [None if e is None else number(plain(e)) for e in (left, right)]
        found = apply(op, operands, tuple(ends))
        x, xp = operands[:2]
        if _varies(left):
            found = np.where(x < xp[0], left.astype(dtype), found)
        if _varies(right):
            found = np.where(x > xp[-1], right.astype(dtype), found)
        return found

    return call


INSTEAD[id(multiarray.interp)] = _interpolation(multiarray.interp, "interp", float)
INSTEAD[id(multiarray.interp_complex)] = _interpolation(
    multiarray.interp_complex, "interp_complex", complex
)


# -- windows -----------------------------------------------------------------------------------


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(rec: Recorder, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Record the windows as a view of the same memory, as in NumPy; it may only be read."""
    kwargs.pop("subok", None)
    if kwargs.get("writeable"):
        raise ValueError("sliding_window_view(writeable=True) of a traced array isn't possible")
    if x.cell is None:
        x = Traced.wrap(rec, node_and_value(rec, x)[0], np.asarray(x.v))
    shown = np.lib.stride_tricks.sliding_window_view(x.v, *args, **kwargs)
    view = _based(x, shown)
    view.flags.writeable = False
    return view_of(x, view)


def _as_strided(
    rec: Recorder,
    original: Any,
    x: Any,
    shape: Any = None,
    strides: Any = None,
    subok: bool = False,
    writeable: bool = True,
) -> Any:
    """Record a view with given strides, in bytes; it must stay within the memory of `x`."""
    if type(x) is not Traced:
        return original(x, shape, strides, subok, writeable)
    if x.cell is None:
        x = Traced.wrap(rec, node_and_value(rec, x)[0], np.asarray(x.v))
    shape = x.v.shape if shape is None else tuple(shape)
    strides = x.v.strides if strides is None else tuple(strides)
    if any(stride % x.v.itemsize for stride in strides):
        raise ParameterError(
            f"as_strided of a traced array with strides {strides}: each must be a multiple of the "
            f"{x.v.itemsize} bytes of an element of {x.v.dtype}. sliding_window_view counts in "
            "elements"
        )
    try:
        # NumPy looks at the bounds, as as_strided doesn't.
        view = _based(x, original(x.v, shape, strides, writeable=False))
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"as_strided of a traced array: shape {shape} with strides {strides} in bytes leaves "
            f"the memory of the array, of shape {x.v.shape} with strides {x.v.strides}. Use "
            "sliding_window_view, which keeps within it"
        ) from error
    found = view_of(x, view)
    # Where elements are shown twice, a write would go to both.
    view.flags.writeable = writeable and x.v.flags.writeable and found.map.is_injective
    return found


FOREIGN["numpy.lib.stride_tricks"] = {"as_strided": _as_strided}  # it asks no protocol


def _based(x: Traced, shown: Any) -> Any:
    """Return the same view, with the memory that it shows as its base, as all views have."""
    cell: Any = x.cell
    while cell.whole is not None:
        cell = cell.whole
    first, start = (a.__array_interface__["data"][0] for a in (shown, cell.root))
    offset = first - start if shown.size else 0
    return _ndarray(shown.shape, shown.dtype, cell.root, offset, shown.strides)


_ndarray = np.ndarray

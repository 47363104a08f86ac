"""Images read between their pixels by splines: `scipy.ndimage`'s map_coordinates and its kin.

A value is a sum of B-spline coefficients, which are linear in the image, times weights, which are
polynomials of where one reads.  Unser, Aldroubi and Eden (1993), doi:10.1109/78.193220; what lies
beyond the edges is SciPy's choice, mode by mode (`ni_interpolation.c`).
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from revolve_ad.ad.functions.arguments import prepared
from revolve_ad.ad.functions.foreign import foreign, opaque, scipy_function
from revolve_ad.ad.functions.formulas import define_by_formulas
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import apply
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder

_MODULE = "scipy.ndimage"

_PADDED = 12
"""Pixels that SciPy adds on each side where its filter has no exact ends."""

_LONG = 65
"""From so many pixels on, the filter's two ends don't see each other: 0.43^65 < 1e-23."""


# -- coefficients --------------------------------------------------------------------------------


# The coefficients along one axis of at least `_LONG` pixels, computed by recursive filters.
FILTER = Primitive(
    "spline_filter1d",
    lambda x, order, axis, mode: scipy_function(_MODULE, "spline_filter1d")(
        x, order, axis, mode=mode
    ),
    infer=lambda x, order, axis, mode: ArrayType(x.shape, np.result_type(x.dtype, float)),
    params=("order", "axis", "mode"),
)
_SYMMETRIC = ("reflect", "grid-mirror", "nearest", "grid-wrap")


def _transposed(g: Any, y: Any, x: Any, order: int, axis: int, mode: str) -> Any:
    """Apply the filter's transpose: itself, where the ends aren't mirrored at their pixels."""
    if mode in _SYMMETRIC:
        return apply(FILTER, (g,), (order, axis, mode))
    # W B is symmetric for the matrix B of the splines' values, if W halves both ends.
    weights = np.ones(g.shape[axis])
    weights[[0, -1]] = 0.5
    weights = weights.reshape([-1 if d == axis else 1 for d in range(g.ndim)])
    return apply(FILTER, (g / weights,), (order, axis, mode)) * weights


define_by_formulas(
    FILTER,
    vjp=[_transposed],
    jvp=[lambda t, y, x, order, axis, mode: apply(FILTER, (t,), (order, axis, mode))],
)


def _filtered1d(x: Any, order: int, axis: int, mode: str) -> Any:
    """Return the coefficients along one axis; of a short one, a matrix times the image."""
    if order < 2:
        return x * 1.0
    axis = normalize_axis_index(axis, x.ndim)
    if x.shape[axis] >= _LONG:
        return apply(FILTER, (x,), (order, axis, mode))
    unit = np.eye(x.shape[axis])
    matrix = scipy_function(_MODULE, "spline_filter1d")(unit, order, axis=0, mode=mode)
    return np.moveaxis(np.tensordot(matrix, x, axes=(1, axis)), 0, axis)


def _coefficients(x: Any, n: int, order: int, mode: str, cval: Any, prefilter: bool) -> Any:
    """Return the coefficients along the first n axes, and by how much they begin earlier."""
    if not prefilter or order < 2:
        return x, 0
    before = 0
    if mode in ("nearest", "grid-constant"):
        before = _PADDED
        widths = [(before, before)] * n + [(0, 0)] * (x.ndim - n)
        if mode == "nearest":
            x = np.pad(x, widths, mode="edge")
        else:
            x = np.pad(x, widths, constant_values=cval)
    for axis in range(n):
        x = _filtered1d(x, order, axis, mode)
    return x, before


# -- where to read -------------------------------------------------------------------------------


def _inside(x: Any, n: int, mode: str) -> Any:
    """Return the place within 0 … n − 1 that a mode takes for a place; what it means beyond."""
    if n == 1 and mode != "constant":
        return 0 * x
    last = n - 1
    if mode == "mirror":
        x = np.abs(x - 2 * last * np.round(x / (2 * last)))
    elif mode in ("reflect", "grid-mirror"):
        # About −1/2 and n − 1/2; between an edge and its mirror image it stays beyond the edge.
        low, high = x < 0, x > last
        x = np.where(low, -1 - x, x)
        x = x - 2 * n * np.floor(x / (2 * n))
        x = np.where((low | high) & (x >= n), 2 * n - 1 - x, x)
    elif mode == "wrap":
        beyond = (x < 0) | (x > last)
        x = np.where(beyond, x - last * np.floor(x / last), x)
    elif mode == "grid-wrap":
        x = x - n * np.floor(np.where(x < 0, np.floor(x), x) / n)
    return x


def _neighbour(k: Any, n: int, mode: str) -> Any:
    """Return the coefficient that stands for number k, which may lie beyond an edge."""
    if n == 1 or mode in ("nearest", "grid-constant"):
        return np.clip(k, 0, n - 1)
    if mode == "grid-wrap":
        return k % n
    if mode in ("reflect", "grid-mirror"):
        k = k % (2 * n)
        return np.where(k >= n, 2 * n - 1 - k, k)
    k = k % (2 * n - 2)  # constant and wrap continue as mirror does
    return np.where(k >= n, 2 * n - 2 - k, k)


def _weights(t: Any, order: int) -> list[Any]:
    """Return the B-splines that are not zero at t in [0, 1), by de Boor's recursion."""
    found: list[Any] = [1.0 + 0 * t]
    for j in range(1, order + 1):
        left = [None, *found]
        right = [*found, None]
        found = [
            (0.0 if a is None else (t + (j - i)) / j * a)
            + (0.0 if b is None else ((1 + i) - t) / j * b)
            for i, (a, b) in enumerate(zip(left, right, strict=True))
        ]
    return found


def interpolated(
    x: Any, places: Sequence[Any], order: int, mode: str, cval: Any, prefilter: bool
) -> Any:
    """Return the image at places along its first axes, which are the first of the result.

    Parameters
    ----------
    x : array, shape (n_0, …, n_{d−1}, …)
        The image; further axes are carried along.
    places : sequence of array
        One for each of the d axes, all of the shape of the result.
    """
    d = len(places)
    if 0 in x.shape[:d]:  # nothing is inside
        return np.zeros_like(x, shape=(*places[0].shape, *x.shape[d:])) + cval
    c, before = _coefficients(x, d, order, mode, cval, prefilter)
    rest = c.ndim - d
    outside = False
    starts, weights = [], []
    for place, n in zip(places, c.shape[:d], strict=True):
        at = place + before
        if mode == "constant":
            outside = outside | ((at < 0) | (at > n - 1))
            at = np.clip(at, 0, n - 1)
        elif mode not in ("grid-constant", "nearest"):
            at = _inside(at, n, mode)
        base = np.floor(at if order % 2 else at + 0.5)
        weights.append(_weights(at - base if order % 2 else at + 0.5 - base, order))
        starts.append(base.astype(np.intp) - order // 2)
    total: Any = 0.0
    for offsets in itertools.product(range(order + 1), repeat=d):
        numbers = [s + k for s, k in zip(starts, offsets, strict=True)]
        index = tuple(_neighbour(i, n, mode) for i, n in zip(numbers, c.shape[:d], strict=True))
        weight: Any = 1.0
        for w, k in zip(weights, offsets, strict=True):
            weight = weight * w[k]
        value = c[index]
        if mode == "grid-constant":
            beyond = False
            for i, n in zip(numbers, c.shape[:d], strict=True):
                beyond = beyond | ((i < 0) | (i >= n))
            value = np.where(_over(beyond, rest), cval, value)
        total = total + _over(weight, rest) * value
    return np.where(_over(outside, rest), cval, total) if mode == "constant" else total


def _over(x: Any, rest: int) -> Any:
    return np.reshape(x, (*np.shape(x), *[1] * rest))


# -- the functions -------------------------------------------------------------------------------


def _map_coordinates(
    x: Any, coordinates: Any, order: int, mode: str, cval: Any, prefilter: bool
) -> Any:
    places = [coordinates[k] for k in range(x.ndim)]
    return interpolated(x, places, order, mode, cval, prefilter)


def _affine_transform(
    x: Any,
    matrix: Any,
    offset: Any,
    output_shape: Any,
    order: int,
    mode: str,
    cval: Any,
    prefilter: bool,
) -> Any:
    d = x.ndim
    shape = x.shape if output_shape is None else tuple(output_shape)
    if matrix.ndim == 2 and matrix.shape[1] == d + 1:  # homogeneous: the offset is its last column
        matrix, offset = matrix[:d, :d], matrix[:d, d]
    grid = np.indices(shape).astype(float)
    offset = offset + np.zeros(d)
    if matrix.ndim == 1:
        places = [matrix[k] * grid[k] + offset[k] for k in range(d)]
    else:
        places = [
            sum(matrix[k, j] * grid[j] for j in range(len(shape))) + offset[k] for k in range(d)
        ]
    return interpolated(x, places, order, mode, cval, prefilter)


def _rotate(
    x: Any,
    angle: float,
    axes: Any,
    reshape: bool,
    order: int,
    mode: str,
    cval: Any,
    prefilter: bool,
) -> Any:
    first, second = sorted(normalize_axis_index(int(axis), x.ndim) for axis in axes)
    cos, sin = (scipy_function("scipy.special", f)(angle) for f in ("cosdg", "sindg"))
    turn = np.array([[cos, sin], [-sin, cos]])
    plane = np.array([x.shape[first], x.shape[second]])
    shape: Any = plane
    if reshape:
        corners = turn @ [[0, 0, plane[0], plane[0]], [0, plane[1], 0, plane[1]]]
        shape = (np.ptp(corners, axis=1) + 0.5).astype(int)
    offset = (plane - 1) / 2 - turn @ ((shape - 1) / 2)
    places = np.tensordot(turn, np.indices(tuple(shape)), axes=1) + offset[:, None, None]
    found = interpolated(
        np.moveaxis(x, (first, second), (0, 1)), list(places), order, mode, cval, prefilter
    )
    return np.moveaxis(found, (0, 1), (first, second))


opaque(_MODULE, "map_coordinates", ("input", "coordinates"), _map_coordinates)
opaque(_MODULE, "affine_transform", ("input", "matrix", "offset"), _affine_transform)
_of_arrays = FOREIGN[_MODULE]["affine_transform"]


@foreign(_MODULE, "affine_transform")
def affine_transform(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
    given = inspect.signature(original).bind(*args, **kwargs)
    # An array without axes is no number for each version of SciPy.
    offset = prepared(rec, given.arguments.get("offset", 0.0))
    given.arguments["offset"] = offset + np.zeros(np.ndim(given.arguments["input"]))
    return _of_arrays(rec, original, *given.args, **given.kwargs)


opaque(_MODULE, "rotate", ("input",), _rotate)


def _spline_filter(x: Any, order: int, mode: str) -> Any:
    for axis in range(x.ndim):
        x = _filtered1d(x, order, axis, mode)
    return x


opaque(_MODULE, "spline_filter1d", ("input",), _filtered1d)
opaque(_MODULE, "spline_filter", ("input",), _spline_filter)

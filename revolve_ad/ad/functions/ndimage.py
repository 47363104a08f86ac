"""Convolutions and correlations of `scipy.ndimage`: pad, then sum shifted copies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from revolve_ad.ad.functions.foreign import opaque, scipy_function
from revolve_ad.ad.functions.roots import root

_MODULE = "scipy.ndimage"

# NumPy's names of what SciPy calls reflect, nearest, …
_PAD = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def _per_axis(value: Any, n: int) -> list[Any]:
    return (
        list(value)
        if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
        else [value] * n
    )


def _correlated(
    x: Any, weights: Any, modes: Sequence[str], cval: Any, origins: Sequence[int]
) -> Any:
    """Return y[i] = Σ_k w[k] x[i + k − size // 2 − origin], x continued beyond its ends."""
    before = [n // 2 + o for n, o in zip(weights.shape, origins, strict=True)]
    after = [n - 1 - b for n, b in zip(weights.shape, before, strict=True)]
    wide = x
    for axis, mode in enumerate(modes):
        widths = [(0, 0)] * x.ndim
        widths[axis] = (before[axis], after[axis])
        if widths[axis] != (0, 0):
            fill = {"constant_values": cval} if _PAD[mode] == "constant" else {}
            wide = np.pad(wide, widths, mode=_PAD[mode], **fill)  # type: ignore[call-overload]
    total: Any = None
    for k in itertools.product(*map(range, weights.shape)):
        if type(weights) is np.ndarray and weights[k] == 0:
            continue
        part = wide[tuple(slice(j, j + n) for j, n in zip(k, x.shape, strict=True))]
        term = part * weights[k]
        total = term if total is None else total + term
    return np.zeros_like(x) if total is None else total


def _along(weights: Any, axis: int, ndim: int) -> Any:
    return np.reshape(weights, [-1 if d == axis else 1 for d in range(ndim)])


def _correlate1d(x: Any, weights: Any, axis: int, mode: str, cval: Any, origin: int) -> Any:
    axis = normalize_axis_index(axis, x.ndim)
    modes = ["constant"] * x.ndim
    modes[axis] = mode
    origins = [origin if d == axis else 0 for d in range(x.ndim)]
    return _correlated(x, _along(weights, axis, x.ndim), modes, cval, origins)


def _conjugated(weights: Any) -> Any:
    """Return the weights as SciPy takes them where it correlates: the conjugate of complex ones."""
    return np.conjugate(weights) if weights.dtype.kind == "c" else weights


def _plain_correlate1d(x: Any, weights: Any, axis: int, mode: str, cval: Any, origin: int) -> Any:
    return _correlate1d(x, _conjugated(weights), axis, mode, cval, origin)


def _convolve1d(x: Any, weights: Any, axis: int, mode: str, cval: Any, origin: int) -> Any:
    shift = -origin - (1 if weights.shape[0] % 2 == 0 else 0)
    return _correlate1d(x, weights[::-1], axis, mode, cval, shift)


def _n_dimensional(turned: bool) -> Callable[..., Any]:
    def equal(x: Any, weights: Any, mode: Any, cval: Any, origin: Any, axes: Any = None) -> Any:
        along = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim)
        modes, origins = _per_axis(mode, len(along)), _per_axis(origin, len(along))
        if turned:
            weights = np.flip(weights)
            origins = [
                -o - (1 if n % 2 == 0 else 0) for o, n in zip(origins, weights.shape, strict=True)
            ]
        else:
            weights = _conjugated(weights)
        shape = [1] * x.ndim
        all_modes, all_origins = ["constant"] * x.ndim, [0] * x.ndim
        order = sorted(range(len(along)), key=along.__getitem__)
        weights = np.transpose(weights, order)
        for k in order:
            shape[along[k]] = weights.shape[order.index(k)]
            all_modes[along[k]], all_origins[along[k]] = modes[k], origins[k]
        return _correlated(x, np.reshape(weights, shape), all_modes, cval, all_origins)

    return equal


opaque(_MODULE, "correlate", ("input", "weights"), _n_dimensional(turned=False))
opaque(_MODULE, "convolve", ("input", "weights"), _n_dimensional(turned=True))
opaque(_MODULE, "correlate1d", ("input", "weights"), _plain_correlate1d)
opaque(_MODULE, "convolve1d", ("input", "weights"), _convolve1d)


# -- filters whose weights follow from their parameters -----------------------------------------


def _weights(name: str, reach: int, **keywords: Any) -> Any:
    """Return a filter's weights along one axis: what it makes of a single one, turned round."""
    spike = np.zeros(2 * reach + 1)
    spike[reach] = 1
    return scipy_function(_MODULE, name)(spike, mode="constant", **keywords)[::-1]


def _gaussian1d(
    x: Any,
    sigma: Any,
    axis: int,
    order: int,
    mode: str,
    cval: Any,
    truncate: float,
    radius: Any = None,
) -> Any:
    reach = int(truncate * float(sigma) + 0.5) if radius is None else int(radius)
    weights = _weights(
        "gaussian_filter1d", reach, sigma=sigma, order=order, truncate=truncate, radius=radius
    )
    return _correlate1d(x, weights, axis, mode, cval, 0)


def _uniform1d(x: Any, size: int, axis: int, mode: str, cval: Any, origin: int) -> Any:
    return _correlate1d(x, np.full(size, 1 / size), axis, mode, cval, origin)


opaque(_MODULE, "gaussian_filter1d", ("input",), _gaussian1d)
opaque(_MODULE, "uniform_filter1d", ("input",), _uniform1d)


def _axes(axes: Any, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axes is None else normalize_axis_tuple(axes, ndim)


def _gaussian(
    x: Any,
    sigma: Any,
    order: Any = 0,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    radius: Any = None,
    axes: Any = None,
) -> Any:
    along = _axes(axes, x.ndim)
    n = len(along)
    parts = (_per_axis(v, n) for v in (sigma, order, mode, radius))
    for axis, s, o, m, r in zip(along, *parts, strict=True):
        if s > 1e-15:
            x = _gaussian1d(x, s, axis, o, m, cval, truncate, r)
    return x


def _uniform(x: Any, size: Any, mode: Any, cval: Any, origin: Any, axes: Any = None) -> Any:
    along = _axes(axes, x.ndim)
    n = len(along)
    parts = (_per_axis(v, n) for v in (size, mode, origin))
    for axis, k, m, o in zip(along, *parts, strict=True):
        if k > 1:
            x = _uniform1d(x, k, axis, m, cval, o)
    return x


def _laplace(x: Any, mode: Any, cval: Any, axes: Any = None) -> Any:
    along = _axes(axes, x.ndim)
    modes = _per_axis(mode, len(along))
    second = np.array([1.0, -2.0, 1.0])
    return sum(_correlate1d(x, second, d, m, cval, 0) for d, m in zip(along, modes, strict=True))


# SciPy filters all axes for the term of one, each in that one's mode.


def _gaussian_laplace(
    x: Any, sigma: Any, mode: Any, cval: Any, axes: Any = None, **keywords: Any
) -> Any:
    along = _axes(axes, x.ndim)
    modes, sigmas = _per_axis(mode, len(along)), _per_axis(sigma, len(along))
    return sum(
        _gaussian(x, sigmas, [2 if d == e else 0 for e in along], m, cval, axes=along, **keywords)
        for d, m in zip(along, modes, strict=True)
    )


def _gradient_magnitude(
    x: Any, sigma: Any, mode: Any, cval: Any, axes: Any = None, **keywords: Any
) -> Any:
    along = _axes(axes, x.ndim)
    modes = _per_axis(mode, len(along))
    total: Any = 0.0
    for d, m in zip(along, modes, strict=True):
        order = [1 if d == e else 0 for e in range(x.ndim)]  # the others are smoothed
        total = total + np.square(_gaussian(x, sigma, order, m, cval, **keywords))
    return root(total)


def _edges(smooth: Sequence[float]) -> Callable[..., Any]:
    def equal(x: Any, axis: int, mode: Any, cval: Any) -> Any:
        axis = normalize_axis_index(axis, x.ndim)
        modes = _per_axis(mode, x.ndim)
        found = _correlate1d(x, np.array([-1.0, 0.0, 1.0]), axis, modes[axis], cval, 0)
        for d in range(x.ndim):
            if d != axis:
                found = _correlate1d(found, np.array(smooth), d, modes[d], cval, 0)
        return found

    return equal


opaque(_MODULE, "gaussian_filter", ("input",), _gaussian)
opaque(_MODULE, "uniform_filter", ("input",), _uniform)
opaque(_MODULE, "laplace", ("input",), _laplace)
opaque(_MODULE, "gaussian_laplace", ("input",), _gaussian_laplace)
opaque(_MODULE, "gaussian_gradient_magnitude", ("input",), _gradient_magnitude)
opaque(_MODULE, "sobel", ("input",), _edges([1.0, 2.0, 1.0]))
opaque(_MODULE, "prewitt", ("input",), _edges([1.0, 1.0, 1.0]))


# -- resampling by splines: linear in the image, one axis after the other -------------------------

_LONG = 500
"""From so many pixels on, an axis isn't resampled by a matrix; shorter ones are faster by one."""


def _axis_matrix(name: str, n: int, argument: Any, keywords: Mapping[str, Any]) -> Any:
    """Return the matrix of a resampling along one axis: what it makes of each unit vector."""
    function = scipy_function(_MODULE, name)
    columns = [function(row, argument, **keywords) for row in np.eye(n)]
    return np.stack(columns, axis=1)


def _places(name: str, n: int, argument: float, grid_mode: bool) -> Any:
    """Return where a resampling along one axis of `n` pixels reads."""
    if name == "shift":
        return np.arange(n) - float(argument)
    m = round(n * argument)
    if grid_mode:
        return (np.arange(m) + 0.5) * (n / m) - 0.5
    return np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 1.0)


def _resampled(name: str) -> Callable[..., Any]:
    def equal(x: Any, **keywords: Any) -> Any:
        arguments = _per_axis(keywords.pop("shift" if name == "shift" else "zoom"), x.ndim)
        if name == "zoom" and keywords["prefilter"] and all(z == 1 for z in arguments):
            return x * 1  # SciPy filters an axis as it is only beside another that is zoomed
        keywords["cval"] = 0.0  # what lies outside is constant
        for d, argument in enumerate(arguments):
            n = x.shape[d]
            as_it_is = name == "zoom" and argument == 1
            if (n >= _LONG or as_it_is) and keywords["order"] > 0:
                from revolve_ad.ad.functions.splines import interpolated

                places = _places(name, n, argument, keywords.get("grid_mode", False))
                rest = {k: v for k, v in keywords.items() if k != "grid_mode"}
                x = np.moveaxis(interpolated(np.moveaxis(x, d, 0), [places], **rest), 0, d)
            else:
                matrix = _axis_matrix(name, n, argument, keywords)
                x = np.moveaxis(np.tensordot(matrix, x, axes=(1, d)), 0, d)
        return x

    return equal


opaque(_MODULE, "shift", ("input",), _resampled("shift"))
opaque(_MODULE, "zoom", ("input",), _resampled("zoom"))

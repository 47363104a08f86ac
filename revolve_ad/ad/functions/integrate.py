"""Quadrature of samples, `scipy.integrate`: linear in the samples, so their weights say it all."""

from __future__ import annotations

from typing import Any

import numpy as np

from revolve_ad.ad.functions.foreign import opaque, scipy_function

_MODULE = "scipy.integrate"


def _trapezoid(y: Any, x: Any, dx: Any, axis: int) -> Any:
    return np.trapezoid(y, x, dx, axis)


def _simpson(y: Any, x: Any, dx: Any, axis: int, **others: Any) -> Any:
    simpson = scipy_function(_MODULE, "simpson")
    moved = np.moveaxis(y, axis, -1)
    if x is not None and np.ndim(x) > 1:
        x = np.moveaxis(x, axis, -1)
    unit = np.zeros(moved.shape if np.ndim(x) > 1 else moved.shape[-1:])
    weights = np.empty_like(unit)
    for j in range(unit.shape[-1]):
        unit[..., j] = 1
        weights[..., j] = simpson(unit, x=x, dx=dx, **others)
        unit[..., j] = 0
    return np.sum(moved * weights, axis=-1)


def _cumulative_trapezoid(y: Any, x: Any, dx: Any, axis: int, initial: Any) -> Any:
    moved = np.moveaxis(y, axis, -1)
    width: Any = dx
    if x is not None:
        width = np.diff(x) if np.ndim(x) == 1 else np.moveaxis(np.diff(x, axis=axis), axis, -1)
    sums = np.cumsum(width * (moved[..., 1:] + moved[..., :-1]) / 2, axis=-1)
    if initial is not None:
        sums = np.concatenate([np.full((*sums.shape[:-1], 1), initial), sums], axis=-1)
    return np.moveaxis(sums, -1, axis)


opaque(_MODULE, "trapezoid", ("y",), _trapezoid)
opaque(_MODULE, "simpson", ("y",), _simpson)
opaque(_MODULE, "cumulative_trapezoid", ("y",), _cumulative_trapezoid)

"""NumPy's functions with each of their arguments, a call a line, as users write them.

A name in a call is an operand: `OPERANDS` says how it is drawn.  `COMPLEX_TOO` marks by a star the
calls that are also tested with complex operands.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ad.rules.harness import Draw, around, integers, one, positive, spread

__all__ = ["LINES", "VERSION", "case_of", "keywords_of", "parameters_of"]


def holes(x):
    """Return the array with a nan where its first element is: at a place, not at a value."""
    x = x * 1
    x[(0,) * x.ndim] = np.nan
    return x


def into(function, *args, out, **kwargs):
    """Return what stands in `out` after the call, and that the call returned it."""
    found = function(*args, out=out, **kwargs)
    assert found is out
    return out


def wrote(function, x, *args, **kwargs):
    """Return a copy of `x` after a function has written into it."""
    x = x * 1
    function(x, *args, **kwargs)
    return x


def matrix(m, n):
    return Draw((m, n), lambda x: 0.3 * x + np.diag(2.0 + np.arange(max(m, n)))[:m, :n])


OPERANDS: dict[str, Draw] = {
    "x": one(3, 4),
    "y": one(3, 4),
    "X": one(2, 3, 4),
    "v": one(5),
    "u": one(5),
    "h": one(3),
    "f": one(4),
    "c": one(),
    "s": spread(3, 4),
    "r": spread(3, 4),
    "t": spread(7),
    "e": spread(4),
    "p": positive(3, 4),
    "w": positive(5),
    "q": positive(4),
    "d": positive(),
    "i": integers(3, 4),
    "j": integers(5),
    "a": around(5, centre=0.5, width=0.03),
    "A": matrix(3, 3),
    "B": matrix(3, 3),
    "M": matrix(4, 3),
    "W": matrix(3, 4),
    "Z": Draw((2, 3, 3), lambda x: 0.3 * x + np.diag([2.0, 3.0, 4.0])),
}

SUMS = """
np.{f}(x, 0) *
np.{f}(x, axis=-1, dtype=np.float64, keepdims=True) *
np.{f}(x, axis=(0, -1))
np.{f}(X, axis=(-1, 0), keepdims=True)
np.{f}(x, axis=())
np.{f}(x, axis=None, keepdims=True) *
np.{f}(x, axis=1, where=i > 0) *
np.{f}(x, axis=1, initial=2.5) *
np.{f}(x, where=[True, False, True, True], initial=1.5, axis=0) *
np.{f}(x, axis=0, dtype=complex)
np.{f}(c)
into(np.{f}, x, axis=0, out=np.empty(4))
into(np.{f}, x, axis=1, keepdims=True, out=np.zeros((3, 1)), where=i > 0)
np.{f}(i, axis=0) * f
np.{f}(i > 0, axis=0) * f
"""
MEANS = """
np.{f}(x, 0) *
np.{f}(x, axis=-1, dtype=np.float64, keepdims=True) *
np.{f}(X, axis=(-1, 0), keepdims=True)
np.{f}(x, axis=None, keepdims=True) *
np.{f}(x, axis=1, where=[True, False, True, True]) *
np.{f}(x, axis=0, where=[[True], [True], [False]], keepdims=True)
into(np.{f}, x, axis=0, out=np.empty(4))
np.{f}(i, axis=0) * f
"""
SPREADS = """
np.{f}(x, axis=0, ddof=1, keepdims=True) *
np.{f}(x, axis=0, ddof=0.5)
np.{f}(x, axis=1, correction=1)
np.{f}(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)) *
np.{f}(x, axis=1, mean=np.mean(y, axis=1, keepdims=True), ddof=1)
"""
EXTREMES = """
np.{f}(s) *
np.{f}(s, 0) *
np.{f}(s, axis=(-1, 0))
np.{f}(s, axis=1, keepdims=True)
np.{f}(s, axis=1, initial=0.11)
np.{f}(s, axis=0, initial=-0.33, where=i > 0)
np.{f}(s, where=[True, False, True, True], initial=0.07, axis=None, keepdims=True)
np.{f}(c)
into(np.{f}, s, axis=0, out=np.empty(4))
np.{f}(i, axis=0) * f
"""

LINES = {
    "sums": [
        line.replace("{f}", f)
        for text, functions in (
            (SUMS, "sum prod nansum nanprod"),
            (MEANS, "mean var std nanmean nanvar nanstd"),
            (SPREADS, "var std nanvar nanstd"),
            (EXTREMES, "max min amax amin nanmax nanmin"),
        )
        for f in functions.split()
        for line in text.strip().splitlines()
    ],
    "without nan": [
        f"np.{f}(holes({x}), axis={axis}{more})"
        for f, x, more in (
            ("nansum", "x", ", initial=1.5"),
            ("nanprod", "x", ", where=i > 0"),
            ("nanmean", "x", ", where=i > -1"),
            ("nanvar", "x", ", ddof=1, keepdims=True"),
            ("nanstd", "x", ", correction=1"),
            ("nanmax", "s", ", keepdims=True"),
            ("nanmin", "s", ", initial=5.0"),
            ("nanmedian", "s", ", keepdims=True"),
            ("nanquantile", "s", ", q=0.3"),
            ("nanpercentile", "s", ", q=[20, 45]"),
            ("nancumsum", "x", ""),
            ("nancumprod", "x", ", dtype=np.float64"),
        )
        for axis in (None, 1)
        if not (axis is None and "keepdims" in more and f == "nanmedian")
    ],
    "others": """
np.ptp(s, axis=-1, keepdims=True)
np.ptp(s, axis=None)
into(np.ptp, s, axis=0, out=np.empty(4))
np.average(x, axis=(0, 1), weights=p) *
np.average(x, axis=-1, weights=q, keepdims=True) *
np.average(x, 0, returned=True)
np.average(x, axis=1, weights=p, returned=True)
np.average(i, axis=0, weights=[0.5, 0.25, 0.25]) * f
np.any(s > 0, axis=0, keepdims=True) * s
np.any(s > 0, axis=1, where=i > 0) * h
np.all(s > 0, axis=None) * x
np.all(s > 0, axis=(0, 1), where=i > 0, keepdims=True) * x
np.argmax(s, axis=0, keepdims=True) * s
np.argmin(s) * x
np.count_nonzero(i, axis=(0,), keepdims=True) * x
into(np.any, s > 0, axis=0, out=np.empty(4, bool)) * f
into(np.all, s > 0, axis=0, out=np.empty(4, bool)) * f
into(np.argmax, s, axis=0, out=np.empty(4, int)) * f
np.median(s, axis=(0, -1), keepdims=True)
np.median(s, axis=None, overwrite_input=True)
into(np.median, s, axis=0, out=np.empty(4))
into(np.nanmedian, s, axis=0, out=np.empty(4))
np.nanmedian(s, axis=1, overwrite_input=True)
np.cumsum(x, axis=-1, dtype=complex)
np.cumsum(i, axis=0) * x
into(np.cumsum, x, axis=0, out=np.empty((3, 4)))
np.cumprod(x, axis=-1, dtype=np.float64) *
into(np.cumprod, x, axis=0, out=np.empty((3, 4)))
into(np.nancumsum, x, axis=0, out=np.empty((3, 4)), dtype=np.float64)
into(np.nancumprod, x, axis=0, out=np.empty((3, 4)))
np.diff(x, n=0)
np.diff(x, n=2, axis=0, prepend=y, append=1.0) *
np.diff(x, 1, 1, f[:, None][:3]) *
np.ediff1d(x, to_end=h, to_begin=[1.0, 2.0])
np.gradient(x, edge_order=2)
np.gradient(x, 0.5, axis=-1, edge_order=2) *
np.gradient(x, d, np.array([0.0, 1.0, 3.0, 3.5]), edge_order=2)
np.gradient(x, np.cumsum(q), axis=1, edge_order=2)
np.gradient(X, axis=(0, 2))
np.trapezoid(x, x=np.cumsum(q), axis=-1) *
np.trapezoid(x, dx=d, axis=0) *
np.trapezoid(x, y) *
np.convolve(v, h, mode="full") *
np.convolve(h, v, "same") *
np.convolve(v, a, mode="valid") *
np.convolve(c, h)
np.correlate(v, h, mode="valid") *
np.correlate(h, v, "full") *
np.correlate(v, h, mode="same") *
np.interp(a, xp=[0.0, 0.4, 0.7, 2.0], fp=f, left=c, right=d)
np.interp(a + 9, np.array([0.3, 0.4, 0.7, 2.0]), f, period=3.0)
np.interp(3 * a, np.cumsum(q) / 4, f)
np.interp(a - 9, [0.0, 1.0, 2.0, 3.0], f, d)
np.interp(a + 9, [0.0, 1.0, 2.0, 3.0], f, right=d)
np.clip(s, a_min=-0.45, a_max=None)
np.clip(s, min=-0.45, max=d)
np.clip(s, -0.45, 0.45, dtype=np.float64)
into(np.clip, s, -0.45, 0.45, out=np.empty((3, 4)))
np.clip(i, 0, 1) * x
s.clip(-0.45, d)
np.roll(X, shift=(1, -2), axis=(0, -1)) *
np.roll(x, 7) *
np.roll(x, (1, 2), axis=1)
np.pad(x, ((1, 2), (0, 1)), mode="constant", constant_values=((c, 2), (3, d)))
np.pad(v, (1, 2), "edge") *
np.pad(x, pad_width=2, mode="linear_ramp", end_values=((c, 0), (1, d)))
np.pad(s, 2, mode="maximum", stat_length=2)
np.pad(s, (1, 2), mode="minimum", stat_length=((1, 2), (2, 1)))
np.pad(x, 2, mode="mean", stat_length=2)
np.pad(x, (1, 0), mode="mean")
np.pad(t, 2, mode="median", stat_length=3)
np.pad(x, 2, mode="reflect", reflect_type="odd") *
np.pad(x, ((5, 6), (7, 0)), mode="reflect", reflect_type="even")
np.pad(x, (4, 5), mode="symmetric", reflect_type="odd")
np.pad(x, (1, 2), mode="symmetric") *
np.pad(v, (7, 8), mode="wrap") *
np.pad(X, {-1: (1, 2), 0: 1}) *
np.flip(X, axis=(0, -1)) *
np.flip(x) *
np.rot90(X, k=-1, axes=(1, 2)) *
np.rot90(x, 2) *
np.tile(v, reps=(2, 1, 3)) *
np.tile(X, 2)
np.tile(c, (2, 2))
np.repeat(x, repeats=2, axis=-1) *
np.repeat(x, [2, 0, 1], axis=0)
np.repeat(c, 3)
np.sort(s, axis=None) *
np.sort(s, axis=0, kind="mergesort") *
np.sort(s, stable=True)
np.argsort(s, axis=0, kind="stable") * s
np.argsort(s, axis=None, stable=True) * np.ravel(s)
np.partition(s, kth=(1, 2), axis=0, kind="introselect")[1:]
np.argpartition(t, kth=3, axis=-1, kind="introselect")[3] * t
np.searchsorted(np.sort(e), t + 0.25, side="right") * t
np.searchsorted(e, t + 0.25, sorter=np.argsort(e)) * t
np.digitize(t, bins=[-1.0, 0.0, 1.0], right=True) * t
np.take(x, [0, 2, 0], axis=-1) *
np.take(x, indices=[[0, -1], [11, 3]])
np.take(x, [9, -9], axis=0, mode="clip") *
np.take(x, [9, -9], axis=1, mode="wrap")
into(np.take, x, [0, 2], axis=0, mode="raise", out=np.empty((2, 4)))
into(np.take, x, [0, 9], axis=0, mode="clip", out=np.empty((2, 4)))
np.take(x, i) *
np.take_along_axis(x, indices=np.argsort(s, axis=0), axis=0) *
np.take_along_axis(x, np.array([0, 7, 11]), None)
np.choose(i, [x, y, 2.0]) *
np.choose(i * 3, (x, y, p), mode="wrap")
np.choose(i - 1, choices=[x, c, p], mode="clip")
into(np.choose, i, [x, y, p], out=np.empty((3, 4)))
np.select([i == 0, i == 1], [x, y], default=c) *
np.select([s > 0.6, s > 0], choicelist=[x**2, 3 * y])
np.piecewise(s, [s < 0, s >= 0.9], [lambda z: z**2, 3.0, lambda z: np.sin(z)])
np.piecewise(s, [s < 0, s >= 0], [lambda z, g, k=1.0: g * k * z, -1.0], d, k=2.0)
np.where(i > 0, x, c) *
np.where(i, x, 0) *
np.einsum("ij,kj->ik", x, y, optimize="greedy") *
np.einsum("ij,ij,j", x, y, f, optimize=["einsum_path", (0, 1), (0, 1)])
np.einsum("ij,jk->ik", i, x.T)
np.einsum("ijk->k", X, dtype=np.float64)
into(np.einsum, "ij,j->i", x, f, out=np.empty(3))
np.einsum("ij,j->i", x, f, order="C", casting="safe", optimize=False)
np.einsum("...ij,...ji->...", Z, A)
np.tensordot(X, x, axes=([1, 2], [0, 1])) *
np.tensordot(x, y, axes=2) *
np.tensordot(x, f, axes=1)
np.tensordot(X, x, axes=([-1], [-1]))
np.kron(x, h) *
np.kron(c, x)
np.kron(i, x)
np.kron(v, X)
np.cross(h, np.arange(3.0)) *
np.cross(M, B[0], axisa=-1, axisb=0, axisc=-1) *
np.cross(M.T, M.T, axis=0)
np.cross(np.moveaxis(Z, 1, 0), Z, axisa=0, axisb=1, axisc=0)
np.outer(x, h) *
np.outer(c, h)
into(np.outer, v, h, out=np.empty((5, 3)))
np.inner(X, x) *
np.inner(c, x)
np.vdot(x, y) *
np.vdot(v, 1j * u)
np.dot(x, f) *
into(np.dot, x, f, out=np.empty(3))
np.matmul(X, f) *
np.matmul(f, np.swapaxes(X, 1, 2)) *
into(np.matmul, x, f, out=np.empty(3))
np.matmul(x, y, axes=[(0, 1), (1, 0), (0, 1)]) *
np.matmul(x, y.T, dtype=np.float64, casting="same_kind", order="C", subok=True)
np.vecdot(x, f, axis=-1) *
np.vecdot(x, y, axis=0, keepdims=True) *
np.cov(x, y, rowvar=True, bias=True)
np.cov(x, rowvar=False, ddof=0)
np.cov(v, fweights=[1, 2, 1, 3, 1], aweights=w)
np.cov(v, aweights=w, ddof=0, dtype=np.float64)
np.corrcoef(v, y=u, rowvar=True)
np.corrcoef(M, rowvar=False, dtype=np.float64)
np.unwrap(9 * e, discont=4.0, axis=-1, period=7.0)
np.unwrap(s, axis=0)
np.nan_to_num(holes(x), copy=True, nan=0.5, posinf=1.0, neginf=2.0)
np.vander(v, N=3, increasing=True) *
np.insert(x, obj=1, values=f, axis=0) *
np.insert(x, slice(0, 2), c, axis=-1)
np.insert(x, [1, 5], [2.0, 3.0])
np.delete(x, obj=[True, False, True], axis=0) *
np.delete(x, -1)
np.append(x, values=y, axis=0) *
np.tril(X, k=-1) *
np.triu(x, k=1) *
np.bincount(j, weights=v, minlength=7)
np.trace(X, offset=1, axis1=-1, axis2=0, dtype=np.float64) *
into(np.trace, X, out=np.empty(4))
np.diag(x, k=1) *
np.diagonal(X, offset=-1, axis1=0, axis2=2) *
np.diagflat(h, k=-1) *
np.resize(x, new_shape=(5, 3)) *
np.compress([True, False, True], x, axis=0) *
into(np.compress, [True, False, True], x, axis=0, out=np.empty((2, 4)))
np.extract([[True], [False], [True]] * (np.ones((3, 4)) > 0), x) *
np.round(x, decimals=1) * y
into(np.round, x, 1, out=np.empty((3, 4))) * y
np.angle(p + 1j * y, deg=True)
np.angle(s)
np.concatenate([x, y, x], axis=None) *
np.concatenate([x, i], axis=0, dtype=np.float64, casting="unsafe")
into(np.concatenate, [x, y], axis=1, out=np.empty((3, 8)))
np.stack([x, y, i], axis=-2) *
np.stack(arrays=[x, y], dtype=np.float64, casting="same_kind")
into(np.stack, [x, y], axis=1, out=np.empty((3, 2, 4)))
np.vstack([f, x], dtype=np.float64, casting="same_kind")
np.hstack([v, h, 1.0], dtype=np.float64, casting="same_kind")
np.dstack([x, y]) *
np.column_stack([h, x]) *
np.block([[x, y], [X[0], 2.0 * y]]) *
np.meshgrid(v, h, copy=True, sparse=True, indexing="ij")
np.broadcast_to(f, shape=(2, 3, 4), subok=False) *
np.moveaxis(X, source=[0, 2], destination=[1, 0]) *
np.apply_along_axis(lambda g, k: np.cumsum(g) * k, 0, x, k=2.0)
np.apply_over_axes(np.sum, X, axes=[0, -1])
np.polyval(f, x) *
np.polyfit(np.arange(5.0), v, 2, w=w)
np.polyder(v, m=2)
np.polyint(h, m=2, k=[c, 1.0])
np.polymul(v, h)
np.polyadd(v, h)
np.polysub(h, v)
np.polydiv(v, [1.0, 2.0])
np.poly(h)
np.roots(w)
np.i0(x)
np.sinc(x) *
np.heaviside(s, d)
np.float_power(p, x)
np.reshape(x, shape=(2, 6), order="F", copy=True) *
np.ravel(x, order="F") *
np.squeeze(x[None, :, :, None], axis=(0, -1)) *
np.expand_dims(x, axis=(0, 3)) *
np.array_split(v, [1, 3], axis=0)
np.trim_zeros(np.concatenate([[0.0], v]), trim="fb")
np.fix(s) * y
np.fliplr(m=x) * np.flipud(m=x)
np.transpose(X, axes=(1, 2, 0)) *
np.split(x, indices_or_sections=[1, 3], axis=1) *
np.real(val=x) + np.imag(val=y) *
np.argmin(s, axis=1, keepdims=True) * x
into(np.argmin, s, axis=1, out=np.empty(3, int)) * h
wrote(np.put_along_axis, x, np.array([[0], [2], [1]]), h[:, None], axis=1) *
wrote(np.copyto, x, f, casting="same_kind", where=i > 0) *
wrote(np.copyto, x, src=i, casting="unsafe")
wrote(np.putmask, x, i > 0, y) *
wrote(np.putmask, x, s > 0, values=h)
wrote(np.place, x, s > 0, vals=h)
wrote(np.put, x, [0, -1, 17], v=h, mode="wrap")
wrote(np.put, x, ind=[0, 5, 99], v=[c, d], mode="clip")
wrote(np.fill_diagonal, x, val=h, wrap=False)
wrote(np.add.at, x, ([0, 0, 2], [1, 1, 3]), h) *
np.cumulative_sum(x, axis=0, dtype=np.float64, include_initial=True)
into(np.cumulative_sum, x, axis=1, out=np.empty((3, 4)))
np.cumulative_prod(x, axis=0, dtype=np.float64, include_initial=True)
np.unstack(x, axis=1)
np.matvec(x, f) *
np.vecmat(h, x) *
np.polyfit(np.arange(5.0), v, 2, rcond=1e-9, full=True)[:2]
np.polyfit(np.arange(5.0), v, 1, cov=True)
x + np.zeros_like(a=x, dtype=np.float64, shape=(3, 4)) + np.ones_like(a=x, dtype=int, shape=4)
np.full_like(a=x, fill_value=c, dtype=np.float64, shape=(2,))
np.empty_like(prototype=x, dtype=int, shape=(3, 4)) * 0 + x
np.zeros(shape=(3, 4), dtype=np.float64) + np.ones(shape=4, dtype=np.float64) * x
np.logspace(c, d, num=4, endpoint=False, base=3.0, dtype=np.float64)
np.logspace(x, y, 3, axis=1)
np.geomspace(p, p + 1, num=4, endpoint=False, dtype=np.float64, axis=-1)
into(np.cumulative_prod, x, axis=1, out=np.empty((3, 4)))
np.hsplit(ary=x, indices_or_sections=2)
np.vsplit(ary=x, indices_or_sections=[1])
np.dsplit(ary=X, indices_or_sections=[1, 3])
into(np.fix, s, out=np.empty((3, 4))) * x
np.isposinf(x=s / 0.0) * x
into(np.isneginf, x=s / 0.0, out=np.empty((3, 4), bool)) * x
into(np.isposinf, x=s / 0.0, out=np.empty((3, 4), bool)) * x
np.trim_zeros(np.concatenate([[0.0], v]), axis=0)
np.isin(element=i, test_elements=[0, 2], assume_unique=False, invert=True, kind="sort") * x
np.ravel_multi_index((j, j + 2), dims=(3, 3), mode="clip", order="F") * v
np.unpackbits(np.packbits(i > 0, axis=1, bitorder="little"), axis=1, count=4, bitorder="little") * x
np.unpackbits(np.packbits(i > 0, axis=0), axis=0, count=3, bitorder="big") * x
into(np.nanargmax, s, axis=1, out=np.empty(3, int)) * h
np.nanargmax(s, axis=1, keepdims=True) * x
into(np.nanargmin, s, axis=1, out=np.empty(3, int)) * h
np.nanargmin(s, axis=1, keepdims=True) * x
np.histogram_bin_edges(t, bins=3, range=(-2.0, 2.0), weights=np.ones(7)) * d
np.histogramdd((t, t[::-1]), bins=3, range=[(-4.0, 4.0), (-4.0, 4.0)], density=True, weights=t**2)
np.histogram2d(t, t[::-1], bins=3, range=[(-4.0, 4.0), (-4.0, 4.0)], density=True, weights=t**2)
x * np.size(a=x, axis=0) * np.ndim(a=x) + np.shape(a=x)[1]
np.lexsort((j, v), axis=-1) * v
np.unique(s, axis=0, equal_nan=False, sorted=True)
np.sort_complex(a=t + 1j * t).real
np.around(a=x, decimals=1) * y
into(np.around, a=x, decimals=1, out=np.empty((3, 4))) * y
np.setdiff1d(t, [0.2], assume_unique=True)
np.intersect1d(ar1=t, ar2=t, assume_unique=True, return_indices=True)
np.setxor1d(ar1=t, ar2=[0.0, 1.0], assume_unique=True)
np.unique_values(t)
np.matrix_transpose(X) *
np.astype(x, np.float64, copy=True)
np.array_equal(a1=i, a2=i, equal_nan=False) * x
np.allclose(a=x, b=x + 1e-9, rtol=1e-5, atol=1e-7, equal_nan=True) * x
np.array_equiv(a1=x, a2=x) * x
np.percentile(s, [20, 40], axis=0, overwrite_input=True)
np.nanquantile(holes(t), 0.3, overwrite_input=True, keepdims=True)
np.vecdot(x, y, axes=[(1,), (1,), ()])
np.add.reduce(X, axis=(0, 2), dtype=np.float64, keepdims=True, initial=2.0, where=True) *
into(np.multiply.reduce, x, axis=0, out=np.empty(4))
np.subtract.reduce(x, axis=1, initial=3.0)
np.true_divide.reduce(p, axis=0, keepdims=True)
np.hypot.reduce(p, axis=1)
np.copysign.reduce(s, axis=1)
np.minimum.reduce(s, axis=(0, 1), initial=0.2, where=i > 0)
np.logaddexp2.reduce(x, axis=0)
np.logical_xor.reduce(x > 0, axis=0) * f
np.bitwise_or.reduce(i, axis=0) * f
np.add.accumulate(x, axis=1, dtype=complex)
into(np.add.accumulate, x, axis=0, out=np.empty((3, 4)))
np.divide.accumulate(p, axis=0)
np.power.accumulate(p, axis=1)
np.fmin.accumulate(s, axis=1)
np.gcd.accumulate(i, axis=0) * x
np.add.reduceat(x, [0, 2, 1], axis=1, dtype=np.float64) *
into(np.add.reduceat, x, [0, 2], axis=0, out=np.empty((2, 4)))
np.maximum.reduceat(s, [0, 2], axis=0)
np.bitwise_and.reduceat(i, [0, 2], axis=1) * x[:, :2]
np.power.outer(q, h)
np.arctan2.outer(p, q)
np.add.outer(v, h, dtype=np.float64)
into(np.multiply.outer, v, h, out=np.empty((5, 3)))
np.greater.outer(e, h) * h
wrote(np.multiply.at, x, ([0, 0, 2], [1, 1, 3]), h) *
wrote(np.subtract.at, v, [0, 0, 3], h) *
wrote(np.minimum.at, t, [0, 0, 3], h)
wrote(np.sin.at, v, [0, 0, 3])
wrote(np.power.at, w, [0, 0, 3], h)
np.ptp(c)
np.real_if_close(x, tol=100)
np.lib.stride_tricks.sliding_window_view(x, window_shape=(2, 3), axis=(0, 1)) *
np.lib.stride_tricks.sliding_window_view(v, 3, axis=None).sum(axis=-1) *
np.emath.sqrt(p)
np.emath.log(p)
np.emath.power(p, 1.5)
np.histogram(t, bins=3, range=(-2.0, 2.0), weights=t**2, density=True)
np.histogram(t, bins=[-2.0, -1.0, 0.0, 2.0], weights=np.sin(t))
np.histogram(t, bins=5)[0] * v
np.histogram(t, bins=5)[1]
np.histogram(t, bins=5, density=True)
np.histogram_bin_edges(t, bins=4)
np.histogram2d(t, t[::-1] ** 3, bins=5, weights=np.cos(t))
np.histogramdd((t, t[::-1] ** 3), bins=5, weights=np.cos(t))
np.interp(c, [-99.0, 99.0], [0.0, 1.0])
np.nanargmax(holes(s), axis=1) * h
np.nanargmin(holes(s)) * h
np.isclose(x, y, rtol=1e-3, atol=1e-3, equal_nan=True) * x
np.vectorize(lambda g, k: g * np.sin(k))(x, f)
np.vectorize(lambda g: np.sum(g) * g, signature="(n)->(n)")(x)
np.fmax(s, 0.3)
np.ldexp(x, i)
np.logspace(c, d, 5)
np.linspace(c, d, 5)
np.linspace(x, y, num=4, endpoint=False, axis=-1)
np.linspace(f, f * [1.0, 2.0, 3.0, 4.0], 7)
np.linspace(c, d, 5, retstep=True, dtype=np.float64)
np.geomspace(d, 9 * d, num=4)
np.arange(c, c + 3)
np.full((2, 3), c)
np.full_like(x, c)
np.fromfunction(lambda g, k: g * c + k, (2, 3))
np.asarray([c, d]) * 2
np.copy(x, order="F")
np.require(x, requirements=["C"])
np.ascontiguousarray(x.T)
np.asfortranarray(x)
np.asarray_chkfinite(x)
np.broadcast_arrays(x, f)
np.atleast_3d(x)
np.rollaxis(X, axis=2, start=1)
np.swapaxes(X, axis1=0, axis2=-1) *
np.permute_dims(X, axes=(2, 0, 1))
np.concat([x, y], axis=-1)
np.pow(p, x)
np.acos(a)
np.atan2(p, x)
np.bitwise_count(i) * x
np.packbits(i > 0)
np.ediff1d(v)
np.setdiff1d(t, [1.0])
np.union1d(t, t + 0.1)
np.unique(t, return_index=True, return_inverse=True, return_counts=True)
np.unique(x, axis=0)
np.lexsort((s[0], s[1])) * f
np.array_equal(x, y) * x
np.ravel_multi_index((i, i), (3, 3)) * x
np.unravel_index(i, (2, 2))[0] * x
np.tri(3) @ x
np.copysign(s, r[::-1])
np.nonzero(i)[0][:1] * x[0, :1]
np.argwhere(i)[0, 0] * x
np.flatnonzero(i)[0] * x
np.iscomplex(x) * x
np.isreal(x) * x
np.spacing(x) * 0 + x
""".strip().splitlines(),
    "quantiles": [
        *(
            f"np.{f}(s, {q}, axis={axis}, method={method!r}, keepdims={axis == 1})"
            for f, q in (("quantile", 0.37), ("percentile", "[37, 61]"))
            for axis in (None, 1)
            for method in (
                *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "hazen"),
                *("interpolated_inverted_cdf", "weibull", "linear", "median_unbiased"),
                *("normal_unbiased", "lower", "higher", "midpoint", "nearest"),
            )
        ),
        "np.quantile(s, d / 9, axis=(0, 1), method='weibull')",
        "np.quantile(s, d / 9, axis=0, method='hazen', overwrite_input=True)",
        "np.nanquantile(holes(t), d / 9, method='median_unbiased')",
        "np.nanpercentile(holes(s), d, axis=1, method='linear', overwrite_input=True)",
        "np.quantile(e, [0.2, 0.6], method='inverted_cdf', weights=q)",
        "np.quantile(s, 0.4, method='inverted_cdf', weights=q, axis=1)",
        "np.quantile(s, 0.4, method='inverted_cdf', weights=p, axis=0)",
        "np.percentile(e, 40, method='inverted_cdf', weights=q)",
        "np.nanquantile(holes(e), 0.4, method='inverted_cdf', weights=q)",
        "np.nanpercentile(holes(e), 40, method='inverted_cdf', weights=q)",
        "into(np.quantile, s, 0.3, axis=0, out=np.empty(4))",
        "into(np.percentile, s, 30, axis=0, out=np.empty(4))",
        "into(np.nanquantile, s, 0.3, axis=0, out=np.empty(4))",
        "into(np.nanpercentile, s, 30, axis=0, out=np.empty(4), keepdims=False)",
    ],
    "fourier": [
        line
        for f, more in (
            *((f, " *") for f in ("fft", "ifft", "irfft", "hfft")),
            *((f, "") for f in ("rfft", "ihfft")),
        )
        for line in (
            f"np.fft.{f}(X, n=3, axis=1, norm='ortho'){more}",
            f"np.fft.{f}(x, 6, norm='forward'){more}",
            f"np.fft.{f}(x, axis=0, norm='backward'){more}",
        )
    ]
    + [
        line
        for f, more in (
            *((f, " *") for f in ("fft2", "ifft2", "fftn", "ifftn", "irfft2", "irfftn")),
            *((f, "") for f in ("rfft2", "rfftn")),
        )
        for line in (
            f"np.fft.{f}(X, s=(3, 4), axes=(0, 2), norm='ortho'){more}",
            f"np.fft.{f}(x, norm='forward'){more}",
        )
    ]
    + [
        f"into(np.fft.{f}, x, out=np.empty_like(np.fft.{f}(x)))"
        for f in (
            *("fft", "ifft", "rfft", "irfft", "ihfft", "fft2", "rfft2"),
            *("fftn", "ifftn", "rfftn", "irfftn"),
        )
    ]
    + [  # NumPy 2.4 leaves their `out` as it is
        f"np.fft.{f}(x, out=np.empty_like(np.fft.{f}(x)))" for f in ("hfft", "ifft2", "irfft2")
    ]
    + ["np.fft.fftshift(x, axes=(0,)) *", "np.fft.ifftshift(x, axes=1) *"],
    "linalg": """
np.linalg.solve(Z, x[:, :3].T) *
np.linalg.solve(A, h) *
np.linalg.inv(Z) *
np.linalg.det(Z) *
np.linalg.slogdet(Z)
np.linalg.norm(x) *
np.linalg.norm(x, ord="fro", axis=(0, 1), keepdims=True) *
np.linalg.norm(W, ord="nuc", axis=(-2, -1)) *
np.linalg.norm(W, -2)
np.linalg.norm(s, np.inf)
np.linalg.norm(s, -np.inf, keepdims=True)
np.linalg.norm(s, 1, axis=0) *
np.linalg.norm(s, -1)
np.linalg.norm(s, ord=np.inf, axis=1)
np.linalg.norm(s, ord=-np.inf, axis=-1)
np.linalg.norm(s, ord=0, axis=1) * h
np.linalg.norm(p, ord=3, axis=1, keepdims=True) *
np.linalg.norm(p, ord=2.5, axis=0)
np.linalg.norm(X, axis=-1) *
np.linalg.norm(d)
np.linalg.eigh(Z + Z.swapaxes(1, 2))[0]
np.linalg.eigvalsh(A, UPLO="U")
np.linalg.eigh(A, UPLO="U")[0]
np.linalg.cholesky(Z @ Z.swapaxes(1, 2), upper=True)
np.linalg.cholesky(A @ A.T)
np.linalg.qr(M, mode="reduced") *
np.linalg.qr(W) *
np.linalg.qr(Z, mode="r") *
np.linalg.qr(A, mode="complete") *
np.linalg.svd(M, full_matrices=False)
np.linalg.svd(W, compute_uv=False)
np.linalg.svd(A)
np.linalg.svd(A + A.T, hermitian=True)
np.linalg.svd(A + A.T, hermitian=True, compute_uv=False)
np.linalg.lstsq(M, f, rcond=None)[:2]
np.linalg.lstsq(M, f, rcond=1e-9)[0]
np.linalg.pinv(M, rcond=1e-9) *
np.linalg.pinv(W, rtol=1e-9)
np.linalg.pinv(A + A.T, hermitian=True)
np.linalg.matrix_power(Z, 3) *
np.linalg.matrix_power(A, -2)
np.linalg.multi_dot([x, x.T, x, f]) *
into(np.linalg.multi_dot, [x, x.T, x], out=np.empty((3, 4)))
np.linalg.eigvals(A)
np.linalg.eig(A)[0]
np.linalg.eigvals(Z)
np.linalg.eigvals(A + 1j * B)
(lambda g: g.eigenvectors * g.eigenvectors.conj())(np.linalg.eig(A + 1j * B))
np.linalg.cond(A)
np.linalg.cond(A, p=1)
np.linalg.matrix_rank(A, tol=1e-3, hermitian=False) * x
np.linalg.matrix_rank(A, rtol=1e-3) * x
np.linalg.tensorsolve(A.reshape(3, 1, 3), h[:, None])
np.linalg.tensorsolve(A.reshape(3, 3, 1).transpose(1, 0, 2), h[:, None], axes=(0,))
np.linalg.tensorinv(A, ind=1)
np.linalg.matrix_norm(Z, keepdims=True, ord=1)
np.linalg.vector_norm(p, axis=(0, 1), keepdims=True, ord=3) *
np.linalg.svdvals(W)
np.linalg.cross(h, B, axis=-1) *
np.linalg.outer(v, h) *
np.linalg.trace(Z, offset=1, dtype=np.float64)
np.linalg.diagonal(Z, offset=-1) *
np.linalg.vecdot(x, y, axis=0) *
np.linalg.matmul(x, y.T)
np.linalg.matrix_transpose(Z)
np.linalg.tensordot(X, x, axes=2)
""".strip().splitlines(),
}


# What older versions of NumPy lack, by a part of the line, and the version that has it.
SINCE = {
    "np.cumulative_": (2, 1),
    "np.clip(s, min=": (2, 1),
    "np.unstack": (2, 1),
    "np.reshape(x, shape": (2, 1),
    "np.trim_zeros(np.concatenate([[0.0], v]), axis": (2, 2),
    "sorted=True": (2, 3),
    "np.matvec": (2, 2),
    "np.vecmat": (2, 2),
    "np.pad(X, {": (2, 2),
    # Before, NumPy's own result was wrong where the array was reversed and `out` was given.
    "into(np.max": (2, 2),
    "into(np.min": (2, 2),
    "into(np.amax": (2, 2),
    "into(np.amin": (2, 2),
    "into(np.nanmax": (2, 2),
    "into(np.nanmin": (2, 2),
    "into(np.ptp": (2, 2),
    "into(np.prod": (2, 2),
    "into(np.nanprod": (2, 2),
    "into(np.multiply.reduce": (2, 2),
}
VERSION = tuple(map(int, np.__version__.split(".")[:2]))
LINES = {
    kind: [
        line
        for line in lines
        if all(since <= VERSION for part, since in SINCE.items() if part in line)
    ]
    for kind, lines in LINES.items()
}


def names_in(text: str) -> list[str]:
    """Return the operands of a call in the order in which they first stand there."""
    tree = ast.parse(text, mode="eval")
    own = {a.arg for n in ast.walk(tree) if isinstance(n, ast.Lambda) for a in n.args.args}
    found = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in OPERANDS]
    return [name for name in dict.fromkeys(found) if name not in own]


def case_of(line: str) -> tuple[Callable[..., Any], list[Draw], bool]:
    """Return the function of a line, its operands, and whether complex ones are asked for."""
    text = line.removesuffix("*").strip()
    names = names_in(text)
    f = eval(f"lambda {', '.join(names)}: {text}", globals())
    return f, [OPERANDS[name] for name in names], line.endswith("*")


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def parameters_of(name: str) -> list[str]:
    """Return the names of the parameters that NumPy's function of a dotted name defines."""
    found: Any = np
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    kinds = inspect.Parameter
    return [
        p.name
        for p in inspect.signature(found).parameters.values()
        if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
    ]


def keywords_of(line: str) -> dict[str, set[str]]:
    """Return for each function that a line calls the parameters that it is given there."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(line.removesuffix("*").strip(), mode="eval")):
        if not isinstance(node, ast.Call):
            continue
        name, args = _dotted(node.func), node.args
        if name in ("into", "wrote"):
            name, args = _dotted(args[0]), args[1:]
        if not name.startswith("np."):
            continue
        try:
            order = parameters_of(name)
        except (TypeError, ValueError, AttributeError):
            continue
        given = {k.arg for k in node.keywords if k.arg} | set(order[: len(args)])
        found.setdefault(name, set()).update(given)
    return found

"""NumPy's functions with all their keywords, each held against every oracle by one line."""

import numpy as np
import pytest

from tests.ad.rules.harness import Draw, around, check, integers, one, positive, spread, unit

# name: (function, operands, options)
C = {"complex": True}
CASES = {
    # -- sums and extremes
    "sum": (lambda x: np.sum(x), [one(3, 4)], C),
    "sum axis": (lambda x: np.sum(x, axis=0), [one(3, 4)], C),
    "sum axes": (lambda x: np.sum(x, axis=(0, -1), keepdims=True), [one(3, 2, 4)], C),
    "sum method": (lambda x: x.sum(1), [one(3, 4)], {}),
    "sum dtype": (lambda x: np.sum(x, dtype=np.float64), [one(3, 4)], {}),
    "sum initial": (lambda x: np.sum(x, initial=2.0), [one(3)], {}),
    "sum where": (lambda x: np.sum(x, where=x > 0), [spread(3, 4)], {}),
    "sum where axis": (
        lambda x, m: np.sum(x, axis=0, where=m > 0),
        [one(3, 4), integers(3, 4)],
        {},
    ),
    "sum of integers": (lambda x, n: x * np.sum(n), [one(3), integers(3)], {}),
    "sum empty": (lambda x: np.sum(x, axis=0), [one(0, 3)], {}),
    "prod": (lambda x: np.prod(x), [one(2, 3)], C),
    "prod axis": (lambda x: np.prod(x, axis=1, keepdims=True), [one(2, 3)], C),
    "prod zero": (lambda x: np.prod(x), [np.array([1.0, 0.0, 2.0, 0.0])], {}),
    "prod where": (lambda x: np.prod(x, where=x > 0, initial=3.0), [spread(2, 3)], {}),
    "mean": (lambda x: np.mean(x), [one(3, 4)], C),
    "mean axis": (lambda x: np.mean(x, axis=(0, 1), keepdims=True), [one(3, 4)], C),
    "mean where": (lambda x: np.mean(x, axis=0, where=x > -9), [one(3, 4)], {}),
    "mean method": (lambda x: x.mean(axis=-1), [one(3, 4)], C),
    "mean dtype": (lambda x: np.mean(x, dtype=np.float64), [one(3, 4)], {}),
    "mean of integers": (lambda x, n: x * np.mean(n), [one(3), integers(3)], {}),
    "var": (lambda x: np.var(x), [one(3, 4)], C),
    "var axis": (lambda x: np.var(x, axis=0, ddof=1, keepdims=True), [one(3, 4)], C),
    "var mean": (lambda x: np.var(x, axis=0, mean=np.mean(x, 0, keepdims=True)), [one(3, 4)], {}),
    "var where": (lambda x: np.var(x, axis=0, where=x > -9), [one(3, 4)], {}),
    "std": (lambda x: np.std(x), [one(3, 4)], C),
    "std axis": (lambda x: x.std(axis=1, ddof=1), [one(3, 4)], C),
    "std correction": (lambda x: np.std(x, axis=1, correction=1), [one(3, 4)], {}),
    "max": (lambda x: np.max(x), [spread(3, 4)], {}),
    "max axis": (lambda x: np.max(x, axis=1, keepdims=True), [spread(3, 4)], {}),
    "max where": (lambda x: np.max(x, where=x < 1, initial=-1.1), [spread(3, 4)], {}),
    "amax": (lambda x: np.amax(x, 0), [spread(3, 4)], {}),
    "min": (lambda x: x.min(axis=0), [spread(3, 4)], {}),
    "amin": (lambda x: np.amin(x, (0, 1)), [spread(3, 4)], {}),
    "ptp": (lambda x: np.ptp(x, axis=0), [spread(3, 4)], {}),
    "argmax": (lambda x: x[np.argmax(x)] * 2, [spread(5)], {}),
    "argmin axis": (lambda x: x * np.argmin(x, axis=0, keepdims=True), [spread(3, 4)], {}),
    "any all": (lambda x: x * (np.any(x > 0) + np.all(x > 0, axis=0)), [one(3, 4)], {}),
    "count_nonzero": (lambda x: x * np.count_nonzero(x > 0, axis=0), [spread(3, 4)], {}),
    "median": (lambda x: np.median(x), [spread(5)], {}),
    "median even": (lambda x: np.median(x, axis=1, keepdims=True), [spread(3, 4)], {}),
    "median axes": (lambda x: np.median(x, axis=(0, 2)), [spread(3, 4, 2)], {}),
    "percentile": (lambda x: np.percentile(x, 30), [spread(7)], {}),
    "percentile many": (lambda x: np.percentile(x, [10, 50, 85], axis=0), [spread(4, 3)], {}),
    "percentile q": (
        lambda x, q: np.percentile(x, 100 * q, axis=0),
        [spread(6, 2), around(2, centre=0.3, width=0.05)],
        {"single": False},
    ),
    "quantile": (lambda x: np.quantile(x, 0.4, axis=1, keepdims=True), [spread(3, 4)], {}),
    "quantile methods": (
        lambda x: tuple(
            np.quantile(x, 0.37, method=m)
            for m in ("lower", "higher", "nearest", "midpoint", "hazen", "weibull", "inverted_cdf")
        ),
        [spread(7)],
        {},
    ),
    "nanmedian": (lambda x: np.nanmedian(x, axis=0), [spread(5, 2)], {}),
    "nanpercentile": (lambda x: np.nanpercentile(x, 30, axis=0), [spread(5, 2)], {}),
    "nanquantile": (lambda x: np.nanquantile(x, [0.3, 0.7]), [spread(5)], {}),
    "average": (lambda x, w: np.average(x, axis=0, weights=w), [one(3, 4), positive(3)], {}),
    "average plain": (lambda x: np.average(x), [one(3, 4)], C),
    # -- running
    "cumsum": (lambda x: np.cumsum(x), [one(2, 3)], C),
    "cumsum axis": (lambda x: x.cumsum(axis=1), [one(2, 3)], C),
    "cumsum dtype": (lambda x: np.cumsum(x, 0, np.float64), [one(2, 3)], {}),
    "cumsum empty": (lambda x: np.cumsum(x, axis=0), [one(0, 3)], {}),
    "cumprod": (lambda x: np.cumprod(x), [one(2, 3)], C),
    "cumprod axis": (lambda x: np.cumprod(x, axis=0), [one(3, 2)], C),
    "cumprod zero": (lambda x: np.cumprod(x), [np.array([1.0, 0.0, 2.0, 3.0])], {}),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, include_initial=True), [one(3)], C)
    if hasattr(np, "cumulative_sum")
    else None,
    "cumulative_prod": (lambda x: np.cumulative_prod(x), [one(3)], C)
    if hasattr(np, "cumulative_prod")
    else None,
    "diff": (lambda x: np.diff(x), [one(3, 4)], C),
    "diff n": (lambda x: np.diff(x, n=2, axis=0), [one(4, 3)], C),
    "diff ends": (lambda x: np.diff(x, prepend=0.0, append=x[-1:]), [one(4)], C),
    "ediff1d": (lambda x: np.ediff1d(x, to_begin=1.0), [one(4)], {}),
    "gradient": (lambda x: np.gradient(x), [one(5)], C),
    "gradient 2-D": (lambda x: np.gradient(x, 0.5, 2.0, edge_order=2), [one(4, 3)], C),
    "gradient axis": (lambda x: np.gradient(x, axis=1), [one(4, 3)], {}),
    "gradient uneven": (lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0, 3.5])), [one(4)], {}),
    "gradient spacing": (lambda x, h: np.gradient(x, h), [one(4), positive()], {}),
    "trapezoid": (lambda y: np.trapezoid(y), [one(2, 4)], C),
    "trapezoid x": (lambda y, x: np.trapezoid(y, x), [one(2, 4), one(4)], C),
    "trapezoid dx": (lambda y: np.trapezoid(y, dx=0.3, axis=0), [one(4, 2)], C),
    # -- filters and interpolation
    "convolve": (lambda x, h: np.convolve(x, h), [one(5), one(3)], C),
    "convolve same": (lambda x, h: np.convolve(x, h, "same"), [one(5), one(3)], C),
    "convolve valid": (lambda x, h: np.convolve(x, h, mode="valid"), [one(3), one(5)], C),
    "convolve constant": (lambda x: np.convolve(x, [0.25, 0.5, 0.25], "same"), [one(5)], {}),
    "correlate": (lambda x, h: np.correlate(x, h), [one(5), one(3)], C),
    "correlate full": (lambda x, h: np.correlate(x, h, "full"), [one(2), one(4)], C),
    "correlate same": (lambda x, h: np.correlate(x, h, "same"), [one(5), one(4)], C),
    "interp": (
        lambda x, y: np.interp(x, np.array([-1.0, 0.1, 0.55, 2.0]), y),
        [spread(2, 3), one(4)],
        {"single": False},
    ),
    "interp nodes": (
        lambda x, p, y: np.interp(x, p, y, left=-1.0, right=2.0),
        [around(5, width=0.03, centre=0.5), np.array([0.0, 0.4, 0.7, 2.0]), one(4)],
        {"single": False},
    ),
    "interp number": (
        lambda x, y: np.interp(x, [0.0, 1.0, 2.0], y),
        [around(centre=0.6, width=0.1), one(3)],
        {"single": False},
    ),
    "interp complex": (
        lambda x, y: np.interp(x, [0.0, 1.0, 2.0], y * (1 + 2j)),
        [around(4, centre=0.6, width=0.1), one(3)],
        {"single": False},
    ),
    "clip": (lambda x: np.clip(x, -0.45, 0.45), [spread(3, 4)], {}),
    "clip arrays": (
        lambda x, a, b: np.clip(x, a, b),
        [spread(3, 4), around(4, centre=-0.55, width=0.05), around(3, 1, centre=0.45, width=0.05)],
        {},
    ),
    "clip method": (lambda x: x.clip(0.0, None), [spread(3, 4)], {}),
    "clip one side": (lambda x: np.clip(x, None, 0.0), [spread(3, 4)], {}),
    "clip keyword": (lambda x: np.clip(x, a_min=0.0, a_max=1.0), [spread(3, 4)], {}),
    "round": (
        lambda x: x * np.round(x, 1) + np.around(x) + x.round(1),
        [around(3, centre=0.4, width=0.005)],
        {"second": True},
    ),
    "fix": (lambda x: x * np.fix(x), [spread(3)], {}),
    "sinc": (lambda x: np.sinc(x), [positive(3)], {}),
    "unwrap": (lambda x: np.unwrap(x * 9.0), [spread(4)], {}),
    "nan_to_num": (lambda x: np.nan_to_num(np.where(x > 0, x, np.nan), nan=0.5), [spread(4)], {}),
    "angle": (lambda x, y: np.angle(x + 1j * y), [positive(3), one(3)], {}),
    "real imag": (
        lambda x, y: (np.real(x * (1 + 2j)), np.imag(y * 1j), x.real, y.imag),
        [one(3), one(3)],
        C,
    ),
    "real_if_close": (lambda x: np.real_if_close(x), [one(3)], {}),
    "logaddexp": (lambda x, y: np.logaddexp(x, y), [one(3), one(3)], {}),
    # -- shapes
    "roll": (lambda x: np.roll(x, 2), [one(2, 3)], C),
    "roll axis": (lambda x: np.roll(x, (1, -2), axis=(0, 1)), [one(3, 4)], C),
    "roll number": (lambda x: np.roll(x, -1, axis=0), [one(3, 4)], C),
    "pad": (lambda x: np.pad(x, 1), [one(3, 4)], C),
    "pad constant": (
        lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=((1, 2), (3, 4))),
        [one(2, 3)],
        C,
    ),
    "pad edge": (lambda x: np.pad(x, 2, mode="edge"), [one(3, 4)], C),
    "pad wrap": (lambda x: np.pad(x, (1, 2), mode="wrap"), [one(3, 4)], C),
    "pad reflect": (lambda x: np.pad(x, 2, mode="reflect"), [one(3, 4)], C),
    "pad reflect odd": (lambda x: np.pad(x, 2, mode="reflect", reflect_type="odd"), [one(4)], {}),
    "pad symmetric": (lambda x: np.pad(x, ((2, 1),), mode="symmetric"), [one(4)], C),
    "pad ramp": (lambda x: np.pad(x, (2, 3), mode="linear_ramp", end_values=(1, -1)), [one(4)], {}),
    "pad mean": (lambda x: np.pad(x, (2, 3), mode="mean", stat_length=2), [one(4)], {}),
    "pad maximum": (lambda x: np.pad(x, (2, 3), mode="maximum"), [spread(4)], {}),
    "pad minimum": (lambda x: np.pad(x, 1, mode="minimum"), [spread(3, 2)], {}),
    "pad median": (lambda x: np.pad(x, 1, mode="median"), [spread(5)], {}),
    "pad empty": (lambda x: np.pad(x, 1, mode="empty")[1:-1] * 2, [one(5)], {}),
    "flip": (lambda x: np.flip(x), [one(2, 3)], C),
    "flip axis": (lambda x: np.flip(x, axis=(1,)), [one(2, 3)], C),
    "fliplr flipud": (lambda x: np.fliplr(x) * np.flipud(x), [one(2, 3)], C),
    "rot90": (lambda x: np.rot90(x), [one(2, 3)], C),
    "rot90 k": (lambda x: np.rot90(x, 3, axes=(2, 0)), [one(2, 3, 2)], C),
    "tile": (lambda x: np.tile(x, 2), [one(2, 3)], C),
    "tile many": (lambda x: np.tile(x, (2, 1, 3)), [one(2, 3)], C),
    "repeat": (lambda x: np.repeat(x, 2), [one(2, 3)], C),
    "repeat axis": (lambda x: np.repeat(x, [1, 0, 2], axis=1), [one(2, 3)], C),
    "repeat method": (lambda x: x.repeat(3, axis=0), [one(2, 3)], {}),
    "reshape": (lambda x: np.reshape(x, (3, 2)), [one(2, 3)], C),
    "reshape order": (lambda x: np.reshape(x, (3, -1), order="F"), [one(2, 3)], C),
    "reshape method": (lambda x: x.reshape(3, 2) * x.reshape((3, 2), order="F"), [one(2, 3)], C),
    "resize": (lambda x: np.resize(x, (3, 5)), [one(2, 3)], {}),
    "ravel": (lambda x: np.ravel(x) * x.ravel("F") * x.flatten(), [one(2, 3)], C),
    "transpose": (lambda x: np.transpose(x, (1, 2, 0)), [one(2, 3, 4)], C),
    "T": (lambda x: x.T @ x, [one(2, 3)], C),
    "mT": (lambda x: x.mT * np.matrix_transpose(x), [one(2, 3, 4)], C),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 2) * x.swapaxes(0, 2), [one(2, 3, 4)], C),
    "moveaxis": (lambda x: np.moveaxis(x, [0, 1], [-1, 0]), [one(2, 3, 4)], C),
    "rollaxis": (lambda x: np.rollaxis(x, 2), [one(2, 3, 4)], {}),
    "squeeze": (lambda x: np.squeeze(x, axis=1) * x.squeeze(), [one(2, 1, 3)], C),
    "expand_dims": (lambda x: np.expand_dims(x, (0, 2)), [one(2, 3)], C),
    "atleast": (lambda x: (np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)), [one(2)], C),
    "atleast of a number": (lambda x: np.atleast_2d(x), [one()], {}),
    "broadcast_to": (lambda x: np.broadcast_to(x, (4, 2, 3)), [one(2, 1)], C),
    "broadcast_arrays": (lambda x, y: np.broadcast_arrays(x, y), [one(2, 1), one(3)], C),
    "concatenate": (lambda x, y: np.concatenate([x, y, x], axis=1), [one(2, 3), one(2, 1)], C),
    "concatenate flat": (lambda x, y: np.concatenate((x, y), axis=None), [one(2, 3), one(2)], C),
    "concatenate dtype": (
        lambda x, y: np.concatenate((x, y), dtype=np.float64),
        [one(2), one(3)],
        {},
    ),
    "stack": (lambda x, y: np.stack([x, y], axis=-1), [one(2, 3), one(2, 3)], C),
    "vstack": (lambda x, y: np.vstack([x, y]), [one(3), one(2, 3)], C),
    "hstack": (lambda x, y: np.hstack([x, y]), [one(3), one(2)], C),
    "dstack": (lambda x, y: np.dstack([x, y]), [one(2, 3), one(2, 3)], C),
    "column_stack": (lambda x, y: np.column_stack([x, y]), [one(3), one(3, 2)], C),
    "split": (lambda x: np.split(x, 3), [one(6)], C),
    "array_split": (lambda x: np.array_split(x, 3, axis=1), [one(2, 5)], C),
    "hsplit": (lambda x: np.hsplit(x, [1, 3]), [one(2, 4)], {}),
    "vsplit dsplit": (lambda x: (np.vsplit(x, 2), np.dsplit(x, 2)), [one(2, 3, 4)], {}),
    "unstack": (lambda x: np.unstack(x, axis=1), [one(2, 3)], {})
    if hasattr(np, "unstack")
    else None,
    "delete": (lambda x: np.delete(x, 1, axis=0), [one(3, 2)], C),
    "delete many": (lambda x: np.delete(x, [0, 2]), [one(4)], C),
    "delete slice": (lambda x: np.delete(x, slice(0, 4, 2), axis=1), [one(2, 5)], C),
    "insert": (lambda x, y: np.insert(x, 1, y, axis=0), [one(3, 2), one(2)], C),
    "insert many": (lambda x, y: np.insert(x, [0, 2, 2], y), [one(4), one(3)], C),
    "append": (lambda x, y: np.append(x, y), [one(2, 3), one(2)], C),
    "append axis": (lambda x, y: np.append(x, y, axis=0), [one(2, 3), one(1, 3)], C),
    "block": (
        lambda x, y: np.block([[x, np.zeros((2, 2))], [np.ones((1, 3)), y]]),
        [one(2, 3), one(1, 2)],
        C,
    ),
    "meshgrid": (lambda x, y: np.meshgrid(x, y), [one(2), one(3)], C),
    "meshgrid ij": (
        lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True),
        [one(2), one(3)],
        {},
    ),
    "ix_": (lambda x, n: x[np.ix_([0, 2], [1, 1])] * n[0], [one(3, 4), integers(2)], {}),
    "tril triu": (lambda x: np.tril(x, 1) + 2 * np.triu(x, k=-1), [one(3, 4)], C),
    "diag": (lambda x: np.diag(x, 1), [one(3)], C),
    "diag of a matrix": (lambda x: np.diag(x, -1), [one(3, 4)], C),
    "diagflat": (lambda x: np.diagflat(x), [one(2, 2)], C),
    "diagonal": (lambda x: np.diagonal(x, 1, 0, 2), [one(3, 2, 4)], C),
    "trace": (lambda x: np.trace(x), [one(3, 4)], C),
    "trace offset": (lambda x: np.trace(x, 1, 0, 2) + x.trace(1, 2, 0), [one(4, 2, 4)], C),
    "fill_diagonal": (lambda x: _filled(x), [one(3, 3)], {}),
    "apply_along_axis": (lambda x: np.apply_along_axis(lambda r: r * r[0], 1, x), [one(3, 2)], {}),
    "apply_over_axes": (lambda x: np.apply_over_axes(np.sum, x, [0, 1]), [one(3, 2)], {}),
    "sliding_window_view": (
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 3).mean(axis=-1),
        [one(5)],
        C,
    ),
    "vander": (lambda x: np.vander(x, 4), [one(3)], C),
    # -- choosing
    "where": (
        lambda x, y: np.where(x > y, x, y),
        [spread(3, 4), around(4, centre=0.45, width=0.05)],
        {},
    ),
    "where numbers": (
        lambda x: np.where(x > 0, x, 0.0) + np.where(x < 0, 1, x),
        [spread(3, 4)],
        {},
    ),
    "choose": (lambda n, x, y: np.choose(n, [x, y, 3.0]), [integers(4), one(4), one(4)], C),
    "choose modes": (
        lambda n, x, y: np.choose(n, [x, y], mode="wrap"),
        [integers(4), one(4), one(4)],
        {},
    ),
    "select": (
        lambda x, y: np.select([x > 1, x > 0], [x, y], default=0.3),
        [spread(4), one(4)],
        {},
    ),
    "piecewise": (
        lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda z: -z, lambda z: z * z]),
        [spread(4)],
        {"looks": True},
    ),
    "sort": (lambda x: np.sort(x), [spread(3, 4)], {}),
    "sort axis": (lambda x: np.sort(x, axis=0, kind="stable"), [spread(3, 4)], {}),
    "sort flat": (lambda x: np.sort(x, axis=None), [spread(3, 4)], {}),
    "sort in place": (lambda x: _sorted(x), [spread(3, 4)], {}),
    "partition": (lambda x: np.partition(x, 1)[..., :1], [spread(3, 4)], {}),
    "argsort": (lambda x: x[np.argsort(x)], [spread(4)], {}),
    "argsort axis": (
        lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0),
        [spread(3, 4)],
        {},
    ),
    "argsort method": (lambda x, y: y[x.argsort()], [spread(4), one(4)], {}),
    "take": (lambda x: np.take(x, [0, 2, 2]), [one(2, 3)], C),
    "take axis": (lambda x: np.take(x, [[0, 1], [1, 1]], axis=1), [one(2, 3)], C),
    "take modes": (
        lambda x: x.take([5, -7], mode="wrap") + x.take([5, -7], mode="clip"),
        [one(4)],
        C,
    ),
    "take traced": (lambda x, n: np.take(x, n, axis=0), [one(3, 2), integers(4)], {}),
    "take number": (lambda x: np.take(x, 1, axis=0), [one(3, 2)], {}),
    "take_along_axis": (
        lambda x, n: np.take_along_axis(x, n, axis=1),
        [one(2, 3), integers(2, 4)],
        C,
    ),
    "put_along_axis": (lambda x, y: _put(x, y), [one(2, 3), one(2, 1)], {}),
    "compress": (lambda x: np.compress([True, False, True], x, axis=0), [one(3, 2)], {}),
    "extract": (lambda x: np.extract([True, False, True], x), [one(3)], {}),
    "searchsorted": (
        lambda x, y: y[np.searchsorted(x, [0.1, 0.9])],
        [spread(4), one(5)],
        {"layouts": False},
    ),
    "digitize": (
        lambda x, y: y[np.digitize(x, [0.0, 1.0])],
        [spread(4), one(3)],
        {"layouts": False},
    ),
    "bincount": (
        lambda x: np.bincount([0, 2, 2], weights=x, minlength=4),
        [one(3)],
        {"single": False},
    ),
    "copyto": (lambda x, y: _copied(x, y), [spread(2, 3), one(3)], {}),
    "place putmask": (lambda x, y: _masked(x, y), [spread(4), one(4)], {"looks": True}),
    # -- products
    "matmul": (lambda x, y: x @ y, [one(2, 3), one(3, 4)], C),
    "matmul vectors": (lambda x, y: (x @ y, y @ x.T, y @ y), [one(2, 3), one(3)], C),
    "matmul stacks": (lambda x, y: np.matmul(x, y), [one(2, 1, 2, 3), one(4, 3, 2)], C),
    "matmul out": (
        lambda x, y: np.matmul(x, y, out=np.empty((2, 4))),
        [one(2, 3), one(3, 4)],
        {"single": False},
    ),
    "matmul empty": (lambda x, y: x @ y, [one(2, 0), one(0, 3)], C),
    "dot": (lambda x, y: np.dot(x, y), [one(2, 3), one(3, 4)], C),
    "dot method": (lambda x, y: x.dot(y), [one(2, 3), one(3)], C),
    "dot n-D": (lambda x, y: np.dot(x, y), [one(2, 3), one(4, 3, 2)], C),
    "dot number": (lambda x, y: np.dot(x, y), [one(2, 3), one()], C),
    "vdot": (lambda x, y: np.vdot(x, y), [one(2, 3), one(2, 3)], C),
    "vecdot": (lambda x, y: np.vecdot(x, y), [one(2, 3), one(3)], C),
    "inner": (lambda x, y: np.inner(x, y), [one(2, 3), one(4, 3)], C),
    "inner vectors": (lambda x, y: np.inner(x, y), [one(3), one(3)], C),
    "outer": (lambda x, y: np.outer(x, y), [one(2), one(2, 2)], C),
    "tensordot": (lambda x, y: np.tensordot(x, y), [one(2, 3, 4), one(3, 4, 2)], C),
    "tensordot axes": (
        lambda x, y: np.tensordot(x, y, axes=([0, 2], [1, 0])),
        [one(2, 3, 4), one(4, 2, 2)],
        C,
    ),
    "tensordot zero": (lambda x, y: np.tensordot(x, y, 0), [one(2), one(3)], C),
    "kron": (lambda x, y: np.kron(x, y), [one(2, 3), one(2, 2)], C),
    "kron vectors": (lambda x, y: np.kron(x, y), [one(2), one(2, 2)], C),
    "cross": (lambda x, y: np.cross(x, y), [one(4, 3), one(3)], C),
    "cross axes": (
        lambda x, y: np.cross(x, y, axisa=0, axisb=-1, axisc=0),
        [one(3, 2), one(2, 3)],
        C,
    ),
    "linalg cross outer": (
        lambda x, y: (np.linalg.cross(x, y), np.linalg.outer(x, y)),
        [one(3), one(3)],
        C,
    ),
    "einsum": (lambda x, y: np.einsum("ij,jk->ik", x, y), [one(2, 3), one(3, 4)], C),
    "einsum implicit": (lambda x, y: np.einsum("ij,j", x, y), [one(2, 3), one(3)], C),
    "einsum trace": (lambda x: np.einsum("ii", x), [one(3, 3)], C),
    "einsum diagonal": (lambda x: np.einsum("ii->i", x), [one(3, 3)], C),
    "einsum sum": (lambda x: np.einsum("ij->j", x), [one(2, 3)], C),
    "einsum transpose": (lambda x: np.einsum("ij->ji", x) * 2, [one(2, 3)], C),
    "einsum ellipsis": (lambda x, y: np.einsum("...i,...i->...", x, y), [one(2, 3), one(3)], C),
    "einsum three": (
        lambda x, y, z: np.einsum("ij,jk,kl->il", x, y, z),
        [one(2, 3), one(3, 2), one(2, 2)],
        C,
    ),
    "einsum optimal": (
        lambda x, y, z: np.einsum("ij,jk,kl->il", x, y, z, optimize=True),
        [one(2, 3), one(3, 2), one(2, 2)],
        C,
    ),
    "einsum lists": (lambda x, y: np.einsum(x, [0, 1], y, [1], [0]), [one(2, 3), one(3)], C),
    "polyval": (lambda p, x: np.polyval(p, x), [one(4), one(3)], C),
    "polyder polyint": (lambda p: (np.polyder(p), np.polyint(p)), [one(4)], {}),
    "cov": (lambda x: np.cov(x), [one(3, 5)], {}),
    "corrcoef": (lambda x: np.corrcoef(x), [one(2, 5)], {}),
    # -- without nan
    "nansum": (lambda x: np.nansum(_holes(x)), [spread(3, 4)], {}),
    "nansum axis": (lambda x: np.nansum(_holes(x), axis=1, keepdims=True), [spread(3, 4)], {}),
    "nanprod": (lambda x: np.nanprod(_holes(x), axis=0), [spread(3, 4)], {}),
    "nanmean": (lambda x: np.nanmean(_holes(x), axis=0), [spread(3, 4)], {}),
    "nanvar": (lambda x: np.nanvar(_holes(x), axis=1, ddof=1), [spread(3, 4)], {}),
    "nanstd": (lambda x: np.nanstd(_holes(x)), [spread(3, 4)], {}),
    "nanmax": (lambda x: np.nanmax(_holes(x), axis=1), [spread(3, 4)], {}),
    "nanmin": (lambda x: np.nanmin(_holes(x)), [spread(3, 4)], {}),
    "nancumsum": (lambda x: np.nancumsum(_holes(x), axis=0), [spread(3, 4)], {}),
    "nancumprod": (lambda x: np.nancumprod(_holes(x)), [spread(3, 2)], {}),
    "nanargmax": (lambda x: x * np.nanargmax(x, axis=0), [spread(3, 4)], {}),
}


def _holes(x):
    """The array with a nan where its first element is: at a place, not at a value."""
    x = x * 1
    x[0, 0] = np.nan
    return x


def _filled(x):
    x = x * 1
    np.fill_diagonal(x, x[0, 1])
    return x


def _sorted(x):
    x = x * 2
    x.sort(axis=0)
    return x


def _put(x, y):
    x = x * 2
    np.put_along_axis(x, np.array([[2], [0]]), y, axis=1)
    return x


def _copied(x, y):
    z = np.zeros_like(x)
    np.copyto(z, y)
    np.copyto(z, x, where=x > 0)
    return z


def _masked(x, y):
    z = x * 2
    np.putmask(z, x > 0, y)
    z[x < -0.4] = 3.0
    z[x < 0] *= 2
    return z


CASES = {name: case for name, case in CASES.items() if case is not None}
_ = Draw, unit


@pytest.mark.parametrize("name", CASES)
def test_functions(name):
    f, operands, options = CASES[name]
    check(f, *operands, **options)

"""SciPy's functions, each held against every oracle by one line."""

import functools

import numpy as np
import pytest
import scipy
import scipy.fft
import scipy.integrate
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from scipy import interpolate
from scipy.linalg import solve_banded

import revolve_ad as ra
from revolve_ad.ad.passes import transform
from revolve_ad.ad.recording.call import trace
from revolve_ad.errors import RevolveError
from tests.ad.rules.harness import Draw, check, one, positive, unit

C = {"complex": True}
LIGHT = {"single": False, "layouts": False, "second": False}
sp, nd, sg, la, ft = scipy.special, scipy.ndimage, scipy.signal, scipy.linalg, scipy.fft
it = scipy.integrate


def matrix(n):
    return Draw((n, n), lambda x: 0.3 * x + np.diag(2.0 + np.arange(n)))


SHIFT = 2.0 * np.eye(3)


def bands(rows, n):
    return Draw((rows, n), lambda x: 0.3 * x + 3.0 * (np.arange(rows) == 1)[:, None])


def vector(first, n):
    """Numbers of which the first is so large that a Toeplitz matrix or a filter is tame."""
    return Draw((n,), lambda x: 0.2 * x + first * (np.arange(n) == 0))


KNOTS = np.array([0.0, 1.3, 2.7, 4.0, 5.1])
SPLINES = {
    "CubicSpline": interpolate.CubicSpline(KNOTS, np.sin(KNOTS)),
    "Akima": interpolate.Akima1DInterpolator(KNOTS, np.sin(KNOTS)),
    "BSpline": interpolate.make_interp_spline(KNOTS, np.sin(KNOTS)),
    "of arrays": interpolate.CubicSpline(
        KNOTS, np.sin(np.outer([1.0, 2.0], KNOTS))[..., None], axis=1
    ),
}


def places():
    """Return where to read an image, inside and beyond its edges, far from pixels and halves."""
    at = np.array([[0.3, 1.7, -1.3, 4.8, 2.2], [1.3, 0.8, 0.7, -2.4, 3.3]])
    return Draw((2, 5), lambda x: at + 0.03 * np.tanh(x))


def _thomas(d, b):
    """A tridiagonal solve as it is written in codes: fill the bands, solve."""
    ab = np.zeros((3, 4))
    ab[0, 1:] = -1
    ab[1] = 2 + d
    ab[2, :-1] = -1
    return solve_banded((1, 1), ab, b)


SOS = np.array([[1, 0.5, 0.2, 1, 0.3, 0.1], [0.7, 0.1, 0, 1, -0.4, 0.2]])
# What `solve` may be told about a matrix; older versions of SciPy know fewer words.
SHAPES = ("diagonal", "lower triangular", "upper triangular", "tridiagonal", "banded", None)
if tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15):
    SHAPES = ()


def inner(*shape):
    """Numbers well inside of (−1, 1), and away from 0."""
    return Draw(shape, lambda x: 0.3 + 0.4 * np.tanh(x))


N, M = np.array([[0], [2], [3]]), np.array([[0], [-1], [3]])
LEGENDRE = {
    **{
        f"legendre_p {d}": (lambda x, d=d: sp.legendre_p(N, x, diff_n=d), [inner(2)], {})
        for d in (0, 1, 2)
    },
    "legendre_p_all": (lambda x: sp.legendre_p_all(3, x, diff_n=1), [inner(2)], {}),
    **{
        f"assoc_legendre_p {d} {norm}": (
            lambda x, d=d, norm=norm: sp.assoc_legendre_p(N, M, x, norm=norm, diff_n=d),
            [inner(2)],
            {"complex": d == 0, "single": False, "layouts": False, "second": d < 2},
        )
        for d, norm in ((0, False), (1, True), (2, False))
    },
    "assoc_legendre_p branch_cut": (
        lambda x: sp.assoc_legendre_p(N, M, 1.2 + x, branch_cut=3),
        [inner(2)],
        {"single": False},
    ),
    "assoc_legendre_p_all": (
        lambda x: sp.assoc_legendre_p_all(2, 1, x, branch_cut=2, norm=True, diff_n=1),
        [inner(2)],
        {"single": False},
    ),
    **{
        f"sph_legendre_p {d}": (
            lambda x, d=d: sp.sph_legendre_p(N, M, x, diff_n=d),
            [inner(2)],
            {"single": False, "layouts": False, "second": d < 2},
        )
        for d in (0, 1, 2)
    },
    "sph_legendre_p_all": (
        lambda x: sp.sph_legendre_p_all(2, 2, x, diff_n=1),
        [inner(2)],
        {"single": False},
    ),
    **{
        f"sph_harm_y {d}": (
            lambda x, y, d=d: sp.sph_harm_y(N, M, x, y, diff_n=d),
            [inner(2), one(2)],
            {"single": False, "layouts": False, "second": d < 2},
        )
        for d in (0, 1, 2)
    },
    "sph_harm_y at the poles": (
        lambda x, y: sp.sph_harm_y(3, 1, x * np.array([0.0, 1.0]), y),
        [inner(2), one(2)],
        {"single": False},
    ),
    "sph_harm_y_all": (
        lambda x, y: sp.sph_harm_y_all(2, 1, x, y, diff_n=1),
        [inner(2), one(2)],
        {"single": False},
    ),
}

OTHERS = {
    "np.i0": (lambda x: np.i0(x), [positive(3)], {"single": False}),
    # -- special: counts, and ψ at complex numbers
    "comb": (lambda n, k: sp.comb(n, k), [positive(3, low=2.5), unit(3)], {}),
    "comb beyond": (lambda n: sp.comb(n, np.array([1.0, 2.0, 9.0])), [positive(3, low=2.5)], {}),
    "comb repetition": (
        lambda n, k: sp.comb(n, k, repetition=True),
        [positive(3, low=2.5), unit(3)],
        {},
    ),
    "comb of a number": (lambda n: sp.comb(n[0], 2), [positive(3, low=2.5)], {}),
    "perm": (lambda n, k: sp.perm(n, k), [positive(3, low=2.5), unit(3)], {}),
    "factorial": (lambda n: sp.factorial(n - 1.0), [positive(3)], {}),
    "second derivatives left of the poles": (
        lambda x: sp.psi(x - 3.2 + 0.5j) * sp.loggamma(x - 30.3 - 0.1j),
        [positive(3)],
        {"single": False, "complex": True},
    ),
    # -- special: Legendre functions and spherical harmonics, from SciPy 1.15 on
    **(LEGENDRE if hasattr(sp, "sph_harm_y") else {}),
    # -- ndimage
    "convolve": (lambda x, w: nd.convolve(x, w), [one(5, 4), one(3, 3)], C),
    "convolve even": (lambda x, w: nd.convolve(x, w, mode="nearest"), [one(5, 4), one(2, 4)], {}),
    "convolve origin": (
        lambda x, w: nd.convolve(x, w, mode="constant", cval=0.5, origin=(1, -1)),
        [one(5, 6), one(3, 3)],
        {},
    ),
    "correlate": (lambda x, w: nd.correlate(x, w, mode="wrap"), [one(5, 4), one(3, 2)], C),
    "correlate mirror": (lambda x, w: nd.correlate(x, w, mode="mirror"), [one(5), one(3)], {}),
    "correlate1d": (lambda x, w: nd.correlate1d(x, w, axis=0, origin=-1), [one(5, 2), one(3)], C),
    "convolve1d": (lambda x, w: nd.convolve1d(x, w, mode="reflect"), [one(2, 5), one(4)], C),
    "correlate of numbers of two kinds": (
        lambda x, w: nd.correlate(x, w + 1j * w[::-1]) * nd.correlate1d(x + 1j * x, w[0]),
        [one(4, 3), one(2, 3)],
        {"single": False},
    ),
    "convolve constant": (lambda x: nd.convolve(x, np.ones((3, 3)) / 9), [one(4, 4)], {}),
    "gaussian_filter": (lambda x: nd.gaussian_filter(x, 0.8), [one(5, 6)], {}),
    "gaussian_filter modes": (
        lambda x: nd.gaussian_filter(x, (0.5, 0.7), order=(0, 1), mode=["wrap", "constant"]),
        [one(5, 6)],
        {},
    ),
    "gaussian_filter1d": (lambda x: nd.gaussian_filter1d(x, 0.6, axis=0, order=1), [one(6, 2)], {}),
    "uniform_filter": (lambda x: nd.uniform_filter(x, 3), [one(5, 4)], {}),
    "uniform_filter1d": (lambda x: nd.uniform_filter1d(x, 4, axis=0), [one(6, 2)], {}),
    "laplace": (lambda x: nd.laplace(x, mode="wrap"), [one(5, 4)], {}),
    "sobel prewitt": (lambda x: nd.sobel(x, 0) + nd.prewitt(x), [one(5, 4)], {}),
    "gaussian_laplace": (lambda x: nd.gaussian_laplace(x, 0.6, truncate=3.0), [one(5, 4)], {}),
    "gaussian_gradient_magnitude": (
        lambda x: nd.gaussian_gradient_magnitude(x, 0.6),
        [one(5, 4)],
        {},
    ),
    # -- signal
    "signal convolve": (lambda x, h: sg.convolve(x, h), [one(6), one(3)], C),
    "signal convolve same": (
        lambda x, h: sg.convolve(x, h, mode="same"),
        [one(5, 4), one(2, 3)],
        C,
    ),
    "signal convolve valid": (
        lambda x, h: sg.convolve(x, h, "valid", method="direct"),
        [one(3), one(6)],
        C,
    ),
    "signal correlate": (lambda x, h: sg.correlate(x, h), [one(5), one(3)], C),
    "signal correlate same": (lambda x, h: sg.correlate(x, h, "same"), [one(5, 4), one(3, 2)], C),
    "signal correlate valid": (lambda x, h: sg.correlate(x, h, "valid"), [one(3), one(6)], C),
    "fftconvolve": (lambda x, h: sg.fftconvolve(x, h, mode="same"), [one(5, 4), one(3, 3)], C),
    "fftconvolve axes": (lambda x, h: sg.fftconvolve(x, h, axes=1), [one(2, 5), one(1, 3)], {}),
    "oaconvolve": (lambda x, h: sg.oaconvolve(x, h), [one(9), one(3)], {}),
    "convolve2d": (lambda x, h: sg.convolve2d(x, h), [one(4, 5), one(2, 3)], C),
    "convolve2d same": (
        lambda x, h: sg.convolve2d(x, h, mode="same", boundary="wrap"),
        [one(4, 5), one(3, 3)],
        {},
    ),
    "convolve2d symm": (
        lambda x, h: sg.convolve2d(x, h, mode="same", boundary="symm"),
        [one(4, 5), one(2, 3)],
        {},
    ),
    "convolve2d fill": (
        lambda x, h: sg.convolve2d(x, h, fillvalue=0.5),
        [one(4, 5), one(2, 2)],
        {"single": False},
    ),
    "correlate2d": (lambda x, h: sg.correlate2d(x, h, mode="same"), [one(4, 5), one(2, 3)], C),
    "correlate2d valid": (lambda x, h: sg.correlate2d(x, h, "valid"), [one(4, 5), one(2, 3)], C),
    **{
        f"shift {mode} {order}": (
            lambda x, mode=mode, order=order: nd.shift(
                x, (0.3, -1.2), mode=mode, order=order, cval=0.7
            ),
            [one(6, 5)],
            {"single": order == 1, "layouts": False},
        )
        for mode in ("constant", "nearest", "mirror", "reflect", "wrap", "grid-wrap")
        for order in (0, 1, 3)
    },
    **{
        f"map_coordinates {mode} {order}": (
            lambda x, c, mode=mode, order=order: nd.map_coordinates(
                x, c[:1], order=order, mode=mode, cval=0.7
            ),
            [one(6), places()],
            {"single": False, "layouts": False, "second": order == 3},
        )
        for mode, order in (
            *(("constant", 1), ("nearest", 3), ("mirror", 2), ("reflect", 3), ("wrap", 4)),
            *(("grid-wrap", 3), ("grid-mirror", 5), ("grid-constant", 3), ("reflect", 0)),
        )
    },
    "map_coordinates without prefilter": (
        lambda x, c: nd.map_coordinates(x, c[:, :, None] + [0.0, 1.0], prefilter=False),
        [one(4, 3), places()],
        {"complex": False, "single": False, "layouts": False},
    ),
    "map_coordinates of a complex image": (
        lambda x, c: nd.map_coordinates(x + 1j * x[::-1], c, mode="mirror"),
        [one(4, 3), places()],
        LIGHT,
    ),
    "affine_transform": (
        lambda x, m, b: nd.affine_transform(x, m, b, output_shape=(3, 2), mode="nearest"),
        [one(4, 3), np.array([[0.9, 0.2], [-0.1, 1.1]]), np.array([0.34, 0.23])],
        {"single": False, "layouts": False},
    ),
    "affine_transform homogeneous": (
        lambda x, m: nd.affine_transform(x, m, mode="reflect", order=2),
        [one(4, 3), np.array([[0.9, 0.23, 0.33], [-0.13, 1.1, 0.21]])],
        {"single": False, "layouts": False, "second": False},
    ),
    "affine_transform diagonal": (
        lambda x, m: nd.affine_transform(x, m, 0.3, mode="wrap", cval=1.0, prefilter=False),
        [one(4, 3), np.array([0.83, 1.13])],
        LIGHT,
    ),
    "rotate": (lambda x: nd.rotate(x, 20.0), [one(5, 4)], {"single": False}),
    "rotate in a plane": (
        lambda x: nd.rotate(
            x, -40.0, axes=(2, 0), reshape=False, order=2, mode="grid-wrap", cval=0.3
        ),
        [one(4, 2, 3)],
        {"single": False},
    ),
    "rotate without prefilter": (
        lambda x: nd.rotate(x, 20.0, prefilter=False, mode="constant", cval=0.3),
        [one(4, 3)],
        {"single": False},
    ),
    "spline_filter": (
        lambda x: nd.spline_filter(x, 4, mode="wrap") + nd.spline_filter1d(x, 2, axis=0),
        [one(5, 4)],
        {"single": False},
    ),
    "shift without prefilter": (lambda x: nd.shift(x, 0.4, prefilter=False), [one(6)], {}),
    "zoom": (lambda x: nd.zoom(x, (1.6, 0.5)), [one(5, 6)], {"single": False}),
    "zoom grid": (
        lambda x: nd.zoom(x, 2, mode="grid-wrap", grid_mode=True, order=1),
        [one(4, 3)],
        {"single": False},
    ),
    "lfilter coefficients": (
        lambda b, a, x: sg.lfilter(b, a, x),
        [one(3), vector(2.0, 2), one(6)],
        {"complex": True, "single": False},
    ),
    "lfilter many": (
        lambda b, a, x: sg.lfilter(b, a, x, axis=0),
        [one(2), vector(2.0, 3), one(6, 2)],
        {"single": False},
    ),
    "lfilter state": (
        lambda b, a, x, z: sg.lfilter(b, a, x, zi=z),
        [one(3), vector(2.0, 2), one(6), one(2)],
        {"single": False},
    ),
    "lfilter state, few samples": (
        lambda b, a, x, z: sg.lfilter(b, a, x, zi=z, axis=0),
        [one(5), vector(2.0, 2), one(2, 2), one(4, 2)],
        {"single": False},
    ),
    "sosfilt": (lambda x: sg.sosfilt(SOS, x), [one(6)], {}),
    "sosfilt coefficients": (
        lambda c, x: sg.sosfilt(np.stack([c, SOS[1]]) * [1, 1, 1, 0, 1, 1] + [0, 0, 0, 1, 0, 0], x),
        [Draw((6,), lambda x: 0.3 * x), one(6)],
        {"single": False},
    ),
    "sosfilt state": (
        lambda x, z: sg.sosfilt(SOS, x, axis=0, zi=z),
        [one(6, 2), one(2, 2, 2)],
        {"single": False},
    ),
    "lfilter_zi": (lambda b, a: sg.lfilter_zi(b, a), [one(3), vector(2.0, 2)], {"single": False}),
    "sosfilt_zi": (lambda c: sg.sosfilt_zi(SOS * c), [positive(2, 6)], {"single": False}),
    **{
        f"filtfilt {kind}": (
            lambda b, a, x, kind=kind: sg.filtfilt(b, a, x, axis=0, padtype=kind, padlen=2),
            [one(3), vector(2.0, 2), one(5, 2)],
            {"single": False, "layouts": False, "second": kind == "odd"},
        )
        for kind in ("odd", "even", "constant", None)
    },
    "filtfilt by default": (
        lambda x: sg.filtfilt([0.5, 0.2], [1.0, -0.4], x),
        [one(9)],
        {"complex": True, "single": False},
    ),
    "sosfiltfilt": (
        lambda c, x: sg.sosfiltfilt(SOS[:1] ** (c * (SOS[:1] != 1)), x, padtype="even", padlen=3),
        [positive(1, 6), one(6)],
        {"single": False, "layouts": False},
    ),
    "sosfiltfilt by default": (lambda x: sg.sosfiltfilt(SOS, x), [one(16)], LIGHT),
    "lfilter": (lambda x: sg.lfilter([0.5, 0.2], [1.0, -0.4, 0.1], x, axis=0), [one(6, 2)], C),
    # -- linalg
    **{
        f"solve {kind}": (
            lambda a, b, kind=kind: la.solve(a, b, assume_a=kind),
            [matrix(3), one(3)],
            {"single": False},
        )
        for kind in SHAPES
    },
    "lu_factor": (lambda a: la.lu_factor(a)[0], [matrix(4)], C),
    "lu_factor with swaps": (lambda a: la.lu_factor(a[::-1])[0], [matrix(4)], {}),
    "lu_solve": (lambda a, b: la.lu_solve(la.lu_factor(a), b), [matrix(4), one(4)], C),
    "lu_solve transposed": (
        lambda a, b: la.lu_solve(la.lu_factor(a[::-1]), b, trans=1),
        [matrix(4), one(4, 2)],
        C,
    ),
    "lu_solve adjoint": (
        lambda a, b: la.lu_solve(la.lu_factor(a[::-1]), b, 2),
        [matrix(4), one(4)],
        C,
    ),
    "lu_solve known": (
        lambda b: la.lu_solve(la.lu_factor(np.diag([1.0, 2.0, 4.0])[::-1]), b),
        [one(3)],
        {},
    ),
    "solve_toeplitz": (
        lambda c, r, b: la.solve_toeplitz((c, r), b),
        [vector(4.0, 4), vector(4.0, 4), one(4)],
        {"complex": True, "single": False},
    ),
    "solve_toeplitz symmetric": (
        lambda c, b: la.solve_toeplitz(c, b),
        [vector(4.0, 4), one(4, 2)],
        {"complex": True, "single": False},
    ),
    "toeplitz": (lambda c, r: la.toeplitz(c, r), [one(3), one(4)], C),
    "circulant": (lambda c: la.circulant(c), [one(3)], C),
    "block_diag": (lambda a, b: la.block_diag(a, b, a), [one(3, 2), one(2)], C),
    "eigh": (lambda a: la.eigh(a + a.T)[1] ** 2, [matrix(3)], {}),
    "eigh upper": (lambda a: la.eigh(a, lower=False, eigvals_only=True), [matrix(3)], {}),
    **{
        f"eigh of a pair, type {kind}": (
            lambda a, b, kind=kind: la.eigh(a, b @ np.conj(b).T + SHIFT, type=kind)[0],
            [matrix(3), matrix(3)],
            {"complex": True, "single": False, "layouts": False, "second": kind == 2},
        )
        for kind in (1, 2, 3)
    },
    **{
        f"eigh vectors of a pair, type {kind}": (
            lambda a, b, kind=kind: (
                la.eigh(a, b + SHIFT, type=kind, lower=kind > 1, driver="gv")[1] ** 2
            ),
            [matrix(3), matrix(3)],
            {"single": False, "layouts": False, "second": kind == 1},
        )
        for kind in (1, 2, 3)
    },
    "eigh subset": (
        lambda a: la.eigh(a, subset_by_index=[1, 2])[1] ** 2,
        [matrix(4)],
        {"single": False},
    ),
    "eigh subset of a pair": (
        lambda a, b: la.eigh(a, b, eigvals_only=True, subset_by_index=[0, 1], driver="gvx"),
        [matrix(4), matrix(4)],
        LIGHT,
    ),
    "eigvalsh of a pair": (
        lambda a, b: la.eigvalsh(a, b, lower=False, type=2),
        [matrix(3), matrix(3)],
        {"single": False},
    ),
    "eigvalsh": (lambda a: la.eigvalsh(a + a.T), [matrix(3)], {}),
    "svd": (lambda a: la.svd(a[:, :2], full_matrices=False), [matrix(3)], {}),
    "svd complex": (lambda a: la.svd(a)[1], [matrix(3)], C),
    "svdvals": (lambda a: la.svdvals(a), [matrix(3)], {}),
    "svd without vectors": (lambda a: la.svd(a, compute_uv=False), [matrix(3)], {}),
    "qr": (lambda a: la.qr(a[:, :2], mode="economic"), [matrix(3)], C),
    "qr wide": (lambda a: la.qr(a[:2], mode="economic"), [matrix(3)], C),
    "qr full": (lambda a: la.qr(a[:, :2]), [matrix(3)], C),
    "qr full r": (lambda a: la.qr(a[:, :2], mode="r"), [matrix(3)], LIGHT),
    "qr pivoted": (lambda a: la.qr(a, pivoting=True)[:2], [matrix(3)], C),
    "qr pivoted wide": (lambda a: la.qr(a[:2] * [5, 1, 2], pivoting=True)[1], [matrix(3)], C),
    "qr pivoted tall": (
        lambda a: la.qr(a[:, :2], pivoting=True)[:2],
        [matrix(3)],
        LIGHT,
    ),
    "qr pivoted economic": (
        lambda a: la.qr(a[:, :2], mode="economic", pivoting=True)[1],
        [matrix(3)],
        LIGHT,
    ),
    "qr pivoted r": (lambda a: la.qr(a, mode="r", pivoting=True)[0], [matrix(3)], LIGHT),
    "qr r": (lambda a: la.qr(a, mode="r"), [matrix(3)], {}),
    "solve": (lambda a, b: la.solve(a, b), [matrix(3), one(3)], C),
    "solve pos": (lambda a, b: la.solve(a @ a.T, b, assume_a="pos"), [matrix(3), one(3, 2)], {}),
    "solve sym": (
        lambda a, b: la.solve(a, b, assume_a="sym", lower=True),
        [matrix(3), one(3)],
        {"single": False},
    ),
    "solve transposed": (lambda a, b: la.solve(a, b, transposed=True), [matrix(3), one(3)], {}),
    "inv det": (lambda a: (la.inv(a), la.det(a)), [matrix(3)], C),
    "cholesky": (lambda a: la.cholesky(a @ np.conj(a).T), [matrix(3)], C),
    "cholesky lower": (lambda a: la.cholesky(a @ a.T, lower=True), [matrix(3)], {}),
    "solve_triangular": (lambda a, b: la.solve_triangular(a, b), [matrix(3), one(3)], C),
    "solve_triangular lower": (
        lambda a, b: la.solve_triangular(a, b, lower=True, trans="T"),
        [matrix(3), one(3, 2)],
        C,
    ),
    "solve_triangular unit": (
        lambda a, b: la.solve_triangular(a, b, trans=2, unit_diagonal=True),
        [matrix(3), one(3)],
        C,
    ),
    "cho_factor": (lambda a: la.cho_factor(a @ a.T)[0], [matrix(3)], {}),
    "cho_solve": (
        lambda a, b: la.cho_solve(la.cho_factor(a @ np.conj(a).T, lower=True), b),
        [matrix(3), one(3)],
        C,
    ),
    "cho_solve upper": (
        lambda a, b: la.cho_solve(la.cho_factor(a @ a.T), b),
        [matrix(3), one(3, 2)],
        {},
    ),
    "solve_banded": (lambda ab, b: solve_banded((1, 1), ab, b), [bands(3, 5), one(5)], C),
    "solve_banded many": (
        lambda ab, b: la.solve_banded((2, 1), ab, b),
        [bands(4, 5), one(5, 2)],
        C,
    ),
    "solve_banded filled": (lambda d, b: _thomas(d, b), [positive(4), one(4)], {}),
    "solveh_banded": (
        lambda ab, b: la.solveh_banded(ab, b, lower=True),
        [Draw((2, 4), lambda x: 0.2 * x + np.array([[3.0], [0.5]])), one(4)],
        {},
    ),
    "expm": (lambda a: la.expm(0.3 * a), [one(3, 3)], {"complex": True, "single": False}),
    "norm": (lambda a: la.norm(a), [one(3)], {}),
    # -- interpolate
    **{
        f"{name} {nu}": (
            lambda x, name=name, nu=nu: SPLINES[name](x, nu=nu),
            [Draw((2, 3), lambda x: 2.0 + 0.4 * np.tanh(x))],
            {"single": False, "layouts": False},
        )
        for name, nu in (("CubicSpline", 0), ("CubicSpline", 1), ("Akima", 0), ("BSpline", 0))
    },
    "spline of arrays": (
        lambda x: SPLINES["of arrays"](x, extrapolate=True) * SPLINES["of arrays"](x[0]),
        [Draw((2,), lambda x: 2.0 + 0.4 * np.tanh(x))],
        {"single": False, "layouts": False},
    ),
    # -- integrate
    "trapezoid": (lambda y: it.trapezoid(y, [0.0, 0.3, 0.4, 1.0], axis=0), [one(4, 2)], C),
    "simpson odd": (lambda y: it.simpson(y, dx=0.3), [one(2, 5)], C),
    "simpson even": (lambda y: it.simpson(y, x=[0.0, 0.3, 0.4, 1.0], axis=0), [one(4, 2)], C),
    "simpson x of y's shape": (
        lambda y: it.simpson(y, x=np.cumsum([[0.1, 0.3], [0.3, 0.2], [0.2, 0.4]], 0), axis=0),
        [one(3, 2)],
        {},
    ),
    "cumulative_trapezoid": (
        lambda y: it.cumulative_trapezoid(y, [0.0, 0.3, 1.0], axis=0, initial=0),
        [one(3, 2)],
        C,
    ),
    # -- fft
    "fft": (lambda x: ft.fft(x, 7), [one(2, 5)], C),
    "rfft irfft": (lambda x: ft.irfft(ft.rfft(x, axis=0) * 2, n=5, axis=0), [one(5, 2)], {}),
    "ifft2": (lambda x: ft.ifft2(x, norm="ortho"), [one(3, 4)], C),
    "rfftn": (lambda x: ft.rfftn(x), [one(2, 3, 4)], {}),
    "irfftn": (lambda x: ft.irfftn(x, s=(3, 5)), [one(3, 3)], C),
    "hfft ihfft": (lambda x: ft.ihfft(ft.hfft(x)), [one(4)], C),
    "fftshift": (lambda x: ft.fftshift(x) + ft.ifftshift(x, axes=0), [one(4)], {}),
    **{
        f"{name} {kind} {norm}": (
            lambda x, name=name, kind=kind, norm=norm: getattr(ft, name)(x, kind, norm=norm),
            [one(5)],
            {},
        )
        for name in ("dct", "idct", "dst", "idst")
        for kind in (1, 2, 3, 4)
        for norm in (None, "ortho", "forward")
    },
    "dct axis": (lambda x: ft.dct(x, axis=0, n=6), [one(5, 2)], C),
    "dctn": (lambda x: ft.dctn(x, norm="ortho"), [one(3, 4)], {}),
    "idctn": (lambda x: ft.idctn(x, 1, norm="forward"), [one(3, 4)], {}),
    "dstn": (lambda x: ft.dstn(x, axes=(1,)), [one(3, 4)], {}),
    "idstn": (lambda x: ft.idstn(x, 3, axes=[0], s=[5]), [one(3, 4)], {}),
}


@pytest.mark.filterwarnings("ignore:The behavior of affine_transform:UserWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_functions_of_scipy(name):
    f, operands, options = OTHERS[name]
    check(f, *operands, rtol=1e-6, dot=1e-11, **options)


FORMATS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
@pytest.mark.parametrize("form", FORMATS)
def test_sparse_matrices_multiply_from_both_sides(form, make):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.6)
    matrix = make(dense).asformat(form)
    check(lambda x: matrix @ x, one(3), **C)
    check(lambda x: matrix @ x, one(3, 2), **C)
    check(lambda x: matrix.dot(x), one(3), layouts=False)
    check(lambda x: x @ matrix, one(4), **C)
    check(lambda x: x @ matrix, one(2, 4), **C)
    check(lambda x: (1j * matrix) @ x, one(3), single=False)
    if make is scipy.sparse.csr_matrix:
        check(lambda x: (matrix * x, x * matrix.T), one(3), layouts=False)


def test_a_sparse_matrix_is_left_alone_outside_of_a_recording():
    before = scipy.sparse._base._spbase._matmul_dispatch
    check(lambda x: scipy.sparse.eye_array(3) @ x, one(3))
    assert scipy.sparse._base._spbase._matmul_dispatch is before


# -- constant sparse matrices, factored before or inside of the function ---------------------------

SPARSE = scipy.sparse.csc_array(
    np.diag(4.0 + np.arange(5)) + np.diag([0.5, -1, 2, 0.1], 1) - np.diag([1, 0.2, 0.7, 1], -1)
)
FACTORS = scipy.sparse.linalg.splu(SPARSE)
COMPLEX_FACTORS = scipy.sparse.linalg.splu(SPARSE + 1j * scipy.sparse.eye_array(5, format="csc"))
SOLVE = scipy.sparse.linalg.factorized(SPARSE)


class Holder:
    """Keeps factors as an attribute, as classes of solvers do."""

    def __init__(self):
        self.factors = FACTORS

    def solve(self, b):
        return self.factors.solve(b) * b


def _in_a_closure(b, factors=None):
    factors = FACTORS

    def solve(c):
        return factors.solve(c * c)

    return solve(b)


DOUBLE = {"single": False, "layouts": False}
SOLVES = {
    "splu": (lambda b: FACTORS.solve(b), [one(5)], DOUBLE),
    "splu many": (lambda b: FACTORS.solve(b[:, ::-1], "T"), [one(5, 2)], DOUBLE),
    "splu complex": (lambda b: COMPLEX_FACTORS.solve(b + 0j, "T"), [one(5)], {**DOUBLE, **C}),
    "splu adjoint": (lambda b: COMPLEX_FACTORS.solve(b + 0j, "H"), [one(5)], {**DOUBLE, **C}),
    "factorized": (lambda b: SOLVE(b) * b, [one(5)], DOUBLE),
    "attribute": (Holder().solve, [one(5)], DOUBLE),
    "closure": (_in_a_closure, [one(5)], DOUBLE),
    "inside": (
        lambda b: (
            scipy.sparse.linalg.splu(SPARSE).solve(b) + scipy.sparse.linalg.factorized(SPARSE)(b)
        ),
        [one(5)],
        {"single": False},
    ),
    "spsolve": (lambda b: scipy.sparse.linalg.spsolve(SPARSE, b), [one(5)], {"single": False, **C}),
    "spsolve csr": (
        lambda b: scipy.sparse.linalg.spsolve(SPARSE.tocsr(), b),
        [one(5, 2)],
        {"single": False},
    ),
    "spsolve column": (
        lambda b: scipy.sparse.linalg.spsolve(SPARSE, b[:, None]),
        [one(5)],
        {"single": False},
    ),
    "spsolve_triangular": (
        lambda b: scipy.sparse.linalg.spsolve_triangular(scipy.sparse.tril(SPARSE).tocsr(), b),
        [one(5)],
        {"single": False},
    ),
}


@pytest.mark.parametrize("name", SOLVES)
def test_solves_with_constant_sparse_matrices(name):
    f, operands, options = SOLVES[name]
    check(f, *operands, rtol=1e-6, dot=1e-11, **options)


@pytest.mark.parametrize(
    "f",
    [
        lambda d: scipy.sparse.csr_array(np.diag(d)),
        lambda d: scipy.sparse.csr_array((d, ([0, 1], [1, 0])), shape=(2, 2)),
        lambda d: scipy.sparse.csc_matrix((d, [0, 1], [0, 1, 2]), shape=(2, 2)),
        lambda d: scipy.sparse.diags_array([d], offsets=[0]),
        lambda d: scipy.sparse.diags(d),
        lambda d: scipy.sparse.coo_array((d, ([0, 1], [1, 0]))),
        lambda d: scipy.sparse.eye_array(2) * d[0],
        lambda d: scipy.sparse.eye_array(2, format="csr").multiply(d),
        lambda d: scipy.sparse.linalg.spsolve(d[0] * SPARSE, np.ones(5)),
        lambda d: scipy.sparse.linalg.cg(SPARSE, d),
    ],
)
def test_traced_entries_of_sparse_matrices_raise(f):
    with pytest.raises(RevolveError):
        trace(f, (np.array([1.0, 2.0]),))


def test_sparse_matrices_may_be_made_inside_of_a_function():
    def f(x):
        n = x.shape[0]
        main = np.ones(n)
        main[1:] = 2
        matrix = scipy.sparse.csr_array(np.diag(main))
        shifted = scipy.sparse.diags_array([np.full(n - 1, 0.5)], offsets=[1])
        return scipy.sparse.linalg.spsolve((matrix + shifted).tocsc(), matrix @ (x * x))

    check(f, one(5), single=False)


@pytest.mark.parametrize(
    ("f", "written"),
    [
        (la.det, lambda a: la.det(a)),
        (functools.partial(la.norm, ord=1), lambda a: la.norm(a, 1)),
        (functools.partial(sp.logsumexp, b=2.0), lambda a: sp.logsumexp(a, b=2.0)),
    ],
)
def test_a_function_of_scipy_is_itself_recorded(f, written):
    a = np.array([[2.0, 0.3], [0.1, 1.5]])
    assert ra.vjp(f, a)[0] == f(a)
    np.testing.assert_array_equal(ra.grad(f)(a), ra.grad(written)(a))


@pytest.mark.parametrize(
    "f",
    [
        lambda a, v: sg.fftconvolve(a, v, "same"),
        lambda a, v: sg.oaconvolve(a, v[:50]),
        lambda a, v: sg.convolve(a, v),
        lambda a, v: sg.correlate(a, v, "same"),
        lambda a, v: sg.fftconvolve(a.reshape(20, -1), v.reshape(20, -1)[:, :1], axes=0),
    ],
)
def test_derivatives_of_long_convolutions_go_through_fourier_transforms_too(f):
    """Sums over all pairs took 400 times as long as the function, for 20,000 numbers."""
    a = np.linspace(-1, 1, 4_000)
    tape = trace(lambda a: np.sum(f(a, a[::-1]) ** 2), (a,)).tape
    adjoint = transform.vjp(tape, [0])
    names = [node.op.name for node in adjoint.nodes]
    assert names.count("fftconvolve") >= 2
    assert names.count("convolve") <= 1  # the function itself


@pytest.mark.parametrize("mode", ["mirror", "constant", "nearest", "wrap", "reflect", "grid-wrap"])
def test_splines_of_long_axes_are_filtered_both_ways(mode):
    """Along an axis of 65 pixels and more the filter's transpose is no matrix."""

    def f(x):
        return nd.spline_filter1d(x, 4, 0, mode=mode), nd.spline_filter(x[:, :1], mode=mode)

    check(f, one(66, 2), layouts=False, second=False)
    adjoint = transform.vjp(trace(lambda x: f(x)[0], (np.ones((5_000, 1)),)).tape, [0])
    assert all(np.prod(node.shape) <= 5_000 for node in adjoint.nodes)


@pytest.mark.parametrize("mode", ["mirror", "constant", "nearest", "wrap", "reflect", "grid-wrap"])
def test_long_axes_are_resampled_by_no_matrix(mode):
    def f(x):
        return nd.shift(x, 0.7, mode=mode), nd.zoom(x, 0.3, mode=mode, grid_mode="grid" in mode)

    check(f, one(501), layouts=False, second=False, single=False)
    adjoint = transform.vjp(trace(lambda x: f(x)[1], (np.ones(5_000),)).tape, [0])
    assert all(np.prod(node.shape) < 6_000 for node in adjoint.nodes)


def test_an_axis_that_is_not_zoomed_is_filtered_beside_one_that_is():
    """SciPy's filter of three pixels is off by 1e-3: the derivative is that of its values."""
    check(lambda x: nd.zoom(x, (0.3, 1), mode="reflect"), one(5, 3), layouts=False, single=False)
    check(lambda x: nd.zoom(x, 1, mode="reflect"), one(5, 3), layouts=False, single=False)

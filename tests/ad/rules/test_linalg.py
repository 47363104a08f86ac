"""Linear algebra and Fourier transforms, each held against every oracle by one line."""

import numpy as np
import pytest

from tests.ad.rules.harness import Draw, check, one, spread

C = {"complex": True}


def matrix(*shape):
    """Matrices far from singular, with distinct singular values."""
    n = shape[-1]

    def shaped(x):
        return 0.3 * x + np.eye(shape[-2], n) * (2.0 + np.arange(n))

    return Draw(shape, shaped)


def hermitian(a):
    return a + np.conjugate(np.swapaxes(a, -1, -2))


def definite(a):
    return np.swapaxes(np.conjugate(a), -1, -2) @ a


def projectors(a):
    """What doesn't depend on the phases of eigenvectors."""
    w, v = np.linalg.eigh(hermitian(a))
    return w, (v * w**2) @ np.conjugate(np.swapaxes(v, -1, -2)), (v * np.conjugate(v)).real


def of_svd(a):
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return (
        (u * np.conjugate(u)).real,
        s,
        (vh * np.conjugate(vh)).real,
        (u * np.sin(s)[..., None, :]) @ vh,
    )


CASES = {
    "solve": (np.linalg.solve, [matrix(3, 3), one(3)], C),
    "solve matrix": (np.linalg.solve, [matrix(3, 3), one(3, 2)], C),
    "solve stack": (np.linalg.solve, [matrix(2, 3, 3), one(3, 2)], C),
    "solve vectors": (np.linalg.solve, [matrix(2, 3, 3), one(3)], C),
    "solve constant": (lambda b: np.linalg.solve(np.eye(3) + 0.1, b), [one(3)], C),
    "inv": (np.linalg.inv, [matrix(3, 3)], C),
    "inv stack": (np.linalg.inv, [matrix(2, 2, 2)], C),
    "det": (np.linalg.det, [matrix(3, 3)], C),
    "det stack": (np.linalg.det, [matrix(2, 2, 2)], C),
    "slogdet": (lambda a: tuple(np.linalg.slogdet(a)), [matrix(3, 3)], C),
    "slogdet name": (lambda a: np.linalg.slogdet(a).logabsdet, [matrix(2, 2, 2)], C),
    "eigh": (projectors, [matrix(3, 3)], C),
    "eigh real": (lambda a: tuple(np.linalg.eigh(hermitian(a))), [matrix(3, 3)], {}),
    "eigh triangle": (lambda a: tuple(np.linalg.eigh(a)), [matrix(3, 3)], {}),
    "eigh upper": (lambda a: tuple(np.linalg.eigh(a, "U")), [matrix(2, 3, 3)], {}),
    "eigvalsh": (np.linalg.eigvalsh, [matrix(3, 3)], C),
    "eigvalsh upper": (lambda a: np.linalg.eigvalsh(a, UPLO="U"), [matrix(2, 3, 3)], C),
    "cholesky": (lambda a: np.linalg.cholesky(definite(a)), [matrix(3, 3)], C),
    "cholesky triangle": (lambda a: np.linalg.cholesky(a), [matrix(2, 3, 3)], {}),
    "cholesky upper": (lambda a: np.linalg.cholesky(definite(a), upper=True), [matrix(3, 3)], C),
    "qr": (lambda a: tuple(np.linalg.qr(a)), [matrix(3, 3)], C),
    "qr tall": (lambda a: tuple(np.linalg.qr(a)), [matrix(4, 2)], C),
    "qr wide": (lambda a: tuple(np.linalg.qr(a)), [matrix(2, 4)], C),
    "qr stack": (lambda a: tuple(np.linalg.qr(a)), [matrix(2, 3, 2)], C),
    "qr r": (lambda a: np.linalg.qr(a, mode="r"), [matrix(3, 2)], C),
    "qr complete": (lambda a: tuple(np.linalg.qr(a, mode="complete")), [matrix(3, 3)], C),
    "svd": (of_svd, [matrix(3, 3)], C),
    "svd tall": (of_svd, [matrix(4, 2)], C),
    "svd wide": (of_svd, [matrix(2, 4)], C),
    "svd stack": (of_svd, [matrix(2, 3, 2)], C),
    "svd square": (lambda a: tuple(np.linalg.svd(a)), [matrix(3, 3)], {}),
    "svd values": (lambda a: np.linalg.svd(a, compute_uv=False), [matrix(3, 2)], C),
    "svdvals": (np.linalg.svdvals, [matrix(2, 3)], C),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b)[:2], [matrix(4, 2), one(4)], C),
    "lstsq matrix": (lambda a, b: np.linalg.lstsq(a, b), [matrix(4, 2), one(4, 3)], C),
    "lstsq wide": (lambda a, b: np.linalg.lstsq(a, b)[0], [matrix(2, 4), one(2)], C),
    "pinv": (np.linalg.pinv, [matrix(3, 2)], C),
    "pinv wide": (lambda a: np.linalg.pinv(a, rcond=1e-9), [matrix(2, 2, 3)], C),
    "pinv rank": (lambda a: np.linalg.pinv(a[:, :1] @ a[:1]), [matrix(3, 3)], {"single": False}),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 3), [matrix(3, 3)], C),
    "matrix_power negative": (lambda a: np.linalg.matrix_power(a, -2), [matrix(2, 2)], C),
    "matrix_power zero": (lambda a: np.linalg.matrix_power(a, 0) * a, [matrix(2, 2)], C),
    "multi_dot": (
        lambda a, b, c: np.linalg.multi_dot([a, b, c]),
        [one(2, 3), one(3, 4), one(4, 2)],
        C,
    ),
    "multi_dot four": (
        lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]),
        [one(3), one(3, 4), one(4, 2), one(2)],
        C,
    ),
    "norm": (np.linalg.norm, [one(3)], C),
    "norm matrix": (np.linalg.norm, [one(2, 3)], C),
    "norm axis": (lambda x: np.linalg.norm(x, axis=1, keepdims=True), [one(2, 3)], C),
    "norm 1": (lambda x: np.linalg.norm(x, 1), [spread(3)], C),
    "norm 3": (lambda x: np.linalg.norm(x, 3, axis=0), [spread(3, 2)], C),
    "norm inf": (lambda x: np.linalg.norm(x, np.inf), [spread(3)], C),
    "norm -inf": (lambda x: np.linalg.norm(x, -np.inf, axis=0), [spread(3, 2)], C),
    "norm fro": (lambda x: np.linalg.norm(x, "fro"), [one(3, 2)], C),
    "norm nuc": (lambda x: np.linalg.norm(x, "nuc"), [matrix(3, 2)], C),
    "norm 2": (lambda x: np.linalg.norm(x, 2), [matrix(3, 2)], C),
    "norm matrix 1": (lambda x: np.linalg.norm(x, 1), [spread(3, 2)], C),
    "norm matrix inf": (lambda x: np.linalg.norm(x, np.inf, axis=(0, 1)), [spread(3, 2)], C),
    "vector_norm": (lambda x: np.linalg.vector_norm(x, axis=0), [one(3, 2)], C),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x), [one(3, 2)], C),
    "cond": (lambda x: np.linalg.cond(x), [matrix(3, 3)], {"looks": True}),
    "trace diagonal": (lambda x: (np.linalg.trace(x), np.linalg.diagonal(x)), [one(2, 3, 3)], C),
    "matrix_transpose": (lambda x: np.linalg.matrix_transpose(x) * 2, [one(2, 3)], C),
    "matmul vecdot": (
        lambda x, y: np.linalg.matmul(x, y) * np.linalg.vecdot(y, y),
        [one(3, 3), one(3)],
        C,
    ),
    "tensorsolve": (
        np.linalg.tensorsolve,
        [Draw((2, 2, 4), lambda x: 0.2 * x + np.eye(4).reshape(2, 2, 4)), one(2, 2)],
        {},
    ),
    "tensorinv": (lambda a: np.linalg.tensorinv(a, 1), [matrix(3, 3)], {}),
    "polyfit": (
        lambda y: np.polyfit(np.arange(5.0), y, 2),
        [one(5)],
        {"looks": True, "single": False},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_linear_algebra(name):
    f, operands, options = CASES[name]
    check(f, *operands, rtol=1e-6, dot=1e-11, **options)


R = {}
FOURIER = {
    "fft": (lambda x: np.fft.fft(x), [one(2, 5)], C),
    "fft cut": (lambda x: np.fft.fft(x, 3, axis=0, norm="ortho"), [one(5, 2)], C),
    "fft filled": (lambda x: np.fft.fft(x, 8, norm="forward"), [one(5)], C),
    "ifft": (lambda x: np.fft.ifft(x), [one(2, 4)], C),
    "ifft cut": (lambda x: np.fft.ifft(x, n=3, norm="ortho"), [one(5)], C),
    "rfft": (lambda x: np.fft.rfft(x), [one(2, 6)], R),
    "rfft odd": (lambda x: np.fft.rfft(x, axis=0, norm="ortho"), [one(5, 2)], R),
    "rfft cut": (lambda x: np.fft.rfft(x, 4), [one(6)], R),
    "rfft filled": (lambda x: np.fft.rfft(x, 9, norm="forward"), [one(6)], R),
    "irfft": (lambda x: np.fft.irfft(x), [one(2, 4)], C),
    "irfft odd": (lambda x: np.fft.irfft(x, 5, axis=0), [one(3, 2)], C),
    "irfft cut": (lambda x: np.fft.irfft(x, 4, norm="ortho"), [one(5)], C),
    "irfft filled": (lambda x: np.fft.irfft(x, 12, norm="forward"), [one(4)], C),
    "hfft": (lambda x: np.fft.hfft(x), [one(2, 4)], C),
    "hfft odd": (lambda x: np.fft.hfft(x, 7, norm="ortho"), [one(4)], C),
    "ihfft": (lambda x: np.fft.ihfft(x), [one(2, 6)], R),
    "fft2": (lambda x: np.fft.fft2(x), [one(2, 3, 4)], C),
    "fft2 sizes": (lambda x: np.fft.fft2(x, (4, 3), norm="ortho"), [one(3, 4)], C),
    "ifft2": (lambda x: np.fft.ifft2(x, axes=(1, 0)), [one(3, 4)], C),
    "rfft2": (lambda x: np.fft.rfft2(x), [one(3, 4)], R),
    "irfft2": (lambda x: np.fft.irfft2(x), [one(3, 4)], C),
    "irfft2 sizes": (lambda x: np.fft.irfft2(x, (3, 5)), [one(3, 3)], C),
    "fftn": (lambda x: np.fft.fftn(x), [one(2, 3, 2)], C),
    "ifftn": (lambda x: np.fft.ifftn(x, axes=(0, 2)), [one(2, 3, 2)], C),
    "rfftn": (lambda x: np.fft.rfftn(x), [one(2, 3, 4)], R),
    "irfftn": (lambda x: np.fft.irfftn(x, s=(2, 4), axes=(0, 1)), [one(2, 3)], C),
    "fftshift": (lambda x: np.fft.fftshift(x), [one(3, 4)], C),
    "ifftshift": (lambda x: np.fft.ifftshift(x, axes=1), [one(3, 5)], C),
    "spectral derivative": (
        lambda u: np.fft.ifft(1j * np.fft.fftfreq(6) * np.fft.fft(u)).real,
        [one(6)],
        {"single": False},
    ),
}


@pytest.mark.parametrize("name", FOURIER)
def test_fourier_transforms(name):
    f, operands, options = FOURIER[name]
    check(f, *operands, **options)

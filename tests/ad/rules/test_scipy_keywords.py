"""Every argument of SciPy's functions: tested in a call, here or in test_scipy, or refused by name.

A line is a call as users write it; names in it are operands.
"""

import ast
import inspect
import pathlib

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

from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.errors import UnsupportedOperationError
from tests.ad.rules.harness import Draw, check, one, positive

VERSION = tuple(map(int, scipy.__version__.split(".")[:2]))
SPACES = {
    "nd": scipy.ndimage,
    "sg": scipy.signal,
    "la": scipy.linalg,
    "ft": scipy.fft,
    "it": scipy.integrate,
    "sp": scipy.special,
    "ss": scipy.sparse.linalg,
}
SPARSE = scipy.sparse.csc_array(
    np.diag(4.0 + np.arange(5)) + np.diag([0.5, -1, 2, 0.1], 1) - np.diag([1, 0.2, 0.7, 1], -1)
)
LOWER = scipy.sparse.csr_array(scipy.sparse.tril(SPARSE))
CONSTANTS = {"SPARSE": SPARSE, "LOWER": LOWER, "np": np}
OPERANDS = {
    "x": one(4, 5),
    "v": one(5),
    "h": one(3),
    "w": one(3, 2),
    "p": positive(3),
    "q": positive(2, 3),
    "c": Draw((4, 5), lambda x: 0.5 * x),
    "m": Draw((3, 3), lambda x: 0.3 * x + np.diag([2.0, 5.0, 9.0])),
    "s": Draw((3, 3), lambda x: 0.02 * (x + x.T) + np.diag([2.0, 5.0, 9.0])),
    "a": Draw((3,), lambda x: 0.2 * x + [4.0, 0.0, 0.0]),
    "b": one(3, 2),
    "d": Draw((3, 4), lambda x: 0.2 * x + np.array([[0.5], [3.0], [0.5]])),
    "e": Draw((2, 4), lambda x: 0.2 * x + np.array([[0.5], [3.0]])),
    "y": one(4, 2),
}

LINES = """
nd.convolve(x, w, mode='constant', cval=0.3, origin=-1)
nd.convolve(x, h, axes=(1,))
nd.convolve1d(x, h, axis=0, mode='constant', cval=0.3, origin=1)
nd.correlate(x, w, mode='constant', cval=0.3, origin=(1, 0))
nd.correlate(x, h, axes=1)
nd.correlate1d(x, h, axis=1, mode='constant', cval=0.3, origin=-1)
nd.gaussian_filter(x, 0.7, mode='constant', cval=0.3, truncate=2.0)
nd.gaussian_filter(x, 0.7, order=1, radius=2, axes=0)
nd.gaussian_filter1d(x, 0.7, 1, mode='constant', cval=0.3, truncate=2.0, order=2)
nd.gaussian_filter1d(x, 0.7, axis=0, radius=1)
nd.gaussian_gradient_magnitude(x, 0.7, mode=['wrap', 'constant'], cval=0.3)
nd.gaussian_gradient_magnitude(10 * x, 0.3, axes=(1,))
nd.gaussian_laplace(x, (0.7, 0.9), mode=['constant', 'wrap'], cval=0.3)
nd.gaussian_laplace(x, 0.7, axes=0)
nd.laplace(x, mode='constant', cval=0.3)
nd.laplace(x, axes=(0,))
nd.prewitt(x, axis=0, mode='constant', cval=0.3)
nd.sobel(x, axis=0, mode=['constant', 'wrap'], cval=0.3)
nd.spline_filter1d(x, order=5, axis=0, mode='reflect')
nd.uniform_filter(x, size=(2, 3), mode='constant', cval=0.3, origin=(0, 1))
nd.uniform_filter(x, 3, axes=(1,))
nd.uniform_filter1d(x, size=3, axis=0, mode='constant', cval=0.3, origin=-1)
nd.zoom(x, 1.7, mode='constant', cval=0.3, prefilter=False)
sg.correlate(x, w, mode='same', method='fft')
sg.correlate2d(x, w, mode='same', boundary='fill', fillvalue=0.3)
sg.oaconvolve(x, w[:, :1], mode='same', axes=0)
sg.sosfiltfilt([[1, 0.5, 0.2, 1, 0.3, 0.1]], x, axis=0, padlen=1)
la.cho_factor(s, overwrite_a=True, check_finite=False)[0]
la.cho_solve((la.cho_factor(s)[0], False), b, overwrite_b=True, check_finite=False)
la.cholesky(s, overwrite_a=True, check_finite=False)
la.det(m, overwrite_a=True, check_finite=False)
la.eigh(m, overwrite_a=True, check_finite=False, driver='ev', eigvals_only=True)
la.eigh(m, s, overwrite_b=True, eigvals_only=True)
la.eigvalsh(m, overwrite_a=True, check_finite=False, driver='evr', subset_by_index=[0, 1])
la.eigvalsh(m, s, overwrite_b=True)
la.inv(m, overwrite_a=True, check_finite=False)
la.inv(s, assume_a='sym', lower=True)
la.lu_factor(m, overwrite_a=True, check_finite=False)[0]
la.lu_solve(la.lu_factor(m), b, overwrite_b=True, check_finite=False)
la.norm(m, ord=1, axis=0, keepdims=True, check_finite=False)
la.qr(m, overwrite_a=True, lwork=64, check_finite=False)
la.solve(m, b, overwrite_a=True, overwrite_b=True, check_finite=False)
la.solve_banded((1, 1), d, y, overwrite_ab=True, overwrite_b=True, check_finite=False)
la.solve_toeplitz(a, h, check_finite=False)
la.solve_triangular(m, h, overwrite_b=True, check_finite=False)
la.solveh_banded(e, y, overwrite_ab=True, overwrite_b=True, check_finite=False)
la.svd(m, overwrite_a=True, check_finite=False, lapack_driver='gesvd')[1]
la.svdvals(m, overwrite_a=True, check_finite=False)
it.cumulative_trapezoid(x, dx=0.3)
it.trapezoid(x, dx=0.3)
sp.log_softmax(x, axis=0)
sp.logsumexp(x, axis=1, b=c * c, keepdims=True)
sp.logsumexp(x, 0, x * x, return_sign=True)
sp.multigammaln(p + 2, d=3)
sp.polygamma(n=2, x=p)
sp.softmax(x, axis=0)
sp.spherical_in(n=2, z=p, derivative=True)
sp.spherical_jn(n=2, z=p, derivative=True)
sp.spherical_kn(n=2, z=p, derivative=True)
sp.spherical_yn(n=2, z=p, derivative=True)
sp.zeta(2.5, q=p)
ft.fftshift(x, axes=0)
ft.ifftshift(x, axes=1)
ss.factorized(SPARSE)(v)
ss.spilu(SPARSE, 1e-9, 9, 'basic', 'NATURAL', 0.5, 1, 1, {}).solve(v)
ss.splu(SPARSE, 'NATURAL', 0.5, 1, 1, {}).solve(v)
ss.spsolve(SPARSE, v, permc_spec='NATURAL', use_umfpack=False)
ss.spsolve_triangular(LOWER, v, True, False, True, True)
""".strip().splitlines()
LINES += [
    f"ft.{name}(x, type={kind}, n=6, axis=0, norm='ortho', overwrite_x=True, workers=1)"
    for name, kind in (("dct", 2), ("idct", 3), ("dst", 4), ("idst", 1))
]
LINES += [
    f"ft.{name}(x, type={kind}, s=(6,), axes=(0,), norm='forward', overwrite_x=True, workers=1)"
    for name, kind in (("dctn", 2), ("idctn", 3), ("dstn", 4), ("idstn", 2))
]
LINES += [
    f"ft.{name}(x, n=6, axis=0, norm='forward', overwrite_x=True, workers=1, plan=None)"
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
]
LINES += [
    f"ft.{name}(x, s=(5, 4), axes=(1, 0), norm='ortho', overwrite_x=True, workers=1, plan=None)"
    for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
]
LINES += [
    f"ft.{name}(x, s=(5, 4), axes=(1, 0), norm='forward', overwrite_x=True, workers=1, plan=None)"
    for name in ("hfft2", "hfftn", "ihfft2", "ihfftn")
]
LINES += [
    f"ft.{name}(x, type={kind}, norm={norm!r}, orthogonalize={norm != 'ortho'})"
    for kind in (1, 2, 3, 4)
    for name, norm in (("dct", "ortho"), ("idct", None), ("dst", "forward"), ("idst", "ortho"))
]
LINES += [
    f"ft.{name}(x, {kind}, orthogonalize=True)"
    for name, kind in (("dctn", 1), ("idctn", 2), ("dstn", 2), ("idstn", 3))
]
# What is written, and into what: also into a part of an array, and in another type.
OUTPUTS = [
    *("nd.convolve(x, w", "nd.correlate(x, w", "nd.convolve1d(x, h", "nd.correlate1d(x, h"),
    *("nd.gaussian_filter(x, 1.0", "nd.gaussian_filter1d(x, 1.0", "nd.gaussian_laplace(x, 1.0"),
    *("nd.gaussian_gradient_magnitude(x, 1.0", "nd.laplace(x", "nd.prewitt(x", "nd.sobel(x"),
    *("nd.uniform_filter(x, 2", "nd.uniform_filter1d(x, 2", "nd.zoom(x, 1.0", "nd.shift(x, 0.7"),
    *("nd.rotate(x, 30.0, reshape=False", "nd.spline_filter(x", "nd.spline_filter1d(x"),
    *("nd.map_coordinates(x, 2 + c[:2, None] * c", "nd.affine_transform(x, c[:2, :2]"),
]
LINES += [f"{line}, output=np.float64)" for line in OUTPUTS]
if VERSION >= (1, 16):
    LINES.append("sp.factorial(p, extend='complex')")

# What has no rule names itself; whole numbers and files of memory among them.
REFUSED = {
    "nd.rotate(x, v[0])": "'angle'",
    "nd.shift(x, v[0])": "'shift'",
    "nd.zoom(x, p[0])": "'zoom'",
    "nd.gaussian_filter(x, p[0])": "'sigma'",
    "nd.convolve(x, w, cval=v[0])": "'cval'",
    "sg.filtfilt(h, a, v, method='gust', irlen=3)": "method='gust'",
    "la.eigh(m, subset_by_value=[0, 3])": "subset_by_value",
    "la.eigvalsh(m, subset_by_value=[0, 3])": "subset_by_value",
    "la.qr(m, mode='raw')": "mode='raw'",
    "la.svd(b)": "full_matrices",
    **{f"sp.{f}(p, 2, exact=True)": "exact=True" for f in ("comb", "perm")},
    "sp.factorial(p, exact=True)": "exact=True",
    "sp.zeta(p, 2.0, out=p)": "out=",
}

# Tested by their own names elsewhere.
ELSEWHERE = {("factorial", "extend")}


def names_in(line):
    found = {n.id for n in ast.walk(ast.parse(line, mode="eval")) if isinstance(n, ast.Name)}
    return sorted(found - SPACES.keys() - CONSTANTS.keys())


def function_of(line):
    names = names_in(line)
    space = {**SPACES, **CONSTANTS}
    return eval(f"lambda {', '.join(names)}: {line}", space), [OPERANDS[n] for n in names]


def parameters(name, function):
    kinds = inspect.Parameter
    try:
        found = inspect.signature(getattr(SPACES[name], function)).parameters.values()
    except (AttributeError, TypeError, ValueError):
        return []
    return [p.name for p in found if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)]


def is_known(line):
    """Tell whether this SciPy has the arguments of a call."""
    name, function = line.split("(")[0].split(".")
    outer = next(n for n in ast.walk(ast.parse(line)) if isinstance(n, ast.Call))
    return {k.arg for k in outer.keywords} <= {*parameters(name, function)}


def given():
    """Return for each function the arguments that some test gives it."""
    own = pathlib.Path(__file__).parent
    texts = [(own / f).read_text() for f in ("test_scipy.py", "test_special.py")]
    found = {}
    for text in (*texts, *LINES, *REFUSED):
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id in SPACES:
                key = node.func.value.id, node.func.attr
                names = parameters(*key)[: len(node.args)]
                found.setdefault(key, set()).update(names, (k.arg for k in node.keywords))
    return found


@pytest.mark.parametrize("block", range(8))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_calls_with_each_argument(block):
    for line in LINES[block::8]:
        f, operands = function_of(line)
        if not is_known(line):
            continue
        try:
            check(f, *operands, rtol=1e-6, dot=1e-11, second=False, layouts=False, single=False)
        except Exception as error:
            error.add_note(f"in the call {line}")
            raise


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_output_is_written_into_and_returned(dtype):
    for line in OUTPUTS:
        names = names_in(line + ")")
        call = eval(f"lambda out, {', '.join(names)}: {line}, output=out)", {**SPACES, **CONSTANTS})

        def written(*xs, call=call):
            whole = np.zeros((8, 5), dtype)
            part = whole[::2]
            assert call(part, *xs) is part
            return whole * 2.0

        rtol = 1e-6 if dtype is np.float64 else 1e-3
        operands = [OPERANDS[n] for n in names]
        check(written, *operands, rtol=rtol, second=False, layouts=False, single=False)


@pytest.mark.parametrize("line", REFUSED)
def test_what_has_no_rule_names_itself(line):
    f, operands = function_of(line)
    rng = np.random.default_rng(0)
    with pytest.raises(UnsupportedOperationError) as caught:
        trace(f, tuple(o(rng, float) for o in operands))
    assert REFUSED[line] in str(caught.value)
    assert line.split("(")[0].split(".")[1] in str(caught.value)


@pytest.mark.skipif(VERSION < (1, 17), reason="the table is of SciPy 1.17's signatures")
def test_every_argument_of_every_function_is_tested_or_refused():
    found = given()
    left = {}
    for name, module in SPACES.items():
        for function in FOREIGN[module.__name__]:
            missing = set(parameters(name, function)) - found.get((name, function), set())
            missing = {p for p in missing if (function, p) not in ELSEWHERE}
            if missing:
                left[f"{name}.{function}"] = missing
    assert left == {}

"""The promised list, name by name: each function is recorded and tested by its name."""

import pathlib
import re

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from revolve_ad.ad.core import elementwise
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.rules.table import FREE, VJP
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.errors import TracedValueError, UnsupportedOperationError


def names(text):
    return text.split()


NUMPY = names("""
sum prod mean var std min max median ptp percentile quantile cumsum cumprod diff gradient trapezoid
convolve correlate interp clip roll pad flip fliplr flipud rot90 tile repeat sort argsort take
take_along_axis put_along_axis choose select piecewise where einsum tensordot kron cross outer
inner vdot dot trace tril triu diag diagonal delete insert append block meshgrid ix_
nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian nanpercentile nanquantile nancumsum
nancumprod polyval average cov corrcoef unwrap nan_to_num partition searchsorted copyto
reshape ravel transpose swapaxes moveaxis squeeze expand_dims concatenate stack vstack hstack dstack
column_stack split array_split broadcast_to broadcast_arrays amax amin any all argmax argmin
count_nonzero round real imag angle sinc i0 putmask compress bincount digitize
""")

LINALG = names("""
solve inv det slogdet norm eigh eigvalsh cholesky qr svd lstsq pinv matrix_power multi_dot
""")

FFT = names("""
fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn fftshift ifftshift
""")

SCIPY = {
    "scipy.special": ["logsumexp", "softmax", "log_softmax", "polygamma", "multigammaln"],
    "scipy.fft": [
        *("dct", "idct", "dst", "idst", "dctn", "idctn", "dstn", "idstn"),
        *("fft", "rfft", "irfft", "hfft", "ihfft", "ifft2", "rfftn", "irfftn"),
    ],
    "scipy.ndimage": [
        *("convolve", "correlate", "convolve1d", "correlate1d"),
        *("gaussian_filter", "gaussian_filter1d", "uniform_filter", "laplace", "sobel"),
    ],
    "scipy.signal": [
        *("convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"),
        "lfilter",
    ],
    "scipy.linalg": [
        *("solve", "solve_banded", "solve_triangular", "cho_factor", "cho_solve"),
        *("solveh_banded", "inv", "det", "cholesky", "expm", "norm"),
    ],
}

# Ufuncs that no array of numbers can meet.
NO_NUMBERS = {"isnat", "matmul", "vecdot", "matvec", "vecmat"}

TESTS = "".join(
    path.read_text()
    for path in pathlib.Path(__file__).parent.glob("test_*.py")
    if path.name != "test_breadth.py"
)


def is_named(name):
    return re.search(rf"\b{re.escape(name)}\b", TESTS) is not None


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_functions_are_recorded_and_tested(name):
    assert getattr(np, name) in FUNCTIONS
    assert is_named(name)


@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra_is_recorded_and_tested(name):
    assert getattr(np.linalg, name) in FUNCTIONS
    assert is_named(name)


@pytest.mark.parametrize("name", FFT)
def test_fourier_transforms_are_recorded_and_tested(name):
    assert getattr(np.fft, name) in FUNCTIONS
    assert is_named(name)


def test_every_ufunc_of_numpy_has_rules():
    ufuncs = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc)}
    without = [
        name
        for name, ufunc in ufuncs.items()
        if VJP.get(elementwise(ufunc)) is None and elementwise(ufunc) not in FREE
    ]
    assert set(without) <= NO_NUMBERS
    assert all(ufuncs[name] in FUNCTIONS for name in without if name != "isnat")


@pytest.mark.parametrize("method", ["reduce", "accumulate", "reduceat", "outer", "at"])
def test_methods_of_ufuncs_are_recorded_and_tested(method):
    assert (np.ufunc, method) in FUNCTIONS
    assert f".{method}(" in TESTS


@pytest.mark.parametrize("module", SCIPY)
def test_functions_of_scipy_are_recorded_and_tested(module):
    for name in SCIPY[module]:
        assert name in FOREIGN[module]
        assert is_named(name)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: np.linalg.qr(x, mode="raw"), "linalg.qr with mode='raw'"),
        (lambda x: np.save("file", x), "save"),
        (lambda x: scipy.linalg.sqrtm(x), "scipy.linalg.sqrtm"),
    ],
)
def test_a_function_without_a_rule_names_itself(call, name):
    from revolve_ad.ad.passes import transform

    with pytest.raises((UnsupportedOperationError, TracedValueError), match=name):
        transform.vjp(trace(call, (np.eye(2),)).tape, [0])


def test_a_function_with_a_rule_that_is_kept_out_of_sight_says_so():
    kept = {"solve": scipy.linalg.solve}
    with pytest.raises(TracedValueError, match="reference.*call it as scipy.linalg.solve"):
        trace(lambda x: kept["solve"](x, x[0]), (np.eye(2),))

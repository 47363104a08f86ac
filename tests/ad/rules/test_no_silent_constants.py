"""Odd ways of computing with a traced array: each gives NumPy's derivative or raises.

What comes back is held against differences of the plain call, so that a value that fell through to
a constant, and with it a gradient of zero, is seen.
"""

import array
import copy
import decimal
import fractions
import functools
import itertools
import json
import math
import operator
import pickle
import statistics
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy
import scipy.integrate
import scipy.interpolate
import scipy.optimize
import scipy.sparse
import scipy.spatial
import scipy.stats

import revolve_ad as ra

MODULES = (
    *(array, copy, decimal, fractions, functools, itertools, json, math, operator, pickle),
    *(statistics, struct, np, scipy, scipy.integrate, scipy.interpolate, scipy.optimize),
    *(scipy.sparse, scipy.spatial, scipy.stats),
)
NAMES = {"np": np, **{module.__name__: module for module in MODULES}}

X = np.array([1.3, -0.7, 0.4, 2.1])
OUTSIDE = np.zeros(4)


def put(function, *args):
    """Return the sum of an array after a function has written into it."""
    a = np.zeros(4)
    function(a, *args)
    return a.sum()


def kept(a, x):
    """Return the sum of squares of an array that `x` has been assigned into."""
    a[...] = x
    return np.sum(a * a)


def in_a_field(x):
    a = np.zeros(4, [("a", float), ("b", int)])
    a["a"][...] = x
    return np.sum(a["a"] ** 2)


def as_a_record(x):
    a = np.zeros(4, [("a", float), ("b", int)])
    a[0] = (x[0], 1)
    return a["a"][0] * 2


def from_outside(x):
    OUTSIDE[0] = x[0]
    return OUTSIDE.sum()


def in_a_thread(x):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: np.sum(x * x)).result()


def shuffled(x):
    x = x.copy()
    np.random.default_rng(0).shuffle(x)
    return x[0]


def without_writing(x):
    x = x.copy()
    x.setflags(write=False)
    return x.sum()


CALLS = """
np.sum(np.array(np.asarray(x).tolist()) ** 2)
np.sum(np.array(x.tolist()) ** 2)
x.item(0) * x[1].item()
np.array([float(x[0]), 1.0]) @ np.ones(2)
np.nan_to_num(1.0 * x[0]) * 2
np.nan_to_num(x.tolist()[0]) * 2
np.nan_to_num(x[0] * 1.0) + np.nan_to_num(x.sum())
np.sum(np.nan_to_num(x.copy(), copy=False))
np.sum(np.vectorize(lambda t: t * t)(x))
np.sum(np.vectorize(lambda t: math.sin(t))(x))
np.sum(np.fromiter((t * t for t in x), float))
np.sum(np.fromiter(x, float, 4))
np.sum(np.frompyfunc(lambda t: t * t, 1, 1)(x).astype(float))
np.sum(np.apply_along_axis(lambda r: r * r, 0, x.reshape(2, 2)))
np.sum(np.select([x > 0, x <= 0], [x * x, -x]))
np.sum(np.frombuffer(x.tobytes()))
np.sum(np.frombuffer(memoryview(x)))
np.sum(np.frombuffer(x.data))
np.sum(np.lib.stride_tricks.as_strided(x, (3, 2), (8, 8)))
np.sum(x.astype(object) ** 2)
np.sum(np.array(list(x), dtype=object) ** 2)
np.array([x[0], None], dtype=object)[0] * 2
kept(np.empty(4, object), x)
kept(np.empty((2, 4)), x)
kept(np.ma.zeros(4), x)
in_a_field(x)
as_a_record(x)
from_outside(x)
in_a_thread(x)
shuffled(x)
without_writing(x)
np.ma.array(x, mask=[0, 1, 0, 0]).sum()
np.ma.masked_where(x < 0, x).sum()
np.sum(np.asmatrix(x) * np.asmatrix(x).T)
np.sum(np.asarray(x, dtype=float) ** 2) + np.sum(np.asanyarray(x) ** 3)
np.sum(np.ascontiguousarray(x) ** 2) + np.sum(np.asfortranarray(x) ** 3)
np.sum(np.require(x, float, "C") ** 2) + np.sum(np.asarray_chkfinite(x) ** 3)
np.sum(np.atleast_3d(x[0], x)[1] ** 2)
np.float64(x[0]) * x[1]
np.float32(x[0]) * 1.0
np.array(x[0]) * np.array(x[1])
np.sum(np.full(3, x[0]) * np.full((2,), fill_value=x[1])[0])
np.sum(np.full_like(np.ones(3), x[0])) + np.sum(np.full_like(x, x[0]))
np.sum(np.arange(x[0], 3.0))
np.sum(np.linspace(x[0], x[1], 5) ** 2) + np.sum(np.linspace(x, 2 * x, 3) ** 2)
np.sum(np.mgrid[x[1] : x[0] : 3j])
np.sum(np.ogrid[0 : x[0] : 0.5])
np.sum(np.r_[x, 1.0, x[0]] ** 2) + np.sum(np.c_[x, x] ** 2)
np.sum(np.outer(x, x)[np.ix_([0, 1], [1, 2])])
np.sum(np.vander(x)) + np.poly1d(x)(2.0)
np.sum(np.bmat([[np.diag(x), np.diag(x)]]))
np.polynomial.Polynomial(x)(2.0)
np.polynomial.polynomial.polyval(2.0, x)
np.polynomial.chebyshev.chebval(0.3, x)
np.sum(np.polynomial.polynomial.polyfit(np.arange(4.0), x, 1))
sum(t * t for t in x)
math.fsum(x)
math.prod(x)
math.hypot(x[0], x[1])
math.dist(x, [0, 0, 0, 0.0])
math.pow(x[0], 2)
statistics.fmean(x)
statistics.mean(x)
float(fractions.Fraction(float(x[0])))
float(decimal.Decimal(x[0]))
round(x[0], 2) * x[1] + round(x[0]) * x[2] + int(x[0]) * x[3]
{x[0]: x[1]}[x[0]]
sum({*x}) + sorted(x)[0] * 2 + max(x) * min(x)
abs(x[1]) + divmod(x[0], 0.5)[1] + pow(x[0], 3)
abs(complex(x[0], x[1]))
(x[0] + 1j * x[1]).real + np.sum(np.array([1j * x[0], x[1]]).imag)
functools.reduce(operator.mul, x) + sum(itertools.accumulate(x))
sum(a * b for a, b in zip(x, x[::-1], strict=True))
np.array([1.0, 2, 3, 4]).dot(x * x) + (np.ones((4, 4)) @ x).sum()
put(operator.setitem, 0, x[0])
put(np.put, [0], x[0])
put(lambda a: np.place(a, a == 0, x))
put(np.copyto, x)
put(lambda a: setattr(a, "flat", x))
put(lambda a: a.fill(x[0]))
sum(t * t for t in x.flat) + sum(t * t for t in np.nditer(x))
sum(t * i[0] for i, t in np.ndenumerate(x)) + sum(x[i] for i in np.ndindex(4))
sum(a * b for a, b in np.broadcast(x, x))
np.sum(np.histogram(x, 3, weights=x)[0] * np.arange(3))
scipy.integrate.quad(lambda t: t * x[0], 0, 1)[0]
scipy.integrate.quad(np.cos, 0, x[0])[0]
scipy.integrate.odeint(lambda y, t: -y, x, [0, 1.0])[-1].sum()
scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), x).y[:, -1].sum()
scipy.interpolate.interp1d([0, 1.0, 2, 3], x)(0.5)
scipy.interpolate.interp1d([0, 1.0, 2, 3], [1.0, 2, 4, 8])(x[0])
scipy.interpolate.CubicSpline([0, 1.0, 2, 3], x)(0.5)
scipy.interpolate.CubicSpline([0, 1.0, 2, 3], [1.0, 2, 4, 8])(x[0])
scipy.interpolate.RegularGridInterpolator(([0, 1.0, 2, 3],), x)([0.5])[0]
scipy.optimize.brentq(lambda t: t - x[0], 0, 3)
scipy.optimize.newton(lambda t: t * t - x[0], 1.0)
scipy.optimize.minimize(lambda t: ((t - x[0]) ** 2).sum(), 1.0).x[0]
scipy.stats.norm.pdf(x[0])
scipy.stats.gmean(x**2)
scipy.spatial.distance.cdist(x[:, None], x[:, None]).sum()
scipy.spatial.cKDTree(x[:, None]).query([[0.0]])[0][0]
np.random.default_rng(0).normal(x[0], 1.0)
np.random.default_rng(0).choice(x, 2).sum()
np.random.default_rng(0).permutation(x)[0]
np.random.default_rng(0).poisson(np.abs(x)).sum() * 1.0
x.view(np.int64).sum() * 1.0
x.view(complex).sum().real
x.byteswap().sum()
x.astype(">f8").sum()
np.sum(pickle.loads(pickle.dumps(x)))
np.sum(copy.deepcopy(x) ** 2) + np.sum(copy.copy(x) ** 3)
json.loads(json.dumps(x.tolist()))[0]
sum(array.array("d", x))
struct.unpack("d", struct.pack("d", x[0]))[0]
np.digitize(x, [0.0, 1.0]).sum() * x[0] + np.count_nonzero(x) * x[1] + np.searchsorted([0.0], x[0])
x[np.where(x > 0)].sum() + x[x > 0].sum() + np.extract(x > 0, x).sum()
np.sum(np.isclose(x, 1.3) * x) + np.array_equal(x, x) * x[0]
np.emath.sqrt(x[0]) + np.sum(np.emath.sqrt(x)).real
np.diagflat(x).sum() + np.trim_zeros(x).sum() + np.ptp(x)
np.stack(list(x)).sum() + np.concatenate([[x[0]], [x[1]]]).sum() + np.hstack([x[0], 3.0]).sum()
np.append([], x).sum() + np.append([1.0], x[0]).sum() + np.insert([1.0, 2], 1, x[0]).sum()
np.pad(np.ones(2), 1, constant_values=x[0]).sum() + np.clip(np.ones(2), x[0], 3.0).sum()
np.power([1.0, 2], x[0]).sum() + np.maximum([1.0, 2], x[0]).sum() + np.dot([1.0, 2], [x[0], x[1]])
np.linalg.norm([x[0], x[1]]) + np.linalg.det([[x[0], 0], [0, x[1]]])
np.abs(np.fft.fft([x[0], x[1]])).sum() + np.interp(0.5, [0, 1.0], [x[0], x[1]])
np.mean([x[0], x[1]]) + np.median([x[0], x[1], x[2]]) + np.var((x[0], x[1])) + np.prod([x[0], x[1]])
np.average([1.0, 2], weights=[x[0], x[3]]) + np.cov([x[0], x[1], x[2]])
""".strip().splitlines()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", range(8))
def test_each_call_has_the_right_gradient_or_raises(block):
    for text in CALLS[block::8]:
        f = eval(f"lambda x: {text}", {**globals(), **NAMES})
        OUTSIDE[:] = 0
        try:
            with np.errstate(all="ignore"):
                found = ra.grad(f)(X)
        except Exception:
            continue  # loud is good enough here
        OUTSIDE[:] = 0
        steps = 1e-6 * np.eye(4)
        expected = [(f(X + e) - f(X - e)) / 2e-6 for e in steps]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=text)


@pytest.mark.filterwarnings("ignore")
def test_most_of_the_calls_work():
    working = 0
    for text in CALLS:
        try:
            with np.errstate(all="ignore"):
                ra.grad(eval(f"lambda x: {text}", {**globals(), **NAMES}))(X)
            working += 1
        except Exception:
            pass
    assert working >= 50


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x[0] * math.sin(ra.stop_gradient(x[1])), [math.sin(X[1]), 0, 0, 0]),
        (lambda x: x[0] * float(ra.stop_gradient(x[1])), [X[1], 0, 0, 0]),
        (
            lambda x: x[0] * scipy.interpolate.interp1d([0, 1.0, 2, 3], ra.stop_gradient(x))(0.5),
            [0.3, 0, 0, 0],
        ),
        (lambda x: np.sum(x * np.asarray(json.loads(json.dumps(cut(x).tolist())))), X),
        (lambda x: np.sum(x * np.frompyfunc(lambda t: t, 1, 1)(cut(x)).astype(float)), X),
    ],
)
def test_what_is_cut_from_the_gradient_may_become_plain(f, expected):
    np.testing.assert_allclose(ra.grad(f)(X), expected, rtol=1e-12)
    tape = ra.record(f, X)
    assert tape.depends_on_values is not None


def cut(x):
    return np.asarray(ra.stop_gradient(x)).__array__()

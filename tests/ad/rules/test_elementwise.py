"""Ufuncs: every one with a derivative, over numbers, vectors, broadcast, empty and odd layouts."""

import functools

import numpy as np
import pytest

from tests.ad.rules.harness import around, check, integers, one, positive, spread

# name, where its operands live, whether complex numbers too
UNARY = [
    ("negative", one, True),
    ("positive", one, True),
    ("absolute", spread, True),
    ("fabs", spread, False),
    ("sign", spread, True),
    ("conjugate", one, True),
    ("exp", one, True),
    ("exp2", one, True),
    ("expm1", one, True),
    ("log", positive, True),
    ("log2", positive, True),
    ("log10", positive, True),
    ("log1p", positive, True),
    ("sqrt", positive, True),
    ("cbrt", positive, False),
    ("square", one, True),
    ("reciprocal", positive, True),
    ("sin", one, True),
    ("cos", one, True),
    ("tan", around, True),
    ("arcsin", around, True),
    ("arccos", around, True),
    ("arctan", one, True),
    ("sinh", one, True),
    ("cosh", one, True),
    ("tanh", one, True),
    ("arcsinh", one, True),
    ("arccosh", lambda *n: positive(*n, low=1.3), True),
    ("arctanh", around, True),
    ("deg2rad", one, False),
    ("radians", one, False),
    ("rad2deg", one, False),
    ("degrees", one, False),
    ("modf", spread, False),
    ("frexp", spread, False),
    ("floor", spread, False),
    ("ceil", spread, False),
    ("trunc", spread, False),
    ("rint", spread, False),
    ("isnan", one, True),
    ("isfinite", one, True),
    ("isinf", one, True),
    ("signbit", spread, False),
    ("spacing", spread, False),
    ("logical_not", one, False),
]


@pytest.mark.parametrize(("name", "draw", "with_complex"), UNARY)
def test_unary_ufuncs(name, draw, with_complex):
    ufunc = getattr(np, name)
    check(ufunc, draw(2, 3), complex=with_complex)
    check(ufunc, draw(), complex=with_complex, layouts=False)
    check(ufunc, draw(0), layouts=False)
    check(lambda x: ufunc(x[0]), draw(2), layouts=False)


def between(*shape):
    """Numbers that aren't near any that `spread` gives."""
    return around(*shape, centre=0.45, width=0.05)


BINARY = [
    ("add", one, one, True),
    ("subtract", one, one, True),
    ("multiply", one, one, True),
    ("divide", one, positive, True),
    ("true_divide", one, positive, True),
    ("power", positive, one, True),
    ("float_power", positive, one, False),
    ("arctan2", positive, positive, False),
    ("hypot", one, positive, False),
    ("logaddexp", one, one, False),
    ("logaddexp2", one, one, False),
    ("maximum", spread, between, False),
    ("minimum", spread, between, False),
    ("fmax", spread, between, False),
    ("fmin", spread, between, False),
    ("fmod", spread, lambda *n: positive(*n, low=20.0), False),
    ("remainder", spread, lambda *n: positive(*n, low=20.0), False),
    ("mod", spread, lambda *n: positive(*n, low=20.0), False),
    ("divmod", spread, lambda *n: positive(*n, low=20.0), False),
    ("floor_divide", spread, lambda *n: positive(*n, low=20.0), False),
    ("copysign", spread, spread, False),
    ("nextafter", one, spread, False),
    ("heaviside", spread, between, False),
    ("less", spread, between, False),
    ("less_equal", spread, between, False),
    ("greater", spread, between, False),
    ("greater_equal", spread, between, False),
    ("equal", one, one, True),
    ("not_equal", one, one, True),
    ("logical_and", one, one, False),
    ("logical_or", one, one, False),
    ("logical_xor", one, one, False),
]


@pytest.mark.parametrize(("name", "left", "right", "with_complex"), BINARY)
def test_binary_ufuncs(name, left, right, with_complex):
    ufunc = getattr(np, name)
    second = name != "nextafter"
    check(ufunc, left(2, 3), right(2, 3), complex=with_complex, second=second)
    check(ufunc, left(2, 1), right(3), complex=with_complex, second=second)
    check(ufunc, left(), right(), layouts=False, second=second)
    check(ufunc, left(3), right(), layouts=False, second=second)
    check(ufunc, left(0, 3), right(3), layouts=False, second=second)
    check(lambda a: ufunc(a, 0.95), left(3), layouts=False, second=second)
    check(lambda b: ufunc(1.6, b), right(3), layouts=False, second=second)
    if name not in ("fmod", "remainder", "mod", "divmod", "floor_divide"):
        check(lambda a: ufunc(a, a[0]), positive(3), layouts=False, second=second)


@pytest.mark.parametrize("p", [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.0, 1.0, 2 + 1j])
def test_powers_with_a_number(p):
    check(lambda x: x**p, positive(3), complex=True)
    check(lambda x: x**p, positive(), layouts=False)
    check(lambda x: np.power(x, p), positive(3), layouts=False)
    check(lambda x: x[0] ** p, positive(3), layouts=False)


def test_powers_of_numbers_and_of_integers():
    check(lambda x: 2**x, one(3), complex=True)
    check(lambda x: 2.5**x, one())
    check(lambda x, n: x**n, positive(3), integers(3))
    check(lambda x, n: n**x, positive(3), np.array([1, 2, 3]))
    check(lambda x: x**2, one(3))
    check(lambda x: x**3, np.array([-1.0, 0.0, 2.0]))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x / y,
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: x**y,
        lambda x, y: divmod(x, y),
        lambda x, y: -x + +y,
        lambda x, y: abs(x) * y,
        lambda x, y: (x < y) * x + (x >= y) * y,
        lambda x, y: np.where((x == y) | ~(x != y) & (x > 0) ^ (y <= 0), x, y),
    ],
)
def test_operators(f):
    large = functools.partial(around, centre=7.1)
    check(f, around(2, 3, centre=1.4), large(3))
    check(f, around(centre=1.4), large(), layouts=False)
    check(lambda x: f(x, 2.5), large(3, width=0.3), layouts=False)
    check(lambda x: f(2.5, x), large(3), layouts=False)
    check(lambda x: f(x, 2), large(3), layouts=False)
    check(lambda x: f(np.array([1.5, 2.5, 3.5]), x), large(3), layouts=False)
    check(lambda x: f(np.float64(1.5), x), large(3), layouts=False)


def test_integers_are_carried():
    check(lambda x, n: x * n + n % 2, one(3), integers(3))
    check(
        lambda x, n: x * (n & 1) + (n | 2) + (n ^ 1) + (n << 1) + (n >> 1) + ~n, one(3), integers(3)
    )
    check(lambda x, n: np.gcd(n, 2) * x + np.lcm(n, 3), one(3), integers(3))
    check(lambda x, n: np.ldexp(x, n), one(3), integers(3))
    check(lambda x, n: np.bitwise_count(n) * x, one(3), integers(3))
    check(lambda x, n: (n / 2 + x, n // 2, n**2), one(3), integers(3))


def test_keywords_of_ufuncs():
    check(lambda x: np.sin(x, dtype=np.float64), one(3), layouts=False)
    check(lambda x, y: np.add(x, y, out=np.empty(3)), one(3), one(3), single=False)

    def masked(x, y):
        z = x * 2
        np.multiply(x, y, out=z, where=x > 0)
        return z

    check(masked, spread(2, 3), one(2, 3))

    def two(x):
        a, b = np.empty(3), np.empty(3)
        np.modf(x, out=(a, b))
        return a * b

    check(two, spread(3), single=False)


def test_methods_of_ufuncs():
    check(lambda x: np.add.reduce(x), one(3, 2))
    check(lambda x: np.multiply.reduce(x, axis=1, keepdims=True), one(3, 2), complex=True)
    check(lambda x: np.maximum.reduce(x, axis=None), spread(3, 2))
    check(lambda x: np.minimum.reduce(x, axis=0, initial=0.1), spread(3, 2))
    check(lambda x: np.logical_and.reduce(x > 0), one(3, 2))
    check(lambda x: np.subtract.reduce(x), one(3, 2))
    check(lambda x: np.divide.reduce(x, axis=1), positive(3, 2))
    check(lambda x: np.power.reduce(x), positive(3, 2))
    check(lambda x: np.hypot.reduce(x), positive(3, 2))
    check(lambda x: np.logaddexp.reduce(x, axis=1), one(2, 3))
    check(lambda x: np.fmax.reduce(x), spread(3, 2))
    check(lambda x: np.add.accumulate(x, axis=1), one(3, 2), complex=True)
    check(lambda x: np.multiply.accumulate(x), one(3, 2), complex=True)
    check(lambda x: np.maximum.accumulate(x), spread(4))
    check(lambda x: np.minimum.accumulate(x), spread(4))
    check(lambda x: np.logaddexp.accumulate(x), one(4))
    check(lambda x, y: np.multiply.outer(x, y), one(3), one(2, 2))
    check(lambda x: np.subtract.outer(x, [1.0, 2.0]), one(3))
    check(lambda x: np.subtract.outer(np.arange(2.0), x), one(3))
    check(lambda x: np.add.reduceat(x, [0, 2, 1]), one(4))
    check(lambda x: np.multiply.reduceat(x, [0, 2], axis=1), one(2, 4))


def at(ufunc):
    def f(x, y):
        z = x * 1
        ufunc.at(z, [0, 2, 0], y)
        return z

    return f


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "power"])
def test_writes_at_repeated_indices(name):
    check(at(getattr(np, name)), spread(3) if name == "maximum" else positive(3), positive(3))


def test_unary_writes_at_indices():
    def f(x):
        z = x * 1
        np.negative.at(z, [0, 1])
        return z

    check(f, one(3))

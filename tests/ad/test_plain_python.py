"""What plain Python around NumPy does to traced values: what NumPy does, or an error that helps."""

import copy
import dataclasses
import decimal
import functools
import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.errors import TracedValueError, WriteError

X = np.array([0.31, -1.2, 2.6, 0.7, 1.1, -0.4])
MATRIX = scipy.sparse.csc_matrix(np.diag(np.arange(1.0, 5.0)) + 0.1)
FACTORS = scipy.sparse.linalg.splu(MATRIX)


@dataclasses.dataclass
class State:
    u: Any
    t: Any


def by_cases(x):
    match x.shape:
        case (6,):
            return x[0] * x[1]
    return x[1]


def written_by_a_walk(x):
    a = x.reshape(2, 3).T.copy()
    for v in np.nditer(a, op_flags=["readwrite"]):
        v[...] = v * v + 1
    for (i, j), v in np.ndenumerate(a):
        a[i, j] = v * (i + 2 * j)
    return np.sum(a * a)


def copied(x):
    a, b = copy.copy(x), copy.deepcopy({"x": x})
    a[0], b["x"][1] = 2 * x[1], x[2]
    return np.sum(a * b["x"] * x)


# Lists and tuples of traced numbers, as NumPy's functions take them.
LISTS = {
    "sum": lambda x: np.sum([x[0], x[1] * x[2]]),
    "max": lambda x: np.max((x[0], x[1], 2.0)) + np.min([x[3], x[4]]),
    "mean and std": lambda x: np.mean([x[0], x[1]]) * np.std([x[2], x[3], 1.0]),
    "stack": lambda x: np.sum(np.stack([x[0], x[1]]) ** 2),
    "joined": lambda x: np.sum(np.concatenate([[x[0], x[1]], [1.0]]) ** 2),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "dot": lambda x: np.dot([x[0], x[1]], [x[2], 2.0]),
    "interp": lambda x: np.interp(0.3, [0.0, 1.0], [x[1], x[2]]),
    "ufunc": lambda x: np.sum(np.sin([x[0], x[1]]) * np.maximum([x[2], x[3]], 1.0)),
    "reduce": lambda x: np.multiply.reduce([x[0], x[1]]),
    "det": lambda x: np.linalg.det([[x[0], x[1]], [1.0, x[2]]]),
    "solve": lambda x: np.sum(np.linalg.solve([[x[0], 1], [1, x[2]]], [x[1], 2.0])),
    "einsum": lambda x: np.einsum("i,i", [x[0], x[1]], [x[2], x[3]]),
    "where": lambda x: np.sum(np.where([True, False], [x[0], x[1]], 0.5)),
    "r_ and c_": lambda x: np.sum(np.r_[x[0], x[1:3]] ** 2) + np.sum(np.c_[x[:2], x[2:4]] ** 2),
    "fromiter": lambda x: np.sum(np.fromiter((v * v for v in x), float)),
    "reshape": lambda x: np.sum(np.reshape([x[0], x[1]], (2, 1)) ** 2),
}

# Arrays made inside that depend on no argument are plain to code that has no rule.
CONSTANTS = {
    "factors from outside": lambda x: x[0] * FACTORS.solve(np.ones(4)).sum(),
    "factors made inside": lambda x: (
        x[0] * scipy.sparse.linalg.splu(MATRIX).solve(np.arange(4.0)).sum()
    ),
    "math": lambda x: x[0] * math.sin(np.ones(1)[0]),
    "banded": lambda x: (
        x[0] * scipy.linalg.solve_banded((1, 1), np.ones((3, 4)), np.arange(4.0)).sum()
    ),
    "random": lambda x: (
        x[0] * np.random.default_rng(0).normal(np.zeros(3), np.ones(3)).sum()
        + x[1] * np.random.default_rng(0).permutation(np.arange(4))[0]
    ),
    "no rule": lambda x: x[0] * np.packbits(np.ones(8, bool))[0],
    "no rule, a method": lambda x: x[0] * len(np.ones(3).tobytes()),
    "eigenvalues": lambda x: x[0] * np.linalg.eigvals(np.eye(2)).sum(),
    "histogram": lambda x: x[0] * np.histogram(np.arange(4.0), bins=2)[0].sum(),
    "sparse": lambda x: np.sum(scipy.sparse.diags([np.ones(6)], [0]) @ x),
}

PYTHON = {
    "abs": lambda x: abs(x[1]) * abs(x).sum(),
    "round": lambda x: round(x[0], 1) * 0 + x[1],
    "divmod": lambda x: divmod(x[2], 0.37)[1] * x[0],
    "sum": lambda x: sum(x) * sum((v * v for v in x), 1.0),
    "prod": lambda x: math.prod(x),
    "map": lambda x: sum(map(np.sin, x)),
    "zip": lambda x: sum(a * b for a, b in zip(x, reversed(x), strict=True)),
    "reduce": lambda x: functools.reduce(operator.mul, x) * sum(itertools.accumulate(x)),
    "unpack": lambda x: (lambda a, b, *c: a * b + sum(c))(*x),
    "text": lambda x: x[0] * len(f"{x[0]:.3f} {x[1]} {x}" + str(x[2])),
    "dataclass": lambda x: (lambda s: np.sum(s.u) * s.t)(
        dataclasses.replace(State(x[:3], x[3]), t=x[4])
    ),
    "match": by_cases,
    "copies": copied,
    "walks": written_by_a_walk,
    "index": lambda x: sum(x[i] * i[0] for i in np.ndindex(x.shape)),
    "power": lambda x: pow(x[0], 2) + 2 ** x[0] + x[0] ** x[3] + (x**2).sum(),
}

BRANCHES = {
    "if": lambda x: np.sum(x) if x[0] > 0 else x[1],
    "not": lambda x: x[0] if not x[1] else x[2],
    "chain": lambda x: x[0] if 0 < x[0] < 1 else x[1],
    "max": lambda x: max(x) * min(x[0], x[1]) + max([x[0], 0.0]),
    "in": lambda x: x[0] if 0.5 in x else x[1],
    "sorted": lambda x: sorted(x)[0] * sorted(x, key=lambda v: -v)[0],
    "any": lambda x: x[0] if any(x > 2) and not all(x > 0) else x[1],
    "isnan": lambda x: x[0] if np.isnan(x).any() else x[1],
    "int": lambda x: x[int(x[2])] * [x[1], x[2], x[3]][int(x[2])],
    "floor": lambda x: math.floor(x[2]) * x[1] + math.ceil(x[2]) * x[0] + math.trunc(x[2]) * x[3],
    "key": lambda x: {x[0]: 2.0}[x[0]] * x[1],
    "is_integer": lambda x: x[0] if x[0].is_integer() else x[1],
    "case": lambda x: next(x[k] for k in (1, 2) if x[0] != 0.5),
}


def assert_as_numpy(f):
    value, gradient = ra.value_and_grad(f)(X)
    assert value == f(X.copy())
    h = 1e-6 * np.eye(6)
    slopes = [(f(X + e) - f(X - e)) / 2e-6 for e in h]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_traced_numbers_are_arrays_to_numpy(name):
    assert_as_numpy(LISTS[name])
    assert ra.record(LISTS[name], X).depends_on_values is None


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_made_inside_are_plain_to_foreign_code(name):
    assert_as_numpy(CONSTANTS[name])


@pytest.mark.parametrize("name", [k for k in PYTHON if k != "text"])
def test_plain_python_keeps_the_tape(name):
    assert_as_numpy(PYTHON[name])
    assert ra.record(PYTHON[name], X).depends_on_values is None


def test_a_traced_value_is_printed_as_numpys():
    f = PYTHON["text"]
    assert ra.value_and_grad(f)(X)[0] == f(X)


@pytest.mark.parametrize("name", BRANCHES)
def test_what_looks_at_a_value_marks_the_tape_with_its_line(name):
    assert_as_numpy(BRANCHES[name])
    assert "test_plain_python.py" in ra.record(BRANCHES[name], X).depends_on_values


@pytest.mark.parametrize(
    "f",
    [math.sin, math.sqrt, math.isnan, float, complex, np.float64, lambda v: "%f" % v],  # noqa: UP031
)
def test_what_would_lose_the_derivative_says_what_to_write(f):
    with pytest.raises(TracedValueError, match="stop_gradient"):
        ra.grad(lambda x: f(x[0]) * x[1])(X)


def test_the_number_types_of_numpy_say_what_does_the_same():
    with pytest.raises(TracedValueError, match=r"np\.asarray\(x, np\.float64\) does what np"):
        ra.grad(lambda x: np.float64(x) * x)(2.0)
    for x, expected in ((2.0, 8.0), (np.array(3.0), 12.0)):
        assert ra.grad(lambda x: np.asarray(x, np.float64) * 2.0 * x)(x) == expected


def test_a_traced_value_in_a_function_of_c_says_what_to_write():
    with pytest.raises(TypeError, match="Traced") as caught:
        ra.grad(lambda x: float(decimal.Decimal(x[0])))(X)
    assert "ra.primitive" in caught.value.__notes__[0]


def test_foreign_code_that_writes_into_an_array_of_the_recording_is_refused():
    def fill(a):
        a.__array__()[0] = 7.0  # as a function of C would

    def f(x):
        a = np.zeros(3)
        fill(a)
        return np.sum(a) + x[0]

    with pytest.raises(WriteError, match="wrote into an array"):
        ra.grad(f)(X)


def test_a_function_that_needs_a_second_run_needs_it_once():
    calls = []

    def f(x):
        calls.append(1)
        return np.sum([x[0], x[1]])

    trace(f, (X,))
    first = len(calls)
    trace(f, (X,))
    assert (first, len(calls)) == (2, 3)

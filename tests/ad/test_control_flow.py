"""Python's control flow on traced values does what NumPy would, and the tape names the line."""

import inspect
import math

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import ParameterError, TracedValueError

X = np.array([0.31, -1.2, 2.6, 0.7, 1.1, -0.4])
TABLE = [0.5, 2.0, -1.0]
NUMBERS = np.arange(6.0)


def while_above(x):
    u, n = x[2] * 1.0, 0
    while u > 0.3:  # here
        u = u * 0.5
        n += 1
    return u * n + x[0]


def until_converged(x):
    u = x[3]
    for _ in range(100):
        new = 0.5 * (u + x[2] / u)
        if abs(new - u) < 1e-14:  # here
            break
        u = new
    return u * x[0]


def branch_in_a_helper(x):
    def limited(v):
        return v if v < 1.0 else 1.0 + 0.1 * v  # here

    return sum(limited(v) for v in x)


def chained(x):
    return x[0] if -1 < x[1] < 0 < x[2] else x[3]  # here


def boolean(x):
    return x[0] * 2 if bool(x[1] < 0) else x[1]  # here


def either(x):
    return (x[0] * 0 or x[1]) * (x[2] and x[3])  # here


def checked(x):
    assert x[0] > 0  # here
    return x[0] ** 2


def counted(x):
    n = int(x[2])  # here
    return sum(x[k] for k in range(n)) * x[5]


def a_traced_range(x):
    n = np.floor(x[2]).astype(int)
    return sum(x[k] * k for k in range(n + 1))  # here


def from_a_list(x):
    n = np.argmin(x)
    return TABLE[n] * x[n]  # here


def from_an_array(x):
    n = np.argmax(x)
    return NUMBERS[n] * x[0]  # here


def largest(x):
    return max(x[0], x[2]) * min(x[1], 0.5)  # here


def in_order(x):
    low, *_, high = sorted(x)  # here
    return low * high


def rounded(x):
    return round(x[2]) * x[0]  # here


def to_integer(x):
    return math.floor(x[2]) * x[1]  # here


def quotient(x):
    q, r = divmod(x[2], 0.7)
    return r * x[0] + (x[1] if q == 3 else x[3])  # here


def matched(x):
    match int(x[2]):  # here
        case 2:
            return x[0] * x[1]
    return x[1]


def guarded(x):
    match x[0]:
        case v if v > 0.3:  # here
            return v * x[1]
    return x[1]


def any_of(x):
    return x[0] if np.any(x > 2.5) else x[1]  # here


def all_of(x):
    return x[0] if (x < 3).all() else x[1]  # here


def close(x):
    return x[0] if np.allclose(x, X, atol=0.5) else x[1]  # here


def up_to(x):
    n = int(np.sum(x > 0))  # here
    return np.sum(x[:n] ** 2)


def how_many(x):
    return x[0] * len(x[x > 0])  # here


def a_shape(x):
    return np.sum(np.zeros(int(x[2])) + x[0])  # here


def in_a_set(x):
    return x[0] if x[1] in {-1.2, 5.0} else x[1]  # here


CASES = [
    f
    for f in list(globals().values())
    if inspect.isfunction(f) and f.__module__ == __name__ and not f.__name__.startswith("test")
]


def marked_line(f):
    lines, first = inspect.getsourcelines(f)
    (found,) = [first + k for k, line in enumerate(lines) if "# here" in line]
    return found


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_control_flow_on_values_is_numpys_and_the_tape_names_its_line(f):
    value, gradient = ra.value_and_grad(f)(X)
    assert value == f(X)
    slopes = [
        (f(X + e) - f(X - e)) / 2e-6 if f is not in_a_set or k != 1 else 0.0
        for k, e in enumerate(1e-6 * np.eye(6))
    ]
    np.testing.assert_allclose(gradient, slopes, rtol=2e-6, atol=1e-7)
    tape = ra.record(f, X)
    assert f"{__file__}:{marked_line(f)} in " in tape.depends_on_values
    with pytest.raises(ParameterError, match="recorded arguments alone"):
        tape(X + 0.1)


@pytest.mark.parametrize("f", [while_above, until_converged, chained, counted, matched])
def test_other_values_take_their_own_way_in_a_simulation(f):
    def step(u, p, k):
        return u * 0.9 + 0.01 * f(u) * p

    def objective(u, schedule):
        sim = ra.Simulation(step, steps=5, schedule=schedule, native=False)
        return np.sum(sim(u, np.ones(6)).state ** 2)

    for start in (X, X[::-1] + 3.0):
        gradients = [
            ra.grad(lambda u, s=schedule: objective(u, s))(start)
            for schedule in (ra.schedule.store_all(5), ra.schedule.binomial(5, 2))
        ]
        np.testing.assert_array_equal(*gradients)
        u = start
        slopes = []
        for e in 1e-6 * np.eye(6):
            ends = []
            for sign in (1, -1):
                u = start + sign * e
                for k in range(5):
                    u = step(u, np.ones(6), k)
                ends.append(np.sum(u**2))
            slopes.append((ends[0] - ends[1]) / 2e-6)
        np.testing.assert_allclose(gradients[0], slopes, rtol=1e-5, atol=1e-6)


def test_the_plan_of_a_simulation_names_the_line():
    def step(u, p, k):
        return u * 0.5 if u[0] > 0 else u  # here

    sim = ra.Simulation(step, steps=4)
    assert f"{__file__}:{marked_line(step)}" in str(sim.plan(np.ones(3)))


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: x[0] if x > 0 else x[1], ValueError),  # which element?
        (lambda x: x[0] if x[1:] == x[:-1] else x[1], ValueError),
        (lambda x: x[x[0]], IndexError),
        (lambda x: TABLE[x[0]], TypeError),
        (lambda x: sum(x[k] for k in range(x[2])), TypeError),
        (lambda x: x[0] * max(x.reshape(2, 3)).sum(), ValueError),
        (lambda x: {x: 1.0}[x], TypeError),
    ],
)
def test_what_numpy_refuses_is_refused_alike(f, error):
    with pytest.raises(error):
        f(X)
    with pytest.raises(error):
        ra.grad(f)(X)


@pytest.mark.parametrize("f", [math.sin, math.exp, math.hypot, float, complex, "{:d}".format])
def test_what_loses_the_derivative_is_refused_with_a_remedy(f):
    with pytest.raises((TracedValueError, ValueError)) as caught:
        ra.grad(lambda x: f(x[0]) * x[1])(X)
    if f != "{:d}".format:
        assert "stop_gradient" in str(caught.value)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: abs(x[1]) + abs(x).sum(),
        lambda x: round(x[0], 2) + x[1],
        lambda x: divmod(x[2], 0.7)[1],
        lambda x: sum(x) * math.prod(x),
        lambda x: np.where(x > 0, x, x * x).sum(),
        lambda x: np.clip(x, -0.5, 0.5).sum() + np.maximum(x, 0.2).min(),
        lambda x: sum(v * k for k, v in enumerate(x)),
        lambda x: np.sum(x[x > 0]) + np.sum(x * (x > 1)),
        lambda x: np.sum(x[np.nonzero(x > 0.5)] ** 2),
        lambda x: np.arange(6.0)[np.argmax(x)] * x[0],
        lambda x: x[np.argsort(x)][0] * np.sort(x)[-1],
        lambda x: np.take(x, np.argmax(x)) * x[np.argmin(x)],
    ],
)
def test_what_needs_no_decision_keeps_the_tape(f):
    tape = ra.record(f, X)
    assert tape.depends_on_values is None
    other = np.roll(X, 2) * 1.1
    assert tape(other) == f(other)

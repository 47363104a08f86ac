"""Forward mode and second derivatives of steps that branch on values: each step's own tape."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import BudgetError, TracedValueError
from revolve_ad.schedule import binomial, store_all

N = 9
START = np.array([0.3, 0.5, 0.9, 0.1])
X = np.array([*START, 0.73])
V = np.array([0.2, -0.4, 0.3, 0.5, 0.9])


def branching(u: Any, p: Any, k: Any) -> Any:
    """Take two ways, and write in place."""
    if np.sum(u) > 2.0:
        u[1:] -= 0.1 * p * u[1:] * u[:-1]
        return u
    return u + 0.1 * p * np.sin(u[::-1])


def look(u: Any, p: Any, k: Any) -> Any:
    return np.sum(u * u * p) if np.sum(u) > 1.9 else np.sum(np.sin(u) * p)


def smooth(u: Any, p: Any, k: Any) -> Any:
    return u + 0.1 * p * np.sin(u[::-1])


def looped(step: Any, observe: Any) -> Callable[[Any], Any]:
    """Return the loop written out, which is one tape without checkpoints."""

    def f(x: Any) -> Any:
        u, p = np.array(x[:4]), x[4]
        total = observe(u, p, 0) ** 3
        for k in range(N):
            u = step(u, p, k)
            total = total + observe(u, p, k + 1) ** 3
        return total + np.sum(u**2)

    return f


def simulated(step: Any, observe: Any, **options: Any) -> Callable[[Any], Any]:
    simulation = ra.Simulation(step, steps=N, observe=observe, **options)

    def f(x: Any) -> Any:
        run = simulation(x[:4], x[4])
        return np.sum(run.state**2) + np.sum(run.observed**3)

    return f


def test_both_ways_are_taken() -> None:
    sums, firsts, u = [], [], START.copy()
    for k in range(N):
        sums.append(bool(np.sum(u) > 2.0))
        firsts.append(bool(np.sum(u) > 1.9))
        u = branching(u, 0.73, k)
    assert len(set(sums)) == len(set(firsts)) == 2


CASES = [
    (branching, look, "auto"),
    (branching, lambda u, p, k: np.sum(u), False),
    (smooth, look, "auto"),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_tangents_and_second_derivatives_are_those_of_the_loop(case: int) -> None:
    step, observe, native = CASES[case]
    f, plain = simulated(step, observe, native=native), looped(step, observe)
    assert ra.jvp(f, (X,), (V,))[1] == pytest.approx(ra.jvp(plain, (X,), (V,))[1], rel=1e-13)
    assert ra.jvp(f, (X,), (V,))[1] == pytest.approx(ra.grad(f)(X) @ V, rel=1e-12)
    np.testing.assert_allclose(ra.hvp(f, X, V), ra.hvp(plain, X, V), rtol=1e-12)
    if case == 0:
        found = ra.hessian(f)(X)
        np.testing.assert_allclose(found, ra.hessian(plain)(X), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(found, found.T, rtol=1e-11, atol=1e-11)


def test_a_tangent_of_a_tangent_is_a_second_derivative() -> None:
    f, plain = simulated(branching, look), looped(branching, look)

    def twice(g: Callable[[Any], Any]) -> Any:
        return ra.jvp(lambda x: ra.jvp(g, (x,), (V,))[1], (X,), (V,))[1]

    assert twice(f) == pytest.approx(twice(plain), rel=1e-12)
    assert twice(f) == pytest.approx(V @ ra.hvp(f, X, V), rel=1e-12)


def test_under_every_schedule_and_budget_the_bits_are_those_of_store_all() -> None:
    expected = ra.hvp(simulated(branching, look, schedule=store_all), X, V).tobytes()
    for n in (1, 3):
        f = simulated(branching, look, schedule=lambda total, n=n: binomial(total, n))
        assert ra.hvp(f, X, V).tobytes() == expected
    for memory in ("5kB",):
        assert ra.hvp(simulated(branching, look, memory=memory), X, V).tobytes() == expected
    f = simulated(branching, look, replay_check="all", schedule=lambda total: binomial(total, 2))
    assert ra.hvp(f, X, V).tobytes() == expected
    ra.hvp(f, X + 0.3, V)
    assert ra.hvp(f, X, V).tobytes() == expected


def test_second_derivatives_of_a_compiled_step_with_a_branching_observation() -> None:
    pytest.importorskip("numba")
    f = simulated(smooth, look, native=True)
    np.testing.assert_allclose(ra.hvp(f, X, V), ra.hvp(looped(smooth, look), X, V), rtol=1e-11)


def test_powers_of_two_rates_in_closed_form() -> None:
    # Below 1 the state grows by a, from there on it shrinks by b: u = u0 aᵐ bⁿ in the end.
    counts = [0, 0]

    def step(u: Any, rates: Any, k: Any) -> Any:
        a, b = rates
        return u * a if u < 1.0 else u * b

    u = 0.3
    for k in range(30):
        counts[u >= 1.0] += 1
        u = step(u, (1.2, 0.9), k)
    m, n = counts
    assert min(m, n) > 5
    simulation = ra.Simulation(step, steps=30, schedule=lambda total: binomial(total, 3))
    a, b = 1.2, 0.9
    found = ra.hessian(lambda x: simulation(0.3, (x[0], x[1])).state)(np.array([a, b]))
    scale = 0.3 * a**m * b**n
    mixed = scale * m * n / (a * b)
    exact = [[scale * m * (m - 1) / a**2, mixed], [mixed, scale * n * (n - 1) / b**2]]
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def newton(y: Any, p: Any, k: Any, h: Any) -> Any:
    """Take a step of implicit Euler for y' = -p y³ by Newton's method, until it converges."""
    z = y
    while True:
        residual = z + h * p * z**3 - y
        z = z - residual / (1 + 3 * h * p * z**2)
        if np.max(np.abs(residual)) < 1e-9:  # and one more: its derivatives converge too
            residual = z + h * p * z**3 - y
            return z - residual / (1 + 3 * h * p * z**2)


def test_newton_iterations_give_the_second_derivative_of_the_root() -> None:
    # With z + h p z³ = y: differentiate twice by p.
    inputs = np.linspace(0.05, 0.3, 8)
    simulation = ra.Simulation(newton, steps=8, schedule=lambda total: binomial(total, 2))
    y, p = 1.3, 0.7
    z, z1, z2 = y, 0.0, 0.0
    for h in inputs:
        old, old1, old2, z = z, z1, z2, z
        for _ in range(50):
            z = z - (z + h * p * z**3 - old) / (1 + 3 * h * p * z**2)
        slope = 1 + 3 * h * p * z**2
        z1 = (old1 - h * z**3) / slope
        z2 = (old2 - 6 * h * z**2 * z1 - 6 * h * p * z * z1**2) / slope
    f = lambda p: simulation(y, p, inputs).state  # noqa: E731
    assert f(p) == pytest.approx(z, rel=1e-13)
    assert ra.jvp(f, (p,), (1.0,))[1] == pytest.approx(z1, rel=1e-12)
    assert ra.hvp(f, p, 1.0) == pytest.approx(z2, rel=1e-11)
    by_inputs = ra.hessian(lambda h: simulation(y, p, h).state)(inputs)
    d = np.zeros(8)
    d[3] = 1e-4
    gradient = ra.grad(lambda h: simulation(y, p, h).state)
    difference = (gradient(inputs + d) - gradient(inputs - d)) / 2e-4
    np.testing.assert_allclose(by_inputs[:, 3], difference, rtol=1e-6, atol=1e-9)


def adaptive(state: Any, p: Any, k: Any) -> Any:
    """Take one accepted step of Heun's method; halve it until the error is small."""
    t, y, h = state["t"], state["y"], state["h"]
    while True:
        first = -p * y
        second = -p * (y + h * first)
        if np.max(np.abs(h * (second - first))) < 0.02:
            break
        h = h / 2
    return {"t": t + h, "y": y + 0.5 * h * (first + second), "h": 1.5 * h}


def test_an_adaptive_step_in_structured_state_of_two_precisions() -> None:
    def run(p: Any) -> Any:
        state = {"t": 0.0, "y": np.array([1.0, 0.4], np.float32), "h": 0.4}
        for k in range(6):
            state = adaptive(state, p, k)
        return np.sum(state["y"] ** 2) * state["t"]

    simulation = ra.Simulation(adaptive, steps=6, schedule=lambda total: binomial(total, 2))

    def f(p: Any) -> Any:
        start = {"t": 0.0, "y": np.array([1.0, 0.4], np.float32), "h": 0.4}
        end = simulation(start, p).state
        return np.sum(end["y"] ** 2) * end["t"]

    p = np.float32(1.7)
    assert f(p) == pytest.approx(run(p), rel=1e-6)
    assert ra.hvp(f, p, np.float32(1)) == pytest.approx(ra.hvp(run, p, np.float32(1)), rel=1e-4)


def test_params_that_only_the_observation_reads() -> None:
    simulation = ra.Simulation(
        lambda u, p, k: u * 1.1 if np.sum(u) < 3 else u * u,
        steps=6,
        observe=lambda u, p, k: np.sum(np.sin(u * p)) if k % 2 else np.sum(u) * p**2,
    )

    def f(p: Any) -> Any:
        return np.sum(simulation(START, p).observed ** 2)

    def plain(p: Any) -> Any:
        u, total = START, 0.0
        for k in range(7):
            seen = np.sum(np.sin(u * p)) if k % 2 else np.sum(u) * p**2
            total = total + seen**2
            u = u * 1.1 if np.sum(u) < 3 else u * u
        return total

    assert ra.hvp(f, 0.7, 1.0) == pytest.approx(ra.hvp(plain, 0.7, 1.0), rel=1e-13)
    assert ra.jvp(f, (0.7,), (1.0,))[1] == pytest.approx(ra.grad(plain)(0.7), rel=1e-13)


def with_captured(where: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return a function whose simulation reads traced values of it, and the loop written out."""

    def step_of(x: Any) -> Any:
        q, factor = 2 * x[4], x[:4] * 0.5
        if where == "observe":
            return branching
        return lambda u, p, k: factor * u + q if k % 3 else branching(u + factor, q * p, k)

    def look_of(x: Any) -> Any:
        q = x[0] * x[4]
        return lambda u, p, k: q if k % 3 == 2 else look(u, q, k)

    def f(x: Any) -> Any:
        simulation = ra.Simulation(
            step_of(x), steps=N, observe=look_of(x), schedule=lambda total: binomial(total, 2)
        )
        run = simulation(x[:4], 0.5)
        return np.sum(run.state**2) + np.sum(run.observed**3)

    def plain(x: Any) -> Any:
        step, observe = step_of(x), look_of(x)
        u, total = np.array(x[:4]), 0.0
        for k in range(N + 1):
            total = total + observe(u, 0.5, k) ** 3
            if k < N:
                u = step(u, 0.5, k)
        return total + np.sum(u**2)

    return f, plain


@pytest.mark.parametrize("where", ["observe", "both"])
def test_traced_values_of_the_function_around_have_derivatives_of_both_orders(where: str) -> None:
    f, plain = with_captured(where)
    gradient = ra.grad(f)(X)
    np.testing.assert_allclose(gradient, ra.grad(plain)(X), rtol=1e-12)
    assert ra.grad(f)(X).tobytes() == gradient.tobytes()
    assert ra.jvp(f, (X,), (V,))[1] == pytest.approx(ra.jvp(plain, (X,), (V,))[1], rel=1e-12)
    np.testing.assert_allclose(ra.hvp(f, X, V), ra.hvp(plain, X, V), rtol=1e-11)
    _, pullback = ra.vjp(f, X)
    for _ in range(2):
        assert pullback(1.0)[0].tobytes() == gradient.tobytes()


LATE = {
    "returned": lambda a, b: lambda u, p, k: u * a if k > 3 else u * p,
    "two": lambda a, b: lambda u, p, k: u * (a * b if k > 3 else a if k > 1 else p),
    "beside one read at once": lambda a, b: lambda u, p, k: p * (u * a if k > 2 else u * b),
    "looked at": lambda a, b: lambda u, p, k: p * (u * 1.1 if k < 3 or a > 0.1 else u),
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_traced_values_that_only_later_steps_read_have_derivatives(
    name: str, seen: bool, traced: bool
) -> None:
    def parts(x: Any) -> Any:
        p = x[2] if traced else 1.1
        look = lambda u, p, k: np.sum(u) * (x[0] if k > 2 else p)  # noqa: E731
        return LATE[name](x[0] * x[1], np.sin(x[2])), look if seen else None, p

    def f(x: Any) -> Any:
        step, observe, p = parts(x)
        run = ra.Simulation(step, steps=6, observe=observe, memory="1 MB")(START, p)
        return np.sum(run.state**2) + (np.sum(run.observed**2) if seen else 0.0)

    def plain(x: Any) -> Any:
        step, observe, p = parts(x)
        u, total = np.array(START), 0.0
        for k in range(7):
            total += observe(u, p, k) ** 2 if seen else 0.0
            u = step(u, p, k) if k < 6 else u
        return total + np.sum(u**2)

    x, v = np.array([0.7, 0.3, 1.2]), np.array([1.0, -0.5, 0.3])
    gradient = ra.grad(f)(x)
    np.testing.assert_allclose(gradient, ra.grad(plain)(x), rtol=1e-12)
    assert ra.grad(f)(x).tobytes() == gradient.tobytes()
    np.testing.assert_allclose(ra.hvp(f, x, v), ra.hvp(plain, x, v), rtol=1e-11)


def test_such_values_may_be_read_in_a_run_that_ends_by_until() -> None:
    def f(q: Any) -> Any:
        step = lambda u, p, k: u * q if k > 3 else u * p  # noqa: E731
        ended = lambda u, p, k: k == 6  # noqa: E731
        return np.sum(ra.Simulation(step, until=ended, max_steps=9)(START, 1.1).state)

    assert ra.grad(f)(0.7) == pytest.approx(2 * 0.7 * 1.1**4 * np.sum(START), rel=1e-14)


def test_a_recorded_tape_does_not_take_a_captured_value_of_another_call() -> None:
    def f(q: Any) -> Any:
        step = lambda u, p, k: u * q if np.sum(u) < 3 else u * p  # noqa: E731
        return np.sum(ra.Simulation(step, steps=6)(START, 1.1).state)

    tape = ra.record(f, 0.7)
    assert tape(0.7) == f(0.7)
    with pytest.raises(TracedValueError, match="params="):
        tape(0.8)


def test_a_step_that_grows_is_made_room_for_or_the_error_says_what_to_give() -> None:
    def growing(u: Any, p: Any, k: Any) -> Any:
        for _ in range(1 + int(k)):
            u = u * (1 + 0.01 * p * np.sin(u))
        return u

    start = np.linspace(1, 2, 500)

    def product(**options: Any) -> Any:
        simulation = ra.Simulation(growing, steps=5, **options)
        return ra.hvp(lambda p: np.sum(simulation(start, p).state ** 2), 0.3, 1.0)

    expected = product(schedule=store_all)
    with pytest.raises(BudgetError, match="step 4.*memory=") as caught:
        product(memory=110_000)
    enough = int(str(caught.value).split("Give at least memory=")[1].split(";")[0])
    assert product(memory=enough) == expected

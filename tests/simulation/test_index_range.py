"""A moving slice may leave its array in a later step; where it can't, step and remedy are named."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import IndexRangeError

START = np.linspace(0.1, 1.0, 7)


def window(u: Any, p: Any, k: Any) -> Any:
    j = k + 2
    return u + 0.1 * np.sum(p * u[j : j + 3])


def clamped(u: Any, p: Any, k: Any) -> Any:
    j = np.minimum(k + 2, 4)
    return u + 0.1 * np.sum(p * u[j : j + 3])


def objective(step: Any, steps: int, native: Any) -> Any:
    simulation = ra.Simulation(step, steps=steps, native=native)
    return lambda p: np.sum(simulation(START, p).state ** 2)


def falling(u: Any, p: Any, k: Any) -> Any:
    j = 3 - k  # below zero the slice counts from the end: it is empty
    return u * p + 0.1 * np.sum(u[j : j + 3])


def turning(u: Any, p: Any, k: Any) -> Any:
    j = (k - 3) ** 2 - k // 3  # below zero in step 3 alone, 7 and more from step 6 on
    if u[0] > 2.0:
        u = 0.5 * u
    return u * p + u[j : j + 2].sum() * 0.1 + 0.1


def sight(u: Any, p: Any, k: Any) -> Any:
    return np.sum(u[k : k + 3] * p)


@pytest.mark.parametrize("native", [False, "auto"])
@pytest.mark.parametrize("step", [window, falling, turning])
def test_a_slice_that_leaves_its_array_is_cut_off_as_numpy_does(step: Any, native: Any) -> None:
    simulation = ra.Simulation(step, steps=9, observe=sight, native=native)

    def f(p: Any) -> Any:
        run = simulation(START, p)
        return np.sum(run.state**2) + np.sum(run.observed**2)

    def by_hand(p: Any) -> Any:
        u, total = START, sight(START, p, 0) ** 2
        for k in range(9):
            u = step(u, p, k)
            total += sight(u, p, k + 1) ** 2
        return np.sum(u**2) + total

    assert f(1.01) == pytest.approx(by_hand(1.01), rel=1e-14)
    derivative = np.imag(by_hand(1.01 + 1e-30j)) / 1e-30
    for _ in range(2):
        assert ra.grad(f)(1.01) == pytest.approx(derivative, rel=1e-12)
    h = 1e-5
    second = (ra.grad(f)(1.01 + h) - ra.grad(f)(1.01 - h)) / (2 * h)
    assert ra.hvp(f, 1.01, 1.0) == pytest.approx(second, rel=1e-6)


def test_compiled_on_demand_a_slice_that_leaves_its_array_names_the_remedy() -> None:
    pytest.importorskip("numba")
    f = objective(window, 9, native=True)
    for kind in (IndexRangeError, IndexError, ra.RevolveError):
        with pytest.raises(kind, match=r"np\.clip.*np\.pad") as caught:
            ra.grad(f)(1.2)
    # Compiled code doesn't say in which of its steps it was.
    assert str(caught.value).startswith("one of the steps 0 to 8")
    assert np.isfinite(ra.grad(objective(window, 3, native=True))(1.2))


@pytest.mark.parametrize("native", [False, True])
def test_the_remedy_works(native: bool) -> None:
    if native:
        pytest.importorskip("numba")
    f = objective(clamped, 9, native)
    h = 1e-5
    difference = (f(0.3 + h) - f(0.3 - h)) / (2 * h)
    np.testing.assert_allclose(ra.grad(f)(0.3), difference, rtol=1e-7)


def test_an_index_error_of_the_step_itself_keeps_its_type() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        return u * p + [0.0][1]

    with pytest.raises(IndexError) as caught:
        ra.grad(objective(step, 3, native=False))(1.2)
    assert not isinstance(caught.value, ra.RevolveError)


def test_a_slice_whose_start_is_computed_twice_moves_too() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        u[2 * k : 2 * k + 2] *= p
        u[np.minimum(k, 4) : np.minimum(k, 4) + 3] = p * np.arange(3.0)
        return u

    assert ra.record(step, START, 0.5, 0).depends_on_values is None
    f = objective(step, 3, native=False)
    difference = (f(0.5 + 1e-5) - f(0.5 - 1e-5)) / 2e-5
    assert ra.grad(f)(0.5) == pytest.approx(difference, rel=1e-8)


def test_an_assignment_that_numpy_refuses_at_the_end_of_an_array_names_the_remedy() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        i = int(k)
        u[i : i + 3] = p * np.arange(3.0)
        return u

    for run in (objective(step, 7, native=False), ra.grad(objective(step, 7, native=False))):
        with pytest.raises(ValueError, match="could not broadcast") as caught:
            run(0.5)
        notes = "".join(caught.value.__notes__)
        assert "step 5" in notes
        assert "np.minimum(k, len(u) - 3)" in notes

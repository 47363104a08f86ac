"""An index or a moving slice that leaves its array in a later step names step and remedy."""

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


@pytest.mark.parametrize("native", [False, True])
def test_a_moving_slice_that_leaves_its_array_names_step_and_remedy(native: bool) -> None:
    if native:
        pytest.importorskip("numba")
    f = objective(window, 9, native)
    for kind in (IndexRangeError, IndexError, ra.RevolveError):
        with pytest.raises(kind, match=r"np\.clip.*np\.pad") as caught:
            ra.grad(f)(1.2)
    # Compiled code doesn't say in which of its steps it was.
    assert str(caught.value).startswith("one of the steps 0 to 8" if native else "step 3 ")
    inside = objective(window, 3, native)
    assert np.isfinite(ra.grad(inside)(1.2))


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

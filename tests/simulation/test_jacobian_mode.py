"""A Jacobian of few columns takes reverse mode where a simulation has no forward mode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import NotDifferentiableError

START = np.array([0.3, 0.5, 0.9, 0.1])


def final(simulation: ra.Simulation) -> Callable[[Any], Any]:
    return lambda p: simulation(START, p).state


def observed(simulation: ra.Simulation) -> Callable[[Any], Any]:
    return lambda p: simulation(START, p).observed[-1]


def without_jvp() -> Any:
    step = ra.step(lambda u, p, k: u * p)
    step.vjp(lambda u, p, k, c: (c * p, np.sum(u * c)))
    return step


def not_forward() -> list[Callable[[Any], Any]]:
    simulation = ra.Simulation(without_jvp(), steps=6, observe=lambda u, p, k: u * p)
    return [final(simulation), observed(simulation)]


@pytest.mark.parametrize("number", range(2))
def test_a_jacobian_goes_in_reverse_where_nothing_else_does(number: int) -> None:
    f = not_forward()[number]
    x, h = 0.73, 1e-5
    with pytest.raises(NotDifferentiableError, match="forward mode"):
        ra.jvp(f, (x,), (1.0,))
    found = ra.jacobian(f)(x)
    assert found.shape == (4,)
    difference = (f(x + h) - f(x - h)) / (2 * h)
    np.testing.assert_allclose(found, difference, rtol=1e-8, atol=1e-9)
    assert ra.jacobian(f)(x).tobytes() == found.tobytes()


def test_a_primitive_without_a_forward_mode_has_a_jacobian_too() -> None:
    def outer(x: Any) -> Any:
        return np.array([float(x), float(x) ** 2, 3.0])

    primitive = ra.primitive(outer)
    primitive.vjp(lambda g, y, x: (g[0] + 2 * x * g[1],))
    np.testing.assert_allclose(ra.jacobian(primitive)(1.5), [1.0, 3.0, 0.0])


@pytest.mark.parametrize("number", range(2))
def test_a_hessian_says_what_is_missing(number: int) -> None:
    f = not_forward()[number]
    with pytest.raises(NotDifferentiableError, match="forward mode"):
        ra.hessian(lambda p: np.sum(f(p) ** 2))(0.73)

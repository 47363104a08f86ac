"""The simulations of the examples give the same gradients compiled as interpreted."""

import importlib.util
import pathlib
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def module_of(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"compiled_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lynx_hare(native: bool) -> Any:
    example = module_of("01_lynx_hare")
    simulation = example.simulation(native=native)
    h0, l0 = example.GUESS[4:]

    def misfit(rates: Any) -> Any:
        run = simulation((h0, l0), tuple(rates))
        return np.sum((run.observed - np.log(example.PELTS)) ** 2)

    return misfit, np.array(example.GUESS[:4]), 1.1 * np.array(example.GUESS[:4])


def heat(native: bool) -> Any:
    example = module_of("02_heat_conductivity")
    data = np.random.default_rng(3).uniform(0, 1, (10, example.N // 2, example.N // 2))
    misfit = example.objective(example.simulation(native=native), data)
    rng = np.random.default_rng(4)
    return misfit, np.zeros(example.N**2), 0.1 * rng.standard_normal(example.N**2)


@pytest.mark.parametrize("problem", [lynx_hare, heat])
def test_an_example_has_the_same_gradient_compiled_as_interpreted(problem: Any) -> None:
    pytest.importorskip("numba")
    misfit, first, second = problem(True)
    f = ra.value_and_grad(misfit)
    (_, before), (value, gradient), (_, after) = [f(x) for x in (first, second, first)]
    np.testing.assert_array_equal(before, after)
    expected_value, expected = ra.value_and_grad(problem(False)[0])(second)
    assert value == pytest.approx(expected_value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())

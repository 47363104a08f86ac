"""`check_gradient`: right gradients have rates of 2.00 ± 0.02, and wrong ones are caught."""

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from revolve_ad.errors import (
    NotDifferentiableError,
    ParameterError,
    StructureError,
    VerificationError,
)
from revolve_ad.simulation import Simulation
from revolve_ad.verify import check_gradient


def smooth(x: Any) -> Any:
    return np.sum(np.sin(x) * np.exp(x))


def gradient_of_smooth(x: Any) -> Any:
    return (np.cos(x) + np.sin(x)) * np.exp(x)


AT = np.array([0.3, 1.1, 2.0])


@pytest.mark.parametrize("seed", range(5))
def test_rates_are_2_within_two_hundredths(seed: int) -> None:
    found = check_gradient(smooth, AT, rng=seed)
    assert found.ok
    assert len(found.rates) == 9
    assert max(abs(rate - 2) for rate in found.rates) < 0.02
    assert found.error < 1e-9
    found.raise_if_bad()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("error", [1e-6, 1e-4, 1.0, -2.0])
def test_one_wrong_component_is_caught(seed: int, error: float) -> None:
    wrong = gradient_of_smooth(AT) * np.array([1, 1 + error, 1])
    found = check_gradient(smooth, AT, gradient=wrong, rng=seed)
    assert not found.ok
    with pytest.raises(VerificationError, match="BAD"):
        found.raise_if_bad()


def test_a_gradient_can_be_given_as_a_function() -> None:
    assert check_gradient(smooth, AT, gradient=gradient_of_smooth, rng=1).ok


def test_float32_passes_with_rates_that_its_precision_allows() -> None:
    found = check_gradient(smooth, AT.astype(np.float32), rng=2)
    assert found.ok
    assert max(abs(rate - 2) for rate in found.rates) < 0.25
    assert not check_gradient(
        smooth, AT.astype(np.float32), gradient=1.05 * gradient_of_smooth(AT), rng=2
    ).ok


def test_structures_complex_leaves_numbers_and_integers_are_moved_by_their_own_sizes() -> None:
    x = {"z": np.array([1 + 2j, 3 - 1j]), "big": (1e6, np.array([2e6])), "n": np.array([1, 2])}

    def f(x: Any) -> Any:
        big = x["big"][0] * 1e-6 + np.sum(x["big"][1]) * 1e-6
        return np.sum(np.abs(x["z"] ** 2) ** 2) * big**2 + np.sum(x["n"])

    found = check_gradient(f, x, rng=3)
    assert found.ok
    assert len(found.rates) == 9


def test_a_straight_function_has_no_rates_but_a_slope() -> None:
    found = check_gradient(lambda x: np.sum(3 * x), AT, rng=4)
    assert found.ok
    assert found.rates == ()
    assert "straight" in str(found)
    assert not check_gradient(lambda x: np.sum(3 * x), AT, gradient=np.full(3, 3.00001), rng=4).ok


@pytest.mark.parametrize("power", [2, 3, 4])
def test_a_minimum_where_everything_vanishes_passes(power: int) -> None:
    assert check_gradient(lambda x: np.sum(x**power), np.zeros(4), rng=5).ok


def test_a_function_that_draws_random_numbers_is_caught() -> None:
    rng = np.random.default_rng(0)
    found = check_gradient(lambda x: np.sum(x**2) + 1e-12 * rng.random(), AT, rng=6)
    assert not found.repeatable
    assert not found.ok
    assert "two values" in str(found)


def test_a_kink_at_the_point_is_caught() -> None:
    assert not check_gradient(lambda x: np.sum(np.abs(x - AT)), AT, rng=7).ok


def test_rounding_noise_moves_the_steps_instead_of_failing() -> None:
    def noisy(x: Any) -> Any:
        return np.sum(np.sin(x) * np.exp(x)) + 1e6 - 1e6  # loses six digits

    found = check_gradient(noisy, AT, rng=8)
    assert found.ok
    assert found.noise > 1e-12
    assert found.directions[0].steps[-1] > 1e-6


def test_a_checkpointed_simulation_has_rates_of_2() -> None:
    def step(u: Any, p: Any, k: Any) -> Any:
        new = u.copy()
        new[1:-1] += 0.1 * p["kappa"] * np.diff(u, 2) * (1 + u[1:-1] ** 2)
        return new

    sim = Simulation(step, steps=40, memory="8 kB", observe=lambda u, p, k: u[3:5])

    def misfit(p: Any) -> Any:
        run = sim(np.sin(np.arange(12.0)), p)
        return np.sum(run.observed**2)

    found = check_gradient(misfit, {"kappa": np.linspace(0.5, 1.5, 10)}, rng=9)
    assert found.ok
    assert max(abs(rate - 2) for rate in found.rates) < 0.02


def test_the_same_seed_gives_an_equal_frozen_result() -> None:
    one, two = (check_gradient(smooth, AT, rng=1) for _ in range(2))
    assert one == two
    assert str(one) == str(two)
    with pytest.raises(FrozenInstanceError):
        one.noise = 0.0  # type: ignore[misc]


def test_the_argument_stays_as_it_is() -> None:
    x = AT.copy()

    def greedy(x: Any) -> Any:
        return np.sum(x**2)

    check_gradient(greedy, x, rng=1)
    assert np.array_equal(x, AT)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ParameterError, match="directions"):
        check_gradient(smooth, AT, directions=0)
    with pytest.raises(NotDifferentiableError, match="one real number"):
        check_gradient(lambda x: x, AT)
    with pytest.raises(NotDifferentiableError, match="no float"):
        check_gradient(smooth, np.array([1, 2]))
    with pytest.raises(StructureError):
        check_gradient(smooth, AT, gradient=(AT,))

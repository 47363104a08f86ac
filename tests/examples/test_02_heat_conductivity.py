"""The conductivity is recovered, in a twentieth of the memory that all states would take."""

from typing import Any

import numpy as np
import pytest

from tests.examples.running import numbers_of


@pytest.fixture(scope="module")
def numbers() -> Any:
    return numbers_of("02_heat_conductivity")


def test_the_gradient_has_rates_of_2(numbers: Any) -> None:
    assert len(numbers["rates"]) == 3
    assert np.max(np.abs(numbers["rates"] - 2)) < 0.02


def test_the_gradient_keeps_to_a_twentieth_of_the_memory(numbers: Any) -> None:
    assert 20 * numbers["peak_bytes"] <= numbers["store_all_bytes"]
    assert numbers["recomputation"] < 4


def test_the_fit_is_as_good_as_the_noise_and_the_field_is_found(numbers: Any) -> None:
    # Half the mean square of misfits in units of the noise is 0.5 for the truth.
    assert 0.45 < numbers["objective"] < 0.55
    assert numbers["first_error"] > 0.2
    assert numbers["error"] < 0.05

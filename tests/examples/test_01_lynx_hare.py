"""The fit of lynx and hares finds the least squares that an independent method found."""

from typing import Any

import pytest

from tests.examples.running import numbers_of
from tests.reference import HARE_AND_LYNX_FIT


@pytest.fixture(scope="module")
def numbers() -> Any:
    return numbers_of("01_lynx_hare")


def test_the_six_unknowns_agree_to_four_digits(numbers: Any) -> None:
    found = [numbers[name] for name in ("a", "b", "g", "d", "h0", "l0")]
    assert found == pytest.approx(HARE_AND_LYNX_FIT["parameters"], rel=5e-5)
    # As published with the data of 1900–1920.
    assert found == pytest.approx([0.54016, 0.027165, 0.79639, 0.023695, 34.602, 5.845], rel=1e-4)


def test_the_sum_of_squares_agrees_and_its_gradient_vanishes(numbers: Any) -> None:
    assert numbers["sse"] == pytest.approx(2.01866, abs=5e-6)
    assert numbers["largest_slope"] < 1e-4


def test_a_few_dozen_gradients_are_enough_and_each_keeps_to_its_budget(numbers: Any) -> None:
    assert numbers["gradients"] < 60
    assert numbers["peak_bytes"] <= numbers["budget"] == 2000

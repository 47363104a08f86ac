"""The worked example gives the numbers that one can compute by hand."""

from typing import Any

import numpy as np
import pytest

from tests.examples.running import numbers_of


@pytest.fixture(scope="module")
def numbers() -> Any:
    return numbers_of("00_reverse_mode")


def test_the_gradient_is_the_one_by_hand(numbers: Any) -> None:
    assert numbers["gradient"] == pytest.approx([-2.14112, 1.85888], abs=5e-6)
    assert numbers["gradient"] == pytest.approx([-2 - np.sin(3), 2 - np.sin(3)], rel=1e-14)


def test_the_way_down_ends_in_the_minimum(numbers: Any) -> None:
    # At x1 = x2 = π/2 both parts have their smallest values, 0 and −1.
    assert numbers["end"] == pytest.approx([np.pi / 2, np.pi / 2], abs=1e-6)
    assert numbers["lowest"] == pytest.approx(-1, abs=1e-12)

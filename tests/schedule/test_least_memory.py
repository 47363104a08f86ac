"""The fewest bytes that a budget may have: exactly these work, and one less works for nobody."""

from math import inf
from random import Random

import pytest

from revolve_ad.errors import BudgetError
from revolve_ad.schedule import check, heterogeneous_bytes, mixed, smallest_budget
from revolve_ad.schedule.heterogeneous_bytes import least_bytes
from tests.schedule.exhaustive import fewest_advances


def random_sizes(rng: Random, n: int, largest: int) -> tuple[list[int], list[int]]:
    states = [rng.randint(1, largest) for _ in range(n + 1)]
    return states, [rng.randint(1, largest) for _ in range(n)]


def test_no_schedule_at_all_works_with_a_byte_less() -> None:
    rng = Random(5)
    for _ in range(250):
        n = rng.randint(1, 5)
        states, tapes = random_sizes(rng, n, rng.choice((3, 9)))
        least = least_bytes(states, tapes)
        costs = [1.0] * n
        assert fewest_advances(costs, least, states[:n], tapes)[-1] < inf
        assert fewest_advances(costs, least - 1, states[:n], tapes)[-1] == inf


@pytest.mark.parametrize("n", [1, 2, 7, 20, 60, 230])
def test_exactly_so_many_bytes_work_and_one_less_is_refused_with_the_number(n: int) -> None:
    rng = Random(n)
    for largest in (4, 1000):
        states, tapes = random_sizes(rng, n, largest)
        least = least_bytes(states, tapes)
        for budget in (least, least + 1, least + largest):
            schedule = heterogeneous_bytes([1.0] * n, budget, states, tapes, effort=0)
            assert check(schedule).peak_bytes <= budget
        with pytest.raises(BudgetError, match=f"need at least {least}:"):
            heterogeneous_bytes([1.0] * n, least - 1, states, tapes)


def test_where_all_sizes_are_equal_it_is_what_mixed_needs() -> None:
    for n in (1, 2, 3, 10, 500):
        for state, tape in ((1, 1), (7, 2), (2, 7), (90, 1)):
            least = smallest_budget(n, state, tape)
            assert least_bytes([state] * (n + 1), [tape] * n) == least
            mixed(n, least, state, tape)
            with pytest.raises(BudgetError, match=f"at least {least}:"):
                mixed(n, least - 1, state, tape)

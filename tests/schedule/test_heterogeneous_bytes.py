"""Steps that differ in cost and size: within the budget of bytes, and near the cheapest of all."""

import math
import pickle
import random
from itertools import islice

import pytest

from revolve_ad.errors import BudgetError, ParameterError
from revolve_ad.schedule.heterogeneous_bytes import heterogeneous_bytes
from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.referee import check
from tests.schedule.exhaustive import fewest_advances


def test_nearly_always_no_schedule_is_cheaper_and_never_one_fits_where_ours_does_not() -> None:
    rng = random.Random(21)
    compared = equal = 0
    for _ in range(40):
        n = rng.randint(3, 6)
        costs = [float(rng.randint(1, 9)) for _ in range(n)]
        states = [rng.randint(1, 3) for _ in range(n + 1)]
        tapes = [rng.randint(1, 4) for _ in range(n)]
        budget = rng.randint(4, 8)
        for m, least in enumerate(fewest_advances(costs, budget, states[:n], tapes), start=1):
            problem = costs[:m], budget, states[: m + 1], tapes[:m]
            if math.isinf(least):
                with pytest.raises(BudgetError):
                    heterogeneous_bytes(*problem)
                continue
            schedule = heterogeneous_bytes(*problem)
            recorded = sum(costs[:m])
            assert check(schedule) == schedule.counts()
            assert least - 1e-9 <= schedule.advance_cost
            assert schedule.advance_cost + recorded <= 1.22 * (least + recorded)
            compared += 1
            equal += schedule.advance_cost <= least + 1e-9
    assert compared > 120
    assert equal > 0.97 * compared


def test_the_budget_that_the_error_names_works_and_one_byte_less_does_not() -> None:
    rng = random.Random(22)
    for scale in (1, 1000):
        for _ in range(10):
            n = rng.randint(2, 25)
            states = [scale * rng.randint(1, 5) + rng.randint(0, scale) for _ in range(n + 1)]
            tapes = [scale * rng.randint(1, 9) + rng.randint(0, scale) for _ in range(n)]
            with pytest.raises(BudgetError) as caught:
                heterogeneous_bytes([1.0] * n, 1, states, tapes)
            least = int(str(caught.value).split("at least ")[1].split(":")[0])
            schedule = heterogeneous_bytes([1.0] * n, least, states, tapes)
            assert check(schedule) == schedule.counts()
            assert schedule.counts().peak_bytes == least
            with pytest.raises(BudgetError):
                heterogeneous_bytes([1.0] * n, least - 1, states, tapes)


@pytest.mark.parametrize(("n", "budget"), [(30, 20), (60, 31), (60, 200)])
def test_equal_sizes_and_costs_give_the_mixed_count(n: int, budget: int) -> None:
    schedule = heterogeneous_bytes([1.0] * n, budget, [2] * (n + 1), [3] * n)
    assert schedule.counts().advanced == mixed(n, budget, 2, 3).counts().advanced
    assert check(schedule) == schedule.counts()


@pytest.mark.parametrize("n", [80, 300])
def test_what_is_predicted_is_what_the_referee_counts(n: int) -> None:
    rng = random.Random(23)
    costs = [rng.random() for _ in range(n)]
    states = [rng.randint(900, 2000) for _ in range(n + 1)]
    tapes = [rng.randint(900, 6000) for _ in range(n)]
    schedule = heterogeneous_bytes(costs, 40_000, states, tapes)
    assert check(schedule) == schedule.counts()
    under_way = iter(schedule)
    whole = list(schedule)
    assert list(islice(under_way, 50)) == whole[:50]
    assert list(pickle.loads(pickle.dumps(under_way))) == whole[50:]


@pytest.mark.parametrize(
    ("costs", "budget", "states", "tapes"),
    [
        ([], 9, [1], []),
        ([1.0, 1.0], 9, [1, 1], [1, 1]),
        ([1.0, 1.0], 9, [1, 1, 1], [1]),
        ([1.0, math.nan], 9, [1, 1, 1], [1, 1]),
        ([1.0, 1.0], -9, [1, 1, 1], [1, 1]),
        ([1.0, 1.0], 9, [1, 0, 1], [1, 1]),
        ([1.0, 1.0], 9, [1, 1, 1], [1, 1.5]),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    costs: list[float], budget: int, states: list[int], tapes: list[int]
) -> None:
    with pytest.raises(ParameterError):
        heterogeneous_bytes(costs, budget, states, tapes)

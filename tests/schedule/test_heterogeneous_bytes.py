"""Steps that differ in cost and size: within the budget of bytes, and near the cheapest of all."""

import math
import pickle
import random
from itertools import islice

import pytest

from revolve_ad.errors import BudgetError
from revolve_ad.schedule.heterogeneous_bytes import heterogeneous_bytes
from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.referee import check
from tests.schedule.exhaustive import fewest_advances


def random_problem(rng: random.Random, n: int) -> tuple[list[float], int, list[int], list[int]]:
    costs = [float(rng.randint(1, 9)) for _ in range(n)]
    state, tape = rng.choice([3, 3, 5]), rng.choice([2, 4, 6])
    states = [rng.randint(1, state) for _ in range(n + 1)]
    tapes = [rng.randint(1, tape) for _ in range(n)]
    return costs, rng.randint(4, 10), states, tapes


def test_no_schedule_whatever_is_cheaper_and_none_fits_where_ours_does_not() -> None:
    rng = random.Random(21)
    compared = 0
    while compared < 1000:
        n = rng.randint(3, 5 if rng.random() < 0.9 else 6)
        costs, budget, states, tapes = random_problem(rng, n)
        for m, least in enumerate(fewest_advances(costs, budget, states[:n], tapes), start=1):
            problem = costs[:m], budget, states[: m + 1], tapes[:m]
            compared += 1
            if math.isinf(least):
                with pytest.raises(BudgetError):
                    heterogeneous_bytes(*problem)
                continue
            schedule = heterogeneous_bytes(*problem)
            assert check(schedule) == schedule.counts()
            assert schedule.advance_cost == pytest.approx(least, abs=1e-9)


def test_without_the_exact_search_the_cost_is_mostly_the_same() -> None:
    rng = random.Random(24)
    ratios = []
    while len(ratios) < 60:
        costs, budget, states, tapes = random_problem(rng, rng.randint(7, 11))
        try:
            quick = heterogeneous_bytes(costs, budget, states, tapes, effort=0.012)
        except BudgetError:
            continue
        assert check(quick) == quick.counts()
        exact = heterogeneous_bytes(costs, budget, states, tapes)
        recorded = sum(costs)
        ratios.append((quick.advance_cost + recorded) / (exact.advance_cost + recorded))
    assert min(ratios) >= 1 - 1e-12
    assert sorted(ratios)[48] == pytest.approx(1)
    assert sum(ratios) / len(ratios) < 1.02


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
            assert schedule.counts().peak_bytes <= least
            with pytest.raises(BudgetError):
                heterogeneous_bytes([1.0] * n, least - 1, states, tapes)


@pytest.mark.parametrize(("n", "budget"), [(30, 20), (40, 31), (40, 130)])
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

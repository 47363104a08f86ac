"""Steps that cost differently: as cheap as any schedule, and counted beforehand."""

import math
import random
from itertools import accumulate

import pytest

from revolve_ad.schedule.actions import Advance
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.closed_form import t
from revolve_ad.schedule.heterogeneous import _in_blocks, heterogeneous
from revolve_ad.schedule.referee import check
from tests.schedule.exhaustive import Machine, cheapest


def random_costs(rng: random.Random, n: int, spread: float) -> list[float]:
    return [round(rng.lognormvariate(0, spread), 3) for _ in range(n)]


def cost_vectors(rng: random.Random, n: int) -> list[list[float]]:
    """Costs that vary a little and a lot, ramps, bursts, steps that cost nothing."""
    return [
        *(random_costs(rng, n, spread) for spread in (0.3, 1.0, 2.0)),
        [1.0 + k for k in range(n)],
        [float(n - k) for k in range(n)],
        [rng.choice([1.0, 50.0]) for _ in range(n)],
        [rng.choice([0.0, 1.0, 3.0]) for _ in range(n)],
    ]


def test_no_schedule_whatever_is_cheaper_in_1000_cases() -> None:
    rng = random.Random(11)
    compared = 0
    for costs in [vector for _ in range(6) for vector in cost_vectors(rng, 7)]:
        for slots in (1, 2, 3, 4):
            machine = Machine(costs, costs, slots, [1] * len(costs))
            for n, least in enumerate(cheapest(machine), start=1):
                schedule = heterogeneous(costs[:n], slots)
                recorded = sum(costs[:n])
                assert schedule.advance_cost == pytest.approx(least - recorded, abs=1e-9)
                assert check(schedule) == schedule.counts()
                compared += 1
    assert compared >= 1000


def over_all_splits(costs: list[float], slots: int) -> float:
    """The same programme without the window, in plain loops."""
    n, p = len(costs), list(accumulate(costs, initial=0.0))
    fewer = {(i, i + 1): 0.0 for i in range(n)}
    for _ in range(slots):
        here = {(i, i + 1): 0.0 for i in range(n)}
        for d in range(2, n + 1):
            for i in range(n - d + 1):
                here[i, i + d] = min(
                    p[k] - p[i] + fewer.get((k, i + d), math.inf) + here[i, k]
                    for k in range(i + 1, i + d)
                )
        fewer = here
    return fewer[0, n]


def test_the_window_of_splits_loses_nothing() -> None:
    rng = random.Random(12)
    for _ in range(25):
        costs = random_costs(rng, rng.randint(8, 45), rng.choice([0.5, 1.5, 3.0]))
        slots = rng.randint(1, 6)
        best = over_all_splits(costs, slots)
        assert heterogeneous(costs, slots).advance_cost == pytest.approx(best)


@pytest.mark.parametrize(("n", "slots"), [(1, 1), (2, 1), (30, 3), (100, 4), (30, 29), (30, 60)])
def test_equal_costs_give_the_binomial_count(n: int, slots: int) -> None:
    schedule = heterogeneous([1.0] * n, slots)
    assert schedule.counts().advanced == t(n, slots)
    assert check(schedule) == schedule.counts()


def test_blocks_of_steps_stay_within_the_stated_ratio() -> None:
    rng = random.Random(13)
    for _ in range(6):
        costs = tuple(random_costs(rng, 160, 1.0))
        slots = rng.randint(3, 10)
        exact, blocks = _in_blocks(costs, slots, 160), _in_blocks(costs, slots, 40)
        assert check(blocks) == blocks.counts()
        total = sum(costs)
        assert exact.advance_cost <= blocks.advance_cost + 1e-9
        assert blocks.advance_cost + total <= 1.17 * (exact.advance_cost + total)


def test_bursts_of_dear_steps_are_run_less_often_than_by_the_binomial_schedule() -> None:
    costs = [50.0 if 40 <= k % 100 < 45 else 1.0 for k in range(300)]
    sums = list(accumulate(costs, initial=0.0))
    by_index = sum(sums[a.stop] - sums[a.start] for a in binomial(300, 6) if isinstance(a, Advance))
    assert heterogeneous(costs, 6).advance_cost < 0.9 * by_index

"""Mixed schedules: as cheap as any, within the budget at every action, and counted beforehand."""

import itertools
import math
import pickle
import random
from itertools import islice

import pytest

from revolve_ad.schedule.mixed import mixed, smallest_budget
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.search.block_leaves import BlockLeaves, by_capacity
from revolve_ad.schedule.search.split_price import by_price
from revolve_ad.schedule.search.split_table import tabulate
from revolve_ad.schedule.search.split_tree import SplitTree
from tests.schedule.exhaustive import fewest_advances


def test_no_schedule_whatever_runs_fewer_plain_steps_in_1000_cases() -> None:
    compared = 0
    for state_bytes, tape_bytes in itertools.product(range(1, 6), repeat=2):
        if state_bytes > 1 and state_bytes == tape_bytes:
            continue  # the same as (1, 1)
        smaller = min(state_bytes, tape_bytes)
        for budget in range(tape_bytes, tape_bytes + 3 * smaller + 3):
            most_held = budget // smaller
            longest = 8 if most_held < 3 else 6 if most_held < 4 else 5
            sizes = [state_bytes] * longest, [tape_bytes] * longest
            for n, least in enumerate(fewest_advances([1.0] * longest, budget, *sizes), start=1):
                case = n, budget, state_bytes, tape_bytes
                compared += 1
                if math.isinf(least):
                    assert budget < smallest_budget(n, state_bytes, tape_bytes), case
                    continue
                schedule = mixed(*case)
                assert schedule.counts().advanced == least, case
                assert schedule.proven, case
                assert check(schedule) == schedule.counts(), case
    assert compared >= 1000


def random_problems(number: int, longest: int) -> list[tuple[int, int, int, int]]:
    rng = random.Random(20_000)
    problems = []
    for _ in range(number):
        state_bytes, tape_bytes = rng.randint(1, 12), rng.randint(1, 12)
        budget = state_bytes + tape_bytes + rng.randint(0, rng.choice([20, 100]))
        problems.append((rng.randint(2, longest), budget, state_bytes, tape_bytes))
    return problems


def all_levels(n_steps: int, budget: int, state_bytes: int, tape_bytes: int) -> BlockLeaves:
    """The leaves at every depth that the budget allows, those that can't help included."""
    rooms = range(budget, 0, -state_bytes)
    return BlockLeaves(tuple(room // tape_bytes for room in rooms if room >= tape_bytes)[:n_steps])


def test_the_schedule_is_the_optimum_of_the_dynamic_programme_over_all_levels() -> None:
    for n, budget, state_bytes, tape_bytes in random_problems(150, 150):
        cost = tabulate(n, all_levels(n, budget, state_bytes, tape_bytes)).cost(n)
        schedule = mixed(n, budget, state_bytes, tape_bytes, effort=1)
        assert schedule.counts().advanced == int(cost)
        assert schedule.proven


def test_bounds_hold_and_searches_for_long_chains_stay_within_the_stated_ratios() -> None:
    for n, budget, state_bytes, tape_bytes in random_problems(120, 200):
        leaves = all_levels(n, budget, state_bytes, tape_bytes)
        if n <= leaves.capacity[0] or leaves.depth < 2:
            continue
        best = tabulate(n, leaves).cost(n)
        tail = {"tail_held": leaves.tail, "tail_block": leaves.capacity[-1]}
        _, splits = by_capacity(n, leaves)
        rule = SplitTree(n, splits, tail_leaf=leaves.capacity[-2], **tail).advanced
        assert int(best) <= rule
        assert rule + n <= 1.09 * (int(best) + n)
        priced = by_price(n, leaves)
        assert priced is not None
        assert priced.bound <= best + 1e-9
        assert best <= priced.cost
        assert int(priced.cost) + n <= 1.06 * (int(best) + n)


@pytest.mark.parametrize("effort", [0, 0.1])
def test_what_is_predicted_is_what_the_referee_counts(effort: float) -> None:
    for problem in random_problems(60, 300):
        schedule = mixed(*problem, effort=effort)
        assert check(schedule) == schedule.counts()
        assert schedule.counts().peak_bytes <= problem[1]
        assert schedule.lower_bound <= schedule.counts().advanced


def test_a_long_chain_is_planned_to_within_a_ten_thousandth_and_played_as_planned() -> None:
    schedule = mixed(10_000, 2048, state_bytes=8, tape_bytes=40)
    assert check(schedule) == schedule.counts()
    assert schedule.counts().advanced <= 13_522  # the full dynamic programme's count
    huge = mixed(10**12, 2 * 10**9, state_bytes=10**6, tape_bytes=10**7)
    assert huge.counts().advanced <= 1.0001 * huge.lower_bound
    assert sum(1 for _ in islice(huge, 1000)) == 1000


def test_all_tapes_are_kept_where_they_fit() -> None:
    counts = mixed(50, 100, state_bytes=7, tape_bytes=2).counts()
    assert (counts.advanced, counts.saved, counts.restored) == (0, 0, 0)
    assert counts.peak_bytes == 100


def test_equal_arguments_make_equal_schedules_that_start_afresh() -> None:
    schedule = mixed(40, 20, 2, 3)
    assert schedule == mixed(40, 20, 2, 3)
    assert hash(schedule) == hash(mixed(40, 20, 2, 3))
    assert list(schedule) == list(schedule) == list(pickle.loads(pickle.dumps(schedule)))

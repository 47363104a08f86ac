"""Where very many checkpoints fit: planned at once, counted exactly, and nearly optimal."""

import pickle
import random
import sys
from itertools import islice

import pytest

from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.search.spines import Spines


@pytest.fixture
def few_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rule for very many levels begin at two."""
    monkeypatch.setattr(sys.modules["revolve_ad.schedule.mixed"], "_DEEPEST", 2)


def problems() -> list[tuple[int, int, int, int]]:
    rng = random.Random(31)
    found = []
    while len(found) < 120:
        state_bytes, tape_bytes = rng.randint(1, 3), rng.randint(1, 30)
        budget = tape_bytes + rng.randint(3, 60) * state_bytes
        found.append((rng.randint(2, 200), budget, state_bytes, tape_bytes))
    return found


def test_what_is_predicted_is_what_the_referee_counts(few_levels: None) -> None:
    by_rule = 0
    for problem in problems():
        schedule = mixed(*problem)
        assert check(schedule) == schedule.counts(), problem
        by_rule += isinstance(schedule.tree, Spines)
    assert by_rule > 60


def test_it_is_near_the_optimum_and_its_bound_below(few_levels: None) -> None:
    quick = {problem: mixed(*problem) for problem in problems()}
    for problem, schedule in quick.items():
        if isinstance(schedule.tree, Spines):
            _, budget, sigma, tau = problem
            leaves = [(budget - i * sigma) // tau for i in range((budget - tau) // sigma + 1)]
            assert schedule.lower_bound <= schedule.counts().advanced
            # Beside the bound, each spine may end in a leaf smaller than the largest.
            spines = len(schedule.tree._long) + 1
            assert schedule.counts().advanced <= schedule.lower_bound + spines * leaves[0]


def test_the_bound_is_below_the_optimum() -> None:
    for problem in problems():
        n, budget, sigma, tau = problem
        exact = mixed(*problem, effort=0.3)
        levels = min((budget - tau) // sigma, n)
        spines = Spines(n, budget, sigma, tau, levels)
        if exact.proven and levels > 1 and budget // tau < n <= spines.longest:
            assert spines.lower_bound <= exact.counts().advanced <= spines.advanced


@pytest.mark.parametrize(
    ("budget", "tape"), [(200_000, 40_000), (300_000, 50_000), (10**6, 200_000), (10**6, 500_000)]
)
def test_a_million_steps_with_a_hundred_thousand_levels_are_near_the_bound(
    budget: int, tape: int
) -> None:
    schedule = mixed(10**6, budget, 1, tape)
    counts = schedule.counts()
    assert counts.advanced + 10**6 <= 1.0001 * (schedule.lower_bound + 10**6)
    assert counts.peak_bytes <= budget
    under_way = iter(schedule)
    assert len(list(islice(under_way, 1000))) == 1000
    assert len(pickle.dumps(under_way)) < 100_000


def test_a_long_deep_pass_is_what_is_predicted() -> None:
    schedule = mixed(95_000, 25_000, 1, 3_000)
    assert isinstance(schedule.tree, Spines)
    whole, under_way = list(schedule), iter(schedule)
    assert check(whole, 95_000, limits=schedule.limits) == schedule.counts()
    assert schedule.counts().advanced <= 1.001 * schedule.lower_bound
    head = list(islice(under_way, 50_001))
    assert head + list(pickle.loads(pickle.dumps(under_way))) == whole

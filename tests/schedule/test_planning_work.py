"""Planning takes no more work than `effort` allows, and the least of work where it allows none.

Work is counted in lines and entries, and compared with what is allowed in seconds of a slow core.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.heterogeneous import heterogeneous
from revolve_ad.schedule.heterogeneous_bytes import heterogeneous_bytes
from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.multilevel import multilevel
from tests.work import work

Plan = Callable[[int, float], Any]


def on_storages(ram: int, disk: Any = None, write: Any = 3, read: Any = 3) -> Plan:
    return lambda n, effort: multilevel(n, ram, disk, write=write, read=read, effort=effort)


def in_bytes(*sizes: int) -> Plan:
    return lambda n, effort: mixed(n, *sizes, effort=effort)


PLANS: dict[str, Plan] = {
    "mixed, 10 states or tapes": in_bytes(11, 1, 1),
    "mixed, states smaller than tapes": in_bytes(2048, 8, 40),
    "mixed, few of both": in_bytes(2048, 64, 256),
    "mixed, ten thousand levels": in_bytes(10_000, 1, 40),
    "multilevel, any number on disk": on_storages(5),
    "multilevel, 3 on disk": on_storages(5, 3),
    "multilevel, 100 on disk": on_storages(10, 100, 50, 50),
    "multilevel, 2000 on disk": on_storages(5, 2000),
    "multilevel, 20,000 on disk": on_storages(5, 20_000),
    "multilevel, disk alone": on_storages(0),
    "multilevel, 3 on disk alone": on_storages(0, 3),
    "multilevel, 2000 on disk alone": on_storages(0, 2000),
    "two storages": on_storages(5, (20, None), (2, 40), (1, 30)),
    "three storages": on_storages(0, (5, 9, None), (1, 9, 40), (1, 9, 40)),
    "two storages, 10,000 on the first": on_storages(3, (10_000, None), (1, 10), (1, 10)),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("n", [10_000, 10**6])
def test_long_chains_are_planned_with_the_work_that_is_allowed(name: str, n: int) -> None:
    # The least is what the rules take that are used where there is no time to search.
    least = 0.2 if "storages" in name else 0.06
    for effort in (0.0, 0.05):
        done = work(lambda effort=effort: PLANS[name](n, effort).counts())
        assert done.seconds < least + 3 * effort, (effort, done)


@pytest.mark.parametrize("name", [name for name in PLANS if name.startswith("mixed")])
def test_without_effort_a_plan_runs_some_thousand_lines_however_long_the_chain(name: str) -> None:
    assert work(lambda: PLANS[name](10_000, 0).counts()).lines < 10_000
    assert work(lambda: PLANS[name](10**6, 0).counts()).lines < 40_000


@pytest.mark.parametrize(
    ("budget", "tape"), [(200_000, 40_000), (300_000, 50_000), (10**6, 200_000), (10**6, 500_000)]
)
def test_a_hundred_thousand_levels_are_planned_without_a_loop_over_them(
    budget: int, tape: int
) -> None:
    assert work(lambda: mixed(10**6, budget, 1, tape).counts()).lines < 1000


def test_steps_that_cost_differently_are_planned_with_the_work_that_is_allowed() -> None:
    rng = random.Random(14)
    for n, slots in ((50, 5), (700, 10), (20_000, 10)):
        costs = [round(rng.lognormvariate(0, 1), 3) for _ in range(n)]
        without = heterogeneous(costs, slots, effort=0)
        assert without.counts() == binomial(n, slots).counts()
        for effort in (1e-3, 0.05, 0.2):
            done = work(partial(heterogeneous, costs, slots, effort=effort))
            assert done.seconds < 0.01 + 2 * effort, (n, slots, effort, done)


def test_steps_that_differ_in_size_are_planned_with_the_work_that_is_allowed() -> None:
    rng = random.Random(25)
    for n in (8, 40, 200):
        costs = [rng.lognormvariate(0, 1) for _ in range(n)]
        states = [rng.randint(800, 2500) for _ in range(n + 1)]
        tapes = [rng.randint(800, 2500) for _ in range(n)]
        for effort in (0, 1e-3, 0.05, 0.3):
            given = costs, 20_000, states, tapes
            done = work(partial(heterogeneous_bytes, *given, effort=effort))
            assert done.seconds < 0.01 + 2 * effort, (n, effort, done)

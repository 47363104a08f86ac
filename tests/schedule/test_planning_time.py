"""Schedules of ten thousand steps are planned within a second, of a million within five."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.multilevel import multilevel

PLANS: dict[str, Callable[[int], Any]] = {
    "mixed, 10 states or tapes": lambda n: mixed(n, 11, 1, 1),
    "mixed, states smaller than tapes": lambda n: mixed(n, 2048, 8, 40),
    "mixed, few of both": lambda n: mixed(n, 2048, 64, 256),
    "mixed, ten thousand levels": lambda n: mixed(n, 10_000, 1, 40),
    "multilevel, any number on disk": lambda n: multilevel(n, 5, None, write=20, read=20),
    "multilevel, 100 on disk": lambda n: multilevel(n, 10, 100, write=50, read=50),
    "multilevel, 5000 on disk": lambda n: multilevel(n, 2, 5000, write=2, read=2),
    "multilevel, 20,000 on disk": lambda n: multilevel(n, 5, 20_000),
    "multilevel, disk alone": lambda n: multilevel(n, 0, 50, write=2, read=2),
}


@pytest.mark.parametrize("name", PLANS)
def test_long_chains_are_planned_in_time_without_a_compiler(name: str) -> None:
    for n, seconds in ((10_000, 1.0), (10**6, 5.0)):
        begin = time.process_time()
        schedule = PLANS[name](n)
        schedule.counts()
        assert time.process_time() - begin < seconds, n


@pytest.mark.parametrize("name", [name for name in PLANS if name.startswith("mixed")])
def test_without_effort_a_plan_takes_about_a_millisecond(name: str) -> None:
    full = PLANS[name](10_000)
    sizes = full.budget, full.state_bytes, full.tape_bytes

    def quick() -> float:
        begin = time.perf_counter()
        mixed(10_000, *sizes, effort=0).counts()
        return time.perf_counter() - begin

    # 0.1 to 1 ms; the limit leaves room for a machine that is busy.
    assert min(quick() for _ in range(20)) < 5e-3

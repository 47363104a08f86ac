"""Multilevel schedules: as cheap as any, disk included, and with nothing left on the disk."""

import itertools
import math
import random

import pytest

from revolve_ad.errors import BudgetError
from revolve_ad.schedule.actions import Discard, Level, Save
from revolve_ad.schedule.closed_form import t
from revolve_ad.schedule.disk_period import disk_period
from revolve_ad.schedule.multilevel import multilevel
from revolve_ad.schedule.referee import check
from tests.schedule.exhaustive import cheapest_on_levels

# step, adjoint, write, read
COSTS = [
    (1.0, 1.0, 0.0, 0.0),
    (1.0, 1.0, 1.5, 0.5),
    (1.0, 0.0, 3.0, 1.0),
    (2.0, 1.0, 1.0, 1.0),
    (1.0, 1.0, 0.25, 0.25),
    (1.0, 2.0, 5.0, 5.0),
    (0.0, 1.0, 1.0, 1.0),
    (1.0, 1.0, 0.0, 2.0),
    (1.0, 0.5, 2.0, 0.0),
    (0.7, 1.3, 1.1, 2.3),
    (1.0, 1.0, 2.0, 0.25),
]


def test_no_schedule_whatever_is_cheaper_in_1000_cases() -> None:
    compared = 0
    for ram, disk in itertools.product(range(4), (0, 1, 2, 3, None)):
        held = ram + (4 if disk is None else disk)
        longest = 6 if held < 4 else 5 if held < 5 else 4
        slots = longest - 1 if disk is None else disk
        moves = [
            {("step", 0): u, ("last", 0): u + a, ("save", 1): write, ("restore", 1): read}
            for u, a, write, read in COSTS
        ]
        least = cheapest_on_levels(longest, (ram, slots), moves)
        for (i, costs), n in itertools.product(enumerate(COSTS), range(1, longest + 1)):
            case = n, ram, disk, *costs
            compared += 1
            if math.isinf(least[i, n - 1]):
                with pytest.raises(BudgetError):
                    multilevel(*case)
                continue
            schedule = multilevel(*case)
            assert schedule.cost == pytest.approx(least[i, n - 1], rel=1e-12), case
            assert schedule.proven, case
            assert check(schedule) == schedule.counts(), case
    assert compared >= 1000


def random_problems(
    number: int, shortest: int, longest: int
) -> list[tuple[int, int, int, float, float]]:
    rng = random.Random(7)
    scales = [0.0, 0.3, 1.0, 5.0, 30.0, 200.0]
    return [
        (
            rng.randint(shortest, longest),
            rng.randint(1, 6),
            rng.randint(1, 10),
            rng.random() * rng.choice(scales),
            rng.random() * rng.choice(scales),
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize(("effort", "ratio"), [(0.0, 1.6), (1e-3, 1.6), (0.1, 1.07)])
def test_long_chains_are_within_the_stated_ratio_and_never_below_the_bound(
    effort: float, ratio: float
) -> None:
    for n, ram, disk, write, read in random_problems(40, 50, 400):
        exact = multilevel(n, ram, disk, 1, 1, write, read, effort=5)
        quick = multilevel(n, ram, disk, 1, 1, write, read, effort=effort)
        assert exact.proven
        assert quick.lower_bound <= exact.cost * (1 + 1e-9)
        assert exact.cost * (1 - 1e-9) <= quick.cost <= ratio * exact.cost


@pytest.mark.parametrize("effort", [0, 0.5])
def test_what_is_predicted_is_what_the_referee_counts(effort: float) -> None:
    for n, ram, disk, write, read in random_problems(25, 2, 300):
        for slots in (disk, None):
            schedule = multilevel(
                n, ram - 1 if n % 2 else ram, slots, 1, 1, write, read, effort=effort
            )
            assert check(schedule) == schedule.counts()


def test_the_disk_is_empty_at_the_end() -> None:
    on_disk = set()
    for action in multilevel(500, 3, None, 1, 1, 4, 4):
        match action:
            case Save(state, Level.DISK):
                on_disk.add(state)
            case Discard(state, Level.DISK):
                on_disk.remove(state)
    assert not on_disk


def test_a_disk_that_costs_nothing_is_as_good_as_ram() -> None:
    for n in (2, 17, 100, 300):
        free = multilevel(n, 3, 4, 1, 1, 0, 0)
        assert free.counts().advanced == t(n, 7)


def test_a_disk_that_costs_too_much_is_not_used() -> None:
    schedule = multilevel(300, 4, 10, 1, 1, 1e6, 1e6)
    assert schedule.counts().disk_saved == 0
    assert schedule.counts().advanced == t(300, 4)


@pytest.mark.parametrize(
    ("ram", "write", "read"), [(5, 20, 20), (10, 50, 50), (8, 1000, 1000), (2, 3, 1), (1, 7, 0)]
)
def test_the_period_is_the_cheapest_of_all_periods(ram: int, write: float, read: float) -> None:
    def per_step(m: int) -> float:
        return (write + read + m + t(m, ram)) / m

    period = disk_period(ram, step=1, write=write, read=read)
    assert per_step(period) == pytest.approx(min(per_step(m) for m in range(1, 4000)), rel=1e-12)


def test_a_million_steps_are_periodic_on_an_unbounded_disk_and_near_the_bound() -> None:
    schedule = multilevel(10**6, 5, None, 1, 1, 20, 20)
    assert schedule.cost <= 1.000001 * schedule.lower_bound
    assert schedule.tree.period == disk_period(5, step=1, write=20, read=20) == 56
    shorter = multilevel(8000, 5, None, 1, 1, 20, 20, effort=0.1)
    assert check(shorter) == shorter.counts()
    assert shorter.cost <= 1.0001 * multilevel(8000, 5, None, 1, 1, 20, 20, effort=1).cost


def test_a_million_steps_on_a_bounded_disk_are_near_the_bound() -> None:
    for ram, disk, cost in [(8, 20, 50), (5, 100, 20), (30, 10, 5), (1, 1, 3)]:
        schedule = multilevel(10**6, ram, disk, 1, 1, cost, cost)
        assert schedule.cost <= 1.0001 * schedule.lower_bound
        assert schedule.counts().peak_disk <= disk

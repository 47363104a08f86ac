"""Online schedules end anywhere, cost what they forecast, and nearly the least possible."""

import itertools
import pickle
import tracemalloc

import numpy as np
import pytest

from revolve_ad.errors import ParameterError, ScheduleError
from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.closed_form import t
from revolve_ad.schedule.online import Online, OnlinePass, online
from revolve_ad.schedule.protocol import OnlineDriver, OnlineSchedule
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.search.capacity import Capacity
from revolve_ad.schedule.search.placement import Placement

LENGTHS = [*range(60), 99, 100, 101, 365, 1000]
BUDGETS = [(8, 40, 2048), (64, 256, 2048), (1, 1, 9), (1, 1, 2), (3, 1, 7), (5, 2, 33), (1, 4, 40)]


def run(driver: OnlinePass, n_steps: int) -> list[Action]:
    """Play a loop of `n_steps` steps whose end is known only once the next step is asked for."""
    played: list[Action] = []
    for action in driver:
        if isinstance(action, Advance) and action.stop > n_steps and action.start <= n_steps:
            if action.start < n_steps:
                played.append(Advance(action.start, n_steps))
            driver.finish(n_steps)
            played += driver
            break
        played.append(action)
    return played


@pytest.mark.parametrize("s", [1, 2, 3, 4, 5, 10, 100])
def test_every_end_is_reversed_and_costs_what_is_forecast(s: int) -> None:
    schedule = online(s)
    for n in LENGTHS:
        assert check(schedule, n) == schedule.counts(n), n


@pytest.mark.parametrize("sizes", BUDGETS)
def test_a_budget_of_bytes_is_kept_and_costs_what_is_forecast(sizes: tuple[int, int, int]) -> None:
    schedule = online(state_bytes=sizes[0], tape_bytes=sizes[1], budget=sizes[2])
    for n in LENGTHS:
        counts = check(schedule, n)
        assert counts == schedule.counts(n), n
        assert counts.peak_bytes <= sizes[2]


@pytest.mark.parametrize("schedule", [online(3), online(state_bytes=2, tape_bytes=3, budget=20)])
def test_an_end_that_is_noticed_late_is_reversed_too(schedule: Online) -> None:
    for n in range(60):
        counts = check(run(iter(schedule), n), n, limits=schedule.limits)
        assert counts.recorded == n


@pytest.mark.parametrize(
    ("s", "bound"),
    [
        *((2, 1.112), (3, 1.067), (4, 1.055), (5, 1.041), (6, 1.027), (8, 1.041), (10, 1.032)),
        *((15, 1.026), (20, 1.019), (30, 1.021), (50, 1.012)),
    ],
)
def test_every_run_of_up_to_10000_steps_costs_little_more_than_possible(
    s: int, bound: float
) -> None:
    placement = Placement(Capacity([1] * (s + 1)))
    for n in range(1, 10_001):
        assert placement.cost(n) + n <= bound * (t(n + 1, s) + n), n
        placement.arrive(n)


def test_the_cost_of_a_placement_is_what_a_pass_executes() -> None:
    placement = Placement(Capacity([1] * 5))
    for n in range(1, 200):
        assert placement.cost(n) == check(online(4), n).advanced
        placement.arrive(n)


def _least_plain_steps(leaves: tuple[int, ...], longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the fewest plain steps, by length: offline, and after a plain first sweep.

    By recursion over all splits and all placements; arrays of shape (longest + 1,).
    """
    last = len(leaves) - 1
    offline = np.full((last + 1, longest + 1), np.inf)
    placed = np.full((last, longest + 1), np.inf)
    for i in range(last, -1, -1):
        leaf = min(leaves[i], longest)
        offline[i, : leaf + 1] = 0
        for n in range(leaf + 1, longest + 1) if i < last else ():
            j = np.arange(1, n)
            offline[i, n] = np.min(j + offline[i + 1, n - j] + offline[i, j])
        for n in range(longest + 1) if i < last else ():
            placed[i, n] = offline[i, n]
            if i < last - 1 and n > 1:
                j = np.arange(1, n)
                placed[i, n] = min(placed[i, n], np.min(offline[i, j] + placed[i + 1, n - j]))
    return offline[0], np.arange(longest + 1) + placed[0]


@pytest.mark.parametrize(
    ("sizes", "bound"),
    [
        ((8, 40, 400), 1.09),
        ((1, 1, 24), 1.09),
        ((2, 1, 20), 1.09),
        ((1, 2, 9), 1.09),
        ((1, 1, 5), 1.09),
        ((5, 1, 40), 1.09),
        ((1, 1, 3), 1.24),
        ((3, 2, 12), 1.24),
        ((2, 1, 6), 1.24),
    ],
)
def test_under_a_budget_it_is_near_the_best_placement(
    sizes: tuple[int, int, int], bound: float
) -> None:
    schedule = online(state_bytes=sizes[0], tape_bytes=sizes[1], budget=sizes[2])
    offline, placed = _least_plain_steps(schedule.capacity.leaves, 150)
    for n in range(1, 151):
        advanced = schedule.counts(n).advanced
        assert advanced + n <= bound * (placed[n] + n), n
        assert advanced <= offline[n] + n, n  # at most one plain sweep above a known length


def test_capacity_with_one_tape_a_leaf_is_the_closed_form() -> None:
    capacity = Capacity([1] * 6)
    for level, n in itertools.product(range(5), range(1, 400)):
        assert capacity.advanced(n, level) == t(n, 5 - level)


def test_capacity_needs_no_more_memory_than_the_square_root_of_a_chain() -> None:
    tracemalloc.start()
    schedule = online(2)
    placement = Placement(schedule.capacity)
    for n in (10**6, 10**9, 10**12):
        assert placement.capacity.advanced(n, 1) == n * (n - 1) // 2
    driver = iter(schedule)
    for action in itertools.islice(driver, 2_000):
        if isinstance(action, Advance):
            steps = action.stop
    assert steps > 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_driver_pickles_and_continues_forwards_and_back() -> None:
    for schedule in (online(3), online(state_bytes=2, tape_bytes=3, budget=20)):
        assert isinstance(schedule, OnlineSchedule)
        whole = run(iter(schedule), 40)
        for drawn in range(60):
            driver = iter(schedule)
            assert isinstance(driver, OnlineDriver)
            head = []
            for action in itertools.islice(driver, drawn):
                if isinstance(action, Advance) and action.start <= 40 < action.stop:
                    if action.start < 40:
                        head.append(Advance(action.start, 40))
                    driver.finish(40)
                    driver = pickle.loads(pickle.dumps(driver))
                    head += driver
                    break
                head.append(action)
            else:
                head += run(pickle.loads(pickle.dumps(driver)), 40)
            assert head == whole


def test_it_is_a_value() -> None:
    assert online(4) == online(np.int64(4)) != online(5)
    assert pickle.loads(pickle.dumps(online(4))) == online(4)


def test_a_run_that_never_began_has_nothing_to_reverse() -> None:
    driver = iter(online(3))
    driver.finish(0)
    assert list(driver) == []
    driver = iter(online(3))
    assert next(driver) == Save(0, Level.RAM)
    driver.finish(0)
    assert list(driver) == [Discard(0, Level.RAM)]


def test_a_run_that_fits_on_tapes_whatever_its_length_is_recorded_at_once() -> None:
    schedule = online(state_bytes=9, tape_bytes=2, budget=80, max_steps=40)
    for n in range(41):
        counts = check(schedule, n)
        assert counts == schedule.counts(n)
        assert (counts.advanced, counts.recorded, counts.peak_bytes) == (0, n, 2 * n)
    driver = iter(schedule)
    assert next(driver) == Record(0, 40)
    driver = pickle.loads(pickle.dumps(driver))
    driver.finish(7)
    assert list(pickle.loads(pickle.dumps(driver))) == [Reverse(0, 7)]
    with pytest.raises(ScheduleError, match="the run goes on after max_steps=40 steps"):
        list(schedule)
    longer = online(state_bytes=9, tape_bytes=2, budget=80, max_steps=41)
    assert longer == online(state_bytes=9, tape_bytes=2, budget=80)


def test_wrong_ends_are_refused() -> None:
    driver = iter(online(3))
    for action in driver:
        if isinstance(action, Advance) and action.stop >= 20:
            break
    with pytest.raises(ParameterError, match="n_steps is 5, but the last offer runs through"):
        driver.finish(5)
    with pytest.raises(ParameterError, match="n_steps is 1000, but"):
        driver.finish(1000)
    driver.finish(20)
    assert isinstance(next(driver), Restore)
    with pytest.raises(ScheduleError, match="told of its end before"):
        driver.finish(20)

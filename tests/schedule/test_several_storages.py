"""Multilevel schedules over several storages: as cheap as any, on every level within its slots."""

import functools
import itertools
import math
import pickle
import random
from typing import Any

import pytest

from revolve_ad.errors import BudgetError, ParameterError, ScheduleError
from revolve_ad.schedule import (
    Advance,
    Discard,
    Level,
    LevelCounts,
    Limits,
    Record,
    Restore,
    Reverse,
    Save,
    check,
    draw,
    multilevel,
    to_checkpoint_schedules,
)
from tests.schedule.exhaustive import cheapest_on_levels

# step, adjoint, write and read of each storage; the last ones write and read in different orders
COSTS: list[tuple[float, float, tuple[float, ...], tuple[float, ...]]] = [
    (1.0, 1.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (1.0, 1.0, (1.0, 3.0, 5.0), (0.5, 1.0, 2.0)),
    (1.0, 0.0, (0.25, 2.0, 2.5), (0.25, 0.5, 0.5)),
    (2.0, 1.0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    (1.0, 2.0, (0.0, 5.0, 7.0), (0.0, 0.0, 1.0)),
    (0.0, 1.0, (1.0, 2.0, 3.0), (1.0, 0.5, 0.25)),
    (1.0, 0.5, (0.5, 0.5, 1.5), (2.0, 3.0, 3.0)),
    (0.7, 1.3, (1.1, 2.3, 4.1), (0.3, 0.7, 1.9)),
    (1.0, 1.0, (20.0, 20.0, 1.0), (0.25, 0.5, 9.0)),
    (1.0, 1.0, (0.0, 5.0, 2.0), (7.3, 3.0, 5.0)),
    (1.0, 1.0, (5.0, 0.0, 1.0), (1.0, 1.5, 1.0)),
    (1.0, 1.0, (3.0, 1.0, 0.5), (3.0, 1.0, 0.5)),
]
SLOTS = [
    *((6, slots) for slots in ((0, 1, 1), (0, 2, 1), (0, 1, 2), (1, 1, 0))),
    *((5, slots) for slots in ((1, 1, 1), (2, 1, 1), (0, 2, 2), (0, 1, 1, 1), (0, 0, 1, 1))),
    *(
        (4, slots)
        for slots in ((1, 1, 2), (1, 2, 1), (0, 3, 1), (0, 1, 3), (1, 1, 1, 1), (0, 0, 0))
    ),
]


def moves(
    step: float, adjoint: float, write: tuple[float, ...], read: tuple[float, ...]
) -> dict[tuple[str, int], float]:
    costs = {("step", 0): step, ("last", 0): step + adjoint}
    costs |= {("save", level): cost for level, cost in enumerate(write, start=1)}
    return costs | {("restore", level): cost for level, cost in enumerate(read, start=1)}


def test_no_schedule_whatever_is_cheaper_in_1000_cases() -> None:
    compared = 0
    for longest, (ram, *disk) in SLOTS:
        least = cheapest_on_levels(longest, (ram, *disk), [moves(*costs) for costs in COSTS])
        for (step, adjoint, write, read), row in zip(COSTS, least, strict=True):
            costs = step, adjoint, write[: len(disk)], read[: len(disk)]
            for n, (cost, unbounded) in itertools.product(
                range(1, longest + 1), ((row, False), (row, True))
            ):
                # As many slots as steps are as good as any number.
                slots = [None if unbounded and slot >= n - 1 else slot for slot in disk]
                if unbounded and None not in slots:
                    continue
                compared += 1
                if math.isinf(cost[n - 1]):
                    with pytest.raises(BudgetError):
                        multilevel(n, ram, slots, *costs)
                    continue
                schedule = multilevel(n, ram, slots, *costs)
                assert schedule.cost == pytest.approx(cost[n - 1], rel=1e-12), (
                    n,
                    ram,
                    slots,
                    costs,
                )
                assert schedule.proven
                if n > 3:
                    assert check(schedule) == schedule.counts()
    assert compared >= 1000, compared


def cheapest_by_free_choice(
    n_steps: int, slots: tuple[int, ...], write: list[float], read: list[float]
) -> list[float]:
    """The least cost of 1 … n_steps steps where any level may be chosen at each save.

    Checkpoints are still kept until all steps behind them are reversed, or moved to another level
    when they are restored; that nothing else is of use is what the search above shows.
    """

    @functools.cache
    def live(n: int, free: tuple[int, ...]) -> float:
        if n == 1:
            return 0.0
        ways = [k for k, slot in enumerate(free) if slot]
        return min((write[k] + kept(k, n, taken(free, k, 1)) for k in ways), default=math.inf)

    @functools.cache
    def kept(k: int, n: int, free: tuple[int, ...]) -> float:
        if n == 1:
            return 0.0
        splits = [j + live(n - j, free) + read[k] + left(k, j, free) for j in range(1, n)]
        return min(splits)

    def left(k: int, n: int, free: tuple[int, ...]) -> float:
        return min(kept(k, n, free), live(n, taken(free, k, -1)))

    def taken(free: tuple[int, ...], k: int, number: int) -> tuple[int, ...]:
        return (*free[:k], free[k] - number, *free[k + 1 :])

    return [live(n, slots) + 2 * n for n in range(1, n_steps + 1)]


def test_longer_chains_are_as_cheap_as_with_a_free_choice_of_levels() -> None:
    rng = random.Random(5)
    for _ in range(12):
        disk = [rng.randint(1, 2) for _ in range(rng.choice((2, 2, 3)))]
        write, read = ([rng.choice((0.0, 0.5, 2.0, 7.3, 20.0)) for _ in disk] for _ in range(2))
        ram = rng.randint(0, 2)
        least = cheapest_by_free_choice(13, (ram, *disk), [0.0, *write], [0.0, *read])
        for n, cost in enumerate(least, start=1):
            assert multilevel(n, ram, disk, 1, 1, write, read).cost == pytest.approx(
                cost, rel=1e-12
            )


def random_problems(
    number: int, shortest: int, longest: int
) -> list[tuple[int, int, list[int | None], list[float], list[float]]]:
    rng = random.Random(11)
    problems: list[tuple[int, int, list[int | None], list[float], list[float]]] = []
    for _ in range(number):
        n, storages = rng.randint(shortest, longest), rng.choice((2, 3))
        slots: list[int | None] = [rng.randint(0, 9) for _ in range(storages)]
        slots[-1] = rng.choice((None, 4))
        scales = [rng.choice((0.3, 1.0, 5.0, 30.0, 200.0)) for _ in range(2 * storages)]
        write, read = (
            sorted(rng.random() * scale for scale in part)
            for part in (scales[:storages], scales[storages:])
        )
        if rng.random() < 0.2:
            rng.shuffle(read)
        problems.append((n, rng.randint(0, 5), slots, write, read))
    return problems


def test_without_time_short_chains_get_schedules_that_keep_the_rules() -> None:
    for n, ram, slots, write, read in random_problems(60, 2, 12):
        scaled = [cost / 50 for cost in write], [cost / 50 for cost in read]
        quick = multilevel(n, ram, [slot or 1 for slot in slots], 1, 1, *scaled, effort=0)
        exact = multilevel(n, ram, [slot or 1 for slot in slots], 1, 1, *scaled)
        assert check(quick) == quick.counts()
        assert exact.cost <= quick.cost * (1 + 1e-12)
        assert quick.lower_bound <= exact.cost * (1 + 1e-12)


@pytest.mark.parametrize(("effort", "ratio"), [(0.0, 1.4), (0.1, 1.05)])
def test_long_chains_are_within_the_stated_ratio_and_never_below_the_bound(
    effort: float, ratio: float
) -> None:
    for n, ram, slots, write, read in random_problems(20, 50, 300):
        exact = multilevel(n, ram, slots, 1, 1, write, read, effort=10)
        quick = multilevel(n, ram, slots, 1, 1, write, read, effort=effort)
        assert exact.proven
        assert quick.lower_bound <= exact.cost * (1 + 1e-9)
        assert exact.cost * (1 - 1e-9) <= quick.cost <= ratio * exact.cost
        assert check(quick) == quick.counts()


def test_what_is_predicted_for_a_long_chain_is_what_the_referee_counts() -> None:
    for disk in ((4, None), (3, 40), (2, 10, None)):
        storages = len(disk)
        schedule = multilevel(2500, 3, disk, 1, 1, (2, 20, 90)[:storages], (1, 15, 60)[:storages])
        counts = check(schedule)
        assert counts == schedule.counts()
        assert schedule.cost < 1.02 * schedule.lower_bound
        assert counts.on(Level.DISK).peak <= disk[0]
        assert counts.on(Level.REMOTE).saved > 0
        assert counts.disk_saved == sum(level.saved for level in counts.by_level)


def test_one_storage_given_as_a_sequence_is_the_schedule_of_one_storage() -> None:
    for n, ram, disk in ((300, 3, 4), (500, 2, None), (50, 0, 3)):
        one = multilevel(n, ram, disk, 1, 1, 3, 2)
        same = multilevel(n, ram, [disk], 1, 1, [3], [2])
        assert list(one) == list(same)
        assert one.counts() == same.counts()


def test_slots_that_a_cheaper_storage_makes_useless_change_nothing() -> None:
    alone = multilevel(400, 3, (6, None), 1, 1, (1, 9), (1, 9))
    for disk in ((6, None, 5), (6, None, None)):
        more = multilevel(400, 3, disk, 1, 1, (1, 9, 9), (1, 9, 10))
        assert list(more) == list(alone)


def test_a_slower_storage_behind_a_full_one_is_worth_its_cost() -> None:
    fast = multilevel(1000, 5, 4, write=2, read=1)
    slow = multilevel(1000, 5, None, write=40, read=30)
    both = multilevel(1000, 5, (4, None), write=(2, 40), read=(1, 30))
    assert both.cost < min(fast.cost, slow.cost)


def test_a_million_steps_on_two_storages_are_near_the_bound() -> None:
    ways: list[tuple[int, dict[str, Any], float]] = [
        (10_000, {"ram": 5, "disk": (20, None), "write": (2, 40), "read": (1, 30)}, 1.001),
        (10**6, {"ram": 0, "disk": (5, 9, None), "write": (1, 9, 40), "read": (1, 9, 40)}, 1.01),
        (10**6, {"ram": 3, "disk": (10_000, None), "write": (1, 10), "read": (1, 10)}, 1.3),
    ]
    for n, given, ratio in ways:
        schedule = multilevel(n, **given)
        assert schedule.cost <= ratio * schedule.lower_bound, given


def test_every_pass_goes_on_after_pickling_with_the_same_actions() -> None:
    schedule = multilevel(40, 1, (2, None), write=(1, 5), read=(1, 5))
    actions = list(schedule)
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    running = iter(schedule)
    for i in range(len(actions)):
        assert list(pickle.loads(pickle.dumps(running))) == actions[i:]
        next(running)


def far() -> list[Any]:
    """A pass over four steps with a checkpoint on each of the slow levels."""
    return [
        Save(0, Level.ARCHIVE),
        Advance(0, 2),
        Save(2, Level.REMOTE),
        Advance(2, 3),
        Record(3, 4),
        Reverse(3, 4),
        Restore(2, Level.REMOTE),
        Discard(2, Level.REMOTE),
        Record(2, 3),
        Reverse(2, 3),
        Restore(0, Level.ARCHIVE),
        Discard(0, Level.ARCHIVE),
        Record(0, 2),
        Reverse(0, 2),
    ]


def test_the_referee_counts_and_limits_each_level() -> None:
    limits = Limits(slots=(0, 0, 1, 1), write=(0.0, 0.0, 2.0, 7.0), read=(0.0, 0.0, 1.0, 5.0))
    counts = check(far(), 4, limits=limits)
    assert counts.by_level == (LevelCounts(), LevelCounts(1, 1, 1), LevelCounts(1, 1, 1))
    assert (counts.disk_saved, counts.disk_restored, counts.peak_disk) == (2, 2, 2)
    assert counts.io_cost == 15.0
    with pytest.raises(ParameterError, match=r"Level\.RAM"):
        counts.on(Level.RAM)
    with pytest.raises(ScheduleError, match=r"all 0 slots on Level\.ARCHIVE are taken"):
        check(far(), 4, limits=Limits(slots=(0, 0, 1, 0)))
    for action, rule in (
        (Restore(2, Level.DISK), r"state 2 isn't saved on Level\.DISK"),
        (Save(0, Level.ARCHIVE), r"state 2 is live, so state 0 can't be saved"),
        (Save(2, Level.REMOTE), r"state 2 is saved on Level\.REMOTE already"),
    ):
        with pytest.raises(ScheduleError, match=rule):
            check([*far()[:3], action], 4)
    without = [action for action in far() if action != Discard(0, Level.ARCHIVE)]
    with pytest.raises(ScheduleError, match=r"leaves 1 checkpoints on Level\.ARCHIVE"):
        check(without, 4)


def test_counts_of_schedules_without_slow_levels_are_as_they_were() -> None:
    counts = multilevel(100, 3, (4, 0), write=(1, 5), read=(1, 5)).counts()
    assert counts.by_level == ()
    assert counts.on(Level.DISK) == LevelCounts(
        counts.disk_saved, counts.disk_restored, counts.peak_disk
    )
    assert counts.on(Level.REMOTE) == LevelCounts()


def test_a_drawing_shows_each_level_in_its_own_way() -> None:
    text = draw(far(), 4).text()
    assert "▲ checkpoint remote" in text
    assert "◆ checkpoint in the archive" in text
    assert any("◆" in line and "▲" in line for line in text.splitlines()[4:])
    pytest.importorskip("matplotlib")
    figure = draw(far(), 4).figure()
    labels = [text.get_text() for text in figure.axes[3].get_legend().get_texts()]  # type: ignore[union-attr]
    assert {"remote", "in the archive"} <= set(labels)
    assert "in RAM" not in labels


def test_slow_levels_are_refused_by_the_adapter_before_or_at_the_action() -> None:
    pytest.importorskip("checkpoint_schedules")
    several = multilevel(300, 2, (2, None), write=(1, 2), read=(1, 2))
    assert several.counts().on(Level.REMOTE).saved
    with pytest.raises(ScheduleError, match="memory and one disk only"):
        to_checkpoint_schedules(several)
    with pytest.raises(ScheduleError, match="memory and one disk only"):
        list(to_checkpoint_schedules(far(), 4))
    unused = multilevel(20, 5, (2, None), write=(1, 50), read=(1, 50))
    assert unused.counts().by_level == ()
    assert list(to_checkpoint_schedules(unused))

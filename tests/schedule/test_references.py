"""The plain schedules are valid and cost what their closed forms say."""

from revolve_ad.schedule.actions import Record, Reverse
from revolve_ad.schedule.protocol import Schedule
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.references import none, periodic, store_all


def test_each_costs_what_it_forecasts() -> None:
    for n in range(1, 30):
        schedules: list[Schedule] = [store_all(n), none(n)]
        schedules += [periodic(n, period) for period in range(1, n + 3)]
        for schedule in schedules:
            assert check(schedule) == schedule.counts(), schedule


def test_keeping_all_tapes_is_two_actions() -> None:
    assert list(store_all(7)) == [Record(0, 7), Reverse(0, 7)]


def test_keeping_nothing_costs_the_sum_of_all_distances() -> None:
    assert none(100).counts().advanced == sum(range(100))
    assert none(100).counts().peak_checkpoints == 1


def test_a_period_of_the_square_root_runs_each_step_at_most_twice() -> None:
    counts = check(periodic(10_000, 100))
    assert (counts.advanced, counts.peak_checkpoints, counts.peak_tapes) == (9_900, 99, 100)

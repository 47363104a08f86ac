"""The benchmark of schedules runs, and what it counts is what theory says."""

from tests.benchmarks.bench_schedules import entries, measure


def test_all_schedules_of_ours_are_measured() -> None:
    for name, (_, count) in entries().items():
        if count.__name__ == "count_ours":
            *_, result = measure(name, 64)
            assert result.evaluations >= 64
            assert result.seconds >= 0


def test_the_count_of_the_binomial_schedule_is_the_closed_form() -> None:
    *_, result = measure("10 checkpoints | binomial", 1000)
    assert result.evaluations == 1000 + 3636

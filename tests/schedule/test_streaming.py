"""Streaming schedules: one extra sweep at any length, if the disk keeps up; and when it does."""

import pytest

from revolve_ad.schedule.actions import Advance, Level, Record, Restore, Reverse, Save
from revolve_ad.schedule.mixed import mixed
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.streaming import (
    Streaming,
    required_bandwidth,
    streaming,
    streaming_period,
)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65])
def test_each_step_but_those_of_the_last_stretch_is_run_plainly_once(n: int) -> None:
    schedule = streaming(n, budget=80, state_bytes=5, tape_bytes=10, write=8, read=3)
    last = n - 8 * ((n - 1) // 8)
    assert schedule.period == 8
    assert schedule.counts().advanced == n - last
    assert schedule.counts().peak_disk == (n - 1) // 8
    assert check(schedule) == schedule.counts()


@pytest.mark.parametrize("budget", [15, 22, 40, 79])
def test_stretches_whose_tapes_do_not_fit_are_reversed_by_the_best_mixed_schedule(
    budget: int,
) -> None:
    schedule = streaming(100, budget, state_bytes=5, tape_bytes=10, write=9.5)
    inner = mixed(10, budget, 5, 10).counts()
    assert check(schedule) == schedule.counts()
    assert schedule.counts().advanced == 9 * 10 + 10 * inner.advanced
    assert schedule.counts().peak_bytes <= budget


def elapsed(schedule: Streaming, step: float, adjoint: float, write: float, read: float) -> float:
    """Play a pass against a clock: one writer, one reader, two buffers each way.

    A save waits for a free buffer; the reader fetches checkpoints in the order of their restores,
    as soon as they are written, a buffer is free and the first sweep is over.
    """
    now = writer = reader = 0.0
    written: dict[int, float] = {}
    write_ends: list[float] = []
    fetched: list[float] = []
    taken: list[float] = []
    order = [a.state for a in schedule if isinstance(a, Restore) and a.level is Level.DISK]
    for action in schedule:
        match action:
            case Save(state, Level.DISK):
                if len(write_ends) >= 2:
                    now = max(now, write_ends[-2])
                writer = max(writer, now) + write
                write_ends.append(writer)
                written[state] = writer
                if len(written) == len(order):
                    reader = now
            case Restore(_, Level.DISK):
                while len(fetched) <= len(taken):
                    i = len(fetched)
                    buffer = taken[i - 2] if i >= 2 else 0.0
                    reader = max(reader, written[order[i]], buffer) + read
                    fetched.append(reader)
                now = max(now, fetched[len(taken)])
                taken.append(now)
            case Advance(start, stop) | Record(start, stop):
                now += step * (stop - start)
            case Reverse(start, stop):
                now += adjoint * (stop - start)
            case _:
                pass
    return now


@pytest.mark.parametrize(("write", "read"), [(5.0, 9.0), (4.5, 14.9), (1.0, 0.0), (16.0, 40.0)])
def test_a_disk_that_meets_the_condition_never_keeps_the_computation_waiting(
    write: float, read: float
) -> None:
    step, adjoint = 1.0, 2.0
    schedule = streaming(1000, 10_000, 1, 1, step, adjoint, write, read)
    ideal = step * schedule.counts().advanced + (step + adjoint) * 1000
    assert schedule.seconds(step, adjoint, write, read) == ideal
    # Once the pipeline has run full: a checkpoint written last is the one that is read first.
    assert ideal <= elapsed(schedule, step, adjoint, write, read) <= ideal + 2 * write + read


def test_a_disk_that_misses_the_condition_keeps_it_waiting_as_predicted() -> None:
    schedule = streaming(2000, 10_000, 1, 1, 1.0, 2.0, write=4.0, read=4.0)
    slow = schedule.seconds(1.0, 2.0, write=6.0, read=4.0)
    assert slow > 1.05 * schedule.seconds(1.0, 2.0, write=4.0, read=4.0)
    assert elapsed(schedule, 1.0, 2.0, 6.0, 4.0) == pytest.approx(slow, rel=0.01)


def test_the_condition_is_the_one_on_bandwidth() -> None:
    size, step, adjoint = 2**30, 0.1, 0.2
    write, read = required_bandwidth(8, size, step, adjoint)
    assert streaming_period(step, adjoint, 0.999 * size / write, 0.999 * size / read) == 8
    assert streaming_period(step, adjoint, 1.001 * size / write, 0.0) == 9
    assert streaming_period(step, adjoint, 0.0, 1.001 * size / read) == 9

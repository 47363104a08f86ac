"""The binomial schedule is valid, minimal, lazy, comparable and picklable."""

import itertools
import pickle
import tracemalloc
from collections import Counter, deque

import numpy as np
import pytest

from revolve_ad.schedule.actions import Action, Advance, Discard, Level, Record, Reverse, Save
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.closed_form import min_saves, t
from revolve_ad.schedule.protocol import Schedule
from revolve_ad.schedule.referee import check
from tests.work import work


def test_every_short_schedule_costs_what_theory_says() -> None:
    lengths = [*range(1, 31), 64, 165, 220, 300]
    for n, s in itertools.product(lengths, range(1, 13)):
        schedule = binomial(n, s)
        counts = check(schedule)
        assert counts == schedule.counts(), (n, s)
        assert (counts.advanced, counts.saved) == (t(n, s), min_saves(n, s))
        assert (counts.recorded, counts.restored, counts.peak_tapes) == (n, n - 1, 1)


def test_every_chain_of_up_to_300_steps_has_the_least_plain_steps_and_the_fewest_saves() -> None:
    for n, s in itertools.product(range(1, 301), range(1, 13)):
        advanced = saved = 0
        for action in binomial(n, s):
            kind = type(action)
            if kind is Advance:
                advanced += action.stop - action.start
            elif kind is Save:
                saved += 1
        assert (advanced, saved) == (t(n, s), min_saves(n, s)), (n, s)


def test_more_checkpoints_than_steps_do_no_harm() -> None:
    for s in (10, 11, 10**15):
        assert check(binomial(10, s)).advanced == 9


def test_it_begins_with_the_save_of_state_0_and_discards_before_the_last_use() -> None:
    actions = list(binomial(7, 3))
    assert actions[0] == Save(0, Level.RAM)
    assert actions[-4:] == [
        type(actions[-4])(0, Level.RAM),
        Discard(0, Level.RAM),
        Record(0, 1),
        Reverse(0, 1),
    ]
    one = [Save(0, Level.RAM), Record(0, 1), Reverse(0, 1), Discard(0, Level.RAM)]
    assert list(binomial(1, 1)) == one


def test_the_forward_part_ends_with_the_record_of_the_last_step() -> None:
    actions = list(binomial(50, 4))
    first = next(i for i, action in enumerate(actions) if isinstance(action, Record))
    assert actions[first : first + 2] == [Record(49, 50), Reverse(49, 50)]
    assert all(isinstance(action, Save | Advance) for action in actions[:first])


def test_a_schedule_is_a_value_that_serves_many_passes() -> None:
    schedule = binomial(30, 4)
    assert isinstance(schedule, Schedule)
    assert list(schedule) == list(schedule)
    assert schedule == binomial(np.int64(30), 4) != binomial(30, 5)
    assert hash(schedule) == hash(binomial(30, 4))
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@pytest.mark.parametrize("s", [1, 2, 3, 20, 50, 10**6, 10**12])
def test_a_chain_of_10_to_the_12_steps_starts_at_once(s: int) -> None:
    n = 10**12
    live, saved, position = 0, set(), n
    most = 100_000 if s == 20 else 20_000
    drawn: list[Action] = list(itertools.islice(binomial(n, s), most))
    for action in drawn:
        match action:
            case Save(state, _):
                assert state == live
                saved.add(state)
                assert len(saved) <= s
            case Advance(start, stop) | Record(start, stop):
                assert start == live < stop <= position
                live = stop
            case Reverse(start, stop):
                assert stop == position
                position = start
            case Discard(state, _):
                saved.remove(state)
            case restore:
                assert restore.state in saved
                live = restore.state
    assert len(drawn) == most


def test_the_first_action_comes_after_as_few_lines_however_long_the_chain() -> None:
    for n in (100, 10**6, 10**12):
        assert work(lambda n=n: next(iter(binomial(n, 20)))).lines < 50


def test_an_action_takes_about_five_lines_in_a_chain_of_any_length() -> None:
    for n in (1_000, 20_000):
        schedule = binomial(n, 10)
        actions = sum(1 for _ in schedule)
        assert work(lambda schedule=schedule: deque(schedule, 0)).lines < 6 * actions


def test_a_million_steps_take_as_many_actions_as_theory_says() -> None:
    advanced, kinds = 0, Counter[type]()
    for action in binomial(10**6, 10):
        kinds[type(action)] += 1
        if type(action) is Advance:
            advanced += action.stop - action.start
    assert (advanced, kinds[Save], kinds[Discard]) == (11_647_922, 353_354, 353_354)
    assert kinds[Record] == kinds[Reverse] == 10**6


def test_a_pass_over_many_steps_takes_under_a_megabyte() -> None:
    schedule = binomial(5_000, 10)
    tracemalloc.start()
    for _ in schedule:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000

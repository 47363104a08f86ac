"""The referee accepts what is sound, and names the first broken rule of what isn't."""

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
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.protocol import Counts, Limits
from revolve_ad.schedule.referee import check

RAM, DISK = Level.RAM, Level.DISK

TWO_STEPS: list[Action] = [
    Save(0, RAM),
    Advance(0, 1),
    Record(1, 2),
    Reverse(1, 2),
    Restore(0, RAM),
    Discard(0, RAM),
    Record(0, 1),
    Reverse(0, 1),
]


def test_a_sound_list_is_counted() -> None:
    assert check(TWO_STEPS) == Counts(
        advanced=1, recorded=2, saved=1, restored=1, peak_checkpoints=1, peak_tapes=1
    )


def test_bytes_and_costs_are_counted_on_their_levels() -> None:
    actions: list[Action] = [
        Save(0, DISK),
        Advance(0, 1),
        Save(1, RAM),
        Record(1, 3),
        Reverse(2, 3),
        Reverse(1, 2),
        Discard(1, RAM),
        Restore(0, DISK),
        Record(0, 1),
        Reverse(0, 1),
        Discard(0, DISK),
    ]
    limits = Limits(
        slots=(1, 1), state_bytes=10, tape_bytes=7, budget=24, write=(0.0, 3.0), read=(0.0, 0.5)
    )
    assert check(actions, limits=limits) == Counts(
        advanced=1,
        recorded=3,
        saved=2,
        restored=1,
        peak_checkpoints=2,
        peak_tapes=2,
        disk_saved=1,
        disk_restored=1,
        peak_disk=1,
        peak_bytes=24,
        io_cost=3.5,
    )


def test_states_and_tapes_of_unequal_sizes_are_weighed_one_by_one() -> None:
    limits = Limits(state_bytes=(5, 1, 1), tape_bytes=(2, 30))
    assert check(TWO_STEPS, limits=limits).peak_bytes == 35


def test_tapes_may_be_kept_in_any_order_and_used_in_pieces() -> None:
    actions: list[Action] = [
        Save(0, RAM),
        Advance(0, 2),
        Record(2, 4),
        Restore(0, RAM),
        Record(0, 1),
        Record(1, 2),
        Reverse(3, 4),
        Reverse(1, 3),
        Reverse(0, 1),
        Discard(0, RAM),
    ]
    counts = check(actions)
    assert (counts.recorded, counts.peak_tapes) == (4, 4)


@pytest.mark.parametrize(
    ("actions", "rule"),
    [
        ([Advance(1, 2)], "action 0, .*state 0 is live, so no run can start at state 1"),
        ([Record(0, 2), Reverse(1, 2), Advance(1, 2)], "action 2, .*no state is live"),
        ([Advance(0, 0)], "action 0, .*at least one step"),
        ([Advance(0, 9)], "action 0, .*the chain has only 2 steps"),
        ([Advance(0, 1), Save(0, RAM)], "action 1, .*state 1 is live, so state 0 can't be saved"),
        ([Save(0, RAM), Save(0, RAM)], "action 1, .*saved on Level.RAM already"),
        ([Restore(0, DISK)], "action 0, .*state 0 isn't saved on Level.DISK"),
        ([Save(0, RAM), Discard(0, DISK)], "action 1, .*isn't saved on Level.DISK"),
        ([Record(0, 2), Reverse(0, 1)], "action 1, .*next step to reverse is 1, not 0"),
        ([Advance(0, 1), Record(1, 2), Reverse(0, 2)], "action 2, .*step 0 has no tape"),
        ([Reverse(1, 2)], "action 0, .*step 1 has no tape"),
        ([Record(0, 2), Reverse(1, 1)], "action 1, .*at least one step"),
        ([Save(0, RAM), Record(0, 1), Restore(0, RAM), Record(0, 2)], "action 3, .*step 0 has a"),
        ([Save(0, RAM), Record(0, 2), Reverse(1, 2), Restore(0, RAM), Record(0, 1)], "step 0 has"),
        (
            [Save(0, RAM), Record(0, 2), Reverse(0, 2), Restore(0, RAM), Record(0, 1)],
            "action 4, .*steps from 0 on are reversed already",
        ),
        (TWO_STEPS[:-1], "has ended after action 6, but steps 0 … 0 aren't reversed"),
        ([*TWO_STEPS[:5], *TWO_STEPS[6:]], "leaves 1 checkpoints on Level.RAM.*state 0"),
        ([Record(0, 2), Reverse(0, 2), "stop"], "action 2 is 'stop', which is no Action"),
        ([Save(0, 5)], "action 0, .*there is no level 5"),
    ],
)
def test_the_first_broken_rule_is_named(actions: list[Action], rule: str) -> None:
    with pytest.raises(ScheduleError, match=rule):
        check(actions, 2)


def test_any_action_left_out_or_played_twice_is_noticed() -> None:
    sound = list(binomial(12, 3))
    for i in range(len(sound)):
        with pytest.raises(ScheduleError):
            check(sound[:i] + sound[i + 1 :], 12)
        if not isinstance(sound[i], Restore):  # restoring again is wasteful, not wrong
            with pytest.raises(ScheduleError):
                check([*sound[: i + 1], *sound[i:]], 12)


def test_a_last_step_that_is_never_reversed_is_noticed_without_a_length() -> None:
    with pytest.raises(ScheduleError, match="the first step to reverse must be the last"):
        check([Save(0, RAM), Advance(0, 2), Restore(0, RAM), Record(0, 1), Reverse(0, 1)])
    with pytest.raises(ScheduleError, match="reverses no step"):
        check([])


def test_slots_and_bytes_are_held() -> None:
    with pytest.raises(ScheduleError, match=r"action 2, .*all 1 slots on Level.RAM are taken"):
        check(binomial(9, 2), limits=Limits(slots=(1,)))
    with pytest.raises(ScheduleError, match=r"it needs 30 bytes, the budget is 29"):
        check(binomial(9, 2), limits=Limits(state_bytes=10, tape_bytes=10, budget=29))
    assert check(binomial(9, 2), limits=Limits(state_bytes=10, budget=20)).peak_bytes == 20


def test_a_wrong_number_of_steps_is_refused_before_the_first_action() -> None:
    with pytest.raises(ParameterError, match="n_steps is 8, but the schedule is one of 9"):
        check(binomial(9, 2), 8)
    with pytest.raises(ParameterError, match="n_steps is -1"):
        check(TWO_STEPS, -1)

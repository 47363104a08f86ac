"""The referee accepts what is sound, and names the first broken rule of what isn't."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from revolve_ad import schedule as s
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
from revolve_ad.schedule.referee import check, play_until

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


class Halves:
    """A schedule of a user's own: reverse the second half first; knows its length, no more."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps

    def __iter__(self) -> Iterator[Action]:
        n, half = self.n_steps, self.n_steps // 2
        yield Save(0, RAM)
        yield Advance(0, half)
        yield Record(half, n)
        yield Reverse(half, n)
        yield Restore(0, RAM)
        yield Discard(0, RAM)
        yield Record(0, half)
        yield Reverse(0, half)


def test_a_schedule_of_ones_own_is_refereed_in_one_call() -> None:
    for schedule in (Halves(8), list(Halves(8)), tuple(Halves(8)), iter(Halves(8))):
        counts = check(schedule)
        assert (counts.advanced, counts.recorded, counts.peak_tapes) == (4, 8, 4)
    limits = Limits(state_bytes=10, tape_bytes=5, budget=30)
    assert check(Halves(8), limits=limits).peak_bytes == 30
    with pytest.raises(ScheduleError, match="action 2, Record.*needs 30 bytes, the budget is 29"):
        check(Halves(8), limits=Limits(state_bytes=10, tape_bytes=5, budget=29))


MISTAKES: dict[str, tuple[Callable[[list[Action]], object], str]] = {
    "forgets to save": (lambda a: a.pop(0), r"action 3, Restore\(.*isn't saved on Level.RAM"),
    "saves too late": (
        lambda a: a.insert(1, a.pop(0)),
        r"action 1, Save\(.*state 4 is live, so state 0 can't be saved",
    ),
    "saves twice": (lambda a: a.insert(0, a[0]), r"action 1, Save\(.*saved on Level.RAM already"),
    "forgets to advance": (lambda a: a.pop(1), r"action 1, Record\(.*state 0 is live, so no run"),
    "skips a step": (
        lambda a: a.__setitem__(2, Record(5, 8)),
        r"action 2, Record\(start=5.*state 4 is live, so no run can start at state 5",
    ),
    "runs past the end": (
        lambda a: a.__setitem__(2, Record(4, 9)),
        r"action 2, Record\(start=4, stop=9\): the chain has only 8 steps",
    ),
    "advances where it should record": (
        lambda a: a.__setitem__(2, Advance(4, 8)),
        r"action 3, Reverse\(.*step 7 has no tape",
    ),
    "reverses the first half first": (
        lambda a: a.__setitem__(3, Reverse(0, 4)),
        r"action 3, Reverse\(.*the next step to reverse is 7, not 3",
    ),
    "reverses twice": (
        lambda a: a.insert(4, a[3]),
        r"action 4, Reverse\(.*the next step to reverse is 3, not 7",
    ),
    "forgets to restore": (lambda a: a.pop(4), r"action 5, Record\(.*no state is live"),
    "discards before it restores": (
        lambda a: a.insert(4, a.pop(5)),
        r"action 5, Restore\(.*state 0 isn't saved",
    ),
    "forgets to discard": (lambda a: a.pop(5), "leaves 1 checkpoints on Level.RAM, .* state 0"),
    "takes the wrong level": (
        lambda a: a.__setitem__(4, Restore(0, DISK)),
        r"action 4, Restore\(.*state 0 isn't saved on Level.DISK",
    ),
    "stops before the end": (lambda a: a.pop(), "after action 6, but steps 0 … 3 aren't reversed"),
    "leaves a state live": (
        lambda a: a.extend([Save(0, RAM), Restore(0, RAM)]),
        r"action 8, Save\(.*no state is live",
    ),
    "records again what is reversed": (
        lambda a: a.__setitem__(6, Record(0, 5)),
        r"action 6, Record\(.*steps from 4 on are reversed already",
    ),
    "yields something else": (
        lambda a: a.insert(2, ("Record", 4, 8)),  # type: ignore[arg-type]
        r"action 2 is \('Record', 4, 8\), which is no Action",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_answered_with_the_action_and_the_rule(mistake: str) -> None:
    actions = list(Halves(8))
    spoil, rule = MISTAKES[mistake]
    spoil(actions)
    with pytest.raises(ScheduleError, match=rule):
        check(actions, 8)


KINDS: list[tuple[Any, int | None]] = [
    (s.binomial(90, 4), None),
    (s.none(30), None),
    (s.store_all(30), None),
    (s.periodic(50, 7), None),
    (s.mixed(90, 31, 4, 3), None),
    (s.mixed(90, 31, 4, 3, effort=0), None),
    (s.multilevel(90, 3, 4, write=2, read=2), None),
    (s.multilevel(90, 0, 4), None),
    (s.multilevel(90, 3, None, write=2, read=2), None),
    (s.streaming(90, 31, 4, 3, write=5), None),
    (s.heterogeneous([1.0 + k % 7 for k in range(90)], 4), None),
    (s.heterogeneous_bytes([1.0 + k % 7 for k in range(15)], 20, [3, 5] * 8, [2] * 15), None),
    (s.heterogeneous_bytes([1.0 + k % 7 for k in range(35)], 20, [3, 5] * 18, [2] * 35), None),
    (s.online(4), 90),
    (s.online(state_bytes=4, tape_bytes=3, budget=31), 90),
    (s.online(state_bytes=4, tape_bytes=3, budget=300, max_steps=100), 90),
]


@pytest.mark.parametrize(("schedule", "n"), KINDS)
def test_every_kind_keeps_its_budget_at_every_action_and_leaves_nothing(
    schedule: Any, n: int | None
) -> None:
    """By sums written out here, beside what the referee says."""
    counts = check(schedule, n)
    assert counts == (schedule.counts() if n is None else schedule.counts(n))
    limits, held, peak = schedule.limits, set[tuple[int, Level]](), 0
    tapes = set[int]()
    actions = iter(schedule)
    for action in actions if n is None else play_until(n, actions):
        match action:
            case Save(state, level):
                held.add((state, level))
            case Discard(state, level):
                held.remove((state, level))
            case Record(start, stop):
                tapes |= set(range(start, stop))
            case Reverse(start, stop):
                tapes -= set(range(start, stop))
        state_bytes, tape_bytes = (
            (lambda k, size=size: size if isinstance(size, int) else size[k])
            for size in (limits.state_bytes, limits.tape_bytes)
        )
        size = sum(state_bytes(k) for k, level in held if level is RAM)
        size += sum(tape_bytes(k) for k in tapes)
        peak = max(peak, size)
        assert limits.budget is None or size <= limits.budget
        for level, slots in enumerate(limits.slots):
            assert slots is None or sum(on == level for _, on in held) <= slots
    assert (held, tapes, peak) == (set(), set(), counts.peak_bytes)

"""The referee agrees with a slower one that keeps plain sets and lists every rule once."""

import itertools
import random

import pytest

from revolve_ad.errors import ScheduleError
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
from revolve_ad.schedule.protocol import Limits
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.references import periodic, store_all

STATE, TAPE = 5, 3


def first_broken(actions: list[Action], n: int, slots: int, budget: int) -> int | None:
    """Return the index of the first action that breaks a rule, len(actions) if it is the end."""
    live: int | None = 0
    tapes: set[int] = set()
    held: set[tuple[int, Level]] = set()
    undone = list(range(n))
    for index, action in enumerate(actions):
        match action:
            case Advance(start, stop) | Record(start, stop):
                steps = set(range(start, stop))
                sound = live == start and steps and stop <= n
                if isinstance(action, Record):
                    sound = sound and not steps & tapes and steps <= set(undone)
                    tapes |= steps
                live = stop
            case Reverse(start, stop):
                steps = set(range(start, stop))
                sound = steps and undone[start:] == sorted(steps) and steps <= tapes
                tapes -= steps
                undone = undone[:start]
                live = None
            case Save(state, level):
                sound = live == state and (state, level) not in held
                held.add((state, level))
            case Restore(state, level):
                sound = (state, level) in held
                live = state
            case Discard(state, level):
                sound = (state, level) in held
                held -= {(state, level)}
        in_ram = sum(level == Level.RAM for _, level in held)
        if not sound or in_ram > slots or in_ram * STATE + len(tapes) * TAPE > budget:
            return index
    return len(actions) if undone or tapes or held or live is not None else None


def spoilt(actions: list[Action], rng: random.Random) -> list[Action]:
    """Change one to three things, or nothing."""
    actions = list(actions)
    for _ in range(rng.randrange(4)):
        i = rng.randrange(len(actions))
        match rng.randrange(5):
            case 0:
                del actions[i]
            case 1:
                actions.insert(i, rng.choice(actions))
            case 2:
                j = rng.randrange(len(actions))
                actions[i], actions[j] = actions[j], actions[i]
            case 3:
                fields = actions[i].__match_args__
                if fields == ("start", "stop"):
                    stretch = sorted(rng.sample(range(12), 2))
                    actions[i] = type(actions[i])(*stretch)  # type: ignore[arg-type]
            case 4:
                if actions[i].__match_args__ != ("start", "stop"):
                    where = rng.randrange(10), rng.choice(list(Level))
                    actions[i] = type(actions[i])(*where)  # type: ignore[arg-type]
        if not actions:
            break
    return actions or [Save(0, Level.RAM)]


def complaint(actions: list[Action], limits: Limits) -> str:
    """Return what the referee says against a schedule of nine steps, if anything."""
    try:
        check(actions, 9, limits=limits)
    except ScheduleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", range(4))
def test_both_find_the_same_first_broken_rule(seed: int) -> None:
    rng = random.Random(seed)
    originals = [
        list(binomial(9, 3)),
        list(binomial(9, 9)),
        list(periodic(9, 4)),
        list(store_all(9)),
    ]
    verdicts = set()
    for original in itertools.islice(itertools.cycle(originals), 1500):
        actions = spoilt(original, rng)
        slots, budget = rng.choice([(3, 99), (9, 99), (9, 18), (9, 27)])
        expected = first_broken(actions, 9, slots, budget)
        limits = Limits(slots=(slots,), state_bytes=STATE, tape_bytes=TAPE, budget=budget)
        message = complaint(actions, limits)
        verdicts.add(message == "")
        if expected is None:
            assert message == ""
        elif expected == len(actions):
            assert message.startswith("the schedule has ended")
        else:
            assert message.startswith(f"action {expected}, "), (message, actions)
    assert verdicts == {True, False}

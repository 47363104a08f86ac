"""A pass that is under way pickles after any action, and goes on with the same actions."""

import copy
import pickle
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from revolve_ad import schedule as s
from revolve_ad.schedule.heterogeneous import _in_blocks
from revolve_ad.schedule.mixed import Mixed
from revolve_ad.schedule.search.spines import Spines

rng = random.Random(5)
COSTS = [rng.lognormvariate(0, 1) for _ in range(210)]
STATES = [rng.randint(1, 9) for _ in range(211)]
TAPES = [rng.randint(1, 9) for _ in range(210)]

# Machines make some hundreds of actions at a time; most of these passes have more than that.
KINDS: dict[str, Any] = {
    "binomial": s.binomial(180, 4),
    "binomial, one step": s.binomial(1, 1),
    "none": s.none(150),
    "store_all": s.store_all(70),
    "periodic": s.periodic(150, 2),
    "mixed": s.mixed(260, 17, 2, 3),
    "mixed, all tapes": s.mixed(9, 27, 2, 3),
    "mixed, by rule": s.mixed(260, 17, 2, 3, effort=0),
    "mixed, very many levels": Mixed(300, 40, 1, 9, 0.5, Spines(300, 40, 1, 9, 31), 0),
    "multilevel": s.multilevel(190, 3, 4, write=4, read=4),
    "multilevel, any number on disk": s.multilevel(190, 2, None, write=4, read=4),
    "multilevel, disk alone": s.multilevel(90, 0, 4),
    "streaming": s.streaming(260, 22, 5, 10, write=6),
    "streaming, all tapes of a period": s.streaming(260, 60, 5, 10, write=6),
    "heterogeneous": s.heterogeneous(COSTS[:150], 4),
    "heterogeneous, in blocks": _in_blocks(tuple(COSTS), 4, 30),
    "heterogeneous_bytes": s.heterogeneous_bytes(COSTS[:50], 30, STATES[:51], TAPES[:50]),
    "heterogeneous_bytes, exact": s.heterogeneous_bytes(COSTS[:9], 20, STATES[:10], TAPES[:9]),
    "heterogeneous_bytes, long": s.heterogeneous_bytes(COSTS, 60, STATES, TAPES),
}
ONLINE = {
    "slots": s.online(3),
    "one slot": s.online(1),
    "bytes": s.online(state_bytes=2, tape_bytes=3, budget=20),
    "recorded at once": s.online(state_bytes=2, tape_bytes=3, budget=300, max_steps=100),
}


def test_every_kind_is_here() -> None:
    kinds = {name.split(",")[0] for name in KINDS} | {"online"}
    made = {name for name in s.__all__ if hasattr(KINDS.get(name), "counts")} | {"online"}
    assert kinds == made
    assert sum(len(list(schedule)) > 512 for schedule in KINDS.values()) >= 8


@pytest.mark.parametrize("name", KINDS)
def test_wherever_it_is_pickled_a_pass_goes_on_to_the_end_as_if_it_had_not_been(name: str) -> None:
    schedule = KINDS[name]
    whole, running = list(schedule), iter(schedule)
    for drawn in range(len(whole) + 1):
        if drawn % 9 == 0 or drawn >= len(whole) - 9:
            again = pickle.loads(pickle.dumps(running))
            assert list(again) == whole[drawn:], drawn
        assert next(running, None) == (whole[drawn] if drawn < len(whole) else None)


@pytest.mark.parametrize("name", KINDS)
def test_a_pass_that_is_pickled_again_and_again_is_the_same(name: str) -> None:
    whole = list(KINDS[name])[:600]
    running, drawn = iter(KINDS[name]), []
    for k in range(len(whole)):
        drawn.append(next(running))
        if k < 60 or k % 5 == 0 or 250 < k < 270 or 505 < k < 525:  # pages end after 256, or 512
            running = pickle.loads(pickle.dumps(running))
    assert drawn == whole


@pytest.mark.parametrize("name", KINDS)
def test_a_schedule_is_the_same_value_after_pickling(name: str) -> None:
    schedule = KINDS[name]
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert again.counts() == schedule.counts()
    assert list(again) == list(schedule) == list(copy.deepcopy(schedule))
    assert hash(again) == hash(schedule)


def ended(driver: Any, n_steps: int) -> Iterator[Any]:
    """Play a driver whose loop ends after `n_steps` steps, pickled after every action."""
    while True:
        driver = pickle.loads(pickle.dumps(driver))
        action = next(driver, None)
        if action is None:
            return
        if isinstance(action, s.Advance | s.Record) and not driver.machine.finished:
            if action.stop >= n_steps:
                driver.finish(n_steps)
                if action.start == n_steps:
                    continue
                action = type(action)(action.start, n_steps)
        yield action


@pytest.mark.parametrize("name", ONLINE)
@pytest.mark.parametrize("n_steps", [1, 37, 100])
def test_an_online_pass_too_forwards_and_back(name: str, n_steps: int) -> None:
    schedule = ONLINE[name]
    whole = list(ended(iter(schedule), n_steps))
    assert s.check(whole, n_steps, limits=schedule.limits) == schedule.counts(n_steps)
    # In reverse, after every action.
    driver = iter(schedule)
    for action in driver:
        if isinstance(action, s.Advance | s.Record) and action.stop >= n_steps:
            driver.finish(n_steps)
            break
    back = list(pickle.loads(pickle.dumps(driver)))
    assert whole[len(whole) - len(back) :] == back
    for drawn in range(len(back) + 1):
        assert list(pickle.loads(pickle.dumps(driver))) == back[drawn:]
        next(driver, None)
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_a_copy_of_a_running_pass_does_not_disturb_it() -> None:
    running = iter(KINDS["multilevel"])
    head = list(islice(running, 300))
    twin, clone = copy.copy(running), copy.deepcopy(running)
    tail = list(running)
    assert list(twin) == list(clone) == tail
    assert head + tail == list(KINDS["multilevel"])

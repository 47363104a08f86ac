"""Actions are frozen values: they compare, hash, print, match, copy and pickle."""

import copy
import dataclasses
import pickle

import pytest

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

ALL: list[Action] = [
    Advance(2, 5),
    Record(2, 5),
    Reverse(2, 5),
    Save(2, Level.RAM),
    Restore(2, Level.RAM),
    Discard(2, Level.RAM),
]


@pytest.mark.parametrize("action", ALL)
def test_an_action_equals_its_twin_and_no_other(action: Action) -> None:
    twin = dataclasses.replace(action)
    assert twin is not action
    assert twin == action
    assert hash(twin) == hash(action)
    assert [other for other in ALL if other == action] == [action]


@pytest.mark.parametrize("action", ALL)
def test_an_action_survives_pickle_copy_and_repr(action: Action) -> None:
    assert pickle.loads(pickle.dumps(action)) == action
    assert copy.deepcopy(action) == action
    assert eval(repr(action)) == action


@pytest.mark.parametrize("action", ALL)
def test_an_action_cannot_be_changed(action: Action) -> None:
    assert not hasattr(action, "__dict__")
    for field in dataclasses.fields(action):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(action, field.name, 7)


def test_actions_take_keywords_and_match_by_position() -> None:
    match Advance(start=2, stop=5):
        case Advance(start, stop):
            assert (start, stop) == (2, 5)
    match Save(state=2, level=Level.DISK):
        case Save(state, level):
            assert (state, level) == (2, Level.DISK)

"""Whatever makes no sense is refused by every constructor, with the name, the value and the remedy.

One table: each public function with a call that works, and the kind of each argument.  Every bad
value of the kind is tried in the place of the good one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from revolve_ad import schedule as s
from revolve_ad.errors import BudgetError, ParameterError, RevolveError

# What is wrong with a value, and what the message must say beside the name.
NO_INTEGER: list[tuple[Any, str]] = [
    (2.0, "write 2"),
    (2.5, "2.5; it counts something: give an integer"),
    (math.nan, "nan; it counts something"),
    (math.inf, "inf; it counts something"),
    (True, "True; it counts something"),
    ("3", "'3'; it counts something"),
    ([3], r"\[3\]; it counts something"),
    (np.float64(3.5), "3.5"),
    (np.array([3, 4]), "it counts something"),
]
NO_COST: list[tuple[Any, str]] = [
    (-1.0, "-1.0; a cost must be"),
    (-math.inf, "-inf; give a finite number"),
    (math.inf, "inf; give a finite number"),
    (math.nan, "nan; give a finite number"),
    (True, "True; it is a cost: give a number"),
    ("3", "'3'; it is a cost"),
    (None, "None; it is a cost"),
    ([1.0, 2.0], "it is a cost"),
    (10**400, "it is a cost"),
]
BAD: dict[str, list[tuple[Any, str]]] = {
    "from 1": [*NO_INTEGER, (None, "None"), (0, "0; it must be at least 1"), (-7, "-7; it must")],
    "from 1 or None": [*NO_INTEGER, (0, "0; it must be at least 1"), (-7, "-7; it must")],
    "from 0": [*NO_INTEGER, (None, "None"), (-1, "-1; it must be at least 0")],
    "from 0 or None": [*NO_INTEGER, (-1, "-1; it must be at least 0")],
    "slots of storages": [
        *((value, what) for value, what in NO_INTEGER if not isinstance(value, list | np.ndarray)),
        (-1, "-1; it must be at least 0"),
    ],
    "cost": NO_COST,
    "cost of storages": [
        (value, "one entry for each storage" if isinstance(value, list) else what)
        for value, what in NO_COST
    ],
    "cost or None": [bad for bad in NO_COST if bad[0] is not None],
    "positive cost": [*NO_COST, (0.0, "0.0; a cost must be above 0")],
}
Call = tuple[Callable[..., Any], dict[str, Any], dict[str, str]]
COSTS = dict.fromkeys(("step", "adjoint", "write", "read"), "cost")
SIZES = {"budget": "from 0", "state_bytes": "from 1", "tape_bytes": "from 1"}
CALLS: list[Call] = [
    (s.store_all, {"n_steps": 9}, {"n_steps": "from 1"}),
    (s.none, {"n_steps": 9}, {"n_steps": "from 1"}),
    (s.periodic, {"n_steps": 9, "period": 2}, {"n_steps": "from 1", "period": "from 1"}),
    *(
        (
            function,
            {"n_steps": 9, "n_checkpoints": 2},
            {"n_steps": "from 1", "n_checkpoints": "from 1"},
        )
        for function in (s.binomial, s.t, s.min_saves, s.repetitions)
    ),
    (
        s.mixed,
        {"n_steps": 9, "budget": 20, "state_bytes": 2, "tape_bytes": 3},
        {"n_steps": "from 1", **SIZES, "effort": "cost"},
    ),
    (
        s.smallest_budget,
        {"n_steps": 9, "state_bytes": 2, "tape_bytes": 3},
        {"n_steps": "from 1", "state_bytes": "from 1", "tape_bytes": "from 1"},
    ),
    (s.online, {"n_checkpoints": 3}, {"n_checkpoints": "from 1 or None"}),
    (
        s.online,
        {"state_bytes": 2, "tape_bytes": 3, "budget": 20, "max_steps": 50},
        {
            "state_bytes": "from 1 or None",
            "tape_bytes": "from 1 or None",
            "budget": "from 1 or None",
            "max_steps": "from 1 or None",
            "n_checkpoints": "from 1 or None",
        },
    ),
    (
        s.multilevel,
        {"n_steps": 9, "ram": 2, "disk": 2},
        {
            "n_steps": "from 1",
            "ram": "from 0",
            "disk": "slots of storages",
            "effort": "cost or None",
            **COSTS,
            "write": "cost of storages",
            "read": "cost of storages",
        },
    ),
    (
        s.disk_period,
        {"ram": 2, "step": 1.0, "write": 2.0, "read": 2.0},
        {"ram": "from 1", "write": "cost", "read": "cost", "step": "positive cost"},
    ),
    (
        s.streaming,
        {"n_steps": 9, "budget": 20, "state_bytes": 2, "tape_bytes": 3, "period": 2},
        {
            "n_steps": "from 1",
            **SIZES,
            **COSTS,
            "step": "positive cost",
            "period": "from 1 or None",
        },
    ),
    (s.streaming_period, {}, {**COSTS, "step": "positive cost"}),
    (
        s.required_bandwidth,
        {"period": 3, "state_bytes": 9},
        {"period": "from 1", "state_bytes": "from 0", "step": "positive cost", "adjoint": "cost"},
    ),
    (
        s.heterogeneous,
        {"step_costs": [1.0, 2.0, 3.0], "n_checkpoints": 2},
        {"step_costs": "costs", "n_checkpoints": "from 1", "effort": "cost"},
    ),
    (
        s.heterogeneous_bytes,
        {
            "step_costs": [1.0, 2.0, 3.0],
            "budget": 20,
            "state_bytes": [1, 2, 3, 4],
            "tape_bytes": [2, 2, 2],
        },
        {
            "step_costs": "costs",
            "budget": "from 0",
            "state_bytes": "sizes",
            "tape_bytes": "sizes",
            "effort": "cost",
        },
    ),
]


def wrong_values(good: Any, name: str, kind: str) -> list[tuple[Any, str]]:
    """Return what to try in the place of an argument, and what the message must match."""
    if kind in BAD:
        return [(value, f"^{name} is .*{what}") for value, what in BAD[kind]]
    entry = BAD["cost" if kind == "costs" else "from 1"]
    wrong: list[tuple[Any, str]] = [
        ([good[0], value, *good[2:]], rf"^{name}\[1\] is .*{what}") for value, what in entry
    ]
    return wrong + [(value, f"^{name} is {value}; give a sequence") for value in (3.0, None)]


@pytest.mark.parametrize(
    ("function", "good", "name", "kind"),
    [
        pytest.param(function, good, name, kind, id=f"{function.__name__}-{name}")
        for function, good, kinds in CALLS
        for name, kind in kinds.items()
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_the_remedy(
    function: Callable[..., Any], good: dict[str, Any], name: str, kind: str
) -> None:
    for value, message in wrong_values(good.get(name), name, kind):
        with pytest.raises(ParameterError, match=message) as caught:
            function(**{**good, name: value})
        assert isinstance(caught.value, RevolveError)
        assert isinstance(caught.value, ValueError)


def test_every_constructor_stands_in_the_table() -> None:
    makes = {function.__name__ for function, _, _ in CALLS}
    others = {"beta", "check", "draw", "to_checkpoint_schedules"}
    functions = {name for name in s.__all__ if name.islower()}
    assert functions == makes | others


@pytest.mark.parametrize(("function", "good", "_kinds"), CALLS)
def test_the_call_that_the_table_starts_from_works(
    function: Callable[..., Any], good: dict[str, Any], _kinds: dict[str, str]
) -> None:
    function(**good)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("step_costs", [], "step_costs is empty; a loop without steps needs no schedule"),
        ("state_bytes", [1, 2, 3], "state_bytes has 3 entries; .* must have 4"),
        ("state_bytes", [1, 2, 3, 4, 5], "state_bytes has 5 entries; .* must have 4"),
        ("tape_bytes", [2, 2], "tape_bytes has 2 entries; .* must have 3"),
        ("tape_bytes", [], "tape_bytes has 0 entries; .* must have 3"),
        ("step_costs", [1.0, 2.0], "state_bytes has 4 entries; .* must have 3"),
    ],
)
def test_vectors_of_the_wrong_length_are_refused(name: str, value: list[Any], message: str) -> None:
    *_, (function, good, _) = CALLS
    with pytest.raises(ParameterError, match=message):
        function(**{**good, name: value})


@pytest.mark.parametrize(
    ("make", "given", "least"),
    [
        (lambda b: s.mixed(100, b, state_bytes=3, tape_bytes=10), 12, 13),
        (lambda b: s.mixed(1, b, state_bytes=3, tape_bytes=10), 9, 10),
        (lambda b: s.mixed(2, b, state_bytes=30, tape_bytes=10), 19, 20),
        (lambda b: s.online(state_bytes=5, tape_bytes=6, budget=b), 10, 11),
        (lambda b: s.streaming(100, b, 5, 10, write=12), 14, 15),
        (lambda b: s.heterogeneous_bytes([1.0, 1.0], b, [3, 3, 3], [9, 2]), 8, 9),
        (lambda b: s.heterogeneous_bytes([1.0] * 300, b, [3] * 301, [9] * 300), 11, 12),
    ],
)
def test_a_budget_below_the_smallest_is_refused_with_that(
    make: Callable[[int], Any], given: int, least: int
) -> None:
    with pytest.raises(BudgetError, match=rf"\b{given}\b.*\b{least}\b"):
        make(given)
    schedule = make(least)
    assert s.check(schedule, getattr(schedule, "n_steps", 50)).peak_bytes <= least


def test_no_slot_at_all_is_refused_and_a_disk_without_slots_is_not() -> None:
    with pytest.raises(BudgetError, match="need at least 1, for state 0: give ram=1 or disk=1"):
        s.multilevel(2, 0, 0)
    assert s.check(s.multilevel(9, 2, 0)).disk_saved == 0
    assert s.check(s.multilevel(9, 2, 2, adjoint=0, write=0, read=0)).recorded == 9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"disk": ()}, "disk has 0 entries; give 1 to 3"),
        ({"disk": (1, 2, 3, None)}, "disk has 4 entries; give 1 to 3"),
        ({"disk": (1, 2.5)}, r"disk\[1\] is 2.5; it counts something"),
        ({"disk": (1, -1)}, r"disk\[1\] is -1; it must be at least 0"),
        ({"disk": (1, 2), "write": (1.0,)}, "write has 1 entries, but disk has 2"),
        ({"disk": (1, 2), "read": (1.0, 2.0, 3.0)}, "read has 3 entries, but disk has 2"),
        ({"disk": (1, 2), "read": (1.0, math.nan)}, r"read\[1\] is nan"),
        ({"disk": 3, "read": (1.0, 2.0)}, "disk is 3, one storage; give disk= as a sequence too"),
    ],
)
def test_storages_that_contradict_each_other_are_refused(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        s.multilevel(9, 2, **given)


def test_a_disk_that_is_too_slow_is_refused_with_the_period_that_works() -> None:
    with pytest.raises(ParameterError, match="too slow for it: give at least 12"):
        s.streaming(100, 1000, 1, 1, write=12, period=11)
    assert s.streaming(100, 1000, 1, 1, write=12, period=12).period == 12


def test_a_wrong_number_of_steps_is_refused_before_an_action_is_played() -> None:
    with pytest.raises(ParameterError, match="n_steps is 8, but the schedule is one of 9 steps"):
        s.check(s.binomial(9, 2), 8)
    for bad, what in BAD["from 0"]:
        if bad is not None:
            with pytest.raises(ParameterError, match=f"n_steps is .*{what}"):
                s.check(s.binomial(9, 2), bad)
    with pytest.raises(ParameterError, match="n_steps is missing"):
        s.check(s.online(3))
    with pytest.raises(ParameterError, match="n_steps is missing"):
        s.draw(s.online(3))
    driver = iter(s.online(3))
    next(driver), next(driver)
    for bad in (-1, 2.5, math.nan, True):
        with pytest.raises(ParameterError, match="n_steps is"):
            driver.finish(bad)  # type: ignore[arg-type]


def test_what_an_online_schedule_needs_besides_is_named() -> None:
    with pytest.raises(ParameterError, match="n_checkpoints is missing; give it, or a budget"):
        s.online()
    with pytest.raises(ParameterError, match="max_steps needs a budget"):
        s.online(3, max_steps=9)
    with pytest.raises(ParameterError, match="tape_bytes missing; a budget needs"):
        s.online(state_bytes=3, budget=9)

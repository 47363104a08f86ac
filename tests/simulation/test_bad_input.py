"""What can't be planned is refused before any step runs: the number that came, and the remedy."""

import re
from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import schedule as s
from revolve_ad.cli.command import main
from revolve_ad.errors import BudgetError, ParameterError, RevolveError, ScheduleError

Case = tuple[dict[str, Any], type[RevolveError], str]

UNITS = "give a number of bytes, or a number with one of the units"
BYTES = 'give a number of bytes, 0 or more, or a text such as "200 MB"'
NO_SIZE: list[tuple[Any, str]] = [
    (-1, BYTES),
    (nan, BYTES),
    (inf, BYTES),
    (0.5, BYTES),
    (True, BYTES),
    ([3], BYTES),
]
NO_SIZE += [("x", UNITS), ("3 XB", UNITS), ("-3 MB", UNITS), ("nan", UNITS)]
COUNTED: list[tuple[Any, str]] = [
    (2.5, "give an integer"),
    (nan, "give an integer"),
    ("3", "give an integer"),
]
COUNTED += [(True, "give an integer"), (-1, "it must be at least"), (10**20, "at most 10")]
NO_COST: list[tuple[Any, str]] = [
    (-1.0, "a cost must be"),
    (nan, "give a finite number"),
    (inf, "give a finite number"),
]
NO_COST += [("1", "it is a cost: give a number"), (True, "it is a cost: give a number")]


def table(name: str, bad: list[tuple[Any, str]], **besides: Any) -> list[Case]:
    """Return a case for each bad value; the message holds name, value and remedy."""
    return [
        ({**besides, name: value}, ParameterError, f"^{name}.*{remedy}") for value, remedy in bad
    ]


ON_DISK = {"write_seconds": 1e-3}
PLANS: list[Case] = [
    *table("n_steps", [*COUNTED, (0, "it must be at least 1")]),
    *table("max_steps", [*COUNTED, (0, "it must be at least 1")], n_steps=None),
    *table("state_bytes", [*NO_SIZE, (0, "give 1 byte or more"), (1.5, "give 1 or 2")][:5]),
    *table("state_bytes", [(0, "give 1 byte or more"), (1.5, "give 1 or 2")]),
    *table("state_bytes", [([9] * 100, "has 100 entries, but 101 are needed, one for each state")]),
    *table("state_bytes", [([9] * 100 + [0], "is 0; give 1 byte or more")]),
    *table("tape_bytes", [*NO_SIZE[:5], (0, "give 1 byte or more"), (1.5, "give 1 or 2")]),
    *table("tape_bytes", [([9] * 99, "has 99 entries, but 100 are needed, one for each step")]),
    *table("other_bytes", NO_SIZE),
    *table("memory", NO_SIZE),
    *table("disk", NO_SIZE, **ON_DISK),
    *table("step_seconds", [*NO_COST, (0.0, "a cost must be above 0"), ([1.0] * 9, "9 entries")]),
    *table("step_seconds", [([1.0] * 99 + [nan], "is nan; give a finite number")]),
    *table("adjoint_seconds", [*NO_COST, ([1.0] * 101, "101 entries, but 100 are needed")]),
    *table("write_seconds", NO_COST),
    *table("read_seconds", NO_COST, **ON_DISK),
    *table("write_bandwidth", [*NO_SIZE[:5], (0, "give bytes a second, above 0")]),
    *table("read_bandwidth", [*NO_SIZE[6:], ("0 MB", "give bytes a second, above 0")]),
    ({"n_steps": None}, ParameterError, "either n_steps or max_steps is needed, and neither"),
    ({"max_steps": 7}, ParameterError, "n_steps is 100 and max_steps 7; give n_steps where"),
    ({"disk": "1 MB"}, ParameterError, "disk is '1 MB', .* give write_seconds= or write_band"),
    ({**ON_DISK, "write_bandwidth": 9}, ParameterError, "seconds is 0.001 and .* is 9.* give one"),
    ({**ON_DISK, "step_seconds": None}, ParameterError, "step_seconds isn't given; give it, or"),
    (
        {"step_seconds": None, "adjoint_seconds": 1.0},
        ParameterError,
        "adjoint_seconds is 1.0, and step_seconds isn't given; give both",
    ),
    (
        {"n_steps": None, "max_steps": 9, "tape_bytes": [3] * 9},
        ParameterError,
        "tape_bytes has 9 entries, .* give one for all",
    ),
    *[
        (
            {"memory": memory},
            BudgetError,
            rf"memory is {memory:,} bytes.*smallest budget that works is 2,000 bytes: one "
            r"checkpoint 1,000, one tape 1,000\. Give at least that.* With checkpoints on disk.*"
            "1,000 are enough",
        )
        for memory in (0, 1, 1999)
    ],
    ({"memory": 999, **ON_DISK}, BudgetError, "is 1,000 bytes: one tape 1,000. Give at least"),
    ({"disk": 999, **ON_DISK}, BudgetError, "disk is 999 .* one checkpoint has 1,000; give at l"),
    ({"write_seconds": (1, 2, 3, 4)}, ParameterError, "write_seconds has 4 entries; give 1 to 3"),
    ({"write_seconds": (1, 2), "read_seconds": 1}, ParameterError, "read_seconds is 1, but write_"),
    ({"write_seconds": (1, 2), "read_seconds": (1,)}, ParameterError, "has 1 entries, but write_"),
    (
        {"write_seconds": (1, None)},
        ParameterError,
        r"write_seconds\[1\] is None; give what writing",
    ),
    ({"write_seconds": (1, -2.0)}, ParameterError, r"write_seconds\[1\] is -2.0; a cost must be"),
    ({"write_bandwidth": ("1 MB", 0)}, ParameterError, r"write_bandwidth\[1\] is 0; give bytes"),
    ({"write_seconds": (1, 2), "disk": "1 MB"}, ParameterError, "disk is '1 MB', .* 2 storages"),
    ({"write_seconds": 1, "disk": (3, 3)}, ParameterError, "disk has 2 entries, .* one storage"),
    ({"write_seconds": (1, 2), "disk": (3,)}, ParameterError, "disk has 1 entries, .* 2 storages"),
    ({"write_seconds": (1, 2), "disk": (None, "x")}, ParameterError, r"disk\[1\] is 'x'.*units"),
    (
        {"write_seconds": (1, 2), "disk": (9, None)},
        BudgetError,
        r"disk\[0\] is 9 .* has 1,000; giv",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), PLANS)
def test_a_plan_from_wrong_numbers(
    given: dict[str, Any], error: type[RevolveError], message: str
) -> None:
    good: dict[str, Any] = {
        "n_steps": 100,
        "state_bytes": 1000,
        "memory": 10_000,
        "step_seconds": 1e-3,
    }
    assert ra.plan(**good).advanced
    if "write_bandwidth" in given or "read_bandwidth" in given:
        given = {"disk": None, **given}
    with pytest.raises(error, match=message):
        ra.plan(**{**good, **given})


def test_zero_is_fine_where_it_means_something() -> None:
    good: Any = {"n_steps": 100, "state_bytes": 1000, "memory": 10_000, "step_seconds": 1e-3}
    ra.plan(**good, write_seconds=0)
    ra.plan(**good, adjoint_seconds=0)
    assert ra.plan(**good, write_seconds=1, disk=0).n_on_disk == 0
    assert ra.plan(**good, other_bytes=0).peak_bytes <= 10_000


START = np.ones(100)
STEPS_RUN: list[int] = []


def step(u: Any, p: Any, k: Any) -> Any:
    if type(k) is int:  # not while it is recorded
        STEPS_RUN.append(k)
    return u * p


def ends(u: Any, p: Any, k: Any) -> bool:
    return bool(k == 30)


UNTIL = {"steps": None, "until": ends, "max_steps": 50}
SETTINGS: list[Case] = [
    *[({"steps": v}, ParameterError, f"steps is {re.escape(repr(v))}") for v, _ in COUNTED[:-1]],
    *[
        ({**UNTIL, "max_steps": v}, ParameterError, f"max_steps is {re.escape(repr(v))}")
        for v, _ in [*COUNTED[:-1], (0, "")]
    ],
    ({"steps": None}, ParameterError, "give steps=, .* or until= and max_steps="),
    ({"max_steps": 9}, ParameterError, "with steps= leave it out"),
    ({**UNTIL, "max_steps": None}, ParameterError, "until= needs max_steps="),
    ({**UNTIL, "steps": 9}, ParameterError, "give steps= or until=, not both"),
    *table("memory", NO_SIZE),
    *table("disk", NO_SIZE, storage="a disk"),
    ({"disk": "1 MB"}, ParameterError, "give it too: storage="),
    ({"storage": []}, ParameterError, "storage has 0 entries; give 1 to 3"),
    ({"storage": [0, 1, 2, 3]}, ParameterError, "storage has 4 entries; give 1 to 3"),
    ({"storage": [0, None]}, ParameterError, r"storage\[1\] is None; give ra.storage.Disk"),
    ({"storage": [0, "a path"]}, ParameterError, r"storage\[1\] is 'a path', which has no 'save'"),
    ({"storage": [0, 1, 0]}, ParameterError, r"storage\[0\] and storage\[2\] are both Disk"),
    (
        {"storage": [ra.storage.Ram(), 0]},
        ParameterError,
        r"storage\[0\] is .*, memory, .*leave it out",
    ),
    ({"storage": [0, 1], "disk": (1,)}, ParameterError, "disk has 1 entries, .* 2 storages"),
    ({"storage": [0, 1], "disk": (9, -1)}, ParameterError, r"disk\[1\] is -1; give a number of b"),
    ({"storage": "a path"}, ParameterError, "storage is 'a path', .* give ra.storage.Ram"),
    ({"schedule": "binomial"}, ParameterError, "schedule is 'binomial'; give a schedule, such as"),
    ({"schedule": iter(s.binomial(50, 3))}, ParameterError, "give a list of its actions"),
]


def simulated(given: dict[str, Any], folder: Any) -> ra.Simulation:
    if given.get("storage") == "a disk":
        given = {**given, "storage": ra.storage.Disk(folder)}
    if isinstance(given.get("storage"), list):  # numbers stand for folders
        storages = [
            ra.storage.Disk(folder / str(one)) if type(one) is int else one
            for one in given["storage"]
        ]
        given = {**given, "storage": storages}
    return ra.Simulation(step, **{"steps": 50, **given})


@pytest.mark.parametrize(("given", "error", "message"), SETTINGS)
def test_a_simulation_of_wrong_settings(
    given: dict[str, Any], error: type[RevolveError], message: str, tmp_path: Any
) -> None:
    with pytest.raises(error, match=message):
        simulated(given, tmp_path)


def online_of(most: int) -> Any:
    return s.online(state_bytes=800, tape_bytes=800, budget=800 * most, max_steps=most)


ANNOUNCED: list[Callable[[int], Any]] = [
    lambda n: s.binomial(n, 3),
    lambda n: s.mixed(n, 9, 1, 1),
    lambda n: s.multilevel(n, 2, 3),
    lambda n: s.streaming(n, 9, 1, 1, write=2),
    lambda n: s.heterogeneous([1.0] * n, 3),
    lambda n: s.heterogeneous_bytes([1.0] * n, 9, [2] * (n + 1), [2] * n),
    lambda n: s.store_all(n),
    lambda n: s.periodic(n, 7),
    lambda n: s.none(n),
]
RUNS: list[Case] = [
    *[
        ({"memory": m}, BudgetError, rf"memory is {m:,} .* is 8,008 bytes.* Give")
        for m in (0, 8007)
    ],
    ({"storage": "a disk", "memory": 7207}, BudgetError, "memory is 7,207 .* is 7,208 bytes"),
    ({"storage": "a disk", "disk": 799}, BudgetError, "disk is 799 .* one checkpoint has 800; g"),
    *[
        ({"schedule": made(n)}, ScheduleError, f"for {n} steps, but this run has 50; give a func")
        for made in ANNOUNCED
        for n in (49, 51)
    ],
    *[
        ({**UNTIL, "schedule": made(50)}, ScheduleError, "known number of steps.* schedule.online")
        for made in ANNOUNCED
    ],
    (
        {"schedule": lambda n: s.binomial(n + 1, 3)},
        ScheduleError,
        "for 51 steps, but this run has 50",
    ),
    ({"schedule": lambda n: n}, ScheduleError, r"schedule\(50\) returned 50; it must return a sch"),
    ({"schedule": lambda n: None}, ScheduleError, "returned None; it must return a schedule"),
    ({"schedule": list(s.binomial(9, 3))}, ScheduleError, "next step to reverse is 49, not 8"),
    ({"schedule": []}, ScheduleError, "steps 0 … 49 aren't reversed"),
    (
        {"schedule": online_of(49)},
        ScheduleError,
        r"at most 49 steps, but this run has 50; give online\(max_steps=50\) or more",
    ),
    (
        {**UNTIL, "schedule": online_of(29)},
        ScheduleError,
        r"at most 29 steps, but this run may take 50; give online\(max_steps=50\)",
    ),
    (
        {"schedule": s.binomial(50, 30), "memory": 9000},
        BudgetError,
        r"the schedule needs 31,208 bytes .* but memory is 9,000 .* give that much",
    ),
    (
        {**UNTIL, "schedule": s.online(30), "memory": 9000},
        BudgetError,
        "the schedule needs 31,208 bytes",
    ),
    (
        {
            **UNTIL,
            "schedule": s.online(state_bytes=800, tape_bytes=800, budget=24_000),
            "memory": 9000,
        },
        BudgetError,
        "the schedule needs 30,408 bytes .* but memory is 9,000",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), RUNS)
def test_a_run_that_cant_be_is_refused_before_its_first_step(
    given: dict[str, Any], error: type[RevolveError], message: str, tmp_path: Any
) -> None:
    simulation = simulated(given, tmp_path)
    STEPS_RUN.clear()
    with pytest.raises(error, match=message):
        simulation.plan(START, 0.5)
    with pytest.raises(error, match=message):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(0.5)
    assert not STEPS_RUN
    assert not list(tmp_path.iterdir())


COMMANDS = [
    ("--steps 0 --state 1MB", "--steps is 0; it must be at least 1"),
    ("--steps -5 --state 1MB", "--steps is -5; it must be at least 1"),
    ("--steps 2.5 --state 1MB", "--steps: '2.5' counts steps; give a whole number"),
    ("--steps nan --state 1MB", "--steps: 'nan' counts steps; give a whole number"),
    ("--max-steps 0 --state 1MB", "--max-steps is 0; it must be at least 1"),
    ("--steps 9 --max-steps 9 --state 1MB", "not allowed with argument --steps"),
    ("--steps 9", "required: --state"),
    ("--steps 9 --state 0", "--state is 0 bytes; give the size of a state"),
    ("--steps 9 --state=-1MB", f"--state is '-1MB'; {UNITS}"),
    ("--steps 9 --state 1XB", f"--state is '1XB'; {UNITS}"),
    ("--steps 9 --state 1MB --tape 0", "--tape is '0'; give 1 byte or more"),
    ("--steps 9 --state 1MB --memory 1kB", "--memory is 1,000 bytes .* is 10,000,000 bytes: .* G"),
    ("--steps 9 --state 1MB --memory nan", f"--memory is 'nan'; {UNITS}"),
    ("--steps 9 --state 1MB --step-seconds 0", "--step-seconds is 0.0; a cost must be above 0"),
    ("--steps 9 --state 1MB --step-seconds nan", "--step-seconds is nan; give a finite number"),
    ("--steps 9 --state 1MB --step-seconds x", "--step-seconds: 'x' is no time; give seconds"),
    ("--steps 9 --state 1MB --disk 5MB", "--disk is '5MB', .* give --write-seconds or"),
    (
        "--steps 9 --state 1MB --step-seconds 1 --write-seconds -1",
        "--write-seconds is -1.0; a cost",
    ),
    (
        "--steps 9 --state 1MB --step-seconds 1 --write-bandwidth 0",
        "--write-bandwidth is '0'; give bytes a second, above 0",
    ),
    (
        "--steps 9 --state 1MB --step-seconds 1 --write-seconds 1 --disk 9kB",
        "--disk is 9,000 bytes .* one checkpoint has 1,000,000; give at least that, or 0",
    ),
]


@pytest.mark.parametrize(("command", "message"), COMMANDS)
def test_the_command_says_it_by_the_names_of_its_options(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["plan", *command.split()])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    assert re.search(message, capsys.readouterr().err)

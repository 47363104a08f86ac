"""A schedule that compiled code plays gives the bits that Python gives action by action."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
import revolve_ad.native
from revolve_ad.errors import NonFiniteError
from revolve_ad.native import choice
from revolve_ad.native.passes import zeros
from revolve_ad.native.source.play import FEW, KEEP, SAVE
from revolve_ad.schedule import Record, Reverse
from revolve_ad.simulation.planning import playing
from revolve_ad.simulation.sweeps import native
from revolve_ad.simulation.sweeps.rows import rows_of

STEPS = 37


@pytest.fixture(autouse=True)
def plain_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run generated code as plain Python: quick to load, and the same operations."""
    compiled = partial(choice.compile_loop, native=False)
    monkeypatch.setattr(revolve_ad.native, "compile_loop", compiled)
    monkeypatch.setattr(playing, "_FEWEST", 1)
    monkeypatch.setattr(playing, "_SHARE", 0.0)
    monkeypatch.setattr(zeros, "LEAST", 1)


def decay(u: Any, p: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += p * (u[2:] - 2 * u[1:-1] + u[:-2]) * u[1:-1]
    return new


def leapfrog(state: Any, p: Any, k: Any, w: Any) -> Any:
    u, before = state
    new = 2 * u - before
    new[1:-1] += p[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
    new[3] += w
    return new, u


def third_order(state: Any, p: Any, k: Any) -> Any:
    a, b, c, fixed = state
    return 0.5 * a + p * b * c + 0.01 * fixed, a, b, fixed


def counting(state: Any, p: Any, k: Any) -> Any:
    x, n = state
    return x * (1 - p * 1e-2) + 1e-3 * n, n + 1


def relaxing(state: Any, p: Any, k: Any) -> Any:
    """Overwritten in place: from the second step on, cotangents are zero where it writes."""
    a, b = state
    b[1:-1] = p * (a[2:] + a[:-2]) * np.cos(a[1:-1])
    a[1:-1] = p * (b[2:] + b[:-2])
    return a, b


def resting(u: Any, p: Any, k: Any) -> Any:
    return u


rng = np.random.default_rng(5)
CASES: dict[str, tuple[Any, ...]] = {
    "one leaf": (decay, rng.random(9), 0.1),
    "two leaves that take turns, inputs": (
        leapfrog,
        (rng.random(8), rng.random(8)),
        0.1 * rng.random(8),
        rng.random(STEPS),
    ),
    "three turns and a constant": (third_order, tuple(rng.random((4, 5))), 0.3),
    "two leaves that are overwritten": (relaxing, tuple(rng.random((2, 9))), 0.4),
    "a number and a count": (counting, (1.5, 2), 0.7),
    "a state that doesn't change": (resting, rng.random(4), 0.1),
}


def gradient(case: str, *, observe: Any = None, **settings: Any) -> tuple[list[Any], Any]:
    step, state, params, *inputs = CASES[case]
    sim = ra.Simulation(step, steps=STEPS, native=True, observe=observe, **settings)

    def objective(state: Any, params: Any, *inputs: Any) -> Any:
        run = sim(state, params, *inputs)
        total = sum(np.sum(leaf * leaf) for leaf in _floats(run.state))
        return total if observe is None else total + np.sum(run.observed**3)

    arguments = (state, params, *inputs)
    value, found = ra.value_and_grad(objective, argnums=tuple(range(len(arguments))))(*arguments)
    return [value, *_floats(found)], sim.report


def _floats(tree: Any) -> list[Any]:
    leaves = ra.trees.flatten(tree)[0]
    return [leaf for leaf in leaves if getattr(leaf, "dtype", np.float64) == np.float64]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sweeps that compiled code plays."""
    made: list[Any] = []
    original: Callable[..., Any] = native.NativeSweep.__init__

    def note(self: Any, *arguments: Any, **options: Any) -> None:
        made.append(self)
        original(self, *arguments, **options)

    monkeypatch.setattr(native.NativeSweep, "__init__", note)
    return made


def same(found: tuple[list[Any], Any], expected: tuple[list[Any], Any]) -> None:
    assert len(found[0]) == len(expected[0])
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(a, b)


SCHEDULES = {
    "one checkpoint": ra.schedule.binomial(STEPS, 1),
    "binomial": ra.schedule.binomial(STEPS, 4),
    "mixed": ra.schedule.mixed(STEPS, 9, 1, 1),
    "mixed, larger tapes": ra.schedule.mixed(STEPS, 9, 1, 2),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("case", CASES)
def test_played_schedules_give_the_bits_of_storing_all(
    case: str, schedule: str, played: list[Any]
) -> None:
    expected = gradient(case, schedule=ra.schedule.store_all(STEPS))
    assert not any(sweep._plays for sweep in played)
    found = gradient(case, schedule=SCHEDULES[schedule])
    assert played[-1]._plays
    same(found, expected)
    counts = SCHEDULES[schedule].counts()
    report = found[1]
    assert (report.advanced, report.recorded) == (counts.advanced, counts.recorded)
    assert (report.saved, report.restored) == (counts.saved, counts.restored)
    assert report.peak_checkpoints == counts.peak_checkpoints


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", ["all", "off"])
def test_every_replayed_state_can_be_compared(check: Any, case: str, played: list[Any]) -> None:
    settings = {"schedule": SCHEDULES["mixed"], "replay_check": check}
    found = gradient(case, **settings)
    same(found, gradient(case, schedule=ra.schedule.store_all(STEPS)))
    assert played
    last = rows_of(SCHEDULES["mixed"], STEPS)
    assert last is not None
    assert found[1].compared == (last.last.start if check == "all" else 0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_write_the_checkpoints_that_they_end_with(schedule: str) -> None:
    rows = rows_of(SCHEDULES[schedule], STEPS, keeps=True)
    assert rows is not None
    kinds = [*rows.forward[:, 0].tolist(), *rows.reverse[:, 0].tolist()]
    assert kinds.count(SAVE) == 1  # state 0
    assert kinds.count(KEEP) == rows.counters.saved - 1
    kept = {int(row[2]): int(row[4]) for row in rows.forward if row[0] == KEEP}
    for row, following in itertools.pairwise(rows.forward.tolist()):
        if row[0] == KEEP:  # nothing is live then
            assert following[3] == kept[row[2]]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rows_carried_out_by_python_give_the_same_bits(
    schedule: str, monkeypatch: pytest.MonkeyPatch, played: list[Any]
) -> None:
    case = "two leaves that take turns, inputs"
    expected = gradient(case, schedule=SCHEDULES[schedule])
    monkeypatch.setattr(playing, "_FEWEST", 1 << 60)
    same(gradient(case, schedule=SCHEDULES[schedule]), expected)
    assert [sweep._plays for sweep in played] == [True, False]


def seen(state: Any, params: Any, k: Any) -> Any:
    return (state[0] - state[1])[2:4] * 0.5


TURNS, OVERWRITTEN = "two leaves that take turns, inputs", "two leaves that are overwritten"


@pytest.mark.parametrize(
    ("case", "at"),
    [
        (TURNS, range(STEPS + 1)),
        (TURNS, (0, 5, 6, 30)),
        (TURNS, (36,)),
        (TURNS, (STEPS,)),
        (OVERWRITTEN, (0, 5, 6, 30)),
    ],
)
def test_observations_are_made_on_the_way(case: str, at: Any, played: list[Any]) -> None:
    settings: dict[str, Any] = {"observe": seen, "observe_at": at}
    expected = gradient(case, schedule=ra.schedule.store_all(STEPS), **settings)
    same(gradient(case, schedule=SCHEDULES["binomial"], **settings), expected)
    assert played


def test_several_cotangents_share_a_played_sweep(played: list[Any]) -> None:
    def final(schedule: Any) -> Any:
        sim = ra.Simulation(decay, steps=STEPS, native=True, schedule=schedule)
        return ra.jacobian(lambda u: sim(u, 0.1).state[:3])(CASES["one leaf"][1])

    expected = final(ra.schedule.store_all(STEPS))
    np.testing.assert_array_equal(final(SCHEDULES["mixed"]), expected)
    assert played


def growing(u: Any, p: Any, k: Any) -> Any:
    return u * p


@pytest.mark.parametrize("size", [3, 2 + FEW // 8])
def test_a_state_that_overflows_is_named(size: int) -> None:
    sim = ra.Simulation(growing, steps=400, native=True, schedule=ra.schedule.binomial(400, 9))
    with pytest.raises(NonFiniteError, match="state 309"), np.errstate(all="ignore"):
        ra.grad(lambda u: np.sum(sim(u, 10.0).state))(np.ones(size))


def falling(u: Any, p: Any, k: Any) -> Any:
    return np.sqrt(u * u * 0.25) * p


@pytest.mark.parametrize("played_by", ["compiled code", "Python"])
@pytest.mark.parametrize("size", [2, 2 + FEW // 8])
def test_a_cotangent_that_is_lost_is_an_error(
    size: int, played_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if played_by == "Python":
        monkeypatch.setattr(playing, "_FEWEST", 1 << 60)
    sim = ra.Simulation(falling, steps=60, native=True, schedule=ra.schedule.binomial(60, 5))
    start = np.ones(size)
    start[-1] = 0.0
    with pytest.raises(NonFiniteError, match="in reverse"), np.errstate(all="ignore"):
        ra.grad(lambda u: np.sum(sim(u, 1.0).state))(start)


def test_budgets_hold_the_slots_of_checkpoints_and_tapes() -> None:
    state = CASES["one leaf"][1]
    sim = ra.Simulation(decay, steps=STEPS, native=True)
    fixed = sim.plan(state, 0.1).sizes.all_fixed
    tight = ra.Simulation(decay, steps=STEPS, native=True, memory=fixed + 6 * state.nbytes)
    ra.grad(lambda u: np.sum(tight(u, 0.1).state ** 2))(state)
    assert tight.report is not None
    assert tight.report.restored > 0
    assert tight.report.peak_bytes <= fixed + 6 * state.nbytes


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rows_need_no_more_slots_than_the_schedule_has_checkpoints_and_tapes(schedule: str) -> None:
    made = SCHEDULES[schedule]
    rows, counts = rows_of(made, STEPS), made.counts()
    assert rows is not None
    bytes_held = counts.peak_bytes if schedule == "mixed" else counts.peak_checkpoints + 1
    if schedule != "mixed, larger tapes":
        assert rows.n_slots <= bytes_held


def test_schedules_that_keep_tapes_for_later_are_played_by_python() -> None:
    two_tapes = [Record(0, 2), Record(2, 3), Reverse(2, 3), Reverse(0, 2)]
    assert rows_of(two_tapes, 3) is None
    assert rows_of(ra.schedule.binomial(3, 2), 3) is not None

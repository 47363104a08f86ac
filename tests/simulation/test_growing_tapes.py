"""A tape that grows is made room for: same bits, same budget, or an error with the remedy."""

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revolve_ad as ra
from revolve_ad.errors import BudgetError
from revolve_ad.schedule import Action, Advance, Level, Limits, Save, check, store_all
from revolve_ad.simulation.planning.replanning import Room, places, reversing

SIZE = 400
STATE = 8 * SIZE
START = np.linspace(1, 2, SIZE)


def growing(u: Any, p: Any, k: Any) -> Any:
    """Take one inner iteration at first, four later, and nine for a while in between."""
    for _ in range(1 + 3 * int(u[0] > 1.02) + 5 * int(1.06 < u[0] < 1.15)):
        u = u * (1 + 0.001 * p * np.sin(u))
    return u * 1.01


def plain(u: Any, p: Any, k: Any) -> Any:
    return u * (1 + 0.001 * p * np.sin(u)) * 1.01


def look(u: Any, p: Any, k: Any) -> Any:
    """Observe by more operations the larger the state."""
    for _ in range(2 + 8 * int(1.05 < u[0] < 1.1) + 3 * int(u[0] > 1.1)):
        u = u + 0.1 * p * np.sin(u)
    return u[::40] ** 2


def gradient(simulation: ra.Simulation) -> tuple[Any, Any]:
    def objective(u: Any, p: Any) -> Any:
        run = simulation(u, p)
        total = np.sum(run.state**2)
        return total if run.observed is None else total + np.sum(np.sin(run.observed))

    found: tuple[Any, Any] = ra.grad(objective, argnums=(0, 1))(START, np.array(0.3))
    return found


def bits(found: Any) -> list[bytes]:
    return [part.tobytes() for part in found]


def smallest(step: Any, n: int, **options: Any) -> int:
    return ra.Simulation(step, steps=n, **options).plan(START, np.array(0.3)).smallest_budget


def attempt(simulation: ra.Simulation) -> tuple[Any, int]:
    """Return the gradient, or None and the memory that the error asks for."""
    try:
        return gradient(simulation), 0
    except BudgetError as error:
        return None, int(str(error).split("has grown")[1].split("memory=")[1].split(";")[0])


@pytest.mark.parametrize("n", [1, 3, 20])
def test_under_every_budget_the_gradient_is_that_of_store_all_or_the_error_says_what_to_give(
    n: int,
) -> None:
    expected = bits(gradient(ra.Simulation(growing, steps=n, schedule=store_all)))
    least = smallest(growing, n)
    memory, replanned = least, 0
    while memory < least + 60 * STATE:
        simulation = ra.Simulation(growing, steps=n, memory=memory)
        found, more = attempt(simulation)
        if found is None:  # what it says is enough for that step
            assert memory < more < least + 60 * STATE
            memory = more
            continue
        report = simulation.report
        assert report is not None
        assert bits(found) == expected
        assert report.peak_bytes <= memory
        replanned += report.replanned
        assert ("planned anew" in str(report)) == (report.replanned > 0)
        memory += 11 * STATE // 3
    assert (replanned > 0) == (n > 1)


@pytest.mark.parametrize(
    ("step", "native"),
    [(growing, False), (plain, False), (plain, True)],
    ids=["growing", "interpreted", "native"],
)
def test_an_observation_may_grow_too(step: Any, native: bool) -> None:
    if native:
        pytest.importorskip("numba")

    def simulated(**options: Any) -> ra.Simulation:
        at = [0, 3, 4, 5, 11, 14, 15, 20]
        if native:
            options["native"] = True
        return ra.Simulation(step, steps=20, observe=look, observe_at=at, **options)

    expected = bits(gradient(simulated(schedule=store_all)))
    least = simulated().plan(START, np.array(0.3)).smallest_budget
    replanned = 0
    for states in range(20, 60, 7):
        simulation = simulated(memory=least + states * STATE)
        found, more = attempt(simulation)
        if found is None:
            assert more > least + states * STATE
            continue
        assert bits(found) == expected
        assert simulation.report is not None
        assert simulation.report.peak_bytes <= least + states * STATE
        replanned += simulation.report.replanned
    assert replanned


@pytest.mark.parametrize("slots", [None, 6])
def test_checkpoints_on_disk_stay_there_and_take_over_what_memory_cant_hold(
    slots: int | None, tmp_path: pathlib.Path
) -> None:
    expected = bits(gradient(ra.Simulation(growing, steps=30, schedule=store_all)))
    disk = ra.storage.Disk(tmp_path)
    fixed = ra.Simulation(growing, steps=30).plan(START, np.array(0.3)).sizes.all_fixed
    grown = fixed + 24 * STATE  # what the operations of nine iterations take beyond those of one
    replanned = 0
    for states in (1, 2, 6):
        for memory in (fixed + states * STATE, grown + states * STATE):
            simulation = ra.Simulation(
                growing,
                steps=30,
                memory=memory,
                storage=disk,
                disk=None if slots is None else slots * STATE,
            )
            if memory < grown:
                with pytest.raises(BudgetError, match="has grown"):
                    gradient(simulation)
            else:
                assert bits(gradient(simulation)) == expected
                report = simulation.report
                assert report is not None
                assert report.peak_bytes <= memory
                assert slots is None or report.peak_disk <= slots
                replanned += report.replanned
            assert not list(tmp_path.iterdir())
    assert replanned


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_run_of_unknown_length_may_grow(on_disk: bool, tmp_path: pathlib.Path) -> None:
    def simulated(**options: Any) -> ra.Simulation:
        return ra.Simulation(growing, until=lambda u, p, k: u[0] > 1.25, max_steps=60, **options)

    expected = bits(gradient(simulated()))
    least = simulated().plan(START, np.array(0.3)).smallest_budget
    for states in (26, 30, 45):
        storage = ra.storage.Disk(tmp_path) if on_disk else None
        simulation = simulated(memory=least + states * STATE, storage=storage)
        assert bits(gradient(simulation)) == expected
        assert simulation.report is not None
        assert simulation.report.peak_bytes <= least + states * STATE
        assert simulation.report.replanned


def test_several_cotangents_may_meet_a_larger_tape_together() -> None:
    def jacobian(memory: Any) -> tuple[Any, ra.Simulation]:
        simulation = ra.Simulation(growing, steps=24, memory=memory)
        # More params than results, so that it is computed in reverse.
        found = ra.jacobian(lambda p: simulation(START, np.sum(p)).state[:3] ** 2)
        return found(np.full(5, 0.06)), simulation

    expected, _ = jacobian(None)
    least = smallest(growing, 24)
    replanned = 0
    for states in (60, 90, 110):
        found, simulation = jacobian(least + states * STATE)
        assert found.tobytes() == expected.tobytes()
        assert simulation.report is not None
        assert simulation.report.peak_bytes <= least + states * STATE
        replanned += simulation.report.replanned
    assert replanned


def test_the_next_gradient_foresees_the_largest_tape_seen() -> None:
    simulation = ra.Simulation(growing, steps=30, memory=smallest(growing, 30) + 40 * STATE)
    before = simulation.plan(START, np.array(0.3))
    first = gradient(simulation)
    assert simulation.report is not None
    assert simulation.report.replanned
    again = gradient(simulation)
    assert bits(first) == bits(again)
    assert simulation.report.replanned == 0
    after = simulation.plan(START, np.array(0.3))
    assert after.sizes.fixed["operations"] > before.sizes.fixed["operations"]
    assert after.advanced == simulation.report.advanced


def test_nothing_is_held_when_the_budget_is_too_small(tmp_path: pathlib.Path) -> None:
    storage = ra.storage.Ram()
    simulation = ra.Simulation(
        growing, steps=30, memory=smallest(growing, 30) + 3 * STATE, storage=storage
    )
    with pytest.raises(BudgetError, match=r"the tape of step \d+ .*Give at least memory="):
        gradient(simulation)
    assert len(storage) == 0


@dataclass(frozen=True)
class Resumed:
    """A first sweep that saved the states held, and then the actions that reverse it."""

    n_steps: int
    kept: dict[int, Level]
    room: Room

    @property
    def limits(self) -> Limits:
        return Limits(
            slots=self.room.slots,
            state_bytes=self.room.state,
            tape_bytes=self.room.tape,
            budget=self.room.free,
        )

    def __iter__(self) -> Iterator[Action]:
        at = 0
        for state in sorted(self.kept):
            if state > at:
                yield Advance(at, state)
            yield Save(state, self.kept[state])
            at = state
        yield Advance(at, self.n_steps)
        yield from reversing(self.n_steps, self.kept, self.room)


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 40),
    held=st.sets(st.integers(0, 39)),
    on_disk=st.sets(st.integers(0, 39), max_size=5),
    free=st.integers(1, 60),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    spare=st.integers(0, 3),
)
def test_from_any_states_the_rest_is_reversed_within_bytes_and_slots(
    n: int, held: set[int], on_disk: set[int], free: int, sizes: tuple[int, int], spare: int
) -> None:
    state, tape = sizes
    if free < tape:
        free += tape
    if 0 not in on_disk:
        held = held | {0}
    slots = len({k for k in on_disk if k < n}) + spare
    room = Room(free=free, state=state, tape=tape, slots=(None, slots))
    kept = places(n, held, dict.fromkeys(on_disk, Level.DISK), room)
    if not kept:
        assert free < state + tape
        assert slots == len({k for k in on_disk if k < n})
        return
    assert 0 in kept
    assert set(kept) <= held | on_disk
    counts = check(Resumed(n, kept, room))
    assert counts.recorded == n


def nested(memory: str | int | None) -> Any:
    def outer(u: Any, p: Any, k: Any) -> Any:
        return ra.Simulation(growing, steps=8)(u, p).state

    simulation = ra.Simulation(outer, steps=4, memory=memory)
    return lambda p: np.sum(simulation(START, p).state ** 2)


def test_an_inner_run_may_grow_within_a_quarter_of_the_memory_of_the_outer_one() -> None:
    p, v, h = np.array(0.3), np.array(1.0), 1e-5
    expected = ra.grad(nested(None))(p), ra.hvp(nested(None), p, v)
    slope = (ra.grad(nested(None))(p + h) - ra.grad(nested(None))(p - h)) / (2 * h)
    np.testing.assert_allclose(expected[1], slope, rtol=1e-7)
    assert (ra.grad(nested("2 MB"))(p), ra.hvp(nested("2 MB"), p, v)) == expected
    with pytest.raises(BudgetError, match="has grown") as caught:
        ra.grad(nested("100 kB"))(p)
    assert any("give that one more" in note for note in caught.value.__notes__)

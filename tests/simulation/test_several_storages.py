"""Checkpoints on several storages: the same bits, each within its room, all empty at the end."""

import pathlib
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import ParameterError, StorageFullError
from revolve_ad.schedule import (
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
    mixed,
    multilevel,
)
from revolve_ad.storage import Disk, Ram
from tests.simulation.clock import Clock
from tests.simulation.test_growing_tapes import START as GROWING_START
from tests.simulation.test_growing_tapes import STATE, bits, growing
from tests.simulation.test_growing_tapes import gradient as gradient_of_growing

CLOCK = Clock()
SIZE = 100
START = np.linspace(0.5, 1.5, SIZE)
BELOW = 8 * SIZE


@pytest.fixture(autouse=True)
def by_that_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    CLOCK.install(monkeypatch)


def step(u: Any, p: Any, k: Any) -> Any:
    return u + 0.01 * p * u * (1.5 - u)


def gradient(simulation: ra.Simulation, at: float = 0.7) -> Any:
    return ra.grad(lambda p: np.sum(simulation(START, p).state ** 2))(at)


def far(n: int) -> list[Any]:
    """A schedule by hand that keeps a checkpoint on each of three storages."""
    a, b, c = n // 4, n // 2, n - 2
    actions: list[Any] = [Save(0, Level.ARCHIVE), Advance(0, a), Save(a, Level.DISK)]
    actions += [Advance(a, b), Save(b, Level.REMOTE), Advance(b, c), Record(c, n), Reverse(c, n)]
    for start, stop, level in ((b, c, Level.REMOTE), (a, b, Level.DISK), (0, a, Level.ARCHIVE)):
        actions += [Restore(start, level), Discard(start, level)]
        actions += [Record(start, stop), Reverse(start, stop)]
    return actions


SCHEDULES: dict[str, Any] = {
    "two": lambda n: multilevel(n, 1, (2, None), write=(0.5, 2), read=(0.5, 2)),
    "three, none in memory": lambda n: multilevel(n, 0, (1, 1, 3), write=(1, 2, 3), read=(1, 2, 3)),
    "written slowly, read quickly": lambda n: multilevel(n, 1, (2, 2), write=(0, 3), read=(5, 1)),
    "by hand": far(60),
    "of one level": lambda n: mixed(n, 9, 1, 1),
}


@pytest.mark.parametrize("native", [False, True], ids=["interpreted", "native"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_gradient_has_the_bits_of_store_all_at_a_then_b_then_a(
    name: str, native: bool, tmp_path: pathlib.Path
) -> None:
    if native:
        pytest.importorskip("numba")
    expected = ra.Simulation(step, steps=60, native=native)
    storages = [Disk(tmp_path / "a"), Disk(tmp_path / "b"), Disk(tmp_path / "c")]
    simulation = ra.Simulation(
        step, steps=60, schedule=SCHEDULES[name], storage=storages, native=native
    )
    for at in (0.7, -0.3, 0.7):
        assert gradient(simulation, at).tobytes() == gradient(expected, at).tobytes()
    counts, report = simulation.plan(START, 0.7).counts, simulation.report
    assert counts is not None
    assert report is not None
    assert (report.advanced, report.saved) == (counts.advanced, counts.saved)
    assert (report.disk_saved, report.peak_disk) == (counts.disk_saved, counts.peak_disk)
    if counts.by_level:
        assert report.by_level == counts.by_level
        assert "remote" in str(report)
    assert [len(storage) for storage in storages] == [0, 0, 0]
    assert not list(tmp_path.glob("*/*"))


def test_memory_may_stand_in_for_storages_to_try_a_schedule() -> None:
    simulation = ra.Simulation(step, steps=60, schedule=far(60), storage=[Ram(), Ram(), Ram()])
    assert gradient(simulation) == gradient(ra.Simulation(step, steps=60))
    assert pickle.loads(pickle.dumps(simulation)).settings.storages[2].nbytes == 0


@pytest.mark.parametrize("fails_at", [3, 40])
def test_all_storages_are_empty_after_an_error(fails_at: int, tmp_path: pathlib.Path) -> None:
    calls = []

    @ra.step
    def failing(u: Any, p: Any, k: int) -> Any:
        return step(u, p, k)

    @failing.vjp
    def pull(u: Any, p: Any, k: int, g: Any) -> Any:
        calls.append(k)
        if k == fails_at:
            raise ValueError("no more")
        return g * (1 + 0.01 * p * (1.5 - 2 * u)), np.sum(g * 0.01 * u * (1.5 - u))

    storages = [Disk(tmp_path / name) for name in "abc"]
    simulation = ra.Simulation(failing, steps=60, schedule=far(60), storage=storages)
    with pytest.raises(ValueError, match="no more"):
        gradient(simulation)
    assert calls
    assert [len(storage) for storage in storages] == [0, 0, 0]


def test_a_schedule_for_more_storages_than_there_are_is_refused_before_any_step(
    tmp_path: pathlib.Path,
) -> None:
    ran = []

    def counted(u: Any, p: Any, k: Any) -> Any:
        ran.append(k)
        return step(u, p, k)

    simulation = ra.Simulation(
        counted, steps=60, schedule=far(60), storage=[Disk(tmp_path / "a"), Disk(tmp_path / "b")]
    )
    with pytest.raises(ParameterError, match=r"Level\.ARCHIVE, but storage= names 2 of the 3 sto"):
        gradient(simulation)
    assert all(type(k) is not int for k in ran)  # recorded, not run


class Slow:
    """A storage that takes some time for each checkpoint, and says what it has free."""

    def __init__(
        self, seconds: float, free_bytes: int | None = None, device: int | None = None
    ) -> None:
        self.seconds, self.free_bytes, self.device = seconds, free_bytes, device
        self.ram = Ram()

    def save(self, key: Any, leaves: Sequence[Any]) -> None:
        CLOCK.sleep(self.seconds)
        self.ram.save(key, leaves)

    def restore(self, key: Any, out: Any = None) -> Any:
        CLOCK.sleep(self.seconds)
        return self.ram.restore(key, out)

    def discard(self, key: Any) -> None:
        self.ram.discard(key)

    nbytes = peak_bytes = 0


@ra.step
def slow(u: Any, p: Any, k: int) -> Any:
    """A step that is dearer than saving its state."""
    CLOCK.sleep(5e-4)
    return step(u, p, k)


@slow.vjp
def pull_slow(u: Any, p: Any, k: int, g: Any) -> Any:
    return g * (1 + 0.01 * p * (1.5 - 2 * u)), np.sum(g * 0.01 * u * (1.5 - u))


def simulated(storage: Any, **given: Any) -> ra.Simulation:
    memory = ra.Simulation(slow, steps=60, storage=storage).plan(START, 0.7).smallest_budget
    return ra.Simulation(slow, steps=60, storage=storage, memory=memory, **given)


def test_each_storage_is_measured_and_used_for_what_it_is_worth() -> None:
    storages = [Slow(2e-4), Slow(4e-3)]
    simulation = simulated(storages, disk=(3 * BELOW, None))
    plan = simulation.plan(START, 0.7)
    assert plan.costs is not None
    assert 2e-4 <= plan.costs.writes[0] < 4e-3 <= plan.costs.writes[1]
    assert 2e-4 <= plan.costs.reads[0] < 4e-3 <= plan.costs.reads[1]
    assert plan.kind in ("multilevel", "streaming")
    assert plan.n_on(Level.DISK) == 3
    assert plan.n_on(Level.REMOTE) > 0
    text = str(plan)
    assert "written to remote" in text
    assert f"{plan.n_on(Level.REMOTE)}" in text.split("storage ")[1].split("remote")[1]
    # A gradient that measures its own first steps comes to the same, and keeps to the room.
    afresh = simulated(storages, disk=(3 * BELOW, None))
    assert gradient(afresh) == gradient(ra.Simulation(slow, steps=60))
    report = afresh.report
    assert report is not None
    assert report.by_level[0].peak <= 3
    assert report.by_level[1].saved > 0
    assert [len(storage.ram) for storage in storages] == [0, 0]


def test_what_a_storage_has_free_bounds_the_plan_or_is_an_error_where_it_was_given() -> None:
    little = [Slow(0.0, free_bytes=3 * 4096), Slow(2e-3, free_bytes=10**9)]
    simulation = simulated(little)
    plan = simulation.plan(START, 0.7)
    assert plan.n_on(Level.DISK) <= 3
    assert "the storage on disk has 12.3 kB free, which hold 3 checkpoints" in str(plan)
    assert gradient(simulation) == gradient(ra.Simulation(slow, steps=60))
    given = ra.Simulation(
        slow, steps=60, storage=[Slow(0.0), Slow(0.0, free_bytes=4096), Slow(0.0)], schedule=far(60)
    )
    gradient(given)  # one checkpoint on each
    for room in (4095, 0):
        full = ra.Simulation(
            slow, steps=60, storage=[Slow(0), Slow(0, free_bytes=room), Slow(0)], schedule=far(60)
        )
        with pytest.raises(StorageFullError, match="1 checkpoints of 4,096 bytes remote at a time"):
            gradient(full)


def test_storages_on_one_disk_share_what_it_has_free(tmp_path: pathlib.Path) -> None:
    assert Disk(tmp_path / "a").device == Disk(tmp_path / "b").device == tmp_path.stat().st_dev
    shared = [Slow(0.0, free_bytes=9 * 4096, device=1), Slow(1e-4, free_bytes=9 * 4096, device=1)]
    plan = simulated(shared, disk=(5 * BELOW, None)).plan(START, 0.7)
    assert plan.n_on(Level.DISK) + plan.n_on(Level.REMOTE) <= 9
    shared[1].device = 2
    plan = simulated(shared).plan(START, 0.7)
    assert 9 < plan.n_on(Level.DISK) + plan.n_on(Level.REMOTE) <= 18


@pytest.mark.parametrize(("disk", "used"), [((0, None), 1), (("1 MB", 0), 0), ((0, 4 * BELOW), 1)])
def test_a_storage_without_room_is_left_alone(disk: Any, used: int) -> None:
    simulation = simulated([Slow(0.0), Slow(1e-4)], disk=disk)
    assert gradient(simulation) == gradient(ra.Simulation(slow, steps=60))
    report = simulation.report
    assert report is not None
    assert report.by_level[1 - used].saved == 0
    assert report.by_level[used].saved > 0
    lines = str(simulation.plan(START, 0.7)).splitlines()
    timed = [line.split()[2] for line in lines if line.startswith("written to ")]
    assert timed == [("disk", "remote")[used]]


def test_a_run_of_unknown_length_uses_the_first_storage_with_room(tmp_path: pathlib.Path) -> None:
    given: dict[str, Any] = {"until": lambda u, p, k: k == 50, "max_steps": 80}
    storages = [Disk(tmp_path / "a"), Disk(tmp_path / "b")]
    least = ra.Simulation(slow, **given, storage=Slow(0)).plan(START, 0.7).smallest_budget
    simulation = ra.Simulation(slow, **given, storage=storages, disk=(0, None), memory=least)
    assert gradient(simulation) == gradient(ra.Simulation(slow, **given))
    assert simulation.report is not None
    assert simulation.report.disk_saved > 0
    assert not (tmp_path / "a").exists()


def test_a_tape_that_grows_leaves_checkpoints_on_all_storages_where_they_are(
    tmp_path: pathlib.Path,
) -> None:
    expected = bits(gradient_of_growing(ra.Simulation(growing, steps=30)))
    storages = [Disk(tmp_path / "a"), Disk(tmp_path / "b")]
    schedule = multilevel(30, 4, (1, 2), write=(0.1, 0.2), read=(0.1, 0.2))
    given: dict[str, Any] = {"schedule": schedule, "storage": storages}
    fixed = ra.Simulation(growing, steps=30).plan(GROWING_START, np.array(0.3)).sizes.all_fixed
    replanned = 0
    for states in (26, 28):
        simulation = ra.Simulation(growing, steps=30, memory=fixed + states * STATE, **given)
        assert bits(gradient_of_growing(simulation)) == expected
        report = simulation.report
        assert report is not None
        assert report.by_level[1].saved
        replanned += report.replanned
        assert [len(storage) for storage in storages] == [0, 0]
    assert replanned


def test_a_tape_that_grows_moves_checkpoints_to_the_first_storage_with_room(
    tmp_path: pathlib.Path,
) -> None:
    expected = bits(gradient_of_growing(ra.Simulation(growing, steps=30)))
    storages = [Disk(tmp_path / "a"), Disk(tmp_path / "b")]
    given: dict[str, Any] = {"storage": storages, "disk": (0, None)}
    fixed = ra.Simulation(growing, steps=30).plan(GROWING_START, np.array(0.3)).sizes.all_fixed
    moved = 0
    for states in (25, 27):
        simulation = ra.Simulation(growing, steps=30, memory=fixed + states * STATE, **given)
        assert bits(gradient_of_growing(simulation)) == expected
        report = simulation.report
        assert report is not None
        assert report.by_level[0].saved == 0
        moved += bool(report.replanned and report.by_level[1].saved)
        assert [len(storage) for storage in storages] == [0, 0]
    assert moved

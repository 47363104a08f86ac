"""Every kind of schedule is executed as it says, in memory and on disk, to the same gradient."""

import os
import pathlib
import shutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import schedule as s
from revolve_ad.errors import StorageFullError
from revolve_ad.schedule import Action, Level, OnlineSchedule, store_all
from revolve_ad.storage import checkpoint_file
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4


def forced(y: Any, p: Any, k: Any, f: Any) -> Any:
    return rk4(y, p, k) * (1 + 0.01 * f)


by_hand = ra.step(forced)


@by_hand.vjp
def _forced_vjp(y: Any, p: Any, k: Any, f: Any, c: Any) -> Any:
    dy, dp = lotka_volterra._vjp(y, p, k, c * (1 + 0.01 * f))
    return dy, dp, 0.01 * np.sum(c * rk4(y, p, k))


STEPS = {"user": (by_hand, False), "recorded": (forced, False), "native": (forced, True)}
FORCING = 0.1 * np.sin(np.arange(60.0))


class EveryOther:
    """A schedule as a user may write one: every second state, those of odd number on disk."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps

    def __iter__(self) -> Iterator[Action]:
        last = (self.n_steps - 1) // 2 * 2
        for k in range(0, last, 2):
            yield s.Save(k, Level(k // 2 % 2))
            yield s.Advance(k, k + 2)
        yield s.Record(last, self.n_steps)
        yield s.Reverse(last, self.n_steps)
        for k in range(last - 2, -1, -2):
            yield s.Restore(k, Level(k // 2 % 2))
            yield s.Discard(k, Level(k // 2 % 2))
            yield s.Record(k, k + 2)
            yield s.Reverse(k, k + 2)


def online_kinds(n: int) -> dict[str, Any]:
    """A schedule of each kind that needs no number of steps, for at most n."""
    return {
        "online": s.online(3),
        "online, bytes": s.online(state_bytes=2, tape_bytes=3, budget=9),
        "online, all tapes": s.online(state_bytes=2, tape_bytes=3, budget=3 * n, max_steps=n),
    }


def kinds(n: int) -> dict[str, Any]:
    """A schedule of each kind, for n steps."""
    rng = np.random.default_rng(n)
    costs = rng.lognormal(size=n).tolist()
    states, tapes = rng.integers(1, 4, n + 1).tolist(), rng.integers(1, 4, n).tolist()
    return {
        "periodic": s.periodic(n, 3),
        "none": s.none(n),
        "binomial": s.binomial(n, 3),
        "mixed": s.mixed(n, 7, 2, 3),
        "multilevel": s.multilevel(n, 1, 3, 1, 1, 0.3, 0.3),
        "multilevel, any disk": s.multilevel(n, 2, None, 1, 1, 0.3, 0.3),
        "multilevel, no RAM": s.multilevel(n, 0, 2, 1, 1, 0.3, 0.3),
        "streaming": s.streaming(n, 6, 1, 1, write=3, read=2),
        "streaming, few tapes": s.streaming(n, 3, 1, 1, write=4, read=2),
        "heterogeneous": s.heterogeneous(costs, 3),
        "heterogeneous_bytes": s.heterogeneous_bytes(costs, 9, states, tapes),
        **online_kinds(n),
        "a list": list(s.mixed(n, 5, 1, 1)),
        "a class": EveryOther(n),
    }


def observe(y: Any, p: Any, k: Any) -> Any:
    return y * p[:2] + p[2]


def gradient(step: Any, native: bool, observe_at: Any, **options: Any) -> tuple[Any, Any]:
    """Return the gradient, as bytes, at A; it was computed at A, B, A, and A first was equal."""
    if observe_at is not False:
        options |= {"observe": observe, "observe_at": observe_at}
    simulation = ra.Simulation(step, native=native, replay_check="all", **options)

    def objective(y: Any, p: Any, forcing: Any) -> Any:
        run = simulation(y, p, forcing)
        total = np.sum(np.sin(run.state))
        return total if observe_at is False else total + np.sum(np.sin(run.observed))

    n = options.get("steps") or options["max_steps"]
    at = ra.grad(objective, argnums=(0, 1, 2))
    points = [(START, PARAMS), (1.1 * START, 0.9 * PARAMS), (START, PARAMS)]
    first, _, again = ([g.tobytes() for g in at(*point, FORCING[:n])] for point in points)
    assert first == again
    return first, simulation.report


def require_counts(report: Any, schedule: Any, n: int) -> None:
    known = getattr(schedule, "counts", None)
    counts = known(n) if is_online(schedule) else known() if known else s.check(schedule, n)
    names = ("advanced", "recorded", "saved", "restored", "peak_checkpoints")
    assert [getattr(report, name) for name in names] == [getattr(counts, name) for name in names]


CASES = [
    *[("user", n) for n in (1, 2, 3, 7, 20)],
    *[("recorded", n) for n in (1, 3, 20)],
    *[("native", n) for n in (2, 7, 20)],
]


@pytest.mark.parametrize(("step", "n"), CASES)
def test_every_kind_has_the_gradient_of_store_all_bit_for_bit(
    step: str, n: int, tmp_path: pathlib.Path
) -> None:
    if step == "native":
        pytest.importorskip("numba")
    function, native = STEPS[step]
    at = [0, n] if n != 7 else None
    expected, _ = gradient(function, native, at, steps=n, schedule=store_all(n))
    disk = ra.storage.Disk(tmp_path)
    for name, schedule in kinds(n).items():
        found, report = gradient(function, native, at, steps=n, schedule=schedule, storage=disk)
        assert found == expected, name
        require_counts(report, schedule, n)
        assert not list(tmp_path.iterdir()), name
        if not saves_on_disk(schedule):
            found, _ = gradient(function, native, at, steps=n, schedule=schedule)
            assert found == expected, name


def is_online(schedule: Any) -> bool:
    return isinstance(schedule, OnlineSchedule) and not hasattr(schedule, "n_steps")


def saves_on_disk(schedule: Any) -> bool:
    return not is_online(schedule) and any(
        isinstance(a, s.Save) and a.level == Level.DISK for a in schedule
    )


@pytest.mark.parametrize("kind", ["online", "online, bytes", "online, all tapes", "none given"])
@pytest.mark.parametrize("step", ["user", "recorded"])
def test_a_run_that_until_ends_has_the_gradient_of_a_run_of_as_many_steps(
    step: str, kind: str
) -> None:
    function, native = STEPS[step]
    for n in (1, 2, 3, 7, 20):
        at = [k for k in (0, 1, 5, n) if k <= n and (k != 1 or n > 1)]
        expected, _ = gradient(function, native, sorted({*at}), steps=n, schedule=store_all(n))
        for most in (n, n + 1, 60):
            schedule = online_kinds(most).get(kind)
            found, report = gradient(
                function,
                native,
                sorted({*at, *((n + 1, most) if most > n + 1 else ())}),
                until=lambda y, p, k, n=n: k >= n,
                max_steps=most,
                schedule=schedule,
            )
            assert found[:2] == expected[:2]
            forcing = np.frombuffer(found[2])
            assert forcing[:n].tobytes() == expected[2]
            assert not forcing[n:].any()
            require_counts(report, report.schedule, n)


@pytest.mark.parametrize("check", ["sampled", "all"])
def test_no_step_is_called_beyond_the_end_that_until_finds(check: Any) -> None:
    called: list[int] = []

    def step(y: Any, p: Any, k: Any) -> Any:
        if type(k) is int:  # not while it is recorded
            called.append(k)
        return rk4(y, p, k)

    for n in (1, 4, 16):
        simulation = ra.Simulation(
            step, until=lambda y, p, k, n=n: k == n, max_steps=99, replay_check=check
        )
        ra.grad(lambda p, run=simulation: np.sum(run(START, p).state))(PARAMS)
        assert max(called) < n


@pytest.mark.parametrize("kind", sorted(kinds(3)))
def test_no_step_at_all_is_a_run_too(kind: str) -> None:
    schedule = kinds(3)[kind]
    if not is_online(schedule):
        schedule = None
    simulation = ra.Simulation(rk4, steps=0, schedule=schedule, observe=observe)

    def objective(y: Any, p: Any) -> Any:
        run = simulation(y, p)
        return np.sum(run.state**2) + np.sum(run.observed)

    found = ra.grad(objective, argnums=(0, 1))(START, PARAMS)
    assert np.array_equal(found[0], 2 * START + PARAMS[:2])
    assert np.array_equal(found[1], [*START, 2.0, 0.0])


def test_levels_are_kept_apart_memory_in_memory_and_disk_on_disk(tmp_path: pathlib.Path) -> None:
    class Watched:
        """A storage that notes what it is asked to keep."""

        def __init__(self) -> None:
            self.ram = ra.storage.Ram()
            self.saved: list[int] = []

        def save(self, key: Any, leaves: Any) -> None:
            self.saved.append(key[1])
            self.ram.save(key, leaves)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.ram, name)

    watched: Any = Watched()
    schedule = s.multilevel(40, 2, 3, 1, 1, 1, 1)
    gradient(by_hand, False, False, steps=40, schedule=schedule, storage=watched)
    on_disk = [a.state for a in schedule if isinstance(a, s.Save) and a.level == Level.DISK]
    assert watched.saved == 3 * on_disk
    # A state may be on both levels at once.
    both = [s.Save(0, Level.RAM), s.Save(0, Level.DISK), s.Advance(0, 2), s.Record(2, 3)]
    both += [s.Reverse(2, 3), s.Restore(0, Level.RAM), s.Discard(0, Level.RAM), s.Advance(0, 1)]
    both += [s.Record(1, 2), s.Reverse(1, 2), s.Restore(0, Level.DISK), s.Discard(0, Level.DISK)]
    both += [s.Record(0, 1), s.Reverse(0, 1)]
    expected, _ = gradient(by_hand, False, False, steps=3, schedule=store_all(3))
    disk = ra.storage.Disk(tmp_path)
    assert gradient(by_hand, False, False, steps=3, schedule=both, storage=disk)[0] == expected


def test_a_schedule_for_a_disk_needs_a_storage() -> None:
    schedule = s.multilevel(40, 1, 3, 1, 1, 0.1, 0.1)
    simulation = ra.Simulation(rk4, steps=40, schedule=schedule)
    with pytest.raises(ra.RevolveError, match=r"give storage=ra\.storage\.Disk"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    unused = s.multilevel(40, 3, 5, 1, 1, 1e9, 1e9)
    simulation = ra.Simulation(rk4, steps=40, schedule=unused)
    ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)


@pytest.mark.parametrize("phase", ["first sweep", "reverse"])
def test_the_disk_is_empty_after_an_exception(phase: str, tmp_path: pathlib.Path) -> None:
    @ra.step
    def step(y: Any, p: Any, k: Any) -> Any:
        if phase == "first sweep" and k == 30:
            raise RuntimeError("out of luck")
        return rk4(y, p, k)

    @step.vjp
    def step_vjp(y: Any, p: Any, k: Any, c: Any) -> Any:
        if k == 12:
            raise RuntimeError("out of luck")
        return lotka_volterra._vjp(y, p, k, c)

    schedule = s.multilevel(40, 2, 5, 1, 1, 0.3, 0.3)
    simulation = ra.Simulation(step, steps=40, schedule=schedule, storage=ra.storage.Disk(tmp_path))
    with pytest.raises(RuntimeError, match="out of luck") as kept:
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    assert any(phase in note for note in kept.value.__notes__)
    assert not list(tmp_path.iterdir())  # while the error and its frames are alive


def on_disk(folder: pathlib.Path, spoil: Any) -> Any:
    """Return the gradient of a run whose disk is spoiled between its forward part and the rest."""
    schedule = s.multilevel(40, 2, 5, 1, 1, 0.3, 0.3)
    storage = ra.storage.Disk(folder)
    simulation = ra.Simulation(rk4, steps=40, schedule=schedule, storage=storage)
    _, pullback = ra.vjp(lambda p: simulation(START, p).state, PARAMS)
    files = sorted(folder.iterdir())
    assert files
    spoil(files)
    return pullback(START)


def test_a_checkpoint_that_was_damaged_exchanged_or_deleted_is_noticed(
    tmp_path: pathlib.Path,
) -> None:
    def damage(files: list[pathlib.Path]) -> None:
        for file in files:
            data = bytearray(file.read_bytes())
            data[-8] ^= 1
            file.write_bytes(data)

    def exchange(files: list[pathlib.Path]) -> None:
        contents = [file.read_bytes() for file in files]
        for file, data in zip(files, [*contents[1:], contents[0]], strict=True):
            file.write_bytes(data)

    def replace(files: list[pathlib.Path]) -> None:
        for file in files:
            file.write_text("something else, from another program\n")

    def delete(files: list[pathlib.Path]) -> None:
        for file in files:
            file.unlink()

    cases = [
        (damage, "checksum of its arrays is wrong"),
        (exchange, "where checkpoint .* is expected"),
        (replace, "it begins with b'somethin'"),
        (delete, "is gone, though"),
    ]
    for spoil, message in cases:
        with pytest.raises(ra.errors.CheckpointCorruptError, match=message) as caught:
            on_disk(tmp_path, spoil)
        assert any("during the reverse sweep, at Restore" in n for n in caught.value.__notes__)
        assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("no folder")
    schedule = s.multilevel(40, 2, 5, 1, 1, 0.3, 0.3)
    storage = ra.storage.Disk(tmp_path / "file")
    simulation = ra.Simulation(rk4, steps=40, schedule=schedule, storage=storage)
    with pytest.raises(ra.errors.StorageError, match="can't be written to"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    if os.geteuid() != 0:  # the administrator may write anywhere
        folder = tmp_path / "read-only"
        folder.mkdir(mode=0o500)
        simulation = ra.Simulation(
            rk4, steps=40, schedule=schedule, storage=ra.storage.Disk(folder)
        )
        with pytest.raises(ra.errors.StorageError, match="Give a folder that can be written to"):
            ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)


def test_a_full_disk_is_a_clear_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, writes = os.replace, [0]

    def full_after_three(source: Any, target: Any) -> None:
        writes[0] += 1
        if writes[0] > 3:
            raise OSError(28, os.strerror(28))
        real(source, target)

    monkeypatch.setattr(os, "replace", full_after_three)
    schedule = s.multilevel(40, 1, 5, 1, 1, 0.1, 0.1)
    storage = ra.storage.Disk(tmp_path)
    simulation = ra.Simulation(rk4, steps=40, schedule=schedule, storage=storage)
    with pytest.raises(ra.errors.StorageFullError, match="Free some space, or allow fewer"):
        ra.grad(lambda p: np.sum(simulation(START, p).state))(PARAMS)
    assert not list(tmp_path.iterdir())


WRITE = checkpoint_file.write


class Quota:
    """A disk with so much room: files beyond it can't be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path, nbytes: int) -> None:
        self._folder = folder
        self.nbytes = nbytes
        self.announced: int | None = None  # what it says is free, if that isn't true
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=self.free))

        def limited(file: Any, owner: Any, key: Any, leaves: Any) -> None:
            if self.used + checkpoint_file.size_of(owner, key, leaves) > self.nbytes:
                raise OSError(28, os.strerror(28))
            WRITE(file, owner, key, leaves)

        monkeypatch.setattr(checkpoint_file, "write", limited)

    @property
    def used(self) -> int:
        return sum(file.stat().st_size for file in self._folder.iterdir())

    @property
    def free(self) -> int:
        return self.nbytes - self.used if self.announced is None else self.announced


WIDE = np.linspace(1.0, 2.0, 1000)


def counted() -> tuple[Any, list[int]]:
    called: list[int] = []

    @ra.step
    def step(u: Any, p: Any, k: Any) -> Any:
        called.append(k)
        return u * (1 - 0.01 * p)

    @step.vjp
    def step_vjp(u: Any, p: Any, k: Any, c: Any) -> Any:
        return c * (1 - 0.01 * p), -0.01 * (u @ c)

    return step, called


def wide(simulation: ra.Simulation) -> Any:
    return ra.grad(lambda p: np.sum(simulation(WIDE, p).state))(np.array(0.3))


def until_60(u: Any, p: Any, k: Any) -> bool:
    return bool(k == 60)


ENDS: list[dict[str, Any]] = [{"steps": 60}, {"until": until_60, "max_steps": 90}]


@pytest.mark.parametrize("ends", ENDS, ids=["known", "unknown"])
@pytest.mark.parametrize("given", ["disk", "schedule", "nothing"])
def test_a_disk_without_room_for_the_plan_is_refused_before_any_step(
    ends: Any, given: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 0 if given == "nothing" else 30_000
    Quota(monkeypatch, tmp_path, free)
    step, called = counted()
    options: Any = {"memory": "60 kB"}  # no checkpoint fits beside a tape
    if given == "schedule":
        options = {"schedule": s.online(9) if "until" in ends else s.multilevel(60, 1, 9, 1, 1)}
    if given == "disk":
        options["disk"] = "1 MB"
    disk = ra.storage.Disk(tmp_path / "new" / "folder")
    simulation = ra.Simulation(step, **ends, storage=disk, **options)
    with pytest.raises(StorageFullError, match=f"has {free:,} free .*enough for {free // 12_288}"):
        wide(simulation)
    with pytest.raises(
        StorageFullError,
        match=r"checkpoints of 12,288 bytes on disk .* Free some space, name another folder, or",
    ):
        simulation.plan(WIDE, np.array(0.3))
    assert not called
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ends", ENDS, ids=["known", "unknown"])
def test_without_a_bound_the_plan_makes_do_with_what_the_disk_has_free(
    ends: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, _ = counted()
    expected = wide(ra.Simulation(step, steps=60, schedule=store_all))
    for free in (13_000, 30_000, 70_000):
        Quota(monkeypatch, tmp_path, free)
        disk = ra.storage.Disk(tmp_path)
        simulation = ra.Simulation(step, **ends, storage=disk, memory="60 kB")
        plan = simulation.plan(WIDE, np.array(0.3))
        assert any("the disk has" in remark for remark in plan.remarks)
        assert 0 < plan.n_on_disk <= free // 12_288
        assert wide(simulation).tobytes() == expected.tobytes()
        assert simulation.report is not None
        assert simulation.report.peak_disk <= free // 12_288
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("room", [0, 9_000, 20_000])
def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_done(
    room: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, _ = counted()
    schedule = s.multilevel(60, 1, 5, 1, 1, 0.01, 0.01)
    simulation = ra.Simulation(
        step, steps=60, schedule=schedule, storage=ra.storage.Disk(tmp_path / "disk")
    )
    expected = wide(simulation)
    quota = Quota(monkeypatch, tmp_path / "disk", room)
    quota.announced = 10**9
    with pytest.raises(StorageFullError, match=r"needs 8,\d+ bytes.*Free some space") as caught:
        wide(simulation)
    assert any("during the first sweep" in note for note in caught.value.__notes__)
    assert not list((tmp_path / "disk").iterdir())
    quota.nbytes = 10**9  # somebody has made room
    assert wide(simulation).tobytes() == expected.tobytes()

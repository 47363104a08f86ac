"""The budget holds: by the library's own count, and by what Python's allocator says."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import BudgetError
from revolve_ad.schedule import binomial, store_all, t
from revolve_ad.simulation import Report
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.gradient import Arguments, Gradient
from revolve_ad.simulation.kernels.given import Given
from revolve_ad.simulation.kernels.model import record_model
from revolve_ad.simulation.memory import budget_bytes, free_bytes, parse_bytes
from tests.simulation.clock import Clock

SIZE = 4000
STATE = 8 * SIZE


@ra.step
def decay(u: Any, p: Any, k: Any) -> Any:
    u *= 1 - 0.001 * p[0]
    return u


@decay.vjp
def decay_vjp(u: Any, p: Any, k: Any, cotangent: Any) -> Any:
    dp = np.array([-0.001 * (u @ cotangent)])
    cotangent *= 1 - 0.001 * p[0]
    return cotangent, dp


def plain_decay(u: Any, p: Any, k: Any) -> Any:
    return u * (1 - 0.001 * p[0])


@pytest.mark.parametrize("step", [decay, plain_decay], ids=["user", "recorded"])
@pytest.mark.parametrize("n_states", [14, 20, 45, 90])
@pytest.mark.parametrize("observed", [False, True])
def test_the_budget_holds_by_count_and_by_tracemalloc(
    step: Any, n_states: int, observed: bool
) -> None:
    budget = n_states * STATE
    simulation = ra.Simulation(
        step,
        steps=60,
        memory=budget,
        observe=(lambda u, p, k: u[::8]) if observed else None,
        observe_at=range(0, 61, 12) if observed else None,
    )
    start = np.linspace(1, 2, SIZE)
    plan = simulation.plan(start, np.array([0.3]))
    params = np.array([0.4])
    form = Form(Layout.of(start, "state")[1], Layout.of(params, "params")[1])
    observe = simulation.settings.observe
    model, _ = record_model(Given(step, observe, form, [start.copy()], [params], []))
    arguments = Arguments([start], [params], [], [])

    def gradient() -> Report:
        # Not through a function around it, which holds arrays of its own.
        gradient = Gradient(simulation.settings, model, arguments)
        final, seen = gradient.forward([start])
        gradient.reverse(arguments, [2 * final[0]], [2 * leaf for leaf in seen])
        return gradient.report

    gradient()  # imports, caches
    gc.collect()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    report = gradient()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert report.peak_bytes <= budget
    assert report.peak_bytes == plan.peak_bytes
    assert (report.advanced, report.recorded) == (plan.counts.advanced, plan.counts.recorded)
    assert peak <= budget + 30_000  # Python objects; less than a state
    assert peak >= 0.6 * report.peak_bytes  # the count is no idle bound


def test_memory_stays_flat_over_many_gradients() -> None:
    simulation = ra.Simulation(plain_decay, steps=40, memory=20 * STATE)
    start = np.linspace(1, 2, SIZE)
    gradient = ra.grad(lambda p: np.sum(simulation(start, p).state))
    for i in range(3):
        gradient(np.array([0.1 * i]))
    gc.collect()
    tracemalloc.start()
    gradient(np.array([0.7]))
    gc.collect()
    first = tracemalloc.get_traced_memory()[0]
    for i in range(10):
        gradient(np.array([0.1 * i]))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    assert grown < STATE


def test_a_value_keeps_no_checkpoint() -> None:
    simulation = ra.Simulation(plain_decay, steps=200)
    start = np.linspace(1, 2, SIZE)
    simulation(start, np.array([0.1]))
    tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    run = simulation(start, np.array([0.1]))
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert run.report.saved == 0
    assert peak < 5 * STATE


def test_a_budget_below_the_smallest_is_refused_before_the_run() -> None:
    calls = []

    def step(u: Any, p: Any, k: Any) -> Any:
        calls.append(k)
        return u * (1 - 0.001 * p[0])

    start = np.linspace(1, 2, SIZE)
    gradient = lambda s: ra.grad(lambda p: np.sum(s(start, p).state))(np.array([0.1]))  # noqa: E731
    with pytest.raises(BudgetError, match="smallest budget that works is") as caught:
        gradient(ra.Simulation(step, steps=40, memory=3 * STATE))
    assert len(calls) <= 1  # it is recorded once
    smallest = int(str(caught.value).split("works is ")[1].split(" bytes")[0].replace(",", ""))
    tight = ra.Simulation(step, steps=40, memory=smallest)
    expected = gradient(ra.Simulation(step, steps=40, schedule=store_all))
    assert gradient(tight).tobytes() == expected.tobytes()
    assert tight.report.peak_checkpoints == 1
    assert tight.report.peak_bytes <= smallest
    assert tight.report.advanced <= t(40, 1)
    with pytest.raises(BudgetError):
        gradient(ra.Simulation(step, steps=40, memory=smallest - 1))


def test_a_schedule_is_checked_against_the_memory() -> None:
    start = np.linspace(1, 2, SIZE)
    gradient = lambda s: ra.grad(lambda p: np.sum(s(start, p).state))(np.array([0.1]))  # noqa: E731
    for schedule in (binomial(40, 30), list(binomial(40, 30))):
        with pytest.raises(BudgetError, match="the schedule needs"):
            gradient(ra.Simulation(plain_decay, steps=40, schedule=schedule, memory=20 * STATE))
        gradient(ra.Simulation(plain_decay, steps=40, schedule=schedule, memory=45 * STATE))


def test_the_plan_prints_what_half_and_double_would_give() -> None:
    simulation = ra.Simulation(plain_decay, steps=4000, memory=40 * STATE)
    plan = simulation.plan(np.linspace(1, 2, SIZE), np.array([0.1]))
    text = str(plan)
    for budget in (20, 40, 80):
        assert f"{budget * STATE / 1e6:.3g} MB" in text or f"{budget * STATE / 1e3:.3g} kB" in text
    assert plan.smallest_budget < plan.budget
    assert plan.seconds > 0
    half, double = plan.with_budget(plan.budget // 2), plan.with_budget(2 * plan.budget)
    assert half.recomputation > plan.recomputation > double.recomputation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 GiB", 2 * 1024**3),
        ("500 MB", 500_000_000),
        ("64kB", 64_000),
        ("64 KIB", 65536),
        ("1.5 mb", 1_500_000),
        (" 7 b ", 7),
        ("12", 12),
        (4096, 4096),
        (1e6, 1_000_000),
        (np.int64(77), 77),
        (0, 0),
    ],
)
def test_sizes_are_read(text: Any, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "GB", "1 XB", "-3 MB", -1, True, None, float("nan"), "1e3 MB"]
)
def test_sizes_that_cant_be_read_are_refused(text: Any) -> None:
    with pytest.raises(ra.RevolveError):
        parse_bytes(text)


def test_no_memory_given_means_a_share_of_what_is_free() -> None:
    assert budget_bytes("1 MB", 10**9) == 10**6
    assert budget_bytes(None, 10**18) <= free_bytes() * 0.5
    assert budget_bytes(None, 1) > 0


def test_a_simulation_inside_a_step_is_counted_in_the_budget_around_it() -> None:
    reports = []

    def inner_step(v: Any, p: Any, j: Any) -> Any:
        return v + 0.01 * p * v * v

    def step(u: Any, p: Any, k: Any) -> Any:
        inner = ra.Simulation(inner_step, steps=50)
        run = inner(u, p)
        reports.append(inner)
        return run.state

    start = np.linspace(0.1, 0.2, SIZE)
    expected = None
    for states in (24, 40, 90, 400):
        budget = states * STATE
        simulation = ra.Simulation(step, steps=10, memory=budget)
        params = np.array(0.3)
        form = Form(Layout.of(start, "state")[1], Layout.of(params, "params")[1])
        model, _ = record_model(Given(step, None, form, [start.copy()], [params], []))
        arguments = Arguments([start], [params], [], [])
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        gradient = Gradient(simulation.settings, model, arguments)
        final, _ = gradient.forward([start])
        found = gradient.reverse(arguments, [2 * final[0]], []).params[0]
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert "simulations inside" in gradient.plan.sizes.fixed
        assert gradient.report.peak_bytes <= budget
        assert peak <= budget + 150_000  # Python objects: each step records the one inside
        expected = found if expected is None else expected
        assert found.tobytes() == expected.tobytes()
    with pytest.raises(BudgetError, match="simulations inside"):
        Gradient(ra.Simulation(step, steps=10, memory=12 * STATE).settings, model, arguments)


def test_checkpoints_are_in_memory_and_on_disk_within_both_budgets(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    clock.install(monkeypatch)

    @ra.step
    def slow_decay(u: Any, p: Any, k: Any) -> Any:
        clock.sleep(2e-4)  # so that a disk is worth using
        return decay.function(u, p, k)

    slow_decay.vjp(decay_vjp)
    start = np.linspace(1, 2, SIZE)
    params = np.array([0.3])
    memory = ra.Simulation(decay, steps=100)
    expected = ra.grad(lambda p: np.sum(memory(start, p).state))(params)
    fixed = memory.plan(start, params).sizes.all_fixed
    for n_in_memory in (1, 3):
        disk = ra.storage.Disk(tmp_path / str(n_in_memory))
        budget = fixed + (n_in_memory + 1) * STATE  # and a tape
        simulation = ra.Simulation(
            slow_decay, steps=100, storage=disk, disk=4 * STATE, memory=budget
        )
        found = ra.grad(lambda p, s=simulation: np.sum(s(start, p).state))(params)
        assert found.tobytes() == expected.tobytes()
        assert simulation.report.peak_bytes <= budget
        assert STATE <= disk.peak_stored_bytes <= 4 * (STATE + 1000)  # a header each
        assert simulation.report.advanced < t(100, n_in_memory)


def test_a_disk_without_room_for_a_checkpoint_is_refused_before_the_run(tmp_path: Any) -> None:
    calls = []

    def step(u: Any, p: Any, k: Any) -> Any:
        calls.append(k)
        return u * (1 - 0.001 * p[0])

    start = np.linspace(1, 2, SIZE)
    simulation = ra.Simulation(
        step, steps=40, storage=ra.storage.Disk(tmp_path), disk=STATE - 1, memory="2 MB"
    )
    with pytest.raises(BudgetError, match=f"disk is 31,999 bytes.*one checkpoint has {STATE:,}"):
        ra.grad(lambda p: np.sum(simulation(start, p).state))(np.array([0.3]))
    assert len(calls) <= 1  # it is recorded once
    with pytest.raises(ra.RevolveError, match="Disk"):
        ra.Simulation(plain_decay, steps=40, disk="1 GB")


def test_a_disk_of_zero_bytes_is_left_alone(tmp_path: Any) -> None:
    start = np.linspace(1, 2, SIZE)
    disk = ra.storage.Disk(tmp_path)
    simulation = ra.Simulation(plain_decay, steps=40, storage=disk, disk=0, memory=14 * STATE)
    ra.grad(lambda p: np.sum(simulation(start, p).state))(np.array([0.3]))
    assert disk.peak_stored_bytes == 0
    assert simulation.report.peak_bytes <= 14 * STATE

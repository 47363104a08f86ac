"""What a plan forecasts is what the gradient does: counts, peaks, and what goes to the disk."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import schedule as s
from revolve_ad.schedule import store_all
from revolve_ad.simulation.planning import measuring
from revolve_ad.simulation.planning.costs import Costs
from tests.simulation.systems import PARAMS, START, lotka_volterra, rk4
from tests.simulation.test_execution import FORCING, STEPS, observe

N = 40
STATE = START.nbytes
COUNTED = ("advanced", "recorded", "saved", "restored", "disk_saved", "disk_restored")


@pytest.fixture
def costing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets what the planner measures, so that it always chooses alike."""

    def cost(**seconds: float) -> None:
        costs = Costs(**{"step": 1.0, "reverse": 3.0, **seconds})
        monkeypatch.setattr(measuring, "_of_steps", lambda *_: costs)
        monkeypatch.setattr(measuring, "_of_looks", lambda *_: {})
        monkeypatch.setattr(measuring, "measure_storage", lambda costs, *_: costs)
        monkeypatch.setattr(measuring, "_with_overheads", lambda costs, *_: costs)

    return cost


def objective(simulation: ra.Simulation) -> Any:
    return ra.value_and_grad(lambda p: np.sum(np.sin(simulation(START, p).state)))


def require_as_planned(simulation: ra.Simulation) -> tuple[ra.Plan, bytes]:
    """Compute gradients at B, A, B, each as the plan says; return plan and gradient at B."""
    plan = simulation.plan(START, PARAMS)
    gradient = objective(simulation)
    found = []
    for params in (1.1 * PARAMS, PARAMS, 1.1 * PARAMS):
        found.append(gradient(params)[1].tobytes())
        report = simulation.report
        assert report is not None
        steps = plan.for_steps(report.steps)
        assert [getattr(report, name) for name in COUNTED] == [
            getattr(steps, name) for name in COUNTED
        ]
        assert report.peak_checkpoints == steps.n_checkpoints
        assert report.peak_disk == steps.n_on_disk
        assert report.peak_bytes <= plan.peak_bytes <= plan.budget
        if plan.n_steps is not None:
            assert report.peak_bytes == plan.peak_bytes
    assert found[0] == found[2]
    return plan, found[0]


def smallest(step: Any) -> int:
    return ra.Simulation(step, steps=N).plan(START, PARAMS).sizes.all_fixed


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
def test_a_plan_in_memory_is_what_the_gradient_does(step: Any) -> None:
    fixed, seen, gradients = smallest(step), set(), set()
    for states in (2, 3, 5, 8, 13, 39, 40, 41):
        memory = fixed + states * STATE
        plan, gradient = require_as_planned(ra.Simulation(step, steps=N, memory=memory))
        seen.add(plan.kind)
        gradients.add(gradient)
        assert plan.smallest_budget == fixed + 2 * STATE
    assert seen == {"mixed", "store all"}
    assert len(gradients) == 1


@pytest.mark.parametrize("step", [lotka_volterra, rk4], ids=["user", "recorded"])
def test_a_plan_with_a_disk_is_what_the_gradient_does(
    step: Any, costing: Callable[..., None], tmp_path: pathlib.Path
) -> None:
    fixed, seen, gradients = smallest(step), set(), set()
    for io in (0.0, 0.4, 1000.0):
        costing(write=io, read=io)
        for states in (1, 4, 9):
            for disk in (None, 5 * STATE) if states < 9 else (None, 0):
                simulation = ra.Simulation(
                    step,
                    steps=N,
                    memory=fixed + states * STATE,
                    storage=ra.storage.Disk(tmp_path),
                    disk=disk,
                )
                plan, gradient = require_as_planned(simulation)
                seen.add(plan.kind)
                gradients.add(gradient)
                assert disk is None or plan.disk_bytes <= disk
    assert seen == {"mixed", "multilevel", "streaming"}
    assert len(gradients) == 1


@pytest.mark.parametrize("kind", ["binomial", "mixed", "multilevel", "streaming", "online"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_plan_of_a_given_schedule_is_what_the_gradient_does(
    kind: str, on_disk: bool, tmp_path: pathlib.Path
) -> None:
    schedule: Any = {
        "binomial": s.binomial(N, 4),
        "mixed": s.mixed(N, 7 * STATE, STATE, STATE),
        "multilevel": s.multilevel(N, 2, 4, 1, 2, 0.5, 0.5),
        "streaming": s.streaming(N, 5, 1, 1, write=3, read=2),
        "online": s.online(4),
    }[kind]
    needs_disk = kind in ("multilevel", "streaming")
    storage = ra.storage.Disk(tmp_path) if on_disk or needs_disk else None
    simulation = ra.Simulation(
        rk4, steps=N, schedule=schedule, storage=storage, replay_check="off", memory="1 MB"
    )
    plan = simulation.plan(START, PARAMS)
    assert plan.kind == "given"
    objective(simulation)(PARAMS)
    report = simulation.report
    assert report is not None
    assert [getattr(report, name) for name in COUNTED] == [getattr(plan, name) for name in COUNTED]
    assert report.peak_bytes <= plan.peak_bytes
    assert (report.peak_checkpoints, report.peak_disk) == (plan.n_checkpoints, plan.n_on_disk)


LENGTHS = [1, 2, 3, 7, 41]


@pytest.mark.parametrize("kind", ["user", "recorded", "native"])
@pytest.mark.parametrize("observed", [False, True])
def test_for_all_lengths_and_budgets_counts_and_bytes_are_as_planned_and_bits_as_stored(
    kind: str, observed: bool, costing: Callable[..., None], tmp_path: pathlib.Path
) -> None:
    if kind == "native":
        pytest.importorskip("numba")
    function, native = STEPS[kind]
    costing(write=0.4, read=0.4)
    rng = np.random.default_rng(7)
    seen = set()
    for n in LENGTHS:
        options: dict[str, Any] = {"native": native}
        if observed:
            options |= {"observe": observe, "observe_at": sorted({0, n // 3, n // 2, n})}
        given = START, PARAMS, FORCING[:n]

        def computed(given: Any = given, options: Any = options, **more: Any) -> Any:
            simulation = ra.Simulation(function, **options, **more)

            def objective(y: Any, p: Any, forcing: Any) -> Any:
                run = simulation(y, p, forcing)
                total = np.sum(np.sin(run.state))
                return total if run.observed is None else total + np.sum(np.sin(run.observed))

            plan = simulation.plan(*given)
            gradients = ra.grad(objective, argnums=(0, 1, 2))(*given)
            return plan, simulation.report, [part.tobytes() for part in gradients]

        stored, _, expected = computed(steps=n, schedule=store_all)
        fixed = stored.sizes.all_fixed
        for states in {2, *rng.integers(2, n + 3, 1).tolist()}:
            known, memory = {"steps": n}, {"memory": fixed + states * STATE}
            unknown = {"until": lambda y, p, k, n=n: k >= n, "max_steps": n}
            on_disk = {"storage": ra.storage.Disk(tmp_path)}
            for more in (
                known,
                known | on_disk,
                known | on_disk | {"disk": 5 * STATE},
                unknown,
                unknown | on_disk,
            ):
                plan, report, found = computed(**memory, **more)
                seen.add(plan.kind)
                steps = plan.for_steps(n)
                assert found == expected
                names = COUNTED
                assert [getattr(report, name) for name in names] == [
                    getattr(steps, name) for name in names
                ]
                assert report.peak_checkpoints == steps.n_checkpoints
                assert report.peak_disk == steps.n_on_disk
                assert report.peak_bytes <= plan.peak_bytes <= plan.budget
                assert report.peak_bytes == plan.peak_bytes or plan.n_steps is None
    assert seen == {"store all", "mixed", "streaming", "multilevel", "online"}


@pytest.mark.parametrize("states", [2, 5, 12, 45])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_plan_of_unknown_length_is_what_the_gradient_does(
    states: int, on_disk: bool, costing: Callable[..., None], tmp_path: pathlib.Path
) -> None:
    costing(write=0.1, read=0.1)
    simulation = ra.Simulation(
        rk4,
        until=lambda y, p, k: k >= 25 + 5 * (p[0] > PARAMS[0]),
        max_steps=40,
        memory=smallest(rk4) + states * STATE,
        storage=ra.storage.Disk(tmp_path) if on_disk else None,
    )
    plan, gradient = require_as_planned(simulation)
    assert plan.kind == "online"
    assert (plan.n_on_disk > 0) == (on_disk and states < 12)
    assert (simulation.report.advanced == 0) == (states == 45)
    known = ra.Simulation(rk4, steps=30)
    assert objective(known)(1.1 * PARAMS)[1].tobytes() == gradient

"""The planner by itself: the smallest budget is exact, and a plan is little work."""

from functools import partial
from random import Random
from typing import Any

import pytest

import revolve_ad as ra
from revolve_ad.errors import BudgetError, ParameterError
from revolve_ad.schedule import check, streaming, streaming_period
from revolve_ad.simulation.planning import choosing
from tests.work import work


def forget() -> None:
    """Let the planner plan anew."""
    choosing._known_ways.cache_clear()
    choosing._online_ways.cache_clear()


def random_run(rng: Random) -> dict[str, Any]:
    kind = rng.choice(("known", "known", "unknown", "uneven"))
    n = rng.choice((1, 2, 3, 7, 18) if kind == "uneven" else (1, 2, 3, 7, 30, 200))
    given: dict[str, Any] = {"other_bytes": rng.choice((0, 100))}
    if kind == "uneven":
        given["state_bytes"] = [rng.randint(1, 30) for _ in range(n + 1)]
        given["tape_bytes"] = [rng.randint(1, 30) for _ in range(n)]
    else:
        given |= {"state_bytes": rng.randint(1, 30), "tape_bytes": rng.randint(1, 30)}
    given["max_steps" if kind == "unknown" else "n_steps"] = n
    if rng.random() < 0.7:
        given["step_seconds"] = 10.0 ** rng.uniform(-7, -2)
        if kind != "uneven" and rng.random() < 0.6:
            given["write_seconds"] = given["step_seconds"] * 10 ** rng.uniform(-1, 3)
            given["disk"] = rng.choice((None, 0, 30, 200))
    return given


@pytest.mark.parametrize("seed", range(40))
def test_the_smallest_budget_works_and_a_byte_less_does_not(seed: int) -> None:
    given = random_run(Random(seed))
    least = ra.plan(memory=10**6, **given).smallest_budget
    n = given.get("n_steps") or given["max_steps"]
    for more in (0, 1, 7, 40):
        plan = ra.plan(memory=least + more, **given)
        assert plan.smallest_budget == least
        assert plan.peak_bytes <= least + more
        assert plan.for_steps(n).advanced is not None
        if plan.n_steps is not None and hasattr(plan.schedule, "limits"):
            assert check(plan.schedule) == plan.schedule.counts()
    with pytest.raises(BudgetError, match=f"smallest budget that works is {least:,} bytes"):
        ra.plan(memory=least - 1, **given)


SPEED = [
    {"n_steps": n, "state_bytes": 10**6, "memory": memory * 10**6, "step_seconds": step}
    for n in (10, 1000, 10**4)
    for memory in (3, 30, 3000)
    for step in (1e-6, 1e-3)
]


@pytest.mark.parametrize("case", SPEED, ids=lambda c: "-".join(map(str, c.values())))
def test_a_plan_takes_a_small_part_of_the_run(case: dict[str, Any]) -> None:
    several = [case, {**case, "write_seconds": 100 * case["step_seconds"]}]
    several.append({**several[1], "disk": 50 * 10**6})
    several.append({**case, "max_steps": case["n_steps"], "n_steps": None})
    # Of steps that differ each is read and played, which takes some microseconds.
    if case["n_steps"] <= 1000 and case["step_seconds"] > 1e-6:
        several.append({**case, "step_seconds": [case["step_seconds"]] * case["n_steps"]})
    for given in several:
        run = ra.plan(**given).seconds or 4 * case["n_steps"] * case["step_seconds"]
        forget()
        # Counted, in seconds of a slow core.  By a clock: 1 % of the run, or 1 ms, in all of 420
        # runs on a quiet machine.
        assert work(partial(ra.plan, **given)).seconds <= max(2e-3, 0.02 * run), given


@pytest.mark.parametrize("seed", range(30))
def test_a_disk_beside_the_computation_is_worth_what_the_streaming_schedule_says(seed: int) -> None:
    rng = Random(seed)
    n, step = rng.randint(5, 3000), 10.0 ** rng.uniform(-4, 0)
    times = {"step": step, "adjoint": step * rng.uniform(0, 4)}
    times |= {name: step * 10 ** rng.uniform(-1, 2) for name in ("write", "read")}
    plan = ra.plan(
        n,
        state_bytes=100,
        tape_bytes=rng.randint(1, 200),
        memory=rng.randint(3000, 9000),
        **{f"{name}_seconds": seconds for name, seconds in times.items()},
    )
    found = plan.overlap
    if plan.kind == "store all":
        assert found is None
        return
    assert found is not None
    assert found.keeps_up == (found.period >= streaming_period(**times))
    at_least = 100 / times["write"] >= found.write, 100 / times["read"] >= found.read
    assert found.keeps_up == all(at_least)
    assert str(found) in " ".join(str(plan).replace("\n      ", " ").split("\n"))
    if not found.keeps_up:
        with pytest.raises(ParameterError, match="too slow"):
            streaming(n, plan.budget, 100, plan.sizes.tape, **times, period=found.period)
        return
    schedule = streaming(n, plan.budget, 100, plan.sizes.tape, **times, period=found.period)
    assert schedule.counts().peak_bytes <= plan.budget - 4 * 100
    assert found.seconds == pytest.approx(schedule.seconds(**times))
    assert found.on_disk == schedule.counts().peak_disk
    assert found.seconds <= plan.seconds + times["step"] * n


def test_only_a_disk_with_room_is_said_to_keep_up() -> None:
    given: Any = {"state_bytes": 100, "memory": 3000, "step_seconds": 1.0, "write_seconds": 9.0}
    plan = ra.plan(1000, **given, disk=2000)
    assert plan.overlap is not None
    assert not plan.overlap.keeps_up
    assert "which don't fit there" in str(plan)
    unbounded = ra.plan(1000, **given).overlap
    assert unbounded is not None
    assert unbounded.keeps_up
    assert ra.plan(1000, **given, disk=0).overlap is None
    assert ra.plan(None, max_steps=1000, **given).overlap is None

"""The problems through revolve_ad, as its users write them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import revolve_ad as ra
from tests.benchmarks.problems import Problem

__all__ = ["gradient"]


def gradient(
    problem: Problem,
    *,
    native: bool | str = "auto",
    checkpoints: int | None = None,
    memory: str | float | None = None,
    **settings: Any,
) -> Callable[[], tuple[float, Any]]:
    """Return a function that gives the value and the gradient as one vector.

    With `checkpoints` the schedule is binomial (0: store all), with `memory` the planner's.
    """
    if checkpoints is not None:
        settings["schedule"] = (
            ra.schedule.binomial(problem.steps, checkpoints)
            if checkpoints
            else ra.schedule.store_all(problem.steps)
        )
    sim = ra.Simulation(
        problem.step,
        steps=problem.steps,
        observe=problem.observe,
        observe_at=problem.observe_at,
        memory=memory,
        native=native,
        **settings,
    )
    both = {"params": problem.params, "state": problem.state}
    chosen = problem.with_respect_to

    def objective(*arguments: Any) -> Any:
        parts = both | dict(zip(chosen, arguments, strict=True))
        run = sim(parts["state"], parts["params"], problem.inputs)
        return problem.objective(run.state, run.observed)

    value_and_grad = ra.value_and_grad(objective, argnums=tuple(range(len(chosen))))
    start = tuple(both[part] for part in chosen)

    def call() -> tuple[float, Any]:
        value, parts = value_and_grad(*start)
        return float(value), np.concatenate([np.ravel(part) for part in parts])

    def counts() -> dict[str, float]:
        report = sim.report
        names = ("advanced", "recorded", "checked", "saved", "restored", "peak_bytes")
        return {name: getattr(report, name) for name in names if hasattr(report, name)}

    call.counts = counts  # type: ignore[attr-defined]
    return call

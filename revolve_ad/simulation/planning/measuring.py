"""Measures what the parts of a gradient cost: steps, their reversal, checkpoints, observations."""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

import numpy as np

from revolve_ad.schedule import Level
from revolve_ad.simulation.arrays.finiteness import first_bad
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.arrays.shelf import Shelf
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.plan import Plan, make_plan
from revolve_ad.simulation.planning.planner import fitted, plan_gradient
from revolve_ad.simulation.settings import Settings
from revolve_ad.storage import Ram

__all__ = ["measure", "measure_storage"]

_REPEATS: Final = 5
_LONG: Final = 0.1
"""Nothing is repeated once it has taken this many seconds; on a busy machine the first try may."""

_FRESH: Final = 1 << 24
_ACTIONS_SECONDS: Final = 8e-6
"""What the actions of a recorded stretch take besides: restore, advance, record, reverse."""

_STRETCH: Final = 1024
_LITTLE: Final = 1 << 16
"""So many bytes of tapes are held to measure with, however small the budget."""

_STRETCH_SECONDS: Final = 0.02


def measure(
    settings: Settings,
    model: Model,
    state: list[Any],
    params: list[Any],
    inputs: list[Any],
    *,
    grown: int = 0,
) -> Plan:
    """Return the plan of a gradient, with measured seconds.

    Parameters
    ----------
    settings : Settings
        Of the simulation.
    model : Model
        What it computes.
    state, params, inputs : list
        The plain leaves of the arguments.
    grown : int
        As for `plan_gradient`.
    """
    plan = plan_gradient(settings, model, grown=grown)
    plan = replace(plan, remarks=(*model.remarks, *plan.remarks))
    if settings.max_steps == 0:
        return plan
    # What the measurement holds must fit into the budget too.
    free = max(1, plan.budget - plan.sizes.all_fixed)
    longest = min(settings.max_steps, _STRETCH)
    if settings.steps is None:
        longest = 1  # state 1 may be the last
    taped = max(1, min(longest, max(free, _LITTLE) // max(1, plan.sizes.tape)))
    costs = _of_steps(model, state, params, inputs, longest, taped)
    costs = replace(costs, **_of_looks(model, state, params, inputs))
    leaves = model.form.state.copy_in(state)
    costs = measure_storage(costs, Ram(), leaves, Level.RAM)
    costs = _with_overheads(costs, leaves, min(free, _FRESH))
    for (level, slots), storage in zip(
        plan.problem.slots_by_level.items(), settings.storages, strict=False
    ):
        if slots != 0:
            costs = measure_storage(costs, Shelf(storage), leaves, level)
        elif level > Level.DISK:  # never used: its place is kept
            costs = replace(costs, beyond=(*costs.beyond, (0.0, 0.0)))
    problem = replace(plan.problem, costs=costs)
    if settings.schedule is not None:
        return replace(plan, problem=problem)
    planned = fitted(make_plan(problem, plan.budget), settings, model)
    return replace(planned, remarks=(*plan.remarks, *planned.remarks))


def _with_overheads(costs: Costs, leaves: Leaves, fresh: int) -> Costs:
    """Return costs with what comes with checkpoints, stretches and memory."""
    # A checkpoint that is saved, and a cotangent after each stretch, are tested for NaN and Inf.
    test = _seconds(lambda: first_bad(leaves))
    return replace(
        costs,
        save=costs.save + test,
        write=test,
        test=test,
        leaf=costs.leaf + test + _ACTIONS_SECONDS,
        fresh=_seconds_of_fresh(fresh),
    )


def measure_storage(costs: Costs, storage: Ram | Shelf, leaves: Leaves, level: Level) -> Costs:
    """Return costs with those of a checkpoint, there and back, on a level."""

    def save() -> Callable[[], object]:
        if storage.keys:  # there may be room for one checkpoint only
            storage.discard(0)
        return lambda: storage.save(0, leaves)

    there, back = _seconds_of(save), _seconds(lambda: storage.restore(0))
    storage.clear()
    if level == Level.RAM:
        return replace(costs, save=costs.save + there, restore=back)
    if level == Level.DISK:
        return replace(costs, write=costs.write + there, read=back)
    test = costs.test
    return replace(costs, beyond=(*costs.beyond, (test + there, back)))


def _seconds_of_fresh(nbytes: int) -> float:
    """Return what each byte takes that is touched for the first time, beyond touching it."""
    fresh: list[Any] = []

    def allocate() -> Callable[[], object]:
        fresh[:] = [np.empty(nbytes, np.uint8)]
        return lambda: fresh[0].fill(1)

    first = _seconds_of(allocate)
    again = _seconds(lambda: fresh[0].fill(1))
    return max(0.0, first - again) / nbytes


def _of_steps(
    model: Model,
    state: list[Any],
    params: list[Any],
    inputs: list[Any],
    longest: int,
    taped: int,
) -> Costs:
    """Time one step, and a stretch of up to `longest` forward and up to `taped` in reverse."""
    kernel = model.kernel(params, inputs, [])
    kernel.bind_gradients(Gradients(model.form))
    layout = model.form.state

    def advance(n: int) -> Callable[[], Callable[[], object]]:
        def prepared() -> Callable[[], object]:
            live = layout.copy_in(state)
            return lambda: kernel.advance(live, 0, n)

        return prepared

    def reverse(n: int) -> Callable[[], Callable[[], object]]:
        def prepared() -> Callable[[], object]:
            live, cotangent = layout.copy_in(state), layout.cotangents.zeros()
            return lambda: kernel.record_and_reverse(live, 0, n, cotangent)

        return prepared

    if model.is_native:  # compiled at first use, which is no part of a step
        advance(1)()()
        reverse(1)()()
    step, stretch = _line(advance, longest)
    # The last step of a stretch need not be run before it is reversed.
    reversal, leaf = _line(reverse, taped, step)
    return Costs(step=step, stretch=stretch, reverse=reversal, leaf=leaf)


def _line(
    made: Callable[[int], Callable[[], Callable[[], object]]], most: int, spared: float = 0.0
) -> tuple[float, float]:
    """Return the seconds of each step of a stretch, and of the stretch besides.

    A stretch may take less than its steps do: `spared` seconds at most.
    """
    one = _seconds_of(made(1))
    n = min(most, int(_STRETCH_SECONDS / max(one, 1e-9)))
    if n < 2:  # what a call takes beside such a step doesn't count
        return one, 0.0
    many = _seconds_of(made(n))
    each = (many - one) / (n - 1)
    if each <= 0 or one - each < -spared:  # noise
        each = (many + spared) / n
        return each, -spared
    return each, one - each


def _of_looks(
    model: Model, state: list[Any], params: list[Any], inputs: list[Any]
) -> dict[str, Any]:
    """Time an observation and its reversal, and the comparison of a step with its tape."""
    layout = model.form.state
    found: dict[str, Any] = {}
    observer, row = model.observer(params, []), model.observation
    if observer is not None and row is not None:
        observer.bind_gradients(Gradients(replace(model.form, inputs=None)))
        live = layout.copy_in(state)
        cotangent = row.cotangents.zeros()
        found["look"] = _seconds(lambda: observer.observe(live, 0)) + _seconds(
            lambda: observer.reverse(live, 0, cotangent)
        )
    original = model.original(params, inputs)
    if original is not None:
        interpreter = model.interpreter(params, inputs, [])
        plain = _seconds_of(_one_step(original.advance, layout, state))
        found["check"] = plain + _seconds_of(_one_step(interpreter.advance, layout, state))
    return found


def _one_step(
    advance: Callable[[Leaves, int, int], Leaves], layout: Layout, state: list[Any]
) -> Callable[[], Callable[[], object]]:
    """Return what prepares a step from state 0."""

    def prepared() -> Callable[[], object]:
        live = layout.copy_in(state)
        return lambda: advance(live, 0, 1)

    return prepared


def _seconds(function: Callable[[], object]) -> float:
    return _seconds_of(lambda: function)


def _seconds_of(prepared: Callable[[], Callable[[], object]]) -> float:
    """Return the least time of a few calls, each of a function that was prepared for it."""
    least, spent = float("inf"), 0.0
    for _ in range(_REPEATS):
        function = prepared()
        began = perf_counter()
        function()
        took = perf_counter() - began
        least, spent = min(least, took), spent + took
        if spent > _LONG:
            break
    return least

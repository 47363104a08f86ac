"""Adds up what a gradient will hold, and makes its plan."""

from contextlib import suppress
from math import prod
from sys import maxsize
from typing import Final

from revolve_ad.errors import BudgetError
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.memory import ALWAYS_GRANTED, budget_bytes, format_bytes
from revolve_ad.simulation.planning.allowance import allowance
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.disk_space import within_free_space
from revolve_ad.simulation.planning.plan import Plan, given_plan, make_plan
from revolve_ad.simulation.planning.problem import Disk, Problem
from revolve_ad.simulation.planning.sizes import Sizes
from revolve_ad.simulation.settings import Settings

__all__ = [
    "INSIDE",
    "disk_room",
    "fitted",
    "is_planned_on_the_way",
    "needs",
    "plan_gradient",
    "sizes_of",
    "still_holds",
]

INSIDE: Final = "simulations inside"
"""The holder of what simulations inside of a step may take."""

_SHARE_INSIDE: Final = 0.25
"""The share of the budget that is left to them, if that is enough."""


_MUCH_MORE: Final = 1.5
"""A plan is worth another one when so many times its budget is free."""

_FEWEST_STEPS: Final = 8
"""A shorter run isn't planned by what its first steps take."""


def plan_gradient(
    settings: Settings,
    model: Model,
    costs: Costs | None = None,
    *,
    grown: int = 0,
    idle: int = 0,
) -> Plan:
    """Return the plan of a gradient.

    Parameters
    ----------
    settings : Settings
        Of the simulation.
    model : Model
        What it computes.
    costs : Costs, optional
        What was measured; they decide where there is a disk.
    grown : int
        Bytes that the operations of a step needed in an earlier gradient, where that is more than
        they do at state 0; it is foreseen where the budget allows it.
    idle : int
        Bytes that an earlier gradient left for this one.

    Raises
    ------
    BudgetError
        If the memory is below the smallest budget that works, or the disk holds no checkpoint.
    StorageFullError
        If the disk has no room for the checkpoints that go there.
    ScheduleError
        If the user's schedule doesn't fit the run.
    """
    if grown > model.workspace_bytes:
        with suppress(BudgetError):
            return _planned(settings, model, costs, grown, idle)
    return _planned(settings, model, costs, model.workspace_bytes, idle)


def _planned(
    settings: Settings, model: Model, costs: Costs | None, operations: int, idle: int
) -> Plan:
    sizes = sizes_of(settings, model)
    sizes.fixed["operations"] = operations
    disks = _disks(settings, sizes)
    problem = Problem(
        n_steps=settings.steps,
        max_steps=settings.max_steps,
        sizes=sizes,
        costs=costs,
        disk=disks[0] if disks else None,
        beyond=disks[1:],
        n_observed=len(settings.observed(settings.steps)),
        n_checked=_n_checked(settings, model),
        compiled=model.is_native and not settings.storages and model.observation is None,
    )
    budget = budget_bytes(settings.memory, _of_use(settings, sizes), idle)
    if settings.memory is None:
        budget = max(budget, problem.smallest_budget)
    allowed = allowance()
    if allowed is not None:  # by a simulation around this one
        budget = min(budget, allowed)
    if model.inside:
        smallest, wanted = _needs_inside(model)
        sizes.fixed[INSIDE] = min(wanted, max(smallest, int(_SHARE_INSIDE * budget)))
    if settings.schedule is None:
        plan = make_plan(problem, budget)
    else:
        bounded = settings.memory is not None
        plan = given_plan(problem, budget, settings.schedule, bounded=bounded)
    return fitted(plan, settings, model)


def _of_use(settings: Settings, sizes: Sizes) -> int:
    """Return how many bytes would be of use to a gradient."""
    return sizes.all_fixed + settings.max_steps * max(sizes.tape, sizes.state)


def still_holds(settings: Settings, plan: Plan, idle: int = 0) -> bool:
    """Tell whether the machine has free what a plan was made for, and not much more.

    Parameters
    ----------
    settings, plan
        Of the simulation.
    idle : int
        As for `plan_gradient`.
    """
    if settings.on_disk:
        return False
    wanted = _of_use(settings, plan.sizes)
    if settings.memory is not None or wanted <= ALWAYS_GRANTED:
        return True
    now = budget_bytes(None, wanted, idle)
    return plan.budget <= now <= _MUCH_MORE * plan.budget


def fitted(plan: Plan, settings: Settings, model: Model, *, running: bool = False) -> Plan:
    """Return a plan that the free space on disk is enough for; see `within_free_space`.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    settings, model
        Of the simulation.
    running : bool
        Whether steps have been run already: it then makes do with what there is.
    """
    exact = [
        level
        for level, room in zip(plan.problem.slots_by_level, settings.rooms, strict=False)
        if not running and (settings.schedule is not None or room is not None)
    ]
    n_leaves = len(model.form.state.shapes)
    return within_free_space(plan, settings.storages, n_leaves, exact=exact)


def is_planned_on_the_way(plan: Plan) -> bool:
    """Tell whether a gradient should measure its own first steps, and be planned by these.

    The choice depends on what a step takes only where there is a disk.
    """
    return (
        plan.costs is None
        and plan.problem.slots != 0
        and plan.kind in ("mixed", "multilevel", "streaming")
        and plan.n_steps is not None
        and plan.n_steps >= _FEWEST_STEPS
    )


def needs(settings: Settings, model: Model) -> tuple[int, int]:
    """Return the fewest bytes that a gradient works with, and the most that are of use to it.

    Where the step branches, a larger tape may come than was seen: all that it may have is of use.
    """
    sizes = sizes_of(settings, model)
    disks = _disks(settings, sizes)
    problem = Problem(
        n_steps=settings.steps,
        sizes=sizes,
        disk=disks[0] if disks else None,
        beyond=disks[1:],
    )
    if settings.schedule is not None:
        peak = given_plan(problem, 0, settings.schedule, bounded=False).peak_bytes
        return peak, peak
    smallest = problem.smallest_budget
    wanted = sizes.all_fixed + (settings.max_steps + 1) * max(sizes.tape, sizes.state)
    if model.branches:
        wanted = maxsize
    if settings.memory is not None:
        wanted = min(wanted, settings.memory)
    return smallest, max(smallest, wanted)


def _needs_inside(model: Model) -> tuple[int, int]:
    """Return what the simulations inside of a step need, of which one is reversed at a time."""
    each = [needs(call.settings, call.model) for call in model.inside]
    return max(smallest for smallest, _ in each), max(wanted for _, wanted in each)


def sizes_of(settings: Settings, model: Model) -> Sizes:
    """Return the bytes of what a gradient holds."""
    form = model.form
    state, cotangent = form.state.nbytes, form.state.cotangents.nbytes
    seen = settings.observed(settings.steps)
    # Checks are made in the first sweep, when no cotangent is there yet.
    compared = settings.replay_check != "off" and model.is_compared
    fixed = {
        "working copies": 2 * state + max(2 * cotangent, 3 * state if compared else 0),
        "operations": model.workspace_bytes,
        "final state, cotangent": state + cotangent,
        "gradient": sum(
            _sums(layout)
            for layout in (form.params, form.inputs, form.hidden)
            if layout is not None
        ),
    }
    row = model.observation
    if row is not None:
        fixed["gradient"] *= 2  # of the steps and of the observations apart
        if settings.replay_check != "off":
            fixed["working copies"] += 2 * row.nbytes  # an observation is compared with its tape
        fixed["observations"] = len(seen) * (row.nbytes + row.cotangents.nbytes)
        if seen and seen[-1] == settings.max_steps:
            fixed["final state, cotangent"] += state
    if model.inside:
        fixed[INSIDE] = _needs_inside(model)[0]
    return Sizes(state=state, tape=model.tape_bytes, fixed=fixed)


def _disks(settings: Settings, sizes: Sizes) -> tuple[Disk, ...]:
    """Return the room on each storage; none where checkpoints are in memory alone."""
    if not settings.on_disk:
        return ()
    rooms, several = settings.rooms, len(settings.rooms) > 1
    return tuple(
        [
            disk_room(room, sizes.state, f"disk[{i}]" if several else "disk")
            for i, room in enumerate(rooms)
        ]
    )


def disk_room(nbytes: int | None, state_bytes: int, name: str = "disk") -> Disk:
    """Return the room that a disk has for checkpoints.

    Raises
    ------
    BudgetError
        If it is some, but less than one checkpoint.
    """
    if nbytes is not None and 0 < nbytes < state_bytes:
        raise BudgetError(
            f"{name} is {nbytes:,} bytes ({format_bytes(nbytes)}), but one checkpoint has "
            f"{state_bytes:,}; give at least that, or 0 to keep all checkpoints in memory."
        )
    return Disk(nbytes)


def _n_checked(settings: Settings, model: Model) -> int:
    """Return how many steps are compared with their tape, about."""
    if settings.replay_check == "off" or not model.is_compared:
        return 0
    return settings.max_steps if settings.replay_check == "all" else min(3, settings.max_steps)


def _sums(layout: Layout) -> int:
    """The bytes of sums in double precision and, where they differ, of the result."""
    total = 0
    for shape, dtype in zip(layout.shapes, layout.cotangents.dtypes, strict=True):
        size = prod(shape)
        double = 16 if dtype.kind == "c" else max(8, dtype.itemsize)
        total += size * (double + (dtype.itemsize if dtype.itemsize != double else 0))
    return total

"""Adds up what a gradient will hold, and makes its plan."""

from math import prod
from typing import Final

from revolve_ad.errors import BudgetError
from revolve_ad.simulation.allowance import allowance
from revolve_ad.simulation.layout import Layout
from revolve_ad.simulation.memory import budget_bytes
from revolve_ad.simulation.model import Model
from revolve_ad.simulation.plan import Plan, Sizes, make_plan
from revolve_ad.simulation.settings import Settings
from revolve_ad.storage import Ram

__all__ = ["INSIDE", "needs", "plan_gradient", "sizes_of"]

INSIDE: Final = "simulations inside"
"""The holder of what simulations inside of a step may take."""

_SHARE_INSIDE: Final = 0.25
"""The share of the budget that is left to them, if that is enough."""


def plan_gradient(settings: Settings, model: Model) -> Plan:
    """Return the plan of a gradient.

    Raises
    ------
    BudgetError
        If the memory is below the smallest budget that works.
    ScheduleError
        If the user's schedule doesn't fit the run.
    """
    sizes = sizes_of(settings, model)
    n_steps = settings.steps
    wanted = sum(sizes.fixed.values()) + settings.max_steps * max(sizes.tape, sizes.state)
    budget = budget_bytes(settings.memory, wanted)
    if settings.memory is None:
        budget = max(budget, sizes.smallest)
    allowed = allowance()
    if allowed is not None:  # by a simulation around this one
        budget = min(budget, allowed)
    if model.inside:
        smallest, wanted = _needs_inside(model)
        sizes.fixed[INSIDE] = min(wanted, max(smallest, int(_SHARE_INSIDE * budget)))
    return make_plan(
        n_steps,
        budget,
        sizes,
        settings.schedule,
        bounded=settings.memory is not None,
        max_steps=settings.max_steps,
    )


def needs(settings: Settings, model: Model) -> tuple[int, int]:
    """Return the fewest bytes that a gradient works with, and the most that are of use to it."""
    sizes = sizes_of(settings, model)
    if settings.schedule is not None:
        peak = make_plan(settings.steps, 0, sizes, settings.schedule, bounded=False).peak_bytes
        return peak, peak
    wanted = sum(sizes.fixed.values()) + (settings.max_steps + 1) * max(sizes.tape, sizes.state)
    if settings.memory is not None:
        wanted = min(wanted, settings.memory)
    return sizes.smallest, max(sizes.smallest, wanted)


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
    in_memory = settings.storage is None or isinstance(settings.storage, Ram)
    if in_memory:
        return Sizes(state=state, tape=model.tape_bytes, fixed=fixed)
    most = None if settings.disk is None else settings.disk // max(1, state)
    if most == 0:
        raise BudgetError(
            f"disk is {settings.disk:,} bytes, but one checkpoint has {state:,}; give more."
        )
    return Sizes(state=0, tape=model.tape_bytes, most_checkpoints=most, fixed=fixed)


def _sums(layout: Layout) -> int:
    """The bytes of sums in double precision and, where they differ, of the result."""
    total = 0
    for shape, dtype in zip(layout.shapes, layout.cotangents.dtypes, strict=True):
        size = prod(shape)
        double = 16 if dtype.kind == "c" else max(8, dtype.itemsize)
        total += size * (double + (dtype.itemsize if dtype.itemsize != double else 0))
    return total

"""Keeps a plan for the gradients to come, as long as nothing that it depends on has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.planning.allowance import allowance
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.planning.planner import plan_gradient, still_holds
from revolve_ad.simulation.settings import Settings

__all__ = ["Standing", "standing_plan"]


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """A plan, and what it was made from.

    Attributes
    ----------
    settings, model
        Of the simulation; compared by identity.
    costs : Costs or None
        What was measured.
    grown : int
        Bytes that the operations of a step needed in an earlier gradient.
    allowed : int or None
        What a simulation around this one leaves.
    plan : Plan
        The plan.
    """

    settings: Settings
    model: Model
    costs: Costs | None
    grown: int
    allowed: int | None
    plan: Plan


def standing_plan(
    known: Standing | None,
    settings: Settings,
    model: Model,
    costs: Costs | None,
    grown: int,
    idle: int = 0,
) -> Standing:
    """Return a plan made now, or the known one if it would come out the same, or about so.

    What depends on the free space of a disk is planned anew each time; so is a list of actions,
    which may have been changed.  What depends on the free memory is planned anew where less is
    free, or much more; the `idle` bytes that the last gradient left count as free.
    """
    allowed = allowance()
    if (
        known is not None
        and known.settings is settings
        and known.model is model
        and known.grown == grown
        and known.allowed == allowed
        and (known.costs is costs or known.costs == costs)
        and not isinstance(settings.schedule, list)
        and still_holds(settings, known.plan, idle)
    ):
        return known
    plan = plan_gradient(settings, model, costs, grown=grown, idle=idle)
    return Standing(settings, model, costs, grown, allowed, plan)

"""Measures one step forward and in reverse, for the plan."""

from dataclasses import replace
from time import perf_counter
from typing import Any

from revolve_ad.simulation.kernel import Gradients
from revolve_ad.simulation.model import Model
from revolve_ad.simulation.plan import Plan
from revolve_ad.simulation.planning import plan_gradient
from revolve_ad.simulation.settings import Settings

__all__ = ["measure"]

_REPEATS = 3
_STRETCH = 8


def measure(
    settings: Settings, model: Model, state: list[Any], params: list[Any], inputs: list[Any]
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
    """
    kernel = model.kernel(params, inputs, [])
    plan = plan_gradient(settings, model)
    plan = replace(plan, remarks=model.remarks)
    if settings.max_steps == 0:
        return plan
    layout = model.form.state
    kernel.bind_gradients(Gradients(model.form))
    # A native call costs some microseconds, which its steps share.
    stretch = min(settings.max_steps, _STRETCH) if model.is_native else 1
    plain_seconds, both_seconds = [], []
    for _ in range(_REPEATS):
        live = layout.copy_in(state)
        began = perf_counter()
        kernel.advance(live, 0, stretch)
        plain_seconds.append((perf_counter() - began) / stretch)
        live, cotangent = layout.copy_in(state), layout.cotangents.zeros()
        began = perf_counter()
        kernel.record_and_reverse(live, 0, stretch, cotangent)
        both_seconds.append((perf_counter() - began) / stretch)
    return replace(
        plan,
        step_seconds=min(plain_seconds),
        reverse_seconds=min(both_seconds),
    )

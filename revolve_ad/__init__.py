"""Exact gradients of time-stepping simulations, in the memory you have."""

from revolve_ad import schedule, storage
from revolve_ad.ad import (
    Tape,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    primitive,
    ravel,
    record,
    stop_gradient,
    value_and_grad,
    vjp,
)
from revolve_ad.errors import RevolveError
from revolve_ad.report import compare
from revolve_ad.simulation import Plan, Report, Run, Simulation, step
from revolve_ad.simulation.forecast import plan
from revolve_ad.verify import check_gradient, check_step

__all__ = [
    "Plan",
    "Report",
    "RevolveError",
    "Run",
    "Simulation",
    "Tape",
    "check_gradient",
    "check_step",
    "compare",
    "custom_vjp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "plan",
    "primitive",
    "ravel",
    "record",
    "schedule",
    "step",
    "stop_gradient",
    "storage",
    "value_and_grad",
    "vjp",
]

__version__ = "0.1.0"

"""Exact gradients of time-stepping simulations, in the memory you have.

A name is loaded where it is first asked for: whoever wants a schedule doesn't wait for the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revolve_ad import schedule, storage
    from revolve_ad.ad import (
        Tape,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        ravel,
        record,
        value_and_grad,
        vjp,
    )
    from revolve_ad.ad.primitive import custom_vjp, primitive, stop_gradient
    from revolve_ad.errors import RevolveError
    from revolve_ad.report import compare
    from revolve_ad.simulation import Plan, Report, Run, Simulation, step
    from revolve_ad.simulation.planning.forecast import plan
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

_HOMES = {
    "ad": (
        "Tape custom_vjp grad hessian hvp jacobian jvp primitive ravel record stop_gradient "
        "value_and_grad vjp"
    ),
    "errors": "RevolveError",
    "report": "compare",
    "simulation": "Plan Report Run Simulation step",
    "simulation.planning.forecast": "plan",
    "verify": "check_gradient check_step",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is not None:
        found = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = found
        return found
    if not name.startswith("_"):
        package = f"{__name__}.{name}"
        try:
            return import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

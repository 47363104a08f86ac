"""The adjoint core: recorded NumPy as a tape, and its derivatives as tapes."""

from revolve_ad.ad import functions as _functions  # fills the table of what can be recorded
from revolve_ad.ad import rules as _rules  # fills the tables of derivatives
from revolve_ad.ad.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    ravel,
    value_and_grad,
    vjp,
)
from revolve_ad.ad.primitive import Primitive, custom_vjp, primitive, stop_gradient
from revolve_ad.ad.recorded import record
from revolve_ad.ad.tape import Node, Tape

__all__ = [
    "Node",
    "Primitive",
    "Tape",
    "custom_vjp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "primitive",
    "ravel",
    "record",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

del _functions, _rules

"""What a user's function is called with, held against the arguments that it takes."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from revolve_ad.errors import ParameterError

__all__ = ["STEP_CALL", "STEP_CALL_WITH_INPUTS", "named_arguments", "require_arguments", "takes"]

STEP_CALL: Final = "step(state, params, k)"
STEP_CALL_WITH_INPUTS: Final = "step(state, params, k, inputs_k)"

_PARAMS: Final = {"p", "par", "pars", "param", "params", "parameters", "theta"}
_INDEX: Final = {"k", "i", "n", "it", "step"}


def takes(function: Callable[..., Any], call: str) -> bool:
    """Tell whether a function takes as many arguments as a call has; True if nobody can say."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*call.split(","))
    except TypeError:
        return False
    return True


def named_arguments(function: Callable[..., Any]) -> str:
    """Return the names of the arguments of a function as text, such as ``(u, k)``."""
    try:
        return f"({', '.join(inspect.signature(function).parameters)})"
    except (TypeError, ValueError):
        return "(...)"


def require_arguments(name: str, function: Callable[..., Any]) -> None:
    """Refuse a step, `observe` or `until` that can't be called with what it will be given.

    Raises
    ------
    ParameterError
        If it takes another number of arguments, or names them in another order.
    """
    calls = [f"{name}(state, params, k)"]
    if name == "step":
        calls.append(STEP_CALL_WITH_INPUTS)
    allowed = " or, with inputs=, ".join(calls)
    if not any(takes(function, call) for call in calls):
        raise ParameterError(
            f"{name} takes {named_arguments(function)}; it is called as {allowed}. Give it all "
            "of these arguments, also those that it doesn't use."
        )
    try:
        names = list(inspect.signature(function).parameters)[1:3]
    except (TypeError, ValueError):
        return
    if len(names) == 2 and names[0] in _INDEX and names[1] in _PARAMS:
        raise ParameterError(
            f"{name} takes {named_arguments(function)}, but it is called as {allowed}: its second "
            f"argument, {names[0]}, would be the params. Swap the two."
        )

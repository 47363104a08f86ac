"""What a run is given: the user's functions, and the leaves that they begin with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves

__all__ = ["Given"]


@final
@dataclass(frozen=True, eq=False, slots=True)
class Given:
    """What a run is given.

    Attributes
    ----------
    step, observe : callable
        The user's functions; `observe` may be None.
    form : Form
        What their arguments look like.
    state, params, inputs : list
        The leaves of the arguments, plain; the state is a copy of that before step 0.
    """

    step: Callable[..., Any]
    observe: Callable[..., Any] | None
    form: Form
    state: Leaves
    params: list[Any]
    inputs: list[Any]

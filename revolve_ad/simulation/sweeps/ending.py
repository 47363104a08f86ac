"""When a run ends: after a number of steps, or when the user's `until` says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from revolve_ad.errors import StepLimitError
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.steps.blame import blame

__all__ = ["Ending"]


@final
@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one run.

    Attributes
    ----------
    n_steps : int or None
        The number of steps, if it is known.
    until : callable or None
        ``(state, params, k) -> bool``, else.
    max_steps : int
        The most steps that are run.
    layout : Layout
        The form of the state.
    params
        The params, as `until` sees them; not used without it.
    """

    n_steps: int | None
    max_steps: int
    layout: Layout
    until: Callable[..., Any] | None = None
    params: Any = None

    def reached(self, state: Leaves, k: int) -> bool:
        """Tell whether the run ends at state `k`.

        Raises
        ------
        StepLimitError
            If it doesn't, and `max_steps` steps are done.
        """
        if self.until is None:
            return k == self.n_steps
        try:
            ended = bool(self.until(self.layout.build_read_only(state), self.params, k))
        except Exception as error:
            blame(error, f"until at state {k}", called=(self.until, "until(state, params, k)"))
            raise
        if not ended and k >= self.max_steps:
            raise StepLimitError(
                f"until was still false at state {k}, after max_steps={self.max_steps} steps. Give "
                "more steps, or a criterion that is reached."
            )
        return ended

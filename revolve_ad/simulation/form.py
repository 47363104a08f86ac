"""The layouts of one call of a simulation: of its state, params, inputs and hidden params."""

from dataclasses import dataclass

from revolve_ad.simulation.layout import NOTHING, Layout

__all__ = ["Form"]


@dataclass(frozen=True, slots=True)
class Form:
    """What the arguments of one call look like.

    Attributes
    ----------
    state, params : Layout
        The state and the params.
    inputs : Layout or None
        The inputs, arrays with a row a step; None without inputs.
    hidden : Layout
        A tuple of the traced values of an outer recording that the functions read.
    """

    state: Layout
    params: Layout
    inputs: Layout | None = None
    hidden: Layout = NOTHING

    @property
    def doubled(self) -> "Form":
        """The layouts of pairs (value, tangent)."""
        inputs = None if self.inputs is None else self.inputs.doubled
        return Form(self.state.doubled, self.params.doubled, inputs, self.hidden.doubled)

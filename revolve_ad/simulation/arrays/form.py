"""The layouts of one call of a simulation: of its state, params, inputs and hidden params."""

from dataclasses import dataclass

from revolve_ad import trees
from revolve_ad.simulation.arrays.layout import NOTHING, Layout

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
    in_step : int
        How many of them the step reads: the first ones.  The others are read by `observe` alone.
    """

    state: Layout
    params: Layout
    inputs: Layout | None = None
    hidden: Layout = NOTHING
    in_step: int = 0

    @property
    def hidden_parts(self) -> tuple[Layout, Layout]:
        """The layouts of the hidden params of the step, and of the others."""
        if not self.hidden.shapes:
            return NOTHING, NOTHING
        return _part(self.hidden, 0, self.in_step), _part(self.hidden, self.in_step, None)

    @property
    def doubled(self) -> "Form":
        """The layouts of pairs (value, tangent)."""
        inputs = None if self.inputs is None else self.inputs.doubled
        # Each part is doubled by itself: the step's pairs stay the first.
        step, others = [part.doubled for part in self.hidden_parts]
        hidden, in_step = _joined(step, others), len(step.shapes)
        return Form(self.state.doubled, self.params.doubled, inputs, hidden, in_step)


def _part(layout: Layout, start: int, stop: int | None) -> Layout:
    """Return the layout of some leaves of a flat tuple."""
    shapes = layout.shapes[start:stop]
    return Layout(
        layout.name,
        trees.flatten((0.0,) * len(shapes))[1],
        shapes,
        layout.dtypes[start:stop],
        layout.kinds[start:stop],
    )


def _joined(first: Layout, second: Layout) -> Layout:
    """Return the layout of the leaves of two flat tuples, one after the other."""
    shapes = first.shapes + second.shapes
    structure = trees.flatten((0.0,) * len(shapes))[1]
    kinds = first.kinds + second.kinds
    return Layout(first.name, structure, shapes, first.dtypes + second.dtypes, kinds)

"""The kernel of a step whose tape depends on values: it is recorded again to be reversed."""

from collections.abc import Callable
from typing import Any, final

import numpy as np

from revolve_ad.errors import TracedValueError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.kernels.growth import GrownTapeError
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.kernels.step_by_step import StepByStep
from revolve_ad.simulation.kernels.tape import Pullback, as_inputs
from revolve_ad.simulation.steps.recording import record_step
from revolve_ad.simulation.steps.stepping import Stepper

__all__ = ["DynamicKernel"]


@final
class DynamicKernel(StepByStep):
    """Steps by the user's function, reversed by a tape of just that step; see `Kernel`.

    Parameters
    ----------
    step : callable
        The user's step.
    form : Form
        What the arguments look like.
    params, inputs : list
        Their leaves.

    Attributes
    ----------
    ledger : Ledger or None
        Is told when a tape needs more than any before.
    """

    __slots__ = (
        "_form",
        "_gradients",
        "_inputs",
        "_params",
        "_step",
        "_values",
        "advance",
        "ledger",
        "record",
    )

    def __init__(
        self,
        step: Callable[..., Any],
        form: Form,
        params: list[Any],
        inputs: list[Any],
    ) -> None:
        self._step = step
        self._form = form
        self._params = params
        self._inputs = inputs
        self._values = as_inputs(form.params, params)
        stepper = Stepper(step, form, params, inputs)
        self.advance = stepper.advance
        self.record = stepper.record
        self._gradients: Gradients | None = None
        self.ledger: Ledger | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Reverse step `k` from state `k`."""
        assert self._gradients is not None
        form = self._form
        tape, _, hidden = record_step(self._step, form, state, self._params, self._inputs, k)
        if hidden:
            raise refuse_hidden()
        if self.ledger is not None and tape.reverse.bytes > self.ledger.held("operations"):
            needed = tape.reverse.bytes
            if not self.ledger.grow("operations", needed):
                raise GrownTapeError(f"step {k}", needed, k + 1, cotangent, state)
        row = [] if form.inputs is None else [leaf[k] for leaf in self._inputs]
        rows = [] if form.inputs is None else as_inputs(form.inputs.rows, row)
        values = [*form.state.numpy(state), *self._values, np.int64(k), *rows]
        return Pullback(tape)(values, k, cotangent, self._gradients, 0)


def refuse_hidden() -> TracedValueError:
    """Return the error for a step that depends on values and reads a traced value."""
    return TracedValueError(
        "the step branches on values, so that it is recorded again at each step, and it reads a "
        "value of the function around the simulation, which is gone by then. Pass that value to "
        "the simulation in params=."
    )

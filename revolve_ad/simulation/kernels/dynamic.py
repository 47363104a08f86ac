"""The kernel of a step whose tape depends on values: each way through it has a tape.

Pairs (value, tangent), of which forward mode and second derivatives are made, go forward by the
tangent of such a tape too.
"""

from collections.abc import Callable
from typing import Any, final

import numpy as np

from revolve_ad.errors import BudgetError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.kernels.afresh import Afresh
from revolve_ad.simulation.kernels.growth import GrownTapeError, has_room
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.kernels.step_by_step import KeepsStates
from revolve_ad.simulation.kernels.tape import Pullback, as_inputs
from revolve_ad.simulation.kernels.ways import Ways
from revolve_ad.simulation.steps.blame import left_array
from revolve_ad.simulation.steps.stepping import Stepper

__all__ = ["DynamicKernel"]


@final
class DynamicKernel(KeepsStates):
    """Steps reversed by the tape of the way that they take; see `Kernel`.

    The user's function itself advances the states; where it can't, since they are pairs or it
    reads traced values of the function around, the tape does that too.

    Parameters
    ----------
    afresh : Afresh
        Records the step.
    function : callable or None
        The user's step; None for pairs.
    form : Form
        What the arguments look like.
    params, inputs, hidden : list
        Their leaves; of `hidden` those that the step reads are the first.

    Attributes
    ----------
    ledger : Ledger or None
        Is told when a tape needs more than any before.
    """

    __slots__ = (
        "_advance",
        "_form",
        "_gradients",
        "_hidden",
        "_record",
        "_rows",
        "_values",
        "_ways",
        "ledger",
    )

    def __init__(
        self,
        afresh: Afresh,
        function: Callable[..., Any] | None,
        form: Form,
        params: list[Any],
        inputs: list[Any],
        hidden: list[Any],
    ) -> None:
        self._form = form
        own = form.hidden_parts[0]
        given = hidden[: len(own.shapes)]
        self._ways = Ways("step", afresh, params, inputs, given)
        self._values = as_inputs(form.params, params)
        self._hidden = as_inputs(own, given)
        self._rows = [] if form.inputs is None else form.inputs.read_only(inputs)
        self._advance: Callable[[Leaves, int, int], Leaves] | None = None
        if function is not None and not given:
            stepper = Stepper(function, form, params, inputs)
            self._advance, self._record = stepper.advance, stepper.record
        self._gradients: Gradients | None = None
        self.ledger: Ledger | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """See `Kernel.advance`."""
        if self._advance is not None:
            return self._advance(state, start, stop)
        layout = self._form.state
        for k in range(start, stop):
            operands = self._operands(state, k)
            tape = self._ways.tape(state, k, operands)
            needed = tape.forward.bytes
            if not has_room(self.ledger, needed):
                raise BudgetError(
                    f"the tape of step {k} needs {needed:,} bytes to run, which the budget doesn't "
                    "leave: the step does more there than at step 0. Give more memory."
                )
            try:
                state = layout.arrays(tape.forward.run(operands))
            except IndexError as error:
                raise left_array(error, f"step {k}") from error
        return state

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """See `Kernel.record`."""
        if self._advance is not None:
            return self._record(state, start, stop)
        return KeepsStates.record(self, state, start, stop)

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Reverse step `k` from state `k`."""
        assert self._gradients is not None
        operands = self._operands(state, k)
        tape = self._ways.tape(state, k, operands)
        needed = tape.reverse.bytes
        if not has_room(self.ledger, needed):
            raise GrownTapeError(f"step {k}", needed, k + 1, cotangent, state)
        return Pullback(tape)(operands, k, cotangent, self._gradients, 0)

    def _operands(self, state: Leaves, k: int) -> list[Any]:
        row: list[Any] = []
        if self._form.inputs is not None:
            row = as_inputs(self._form.inputs.rows, [leaf[k] for leaf in self._rows])
        leaves = self._form.state.numpy(state)
        return [*leaves, *self._values, np.int64(k), *row, *self._hidden]

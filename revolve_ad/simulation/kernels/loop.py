"""The kernel of a recorded step of which the params alone decide a part: that is done once.

Coefficients that a step computes from its params, such as conductivities of faces, are computed
before the loop.  Their cotangents are summed over the steps, and pulled back to the params at the
end of the reverse sweep.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.kernels.step_by_step import KeepsStates
from revolve_ad.simulation.kernels.tape import as_inputs
from revolve_ad.simulation.steps.blame import left_array
from revolve_ad.simulation.steps.recording import LoopTape, RoleTape

__all__ = ["LoopKernel"]


@final
class LoopKernel(KeepsStates):
    """Steps by an interpreted tape in two parts; see `Kernel`.

    Parameters
    ----------
    tape : RoleTape
        Of any step: it holds for all.
    loop : LoopTape
        The same, in two parts.
    form : Form
        What the arguments look like.
    params, inputs, hidden : sequence
        Their leaves; of `hidden` those that the step reads, which are the first.
    """

    __slots__ = ("_fixed", "_form", "_gradients", "_inputs", "_loop", "_moved", "_sums", "_tape")

    def __init__(
        self,
        tape: RoleTape,
        loop: LoopTape,
        form: Form,
        params: Sequence[Any],
        inputs: Sequence[Any],
        hidden: Sequence[Any],
    ) -> None:
        read = as_inputs(tape.groups[3], hidden[: len(tape.groups[3].shapes)])
        self._tape, self._loop, self._form = tape, loop, form
        self._fixed = (as_inputs(form.params, params), read)
        self._inputs = [] if form.inputs is None else form.inputs.read_only(inputs)
        self._moved: list[Any] | None = None
        self._sums: list[Any] = []
        self._gradients: Gradients | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients
        self._sums = [
            np.zeros(t.shape, np.result_type(t.dtype, np.float64)) for t in self._loop.types
        ]

    def share(self, other: object) -> None:
        """Take the values before the loop from a kernel of equal arguments, if it is of this kind.

        What is given away stays as it is: no program writes into it.
        """
        if isinstance(other, LoopKernel) and other._loop is self._loop:
            self._moved = other._moved

    def _values(self, state: Leaves, k: int) -> list[Any]:
        params, hidden = self._fixed
        if self._moved is None:
            self._moved = self._loop.prologue.run([*params, *hidden])
        row = [leaf[k] for leaf in self._inputs]
        leaves = self._form.state.numpy(state)
        return [*leaves, *params, np.int64(k), *row, *hidden, *self._moved]

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """See `Kernel.advance`."""
        run, layout = self._loop.forward.run_out, self._form.state
        for k in range(start, stop):
            values = self._values(state, k)
            state.clear()  # so that the memory of a state is free as soon as the next one stands
            try:
                state = layout.arrays(run(values))
            except IndexError as error:
                raise left_array(error, f"step {k}") from error
        return state

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Reverse step `k` from state `k`."""
        gradients, loop, tape = self._gradients, self._loop, self._tape
        assert gradients is not None
        values = self._values(state, k)
        values += [*self._form.state.cotangents.numpy(cotangent), *self._sums]
        cotangent.clear()  # as the sums, its arrays are given away
        found = iter(loop.reverse.run_out(values))
        each = iter([next(found) if given else None for given in loop.given])
        state_group, params, row, hidden = (
            [next(each) if flag else None for flag in group.differentiable] for group in tape.groups
        )
        self._sums = list(found)
        gradients.params.add_leaves(params)
        if row:
            assert gradients.inputs is not None
            gradients.inputs.set_row(k, row)
        gradients.hidden.add_leaves(hidden)
        form = self._form.state
        return [
            np.zeros(shape, dtype) if part is None else np.array(part, dtype, copy=None, ndmin=0)
            for part, shape, dtype in zip(
                state_group, form.shapes, form.cotangents.dtypes, strict=True
            )
        ]

    def finish(self) -> None:
        """See `Kernel.finish`: pull the sums of the moved values back to the params."""
        gradients, loop = self._gradients, self._loop
        assert gradients is not None
        params, hidden = self._fixed
        sums = [
            total.astype(t.dtype, copy=False)[()]
            for total, t in zip(self._sums, loop.types, strict=True)
        ]
        found = loop.back.run([*params, *hidden, *sums])
        parts: list[Any] = [None] * (len(params) + len(hidden))
        for k, part in zip(loop.back_to, found, strict=True):
            parts[k] = part
        gradients.params.add_leaves(parts[: len(params)])
        gradients.hidden.add_leaves(parts[len(params) :])
        self._sums = []

"""The kernel of a step that was recorded once; its tape is run, forward and in reverse, by NumPy.

The reverse program computes the step's intermediates again from the state, so that the tape that
the sweep keeps is the state itself.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from revolve_ad.simulation.arrays.addends import Addend
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.kernels.step_by_step import KeepsStates
from revolve_ad.simulation.steps.blame import left_array
from revolve_ad.simulation.steps.recording import RoleTape

__all__ = ["Pullback", "TapeKernel", "TapeObserver"]


class Pullback:
    """Runs the reverse of a tape, and hands out the cotangents of its inputs by their roles."""

    __slots__ = ("_hidden_from", "_n_state", "_params_from", "_result", "_row_from", "_tape")

    def __init__(self, tape: RoleTape) -> None:
        state, params, row, _ = tape.groups
        self._tape = tape
        self._result = tape.result.cotangents
        self._n_state = sum(state.differentiable)
        self._params_from = self._n_state
        self._row_from = self._params_from + sum(params.differentiable)
        self._hidden_from = self._row_from + sum(row.differentiable)

    def __call__(
        self, values: list[Any], k: int, cotangent: Leaves, gradients: Gradients, offset: int
    ) -> Leaves:
        """Add to the gradients; return the cotangent of the state.

        Parameters
        ----------
        values : list
            The inputs of the tape.
        k : int
            The step.
        cotangent : list of ndarray
            Of the result.
        gradients : Gradients
            Where the cotangents of params, row and hidden params are added.
        offset : int
            Where the hidden params of this tape begin among those of the run.
        """
        tape = self._tape
        state, params, row, hidden = tape.groups
        found = tape.reverse.run([*values, *self._result.numpy(cotangent)])
        gradients.params.add_leaves(_spread(found[self._params_from : self._row_from], params))
        if row.shapes:
            assert gradients.inputs is not None
            gradients.inputs.set_row(k, _spread(found[self._row_from : self._hidden_from], row))
        if hidden.shapes:
            gradients.hidden.add_leaves(_spread(found[self._hidden_from :], hidden), offset)
        if self._n_state == len(state.shapes):
            return state.cotangents.arrays(found[: self._n_state])
        parts = _spread(found[: self._n_state], state)
        return [
            np.zeros(shape, dtype) if part is None else np.array(part, dtype, order="C", ndmin=0)
            for part, shape, dtype in zip(parts, state.shapes, state.cotangents.dtypes, strict=True)
        ]


@final
class TapeKernel(KeepsStates):
    """Steps by an interpreted tape; see `Kernel`.

    Parameters
    ----------
    tape : RoleTape
        Of any step: it holds for all.
    form : Form
        What the arguments look like.
    params, inputs, hidden : sequence
        Their leaves; of `hidden` those that the step reads, which are the first.
    """

    __slots__ = ("_form", "_gradients", "_hidden", "_inputs", "_params", "_pullback", "_tape")

    def __init__(
        self,
        tape: RoleTape,
        form: Form,
        params: Sequence[Any],
        inputs: Sequence[Any],
        hidden: Sequence[Any],
    ) -> None:
        self._tape = tape
        self._form = form
        self._params = as_inputs(form.params, params)
        self._hidden = as_inputs(tape.groups[3], hidden[: len(tape.groups[3].shapes)])
        self._inputs = [] if form.inputs is None else form.inputs.read_only(inputs)
        self._pullback = Pullback(tape)
        self._gradients: Gradients | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """See `Kernel.advance`."""
        run, layout = self._tape.forward.run_out, self._form.state
        params, inputs, hidden = self._params, self._inputs, self._hidden
        for k in range(start, stop):
            row = [leaf[k] for leaf in inputs]
            values = [*layout.numpy(state), *params, np.int64(k), *row, *hidden]
            state.clear()  # so that the memory of a state is free as soon as the next one stands
            try:
                state = layout.arrays(run(values))
            except IndexError as error:
                raise left_array(error, f"step {k}") from error
        return state

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Reverse step `k` from state `k`."""
        assert self._gradients is not None
        row = [leaf[k] for leaf in self._inputs]
        values = [
            *self._form.state.numpy(state),
            *self._params,
            np.int64(k),
            *row,
            *self._hidden,
        ]
        return self._pullback(values, k, cotangent, self._gradients, 0)


@final
class TapeObserver:
    """The observation of a state by an interpreted tape; see `Observer`.

    Parameters
    ----------
    tape : RoleTape
        Of the observation of any state.
    form : Form
        What the arguments look like.
    params, hidden : sequence
        Their leaves; of `hidden` those that `observe` reads, which are the last.
    """

    __slots__ = ("_form", "_gradients", "_hidden", "_offset", "_params", "_tape")

    def __init__(
        self, tape: RoleTape, form: Form, params: Sequence[Any], hidden: Sequence[Any]
    ) -> None:
        self._tape = tape
        self._form = form
        self._params = as_inputs(form.params, params)
        self._offset = len(hidden) - len(tape.groups[3].shapes)
        self._hidden = as_inputs(tape.groups[3], hidden[self._offset :])
        self._gradients: Gradients | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Observer.bind_gradients`."""
        self._gradients = gradients

    def observe(self, state: Sequence[Any], k: int) -> Leaves:
        """See `Observer.observe`."""
        try:
            return self._tape.result.arrays(self._tape.forward.run(self._values(state, k)))
        except IndexError as error:
            raise left_array(error, f"observe at state {k}") from error

    def reverse(self, state: Sequence[Any], k: int, cotangent: Leaves) -> list[Addend]:
        """See `Observer.reverse`."""
        gradients, tape = self._gradients, self._tape
        assert gradients is not None
        values = [*self._values(state, k), *tape.result.cotangents.numpy(cotangent)]
        found = iter(tape.addends.run(values))
        states, params, _, hidden = (
            [next(found) if flag else None for flag in group.differentiable]
            for group in tape.groups
        )
        gradients.params.add_leaves(params)
        if hidden:
            gradients.hidden.add_leaves(hidden, self._offset)
        return states

    def _values(self, state: Sequence[Any], k: int) -> list[Any]:
        return [*self._form.state.numpy(state), *self._params, np.int64(k), *self._hidden]


def as_inputs(layout: Layout, leaves: Sequence[Any]) -> list[Any]:
    """Return the caller's leaves as a program takes them: read-only arrays, NumPy scalars."""
    return layout.numpy(layout.read_only(leaves))


def _spread(parts: Sequence[Any], layout: Layout) -> list[Any]:
    """Return one part for each leaf, None for those without a derivative."""
    rest = iter(parts)
    return [next(rest) if flag else None for flag in layout.differentiable]

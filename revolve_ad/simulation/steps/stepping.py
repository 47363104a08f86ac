"""Runs the user's step function itself, plainly, over stretches of steps.

The loop is the hottest one of the library where the step is trivial, so what it needs is local,
and a state that is one array is never taken apart.
"""

from collections.abc import Callable
from sys import getrefcount
from typing import Any, Final, final

import numpy as np

from revolve_ad import trees
from revolve_ad.errors import WriteError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves, Tape
from revolve_ad.simulation.steps.blame import blame, one_of
from revolve_ad.simulation.steps.signature import STEP_CALL, STEP_CALL_WITH_INPUTS
from revolve_ad.simulation.steps.trust import Trust
from revolve_ad.simulation.steps.user_step import Step
from revolve_ad.simulation.steps.writes import written_leaves

__all__ = ["SOLE", "Stepper", "hand_over"]

_ndarray = np.ndarray


def _count() -> int:
    new = np.zeros(1)
    return getrefcount(new)


SOLE: Final = _count()
"""What `getrefcount` says of an array that a local variable alone holds."""


@final
class Stepper:
    """The user's step, bound to the params and inputs of one run.

    Parameters
    ----------
    step : callable
        ``(state, params, k[, inputs_k]) -> state``; a `Step` may bring its own `advance`.
    form : Form
        What the arguments look like.
    params, inputs : list
        Their leaves.

    Attributes
    ----------
    trust : Trust or None
        What is known of the step, where its tape is compared with it.
    writes : bool
        Whether it may write into the arrays of its state.
    """

    __slots__ = (
        "_advance",
        "_call",
        "_form",
        "_function",
        "_held",
        "_inputs",
        "_layout",
        "_leaves",
        "params",
        "row",
        "trust",
        "writes",
    )

    def __init__(
        self, step: Callable[..., Any], form: Form, params: list[Any], inputs: list[Any]
    ) -> None:
        self.trust: Trust | None = None
        self.writes = True
        self._form = form
        self._layout = form.state
        self._advance = step._advance if isinstance(step, Step) else None
        function = step.function if isinstance(step, Step) else step
        self.params: Any = form.params.build_read_only(params)
        self.row: Callable[[int], Any] | None = None
        self._call: Callable[..., Any] = function
        self._function = function
        self._leaves = params
        # Dicts and lists can be written into though the arrays in them can't.
        self._held: list[Any] | None = None
        if form.params.shapes and not form.params.is_leaf:
            self._held = trees.flatten(self.params, "params")[0]
        self._inputs: Leaves = []
        if form.inputs is not None:
            self._inputs = form.inputs.read_only(inputs)
            row = self.row = row_reader(form.inputs, self._inputs)
            self._call = lambda state, params, k: function(state, params, k, row(k))

    # Bound methods are made when asked for: kept, they would keep this object and the params alive
    # until Python's collector of cycles comes by.

    @property
    def advance(self) -> Callable[[Leaves, int, int], Leaves]:
        """The function ``(state, start, stop) -> state``; see `Kernel.advance`."""
        return self._run_for if self._advance is None else self._advance_by_user

    @property
    def _run_for(self) -> Callable[..., Leaves]:
        return self._run_array if self._layout.is_array else self._run

    def _run(self, state: Leaves, start: int, stop: int, tape: Tape | None = None) -> Leaves:
        layout, call, params = self._layout, self._call, self.params
        k = start
        try:
            for k in range(start, stop):
                if tape is not None:
                    tape.append([leaf.copy() for leaf in state])
                state = layout.adopt(call(hand_over(layout, state), params, k), f"step {k}")
        except Exception as error:
            blame(error, f"step {k}", lambda: self._written(k), self._called)
            raise
        if self._held is not None and (start == 0 or stop > start + 1):
            self._require_untouched(start, stop)
        return state

    def _run_array(self, state: Leaves, start: int, stop: int, tape: Tape | None = None) -> Leaves:
        call, params, layout, sole = self._call, self.params, self._layout, SOLE
        shape, dtype = layout.shapes[0], layout.dtypes[0]
        array: Any = state.pop()
        k = start
        try:
            for k in range(start, stop):
                if tape is not None:
                    tape.append([array.copy()])
                new = call(array, params, k)
                if (
                    type(new) is _ndarray
                    and new.dtype is dtype
                    and new.shape == shape
                    and (
                        new is array
                        # Nobody else holds it: it is no view of params or of a captured array, and
                        # no buffer that the step keeps and will write into again.
                        or (new.base is None and getrefcount(new) == sole and new.flags.carray)
                    )
                ):
                    array = new
                else:
                    array = layout.adopt(new, f"step {k}")[0]
        except Exception as error:
            blame(error, f"step {k}", lambda: self._written(k), self._called)
            raise
        if self._held is not None and (start == 0 or stop > start + 1):
            self._require_untouched(start, stop)
        state.append(array)
        return state

    def _advance_by_user(self, state: Leaves, start: int, stop: int) -> Leaves:
        if stop <= start + 1:
            return self._run_for(state, start, stop)  # to the same bits, without the detour
        assert self._advance is not None
        layout, inputs = self._layout, self._form.inputs
        try:
            if inputs is None:
                value = self._advance(hand_over(layout, state), self.params, start, stop)
            else:
                rows = inputs.build([leaf[start:stop] for leaf in self._inputs])
                value = self._advance(hand_over(layout, state), self.params, start, stop, rows)
            return layout.adopt(value, f"advance from state {start} to {stop}")
        except Exception as error:
            blame(error, f"advance from state {start} to {stop}")
            raise

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """See `Kernel.record`: the tape is a copy of the state before each step."""
        tape: Tape = []
        return tape, self._run_for(state, start, stop, tape)

    def _require_untouched(self, start: int, stop: int) -> None:
        """Refuse what replaced an item of the params, for the steps that come would see it.

        Asked after the first step and after several, since it takes as long as a trivial step.
        """
        assert self._held is not None
        now, structure = trees.flatten(self.params, "params")
        if structure != self._form.params.structure or any(
            a is not b for a, b in zip(now, self._held, strict=True)
        ):
            error = WriteError("it replaces an item of a dict or a list")
            blame(error, one_of(start, stop), lambda: self._written(stop - 1))
            raise error

    @property
    def _called(self) -> tuple[Callable[..., Any], str]:
        return self._function, STEP_CALL if self.row is None else STEP_CALL_WITH_INPUTS

    def _written(self, k: int) -> list[str]:
        row = None if self.row is None else [leaf[k] for leaf in self._inputs]
        return written_leaves(self._function, self._form, self._leaves, row, k)


def hand_over(layout: Layout, leaves: Leaves) -> Any:
    """Return the value of these leaves for the user, and let go of them."""
    value = layout.build(leaves)
    leaves.clear()
    return value


def row_reader(inputs: Layout, leaves: Leaves) -> Callable[[int], Any]:
    """Return the function that gives the inputs of step k, as views that can't be written."""
    if inputs.is_array:
        return leaves[0].__getitem__
    structure = inputs.structure
    return lambda k: structure.unflatten([leaf[k] for leaf in leaves])

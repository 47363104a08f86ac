"""Records a function again at each state, where no one tape holds for all, and its tangents.

A step that branches on values has a tape for each way through it.  To differentiate a derivative,
each step's own tape is recorded and transformed: its tangent maps pairs (value, tangent) to pairs,
and the reverse of that gives second derivatives.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, final

from revolve_ad.ad.recording.call import Around
from revolve_ad.ad.running.arena import Arena
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.kernels.kept import key_of, key_of_condition
from revolve_ad.simulation.steps.condition import Condition
from revolve_ad.simulation.steps.recording import RoleTape, record_observe, record_step

__all__ = ["Afresh", "observe_afresh", "step_afresh"]

_Record = Callable[[Leaves, Sequence[Any], Sequence[Any], int, Around | None], RoleTape]
"""``(state, params, inputs, k, around) -> tape``."""

_MOST_TAPES: Final = 16
_MOST_CONDITIONS: Final = 64
_MOST_CONSTANT_BYTES: Final = 1 << 21


@final
class Afresh:
    """The tapes of a function that depends on values, one for each state.

    Parameters
    ----------
    record : callable
        Records the user's function.
    form : Form
        What its arguments look like.
    around : Around
        The traced values that it read when it was first recorded.
    order : int
        How many times its tape is replaced by the tape of its tangent.

    Notes
    -----
    States that take the same way through the function give equal tapes.  A few are kept with the
    programs made of them, which take longer to make than a tape takes to record; all share the
    memory that they run in.
    """

    __slots__ = ("_arena", "_conditions", "_known", "_record", "around", "form", "order")

    def __init__(self, record: _Record, form: Form, around: Around, order: int = 0) -> None:
        self._record = record
        self._arena = Arena()
        self._known: dict[Any, RoleTape] = {}
        self._conditions: dict[Any, Condition] = {}
        self.form = form
        self.around = around
        self.order = order

    def tape(
        self,
        state: Sequence[Any],
        params: Sequence[Any],
        inputs: Sequence[Any],
        k: int,
        hidden: Sequence[Any],
    ) -> tuple[RoleTape, Condition | None]:
        """Return the tape at state `k`, and at which others it holds, if that can be told.

        Parameters
        ----------
        state, params, inputs, hidden : sequence
            Leaves as the tape takes them: values first, then their tangents; the inputs of all
            steps.
        k : int
            The step, or the observed state.
        """
        form, around = self.form, None
        places = self.around.places
        if places:
            around = Around(places, tuple(hidden[: len(places)]))
        found = self._record(
            list(state[: len(form.state.shapes)]),
            params[: len(form.params.shapes)],
            [] if form.inputs is None else inputs[: len(form.inputs.shapes)],
            k,
            around,
        )
        if len(self._known) >= _MOST_TAPES or len(self._conditions) >= _MOST_CONDITIONS:
            # A buffer knows its programs by identity: it has to go with them.
            self._known, self._conditions, self._arena = {}, {}, Arena()
        key = key_of(found, _MOST_CONSTANT_BYTES)
        if key is None:
            return self._derived(found), None
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._derived(found, self._arena)
        condition = found.condition
        if condition is not None:
            key = key_of_condition(condition, _MOST_CONSTANT_BYTES)
            condition = None if key is None else self._conditions.setdefault(key, condition)
        return known, condition

    def _derived(self, tape: RoleTape, arena: Arena | None = None) -> RoleTape:
        for _ in range(self.order):
            tape = tape.tangent
        # A tape that is kept holds what it was recorded at for as long.
        return tape if arena is None else replace(tape, arena=arena, condition=None)

    @property
    def tangent(self) -> "Afresh":
        """The same for pairs (value, tangent)."""
        return Afresh(self._record, self.form, self.around, self.order + 1)


def step_afresh(step: Callable[..., Any], form: Form, around: Around) -> Afresh:
    """Return what records a step again."""

    def record(
        state: Leaves, params: Sequence[Any], inputs: Sequence[Any], k: int, around: Around | None
    ) -> RoleTape:
        return record_step(step, form, state, params, inputs, k, around)[0]

    return Afresh(record, form, around)


def observe_afresh(
    observe: Callable[..., Any], form: Form, result: Layout, around: Around
) -> Afresh:
    """Return what records an observation of a known form again."""

    def record(
        state: Leaves, params: Sequence[Any], inputs: Sequence[Any], k: int, around: Around | None
    ) -> RoleTape:
        return record_observe(observe, form, state, params, k, result, around)[0]

    return Afresh(record, form, around)

"""The ways that one run takes through a function that branches on values.

Most states take one of a few ways: before and after an event, three or four iterations of a
solver.  The tape of each is recorded once in a run, and serves all later states that take it.
"""

from collections.abc import Sequence
from typing import Any, Final, final

from revolve_ad.errors import DivergedReplayError
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.kernels.afresh import Afresh
from revolve_ad.simulation.kernels.kept import key_of
from revolve_ad.simulation.steps.condition import Condition
from revolve_ad.simulation.steps.recording import RoleTape

__all__ = ["Ways"]

_MOST_WAYS: Final = 8
_TRIED: Final = 32
"""After so many states, no more is looked for if most of them took a way of their own."""

_ANY: Final = 2**62


@final
class Ways:
    """The tapes recorded in one run, the one used last first.

    Nothing is kept from run to run: what the function reads besides its arguments may be another
    then.  That it stays the same within a run is tested at the first use of a tape, and at the
    second, fourth, eighth, …: the function is recorded again and has to do the same.

    Parameters
    ----------
    name : str
        What the function is called in messages: ``"step"``, ``"observe at state"``.
    afresh : Afresh
        Records the function.
    params, inputs, hidden : list
        Leaves as in `Afresh.tape`.
    """

    __slots__ = (
        "_afresh",
        "_given",
        "_hits",
        "_is_on",
        "_name",
        "_picked",
        "_states",
        "_tapes",
    )

    def __init__(
        self,
        name: str,
        afresh: Afresh,
        params: list[Any],
        inputs: list[Any],
        hidden: list[Any],
    ) -> None:
        self._name = name
        self._afresh = afresh
        self._given = params, inputs, hidden
        self._picked: tuple[int, ...] | None = None
        self._tapes: list[tuple[Condition, RoleTape]] = []
        self._is_on = True
        self._hits = 0
        self._states = 0

    def tape(self, state: Sequence[Any], k: int, operands: Sequence[Any]) -> RoleTape:
        """Return the tape at a state.

        Parameters
        ----------
        state : sequence
            Its leaves.
        k : int
            The step, or the observed state.
        operands : sequence
            The inputs of the tape.
        """
        if not self._is_on:
            return self._recorded(state, k)[0]
        self._states += 1
        if found := self._known(operands):
            self._hits += 1
            if self._hits & (self._hits - 1):  # no power of two
                return found
            again, _ = self._recorded(state, k)
            if again is not found:
                self._compare(again, found, k)
            return again
        tape, condition = self._recorded(state, k)
        if condition is not None and condition.prepare(tape.arena) <= tape.reverse.bytes:
            self._tapes = [(condition, tape), *self._tapes[: _MOST_WAYS - 1]]
            self._picked = _values_of(condition.groups, tape.groups)
        if self._states >= _TRIED and 2 * self._hits < self._states:
            self._close()
        return tape

    def _recorded(self, state: Sequence[Any], k: int) -> tuple[RoleTape, Condition | None]:
        params, inputs, hidden = self._given
        return self._afresh.tape(state, params, inputs, k, hidden)

    def _known(self, operands: Sequence[Any]) -> RoleTape | None:
        tapes = self._tapes
        if not tapes:
            return None
        values = operands if self._picked is None else [operands[i] for i in self._picked]
        for number, (condition, tape) in enumerate(tapes):
            if condition.holds(values):
                if number:
                    tapes.insert(0, tapes.pop(number))
                return tape
        return None

    def _compare(self, again: RoleTape, found: RoleTape, k: int) -> None:
        """Refuse a function that did something else than before where it saw the same."""
        if (key := key_of(again, _ANY)) is not None and key == key_of(found, _ANY):
            return
        if self._hits > 1:
            raise DivergedReplayError(
                f"{self._name} {k} did something else than before in this run, though its branches "
                f"saw the same values. It must be a function of its arguments alone: it may not "
                f"draw random numbers, count its calls, or read a global that changes during the "
                f"run. Pass what changes from step to step as inputs=, or in the state."
            )
        # Its tapes can't be compared: it makes functions with rules of their own, say.
        self._close()

    def _close(self) -> None:
        self._is_on = False
        self._tapes = []


def _values_of(values: Sequence[Layout], pairs: Sequence[Layout]) -> tuple[int, ...] | None:
    """Return which inputs of a tape of pairs (value, tangent) are values; None if all are."""
    wanted, given = [[len(layout.shapes) for layout in groups] for groups in (values, pairs)]
    if wanted == given:
        return None
    picked: list[int] = []
    start = 0
    # k stands between the params and the row of inputs.
    for count, size in zip([*wanted[:2], 1, *wanted[2:]], [*given[:2], 1, *given[2:]], strict=True):
        picked += range(start, start + count)
        start += size
    return tuple(picked)

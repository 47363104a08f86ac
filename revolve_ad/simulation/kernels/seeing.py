"""What `observe` computes: its tape, and the function itself where one tape isn't enough."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from revolve_ad.errors import (
    BudgetError,
    DivergedReplayError,
    RevolveError,
)
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.arrays.replay import ReplayCheck
from revolve_ad.simulation.kernels.afresh import Afresh
from revolve_ad.simulation.kernels.growth import GrownTapeError, has_room
from revolve_ad.simulation.kernels.observations import PlainObserver
from revolve_ad.simulation.kernels.protocol import Gradients, Observer
from revolve_ad.simulation.kernels.stepcheck import StaleTapeError, between, differing
from revolve_ad.simulation.kernels.tape import Pullback, TapeObserver, as_inputs
from revolve_ad.simulation.kernels.ways import Ways
from revolve_ad.simulation.steps.recording import RoleTape
from revolve_ad.simulation.steps.trust import Trust

__all__ = ["DynamicObserver", "ObserveCheck", "Seeing"]


@final
@dataclass(frozen=True, eq=False, slots=True)
class Seeing:
    """The observation of one call.

    Attributes
    ----------
    tape : RoleTape
        Of an observation of state 0.
    function : callable or None
        ``(state, params, k) -> observation``; None for a derived one, which has no function.
    afresh : Afresh or None
        Records it again, where it depends on values.
    trust : Trust or None
        What may spare it plain calls.
    """

    tape: RoleTape
    function: Callable[..., Any] | None
    afresh: Afresh | None = None
    trust: Trust | None = None

    def observer(self, form: Form, params: list[Any], hidden: list[Any]) -> Observer:
        """Return the observation, bound to these leaves."""
        if self.afresh is None:
            return TapeObserver(self.tape, form, params, hidden)
        return DynamicObserver(self.afresh, self.function, self.tape, form, params, hidden)

    def original(self, form: Form, params: list[Any]) -> PlainObserver | None:
        """Return the user's `observe` to compare the tape with; None where it can't be."""
        if not self.is_compared(form):
            return None
        assert self.function is not None
        plain = PlainObserver(self.function, form, params)
        plain.layout = self.tape.result
        plain.trust = self.trust
        return plain

    def is_compared(self, form: Form) -> bool:
        """Whether the tape is compared with the function: it holds for all states."""
        fixed = self.tape.tape.depends_on_values is None and not form.hidden.shapes
        return self.function is not None and fixed

    @property
    def workspace_bytes(self) -> int:
        """The bytes of arrays that one observation, or its reverse, holds at its peak."""
        return max(self.tape.forward.bytes, self.tape.addends.bytes)

    @property
    def tangent(self) -> "Seeing":
        """The observation of the pairs (value, tangent)."""
        again = None if self.afresh is None else self.afresh.tangent
        return Seeing(self.tape.tangent, None, again)


@final
class DynamicObserver:
    """Observes by the user's function, and records each observation to reverse it; see `Observer`.

    For an `observe` that depends on values or branches on k, so that no one tape holds for all.
    Where the function can't be called plainly, since it observes pairs (value, tangent) or reads
    traced values of the function around, the tape observes too.

    Parameters
    ----------
    afresh : Afresh
        Records the observation.
    function : callable or None
        The user's `observe`; None for pairs.
    tape : RoleTape
        Of state 0; all observations have its form.
    form : Form
        What the arguments look like.
    params, hidden : list
        Their leaves; of `hidden` those that `observe` reads are the last.

    Attributes
    ----------
    ledger : Ledger or None
        Is told when a tape needs more than any before.
    """

    __slots__ = (
        "_form",
        "_gradients",
        "_hidden",
        "_offset",
        "_plain",
        "_result",
        "_values",
        "_ways",
        "ledger",
    )

    def __init__(
        self,
        afresh: Afresh,
        function: Callable[..., Any] | None,
        tape: RoleTape,
        form: Form,
        params: list[Any],
        hidden: list[Any],
    ) -> None:
        self._form = form
        self._result = tape.result
        self._offset = len(hidden) - len(tape.groups[3].shapes)
        given = hidden[self._offset :]
        self._ways = Ways("observe at state", afresh, params, [], given)
        self._values = as_inputs(form.params, params)
        self._hidden = as_inputs(tape.groups[3], given)
        self._plain: PlainObserver | None = None
        if function is not None and not given:
            self._plain = PlainObserver(function, form, params)
            self._plain.layout = tape.result
        self._gradients: Gradients | None = None
        self.ledger: Ledger | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Observer.bind_gradients`."""
        self._gradients = gradients

    def observe(self, state: Sequence[Any], k: int) -> Leaves:
        """See `Observer.observe`."""
        if self._plain is not None:
            return self._plain.observe(state, k)
        operands = self._operands(state, k)
        tape = self._ways.tape(state, k, operands)
        needed = tape.forward.bytes
        if not has_room(self.ledger, needed):
            raise BudgetError(
                f"observe at state {k} needs {needed:,} bytes to run, which the budget doesn't "
                "leave: it does more there than at state 0. Give more memory."
            )
        return self._result.arrays(tape.forward.run(operands))

    def reverse(self, state: Sequence[Any], k: int, cotangent: Leaves) -> Leaves:
        """See `Observer.reverse`."""
        assert self._gradients is not None
        operands = self._operands(state, k)
        tape = self._ways.tape(state, k, operands)
        needed = tape.reverse.bytes
        if not has_room(self.ledger, needed):
            raise GrownTapeError(f"observe at state {k}", needed, k, [])
        return Pullback(tape)(operands, k, cotangent, self._gradients, self._offset)

    def _operands(self, state: Sequence[Any], k: int) -> list[Any]:
        return [*self._form.state.numpy(state), *self._values, np.int64(k), *self._hidden]


@final
class ObserveCheck:
    """Compares the tape of `observe` with `observe` itself, called plainly on states of the run.

    Parameters
    ----------
    original : PlainObserver
        The user's function.
    observer : Observer
        Runs the tape.
    paths : list of str
        The names of the leaves of an observation.
    fresh : bool
        Whether the tape was recorded for this run.
    """

    __slots__ = ("_fresh", "_last", "_observer", "_original", "_paths", "_trust")

    def __init__(
        self,
        original: PlainObserver,
        observer: Observer,
        paths: list[str],
        *,
        fresh: bool,
    ) -> None:
        self._trust = original.trust
        self._last = -1
        self._original = original
        self._observer = observer
        self._paths = paths
        self._fresh = fresh

    def states(self, seen: Sequence[int], check: ReplayCheck, turn: int = 0) -> Iterable[int]:
        """Return the increasing indices of the states where it is compared.

        State 0, where it was recorded, and of the observed ones all or a few; by a tape of an
        earlier call the last, and in some turns one between.
        """
        self._last = seen[-1] if seen else 0
        if check == "all":
            self._trust = None
            return seen if seen and seen[0] == 0 else (0, *seen)
        if not self._fresh:
            some = {len(seen) - 1, *between(len(seen), turn)} if seen else ()
            return sorted({0, *(seen[i] for i in some)})
        some, i = {0}, 1
        if seen:
            some |= {seen[0], seen[-1]}
        while i < len(seen):
            some.add(seen[i])
            i *= 4
        return sorted(some)

    def look(self, k: int, state: Leaves) -> None:
        """Compare the observation of state `k`, which stays as it is.

        Raises
        ------
        StaleTapeError
            If the function differs from the tape of an earlier call.
        DivergedReplayError
            If it differs from one of this call.
        """
        if self._trust is not None and self._trust.holds:
            return
        try:
            plain = self._original.observe(state, k)
        except RevolveError as error:
            if self._fresh:
                raise
            raise StaleTapeError(k, "the observation") from error
        taped = self._observer.observe(state, k)
        wrong = differing(self._paths, plain, taped)
        if not wrong:
            if self._trust is not None and k == self._last:
                self._trust.confirm()
            return
        if not self._fresh:
            raise StaleTapeError(k, ", ".join(wrong))
        raise DivergedReplayError(
            f"observe, called on state {k}, gives other bits for {', '.join(wrong)} than its tape, "
            "which was recorded at state 0. It must be a function of its arguments alone: it may "
            "not draw random numbers, count its calls, or read a global that changes during the "
            "run. Pass what changes from state to state in params, and index it by k."
        )

"""The kernel of a recorded step that was fused and compiled: a stretch of steps is one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from revolve_ad.errors import UnsupportedOperationError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.steps.blame import left_array, one_of
from revolve_ad.simulation.steps.lines import Lines
from revolve_ad.simulation.steps.recording import RoleTape

if TYPE_CHECKING:  # the compiler is loaded where it is first of use
    from revolve_ad.native import Loop, Sweep

__all__ = ["NativeKernel", "native_loop"]

_WORTH_SECONDS: Final = 0.3
_SECONDS_AN_OPERATION: Final = 1.5e-6
_SECONDS_A_BYTE: Final = 2e-10
_FEW_BYTES: Final = 1024
"""So few bytes of params and inputs are copied, which takes less time than to bind them twice."""

_LONG: Final = 20_000
"""Operations that aren't counted exactly: preparing so many to be interpreted takes long."""


@final
class NativeKernel:
    """Steps by compiled loops; see `Kernel`.

    The tape of a stretch is its first state, and a block with the states after it.

    Parameters
    ----------
    loop : Loop
        The compiled step and its adjoint.
    form : Form
        What the arguments look like.
    params, inputs, hidden : sequence
        Their leaves.

    Attributes
    ----------
    keeps_arguments : bool
        Whether it has copies of these, so that it outlives them.
    """

    __slots__ = (
        "_float_leaves",
        "_form",
        "_gradients",
        "_layout",
        "_n_params",
        "_sweep",
        "keeps_arguments",
    )

    def __init__(
        self,
        loop: Loop,
        form: Form,
        params: Sequence[Any],
        inputs: Sequence[Any],
        hidden: Sequence[Any],
    ) -> None:
        self._form = form
        self._layout = form.state
        self._float_leaves = [i for i, flag in enumerate(form.state.differentiable) if flag]
        self._n_params = sum(form.params.differentiable)
        # Others read the rest of the hidden params.
        own = form.hidden_parts[0]
        groups = [(form.params, params), (own, hidden[: form.in_step])]
        if form.inputs is not None:
            groups.append((form.inputs, inputs))
        self.keeps_arguments = sum(layout.nbytes for layout, _ in groups) <= _FEW_BYTES
        given = [
            layout.copy_in(leaves) if self.keeps_arguments else layout.read_only(leaves)
            for layout, leaves in groups
        ]
        values, rows = [*given[0], *given[1]], given[2] if len(given) > 2 else []
        from revolve_ad.native import Sweep

        self._sweep = Sweep(loop, values, rows)
        self._gradients: Gradients | None = None

    @property
    def sweep(self) -> Sweep:
        """The compiled steps, bound to the arguments."""
        return self._sweep

    @property
    def plays(self) -> bool:
        """Whether it can carry out many actions of a schedule in one call."""
        return "play" in self._sweep.loop.entries

    @property
    def calls_numpy(self) -> bool:
        """Whether anything but compiled code runs in its loops."""
        return bool(self._sweep.loop.called)

    @property
    def float_leaves(self) -> list[int]:
        """The leaves of the state that have cotangents of their own."""
        return self._float_leaves

    @property
    def observes(self) -> bool:
        """Whether it observes by itself the states where steps begin."""
        return self._sweep.loop.watch is not None

    def observe(self, indices: Sequence[int], rows: Leaves) -> None:
        """Fill a row for each of these states, whenever their steps are run from now on."""
        self._sweep.observe(indices, rows)

    def add_observed(self, indices: Sequence[int], cotangents: Leaves) -> None:
        """Add the cotangents of the observations of these states when their steps are reversed."""
        self._sweep.add_observed(indices, cotangents)

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """See `Kernel.advance`."""
        try:
            return self._sweep.advance_lent(state, start, stop)
        except IndexError as error:
            raise left_array(error, one_of(start, stop)) from error

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """See `Kernel.record`."""
        sweep, n = self._sweep, stop - start - 1
        block = sweep.block(n)
        layout = self._layout
        last = [np.empty(s, d) for s, d in zip(layout.shapes, layout.dtypes, strict=True)]
        try:
            if n:
                sweep.record(state, block, start, stop - 1)
            sweep.advance(sweep.state(state, block, n), last, stop - 1, stop)
        except IndexError as error:
            raise left_array(error, one_of(start, stop)) from error
        return [state, block], last

    def reverse(self, tape: Tape, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.reverse`."""
        moved = [cotangent[i] for i in self._float_leaves]
        state, block = tape
        self._sweep.pull(state, block, moved, start, stop)
        return self._moved(cotangent, moved)

    def record_and_reverse(self, state: Leaves, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.record_and_reverse`."""
        moved = [cotangent[i] for i in self._float_leaves]
        self._sweep.reverse(state, moved, start, stop)
        return self._moved(cotangent, moved)

    def _moved(self, cotangent: Leaves, moved: Leaves) -> Leaves:
        for i, leaf in zip(self._float_leaves, moved, strict=True):
            cotangent[i] = leaf
        return cotangent

    def split(self, tape: Tape, start: int, middle: int) -> tuple[Tape, Tape]:
        """See `Kernel.split`."""
        state, block = tape
        n = middle - start
        first = [np.array(leaf) for leaf in self._sweep.state(state, block, n)]
        return tape, [first, [rows[n:] for rows in block]]

    def give_back(self) -> None:
        """See `Kernel.give_back`."""
        self._sweep._kept = None

    @property
    def idle_bytes(self) -> int:
        """See `Kernel.idle_bytes`."""
        return sum(array.nbytes for array in self._sweep._kept or ())

    def finish(self) -> None:
        """See `Kernel.finish`."""
        gradients = self._gradients
        assert gradients is not None
        found = self._sweep.param_cotangents()
        _add(gradients.params.leaves, self._form.params.differentiable, found[: self._n_params])
        own = self._form.hidden_parts[0].differentiable
        _add(gradients.hidden.leaves[: len(own)], own, found[self._n_params :])
        if gradients.inputs is not None:
            for total, part in zip(
                gradients.inputs.leaves, self._sweep.input_cotangents, strict=True
            ):
                if part is not None:
                    np.add(total, part.reshape(total.shape), out=total)


def native_loop(
    tape: RoleTape,
    n_steps: int,
    native: str | bool,
    observation: RoleTape | None = None,
    lines: Callable[[], Lines] | None = None,
) -> tuple[Loop | None, str, Lines | None]:
    """Return the compiled loop of a step, or None and why not, and the lines of the step.

    Parameters
    ----------
    tape : RoleTape
        The step.
    n_steps : int
        How often it is run at least.
    native : "auto", True or False
        What the user asked for; "auto" compiles what would take NumPy long.  The answer depends on
        the tape and the number of steps alone, so that equal calls give equal bits.
    observation : RoleTape, optional
        What is observed along the way.
    lines : callable, optional
        Looks up which lines of the step do what.

    Raises
    ------
    UnsupportedOperationError
        If native code is demanded, and the step can't be compiled.
    """
    if native is False:
        return None, "native=False", None
    if native == "auto" and _numpy_seconds(tape, n_steps) < _WORTH_SECONDS:
        return None, f"NumPy needs less than {_WORTH_SECONDS} s for a gradient", None
    found = tape.native(observation)
    from revolve_ad.native import Loop

    if isinstance(found, Loop):
        at = tape.lines(lines) if found.called else None
        why_not = None
        if native == "auto" and found.estimate is not None:
            why_not = found.estimate.why_not(n_steps)
        if why_not is not None:
            for reason in found.called:
                why_not += f"; {reason}{'' if at is None else at.of_called(reason)}"
            return None, why_not, at
        return found, "", at
    from revolve_ad.native.load import without_numba

    missing = without_numba()
    if missing is not None:
        if native is True:
            raise UnsupportedOperationError(f"native=True, but {missing}.")
        return None, missing, None
    at = tape.lines(lines)
    why = found.reason + ("" if at is None else at.of(found.reason))
    if native is True:
        raise UnsupportedOperationError(
            f"native=True, but the step can't be compiled: {why}. Use native='auto', which "
            "interprets what can't be compiled, or write that line in another way."
        )
    return None, why, at


def _numpy_seconds(tape: RoleTape, n_steps: int) -> float:
    """Estimate how long NumPy takes for as many steps, forward and in reverse."""
    if tape.tape.depends_on_values is not None:
        return 0.0
    n = len(tape.tape.nodes)
    if n <= _LONG:
        n = tape.forward.n_operations
    operations = 3 * n  # the reverse has about twice as many
    size = tape.result.nbytes
    seconds: float = n_steps * operations * (_SECONDS_AN_OPERATION + size * _SECONDS_A_BYTE)
    return seconds


def _add(totals: Leaves, flags: Sequence[bool], parts: Sequence[Any]) -> None:
    rest = iter(parts)
    for total, flag in zip(totals, flags, strict=True):
        if flag:
            np.add(total, next(rest), out=total)

"""Several cotangents reversed in one sweep: every step is run as often as for one of them.

The sweep sees one kernel and one cotangent, whose leaves are those of all cotangents, one after
the other.  Behind it stands a kernel for each, bound to sums of its own; they share the tapes.
"""

from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from revolve_ad.simulation.arrays.addends import Addend
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.kernels.growth import GrownTapeError
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.kernels.protocol import Gradients, Kernel, Observer
from revolve_ad.simulation.kernels.step_by_step import StepByStep
from revolve_ad.simulation.planning.plan import Sizes

__all__ = ["SeveralKernels", "SeveralObservers", "bytes_of_more", "has_every_state"]

_BYTES_COPIED: Final = 1 << 16
_STEPS_COPIED: Final = 32
"""Tapes are copied, since kernels use them up: of so many steps at a time, or fewer bytes."""


@final
class SeveralKernels:
    """One kernel a cotangent, as one; see `Kernel`.

    Parameters
    ----------
    kernels : sequence of Kernel
        Each bound to the same arguments, and to sums of its own.
    tape_bytes : int
        The bytes of the tape of a step.
    """

    def __init__(self, kernels: Sequence[Kernel], tape_bytes: int) -> None:
        self._kernels = kernels
        self._steps = _steps_copied(tape_bytes)
        first = kernels[0]
        self.advance = first.advance
        self.record = first.record
        self.split = first.split

    def reverse(self, tape: Tape, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.reverse`."""
        while stop - start > self._steps:
            tape, last = self.split(tape, start, stop - self._steps)
            try:
                cotangent = self._reverse(last, stop - self._steps, stop, cotangent)
            except GrownTapeError as grown:
                grown.start, grown.tape = start, [*tape, *grown.tape]
                raise
            stop -= self._steps
        return self._reverse(tape, start, stop, cotangent)

    def _reverse(self, tape: Tape, start: int, stop: int, cotangent: Leaves) -> Leaves:
        *others, last = self._kernels
        n = len(cotangent) // len(self._kernels)
        done: Leaves = []
        try:
            for kernel in others:
                own = cotangent[len(done) : len(done) + n]
                done += kernel.reverse(_copied(tape), start, stop, own)
            return done + last.reverse(tape, start, stop, cotangent[len(done) :])
        except GrownTapeError as grown:
            # The first kernel meets a larger tape first: the others follow it to where it stands.
            parts = grown.cotangent
            if grown.at < stop:
                _, above = self.split(_copied(tape), start, grown.at)
                for i, kernel in enumerate(self._kernels[1:], 1):
                    own = cotangent[i * n : (i + 1) * n]
                    parts += kernel.reverse(_copied(above), grown.at, stop, own)
            else:
                parts += cotangent[n:]
            raise

    def record_and_reverse(self, state: Leaves, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """See `Kernel.record_and_reverse`."""
        last = stop - 1
        tape: Tape | None = None
        if start < last:
            tape, state = self.record(state, start, last)
        n = len(cotangent) // len(self._kernels)
        done: Leaves = []
        for kernel in self._kernels:
            own = cotangent[len(done) : len(done) + n]
            try:
                done += kernel.record_and_reverse(_copied(state), last, stop, own)
            except GrownTapeError as grown:  # by the first kernel, before any other has begun
                grown.cotangent += cotangent[n:]
                if tape is not None:
                    grown.start, grown.tape = start, tape
                raise
        return done if tape is None else self.reverse(tape, start, last, done)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """The kernels, one a cotangent."""
        return self._kernels

    def give_back(self) -> None:
        """See `Kernel.give_back`."""
        for kernel in self._kernels:
            kernel.give_back()

    @property
    def idle_bytes(self) -> int:
        """See `Kernel.idle_bytes`."""
        return sum(kernel.idle_bytes for kernel in self._kernels)

    def bind_gradients(self, gradients: Gradients) -> None:
        """Raise: each kernel is bound to sums of its own."""
        raise NotImplementedError

    def finish(self) -> None:
        """See `Kernel.finish`."""
        for kernel in self._kernels:
            kernel.finish()


@final
class SeveralObservers:
    """One observer a cotangent, as one; see `Observer`.

    Parameters
    ----------
    observers : sequence of Observer
        Each bound to sums of its own.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self.observe = observers[0].observe

    def reverse(self, state: Sequence[object], k: int, cotangent: Leaves) -> list[Addend]:
        """See `Observer.reverse`."""
        n = len(cotangent) // len(self._observers)
        done: list[Addend] = []
        for i, observer in enumerate(self._observers):
            done += observer.reverse(state, k, cotangent[i * n : (i + 1) * n])
        return done

    def bind_gradients(self, gradients: Gradients) -> None:
        """Raise: each observer is bound to sums of its own."""
        raise NotImplementedError


def has_every_state(kernel: Kernel) -> bool:
    """Tell whether a tape of this kernel holds the state before each of its steps."""
    if isinstance(kernel, SeveralKernels):
        kernel = kernel.kernels[0]
    return isinstance(kernel, StepByStep)


def bytes_of_more(model: Model, sizes: Sizes, n_more: int, n_observed: int) -> int:
    """Return the bytes that so many cotangents take beside the first, their sums included.

    Parameters
    ----------
    model : Model
        What is computed.
    sizes : Sizes
        What a gradient with one cotangent holds.
    n_more : int
        Cotangents beside the first.
    n_observed : int
        Observed states.
    """
    if not n_more:
        return 0
    cotangent = model.form.state.cotangents.nbytes
    row = model.observation
    seen = 0 if row is None else n_observed * row.cotangents.nbytes
    each = 3 * cotangent + sizes.fixed.get("gradient", 0) + model.workspace_bytes + seen
    return n_more * each + _steps_copied(sizes.tape) * sizes.tape


def _steps_copied(tape_bytes: int) -> int:
    return min(_STEPS_COPIED, max(1, _BYTES_COPIED // max(1, tape_bytes)))


def _copied(tape: Any) -> Any:
    if isinstance(tape, np.ndarray):
        return tape.copy()
    return [_copied(part) for part in tape]

"""What the sweep asks of a step: advance it, record it, reverse it."""

from collections.abc import Sequence
from typing import Protocol

from revolve_ad.simulation.arrays.addends import Addend
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.arrays.sums import Sums

__all__ = ["Gradients", "Kernel", "Observer"]


class Gradients:
    """The sums that a reverse sweep adds to.

    Attributes
    ----------
    params : Sums
        With respect to the params.
    inputs : Sums or None
        With respect to the inputs, of all rows.
    hidden : Sums
        With respect to traced values of an outer recording that the step or `observe` reads.
    """

    __slots__ = ("hidden", "inputs", "params")

    def __init__(self, form: Form) -> None:
        self.params = Sums(form.params.cotangents)
        self.inputs = None if form.inputs is None else Sums(form.inputs.cotangents)
        self.hidden = Sums(form.hidden.cotangents)

    @property
    def nbytes(self) -> int:
        """The bytes of all sums."""
        inputs = 0 if self.inputs is None else self.inputs.nbytes
        return self.params.nbytes + inputs + self.hidden.nbytes


class Kernel(Protocol):
    """The steps of one run, bound to its params, inputs and hidden params.

    States and cotangents are lists of arrays that belong to the sweep.  Each method may use up the
    lists and overwrite the arrays that it is given, and returns arrays that nobody else holds.
    """

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """Run steps ``start … stop - 1`` from state `start`; return state `stop`."""

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """Do the same; return the tape of the stretch too."""

    def reverse(self, tape: Tape, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """Return the cotangent of state `start` from that of state `stop`; add to the sums."""

    def record_and_reverse(self, state: Leaves, start: int, stop: int, cotangent: Leaves) -> Leaves:
        """Record a stretch from its first state and reverse it; nobody needs its last state."""

    def split(self, tape: Tape, start: int, middle: int) -> tuple[Tape, Tape]:
        """Return the tapes of the steps before state `middle` and from it on."""

    def give_back(self) -> None:
        """Free working memory that isn't in use; it is taken again when it is needed."""

    @property
    def idle_bytes(self) -> int:
        """The bytes of working memory that `give_back` would free."""

    def bind_gradients(self, gradients: Gradients) -> None:
        """Let `reverse` add to these sums from now on."""

    def finish(self) -> None:
        """Add to the gradients what is summed up elsewhere; called once, at the end."""


class Observer(Protocol):
    """The observation of states of one run, bound to its params."""

    def observe(self, state: Sequence[object], k: int) -> Leaves:
        """Return the leaves of the observation of state `k`, which isn't changed."""

    def reverse(self, state: Sequence[object], k: int, cotangent: Leaves) -> Sequence[Addend]:
        """Return what the cotangent of an observation adds to that of state `k`, leaf by leaf."""

    def bind_gradients(self, gradients: Gradients) -> None:
        """Let `reverse` add to these sums from now on."""

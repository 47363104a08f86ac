"""What the sweep asks of a step: advance it, record it, reverse it."""

from collections.abc import Sequence
from typing import Protocol

from revolve_ad.simulation.form import Form
from revolve_ad.simulation.layout import Leaves
from revolve_ad.simulation.sums import Sums

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
    A tape is a list of arrays that begins with the leaves of its step's state.
    """

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """Run steps ``start … stop - 1`` from state `start`; return state `stop`."""

    def record(self, state: Leaves, start: int, stop: int, tapes: list[Leaves]) -> Leaves:
        """Run steps ``start … stop - 1`` and append the tape of each; return state `stop`."""

    def reverse(self, tapes: list[Leaves], start: int, stop: int, cotangent: Leaves) -> Leaves:
        """Use up the tapes of steps ``stop - 1 … start``, the last ones of the list.

        Return the cotangent of state `start` from that of state `stop`, and add to the gradients.
        """

    def record_and_reverse(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Do both at once for one step whose result nobody needs."""

    def bind_gradients(self, gradients: Gradients) -> None:
        """Let `reverse` add to these sums from now on."""

    @property
    def tape_bytes(self) -> int:
        """The bytes of one tape."""

    @property
    def workspace_bytes(self) -> int:
        """The bytes of arrays, beside states and cotangents, that one call holds at its peak."""


class Observer(Protocol):
    """The observation of states of one run, bound to its params."""

    def observe(self, state: Sequence[object], k: int) -> Leaves:
        """Return the leaves of the observation of state `k`, which isn't changed."""

    def reverse(self, state: Sequence[object], k: int, cotangent: Leaves) -> Leaves:
        """Return what the cotangent of an observation adds to that of state `k`."""

    def bind_gradients(self, gradients: Gradients) -> None:
        """Let `reverse` add to these sums from now on."""

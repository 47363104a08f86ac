"""What models share whose step isn't recorded: only `observe` has a tape."""

from dataclasses import dataclass, field
from typing import Any

from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.kernels.protocol import Observer
from revolve_ad.simulation.kernels.seeing import Seeing
from revolve_ad.simulation.steps.stepping import Stepper
from revolve_ad.simulation.steps.user_step import Step

__all__ = ["Unrecorded"]


@dataclass(frozen=True, eq=False, slots=True)
class Unrecorded:
    """A step that is called as it is; what remains of a `Model` is about the observation.

    Attributes
    ----------
    form : Form
        The layouts of the arguments.
    step : Step
        The step.
    seen : Seeing or None
        The observation.
    kept : bool
        Whether to record `observe` again would give the same tape, as an object.
    """

    form: Form
    step: Step
    seen: Seeing | None
    kept: bool = field(default=False, kw_only=True)

    @property
    def observation(self) -> Layout | None:
        """See `Model.observation`."""
        return None if self.seen is None else self.seen.tape.result

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `Model.remarks`."""
        return ()

    def observer(self, params: list[Any], hidden: list[Any]) -> Observer | None:
        """See `Model.observer`."""
        return None if self.seen is None else self.seen.observer(self.form, params, hidden)

    def original(self, params: list[Any], inputs: list[Any]) -> Stepper | None:
        """See `Model.original`: there is no tape to compare the step with."""
        return None

    @property
    def is_native(self) -> bool:
        """See `Model.is_native`."""
        return False

    @property
    def account(self) -> None:
        """See `Model.account`."""
        return None

    @property
    def tape_bytes(self) -> int:
        """A state: what reverses a step starts from it."""
        return self.form.state.nbytes

    @property
    def inside(self) -> list[Any]:
        """See `Model.inside`."""
        return [] if self.seen is None else self.seen.tape.inside

    @property
    def is_current(self) -> bool | None:
        """See `Model.is_current`."""
        if self.seen is None:
            return True
        if self.seen.trust is not None:
            return self.seen.trust.is_unchanged
        return None if self.kept else True

    def equals(self, other: Any) -> bool:
        """See `Model.equals`."""
        mine, its = self.seen, other.seen
        return mine is its if mine is None or its is None else mine.tape is its.tape

    @property
    def branches(self) -> bool:
        """See `Model.branches`."""
        return self.seen is not None and self.seen.afresh is not None

    @property
    def is_compared(self) -> bool:
        """See `Model.is_compared`."""
        return False

"""The models of one simulation: what its step was recorded as, and whether that still holds.

A step is recorded at the first gradient with arguments of a form, and once more only where it may
have changed since.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, final

from revolve_ad.ad.traced import plain
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.kernels.given import Given
from revolve_ad.simulation.kernels.met import Met, meet
from revolve_ad.simulation.kernels.model import Model, record_model
from revolve_ad.simulation.kernels.stepcheck import StaleTapeError, StepCheck
from revolve_ad.simulation.settings import Settings
from revolve_ad.simulation.steps.user_step import Step

__all__ = ["Models"]

Advance = Callable[[Leaves, int, int], Leaves]

_FEW_STEPS: Final = 50
"""So few steps are run by the Python function, without recording it for native code."""


@final
class Models:
    """What is known of the step of one simulation.

    Parameters
    ----------
    settings : Settings
        Of the simulation.

    Attributes
    ----------
    by_form : dict of Form to Model
        The last one for arguments of each form; none of those that depend on this one call.
    """

    __slots__ = ("_settings", "by_form")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.by_form: dict[Form, Model] = {}

    def record(
        self,
        form: Form,
        leaves: list[list[Any]],
        *,
        slices_leave: bool = False,
        met: Met | None = None,
    ) -> tuple[Model, tuple[Any, ...]]:
        """Record the step afresh; return the model and its hidden params.

        Parameters
        ----------
        form : Form
            Of the arguments.
        leaves : list of list
            Plain leaves of the state, the params and the inputs.
        slices_leave : bool
            Whether a slice may leave its array.
        met : Met, optional
            Which traced values the steps read, if that had to be found out.
        """
        settings, (state, params, inputs) = self._settings, leaves
        first = form.state.copy_in(state)
        return record_model(
            Given(settings.step, settings.observe, form, first, params, inputs),
            n_steps=settings.max_steps,
            native=settings.native,
            slices_leave=slices_leave,
            met=met,
        )

    def for_gradient(
        self,
        form: Form,
        leaves: list[list[Any]],
        met: Met | None = None,
        *,
        again: bool,
        slices_leave: bool = False,
    ) -> tuple[Model, tuple[Any, ...], bool]:
        """Return the model, its hidden params, and whether it was recorded just now.

        Parameters
        ----------
        form, leaves, met, slices_leave
            As for `record`; the leaves may be traced.
        again : bool
            Whether an earlier model may serve again: it will be compared with the step.
        """
        known = None
        if met is None and again and self._settings.replay_check != "off":
            known = self.by_form.get(form)
            if known is not None and known.is_current:
                return known, (), False
        model, hidden = self.record(form, _plain(leaves), slices_leave=slices_leave, met=met)
        if known is not None and not hidden and known.equals(model):
            return known, (), False
        if not hidden:
            self.by_form[form] = model
        return model, hidden, True

    def advance(self, form: Form, leaves: list[list[Any]]) -> Advance | None:
        """Return what runs the steps as native code, where a gradient would do so too.

        Then the value is bit for bit the same in both.

        Parameters
        ----------
        form, leaves
            As for `record`.
        """
        settings = self._settings
        if isinstance(settings.step, Step) and settings.step.has_vjp:
            return None
        if settings.native is False or settings.max_steps < _FEW_STEPS:
            return None
        from revolve_ad.native.load import has_numba

        if settings.native == "auto" and not has_numba():
            return None
        model = self.by_form.get(form) if settings.replay_check != "off" else None
        if model is not None and not model.is_native:
            return None
        if model is not None:
            model = self._still(model, form, leaves)
        if model is None:
            model, _ = self.record(form, leaves)
            self.by_form[form] = model
        if not model.is_native:
            return None
        _, params, inputs = leaves
        return model.kernel(params, inputs, []).advance

    def _still(self, known: Model, form: Form, leaves: list[list[Any]]) -> Model | None:
        """Return a model of the step as it is now; None where the known one doesn't hold."""
        state, params, inputs = leaves
        if not known.is_current:
            again, _ = self.record(form, leaves)
            if not known.equals(again):
                known = self.by_form[form] = again
        if not known.is_compared:
            return known
        original = known.original(params, inputs)
        if original is not None and self._settings.replay_check == "all":
            original.trust = None
        check = StepCheck(
            original,
            known.kernel(params, inputs, []),
            partial(known.interpreter, params, inputs, []),
            form.state,
            fresh=False,
        )
        try:
            check.look(0, form.state.copy_in(state))
        except StaleTapeError:
            return None
        return known

    def met(self, form: Form, leaves: list[list[Any]]) -> Met | None:
        """Return which traced values the steps read; None where that isn't why a run failed.

        Parameters
        ----------
        form, leaves
            As for `record`; the leaves may be traced.
        """
        settings, step = self._settings, self._settings.step
        if isinstance(step, Step) and step.has_vjp:
            return None
        function = step.function if isinstance(step, Step) else step
        state, params, inputs = _plain(leaves)
        first, seen = form.state.copy_in(state), settings.observed(settings.steps)
        given = Given(function, settings.observe, form, first, params, inputs)
        try:
            met = meet(given, settings.max_steps, settings.until, seen)
        except Exception:
            return None  # the first error names what the user wrote
        return met if met.step.places or met.observe.places else None


def _plain(leaves: list[list[Any]]) -> list[list[Any]]:
    return [[plain(leaf) for leaf in group] for group in leaves]

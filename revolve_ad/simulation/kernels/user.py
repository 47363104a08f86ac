"""The kernel of a step whose derivative the user gives; its tape is the state."""

from collections.abc import Callable
from sys import getrefcount
from typing import Any, final

import numpy as np

from revolve_ad.errors import StructureError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.arrays.sums import checked
from revolve_ad.simulation.kernels.protocol import Gradients
from revolve_ad.simulation.kernels.step_by_step import StepByStep
from revolve_ad.simulation.steps.blame import blame
from revolve_ad.simulation.steps.stepping import SOLE, Stepper, hand_over
from revolve_ad.simulation.steps.user_step import Step

__all__ = ["UserKernel"]

_ndarray = np.ndarray


@final
class UserKernel(StepByStep):
    """Steps with a vjp of the user's; see `Kernel`.

    Parameters
    ----------
    step : Step
        With a vjp.
    form : Form
        What the arguments look like.
    params, inputs : list
        Their leaves.
    """

    __slots__ = (
        "_form",
        "_gradients",
        "_is_array",
        "_stepper",
        "_vjp",
        "advance",
        "record",
    )

    def __init__(self, step: Step, form: Form, params: list[Any], inputs: list[Any]) -> None:
        assert step._vjp is not None
        self._vjp: Callable[..., Any] = step._vjp
        self._form = form
        self._is_array = form.state.is_array
        self._stepper = Stepper(step, form, params, inputs)
        self.advance = self._stepper.advance
        self.record = self._stepper.record
        self._gradients: Gradients | None = None

    def bind_gradients(self, gradients: Gradients) -> None:
        """See `Kernel.bind_gradients`."""
        self._gradients = gradients

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Reverse step `k` from state `k`."""
        if not self._is_array:
            layout = self._form.state
            value = layout.cotangents.build(cotangent)
            return self._copied(self._call(hand_over(layout, state), k, value), k)
        given = cotangent[0]
        new = self._call(state.pop(), k, given)
        if (
            type(new) is _ndarray
            and new.dtype is given.dtype
            and new.shape == given.shape
            and (
                new is given or (new.base is None and getrefcount(new) == SOLE and new.flags.carray)
            )
        ):
            cotangent[0] = new
            return cotangent
        return self._copied(new, k)

    def _call(self, state: Any, k: int, given: Any) -> Any:
        """Call the user's vjp of step `k`, add to the gradients, return the state's cotangent."""
        gradients, stepper = self._gradients, self._stepper
        assert gradients is not None
        try:
            if stepper.row is None:
                result = self._vjp(state, stepper.params, k, given)
            else:
                result = self._vjp(state, stepper.params, k, stepper.row(k), given)
            if type(result) is not tuple or len(result) != (2 if stepper.row is None else 3):
                raise _not_a_pair(result, stepper.row is not None)
            if result[1] is not None:
                gradients.params.add(result[1], k)
            if stepper.row is not None:
                assert gradients.inputs is not None
                gradients.inputs.add_row(k, result[2])
            return result[0]
        except Exception as error:
            blame(error, f"the vjp of step {k}")
            raise

    def _copied(self, value: Any, k: int) -> Leaves:
        layout = self._form.state.cotangents
        return [
            np.zeros(shape, dtype) if part is None else np.array(part, dtype, order="C", copy=True)
            for part, shape, dtype in zip(
                _checked(value, layout, k),
                layout.shapes,
                layout.dtypes,
                strict=True,
            )
        ]


def _checked(value: Any, layout: Layout, k: int) -> list[Any]:
    try:
        return checked(value, layout, k)
    except Exception as error:
        blame(error, f"the vjp of step {k}")
        raise


def _not_a_pair(result: Any, with_inputs: bool) -> StructureError:
    allowed = "(state_cotangent, params_cotangent"
    allowed += ", inputs_cotangent)" if with_inputs else ")"
    came = f"a tuple of {len(result)}" if type(result) is tuple else repr(type(result).__name__)
    return StructureError(f"a vjp must return {allowed}, None meaning zero; it returned {came}.")

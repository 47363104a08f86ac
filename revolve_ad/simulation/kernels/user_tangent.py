"""Pushes tangents through a step whose jvp the user gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from revolve_ad.errors import NotDifferentiableError, ShapeError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves, Tape
from revolve_ad.simulation.kernels.observations import PlainObserver
from revolve_ad.simulation.kernels.protocol import Gradients, Kernel
from revolve_ad.simulation.kernels.step_by_step import StepByStep
from revolve_ad.simulation.kernels.unrecorded import Unrecorded
from revolve_ad.simulation.steps.blame import blame
from revolve_ad.simulation.steps.stepping import Stepper, row_reader
from revolve_ad.simulation.steps.user_step import Step

__all__ = ["UserTangentModel", "refuse_forward"]


@final
@dataclass(frozen=True, eq=False, slots=True)
class UserTangentModel(Unrecorded):
    """The model of the pairs (value, tangent) of a step with a jvp of its own; see `Model`.

    Attributes
    ----------
    primal : Form
        The layouts of the values.
    """

    primal: Form

    def kernel(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.kernel`."""
        return UserTangentKernel(self.step, self.form, self.primal, params, inputs)

    def interpreter(self, params: list[Any], inputs: list[Any], hidden: list[Any]) -> Kernel:
        """See `Model.interpreter`."""
        return self.kernel(params, inputs, hidden)

    def original_observer(self, params: list[Any]) -> PlainObserver | None:
        """See `Model.original_observer`."""
        return None

    @property
    def workspace_bytes(self) -> int:
        """See `Model.workspace_bytes`."""
        return 0

    def tangent(self) -> NoReturn:
        """See `Model.tangent`."""
        raise _refuse(self.step)


@final
class UserTangentKernel(StepByStep):
    """Steps of pairs; they go forward only.  See `Kernel`."""

    __slots__ = ("_form", "_jvp", "_params", "_primal", "_step", "_stepper", "_tangent_row")

    def __init__(
        self, step: Step, form: Form, primal: Form, params: list[Any], inputs: list[Any]
    ) -> None:
        assert step._jvp is not None  # `UserModel.tangent` refuses such a step
        self._jvp: Callable[..., Any] = step._jvp
        self._step = step
        self._form = form
        self._primal = primal
        values, tangents = _split(primal.params, params)
        input_values: list[Any] = []
        self._tangent_row: Callable[[int], Any] | None = None
        if primal.inputs is not None:
            input_values, input_tangents = _split(primal.inputs, inputs)
            self._tangent_row = row_reader(
                primal.inputs.cotangents, primal.inputs.cotangents.read_only(input_tangents)
            )
        self._stepper = Stepper(step, primal, values, input_values)
        self._params = primal.params.cotangents.build_read_only(tangents)

    def bind_gradients(self, gradients: Gradients) -> None:
        """Raise: it goes forward only."""
        raise _refuse(self._step)

    def advance(self, state: Leaves, start: int, stop: int) -> Leaves:
        """See `Kernel.advance`."""
        layout, stepper = self._primal.state, self._stepper
        for k in range(start, stop):
            values, tangents = _split(layout, state)
            # Copies: a jvp may overwrite the state that it is given, and so may the step.
            args = [layout.build([leaf.copy() for leaf in values]), stepper.params, k]
            if stepper.row is not None:
                args.append(stepper.row(k))
            args += [layout.cotangents.build(tangents), self._params]
            if self._tangent_row is not None:
                args.append(self._tangent_row(k))
            try:
                found, structure = Layout.of(self._jvp(*args), "dstate")
            except Exception as error:
                blame(error, f"the jvp of step {k}")
                raise
            _require_like(layout, found, structure, k)
            pushed = [
                np.array(leaf, dtype, order="C", copy=True)
                for leaf, dtype, flag in zip(
                    found, layout.cotangents.dtypes, layout.differentiable, strict=True
                )
                if flag
            ]
            state = [*stepper.advance(values, k, k + 1), *pushed]
        return state

    def record(self, state: Leaves, start: int, stop: int) -> tuple[Tape, Leaves]:
        """Raise: it goes forward only."""
        raise _refuse(self._step)

    def pull(self, state: Leaves, k: int, cotangent: Leaves) -> Leaves:
        """Raise: it goes forward only."""
        raise _refuse(self._step)


def _split(layout: Layout, leaves: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the values and the tangents of pairs; integer leaves have zeros."""
    n = len(layout.shapes)
    rest = iter(leaves[n:])
    zeros = layout.cotangents.zeros()
    tangents = [
        next(rest) if flag else zero
        for flag, zero in zip(layout.differentiable, zeros, strict=True)
    ]
    return list(leaves[:n]), tangents


def _require_like(layout: Layout, found: list[Any], other: Layout, k: int) -> None:
    shapes = [np.shape(leaf) for leaf in found]
    if other.structure != layout.structure or shapes != list(layout.shapes):
        raise ShapeError(
            f"the jvp of step {k} returned shapes {shapes} in {other.structure!r}; it must return "
            f"a tangent of the state, {list(layout.shapes)} in {layout.structure!r}."
        )


def _refuse(step: Step) -> NotDifferentiableError:
    return NotDifferentiableError(
        f"a second derivative goes through {step.__qualname__}, whose derivatives are given as "
        "functions; differentiate the gradient by differences, or write the step in NumPy."
    )


def refuse_forward(step: Step) -> NotDifferentiableError:
    """Return the error for a step without a jvp in forward mode."""
    return NotDifferentiableError(
        f"{step.__qualname__} has no jvp, which forward mode needs; decorate a function "
        "(state, params, k, dstate, dparams) -> dstate_next with @step.jvp, or use reverse mode."
    )

"""One step, called in the ways that a check needs: plainly, by its tape, by its derivatives."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.running.program import Program
from revolve_ad.errors import ParameterError, StructureError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import NOTHING, Layout
from revolve_ad.simulation.arrays.sums import checked
from revolve_ad.simulation.steps.blame import blame
from revolve_ad.simulation.steps.recording import RoleTape, record_step
from revolve_ad.simulation.steps.user_step import Step
from revolve_ad.verify.direction import Array

__all__ = ["OneStep", "Point"]

Point = list[Array]
"""The leaves of state, params and row of inputs, one after the other, as arrays of our own."""


@final
class OneStep:
    """A step and the form of its arguments.

    Parameters
    ----------
    step : callable
        The user's step, or a `Step`.
    state, params, inputs_k
        The arguments; `inputs_k` is None for a step without inputs.
    k : int
        Which step.

    Attributes
    ----------
    form : Form
        What the arguments look like.
    point : Point
        Their values, copied.
    layouts : tuple of Layout
        Of state, params and row.
    """

    def __init__(
        self, step: Callable[..., Any], state: Any, params: Any, k: int, inputs_k: Any
    ) -> None:
        if not callable(step):
            raise ParameterError(f"step is {step!r}; give a function (state, params, k) -> state.")
        self.step = step
        self.k = k
        self.function: Callable[..., Any] = step.function if isinstance(step, Step) else step
        state_leaves, state_layout = Layout.of(state, "state")
        params_leaves, params_layout = Layout.of(params, "params")
        self.has_inputs = inputs_k is not None
        row_leaves: list[Any] = []
        row_layout = NOTHING
        inputs_layout = None
        if self.has_inputs:
            row_leaves, row_layout = Layout.of(inputs_k, "inputs_k")
            inputs_layout = Layout.of(
                row_layout.structure.unflatten(_rows(row_leaves, 1)), "inputs"
            )[1]
        self.form = Form(state_layout, params_layout, inputs_layout)
        self.layouts = (state_layout, params_layout, row_layout)
        self.point: Point = [
            leaf
            for layout, leaves in zip(
                self.layouts, (state_leaves, params_leaves, row_leaves), strict=True
            )
            for leaf in layout.copy_in(leaves)
        ]
        self.paths = [path for layout in self.layouts for path in layout.paths]
        self.differentiable = [flag for layout in self.layouts for flag in layout.differentiable]

    @property
    def user(self) -> Step | None:
        """The step, if it has a vjp of its own."""
        return self.step if isinstance(self.step, Step) and self.step.has_vjp else None

    def split(self, point: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return the leaves of state, params and row."""
        n = len(self.layouts[0].shapes)
        m = n + len(self.layouts[1].shapes)
        return list(point[:n]), list(point[n:m]), list(point[m:])

    def call(self, point: Point, k: int) -> Point:
        """Run the step itself on `point`, which it may write into; return the next state."""
        return self.form.state.adopt(self._value(point, k), f"step {k}")

    def _value(self, point: Point, k: int) -> Any:
        built = [
            layout.build(part) for layout, part in zip(self.layouts, self.split(point), strict=True)
        ]
        args = [built[0], built[1], k, *([built[2]] if self.has_inputs else [])]
        try:
            return self.function(*args)
        except Exception as error:
            blame(error, f"step {k}")
            raise

    def copy(self, point: Point) -> Point:
        """Return a copy of the point."""
        return [leaf.copy() for leaf in point]

    # -- a recorded step --

    def record(self, point: Point, k: int) -> RoleTape:
        """Record the step."""
        state, params, row = self.split(self.copy(point))
        return record_step(self.function, self.form, state, params, _rows(row, k + 1), k)[0]

    def values(self, point: Point, k: int) -> list[Any]:
        """Return the inputs of a tape of the step."""
        state, params, row = [
            layout.numpy(part) for layout, part in zip(self.layouts, self.split(point), strict=True)
        ]
        return [*state, *params, np.int64(k), *row]

    def replay(self, tape: RoleTape, point: Point, k: int) -> Point:
        """Run the tape on a point."""
        return self.form.state.arrays(tape.forward.run(self.values(point, k)))

    def pull_tape(self, tape: RoleTape, cotangent: Point) -> list[Any]:
        """Return the cotangent of each leaf of the point, None for those without."""
        given = self.form.state.cotangents.numpy(cotangent)
        used = [np.array(g)[()] for g in given]  # the program overwrites them
        found = iter(tape.reverse.run([*self.values(self.point, self.k), *used]))
        return [next(found) if flag else None for flag in self.differentiable]

    def push_tape(self, tape: RoleTape, tangent: Sequence[Any]) -> list[Any]:
        """Return the tangent of each leaf of the next state."""
        values: list[Any] = []
        pushed = tape.tangent
        for number, (layout, leaves, moves) in enumerate(
            zip(self.layouts, self.split(self.point), self.split(tangent), strict=True)
        ):
            if number == 2:
                values.append(np.int64(self.k))
            values += layout.numpy(leaves)
            values += [
                np.asarray(move, dtype)[()] if shape == () else np.asarray(move, dtype)
                for move, shape, dtype in zip(moves, layout.shapes, layout.dtypes, strict=True)
                if move is not None
            ]
        outputs = Program(pushed.tape).run(values)
        found = iter(outputs[len(self.form.state.shapes) :])
        return [next(found) if flag else None for flag in self.form.state.differentiable]

    # -- a step with derivatives of its own --

    def pull_user(self, step: Step, point: Point, cotangent: Point) -> list[Any]:
        """Call the user's vjp; it may write into the state and the cotangent that it is given."""
        assert step._vjp is not None
        state, params, row = [
            layout.build(part) for layout, part in zip(self.layouts, self.split(point), strict=True)
        ]
        given = self.form.state.cotangents.build(cotangent)
        args = [state, params, self.k, *([row] if self.has_inputs else []), given]
        origin = f"the vjp of step {self.k}"
        try:
            result = step._vjp(*args)
        except Exception as error:
            blame(error, origin)
            raise
        wanted = 3 if self.has_inputs else 2
        if type(result) is not tuple or len(result) != wanted:
            names = ["state_cotangent", "params_cotangent", "inputs_cotangent"][:wanted]
            raise StructureError(
                f"{origin} must return ({', '.join(names)}), None meaning zero; it returned "
                f"{result!r}."
            )
        found: list[Any] = []
        for layout, part in zip(self.layouts, result, strict=False):
            found += [
                np.zeros(shape, dtype) if leaf is None else np.array(leaf, copy=True)
                for leaf, shape, dtype in zip(
                    checked(part, layout.cotangents, self.k),
                    layout.shapes,
                    layout.cotangents.dtypes,
                    strict=True,
                )
            ]
        return [
            leaf if flag else None for leaf, flag in zip(found, self.differentiable, strict=True)
        ]

    def push_user(self, step: Step, tangent: Sequence[Any]) -> list[Any]:
        """Call the user's jvp."""
        assert step._jvp is not None
        parts = self.split(self.copy(self.point))
        moves = self.split(tangent)
        built = [layout.build(part) for layout, part in zip(self.layouts, parts, strict=True)]
        dbuilt = []
        for layout, part in zip(self.layouts, moves, strict=True):
            own = layout.cotangents
            filled = [
                np.zeros(shape, dtype) if move is None else np.asarray(move, dtype)
                for move, shape, dtype in zip(part, own.shapes, own.dtypes, strict=True)
            ]
            dbuilt.append(own.build(filled))
        rows = self.has_inputs
        args = [built[0], built[1], self.k, *([built[2]] if rows else []), dbuilt[0], dbuilt[1]]
        args += [dbuilt[2]] if rows else []
        result = step._jvp(*args)
        return list(trees.flatten_like(self.form.state.structure, result, "tangent of the state"))

    def advance_user(self, step: Step, point: Point, n: int) -> Point:
        """Call the user's advance over `n` steps that all have the same row of inputs."""
        assert step._advance is not None
        state, params, row = self.split(point)
        built = [self.layouts[0].build(state), self.layouts[1].build(params)]
        rows = [self.layouts[2].structure.unflatten(_rows(row, n))] if self.has_inputs else []
        value = step._advance(*built, self.k, self.k + n, *rows)
        return self.form.state.adopt(value, f"advance from state {self.k} to {self.k + n}")


def _rows(row: Sequence[Any], n: int) -> list[Any]:
    """Return arrays of `n` equal rows, in the memory of one."""
    return [np.broadcast_to(leaf, (n, *np.shape(leaf))) for leaf in row]

"""Records a step, and `observe`, as tapes whose inputs and outputs have known roles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.builder import Builder
from revolve_ad.ad.core import CAST
from revolve_ad.ad.passes.hoist import Hoisted, hoist
from revolve_ad.ad.passes.interleave import interleaved
from revolve_ad.ad.passes.regroup import regroup
from revolve_ad.ad.passes.simplify import simplify
from revolve_ad.ad.passes.transform import jvp, vjp
from revolve_ad.ad.recording.call import Around, Recording, trace
from revolve_ad.ad.running.arena import Arena
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.tape import Tape
from revolve_ad.simulation.arrays.addends import Addends
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import NOTHING, Layout, Leaves
from revolve_ad.simulation.steps.blame import blame
from revolve_ad.simulation.steps.condition import Condition
from revolve_ad.simulation.steps.lines import Lines
from revolve_ad.simulation.steps.signature import STEP_CALL, STEP_CALL_WITH_INPUTS
from revolve_ad.simulation.steps.writes import written_leaves

if TYPE_CHECKING:  # the compiler is loaded where it is first of use
    from revolve_ad.native import Loop, Refusal

__all__ = ["LoopTape", "RoleTape", "record_observe", "record_step", "step_arguments"]

# Bounds on what is computed once before a loop and held through it.
MIN_HOISTED_BYTES = 1 << 12
MAX_HOISTED_STATES = 4

MOST_LOCATED = 50_000
"""Operations from which a step isn't recorded a second time to learn its lines: about a second."""


@dataclass(frozen=True, eq=False)
class RoleTape:
    """A tape of one step or of one observation.

    Attributes
    ----------
    tape : Tape
        Inputs: the leaves of the state, of the params, k, the leaves of a row of inputs (of a step
        alone), and of the hidden params.
    groups : tuple of Layout
        The layouts of the state, the params, the row and the hidden params, in this order.
    result : Layout
        The layout of the outputs.
    arena : Arena
        The memory of the programs of the tape, which run one after the other.
    n_values : int or None
        Of a tape of pairs (value, tangent), how many nodes at its beginning are about values.
    condition : Condition or None
        For which inputs a tape that depends on values holds, if that can be told.
    writes : bool
        Whether the function, as it was recorded, wrote into an array of its arguments.
    """

    tape: Tape
    groups: tuple[Layout, Layout, Layout, Layout]
    result: Layout
    arena: Arena = field(default_factory=Arena)
    n_values: int | None = None
    condition: Condition | None = None
    writes: bool = True

    @cached_property
    def forward(self) -> Program:
        """The tape itself, ready to run; a leaf that it passes on is returned as it came."""
        tape = self.tape if self.n_values is None else interleaved(self.tape, self.n_values)
        return Program(simplify(tape), shared=True, arena=self.arena)

    def native(self, observation: RoleTape | None = None) -> Loop | Refusal:
        """The tape of a step as native code, with an observation if there is one; or why not."""
        found = self._native.get(observation)
        if found is None:
            from revolve_ad.native import Layout as Roles
            from revolve_ad.native import compile_loop

            roles = Roles(*(len(group.shapes) for group in self.groups))
            observe = None if observation is None else observation.tape
            found = self._native[observation] = compile_loop(self.tape, roles, observe=observe)
        return found

    @cached_property
    def _native(self) -> dict[RoleTape | None, Loop | Refusal]:
        return {}

    def lines(self, look: Callable[[], Lines] | None) -> Lines | None:
        """Return which lines of the step do what, looked up once; None where that takes long."""
        if self._lines or look is None or len(self.tape.nodes) > MOST_LOCATED:
            return self._lines[0] if self._lines else None
        try:
            self._lines.append(look())
        except Exception:  # a step that can run only once: it does without lines
            return None
        return self._lines[0]

    @cached_property
    def _lines(self) -> list[Lines]:
        return []

    @cached_property
    def inside(self) -> list[Any]:
        """The calls of simulations inside of it; each knows its `needs`."""
        return [node.params[-1] for node in self.tape.nodes if node.op.name == "simulate"]

    @cached_property
    def wrt(self) -> list[int]:
        """The numbers of the inputs that have a cotangent."""
        state, params, row, hidden = self.groups
        flags = (
            *state.differentiable,
            *params.differentiable,
            False,  # k
            *row.differentiable,
            *hidden.differentiable,
        )
        return [i for i, flag in enumerate(flags) if flag]

    @cached_property
    def reverse(self) -> Program:
        """Inputs and cotangents of the outputs in, cotangents of the inputs `wrt` out.

        The arrays of the cotangents are used up.
        """
        return Program(self._pulled, donated=self._seeds, arena=self.arena)

    @cached_property
    def addends(self) -> Addends:
        """The same for the tape of an observation, with addends for the cotangents."""
        return Addends(self._pulled, sum(self.groups[0].differentiable), self._seeds, self.arena)

    @cached_property
    def _pulled(self) -> Tape:
        return regroup(simplify(vjp(simplify(self.tape), self.wrt)))

    @property
    def _seeds(self) -> range:
        """The numbers of the inputs of the reverse tape that are cotangents."""
        return range(len(self.tape.inputs), len(self._pulled.inputs))

    @cached_property
    def loop(self) -> LoopTape | None:
        """The same in two parts, for a loop in which params and hidden params stay; or None."""
        state, params, row, hidden = self.groups
        first = len(state.shapes)
        last = first + len(params.shapes) + 1 + len(row.shapes)
        fixed = [*range(first, first + len(params.shapes))]
        fixed += range(last, last + len(hidden.shapes))
        split = hoist(simplify(self.tape), fixed)
        # Worth it for arrays; a few numbers are computed again faster than they are handed on.
        if split is None or split.nbytes < MIN_HOISTED_BYTES:
            return None
        if split.nbytes > MAX_HOISTED_STATES * (state.nbytes + params.nbytes):
            return None
        return LoopTape(self, split, fixed)

    @property
    def workspace_bytes(self) -> int:
        """The array bytes of a loop over the tape, beside states, cotangents and sums."""
        if self.loop is not None:
            return self.loop.nbytes
        return max(self.forward.bytes, self.reverse.bytes)

    @cached_property
    def tangent(self) -> RoleTape:
        """The tape of the pair (value, tangent): every group is doubled by its tangents."""
        pushed = jvp(self.tape, self.wrt)
        n = len(self.tape.inputs)
        seeds = iter(pushed.inputs[n:])
        inputs: list[int] = []
        start = 0
        for number, group in enumerate(self.groups):
            if number == 2:
                inputs.append(pushed.inputs[start])  # k
                start += 1
            stop = start + len(group.shapes)
            inputs += pushed.inputs[start:stop]
            inputs += [next(seeds) for flag in group.differentiable if flag]
            start = stop
        primal = list(pushed.outputs[: len(self.tape.outputs)])
        tangents = pushed.outputs[len(self.tape.outputs) :]
        primal += [i for i, flag in zip(tangents, self.result.differentiable, strict=True) if flag]
        state, params, row, hidden = self.groups
        return RoleTape(
            Tape(pushed.nodes, tuple(inputs), tuple(primal), pushed.depends_on_values),
            (state.doubled, params.doubled, row.doubled, hidden.doubled),
            self.result.doubled,
            n_values=len(self.tape.nodes),
        )


class LoopTape:
    """A tape whose params alone decide some of its values: those are computed before the loop.

    Parameters
    ----------
    tape : RoleTape
        The tape as a whole.
    split : Hoisted
        Its two parts.
    fixed : sequence of int
        The numbers of its inputs that stay the same: params and hidden params.

    Attributes
    ----------
    prologue : Program
        From the fixed inputs to the values that were moved out of the loop.
    forward : Program
        The rest of the tape, which gets those values as further inputs.  A leaf that it passes on
        is returned as it came.
    reverse : Program
        Its reverse.  In go the inputs of `forward`, the cotangents of its outputs and, for each
        moved value that has a derivative, the sum of its cotangents over the steps so far; the
        arrays of both are used up.  Out come a cotangent for each input that `given` says, and the
        new sums.
    given : tuple of bool
        For each of ``tape.wrt`` whether `reverse` gives its cotangent; else it is zero.
    types : list of ArrayType
        Of the moved values that have a derivative.
    back : Program
        From the fixed inputs and the summed cotangents of the moved values to the cotangents of
        the fixed inputs `back_to`.
    nbytes : int
        The array bytes of a loop, beside states, cotangents and the gradient's own sums.
    """

    def __init__(self, tape: RoleTape, split: Hoisted, fixed: Sequence[int]) -> None:
        main, prologue = split.main, split.prologue
        n = len(tape.tape.inputs)
        moved = main.inputs[n:]
        floats = [k for k, i in enumerate(moved) if main.nodes[i].dtype.kind in "fc"]
        read = {a for node in main.nodes for a in node.args} | set(main.outputs)
        n_state = len(tape.groups[0].shapes)
        self.given = tuple(number < n_state or main.inputs[number] in read for number in tape.wrt)
        wrt = [number for number, given in zip(tape.wrt, self.given, strict=True) if given]
        self.types = [main.type_of(moved[k]) for k in floats]
        first = tuple(prologue.inputs[number] for number in fixed)
        arena = tape.arena
        self.prologue = Program(Tape(prologue.nodes, first, prologue.outputs), arena=arena)
        self.forward = Program(main, shared=True, arena=arena)
        pulled = _summed(vjp(main, [*wrt, *(n + k for k in floats)]), len(wrt))
        used_up = range(len(main.inputs), len(pulled.inputs))
        self.reverse = Program(regroup(simplify(pulled)), donated=used_up, arena=arena)
        self.back_to = [k for k, number in enumerate(fixed) if number in set(tape.wrt)]
        ends = tuple(prologue.outputs[k] for k in floats)
        back = simplify(vjp(Tape(prologue.nodes, first, ends), self.back_to))
        self.back = Program(back, arena=arena)

        sums = sum(prod(t.shape) * (16 if t.dtype.kind == "c" else 8) for t in self.types)
        values = sum(prod(t.shape) * t.dtype.itemsize for t in self.types)
        results = sum(
            prod(t.shape) * t.dtype.itemsize
            for t in (prologue.type_of(first[k]) for k in self.back_to)
        )
        busy = max(
            self.prologue.bytes,
            self.forward.bytes,
            self.reverse.bytes + values,
            self.back.bytes + values + results,
        )
        self.nbytes = split.nbytes + sums + busy


def _summed(tape: Tape, start: int) -> Tape:
    """Add the outputs from `start` on to further inputs: sums in float64 or complex128."""
    builder = Builder(tape.nodes)
    inputs, outputs = list(tape.inputs), list(tape.outputs)
    for number in range(start, len(outputs)):
        part = builder.symbol(outputs[number])
        dtype = np.result_type(part.dtype, np.float64)
        inputs.append(builder.input(part.shape, dtype, "sum"))
        if part.dtype != dtype:
            part = part.apply(CAST, params=(dtype,))
        outputs[number] = (builder.symbol(inputs[-1]) + part).id
    return builder.tape(inputs, outputs, tape.depends_on_values)


def record_step(
    step: Callable[..., Any],
    form: Form,
    state: Leaves,
    params: Sequence[Any],
    inputs: Sequence[Any],
    k: int,
    around: Around | None = None,
    *,
    slices_leave: bool = False,
) -> tuple[RoleTape, Leaves, Around]:
    """Run step `k` on traced arrays.

    Parameters
    ----------
    step : callable
        The user's step.
    form : Form
        What the arguments look like.
    state : list of ndarray
        The leaves of state `k`; they stay as they are.
    params, inputs : sequence
        The leaves of the params, and of the inputs of all steps.
    around : Around, optional
        The traced values that the step read when it was first recorded, with their plain values.
    slices_leave : bool
        Whether a slice that moves leaves its array in another step, so that the tape isn't that of
        all steps.

    Returns
    -------
    tape : RoleTape
        What the step did.
    next_state : list of ndarray
        The leaves of state `k` + 1.
    around : Around
        Traced values of an outer recording that the step read.
    """
    rows = NOTHING if form.inputs is None else form.inputs.rows
    args, read_only = step_arguments(form, state, params, inputs, k)
    where = f"step {k}, while it was recorded"
    try:
        made = trace(step, args, read_only=read_only, around=around)
        if slices_leave:
            made = _with_leaving_slices(made)
        leaves = form.state.adopt(made.value, f"step {k}")
    except Exception as error:
        blame(
            error,
            where,
            lambda: written_leaves(step, form, params, _rows(form, inputs, k), k),
            (step, STEP_CALL if form.inputs is None else STEP_CALL_WITH_INPUTS),
        )
        raise
    # The outputs stand as the step returned them: a dict may hold its keys in another order.
    numbers = made.structure.unflatten(range(made.structure.n_leaves))
    order = trees.flatten_like(form.state.structure, numbers)
    tape = _with_outputs(made.tape, order, form.state)
    groups = (form.state, form.params, rows, _hidden_layout(made.hidden))
    return (
        RoleTape(tape, groups, form.state, condition=_condition(made, groups), writes=made.writes),
        leaves,
        made.around,
    )


def step_arguments(
    form: Form, state: Leaves, params: Sequence[Any], inputs: Sequence[Any], k: int
) -> tuple[tuple[Any, ...], tuple[bool, ...]]:
    """Return what step `k` is called with when it is recorded, and what of it it mustn't write."""
    args: tuple[Any, ...] = (form.state.build(state), form.params.build_read_only(params), k)
    if form.inputs is not None:
        row = [_row(leaf, k) for leaf in inputs]
        args = (*args, form.inputs.rows.build_read_only(row))
    return args, (False, True, False, True)[: len(args)]


def _rows(form: Form, inputs: Sequence[Any], k: int) -> list[Any] | None:
    return None if form.inputs is None else [_row(leaf, k) for leaf in inputs]


def record_observe(
    observe: Callable[..., Any],
    form: Form,
    state: Leaves,
    params: Sequence[Any],
    k: int,
    result: Layout | None = None,
    around: Around | None = None,
    *,
    slices_leave: bool = False,
) -> tuple[RoleTape, Leaves, Around]:
    """Run `observe` of state `k` on traced arrays, into the form `result` if there is one already.

    See `record_step`.
    """
    args = (form.state.build_read_only(state), form.params.build_read_only(params), k)
    try:
        made = trace(observe, args, read_only=(True, True, False), around=around)
        if slices_leave:
            made = _with_leaving_slices(made)
        if result is None:
            leaves, layout = Layout.of(made.value, "observation")
        else:
            leaves, layout = result.adopt(made.value, f"observe at state {k}"), result
    except Exception as error:
        blame(
            error,
            f"observe at state {k}, while it was recorded",
            called=(observe, "observe(state, params, k)"),
        )
        raise
    # As in `record_step`: a dict may come with its keys in another order.
    numbers = made.structure.unflatten(range(made.structure.n_leaves))
    order = trees.flatten_like(layout.structure, numbers)
    tape = _with_outputs(made.tape, order, layout)
    groups = (form.state, form.params, NOTHING, _hidden_layout(made.hidden))
    return (
        RoleTape(tape, groups, layout, condition=_condition(made, groups)),
        layout.copy_in(leaves),
        made.around,
    )


def _with_leaving_slices(made: Recording) -> Recording:
    if made.tape.depends_on_values is not None or made.seen == ():
        return made
    why = "a slice that moves leaves its array in some steps"
    return replace(made, tape=replace(made.tape, depends_on_values=why))


def _condition(made: Recording, groups: tuple[Layout, ...]) -> Condition | None:
    if made.tape.depends_on_values is None or not made.seen:
        return None
    return Condition(made.tape, made.seen, groups)


def _row(leaf: Any, k: int) -> Any:
    """Return row `k`; ones in a run of no steps, which has no rows but is recorded all the same."""
    return leaf[k] if len(leaf) else np.ones(np.shape(leaf)[1:], leaf.dtype)[()]


def _hidden_layout(hidden: tuple[Any, ...]) -> Layout:
    return Layout.of(hidden, "hidden")[1]


def _with_outputs(tape: Tape, order: Sequence[int], layout: Layout) -> Tape:
    """Return the tape with its outputs in order, each cast to the dtype of its leaf."""
    builder = Builder(tape.nodes)
    outputs = []
    for number, dtype in zip(order, layout.dtypes, strict=True):
        i = tape.outputs[number]
        if tape.nodes[i].dtype != dtype:
            i = builder.apply(CAST, [i], (np.dtype(dtype),))
        outputs.append(i)
    return builder.tape(tape.inputs, outputs, tape.depends_on_values).pruned()

"""From the tape of a step to loops for its forward part and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from revolve_ad.ad.tape import Tape
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.dependence import set_free
from revolve_ad.native.rolling.detect import roll
from revolve_ad.native.rolling.interchange import interchanged
from revolve_ad.native.rolling.making import trimmed
from revolve_ad.native.rolling.merge import merged
from revolve_ad.native.rolling.passes import hoisted, pruned, shared
from revolve_ad.native.rolling.records import Program, lowered
from revolve_ad.native.rolling.registers import in_registers
from revolve_ad.native.rolling.reversing import Reversing, whole
from revolve_ad.native.rolling.tree import Statement, Values, listing
from revolve_ad.native.rolling.unfold import unfolded

__all__ = ["Rolled", "forward_program", "rolled_items"]


@dataclass(slots=True)
class Rolled:
    """The loops of a step.

    Attributes
    ----------
    values : Values
        The values of all parts.
    forward : list of Statement
        From the buffers x to the buffers y.
    again : list of Statement
        What the reverse needs of the forward part, beside the state after the step.
    reverse : list of Statement
        In place on the buffers g.
    outputs : list of Buffer
        The leaves of the next state: a buffer of kind "x" is passed on.
    constants : list of (Buffer, ndarray)
        Constant arrays.
    reads_next : bool
        Whether the reverse reads the state after the step: buffers w.
    """

    values: Values
    forward: list[Statement]
    again: list[Statement]
    reverse: list[Statement]
    outputs: list[Buffer]
    constants: list[tuple[Buffer, np.ndarray]]
    reads_next: bool

    def __str__(self) -> str:
        parts = (
            ("forward", self.forward),
            ("forward again", self.again),
            ("reverse", self.reverse),
        )
        return "\n".join(
            f"{name}:\n{listing(body, '    ')}" for name, body in parts if body or name == "forward"
        )


def rolled_items(tape: Tape, kinds: Sequence[tuple[str, int]]) -> tuple[Program, list[Any]]:
    """Return the records of a tape, and what remains of them when loops are found."""
    program = lowered(tape, kinds)
    items = roll(program.items)
    outside = {id(item) for item in items}
    # An array that a loop makes anew in each pass is no result: what the last pass has made is.
    lost = {
        j
        for j, (_, item) in enumerate(program.outputs)
        if item is not None and id(item) not in outside
    }
    if lost:
        program = lowered(tape, kinds, apart=lost)
        items = roll(program.items)
    return program, items


def forward_program(
    program: Program,
    items: list[Any],
    *,
    computed: Sequence[int],
    floats: Sequence[int],
    sums: dict[Buffer, Buffer],
) -> Rolled:
    """Return the loops of a step and of its adjoint.

    Parameters
    ----------
    program : Program
        The records.
    items : list of Item
        The same, rolled.
    computed : sequence of int
        The leaves of the state that the step computes.
    floats : sequence of int
        The leaves of the state that have cotangents.
    sums : dict of Buffer to Buffer
        For the float inputs other than the state, where their cotangents are added up.
    """
    values = Values(n_buffers=len(program.arrays))
    body = unfolded(program, items, values)
    outputs: list[Buffer] = []
    for j, (buffer, _) in enumerate(program.outputs):
        if j in computed and (buffer.kind == "x" or buffer in outputs):
            copy = values.buffer("temp", buffer.shape, buffer.dtype)
            body.append(whole(values, buffer, copy))
            buffer = copy
        outputs.append(buffer)
    body = shared(body)
    body = pruned(body, set(), set(outputs))
    set_free(body)
    body = interchanged(pruned(shared(merged(body)), set(), set(outputs)))
    for c in computed:
        outputs[c].name = f"y{c}"
    reversing = Reversing(body, values, program.inputs, outputs, computed, floats, sums)
    made = reversing.best()
    return Rolled(
        values,
        in_registers(hoisted(trimmed(body, set(outputs), values)), values),
        in_registers(hoisted(trimmed(made.again, made.read, values)), values),
        in_registers(made.reverse, values),
        outputs,
        program.constants,
        made.reads_next,
    )

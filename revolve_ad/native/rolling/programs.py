"""From the tape of a step to loops for its forward part and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from revolve_ad.ad.tape import Tape
from revolve_ad.native.rolling.adjoint import active_buffers, reversed_loops, with_tapes
from revolve_ad.native.rolling.buffers import STABLE, Buffer
from revolve_ad.native.rolling.dependence import set_free
from revolve_ad.native.rolling.detect import roll
from revolve_ad.native.rolling.factoring import factored_loops
from revolve_ad.native.rolling.merge import merged, read_once
from revolve_ad.native.rolling.part import parted
from revolve_ad.native.rolling.passes import hoisted, pruned, settled, shared
from revolve_ad.native.rolling.records import Program, lowered
from revolve_ad.native.rolling.registers import in_registers
from revolve_ad.native.rolling.source import buffers_of
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    listing,
)
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
    return program, roll(program.items)


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
    body = pruned(shared(merged(body)), set(), set(outputs))
    for c in computed:
        outputs[c].name = f"y{c}"
    used = buffers_of(body)
    active_inputs = {b for b in program.inputs if b.dtype.kind in "fc"}
    active, values_active = active_buffers(body, active_inputs, values)

    # Cotangents: g in place for the leaves of the next state, sums for params.
    bars: dict[Buffer, Buffer] = {}
    zeroed: list[Buffer] = []
    start: list[Statement] = []
    cotangents = {
        j: Buffer("g", n, outputs[j].shape, outputs[j].dtype, f"g{n}") for n, j in enumerate(floats)
    }

    def bar(buffer: Buffer) -> Buffer:
        found = values.buffer("bar", buffer.shape, buffer.dtype)
        zeroed.append(found)
        return found

    leaves = {b.number: b for b in program.inputs if b.kind == "x"}
    linked: set[int] = set()
    for j in floats:
        out = outputs[j]
        if out.kind == "x":
            if out.number == j:
                linked.add(j)
        elif out.copied is leaves[j] and _copies(body, out):
            linked.add(j)
    for buffer in [*used, *leaves.values()]:
        if buffer in sums:
            bars[buffer] = sums[buffer]
        elif buffer in active and buffer not in bars and buffer not in outputs:
            bars[buffer] = bar(buffer)
    for j in floats:
        out = outputs[j]
        if out.kind != "x":
            bars[out] = cotangents[j]
    for buffer in sums:
        if buffer.kind == "row":
            zeroed.append(sums[buffer])
    for j in floats:
        out = outputs[j]
        if out.kind == "x" and out.number != j:
            if out not in bars:
                bars[out] = bar(out)
            start.append(whole(values, cotangents[j], bars[out], add=True))
    once = read_once(body) - set(outputs)
    skipped = {id(s) for s in body if _copied_whole(s) in {outputs[j] for j in linked}}
    adjoint = reversed_loops(body, values, bars, values_active, skipped, once)
    pushed = {*buffers_of(adjoint.body), *buffers_of(start)}
    end: list[Statement] = []
    for j in floats:
        own = bars.get(leaves[j])
        if own is not None and own in pushed:
            end.append(whole(values, own, cotangents[j], add=j in linked))
        elif j not in linked:
            end.append(filled(values, cotangents[j]))
    whole_bars = {bars[b] for b in once if b in bars}
    begin = [filled(values, b) for b in zeroed if b in pushed and b not in whole_bars]
    reverse = [*begin, *start, *adjoint.body, *end]
    reverse = settled(shared(reverse), values)
    kept = {b for b in buffers_of(reverse) if b.kind in ("g", "sum", "rbar")}
    reverse = hoisted(parted(pruned(reverse, set(), kept), values))
    reverse = hoisted(factored_loops(reverse, values))

    # The forward part again, as far as the reverse reads it.
    read = {b for b in buffers_of(reverse) if b.kind in ("temp", "tape")}
    following = {out for out in outputs if out.kind == "temp" and out in read}
    kept_states = {
        outputs[c]: Buffer("next", c, outputs[c].shape, outputs[c].dtype, f"w{c}") for c in computed
    }
    again = [from_next(s, kept_states) for s in with_tapes(body, adjoint.kept)]
    again = pruned(again, set(), read - following)
    reads_next = bool(following) or any(b.kind == "next" for b in buffers_of(again))
    return Rolled(
        values,
        in_registers(hoisted(body), values),
        in_registers(hoisted(again), values),
        in_registers(reverse, values),
        outputs,
        program.constants,
        reads_next,
    )


def from_next(s: Statement, kept: dict[Buffer, Buffer]) -> Statement:
    """Return a statement that reads final elements of the next state from where it is kept."""
    if isinstance(s, Loop):
        body = [from_next(t, kept) for t in s.body]
        return Loop(s.name, s.count, body, s.free, s.carried)
    if isinstance(s, Load) and s.flags & STABLE and s.access.buffer in kept:
        return Load(s.out, Access(kept[s.access.buffer], s.access.at), s.flags)
    return s


def whole(values: Values, source: Buffer, target: Buffer, *, add: bool = False) -> Loop:
    """Return a copy of a whole array, or its addition."""
    loop, value = values.loop(), values.new(source.dtype)
    at = Affine(0).moved(loop, 1)
    load = Load(value, Access(source, at))
    put = Add(Access(target, at), value) if add else Store(Access(target, at), value, True)
    return Loop(loop, Affine(source.size), [load, put], free=True)


def filled(values: Values, target: Buffer) -> Loop:
    """Return a loop that writes zeros."""
    loop = values.loop()
    let = values.literal(target.dtype.type(0).item(), target.dtype)
    at = Affine(0).moved(loop, 1)
    return Loop(loop, Affine(target.size), [let, Store(Access(target, at), let.out, True)], True)


def _copied_whole(s: Statement) -> Buffer | None:
    """Return the buffer that a statement makes as a copy of an array that never changes."""
    while isinstance(s, Loop) and len(s.body) == 1:
        s = s.body[0]
    body = s.body if isinstance(s, Loop) else []
    if len(body) != 2:
        return None
    load, store = body
    if not isinstance(load, Load) or not isinstance(store, Store):
        return None
    buffer = store.access.buffer
    if store.makes and buffer.copied is load.access.buffer and not buffer.inside:
        return buffer
    return None


def _copies(body: Sequence[Statement], buffer: Buffer) -> bool:
    return any(_copied_whole(s) is buffer for s in body)

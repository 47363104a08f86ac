"""The adjoint of a step's loops, with the part of the step that is done again for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revolve_ad.native.rolling.adjoint import active_buffers, reversed_loops, with_tapes
from revolve_ad.native.rolling.buffers import STABLE, Buffer
from revolve_ad.native.rolling.factoring import factored_loops
from revolve_ad.native.rolling.merge import merged, read_once
from revolve_ad.native.rolling.part import parted
from revolve_ad.native.rolling.passes import hoisted, pruned, settled, shared
from revolve_ad.native.rolling.source import buffers_of
from revolve_ad.native.rolling.standing import in_arrays, standing
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    statements,
)

__all__ = ["Reversed", "Reversing", "whole"]


@dataclass(frozen=True, slots=True)
class Reversed:
    """An adjoint.

    Attributes
    ----------
    reverse : list of Statement
        In place on the buffers g.
    again : list of Statement
        What it needs of the forward part, beside the state after the step.
    read : set of Buffer
        The arrays of `again` that it reads.
    reads_next : bool
        Whether either reads the state after the step: buffers w.
    kept : dict of int to Access
        The values that `again` keeps on tapes.
    found : set of int
        The values that `reverse` reads where `again` leaves them standing.
    """

    reverse: list[Statement]
    again: list[Statement]
    read: set[Buffer]
    reads_next: bool
    kept: dict[int, Access]
    found: set[int]


class Reversing:
    """What the adjoint of a step starts from.

    Parameters
    ----------
    body : sequence of Statement
        The forward part.
    values : Values
        Its values.
    inputs : sequence of Buffer
        What it reads.
    outputs : sequence of Buffer
        The leaves of the next state.
    computed, floats : sequence of int
        The leaves that the step computes, and those that have cotangents.
    sums : dict of Buffer to Buffer
        For the float inputs other than the state, where their cotangents are added up.
    """

    def __init__(
        self,
        body: Sequence[Statement],
        values: Values,
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        computed: Sequence[int],
        floats: Sequence[int],
        sums: dict[Buffer, Buffer],
    ) -> None:
        self.body, self.values, self.outputs, self.floats = body, values, outputs, floats
        self.leaves = {b.number: b for b in inputs if b.kind == "x"}
        float_inputs = {b for b in inputs if b.dtype.kind in "fc"}
        active, self.active = active_buffers(body, float_inputs, values)
        self.once = read_once(body) - set(outputs)
        self.following = {c: self._next(c) for c in computed}
        # The forward part that is done again works in arrays of its own.
        self.own = {out: _alike(values, out) for out in outputs if out.kind == "temp"}

        # Cotangents: g in place for the leaves of the next state, sums for params.
        self.bars: dict[Buffer, Buffer] = {}
        self.zeroed: list[Buffer] = []
        self.start: list[Statement] = []
        self.cotangents = {
            j: Buffer("g", n, outputs[j].shape, outputs[j].dtype, f"g{n}")
            for n, j in enumerate(floats)
        }
        self.linked: set[int] = set()
        for j in floats:
            out = outputs[j]
            if out.kind == "x":
                if out.number == j:
                    self.linked.add(j)
            elif out.copied is self.leaves[j] and _copies(body, out):
                self.linked.add(j)
        for buffer in [*buffers_of(body), *self.leaves.values()]:
            if buffer in sums:
                self.bars[buffer] = sums[buffer]
            elif buffer in active and buffer not in self.bars and buffer not in outputs:
                self.bars[buffer] = self._bar(buffer)
        for j in floats:
            out = outputs[j]
            if out.kind != "x":
                self.bars[out] = self.cotangents[j]
        for buffer in sums:
            if buffer.kind == "row":
                self.zeroed.append(sums[buffer])
        for j in floats:
            out = outputs[j]
            if out.kind == "x" and out.number != j:
                if out not in self.bars:
                    self.bars[out] = self._bar(out)
                self.start.append(whole(values, self.cotangents[j], self.bars[out], add=True))

    def best(self) -> Reversed:
        """Return the adjoint, which reads what stands in arrays rather than keep it on tapes.

        What stands there is known when a first adjoint has said what must be done again.
        """
        first = self.made({}, None)
        places = standing(first.again)
        if not first.kept.keys() & places.keys():
            return first
        second = self.made(places, first)
        there = standing(second.again)
        safe = (
            second.kept.keys() <= first.kept.keys()
            and second.read <= first.read | {places[v].buffer for v in second.found}
            and all(there.get(v) == places[v] for v in second.found)
        )
        return second if safe else first

    def made(self, places: dict[int, Access], first: Reversed | None) -> Reversed:
        """Return an adjoint, given where values stand; `first` is the one made without that."""
        values, outputs, bars = self.values, self.outputs, self.bars
        copies = {outputs[j] for j in self.linked}
        skipped = {id(s) for s in self.body if _copied_whole(s) in copies}
        adjoint = reversed_loops(self.body, values, bars, self.active, skipped, self.once, places)
        pushed = {*buffers_of(adjoint.body), *buffers_of(self.start)}
        end: list[Statement] = []
        for j in self.floats:
            leaf = bars.get(self.leaves[j])
            if leaf is not None and leaf in pushed:
                end.append(whole(values, leaf, self.cotangents[j], add=j in self.linked))
            elif j not in self.linked:
                end.append(filled(values, self.cotangents[j]))
        written = {bars[b] for b in self.once if b in bars}
        begin = [filled(values, b) for b in self.zeroed if b in pushed and b not in written]
        reverse = [*begin, *self.start, *adjoint.body, *end]
        reverse = settled(shared(reverse), values)
        kept = {b for b in buffers_of(reverse) if b.kind in ("g", "sum", "rbar")}
        reverse = parted(pruned(reverse, set(), kept), values)
        reverse = hoisted(pruned(shared(merged(reverse)), set(), kept))
        reverse = hoisted(factored_loops(reverse, values))

        # The forward part again, as far as the reverse reads it.
        read = {b for b in buffers_of(reverse) if b.kind in ("temp", "tape")}
        after = {out for out in outputs if out.kind == "temp" and out in read}
        kept_states = {outputs[c]: b for c, b in self.following.items()}
        again = [from_next(s, kept_states) for s in with_tapes(self.body, adjoint.kept)]
        again = in_arrays(again, self.own)
        if first is not None:
            # What is written over what stands there was of no use before.
            again = _without(again, read - first.read, _writes(first.again))
        again = pruned(again, set(), read - after)
        reads_next = bool(after) or any(b.kind == "next" for b in buffers_of(again))
        return Reversed(reverse, again, read - after, reads_next, adjoint.kept, adjoint.found)

    def _next(self, c: int) -> Buffer:
        out = self.outputs[c]
        return Buffer("next", c, out.shape, out.dtype, f"w{c}")

    def _bar(self, buffer: Buffer) -> Buffer:
        found = self.values.buffer("bar", buffer.shape, buffer.dtype)
        self.zeroed.append(found)
        return found


def _alike(values: Values, buffer: Buffer) -> Buffer:
    """Return another array that the forward part makes in the same way."""
    found = values.buffer("temp", buffer.shape, buffer.dtype)
    found.copied, found.inside = buffer.copied, buffer.inside
    return found


def _writes(body: Sequence[Statement]) -> set[tuple[Access, int]]:
    return {(s.access, s.value) for s in statements(body) if isinstance(s, Store | Add)}


def _without(
    body: Sequence[Statement], buffers: set[Buffer], allowed: set[tuple[Access, int]]
) -> list[Statement]:
    """Return statements without the writes to some arrays that aren't allowed."""
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            out.append(Loop(s.name, s.count, _without(s.body, buffers, allowed), s.free, s.carried))
        elif (
            not isinstance(s, Store | Add)
            or s.access.buffer not in buffers
            or (s.access, s.value) in allowed
        ):
            out.append(s)
    return out


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

"""The time loop of a step that was rolled back into loops: a `Loop` as any other.

A step that loops over single elements, or repeats blocks of array operations, is a tape too long
to be compiled as it is.  Its records are rolled into loops, these are differentiated, and the
result has the entries of every compiled step: advance, record, pull.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.builder import Builder
from revolve_ad.ad.recording.call import collector_resting
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.tape import Tape
from revolve_ad.native.compiled import Refusal
from revolve_ad.native.load import Argument, Module, indexable, without_numba, writable
from revolve_ad.native.loop import Entry, Layout, Loop
from revolve_ad.native.passes.accumulate import Assembly
from revolve_ad.native.passes.courses import Courses
from revolve_ad.native.passes.points import RefusedError
from revolve_ad.native.passes.turns import Type, labels, turns_of
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.factoring import gives_numpys_bits, only_sums
from revolve_ad.native.rolling.programs import forward_program, rolled_items
from revolve_ad.native.rolling.source import buffers_of, groups, kernel_source
from revolve_ad.native.rolling.spill import spilled
from revolve_ad.native.rolling.tree import Statement, Values, accesses_of, statements
from revolve_ad.native.source.drive import Seen, advance_source, pull_source, record_source
from revolve_ad.native.watching import Watch, watch

__all__ = ["compile_rolled"]

MOST = 3_000
"""Statements of a rolled step and its adjoint from which compiling takes too long."""

GAIN = 2.0
"""How many times shorter rolling must make a step."""

OWN = ("temp", "bar", "tape", "spill", "strip")
"""Kinds of buffers that a step works with."""

Call = tuple[str, list[str]]


def compile_rolled(
    tape: Tape, layout: Layout, *, observe: Tape | None = None, native: bool = True
) -> Loop | Refusal:
    """Plan the native loop of a step with repeated parts; see `compile_loop`.

    Returns
    -------
    Loop or Refusal
        A refusal if nothing repeats, or an operation has no form in loops over elements.
    """
    start = time.perf_counter()
    outputs, inputs = tape.outputs[: layout.state], tape.inputs
    if any(tape.type_of(i) != tape.type_of(j) for i, j in zip(inputs, outputs, strict=False)):
        return Refusal("the step changes the shape or dtype of a leaf of the state")
    if native and (missing := without_numba()) is not None:
        return Refusal(missing)
    m = layout.state
    kinds = [("x", j) for j in range(m)] + [("p", j) for j in range(layout.params)] + [("k", 0)]
    kinds += [("row", j) for j in range(layout.inputs)]
    kinds += [("p", layout.params + j) for j in range(layout.hidden)]
    try:
        with collector_resting():
            program, items = rolled_items(tape, kinds)
        if len(items) * GAIN > len(program.items):
            return Refusal(f"{len(program.items)} operations without repeated parts")
        seen = None if observe is None else watch(observe, layout.state, layout.params)
        return _Building(layout, seen, native, start).loop(program, items)
    except RefusedError as refused:
        return Refusal(f"{refused} is not rolled into loops")


class _Building:
    """Makes the parts of one `Loop`."""

    def __init__(self, layout: Layout, seen: Watch | None, native: bool, start: float) -> None:
        self.layout, self.seen, self.native, self.start = layout, seen, native, start
        self.types: dict[str, Argument] = {} if seen is None else dict(seen.types)
        self.written: dict[str, set[str]] = {}
        """The arrays that each function writes."""

    def loop(self, program: Any, items: list[Any]) -> Loop | Refusal:
        """Return the loop."""
        layout, m = self.layout, self.layout.state
        inputs = program.inputs
        leaves = {b.number: b for b in inputs if b.kind == "x"}
        state_types: list[Type] = [(leaves[j].shape, leaves[j].dtype) for j in range(m)]
        params = sorted((b for b in inputs if b.kind == "p"), key=lambda b: b.number)
        rows = [b for b in inputs if b.kind == "row"]
        passed = [b.number if b.kind == "x" else m + j for j, (b, _) in enumerate(program.outputs)]
        turns = turns_of(passed, list(range(m)), state_types)
        floats = [j for j in range(m) if state_types[j][1].kind in "fc"]
        backward = turns_of(
            list(range(len(floats))), list(range(len(floats))), [state_types[j] for j in floats]
        )
        sums: dict[Buffer, Buffer] = {}
        for b in params:
            if b.dtype.kind in "fc":
                dtype = np.result_type(b.dtype, np.float64)
                name = f"sum{len(sums)}"
                sums[b] = Buffer("sum", len(sums), b.shape, dtype, name)
        sum_types: list[Type] = [(s.shape, s.dtype) for s in sums.values()]
        cotangent_params = [k for k, b in enumerate(params) if b in sums]
        for k, b in enumerate(rows):
            if b.dtype.kind in "fc":
                sums[b] = Buffer("rbar", k, b.shape, b.dtype, f"rbar{k}")
        row_cotangents = [len(b.shape) if b in sums else -1 for b in rows]
        rolled = forward_program(program, items, computed=turns.computed, floats=floats, sums=sums)
        size = sum(
            1 for part in (rolled.forward, rolled.again, rolled.reverse) for _ in statements(part)
        )
        if size > MOST:
            return Refusal(f"{size} statements are left when repeated parts are rolled into loops")

        values = rolled.values
        bitwise = gives_numpys_bits(rolled.forward, values)
        forward_work: dict[str, Type] = {}
        forward_text, forward_calls = self.functions("step", rolled.forward, values, forward_work)
        reverse_work: dict[str, Type] = {}
        again_text, again_calls = self.functions("again", rolled.again, values, reverse_work)
        back_text, back_calls = self.functions("back", rolled.reverse, values, reverse_work)
        if rolled.reads_next:
            reverse_work |= forward_work
        next_names = {f"y{c}": f"next{c}" for c in turns.computed} if rolled.reads_next else {}
        if rolled.reads_next:
            reverse_work |= {f"next{c}": state_types[c] for c in turns.computed}

        for b in inputs:
            self.types[b.name] = _argument(b)
        for j, (shape, dtype) in enumerate(state_types):
            kind = Argument(dtype, len(shape))
            for name in (f"y{j}", f"g{j}", *(f"s{j}_{t}" for t in range(m + 2))):
                self.types.setdefault(name, kind)
            self.types[f"kept{j}"] = Argument(dtype, max(len(shape), 1) + 1)
        for n, j in enumerate(floats):
            self.types[f"g{n}"] = Argument(state_types[j][1], len(state_types[j][0]))
        for s in sums.values():
            self.types[s.name] = _argument(s)
        for k, b in enumerate(rows):
            self.types[f"all_row{k}"] = Argument(b.dtype, len(b.shape) + 1)
            self.types[f"all_rbar{k}"] = self.types[f"all_row{k}"]
        for buffer, _ in rolled.constants:
            self.types[buffer.name] = _argument(buffer)
        for name, (shape, dtype) in [*forward_work.items(), *reverse_work.items()]:
            self.types[name] = Argument(dtype, len(shape))
        number = Argument(np.dtype(np.int64), None)
        self.types |= dict.fromkeys(("origin", "start", "stop"), number)

        row_ndims = [len(b.shape) for b in rows]
        given = [b.name for b in params] + [f"all_row{k}" for k in range(len(rows))]
        given += [buffer.name for buffer, _ in rolled.constants]
        xs = [f"x{j}" for j in range(m)]
        kept = [f"kept{c}" for c in turns.computed]
        old = {x: f"u{x[1:]}" for x in xs}
        seen = self.seen
        bodies = [] if seen is None else seen.bodies

        taking = [f"{k}{j}" if k == "y" else f"s{j}_{t}" for k, j, t in labels(turns)]
        parameters = [*self.marked("o"), *xs, *taking, *given, *forward_work]
        text = advance_source(
            turns, forward_calls, parameters, row_ndims, seen=self.taken("calls", {})
        )
        advance = self.entry("advance", [*forward_text, *bodies, text], 2, parameters)
        source = [*bodies, *forward_text, text]

        parameters = [*self.marked("o"), *xs, *kept, *given, *forward_work]
        calls = _renamed(forward_calls, old)
        text = record_source(turns, calls, parameters, row_ndims, seen=self.taken("calls", old))
        record = self.entry("record", [*forward_text, *bodies, text], 2, parameters)
        source.append(text)

        parameters = [*self.marked("ob"), *xs, *kept, *[f"g{n}" for n in range(len(floats))]]
        parameters += [f"sum{k}" for k in range(len(sum_types))]
        parameters += [f"all_rbar{k}" for k, n in enumerate(row_cotangents) if n >= 0]
        parameters += [*given, *reverse_work]
        before: list[str] = []
        if rolled.reads_next:
            # The state after the step is a row of the block, but for the last one.
            read = {name for _, args in back_calls for name in args if name.startswith("y")}
            read |= {f"y{a[1:]}" for _, args in again_calls for a in args if a.startswith("w")}
            before.append("if t == stop - origin - 1:")
            final = _lines(_renamed(self.needed(forward_calls, read), old | next_names))
            before += ["    " + line for line in final]
            before += [f"    w{c} = next{c}" for c in turns.computed]
            before.append("else:")
            before += [f"    w{c} = kept{c}[t]" for c in turns.computed]
        before += _lines(_renamed(again_calls, old))
        text = pull_source(
            turns,
            backward,
            _renamed(back_calls, old | {f"y{c}": f"w{c}" for c in turns.computed}),
            parameters,
            row_ndims,
            row_cotangents,
            seen=self.taken("back_calls", old),
            before=before,
        )
        parts = [*(forward_text if rolled.reads_next else []), *again_text, *back_text, *bodies]
        pull = self.entry("pull", [*parts, text], 3, parameters)
        whole = "\n\n".join([*source, *again_text, *back_text, text])

        builder = Builder()
        ends = [builder.input(shape, dtype, "sum") for shape, dtype in sum_types]
        more = [builder.input(b.shape, b.dtype, "param") for b in params]
        assembly = Assembly((), builder.tape([*ends, *more], ends, None))
        nothing = Builder()
        ins = [nothing.input(b.shape, b.dtype, "param") for b in params]
        return Loop(
            source=whole,
            plan_seconds=time.perf_counter() - self.start,
            compile_seconds=0.0,
            prepared_bytes=0,
            forward_bytes=_size(forward_work.values()),
            sum_bytes=_size(sum_types),
            reverse_bytes=_size(reverse_work.values()),
            recorded_bytes=_size([state_types[c] for c in turns.computed]),
            operations=len(program.items),
            nests=len(forward_calls) + len(again_calls) + len(back_calls),
            called=(),
            saved=1.0,
            native=self.native,
            layout=layout,
            turns=turns,
            watch=seen,
            courses=Courses(turns, backward, state_types),
            backward=backward,
            state_types=state_types,
            param_types=[(b.shape, b.dtype) for b in params],
            row_types=[(b.shape, b.dtype) for b in rows],
            float_leaves=floats,
            row_cotangents=row_cotangents,
            forward_work=list(forward_work.values()),
            reverse_work=list(reverse_work.values()),
            constants=[writable(indexable(array)) for _, array in rolled.constants],
            assembly=assembly,
            assemble=Interpreter(assembly.tape),
            sum_types=sum_types,
            cotangent_params=cotangent_params,
            entries={"advance": advance, "record": record, "pull": pull},
            prepare=Interpreter(nothing.tape(ins, [], None)),
            module=Module(whole, native=self.native),
            bitwise=bitwise,
        )

    def functions(
        self, prefix: str, body: Sequence[Statement], values: Values, work: dict[str, Type]
    ) -> tuple[list[str], list[Call]]:
        """Return functions that run statements, and their calls; `work` gains their arrays."""
        parts = spilled(groups(body), values)
        texts: list[str] = []
        calls: list[Call] = []
        for n, part in enumerate(parts):
            buffers = buffers_of(part)
            for b in buffers:
                if b.kind in OWN and not b.name.startswith("y"):
                    b.name = f"{b.kind}{b.number}"
                    work[b.name] = ((max(b.size, 1),), b.dtype)
            name = f"{prefix}{n}"
            self.written[name] = {
                access.buffer.name for access, writes in accesses_of(part) if writes
            }
            texts.append(
                kernel_source(name, part, values, sums=prefix == "back" and only_sums(part))
            )
            calls.append((name, [b.name for b in buffers]))
        return texts, calls

    def needed(self, calls: Sequence[Call], wanted: set[str]) -> list[Call]:
        """Return those calls that some arrays depend on."""
        found: list[Call] = []
        for name, args in reversed(calls):
            if self.written[name] & wanted:
                found.insert(0, (name, args))
                wanted = wanted | set(args)
        return found

    def marked(self, stem: str) -> list[str]:
        """Return the parameters of observations."""
        return [] if self.seen is None else ["at", "marks", *self.seen.parameters(stem)]

    def taken(self, which: str, names: dict[str, str]) -> Seen | None:
        """Return how observations are made, by arrays of these names."""
        if self.seen is None:
            return None
        return Seen(self.seen.rows, _renamed(getattr(self.seen, which), names))

    def entry(self, name: str, parts: Sequence[str], n: int, parameters: Sequence[str]) -> Entry:
        """Return a generated function with `n` numbers before its arrays."""
        numbers = ("origin", "start", "stop")[3 - n :]
        return Entry(name, "\n\n".join(parts), (*numbers, *parameters), self.types)


def _lines(calls: Sequence[Call]) -> list[str]:
    return [f"{name}({', '.join(args)})" for name, args in calls]


def _argument(b: Buffer) -> Argument:
    return Argument(b.dtype, len(b.shape))


def _renamed(calls: Sequence[Call], names: dict[str, str]) -> list[Call]:
    return [(name, [names.get(a, a) for a in args]) for name, args in calls]


def _size(types: Any) -> int:
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in types)

"""The time loop as native code: advance or reverse a stretch of steps in one call.

`fused_loop` plans a step and its adjoint together.  What depends on params alone is computed once
a sweep (*prepared*); what a step adds to the cotangents of params is added up before the linear
operations that assemble them (*sums*); states take turns in buffers without copies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.ad.core import CONSTANT
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.tape import Node, Tape, live_nodes
from revolve_ad.native.compiled import MAX_OPERATIONS, Refusal
from revolve_ad.native.load import Argument, Module, indexable, without_numba, writable
from revolve_ad.native.passes.accumulate import Assembly, assemble
from revolve_ad.native.passes.calls import Call
from revolve_ad.native.passes.courses import Courses
from revolve_ad.native.passes.fuse import Fused, Target, fuse
from revolve_ad.native.passes.invariants import frontier, invariant_nodes
from revolve_ad.native.passes.passing import pass_on
from revolve_ad.native.passes.points import RefusedError
from revolve_ad.native.passes.simplify import simplified
from revolve_ad.native.passes.turns import Turns, Type, labels, turns_of
from revolve_ad.native.passes.waves import Wave, wave_of
from revolve_ad.native.passes.zeros import known_zeros
from revolve_ad.native.source.drive import Seen, advance_source, pull_source, record_source
from revolve_ad.native.source.emit import named_calls, nest_functions
from revolve_ad.native.source.play import FEW, play_source
from revolve_ad.native.source.registers import fits, in_variables, register_loops
from revolve_ad.native.threads import ROWS, alone, n_threads, threaded_source
from revolve_ad.native.watching import Watch, watch
from revolve_ad.native.worth import Estimate, estimated

__all__ = ["Entry", "Layout", "Loop", "fused_loop"]


class Layout(NamedTuple):
    """How many inputs of a step's tape are what, in this order; k stands after the params.

    Attributes
    ----------
    state, params : int
        Leaves of the state and of the params.
    inputs : int
        Leaves of one row of the inputs.
    hidden : int
        Hidden params, after the inputs.
    """

    state: int
    params: int
    inputs: int = 0
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A generated function: its source, and its parameters in order with their types.

    One that calls NumPy isn't compiled; its `nests` are.
    """

    name: str
    source: str
    parameters: tuple[str, ...]
    types: dict[str, Argument]
    nests: tuple[Entry, ...] = ()
    calls_numpy: bool = False

    def arguments(self) -> list[Argument]:
        """Return the types of the parameters."""
        return [self.types[p] for p in self.parameters]


@dataclass(slots=True)
class Loop:
    """A step and its adjoint, planned; compiled at first use, once for all threads.

    Attributes
    ----------
    source : str
        The generated Python source.
    plan_seconds, compile_seconds : float
        What planning took, and compiling up to now.
    prepared_bytes : int
        Arrays that are computed from params once a sweep.
    forward_bytes : int
        Working arrays of `Sweep.advance` and `Sweep.record`, without the states and what takes
        turns with them: one array of each leaf at most.
    sum_bytes : int
        Sums over the steps for the cotangents of params.
    reverse_bytes : int
        Further working arrays of `Sweep.pull`.
    recorded_bytes : int
        A row of a block: what `Sweep.record` keeps of a state.
    negated : tuple of int
        The positions of the cotangents that `pull` takes and leaves with the other sign.
    operations, nests : int
        Operations of the step and its adjoint, and the loops that they became.
    estimate : Estimate or None
        What compiling costs and gains.
    forms : tuple of (Tape, Fused, Fused) or None
        The simplified tape of step and adjoint, and the loops of both, to be shown.
    threaded : Module or None
        The same source with threads in large loops, once they were used.
    called : tuple of str
        What NumPy does between the loops, and why.
    saved : float
        The share of the operations of step and adjoint that a loop takes from NumPy: 1 if all run
        in one loop, 0 if each has a loop or a call of its own.
    watch : Watch or None
        The observation, if the loop makes it.
    bitwise : bool
        Whether the steps give NumPy's bits.
    zeros : bool
        Whether `pull` is told if the zeros that a step leaves in cotangents stand there already.
    """

    source: str
    plan_seconds: float
    compile_seconds: float
    prepared_bytes: int
    forward_bytes: int
    sum_bytes: int
    reverse_bytes: int
    recorded_bytes: int
    called: tuple[str, ...]
    saved: float
    native: bool
    layout: Layout
    turns: Turns
    courses: Courses
    backward: Turns
    state_types: list[Type]
    param_types: list[Type]
    row_types: list[Type]
    float_leaves: list[int]
    row_cotangents: list[int]
    forward_work: list[Type]
    reverse_work: list[Type]
    constants: list[np.ndarray]
    assembly: Assembly
    assemble: Interpreter
    sum_types: list[Type]
    cotangent_params: list[int]
    entries: dict[str, Entry]
    prepare: Interpreter
    module: Module
    watch: Watch | None = None
    bitwise: bool = False
    zeros: bool = False
    negated: tuple[int, ...] = ()
    operations: int = 0
    nests: int = 0
    estimate: Estimate | None = None
    forms: tuple[Tape, Fused, Fused] | None = None
    threaded: Module | None = None
    _functions: dict[str, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def function(self, name: str) -> Any:
        """Return an entry, compiled."""
        found = self._functions.get(name)
        if found is None:
            with self._lock:
                found = self._functions.get(name)
                if found is None:
                    start = time.perf_counter()
                    found = self._functions[name] = self._made(self.entries[name])
                    self.compile_seconds += time.perf_counter() - start
        return found

    def _made(self, entry: Entry) -> Any:
        threads = n_threads() if self.native and ROWS in entry.source else 1
        if threads == 1:
            return self._compiled(entry, self.module, _as_it_is)
        if self.threaded is None:
            calls = {n: f for n, f in self.module.space.items() if isinstance(f, Call)}
            self.threaded = Module(threaded_source(self.source), native=True, names=calls)
        found = self._compiled(entry, self.threaded, threaded_source)
        return alone(found, lambda: self._compiled(entry, self.module, _as_it_is), threads)

    def _compiled(self, entry: Entry, module: Module, written: Callable[[str], str]) -> Any:
        if not entry.calls_numpy:
            return module.function(entry.name, written(entry.source), entry.arguments())
        for nest in entry.nests:
            module.function(nest.name, written(nest.source), nest.arguments())
        return module.space[entry.name]


def _as_it_is(source: str) -> str:
    return source


def _size(types: Sequence[Type]) -> int:
    return sum(prod(shape) * dtype.itemsize for shape, dtype in types)


def fused_loop(
    tape: Tape,
    layout: Layout,
    *,
    observe: Tape | None = None,
    native: bool = True,
    max_operations: int = MAX_OPERATIONS,
) -> Loop | Refusal:
    """Plan the native loop of a step as it stands: `compile_loop` without rolling.

    A step that with its adjoint has more than `max_operations` is refused: compiling grows faster
    than its length.  For the other arguments, and what is returned, see `compile_loop`.
    """
    start = time.perf_counter()
    if tape.depends_on_values:
        return Refusal(f"the tape depends on values ({tape.depends_on_values})")
    if native and (missing := without_numba()) is not None:
        return Refusal(missing)
    m, n_params = layout.state, layout.params
    if any(tape.type_of(tape.inputs[j]) != tape.type_of(tape.outputs[j]) for j in range(m)):
        return Refusal("the step changes the shape or dtype of a leaf of the state")
    n_inputs = len(tape.inputs)
    assert n_inputs == m + n_params + 1 + layout.inputs + layout.hidden
    is_float = [tape.nodes[i].dtype.kind in "fc" for i in tape.inputs]
    k_at = m + n_params
    row_at = range(k_at + 1, k_at + 1 + layout.inputs)
    param_at = [*range(m, k_at), *range(k_at + 1 + layout.inputs, n_inputs)]
    wrt = [j for j in (*range(m), *param_at, *row_at) if is_float[j]]
    adjoint = vjp(tape, wrt)
    both = simplified(
        Tape(adjoint.nodes, adjoint.inputs, (*tape.outputs, *adjoint.outputs)),
        exact=len(tape.nodes),
    )
    if len(both.nodes) > max_operations:
        return Refusal(
            f"{len(both.nodes)} operations of the step and its adjoint are more than "
            f"{max_operations}"
        )
    try:
        seen = None if observe is None else watch(observe, m, n_params)
        arguments = (both, layout, wrt, param_at, list(row_at), seen, start, native)
        if fits([(tape.nodes[i].shape, tape.nodes[i].dtype) for i in tape.inputs[:m]]):
            found = _planned(*arguments, small=True)
            if found is not None:
                return found
        found = _planned(*arguments)
        assert found is not None
        return found
    except RefusedError as refused:
        return Refusal(str(refused))


def _planned(
    both: Tape,
    layout: Layout,
    wrt: list[int],
    param_at: list[int],
    row_at: list[int],
    seen: Watch | None,
    start: float,
    native: bool,
    *,
    small: bool = False,
) -> Loop | None:
    """Plan a loop; None if it was to be one of a `small` state, in variables, and can't be."""
    nodes, inputs, m = both.nodes, both.inputs, layout.state

    def type_of(i: int) -> Type:
        return nodes[i].shape, nodes[i].dtype

    k_node = inputs[m + layout.params]
    n_inputs = m + len(param_at) + 1 + len(row_at)
    state_in, seeds = list(inputs[:m]), list(inputs[n_inputs:])
    state_out = list(both.outputs[:m])
    cotangent = dict(zip(wrt, both.outputs[m:], strict=True))
    floats = [j for j in range(m) if j in cotangent]

    fixed = invariant_nodes(nodes, [*state_in, k_node, *(inputs[j] for j in row_at), *seeds])
    live = live_nodes(nodes, both.outputs)
    early = frontier(nodes, fixed, live)
    assembly = assemble(
        nodes,
        fixed,
        [cotangent[j] for j in param_at if j in cotangent],
        [inputs[j] for j in param_at],
    )

    names = {inputs[j]: f"p{k}" for k, j in enumerate(param_at)}
    constants = [i for i, n in enumerate(nodes) if n.op is CONSTANT]
    names |= {i: f"c{k}" for k, i in enumerate(constants)}
    types = {b: _argument(nodes[i]) for i, b in names.items()}
    prepared = {i: f"q{k}" for k, i in enumerate(early)}
    prepare = Interpreter(Tape(nodes, tuple(inputs[j] for j in param_at), tuple(early)))

    names |= prepared
    names |= {i: f"x{j}" for j, i in enumerate(state_in)}
    names |= {inputs[j]: f"row{k}" for k, j in enumerate(row_at)}
    scalars = {k_node: "k"}
    turns = in_variables(m)
    if not small:
        turns = turns_of(state_out, state_in, [type_of(i) for i in state_in])
    forward = fuse(
        nodes,
        [Target(state_out[c], f"y{c}") for c in turns.computed],
        names,
        scalars=scalars,
        prefix="work",
    )
    names |= {seeds[j]: f"g{k}" for k, j in enumerate(floats)}
    backward = in_variables(len(floats))
    if not small:
        backward = turns_of(
            [cotangent[j] for j in floats],
            [seeds[j] for j in floats],
            [type_of(seeds[j]) for j in floats],
        )
    targets = [Target(cotangent[floats[c]], f"h{c}") for c in backward.computed]
    targets += [Target(i, f"sum{k}", add=True) for k, i in enumerate(assembly.sums)]
    row_cotangents = [len(nodes[inputs[j]].shape) if j in cotangent else -1 for j in row_at]
    targets += [Target(cotangent[j], f"rbar{k}") for k, j in enumerate(row_at) if j in cotangent]
    reverse = fuse(nodes, targets, names, scalars=scalars, exact=False, prefix="back")
    negated: tuple[int, ...] = ()
    staged, sometimes = reverse, dict[int, bool]()
    if not small:
        seeded = [type_of(seeds[j]) for j in floats]
        looked = [] if seen is None else [a for _, args in seen.back_calls for a in args]
        own = [k for k in range(len(floats)) if f"g{k}" in looked]
        backward, negated = pass_on(reverse, backward, seeded, fixed=own)
        staged, sometimes = known_zeros(reverse, backward, seeded)

    if any(nest.call is not None for fused in (forward, reverse) for nest in fused.nests):
        seen = None  # a loop in Python gains nothing by it

    ahead: Wave | None = None
    back_wave: Wave | None = None
    if not small:
        ahead, back_wave = _waves(
            forward,
            turns,
            staged,
            backward,
            seen,
            {b: type_of(i) for i, b in names.items() if b not in scalars.values()}
            | {f"y{j}": type_of(i) for j, i in enumerate(state_in)}
            | {f"h{k}": type_of(seeds[j]) for k, j in enumerate(floats)}
            | {f"sum{k}": type_of(i) for k, i in enumerate(assembly.sums)}
            | forward.work
            | reverse.work,
        )
    if seen is not None:
        seen = seen.timed(ahead, back_wave)

    # Types of everything that a generated function is given.
    for j, i in enumerate(state_in):
        types[f"x{j}"] = _argument(nodes[i])
        types[f"y{j}"] = types[f"x{j}"]
        types[f"kept{j}"] = Argument(nodes[i].dtype, max(len(nodes[i].shape), 1) + 1)
        for t in range(m + 2):
            types[f"s{j}_{t}"] = types[f"x{j}"]
    for k, j in enumerate(floats):
        types[f"g{k}"] = types[f"h{k}"] = _argument(nodes[seeds[j]])
    sum_types = [
        (nodes[i].shape, np.result_type(nodes[i].dtype, np.float64)) for i in assembly.sums
    ]
    types |= {f"sum{k}": Argument(d, len(s)) for k, (s, d) in enumerate(sum_types)}
    for k, j in enumerate(row_at):
        node = nodes[inputs[j]]
        types[f"row{k}"] = types[f"rbar{k}"] = _argument(node)
        types[f"all_row{k}"] = Argument(node.dtype, len(node.shape) + 1)
        types[f"all_rbar{k}"] = types[f"all_row{k}"]
    for name, (shape, dtype) in [*forward.work.items(), *reverse.work.items()]:
        types[name] = Argument(dtype, len(shape))
    types |= {q: _argument(nodes[i]) for i, q in prepared.items()}
    number = Argument(np.dtype(np.int64), None)
    types |= dict.fromkeys(("origin", "start", "stop", "k"), number)
    types["settled"] = Argument(np.dtype(np.bool_), None)

    ps = [f"p{k}" for k in range(len(param_at))]
    cs = [f"c{k}" for k in range(len(constants))]
    xs = [f"x{j}" for j in range(m)]
    rows = [f"all_row{k}" for k in range(len(row_at))]
    row_ndims = [len(nodes[inputs[j]].shape) for j in row_at]

    times = () if ahead is None else ahead.shifts[-1]
    forward_body, forward_calls = nest_functions(forward, "step", times)
    numpy_calls = named_calls(forward, "step")
    plain = not numpy_calls
    nests = _nests(forward_body, forward_calls, numpy_calls, types)
    given = [
        *xs,
        *[f"{kind}{j}" if kind == "y" else f"s{j}_{t}" for kind, j, t in labels(turns)],
        *ps,
        *rows,
        *cs,
        *prepared.values(),
        *forward.work,
    ]
    if seen is not None:
        types |= seen.types
        forward_body = [*forward_body, *seen.bodies]
        given = [*seen.parameters("o"), *given]
    marks = [] if seen is None else ["at", "marks"]
    taken = None if seen is None else Seen(seen.rows, seen.calls)
    source = advance_source(
        turns, forward_calls, given, row_ndims, compiled=plain, seen=taken, wave=ahead
    )
    advance = Entry(
        "advance",
        _module([*forward_body, source]),
        ("start", "stop", *marks, *given),
        types,
        nests,
        not plain,
    )
    whole_source = [*forward_body, source]

    rename = {x: f"u{x[1:]}" for x in xs}
    kept = [f"kept{c}" for c in turns.computed]
    given = [*xs, *kept, *ps, *rows, *cs, *prepared.values(), *forward.work]
    calls = _renamed(forward_calls, rename)
    if seen is not None:
        given = [*seen.parameters("o"), *given]
        taken = Seen(seen.rows, _renamed(seen.calls, rename))
    record_text = record_source(
        turns, calls, given, row_ndims, compiled=plain, seen=taken, wave=ahead
    )
    record = Entry(
        "record",
        _module([*forward_body, record_text]),
        ("start", "stop", *marks, *given),
        types,
        nests,
        not plain,
    )

    times = () if back_wave is None else back_wave.shifts[0]
    reverse_body, reverse_calls = nest_functions(staged, "pull", times, contracts=True)
    reverse_numpy_calls = named_calls(staged, "pull")
    when = {f"pull{k}": flag for k, flag in sometimes.items()}
    plain = not reverse_numpy_calls
    given = [
        *xs,
        *kept,
        *[f"g{k}" for k in range(len(floats))],
        *[f"h{c}" for c in backward.computed],
        *[f"sum{k}" for k in range(len(sum_types))],
        *[f"all_rbar{k}" for k, n in enumerate(row_cotangents) if n >= 0],
        *ps,
        *rows,
        *cs,
        *prepared.values(),
        *reverse.work,
    ]
    calls = _renamed(reverse_calls, rename)
    if seen is not None:
        reverse_body = [*reverse_body, *seen.bodies]
        given = [*seen.parameters("ob"), *given]
        taken = Seen(seen.rows, _renamed(seen.back_calls, rename))
    source = pull_source(
        turns,
        backward,
        calls,
        given,
        row_ndims,
        row_cotangents,
        compiled=plain,
        seen=taken,
        when=when,
        wave=back_wave,
    )
    back = Entry(
        "pull",
        _module([*reverse_body, source]),
        ("origin", "start", "stop", *(["settled"] if when else []), *marks, *given),
        types,
        _nests(reverse_body, reverse_calls, reverse_numpy_calls, types),
        not plain,
    )
    bodies = reverse_body if seen is None else reverse_body[: -len(seen.bodies)]
    parts = [*whole_source, record_text, *bodies, source]
    entries = {"advance": advance, "record": record, "pull": back}
    if small:
        arrays = {i: b for i, b in names.items() if b not in scalars.values()}
        shapes = {b: nodes[i].shape for i, b in arrays.items()}
        shapes |= {f"y{j}": nodes[i].shape for j, i in enumerate(state_in)}
        shapes |= {f"h{k}": nodes[seeds[j]].shape for k, j in enumerate(floats)}
        shapes |= {f"sum{k}": shape for k, (shape, _) in enumerate(sum_types)}
        shapes |= {f"rbar{k}": nodes[inputs[j]].shape for k, j in enumerate(row_at)}
        shapes |= {b: shape for b, (shape, _) in (*forward.work.items(), *reverse.work.items())}
        looks = None
        if seen is not None:
            looks = Seen(seen.rows, seen.calls), Seen(seen.rows, seen.back_calls)
        parts = [] if seen is None else list(seen.bodies)
        written = register_loops(
            forward,
            reverse,
            shapes=shapes,
            n_leaves=m,
            n_floats=len(floats),
            rows=row_ndims,
            row_cotangents=row_cotangents,
            n_sums=len(sum_types),
            given={
                entry.name: [p for p in entry.parameters if p not in _FIRST]
                for entry in entries.values()
            },
            seen=looks,
        )
        if written is None:
            return None
        for entry, code in zip(list(entries.values()), written, strict=True):
            entries[entry.name] = replace(entry, source=_module([*parts, code]))
        parts += written
    courses = Courses(turns, backward, [type_of(i) for i in state_in])
    if not numpy_calls and not reverse_numpy_calls and m:
        entries["play"] = play = _player(
            turns,
            backward,
            courses,
            floats,
            [type_of(i) for i in state_in],
            types,
            {
                "sums": [f"sum{k}" for k in range(len(sum_types))]
                + [f"all_rbar{k}" for k, n in enumerate(row_cotangents) if n >= 0],
                "given": [*ps, *rows, *cs, *prepared.values()],
                "forward": list(forward.work),
                "reverse": list(reverse.work),
            },
            seen,
            parts,
            zeros=bool(when),
        )
        text = play.source
    else:
        text = _module(parts)
    state_types = [type_of(i) for i in state_in]
    forward_work = list(forward.work.values())
    reverse_work = list(reverse.work.values())
    turning = [state_types[floats[c]] for c in backward.computed]
    return Loop(
        source=text,
        plan_seconds=time.perf_counter() - start,
        compile_seconds=0.0,
        prepared_bytes=_size([type_of(i) for i in prepared]),
        forward_bytes=_size(forward_work) + forward.temporary_bytes,
        sum_bytes=_size(sum_types),
        reverse_bytes=_size(reverse_work) + reverse.temporary_bytes + _size(turning),
        recorded_bytes=_size([state_types[c] for c in turns.computed]),
        negated=negated,
        zeros=bool(when),
        operations=sum(live[i] and bool(n.args) for i, n in enumerate(nodes)),
        nests=sum(n.call is None for f in (forward, reverse) for n in f.nests),
        forms=(both, forward, reverse),
        estimate=estimated(
            nodes,
            [live[i] and not fixed[i] and bool(n.args) for i, n in enumerate(nodes)],
            forward,
            reverse,
            n_lines=text.count("\n"),
        ),
        called=tuple(dict.fromkeys((forward.reasons | reverse.reasons).values())),
        saved=_saved(nodes, live, fixed, forward, reverse),
        native=native,
        layout=layout,
        turns=turns,
        watch=seen,
        courses=courses,
        backward=backward,
        state_types=state_types,
        param_types=[type_of(inputs[j]) for j in param_at],
        row_types=[type_of(inputs[j]) for j in row_at],
        float_leaves=floats,
        row_cotangents=row_cotangents,
        forward_work=forward_work,
        reverse_work=reverse_work,
        constants=[
            writable(indexable(np.ascontiguousarray(nodes[i].params[0].value))) for i in constants
        ],
        assembly=assembly,
        assemble=Interpreter(assembly.tape),
        sum_types=sum_types,
        cotangent_params=[k for k, j in enumerate(param_at) if j in cotangent],
        entries=entries,
        prepare=prepare,
        module=Module(text, native=native, names=numpy_calls | reverse_numpy_calls),
    )


def _waves(
    forward: Fused,
    turns: Turns,
    reverse: Fused,
    backward: Turns,
    seen: Watch | None,
    types: Mapping[str, Type],
) -> tuple[Wave | None, Wave | None]:
    """Return how steps may follow each other over the rows, forward and in reverse."""
    observing: list[Fused] = []
    adding: list[Fused] = []
    fresh: list[str] = []
    if seen is not None:
        observing, adding = [seen.parts[0]], seen.parts[1:]
        fresh = [f"o{j}" for j in range(len(seen.row_types))]
    ahead = wave_of(observing, forward, [], turns, ("x", "y"), fresh, types)
    own = [t.buffer for nest in reverse.nests for t in nest.targets if t.buffer.startswith("rbar")]
    return ahead, wave_of([], reverse, adding, backward, ("g", "h"), own, types)


_FIRST = ("origin", "start", "stop", "at", "marks")
"""The numbers that functions are given first, and the observed states."""


def _player(
    turns: Turns,
    backward: Turns,
    courses: Courses,
    floats: Sequence[int],
    state_types: Sequence[Type],
    types: Mapping[str, Argument],
    names: Mapping[str, Sequence[str]],
    seen: Watch | None,
    parts: Sequence[str],
    *,
    zeros: bool,
) -> Entry:
    """Return the function that carries out many actions of a schedule; see `play_source`."""
    given, forward, reverse = names["given"], names["forward"], names["reverse"]
    back = [*names["sums"], *given, *reverse]
    watch = {} if seen is None else {"seen": seen.parameters("o"), "back": seen.parameters("ob")}
    cotangents = [state_types[j] for j in floats]
    source = play_source(
        turns,
        backward,
        courses,
        given={
            "advance": [*given, *forward],
            "record": [*given, *forward],
            "pull": back,
            "seen": watch.get("seen", []),
            "seen_back": watch.get("back", []),
            "all": [*names["sums"], *given, *forward, *reverse],
        },
        tested=[j for j, (_, dtype) in enumerate(state_types) if dtype.kind in "fc"],
        seldom=_size(cotangents) > FEW,
        watched=seen is not None,
        zeros=zeros,
    )
    own = dict(types)
    m, n_back = len(turns.source), len(backward.source)
    for j in range(m):
        own[f"w{j}"], own[f"pool{j}"] = types[f"x{j}"], types[f"kept{j}"]
    for k, c in enumerate(turns.computed):
        own[f"w{m + k}"] = types[f"x{c}"]
    for k, c in enumerate(backward.computed):
        own[f"g{n_back + k}"] = types[f"h{c}"]
    number = Argument(np.dtype(np.int64), None)
    own |= dict.fromkeys(("first", "last", "begin", "m"), number)
    own["forward"] = Argument(np.dtype(np.bool_), None)
    own["rows"] = Argument(np.dtype(np.int32), 2)
    own["stops"] = Argument(np.dtype(np.int64), 1)
    head = source[source.index("def play(") :]
    parameters = tuple(head[len("def play(") : head.index("):")].split(", "))
    return Entry("play", _module([*parts, source]), parameters, own)


def _saved(
    nodes: Sequence[Node],
    live: Sequence[bool],
    fixed: Sequence[bool],
    forward: Fused,
    reverse: Fused,
) -> float:
    """Return the share of operations that NumPy would do in calls of its own."""
    called = forward.reasons.keys() | reverse.reasons.keys()
    if not called:
        return 1.0
    work = [i for i, n in enumerate(nodes) if live[i] and not fixed[i] and n.args]
    loops = sum(n.call is None for f in (forward, reverse) for n in f.nests)
    return max(0.0, 1.0 - (len(called) + loops) / max(len(work), 1))


def _argument(node: Node) -> Argument:
    return Argument(node.dtype, len(node.shape))


def _module(parts: Sequence[str]) -> str:
    return "\n\n".join(parts)


def _nests(
    bodies: Sequence[str],
    calls: Sequence[tuple[str, list[str]]],
    numpy_calls: Mapping[str, Call],
    types: dict[str, Argument],
) -> tuple[Entry, ...]:
    """Return the nests of a function that calls NumPy between them; none where nothing does."""
    if not numpy_calls:
        return ()
    own = [(name, parameters) for name, parameters in calls if name not in numpy_calls]
    return tuple(
        Entry(name, body, tuple(parameters), types)
        for body, (name, parameters) in zip(bodies, own, strict=True)
    )


def _renamed(
    calls: Sequence[tuple[str, list[str]]], names: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    return [(name, [names.get(a, a) for a in args]) for name, args in calls]

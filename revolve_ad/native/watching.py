"""Observations within the compiled time loop: taken in passing, and added to cotangents in reverse.

A loop that stopped at each observed state would pay for calls, for copies of states and for
cotangents that are zero nearly everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    SCATTER,
    SCATTER_ADD,
    elementwise,
)
from revolve_ad.ad.functions.indexing import INDEX
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.native.load import Argument, indexable, writable
from revolve_ad.native.passes.fuse import Fused, Target, fuse
from revolve_ad.native.passes.indices import PUT_ADD
from revolve_ad.native.passes.points import RefusedError
from revolve_ad.native.passes.simplify import simplified
from revolve_ad.native.passes.turns import Type
from revolve_ad.native.passes.waves import Shifts, Wave
from revolve_ad.native.source.emit import nest_functions

__all__ = ["Watch", "watch"]

_EXACT = frozenset(
    elementwise(f)
    for f in (np.add, np.subtract, np.multiply, np.true_divide, np.negative, np.square, np.sqrt)
)
_KNOWN = _EXACT | {INPUT, CONSTANT, FULL, GATHER, BROADCAST, CAST, SCATTER, SCATTER_ADD, INDEX}
"""What NumPy and a compiled loop compute with the same bits, so that it matters to nobody which of
them observed a state."""


@dataclass(frozen=True, slots=True)
class Watch:
    """An observation as parts of a compiled loop.

    Attributes
    ----------
    bodies : list of str
        The functions of the loop nests.
    calls, back_calls : list of (str, list of str)
        Those that observe the state ``x`` into ``o``, and those that add to the cotangents ``g``
        what the cotangents ``ob`` of an observation bring.
    types : dict of str to Argument
        The types of what only they need.
    constants : list of ndarray
        For the parameters ``oc``.
    work : list of Type
        For the parameters ``seen``.
    row_types : list of Type
        The leaves of one observation.
    parts : list of Fused
        The loops: those that observe, and one part for each term that is added.
    work_names : dict of str to str
        The parameters that stand for the working arrays of the parts.
    """

    bodies: list[str]
    calls: list[tuple[str, list[str]]]
    back_calls: list[tuple[str, list[str]]]
    types: dict[str, Argument]
    constants: list[np.ndarray]
    work: list[Type]
    row_types: list[Type]
    parts: list[Fused]
    work_names: dict[str, str]

    def timed(self, ahead: Wave | None, back: Wave | None) -> Watch:
        """Return the same for steps that pass over the rows together, forward, in reverse."""
        shifts: list[Shifts] = [(), *([()] * (len(self.parts) - 1))]
        if ahead is not None:
            shifts[0] = ahead.shifts[0]
        if back is not None:
            shifts[1:] = back.shifts[1:]
        bodies, calls = _written(self.parts, self.work_names, shifts)
        return replace(
            self, bodies=bodies, calls=calls[0], back_calls=[c for one in calls[1:] for c in one]
        )

    @property
    def rows(self) -> list[int]:
        """The ranks of the leaves of one observation."""
        return [len(shape) for shape, _ in self.row_types]

    def parameters(self, stem: str) -> list[str]:
        """Return the parameters beside ``at`` and ``marks``: rows, constants, working arrays."""
        rows = [f"all_{stem}{j}" for j in range(len(self.row_types))]
        constants = [f"oc{k}" for k in range(len(self.constants))]
        return [*rows, *constants, *[f"seen{k}" for k in range(len(self.work))]]


def watch(tape: Tape, n_state: int, n_params: int) -> Watch | None:
    """Plan an observation; None if it has to be taken between calls of the loop.

    Parameters
    ----------
    tape : Tape
        Its inputs: the leaves of the state, of the params, and k.
    n_state, n_params : int
        How many leaves these have.
    """
    if tape.depends_on_values or len(tape.inputs) != n_state + n_params + 1:
        return None
    if any(n.op not in _KNOWN for n in tape.nodes):
        return None
    if any(tape.nodes[i].dtype.kind not in "fc" for i in tape.outputs):
        return None
    floats = [j for j in range(n_state) if tape.nodes[tape.inputs[j]].dtype.kind in "fc"]
    params = [
        j
        for j in range(n_state, n_state + n_params)
        if tape.nodes[tape.inputs[j]].dtype.kind in "fc"
    ]
    read = {a for node in tape.nodes for a in node.args} | set(tape.outputs)
    if any(tape.inputs[j] in read for j in params):
        return None
    adjoint = vjp(tape, floats)
    both = simplified(
        Tape(adjoint.nodes, adjoint.inputs, (*tape.outputs, *adjoint.outputs)),
        exact=len(tape.nodes),
    )
    try:
        return _planned(both, len(tape.outputs), n_state, n_params, len(floats))
    except RefusedError:
        return None


def _planned(both: Tape, n_rows: int, n_state: int, n_params: int, n_floats: int) -> Watch:
    nodes, inputs = both.nodes, both.inputs
    constants = [i for i, n in enumerate(nodes) if n.op is CONSTANT]
    names = {i: f"oc{k}" for k, i in enumerate(constants)}
    names |= {inputs[j]: f"x{j}" for j in range(n_state)}
    names |= {inputs[n_state + k]: f"p{k}" for k in range(n_params)}
    scalars = {inputs[n_state + n_params]: "k"}
    outputs = both.outputs[:n_rows]
    targets = [Target(i, f"o{j}") for j, i in enumerate(outputs)]
    parts = [fuse(nodes, targets, names, scalars=scalars, prefix="seen_")]
    seeds = inputs[n_state + n_params + 1 :]
    names |= {i: f"ob{j}" for j, i in enumerate(seeds)}
    for leaf, i in enumerate(both.outputs[n_rows:]):
        for node, alone in _terms(nodes, i):
            prefix = f"seen{len(parts)}_"
            target = Target(node, f"g{leaf}", add=True, part=alone)
            parts.append(fuse(nodes, [target], names, scalars=scalars, exact=False, prefix=prefix))
    if any(nest.call is not None for part in parts for nest in part.nests):
        raise RefusedError("an observation that NumPy computes")
    work = {name: kind for part in parts for name, kind in part.work.items()}
    short = {name: f"seen{k}" for k, name in enumerate(work)}
    bodies, calls = _written(parts, short, [()] * len(parts))
    types = {
        f"oc{k}": Argument(nodes[i].dtype, len(nodes[i].shape)) for k, i in enumerate(constants)
    }
    types |= {short[name]: Argument(dtype, len(shape)) for name, (shape, dtype) in work.items()}
    row_types = [(nodes[i].shape, nodes[i].dtype) for i in outputs]
    for j, (shape, dtype) in enumerate(row_types):
        types[f"all_o{j}"] = types[f"all_ob{j}"] = Argument(dtype, len(shape) + 1)
    types |= {"at": Argument(np.dtype(np.int64), None), "marks": Argument(np.dtype(np.int64), 1)}
    return Watch(
        bodies,
        calls[0],
        [call for called in calls[1:] for call in called],
        types,
        [writable(indexable(np.ascontiguousarray(nodes[i].params[0].value))) for i in constants],
        list(work.values()),
        row_types,
        parts,
        short,
    )


def _written(
    parts: Sequence[Fused], short: Mapping[str, str], shifts: Sequence[Shifts]
) -> tuple[list[str], list[list[tuple[str, list[str]]]]]:
    """Return the functions of the loops, and for each part the calls."""
    bodies: list[str] = []
    calls: list[list[tuple[str, list[str]]]] = []
    for number, (part, times) in enumerate(zip(parts, shifts, strict=True)):
        body, called = nest_functions(part, f"see{number}_", times)
        bodies += body
        calls.append([(f, [short.get(a, a) for a in args]) for f, args in called])
    return bodies, calls


def _terms(nodes: Sequence[Node], i: int) -> list[tuple[int, bool]]:
    """Return nodes that add up to node `i`; true for those of which only the writes count."""
    found: list[tuple[int, bool]] = []
    stack = [i]
    while stack:
        i = stack.pop()
        node = nodes[i]
        if node.op is FULL and node.params[0] == 0:
            continue
        if node.op is elementwise(np.add) and all(
            nodes[a].dtype == node.dtype and nodes[a].shape == node.shape for a in node.args
        ):
            stack.extend(node.args[::-1])
        elif node.op in (SCATTER_ADD, PUT_ADD) and nodes[node.args[1]].dtype == node.dtype:
            found.append((i, True))
            stack.append(node.args[0])
        else:
            found.append((i, False))
    return found

"""Reverse and forward mode as transformations of a tape into a tape.

The nodes of the given tape come first in the new one, at the same positions, so that values that
are known already need not be computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad import rules
from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.core import GATHER, ITEM, SCATTER, elementwise
from revolve_ad.ad.rules.table import ACCUMULATE, FREE, JVP, VJP, Missing
from revolve_ad.ad.symbolic import gather, match
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["adjoints", "is_differentiable", "jvp", "vjp"]

_ADD, _SUBTRACT = elementwise(np.add), elementwise(np.subtract)

_ = rules  # filling the tables is what the import is for


def is_differentiable(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype have derivatives: floats and complex numbers."""
    return dtype.kind in "fc"


def _active(tape: Tape, wrt: Sequence[int]) -> list[bool]:
    """Return for each node whether it depends differentiably on the inputs `wrt`."""
    active = [False] * len(tape.nodes)
    for k in wrt:
        i = tape.inputs[k]
        active[i] = is_differentiable(tape.nodes[i].dtype)
    for i, node in enumerate(tape.nodes):
        if node.args and not active[i] and node.op not in FREE:
            for a in node.args:
                if active[a]:
                    active[i] = node.results is not None or is_differentiable(node.dtype)
                    break
    return active


def adjoints(tape: Tape, wrt: Sequence[int]) -> tuple[Tape, dict[int, int]]:
    """Return `vjp` and, for each node of `tape` that has one, the position of its cotangent."""
    builder = Builder(tape.nodes)
    active = _active(tape, wrt)
    cotangent: dict[int, Any] = {}
    seeds = []
    for out in tape.outputs:
        node = tape.nodes[out]
        seed = builder.input(node.shape, node.dtype, "cotangent")
        seeds.append(seed)
        if active[out]:
            _accumulate(cotangent, out, Symbol(builder, seed))
    for i in range(len(tape.nodes) - 1, -1, -1):
        if not active[i] or i not in cotangent:
            continue
        node = tape.nodes[i]
        if not node.args:
            continue
        g = cotangent[i]
        if node.op is ITEM:
            results = cotangent.setdefault(node.args[0], {})
            _accumulate(results, node.params[0], g)
            continue
        if node.op is SCATTER and (terms := _added(tape, node)) is not None:
            # a[box] += terms: the base passes its cotangent on as it is.
            part = gather(g, node.params[0])
            if active[node.args[0]]:
                _accumulate(cotangent, node.args[0], g)
            for sign, a in terms:
                if active[a]:
                    x = Symbol(builder, a)
                    _accumulate(cotangent, a, match(part if sign > 0 else -part, x))
            continue
        grow = ACCUMULATE.get(node.op)
        if grow is not None:
            a = node.args[0]
            if active[a]:
                cotangent[a] = grow(_cotangent_so_far(builder, cotangent, a), g, i, node)
            continue
        rule = VJP.get(node.op)
        if rule is None:
            raise _missing(node.op)
        xs = [Symbol(builder, a) for a in node.args]
        for a, x_bar in zip(node.args, rule(g, Symbol(builder, i), xs, node.params), strict=True):
            if x_bar is not None and active[a]:
                if isinstance(x_bar, Missing):
                    raise x_bar.error()
                _accumulate(cotangent, a, x_bar)
    outputs = []
    for k in wrt:
        i = tape.inputs[k]
        node = tape.nodes[i]
        if i in cotangent:
            outputs.append(cotangent[i].id)
        else:
            dtype = node.dtype if is_differentiable(node.dtype) else np.dtype(float)
            outputs.append(builder.literal(0, dtype, node.shape))
    positions = {i: g.id for i, g in cotangent.items() if isinstance(g, Symbol)}
    return builder.tape([*tape.inputs, *seeds], outputs, tape.depends_on_values), positions


def vjp(tape: Tape, wrt: Sequence[int]) -> Tape:
    """Return the tape that pulls cotangents of the outputs back to inputs.

    Parameters
    ----------
    tape : Tape
        The function.
    wrt : sequence of int
        Which inputs, by their numbers.

    Returns
    -------
    Tape
        Its inputs are those of `tape`, then a cotangent for each output of the output's shape and
        dtype; its outputs are the cotangents of the inputs `wrt`.  Griewank and Walther,
        *Evaluating Derivatives* (2008), section 3.2.
    """
    return adjoints(tape, wrt)[0]


def jvp(tape: Tape, wrt: Sequence[int]) -> Tape:
    """Return the tape that pushes tangents of inputs forward.

    Parameters
    ----------
    tape : Tape
        The function.
    wrt : sequence of int
        Which inputs have a tangent, by their numbers.

    Returns
    -------
    Tape
        Its inputs are those of `tape`, then a tangent for each of `wrt`; its outputs are those of
        `tape`, then their tangents, zeros for outputs without derivative.
    """
    builder = Builder(tape.nodes)
    active = _active(tape, wrt)
    tangent: dict[int, Any] = {}
    seeds = []
    for k in wrt:
        i = tape.inputs[k]
        node = tape.nodes[i]
        seed = builder.input(node.shape, node.dtype, "tangent")
        seeds.append(seed)
        if active[i]:
            tangent[i] = Symbol(builder, seed)
    for i, node in enumerate(tape.nodes):
        if not active[i] or not node.args:
            continue
        if node.op is ITEM:
            t = tangent.get(node.args[0], {}).get(node.params[0])
        else:
            rule = JVP.get(node.op)
            if rule is None:
                raise _missing(node.op)
            ts = [tangent.get(a) for a in node.args]
            for found in ts:
                if isinstance(found, Missing):
                    raise found.error()
            if all(t is None for t in ts):
                continue
            xs = [Symbol(builder, a) for a in node.args]
            t = rule(ts, Symbol(builder, i), xs, node.params)
        if t is not None:
            tangent[i] = t
    outputs = list(tape.outputs)
    for out in tape.outputs:
        node = tape.nodes[out]
        found = tangent.get(out)
        if found is None:
            dtype = node.dtype if is_differentiable(node.dtype) else np.dtype(float)
            outputs.append(builder.literal(0, dtype, node.shape))
        elif isinstance(found, Missing):
            raise found.error()
        else:
            outputs.append(found.id)
    return builder.tape([*tape.inputs, *seeds], outputs, tape.depends_on_values)


def _cotangent_so_far(builder: Builder, table: dict[int, Any], i: int) -> Symbol:
    """Return the cotangent of node `i` as summed up to now, zeros if there is none."""
    found = table.get(i)
    if found is None:
        node = builder.nodes[i]
        found = Symbol(builder, builder.literal(0, node.dtype, node.shape))
    assert isinstance(found, Symbol)
    return found


def _added(tape: Tape, node: Node) -> list[tuple[int, int]] | None:
    """Return, for a scatter that adds to what stands there, the terms that it adds.

    ``a[box] += x - y`` is ``scatter(a, gather(a, box) + x - y, box)``.  Each term is a sign and a
    node; None if the scatter is something else.
    """
    base, value = node.args
    terms: list[tuple[int, int]] = []
    while True:
        found = tape.nodes[value]
        if found.op is GATHER and found.args == (base,) and found.params == node.params:
            return terms
        if found.op not in (_ADD, _SUBTRACT) or found.dtype != node.dtype:
            return None
        if found.shape != node.params[0].shape:
            return None
        a, b = found.args
        if (
            found.op is _ADD
            and _leads_to(tape, b, base, node)
            and not _leads_to(tape, a, base, node)
        ):
            a, b = b, a
        terms.append((1 if found.op is _ADD else -1, b))
        value = a


def _leads_to(tape: Tape, i: int, base: int, node: Node) -> bool:
    """Whether node `i` is the old content of the box, or a sum that begins with it."""
    while True:
        found = tape.nodes[i]
        if found.op is GATHER:
            return found.args == (base,) and found.params == node.params
        if found.op not in (_ADD, _SUBTRACT):
            return False
        i = found.args[0]


def _accumulate(table: dict[int, Any], i: int, g: Symbol) -> None:
    """Add a contribution to the cotangent of node `i`."""
    before = table.get(i)
    table[i] = g if before is None else before + g


def _missing(op: Any) -> Exception:
    return UnsupportedOperationError(
        f"{op.name} has no derivative rule. Write the operation with functions that have one, or "
        f"give it a rule with ra.primitive or ra.custom_vjp."
    )

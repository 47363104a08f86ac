"""Runs a tape for several values of its last inputs at once, what is common to them once.

An operation that has a `Primitive.together` sees all values in one call: a simulation, say, is
reversed with all cotangents in one sweep.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from revolve_ad.ad.core import INPUT
from revolve_ad.ad.tape import Tape, live_nodes

__all__ = ["gains_together", "run_together"]


def gains_together(tape: Tape) -> bool:
    """Tell whether an operation of the tape does several at once for less."""
    return any(node.op.together is not None for node in tape.nodes)


def run_together(
    tape: Tape, values: Sequence[Any], each: Sequence[Sequence[Any]], known: Mapping[int, Any]
) -> list[list[Any]]:
    """Run a tape for several values of its last inputs.

    Parameters
    ----------
    tape : Tape
        What to run.
    values : sequence
        An array or number for each of its first inputs.
    each : sequence of sequence
        Values of the other inputs; the tape is run for one after the other.
    known : mapping of int to array
        The values of nodes that need not be computed.

    Returns
    -------
    list of list
        The outputs for each of `each`; they may share memory.
    """
    nodes = tape.nodes
    common: dict[int, Any] = dict(zip(tape.inputs, values, strict=False)) | dict(known)
    own: dict[int, list[Any]] = {
        i: list(column)
        for i, column in zip(tape.inputs[len(values) :], zip(*each, strict=True), strict=True)
    }
    last = {a: i for i, node in enumerate(nodes) for a in node.args}
    for i in tape.outputs:
        last[i] = len(nodes)
    for i, alive in enumerate(live_nodes(nodes, tape.outputs, known)):
        node = nodes[i]
        if not alive or i in common or i in own or node.op is INPUT:
            continue
        if not any(a in own for a in node.args):
            common[i] = node.op.evaluate(*[common[a] for a in node.args], *node.params)
        else:
            operands = [
                [own[a][k] if a in own else common[a] for a in node.args] for k in range(len(each))
            ]
            if node.op.together is not None:
                own[i] = node.op.together(operands, *node.params)
            else:
                own[i] = [node.op.evaluate(*given, *node.params) for given in operands]
        for a in node.args:
            if last[a] == i:
                own.pop(a, None)
    return [[own[i][k] if i in own else common[i] for i in tape.outputs] for k in range(len(each))]

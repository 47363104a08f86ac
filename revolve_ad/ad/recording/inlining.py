"""A tape played on traced values: its operations are written down in the recording around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import CONSTANT, FULL, INPUT, ITEM
from revolve_ad.ad.tape import Tape, live_nodes
from revolve_ad.ad.traced import Traced, node_and_value, recorder_of

__all__ = ["inline"]


def inline(tape: Tape, operands: Sequence[Any], known: Mapping[int, Any]) -> list[Any]:
    """Run `tape` on operands of which some are traced.

    Parameters
    ----------
    tape : Tape
        What to run.
    operands : sequence
        One for each input; traced or plain.
    known : mapping of int to array
        Values of nodes that were computed before, to be recorded without computing them again.

    Returns
    -------
    list of Traced
    """
    rec = recorder_of(operands)
    env: dict[int, int] = {}
    values: dict[int, Any] = {}
    for i, x in zip(tape.inputs, operands, strict=True):
        env[i], values[i] = node_and_value(rec, x)
    live = live_nodes(tape.nodes, tape.outputs)
    for i, node in enumerate(tape.nodes):
        if not live[i] or i in env:
            continue
        if node.op is INPUT:
            raise AssertionError("an input without an operand")
        value = known.get(i)
        if node.op is CONSTANT:
            value = node.params[0].value if value is None else value
            env[i] = rec.constant(value)
        elif node.op is FULL:
            value = node.op.evaluate(*node.params)
            env[i] = rec.literal(node.params[0], node.dtype, node.shape)
        else:
            args = tuple([env[a] for a in node.args])
            if value is None:
                value = node.op.evaluate(*[values[a] for a in node.args], *node.params)
            if node.op is not ITEM and node.results is None and isinstance(value, np.ndarray):
                value = value if value.base is None else value.copy()
            env[i] = rec.append(node.op, args, node.params, node.shape, node.dtype, value)
            if node.results is not None:
                rec.nodes[env[i]] = rec.nodes[env[i]]._replace(results=node.results)
        values[i] = value
    out = []
    for i in tape.outputs:
        value = values[i]
        out.append(
            Traced.wrap(
                rec, env[i], np.array(value, copy=True) if isinstance(value, np.ndarray) else value
            )
        )
    return out

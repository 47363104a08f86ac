"""What a step computes from its params alone, moved out of the time loop.

Face conductivities, coefficients, masks: a step written plainly computes them again and again.
A tape is split into a *prologue*, which depends on some inputs only, and a *main* tape that gets
the prologue's results as further inputs.  In reverse their cotangents are summed over all steps,
and pulled back through the prologue once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from revolve_ad.ad.core import BROADCAST, CONSTANT, FULL, GATHER, INPUT, ITEM
from revolve_ad.ad.running.lifetimes import c_ordered
from revolve_ad.ad.tape import Node, Tape

__all__ = ["Hoisted", "hoist"]


@dataclass(frozen=True, eq=False)
class Hoisted:
    """A tape in two parts.

    Attributes
    ----------
    prologue : Tape
        Inputs: those of the tape, all of them; outputs: the values that move.
    main : Tape
        Inputs: those of the tape, then the prologue's outputs; outputs: those of the tape.
    n_moved : int
        Operations that the main tape is spared.
    nbytes : int
        Bytes of the prologue's outputs.
    """

    prologue: Tape
    main: Tape
    n_moved: int
    nbytes: int


def hoist(tape: Tape, fixed: Collection[int]) -> Hoisted | None:
    """Split a tape; None if nothing is worth moving.

    Parameters
    ----------
    tape : Tape
        What runs in a loop.
    fixed : collection of int
        The inputs, by number, that are the same in every turn of the loop.
    """
    nodes = tape.nodes
    ordered = c_ordered(nodes)
    inputs = {i: number for number, i in enumerate(tape.inputs)}
    still = [False] * len(nodes)
    moved = [False] * len(nodes)  # stands still, and has an input among its ancestors
    for i, node in enumerate(nodes):
        if node.op is INPUT:
            still[i] = inputs.get(i) in fixed
        else:
            # What is handed over comes in C order: a sum over another order has other bits.
            alike = ordered[i] or node.op in (GATHER, BROADCAST)
            still[i] = alike and node.results is None and all(still[a] for a in node.args)
            moved[i] = still[i] and bool(node.args)
    # Views cost nothing: what moves is the array that they are views of.
    frontier: dict[int, None] = {}
    stays = [False] * len(nodes)
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes[i]
        if not (moved[i] and not stays[i]):
            for a in node.args:
                if not moved[a]:
                    continue
                if nodes[a].op in (GATHER, BROADCAST, ITEM) and nodes[a].shape != ():
                    stays[a] = True
                else:
                    frontier[a] = None
    for i in tape.outputs:
        if moved[i] and not stays[i]:
            frontier[i] = None
    found = sorted(frontier)
    if not found:
        return None
    kept: list[Node] = list(nodes)
    for i in found:
        kept[i] = Node(INPUT, (), ("hoisted",), nodes[i].shape, nodes[i].dtype)
    main = Tape(tuple(kept), (*tape.inputs, *found), tape.outputs, tape.depends_on_values).pruned()
    prologue = Tape(nodes, tape.inputs, tuple(found), tape.depends_on_values).pruned()
    return Hoisted(
        prologue,
        main,
        sum(n.op not in (INPUT, CONSTANT, FULL) for n in prologue.nodes),
        sum(prod(nodes[i].shape) * nodes[i].dtype.itemsize for i in found),
    )

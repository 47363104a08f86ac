"""Puts each tangent next to its value, so that a forward run need not hold all values at once.

A tangent tape has the nodes of its function first, and everything about tangents behind them: what
reads kept values finds them by position.  Run in that order, each value that a tangent needs stays
until the end.
"""

from __future__ import annotations

from revolve_ad.ad.core import INPUT
from revolve_ad.ad.tape import Tape

__all__ = ["interleaved"]


def interleaved(tape: Tape, n_first: int) -> Tape:
    """Return the same tape with each later node as soon as what it needs is there.

    Parameters
    ----------
    tape : Tape
        A tape.
    n_first : int
        The first nodes keep their order; those behind them move forward.
    """
    nodes = tape.nodes
    n = len(nodes)
    key = [*range(n_first), *[-1] * (n - n_first)]
    alone: list[int] = []
    for i in range(n_first, n):
        if nodes[i].args:
            key[i] = max([key[a] for a in nodes[i].args])
        elif nodes[i].op is not INPUT:
            alone.append(i)
    if alone:  # numbers that nothing is needed for: where they are needed
        first = dict.fromkeys(alone, n)
        for i in range(n_first, n):
            for a in nodes[i].args:
                if a in first:
                    first[a] = min(first[a], key[i])
        for i, k in first.items():
            key[i] = k
    order = sorted(range(n), key=key.__getitem__)  # stable: a node stays behind what it needs
    position = [0] * n
    for new, old in enumerate(order):
        position[old] = new
    return Tape(
        tuple([nodes[i]._replace(args=tuple([position[a] for a in nodes[i].args])) for i in order]),
        tuple([position[i] for i in tape.inputs]),
        tuple([position[i] for i in tape.outputs]),
        tape.depends_on_values,
    )

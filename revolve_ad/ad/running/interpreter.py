"""The NumPy interpreter: runs a tape, dropping each buffer at its last use.

`Interpreter` prepares a tape: which nodes are needed, when each buffer is used for the last
time, which writes can be done in place, and which large results can go into a buffer that is
free by then.  The arithmetic is NumPy's own, operation by operation, so that a run gives the bits
that the recorded function gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    ITEM,
    SCATTER,
    SCATTER_ADD,
    scatter_add_into,
    scatter_into,
)
from revolve_ad.ad.tape import Node, Tape, live_nodes

__all__ = ["Interpreter", "evaluate"]

# Below this size an allocation costs less than the bookkeeping that would avoid it.
REUSE_BYTES = 1 << 14

_IN_PLACE = {SCATTER: scatter_into, SCATTER_ADD: scatter_add_into}
_ALIASES = (GATHER, BROADCAST, ITEM)


def _nbytes(node: Node) -> int:
    return prod(node.shape) * node.dtype.itemsize


class Interpreter:
    """A tape made ready to be run once or a few times; `program` has what runs many times.

    Parameters
    ----------
    tape : Tape
        What to run.
    known : iterable of int, optional
        Nodes whose values will be given to `run`; they and what only they need aren't computed.
    keep : iterable of int, optional
        Further nodes whose values `run_all` returns.

    Attributes
    ----------
    tape : Tape
        The tape.
    bytes : int
        Array bytes that a run holds at its peak, beside inputs, constants and known values.
    n_operations : int
        Operations that a run executes.
    """

    __slots__ = (
        "_constants",
        "_given",
        "_inputs",
        "_n",
        "_outputs",
        "_steps",
        "bytes",
        "n_operations",
        "tape",
    )

    def __init__(self, tape: Tape, known: Iterable[int] = (), keep: Iterable[int] = ()) -> None:
        nodes = tape.nodes
        given = set(known)
        outputs = [*tape.outputs, *keep]
        needed = _needed(nodes, outputs, given)
        origin = _origins(nodes, needed, given)
        last = _last_uses(nodes, needed, given, origin, outputs)
        dying: dict[int, list[int]] = {}
        for i in needed:
            dying.setdefault(last[origin[i]], []).append(i)
        ours = {i for i in needed if origin[i] == i and i not in given and not _is_fixed(nodes[i])}

        self.tape = tape
        self._n = len(nodes)
        self._given = [i for i in needed if i in given]
        self._inputs = tape.inputs
        self._constants = [
            (i, nodes[i].op.evaluate(*nodes[i].params))
            for i in needed
            if i not in given and _is_constant(nodes[i])
        ]
        # A result that could share memory with an input, a constant or another result is copied.
        times = Counter(origin[o] for o in outputs)
        single = {i for i in ours if times[i] == 1}
        self._outputs = tuple((i, i in single) for i in outputs)

        steps: list[tuple[Any, ...]] = []
        held: dict[int, int] = {}
        total = peak = 0
        for i in needed:
            node = nodes[i]
            if i in given or _is_fixed(node):
                continue
            function, reuse = node.op.evaluate, -1
            spare = [
                a in ours and a not in given and last[a] == i and nodes[a].shape != ()
                for a in node.args
            ]
            if node.op in _IN_PLACE and spare[0] and origin[node.args[1]] != node.args[0]:
                function = _IN_PLACE[node.op]
                held[i] = held.pop(node.args[0], 0)
            elif (
                node.op.ufunc is not None
                and node.results is None
                and _nbytes(node) >= REUSE_BYTES
                and (reuse := _reusable(nodes, node, spare)) >= 0
            ):
                held[i] = held.pop(node.args[reuse], 0)
            elif origin[i] == i:
                held[i] = _nbytes(node)
                total += held[i]
                peak = max(peak, total)
            dead = tuple([d for d in dying.get(i, ()) if d != i])
            for d in dead:
                total -= held.pop(d, 0)
            steps.append((function, node.args, node.params, i, dead, reuse))
        self._steps = tuple(steps)
        self.bytes = peak
        self.n_operations = len(steps)

    def run(self, values: Sequence[Any], known: Mapping[int, Any] | None = None) -> list[Any]:
        """Run the tape.

        Parameters
        ----------
        values : sequence
            An array or number for each input of the tape.
        known : mapping of int to array, optional
            The values of the nodes that were declared known.

        Returns
        -------
        list
            The outputs, then what `keep` named; arrays in memory of their own.
        """
        return self.run_out(values, {} if known is None else dict(known))

    def run_out(self, values: Sequence[Any], known: dict[int, Any]) -> list[Any]:
        """Do the same, and empty `known`: what it alone holds is freed after its last use."""
        env: list[Any] = [None] * self._n
        for i, value in zip(self._inputs, values, strict=True):
            env[i] = value
        for i, value in self._constants:
            env[i] = value
        value = None
        for i in self._given:
            env[i] = known[i]
        known.clear()
        for function, args, params, i, dead, reuse in self._steps:
            operands = [env[a] for a in args]
            if reuse >= 0:
                out = operands[reuse]
                env[i] = (
                    function(*operands, out=out) if type(out) is np.ndarray else function(*operands)
                )
            else:
                env[i] = function(*operands, *params)
            for d in dead:
                env[d] = None
        results = []
        for i, owned in self._outputs:
            value = env[i]
            results.append(value if owned or not isinstance(value, np.ndarray) else value.copy())
        return results


def _is_constant(node: Node) -> bool:
    """Whether the value is the same, and may be the same object, in every run."""
    return node.op is CONSTANT or (node.op is FULL and node.shape == ())


def _is_fixed(node: Node) -> bool:
    """Whether no operation makes the value."""
    return node.op is INPUT or _is_constant(node)


def _reusable(nodes: Sequence[Node], node: Node, spare: Sequence[bool]) -> int:
    """Return the number of an operand whose buffer can take the result; -1 if there is none."""
    for k, a in enumerate(node.args):
        if spare[k] and nodes[a].shape == node.shape and nodes[a].dtype == node.dtype:
            return k
    return -1


def _needed(nodes: Sequence[Node], outputs: Sequence[int], given: set[int]) -> list[int]:
    """Return, in order, the nodes that the outputs need, those given included."""
    return [i for i, alive in enumerate(live_nodes(nodes, outputs, given)) if alive]


def _origins(nodes: Sequence[Node], needed: Sequence[int], given: set[int]) -> dict[int, int]:
    """Return for each node the one whose memory its value may share; itself if it has its own."""
    origin: dict[int, int] = {}
    for i in needed:
        node = nodes[i]
        shares = node.op is ITEM or (node.op in _ALIASES and node.shape != ())
        origin[i] = origin[node.args[0]] if shares and i not in given else i
    return origin


def _last_uses(
    nodes: Sequence[Node],
    needed: Sequence[int],
    given: set[int],
    origin: Mapping[int, int],
    outputs: Sequence[int],
) -> dict[int, int]:
    """Return for each origin the position of its last use, through any view of it."""
    last: dict[int, int] = {}
    for i in needed:
        last.setdefault(origin[i], i)
        if i not in given:
            for a in nodes[i].args:
                last[origin[a]] = i
    for i in outputs:
        last[origin[i]] = len(nodes)
    return last


def evaluate(
    tape: Tape, values: Sequence[Any], known: Mapping[int, Any] | None = None
) -> list[Any]:
    """Run a tape once; see `Interpreter.run`."""
    return Interpreter(tape, known or ()).run(values, known)

"""What an observation adds to the cotangent of a state: nothing, a few elements, or a whole array.

Who watches a few points of a large state has a cotangent of zeros but for those points; it is added
there, and no array of zeros is ever made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from revolve_ad.ad.core import FULL, SCATTER_ADD, scatter_add_into
from revolve_ad.ad.functions.indexing import INDEX_ADD, filled
from revolve_ad.ad.running.arena import Arena
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.simulation.arrays.layout import Array, Leaves

__all__ = ["Addend", "Addends", "Elements", "add"]


@dataclass(frozen=True, slots=True)
class Elements:
    """Numbers for some elements of an array.

    Attributes
    ----------
    value : ndarray or number
        What is added.
    index : tuple or StridedMap
        Where: an index of NumPy's, in which positions that occur twice add up; or the map of a
        view.
    """

    value: Any
    index: tuple[Any, ...] | StridedMap

    def add_to(self, total: Array) -> None:
        """Add them, in place."""
        if isinstance(self.index, StridedMap):
            scatter_add_into(total, self.value, self.index)
        else:
            np.add.at(total, self.index, self.value)


Addend = Array | Elements | None
"""What is added to one leaf; None is nothing."""


def add(cotangent: Leaves, parts: Sequence[Addend]) -> None:
    """Add to a cotangent, in place."""
    for total, part in zip(cotangent, parts, strict=True):
        if isinstance(part, Elements):
            part.add_to(total)
        elif part is not None:
            np.add(total, part, out=total)


@final
class Addends:
    """A reverse tape, ready to run, whose results are addends.

    Parameters
    ----------
    tape : Tape
        The reverse of an observation, simplified.
    n_state : int
        How many of its outputs, the first ones, belong to leaves of the state; of the others only
        those that are zero are told from arrays.
    donated : range
        Inputs whose arrays are used up.
    arena : Arena
        The memory that the run shares with other programs.
    """

    __slots__ = ("_program", "_recipes")

    def __init__(self, tape: Tape, n_state: int, donated: range, arena: Arena) -> None:
        nodes = tape.nodes
        outputs: list[int] = []
        # For each output: how many values it takes, and what to make of them.
        self._recipes: list[tuple[int, Any]] = []
        for number, i in enumerate(tape.outputs):
            node = nodes[i]
            if _is_zero(node):
                self._recipes.append((0, None))
            elif number < n_state and _is_sparse(nodes, node):
                operands = node.args[1:]
                outputs += operands
                self._recipes.append((len(operands), node.params[0]))
            else:
                outputs.append(i)
                self._recipes.append((1, None))
        run = Tape(nodes, tape.inputs, tuple(outputs), tape.depends_on_values).pruned()
        self._program = Program(run, donated, shared=True, arena=arena)

    @property
    def bytes(self) -> int:
        """See `Program.bytes`."""
        return self._program.bytes

    def run(self, values: Sequence[Any]) -> list[Addend]:
        """Run the tape; return an addend for each of its outputs."""
        found = iter(self._program.run(values))
        made: list[Addend] = []
        for count, index in self._recipes:
            operands = [next(found) for _ in range(count)]
            if not operands:
                made.append(None)
            elif index is None:
                made.append(operands[0])
            elif isinstance(index, StridedMap):
                made.append(Elements(operands[0], index))
            else:
                made.append(Elements(operands[0], filled(index, operands[1:])))
        return made


def _is_zero(node: Node) -> bool:
    return node.op is FULL and node.params[0] == 0


def _is_sparse(nodes: Sequence[Node], node: Node) -> bool:
    return node.op in (INDEX_ADD, SCATTER_ADD) and _is_zero(nodes[node.args[0]])

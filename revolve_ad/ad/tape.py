"""The tape (Wengert list): operations in single-assignment form with static shapes and dtypes.

A tape is a list of nodes.  A node applies a `Primitive` to earlier nodes, named by their
positions, and has one value: an array of a known shape and dtype, or, for a primitive with
several results, a tuple that `item` takes apart.  Transformations (`vjp`, `jvp`) turn a tape into
a tape; the interpreter runs it with NumPy; `native` compiles it.
"""

from __future__ import annotations

from dataclasses import dataclass

from revolve_ad.ad.node import ArrayType, Kind, Node, Primitive, live_nodes
from revolve_ad.ad.table import Table, dot, table

__all__ = ["ArrayType", "Kind", "Node", "Primitive", "Tape", "live_nodes"]


@dataclass(frozen=True, eq=False, repr=False)
class Tape:
    """A recorded function: inputs, nodes, outputs.

    Attributes
    ----------
    nodes : tuple of Node
        The operations; every operand stands before its use.
    inputs : tuple of int
        Positions of the input nodes, in the order of the arguments.
    outputs : tuple of int
        Positions of the results.
    depends_on_values : str or None
        Where the recorded function looked at a value (a branch, an integer), so that the tape
        holds for these arguments alone; None if it holds for all arguments of these types.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    depends_on_values: str | None = None

    @property
    def table(self) -> Table:
        """The lines of the tape, as they are printed."""
        return table(self.nodes, self.outputs, self.depends_on_values)

    def to_html(self) -> str:
        """Return the table as HTML."""
        return self.table.to_html()

    def to_dot(self) -> str:
        """Return the tape as a graph in the DOT language, for Graphviz."""
        return dot(self.nodes, self.outputs)

    def __str__(self) -> str:
        return str(self.table)

    def __repr__(self) -> str:
        return (
            f"<tape of {len(self.nodes)} nodes, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs>"
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def type_of(self, i: int) -> ArrayType:
        """Return the type of node `i`."""
        node = self.nodes[i]
        return ArrayType(node.shape, node.dtype)

    def pruned(self) -> Tape:
        """Return the tape without the nodes that no output needs; all inputs stay."""
        live = live_nodes(self.nodes, self.outputs)
        for i in self.inputs:
            live[i] = True
        position = [-1] * len(self.nodes)
        kept: list[Node] = []
        for i, node in enumerate(self.nodes):
            if live[i]:
                position[i] = len(kept)
                kept.append(node._replace(args=tuple([position[a] for a in node.args])))
        return Tape(
            tuple(kept),
            tuple(position[i] for i in self.inputs),
            tuple(position[i] for i in self.outputs),
            self.depends_on_values,
        )

"""A tape as a textbook prints it: one line an operation, with values and adjoints.

Here are only texts: what a line says.  `recorded` knows the values.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, final, overload

from revolve_ad.ad.node import Node, live_nodes
from revolve_ad.ad.spelling import formula

__all__ = ["Row", "Rows", "Table", "dot", "table"]

_FIRST, _LAST = 120, 30
"""Of a longer tape, so many lines are printed at each end."""

_NUMERIC = ("value", "adjoint")

_KINDS = 8
"""So many kinds of operations are counted in the last line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes
    ----------
    name : str
        Such as ``v4``.
    formula : str
        What it is computed from, such as ``v3 ** 2``.
    type : str
        Such as ``float64[3, 4]``; a number is ``float64``.
    value, adjoint : number or None
        Where they are known.
    """

    name: str
    formula: str
    type: str
    value: Any = None
    adjoint: Any = None


@final
class Rows(Sequence[Row]):
    """The lines of a tape, each made where it is asked for: a long tape shows its two ends alone.

    Parameters
    ----------
    positions : sequence of int
        The nodes that have a line.
    row : callable
        ``(position) -> Row``.
    """

    __slots__ = ("_positions", "_row")

    def __init__(self, positions: Sequence[int], row: Callable[[int], Row]) -> None:
        self._positions = positions
        self._row = row

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, k: int) -> Row: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, k: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(k, slice):
            return tuple([self._row(i) for i in self._positions[k]])
        return self._row(self._positions[k])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self[:] == other[:]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a tape, and what they add up to.

    Attributes
    ----------
    rows : sequence of Row
        Inputs and the operations that some result needs, in order; literal numbers stand in the
        formulas.
    results : tuple of str
        The names of the outputs.
    operations : dict of str to int
        How often each operation occurs, the most frequent first.
    nbytes : int
        What all values would take if they were kept.
    note : str or None
        Why the tape holds for these arguments alone.
    """

    rows: Sequence[Row]
    results: tuple[str, ...]
    operations: dict[str, int]
    nbytes: int
    note: str | None = None

    @property
    def n_operations(self) -> int:
        """Number of operations."""
        return sum(self.operations.values())

    def _shown(self) -> tuple[list[Row], int]:
        """Return the rows that are printed, and how many are left out behind the first ones."""
        rows, left_out = self.rows, len(self.rows) - _FIRST - _LAST
        if left_out <= 0:
            return list(rows), 0
        return [*rows[:_FIRST], *rows[-_LAST:]], left_out

    @staticmethod
    def _columns(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
        columns = [
            ("", [row.name for row in rows]),
            ("operation", [row.formula for row in rows]),
            ("type", [row.type for row in rows]),
        ]
        if any(row.value is not None for row in rows):
            columns.append(("value", [_number(row.value) for row in rows]))
        if any(row.adjoint is not None for row in rows):
            columns.append(("adjoint", [_number(row.adjoint) for row in rows]))
        return columns

    def _foot(self) -> list[str]:
        counts = [f"{n} {name}" for name, n in self.operations.items()]
        if len(counts) > _KINDS + 1:
            others = sum(list(self.operations.values())[_KINDS:])
            counts[_KINDS:] = [f"{others} of other kinds"]
        kinds = ", ".join(counts)
        lines = [f"returns {', '.join(self.results) or 'nothing'}"]
        count = f"{self.n_operations} operation{'' if self.n_operations == 1 else 's'}"
        lines.append(f"{count}{': ' if kinds else ''}{kinds}; {self.nbytes:,} bytes of values")
        if self.note is not None:
            lines.append(f"holds for these arguments alone: {self.note}")
        return lines

    def __str__(self) -> str:
        rows, left_out = self._shown()
        columns = self._columns(rows)
        widths = [max(len(head), *map(len, cells), 0) for head, cells in columns]
        heads = [
            head.rjust(width) if head in _NUMERIC else head.ljust(width)
            for (head, _), width in zip(columns, widths, strict=True)
        ]
        lines = []
        for i in range(len(rows)):
            cells = [
                cells[i].rjust(width) if head in _NUMERIC else cells[i].ljust(width)
                for (head, cells), width in zip(columns, widths, strict=True)
            ]
            lines.append(" = ".join([cells[0], "   ".join(cells[1:])]).rstrip())
        if left_out:
            lines.insert(_FIRST, f"… {left_out:,} more lines …")
        return "\n".join(["   ".join(heads).rstrip(), *lines, *self._foot()])

    def to_html(self) -> str:
        """Return an HTML table."""
        rows, left_out = self._shown()
        columns = self._columns(rows)
        head = "".join(f"<th{_aligned(name)}>{name}</th>" for name, _ in columns)
        body = []
        for i in range(len(rows)):
            cells = "".join(
                f"<td{_aligned(name)}>{html.escape(cells[i], quote=False)}</td>"
                for name, cells in columns
            )
            body.append(f"<tr>{cells}</tr>")
        if left_out:
            more = f'<tr><td colspan="{len(columns)}">… {left_out:,} more lines …</td></tr>'
            body.insert(_FIRST, more)
        foot = "<br>".join(html.escape(line, quote=False) for line in self._foot())
        return (
            '<table style="font-family: monospace">'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
            f"<p>{foot}</p>"
        )


def _aligned(column: str) -> str:
    # Notebooks align to the right what doesn't say otherwise.
    return f' style="text-align: {"right" if column in _NUMERIC else "left"}"'


def table(
    nodes: Sequence[Node],
    outputs: Sequence[int],
    note: str | None = None,
    values: Mapping[int, Any] | None = None,
    adjoints: Mapping[int, Any] | None = None,
) -> Table:
    """Return the lines of a tape.

    Parameters
    ----------
    nodes : sequence of Node
        Its operations.
    outputs : sequence of int
        The positions of its results.
    note : str, optional
        Why it holds for these arguments alone.
    values, adjoints : mapping of int to number, optional
        By position, where they are known.
    """
    values, adjoints = values or {}, adjoints or {}
    names, shown = _names(nodes, outputs), _shown(nodes, outputs)
    operations: Counter[str] = Counter()
    nbytes = 0
    for i, node in enumerate(nodes):
        if not shown[i]:
            continue
        nbytes += prod(node.shape) * node.dtype.itemsize
        if node.op.name not in ("input", "constant"):
            operations[node.op.name.partition(" ")[0]] += 1

    def row(i: int) -> Row:
        text = formula(nodes[i], [names[a] for a in nodes[i].args])
        known = _known(values.get(i)), _known(adjoints.get(i))
        return Row(names[i], text, _type(nodes[i]), *known)

    return Table(
        Rows([i for i, flag in enumerate(shown) if flag], row),
        tuple([names[i] for i in outputs]),
        dict(operations.most_common()),
        nbytes,
        note,
    )


def dot(nodes: Sequence[Node], outputs: Sequence[int]) -> str:
    """Return the tape as a graph in the DOT language, for Graphviz."""
    names, shown = _names(nodes, outputs), _shown(nodes, outputs)
    lines = ["digraph tape {", "  rankdir=LR;", "  node [shape=box, fontname=monospace];"]
    for i, node in enumerate(nodes):
        if not shown[i]:
            continue
        text = formula(node, [names[a] for a in node.args])
        label = f"{names[i]} = {text}\\n{_type(node)}".replace('"', '\\"')
        look = ", style=rounded" if node.op.name == "input" else ""
        look += ", penwidth=2" if i in outputs else ""
        lines.append(f'  {i} [label="{label}"{look}];')
        lines += [f"  {a} -> {i};" for a in node.args if not _is_literal(nodes[a])]
    return "\n".join([*lines, "}"])


def _is_literal(node: Node) -> bool:
    return node.op.name == "full" and node.shape == ()


def _shown(nodes: Sequence[Node], outputs: Sequence[int]) -> list[bool]:
    """Return which nodes have a line: the inputs, and operations that some result needs."""
    return [
        (alive or node.op.name == "input") and not _is_literal(node)
        for node, alive in zip(nodes, live_nodes(nodes, outputs), strict=True)
    ]


def _names(nodes: Sequence[Node], outputs: Sequence[int]) -> list[str]:
    """Return what each node is called: a number for a literal, v1, v2, … for the others."""
    names = []
    count = 0
    for node, shown in zip(nodes, _shown(nodes, outputs), strict=True):
        if _is_literal(node):
            names.append(f"{node.params[0]!r}")
        else:
            count += shown
            names.append(f"v{count}")
    return names


def _type(node: Node) -> str:
    if node.results is not None:
        return f"{len(node.results)} results"
    shape = f"[{', '.join(map(str, node.shape))}]" if node.shape else ""
    return f"{node.dtype}{shape}"


def _known(value: Any) -> Any:
    """Return a NumPy number as a plain one, so that rows compare and print simply."""
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (float, complex)):
        return f"{value:.8g}"
    return str(value)

"""A tape as a textbook prints it: one line an operation, with values and adjoints.

Here are only texts: what a line says.  `recorded` knows the values.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from revolve_ad.ad.node import Node

__all__ = ["Row", "Table", "dot", "table"]

_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "power": "**",
    "scalar_power": "**",
    "matmul": "@",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
_PREFIX = {"negative": "-", "logical_not": "not "}
_FIRST, _LAST = 120, 30
"""Of a longer tape, so many lines are printed at each end."""


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


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a tape, and what they add up to.

    Attributes
    ----------
    rows : tuple of Row
        Inputs and operations, in order; literal numbers stand in the formulas.
    results : tuple of str
        The names of the outputs.
    operations : dict of str to int
        How often each operation occurs, the most frequent first.
    nbytes : int
        What all values would take if they were kept.
    note : str or None
        Why the tape holds for these arguments alone.
    """

    rows: tuple[Row, ...]
    results: tuple[str, ...]
    operations: dict[str, int]
    nbytes: int
    note: str | None = None

    @property
    def n_operations(self) -> int:
        """Number of operations."""
        return sum(self.operations.values())

    def _columns(self) -> list[tuple[str, list[str]]]:
        columns = [
            ("", [row.name for row in self.rows]),
            ("operation", [row.formula for row in self.rows]),
            ("type", [row.type for row in self.rows]),
        ]
        if any(row.value is not None for row in self.rows):
            columns.append(("value", [_number(row.value) for row in self.rows]))
        if any(row.adjoint is not None for row in self.rows):
            columns.append(("adjoint", [_number(row.adjoint) for row in self.rows]))
        return columns

    def _foot(self) -> list[str]:
        kinds = ", ".join(f"{n} {name}" for name, n in self.operations.items())
        lines = [f"returns {', '.join(self.results) or 'nothing'}"]
        count = f"{self.n_operations} operation{'' if self.n_operations == 1 else 's'}"
        lines.append(f"{count}{': ' if kinds else ''}{kinds}; {self.nbytes:,} bytes of values")
        if self.note is not None:
            lines.append(f"holds for these arguments alone: {self.note}")
        return lines

    def __str__(self) -> str:
        columns = self._columns()
        numeric = ("value", "adjoint")
        widths = [max(len(head), *map(len, cells), 0) for head, cells in columns]
        heads = [
            head.rjust(width) if head in numeric else head.ljust(width)
            for (head, _), width in zip(columns, widths, strict=True)
        ]
        lines = ["   ".join(heads).rstrip()]
        for i in range(len(self.rows)):
            cells = [
                cells[i].rjust(width) if head in numeric else cells[i].ljust(width)
                for (head, cells), width in zip(columns, widths, strict=True)
            ]
            lines.append(" = ".join([cells[0], "   ".join(cells[1:])]).rstrip())
        if len(lines) > _FIRST + _LAST + 1:
            left_out = len(lines) - _FIRST - _LAST
            lines[_FIRST:-_LAST] = [f"… {left_out:,} more lines …"]
        return "\n".join([*lines, *self._foot()])

    def to_html(self) -> str:
        """Return an HTML table."""
        columns = self._columns()
        head = "".join(f"<th>{name}</th>" for name, _ in columns)
        body = []
        for i in range(len(self.rows)):
            cells = "".join(f"<td>{html.escape(cells[i])}</td>" for _, cells in columns)
            body.append(f"<tr>{cells}</tr>")
        if len(body) > _FIRST + _LAST:
            left_out = len(body) - _FIRST - _LAST
            more = f"<tr><td colspan={len(columns)}>… {left_out:,} more lines …</td></tr>"
            body[_FIRST:-_LAST] = [more]
        foot = "<br>".join(html.escape(line) for line in self._foot())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
            f"<p>{foot}</p>"
        )


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
    names = _names(nodes)
    rows = []
    operations: Counter[str] = Counter()
    nbytes = 0
    for i, node in enumerate(nodes):
        if _is_literal(node):
            continue
        formula = _formula(node, [names[a] for a in node.args])
        rows.append(
            Row(names[i], formula, _type(node), _known(values.get(i)), _known(adjoints.get(i)))
        )
        nbytes += prod(node.shape) * node.dtype.itemsize
        if node.op.name not in ("input", "constant"):
            operations[node.op.name] += 1
    return Table(
        tuple(rows),
        tuple([names[i] for i in outputs]),
        dict(operations.most_common()),
        nbytes,
        note,
    )


def dot(nodes: Sequence[Node], outputs: Sequence[int]) -> str:
    """Return the tape as a graph in the DOT language, for Graphviz."""
    names = _names(nodes)
    lines = ["digraph tape {", "  rankdir=LR;", "  node [shape=box, fontname=monospace];"]
    for i, node in enumerate(nodes):
        if _is_literal(node):
            continue
        formula = _formula(node, [names[a] for a in node.args])
        label = f"{names[i]} = {formula}\\n{_type(node)}".replace('"', '\\"')
        look = ", style=rounded" if node.op.name == "input" else ""
        look += ", penwidth=2" if i in outputs else ""
        lines.append(f'  {i} [label="{label}"{look}];')
        lines += [f"  {a} -> {i};" for a in node.args if not _is_literal(nodes[a])]
    return "\n".join([*lines, "}"])


def _is_literal(node: Node) -> bool:
    return node.op.name == "full" and node.shape == ()


def _names(nodes: Sequence[Node]) -> list[str]:
    """Return what each node is called: a number for a literal, v1, v2, … for the others."""
    names = []
    count = 0
    for node in nodes:
        if _is_literal(node):
            names.append(f"{node.params[0]!r}")
        else:
            count += 1
            names.append(f"v{count}")
    return names


def _formula(node: Node, args: Sequence[str]) -> str:
    name, params = node.op.name, dict(zip(node.op.params, node.params, strict=False))
    if name == "input":
        return str(node.params[0])
    if name == "constant":
        return "constant"
    if name == "gather":
        return f"{args[0]}{_index(params['index'])}"
    if name in ("scatter", "scatter_add"):
        sign = "+=" if name == "scatter_add" else "="
        return f"{args[0]} with {_index(params['index'])} {sign} {args[1]}"
    if name == "item":
        return f"{args[0]}[{params['k']}]"
    if name in _INFIX and len(args) == 2:
        return f"{args[0]} {_INFIX[name]} {args[1]}"
    if name in _PREFIX and len(args) == 1:
        return f"{_PREFIX[name]}{args[0]}"
    shown = [f"{key}={_short(value)}" for key, value in params.items()]
    return f"{name}({', '.join([*args, *shown])})"


def _index(index: Any) -> str:
    """Return a strided map as an index, where it has that form."""
    if index.is_reshape:
        return f".reshape{index.shape}".replace(",)", ")")
    box = index.box
    if box is None:
        return f".view(shape={index.shape})"
    parts = []
    for axis, n in zip(box.axes, index.source, strict=True):
        if axis.view_axis is None:
            parts.append(f"{axis.start}")
            continue
        length = box.shape[axis.view_axis]
        stop = axis.start + axis.step * length
        begin = "" if (axis.start, axis.step > 0) in ((0, True), (n - 1, False)) else axis.start
        end = "" if stop >= n or stop < 0 else stop
        step = "" if axis.step == 1 else f":{axis.step}"
        parts.append(f"{begin}:{end}{step}")
    return f"[{', '.join(parts)}]"


def _type(node: Node) -> str:
    if node.results is not None:
        return f"{len(node.results)} results"
    shape = f"[{', '.join(map(str, node.shape))}]" if node.shape else ""
    return f"{node.dtype}{shape}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _known(value: Any) -> Any:
    """Return a NumPy number as a plain one, so that rows compare and print simply."""
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (float, complex)):
        return f"{value:.8g}"
    return str(value)

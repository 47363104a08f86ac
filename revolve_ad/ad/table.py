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

from revolve_ad.ad.node import Node, live_nodes
from revolve_ad.ad.strided import known_map

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

_SHOWN_ELEMENTS = 6
"""Up to so many elements of a constant are printed."""

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


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a tape, and what they add up to.

    Attributes
    ----------
    rows : tuple of Row
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
        numeric = ("value", "adjoint")
        head = "".join(f"<th{_aligned(name in numeric)}>{name}</th>" for name, _ in columns)
        body = []
        for i in range(len(self.rows)):
            cells = "".join(
                f"<td{_aligned(name in numeric)}>{html.escape(cells[i], quote=False)}</td>"
                for name, cells in columns
            )
            body.append(f"<tr>{cells}</tr>")
        if len(body) > _FIRST + _LAST:
            left_out = len(body) - _FIRST - _LAST
            more = f'<tr><td colspan="{len(columns)}">… {left_out:,} more lines …</td></tr>'
            body[_FIRST:-_LAST] = [more]
        foot = "<br>".join(html.escape(line, quote=False) for line in self._foot())
        return (
            '<table style="font-family: monospace">'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
            f"<p>{foot}</p>"
        )


def _aligned(right: bool) -> str:
    # Notebooks align to the right what doesn't say otherwise.
    return f' style="text-align: {"right" if right else "left"}"'


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
    rows = []
    operations: Counter[str] = Counter()
    nbytes = 0
    for i, node in enumerate(nodes):
        if not shown[i]:
            continue
        formula = _formula(node, [names[a] for a in node.args])
        rows.append(
            Row(names[i], formula, _type(node), _known(values.get(i)), _known(adjoints.get(i)))
        )
        nbytes += prod(node.shape) * node.dtype.itemsize
        if node.op.name not in ("input", "constant"):
            operations[node.op.name.partition(" ")[0]] += 1
    return Table(
        tuple(rows),
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
        formula = _formula(node, [names[a] for a in node.args])
        label = f"{names[i]} = {formula}\\n{_type(node)}".replace('"', '\\"')
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


def _formula(node: Node, args: Sequence[str]) -> str:
    name, params = node.op.name, dict(zip(node.op.params, node.params, strict=False))
    if name == "input":
        return str(node.params[0])
    if name == "constant":
        return _constant(node)
    if name == "full":
        return f"full({node.shape}, {params['value']!r})"
    if name == "cast":
        return f"{args[0]}.astype({node.dtype})"
    if name == "gather":
        return f"{args[0]}{_view(params['index'])}"
    if name in ("scatter", "scatter_add"):
        sign = "+=" if name == "scatter_add" else "="
        return f"{args[0]} with {_view(params['index']) or '[...]'} {sign} {args[1]}"
    if "template" in params:
        return _computed_index(name, args, params["template"])
    if name == "item":
        return f"{args[0]}[{params['k']}]"
    if name in _INFIX and len(args) == 2:
        return f"{args[0]} {_INFIX[name]} {args[1]}"
    if name in _PREFIX and len(args) == 1:
        return f"{_PREFIX[name]}{args[0]}"
    if (axes := params.pop("axes", None)) is not None and node.shape != ():
        params["axis"] = axes[0] if len(axes) == 1 else axes
    name, _, first = name.partition(" ")  # einsum goes by its subscripts
    shown = [
        f"{key}={_short(value)}"
        for key, value in params.items()
        if value is not None and value is not False
    ]
    return f"{name}({', '.join([*([repr(first)] if first else []), *args, *shown])})"


def _constant(node: Node) -> str:
    """Return the elements of a small constant."""
    if prod(node.shape) > _SHOWN_ELEMENTS:
        return "constant"
    return f"constant {node.params[0].value.tolist()}"


def _computed_index(name: str, args: Sequence[str], template: Any) -> str:
    """Return an index by arrays, or a write through one."""
    base, *arrays = args
    value = arrays.pop(0) if name in ("index_set", "index_add") else ""
    rest = iter(arrays)
    parts = []
    for kind, *numbers in template:
        if kind == "array":
            parts.append(next(rest))
        elif kind == "int":
            parts.append(str(numbers[0]))
        elif kind == "slice":
            begin, end, step = ["" if n is None else str(n) for n in numbers]
            parts.append(f"{begin}:{end}" + (f":{step}" if step not in ("", "1") else ""))
        else:
            parts.append("None" if kind == "new" else "...")
    index = f"[{', '.join(parts)}]"
    if name == "index":
        return f"{base}{index}"
    if not value:
        return f"{name}({', '.join(args)}, {index})"
    return f"{base} with {index} {'+=' if name == 'index_add' else '='} {value}"


def _view(index: Any) -> str:
    """Return what NumPy calls a strided map: an index, a transpose, a reshape, both."""
    if index.is_reshape:
        return "" if index.is_identity else f".reshape({_listed(index.shape)})"
    # The axes in the order in which they lie in memory, the longest stride first.
    order = [k for k, n in enumerate(index.shape) if n > 1]
    lying = iter(sorted(order, key=lambda k: -abs(index.strides[k])))
    order = [next(lying) if n > 1 else k for k, n in enumerate(index.shape)]
    turned = ""
    straight = index
    if order != sorted(order):
        straight = known_map(
            index.source,
            index.offset,
            tuple([index.shape[k] for k in order]),
            tuple([index.strides[k] for k in order]),
        )
        back = [order.index(k) for k in range(len(order))]
        all_back = back == sorted(back, reverse=True)
        turned = ".T" if all_back else f".transpose({_listed(back)})"
    if straight.is_reshape:
        same = straight.is_identity
        return f"{'' if same else f'.reshape({_listed(straight.shape)})'}{turned}"
    box = straight.box
    if box is None and len(index.shape) == 1:
        flat = known_map((prod(index.source),), *index[1:])
        return f".ravel(){_slices(flat, flat.box)}"
    if box is None:
        return f".strided(offset={index.offset}, shape={index.shape}, strides={index.strides})"
    shape = tuple([box.shape[a.view_axis] for a in box.axes if a.view_axis is not None])
    # What a box leaves out are axes of length one and repeated ones.
    after = "" if shape == straight.shape else f".reshape({_listed(straight.shape)})"
    return f"{_slices(straight, box)}{after}{turned}"


def _slices(index: Any, box: Any) -> str:
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
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return f"[{', '.join(parts)}]"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "()"


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

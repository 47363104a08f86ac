"""An operation of a tape spelled as the NumPy code that does it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from revolve_ad.ad.node import Node
from revolve_ad.ad.strided import known_map

__all__ = ["formula"]

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
_SHOWN_ELEMENTS = 6
"""Up to so many elements of a constant are printed."""


def formula(node: Node, args: Sequence[str]) -> str:
    """Return what a node is computed from, such as ``v1[1:] - v1[:-1]``, of named operands."""
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
        if flat.box is not None:  # what has no elements is in no box
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


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"

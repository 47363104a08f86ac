"""Small operations that aren't point by point, as compiled loops of their own.

Extremes, products, running sums, and solves of a few equations take NumPy microseconds, nearly all
of which is the call; and a step with a call can't be one compiled loop over all steps.  So where
the arrays are small, each becomes a function of the generated source.  Running sums and products
add and multiply in NumPy's order; the solves eliminate with the pivots of LAPACK's, in an order
of operations of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from revolve_ad.ad.functions.linalg import DET, INV, SOLVE
from revolve_ad.ad.functions.masked import FIRST_TAKEN
from revolve_ad.ad.functions.reductions import (
    ALL,
    ANY,
    CUMSUM,
    FMAX,
    FMIN,
    MAX,
    MIN,
    OTHERS,
    PROD,
)
from revolve_ad.ad.functions.ufunc_methods import RECURRENCE
from revolve_ad.ad.tape import Node
from revolve_ad.native.passes import arithmetic

__all__ = ["Kernel", "kernel_of"]

FEW = 4096
"""Elements up to which a reduction is compiled: NumPy's are vector code, ours go one by one."""

EQUATIONS = 16
"""Equations up to which a system is solved in place of LAPACK, whose calls take 5 µs and more."""

RIGHT_SIDES = 64

SCANNED = 100_000
"""Elements of a mask up to which its first is looked for one by one."""

_FIRST: dict[object, str] = {MAX: "maximum", MIN: "minimum", FMAX: "fmax", FMIN: "fmin"}
_POSITIONS = {"argmax": ">", "argmin": "<"}
_RUNNING = {
    "multiply.accumulate": "multiply",
    "maximum.accumulate": "maximum",
    "minimum.accumulate": "minimum",
    "fmax.accumulate": "fmax",
    "fmin.accumulate": "fmin",
}
_RUNNING_POSITIONS = {
    "position_of_maximum": "maximum",
    "position_of_minimum": "minimum",
    "position_of_fmax": "fmax",
    "position_of_fmin": "fmin",
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """An operation as a function of the generated source.

    Attributes
    ----------
    buffers : tuple of str
        What it is given: the buffer of the result, then those of the operands.
    lines : tuple of str
        Its body, in terms of ``y``, ``a``, ``b``.
    """

    buffers: tuple[str, ...]
    lines: tuple[str, ...]

    def source(self, name: str) -> str:
        """Return the function."""
        head = f"def {name}({', '.join('yab'[: len(self.buffers)])}):"
        return "\n".join([head, *(f"    {line}" for line in self.lines)]) + "\n"


def kernel_of(nodes: Sequence[Node], i: int) -> list[str] | None:
    """Return the body of the function that computes node `i`; None if NumPy is to do it.

    Arrays are in C order and of the shapes of the nodes; those without axes have one element.
    """
    node = nodes[i]
    operands = [nodes[a] for a in node.args]
    if node.results is not None or prod(node.shape) == 0 or not operands:
        return None
    if any(prod(a.shape) == 0 or a.dtype.kind not in "biuf" for a in operands):
        return None
    write = _WRITERS.get(node.op) or _BY_NAME.get(node.op.name)
    return None if write is None else write(node, operands)


def _at(name: str, index: Sequence[str]) -> str:
    return f"{name}[{', '.join(index) or '0'}]"


def _loops(sizes: Sequence[tuple[str, int]], body: Sequence[str]) -> list[str]:
    """Return loops around a body."""
    lines = []
    for depth, (counter, n) in enumerate(sizes):
        lines.append("    " * depth + f"for {counter} in range({n}):")
    return lines + ["    " * len(sizes) + line for line in body]


def _counters(shape: Sequence[int], stem: str = "i") -> list[tuple[str, int]]:
    return [(f"{stem}{d}", n) for d, n in enumerate(shape)]


def _reduced(node: Node, operands: Sequence[Node]) -> list[str] | None:
    (x,) = operands
    axes, keepdims = node.params
    if prod(x.shape) > FEW:
        return None
    counters = _counters(x.shape)
    names = [c for c, _ in counters]
    kept = [c for d, c in enumerate(names) if d not in axes]
    place = ["0" if d in axes else c for d, c in enumerate(names)] if keepdims else kept
    y, value = _at("y", place), _at("a", names)
    ufunc = _FIRST.get(node.op)
    if ufunc is not None:
        if x.dtype != node.dtype:
            return None
        first = _at("a", ["0" if d in axes else c for d, c in enumerate(names)])
        step = [f"v = {value}", f"w = {y}"]
        step.append(f"{y} = {arithmetic.text(ufunc, x.dtype, x.dtype, ['w', 'v'])}")
    elif node.op is PROD:
        if x.dtype != node.dtype or x.dtype.kind == "b":
            return None
        first = arithmetic.literal(1, node.dtype)
        step = [f"{y} = {y} * {value}"]
    else:
        zero = arithmetic.literal(0, x.dtype) if x.dtype.kind != "b" else "False"
        first = str(node.op is ALL)
        step = [f"if {value} {'==' if node.op is ALL else '!='} {zero}:"]
        step.append(f"    {y} = {node.op is ANY}")
    outer = [c for d, c in enumerate(counters) if d not in axes]
    return [*_loops(outer, [f"{y} = {first}"]), *_loops(counters, step)]


def _position(node: Node, operands: Sequence[Node]) -> list[str] | None:
    """Write argmax and argmin: the first of equals, and a NaN before all."""
    (x,) = operands
    axis, keepdims = node.params
    if prod(x.shape) > FEW or x.dtype.kind == "b" or not x.shape:
        return None
    counters = _counters(x.shape)
    names = [c for c, _ in counters]
    along = range(len(names)) if axis is None else (axis,)
    kept = [c for d, c in enumerate(names) if d not in along]
    place = ["0" if d in along else c for d, c in enumerate(names)] if keepdims else kept
    number = names[axis] if axis is not None else _flat(names, x.shape)
    sign = _POSITIONS[node.op.name]
    body = [f"best = {_at('a', ['0' if d in along else c for d, c in enumerate(names)])}"]
    body.append(f"{_at('y', place)} = 0")
    step = [f"v = {_at('a', names)}"]
    step.append(f"if v {sign} best or (v != v and best == best):")
    step += ["    best = v", f"    {_at('y', place)} = {number}"]
    body += _loops([counters[d] for d in along], step)
    return _loops([c for d, c in enumerate(counters) if d not in along], body)


def _flat(names: Sequence[str], shape: Sequence[int]) -> str:
    text = names[0]
    for name, n in zip(names[1:], shape[1:], strict=True):
        text = f"({text}) * {n} + {name}" if "+" in text else f"{text} * {n} + {name}"
    return text


def _running(node: Node, operands: Sequence[Node]) -> list[str] | None:
    """Write a running sum, product or extreme; along the last axis it stays in a register."""
    (x,) = operands
    if x.dtype != node.dtype or x.dtype.kind == "b":
        return None
    (axis,) = node.params
    ufunc = "add" if node.op is CUMSUM else _RUNNING[node.op.name]
    names = [c for c, _ in _counters(x.shape)]
    value = arithmetic.text(ufunc, x.dtype, x.dtype, ["w", "v"])
    return _swept(x.shape, axis, [f"w = {_at('a', names)}"], [f"v = {_at('a', names)}"], value)


def _recurrence(node: Node, operands: Sequence[Node]) -> list[str] | None:
    a, b = operands
    if not a.dtype == b.dtype == node.dtype or a.shape != b.shape or a.dtype.kind != "f":
        return None
    (axis,) = node.params
    names = [c for c, _ in _counters(a.shape)]
    step = [f"u = {_at('a', names)}", f"v = {_at('b', names)}"]
    return _swept(b.shape, axis, [f"w = {_at('b', names)}"], step, "v + u * w")


def _swept(
    shape: Sequence[int], axis: int, first: list[str], step: list[str], value: str
) -> list[str]:
    """Return loops that carry ``w`` along an axis, and store it at each place."""
    counters = _counters(shape)
    names = [c for c, _ in counters]
    here = _at("y", names)
    moved = f"i{axis}"

    def put(lines: Sequence[str], by: str) -> list[str]:
        return [line.replace(moved, by) for line in lines]

    outer, inner = counters[:axis], counters[axis + 1 :]
    later = f"({moved} + 1)"
    begin = [*put(first, "0"), *put([f"{here} = w"], "0")]
    along = [(moved, shape[axis] - 1)]
    if not inner:
        body = [*put(step, later), f"w = {value}", *put([f"{here} = w"], later)]
        return _loops(outer, [*begin, *_loops(along, body)])
    body = [f"w = {here}", *put(step, later), *put([f"{here} = {value}"], later)]
    return _loops(outer, [*_loops(inner, begin), *_loops(along, _loops(inner, body))])


def _running_position(node: Node, operands: Sequence[Node]) -> list[str] | None:
    """Write where the running extreme last stood."""
    (x,) = operands
    (axis,) = node.params
    if x.dtype.kind == "b":
        return None
    counters = _counters(x.shape)
    names = [c for c, _ in counters]
    first = _at("a", ["0" if d == axis else c for d, c in enumerate(names)])
    value = arithmetic.text(_RUNNING_POSITIONS[node.op.name], x.dtype, x.dtype, ["w", "v"])
    body = [f"w = {first}", "at = 0"]
    step = [f"v = {_at('a', names)}", f"w = {value}", "if v == w:", f"    at = i{axis}"]
    step.append(f"{_at('y', names)} = at")
    body += _loops([counters[axis]], step)
    return _loops([c for d, c in enumerate(counters) if d != axis], body)


def _others(node: Node, operands: Sequence[Node]) -> list[str] | None:
    """Write the products of all elements but one along the first axis."""
    (x,) = operands
    if x.dtype.kind != "f" or prod(x.shape) > FEW:
        return None
    n, inner = x.shape[0], _counters(x.shape)[1:]
    names = [c for c, _ in inner]
    one = arithmetic.literal(1, x.dtype)
    body = [f"w = {one}"]
    body += _loops(
        [("k", n)], [f"{_at('y', ['k', *names])} = w", f"w = w * {_at('a', ['k', *names])}"]
    )
    body += [f"w = {one}"]
    back = [f"{n - 1} - k", *names]
    y, a = _at("y", back), _at("a", back)
    body += _loops([("k", n)], [f"{y} = {y} * w", f"w = w * {a}"])
    return _loops(inner, body)


def _first_taken(node: Node, operands: Sequence[Node]) -> list[str] | None:
    """Write the first element, or row, that a mask takes; ones if it takes none."""
    x, mask = operands
    if mask.dtype.kind != "b" or prod(mask.shape) > SCANNED or x.dtype != node.dtype:
        return None
    if len(x.shape) < len(mask.shape):
        return ["y[0] = a[0]"] if x.shape == () else None
    if x.shape[: len(mask.shape)] != mask.shape:
        return None
    n, rest = prod(mask.shape), prod(node.shape)
    return [
        "masks = b.reshape(-1)",
        f"rows = a.reshape(({n}, {rest}))",
        "row = y.reshape(-1)",
        "at = -1",
        *_loops([("i", n)], ["if masks[i]:", "    at = i", "    break"]),
        *_loops([("j", rest)], [f"row[j] = rows[at, j] if at >= 0 else np.{x.dtype.name}(1)"]),
    ]


# -- a few equations -----------------------------------------------------------------------------


def _eliminated(n: int, width: int, *, sign: bool = False) -> list[str]:
    """Return the elimination of ``m``, shape (n, width), with the largest pivot of each column."""
    lines = [
        "p = k",
        "for i in range(k + 1, N):",
        "    if abs(m[i, k]) > abs(m[p, k]):",
        "        p = i",
        "if p != k:",
        "    for j in range(k, W):",
        "        m[k, j], m[p, j] = m[p, j], m[k, j]",
    ]
    if sign:
        lines.append("    d = -d")
    else:
        lines += ["if m[k, k] == 0.0:", '    raise np.linalg.LinAlgError("Singular matrix")']
    lines += [
        "for i in range(k + 1, N):",
        "    f = m[i, k] / m[k, k]",
        "    for j in range(k + 1, W):",
        "        m[i, j] = m[i, j] - f * m[k, j]",
    ]
    numbered = [line.replace("N)", f"{n})").replace("W)", f"{width})") for line in lines]
    return _loops([("k", n)], numbered)


def _substituted(n: int, columns: int) -> list[str]:
    """Return the substitution after the elimination; results stand in the last columns."""
    return _loops(
        [("c", columns), ("q", n)],
        [
            f"i = {n - 1} - q",
            f"w = m[i, {n} + c]",
            f"for j in range(i + 1, {n}):",
            f"    w = w - m[i, j] * m[j, {n} + c]",
            f"m[i, {n} + c] = w / m[i, i]",
        ],
    )


def _stacked(node: Node, operands: Sequence[Node]) -> tuple[int, ...] | None:
    """Return the shape of a stack of systems; None where stacks are broadcast."""
    a = operands[0]
    if len(a.shape) < 2 or a.shape[-1] > EQUATIONS or a.dtype.kind != "f":
        return None
    return a.shape[:-2] if all(x.dtype == node.dtype for x in operands) else None


def _room(n: int, width: int, dtype: np.dtype[np.generic]) -> str:
    return f"m = np.empty(({n}, {width}), np.{dtype.name})"


def _solve(node: Node, operands: Sequence[Node]) -> list[str] | None:
    stack = _stacked(node, operands)
    if stack is None:
        return None
    a, b = operands
    n = a.shape[-1]
    vector = len(b.shape) == 1
    columns = 1 if vector else b.shape[-1]
    if columns > RIGHT_SIDES or (b.shape[:-1] if vector else b.shape[:-2]) != (
        () if vector else stack
    ):
        return None
    if vector and stack:
        return None
    outer = _counters(stack, "s")
    names = [c for c, _ in outer]
    right = ["i"] if vector else [*names, "i", "j"]
    body = _loops([("i", n), ("j", n)], [f"m[i, j] = {_at('a', [*names, 'i', 'j'])}"])
    body += _loops([("i", n), ("j", columns)], [f"m[i, {n} + j] = {_at('b', right)}"])
    body += [*_eliminated(n, n + columns), *_substituted(n, columns)]
    body += _loops([("i", n), ("j", columns)], [f"{_at('y', right)} = m[i, {n} + j]"])
    return [_room(n, n + columns, a.dtype), *_loops(outer, body)]


def _inverse(node: Node, operands: Sequence[Node]) -> list[str] | None:
    stack = _stacked(node, operands)
    if stack is None:
        return None
    (a,) = operands
    n = a.shape[-1]
    outer = _counters(stack, "s")
    names = [c for c, _ in outer]
    one, zero = (arithmetic.literal(x, a.dtype) for x in (1, 0))
    body = _loops(
        [("i", n), ("j", n)],
        [
            f"m[i, j] = {_at('a', [*names, 'i', 'j'])}",
            f"m[i, {n} + j] = {one} if i == j else {zero}",
        ],
    )
    body += [*_eliminated(n, 2 * n), *_substituted(n, n)]
    body += _loops([("i", n), ("j", n)], [f"{_at('y', [*names, 'i', 'j'])} = m[i, {n} + j]"])
    return [_room(n, 2 * n, a.dtype), *_loops(outer, body)]


def _determinant(node: Node, operands: Sequence[Node]) -> list[str] | None:
    stack = _stacked(node, operands)
    if stack is None:
        return None
    (a,) = operands
    n = a.shape[-1]
    outer = _counters(stack, "s")
    names = [c for c, _ in outer]
    body = _loops([("i", n), ("j", n)], [f"m[i, j] = {_at('a', [*names, 'i', 'j'])}"])
    body.append(f"d = {arithmetic.literal(1, a.dtype)}")
    steps = _eliminated(n, n, sign=True)
    # A column of zeros: the determinant is zero, and there is nothing to divide by.
    guard = "    if m[k, k] != 0.0:"
    at = next(i for i, line in enumerate(steps) if "f = " in line) - 1
    steps = [*steps[:at], guard, *("    " + line for line in steps[at:]), "    d = d * m[k, k]"]
    body += [*steps, f"{_at('y', names)} = d"]
    return [_room(n, n, a.dtype), *_loops(outer, body)]


Writer = Callable[[Node, Sequence[Node]], list[str] | None]

_WRITERS: dict[object, Writer] = {
    **dict.fromkeys((*_FIRST, PROD, ANY, ALL), _reduced),
    CUMSUM: _running,
    RECURRENCE: _recurrence,
    OTHERS: _others,
    FIRST_TAKEN: _first_taken,
    SOLVE: _solve,
    INV: _inverse,
    DET: _determinant,
}
_BY_NAME: dict[str, Writer] = {
    **dict.fromkeys(_RUNNING, _running),
    **dict.fromkeys(_RUNNING_POSITIONS, _running_position),
    **dict.fromkeys(_POSITIONS, _position),
}

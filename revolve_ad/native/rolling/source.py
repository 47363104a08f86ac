"""Python source of loops over scalar statements, in the forms that Numba compiles to fast code.

Arrays are flat and positions are sums of counters from 0 times literals: measured on recurrences,
that is as quick as whole arrays with an index an axis, also where a loop runs backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from revolve_ad.ad.core import CAST, FULL, SCALAR_POWER
from revolve_ad.ad.tape import Node
from revolve_ad.native.passes import arithmetic
from revolve_ad.native.passes.points import loop_dtypes
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    statements,
)

__all__ = ["buffers_of", "groups", "kernel_source"]

MANY = 60
"""Statements of a function from which the next loop goes into another: compiling one long function
takes more than twice as long as two of half its length."""

_POWERS: dict[Any, str] = {
    1: "positive",
    2: "square",
    3: "cube",
    0.5: "sqrt",
    -1: "reciprocal",
    -1.5: "power_minus_1_5",
}


def buffers_of(body: Sequence[Statement]) -> list[Buffer]:
    """Return the buffers that statements touch, those written first."""
    written: dict[Buffer, None] = {}
    read: dict[Buffer, None] = {}
    for s in statements(body):
        if isinstance(s, Store | Add):
            written[s.access.buffer] = None
        elif isinstance(s, Load):
            read[s.access.buffer] = None
    return [*written, *(b for b in read if b not in written)]


def groups(body: Sequence[Statement]) -> list[list[Statement]]:
    """Cut a program into parts that become functions."""
    parts: list[list[Statement]] = []
    size = MANY
    for s in body:
        n = len(list(statements([s])))
        if size + n > MANY and (size >= MANY or isinstance(s, Loop)):
            parts.append([])
            size = 0
        parts[-1].append(s)
        size += n
    return parts


def kernel_source(name: str, body: Sequence[Statement], values: Values, *, sums: bool) -> str:
    """Return the source of a function that runs statements; its parameters are `buffers_of`.

    `sums`: the order of additions doesn't matter.
    """
    writer = _Writer(values)
    writer.body(body, 1)
    head = []
    buffers = buffers_of(body)
    for b in buffers:
        if b.kind != "k" and len(b.shape) > 1:
            head.append(f"    {b.name}_ = flat({b.name})")
    names = ", ".join(b.name for b in buffers)
    decorator = "@kernel_sums" if sums else "@kernel"
    lines = [decorator, f"def {name}({names}):", *head, *(writer.lines or ["    pass"])]
    return "\n".join(lines) + "\n"


class _Writer:
    def __init__(self, values: Values) -> None:
        self.values = values
        self.lines: list[str] = []
        self.numbers: dict[int, Any] = {}

    def body(self, body: Sequence[Statement], depth: int) -> None:
        """Write statements."""
        pad = "    " * depth
        for s in body:
            if isinstance(s, Let):
                self.lines.append(f"{pad}v{s.out} = {self.let(s)}")
            elif isinstance(s, Load):
                self.lines.append(f"{pad}v{s.out} = {place(s.access)}")
            elif isinstance(s, Store):
                self.lines.append(f"{pad}{place(s.access)} = v{s.value}")
            elif isinstance(s, Add):
                self.lines.append(f"{pad}{place(s.access)} += v{s.value}")
            else:
                for c in s.carried:
                    self.lines.append(f"{pad}v{c.phi} = v{c.init}")
                self.lines.append(f"{pad}for i{s.name} in range({number(s.count)}):")
                self.body(s.body, depth + 1)
                moved = [c for c in s.carried if c.phi != c.next]
                if moved:
                    left = ", ".join(f"v{c.phi}" for c in moved)
                    right = ", ".join(f"v{c.next}" for c in moved)
                    self.lines.append(f"{pad}    {left} = {right}")
                elif not s.body:
                    self.lines.append(f"{pad}    pass")
                for c in s.carried:
                    self.lines.append(f"{pad}v{c.out} = v{c.phi}")

    def let(self, s: Let) -> str:
        """Return the text of an operation."""
        dtype = self.values.dtypes[s.out]
        if s.op is FULL:
            self.numbers[s.out] = s.params[0]
            return arithmetic.literal(s.params[0], dtype)
        operands = [self.values.dtypes[a] for a in s.args]
        args = [f"v{a}" for a in s.args]
        if s.op is CAST:
            return arithmetic.text("cast", dtype, operands[0], args)
        node = Node(s.op, (), s.params, (), dtype)
        wanted = loop_dtypes(node, operands)
        name = "power" if s.op is SCALAR_POWER else s.op.name
        for k, (have, want) in enumerate(zip(operands, wanted, strict=True)):
            if have != want and not (name == "where" and k == 0):
                args[k] = arithmetic.text("cast", want, have, [args[k]])
        if name == "power":
            known = self.numbers.get(s.args[1])
            name = _POWERS.get(known, "power") if known is not None else "power"
        if name in ("conjugate", "real") and wanted[0].kind != "c":
            return args[0]
        return arithmetic.text(name, dtype, wanted[0], args)


def number(at: Affine) -> str:
    """Return the text of a position."""
    terms = [
        (
            f"{'-' if s < 0 else '+'} i{n}"
            if abs(s) == 1
            else f"{'-' if s < 0 else '+'} {abs(s)} * i{n}"
        )
        for n, s in sorted(at.steps, key=lambda t: t[1] < 0)
    ]
    if at.base or not terms or terms[0].startswith("-"):
        return " ".join([str(at.base), *terms])
    return " ".join([terms[0][2:], *terms[1:]])


def place(access: Access) -> str:
    """Return the text of an element."""
    b = access.buffer
    if b.kind == "k":
        return b.name
    return f"{b.name}{'_' if len(b.shape) > 1 else ''}[{number(access.at)}]"

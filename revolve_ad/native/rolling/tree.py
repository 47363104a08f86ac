"""Loops over scalar statements: the form in which rolled programs are changed and differentiated.

A value is a number that a statement makes, named by an integer.  An access is an element of a
buffer at a flat position that is affine in the counters of the loops around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.ad.core import FULL
from revolve_ad.ad.tape import Primitive
from revolve_ad.native.rolling.buffers import FRESH, STABLE, Buffer

__all__ = [
    "Access",
    "Add",
    "Affine",
    "Carried",
    "Let",
    "Load",
    "Loop",
    "Statement",
    "Store",
    "Values",
    "accesses_of",
    "listing",
    "made",
    "outside",
    "statements",
    "uses",
    "with_innermost",
]


class Affine(NamedTuple):
    """A whole number: a base, and a step for each counter of a loop around, by the loop's name."""

    base: int
    steps: tuple[tuple[int, int], ...] = ()

    def moved(self, loop: int, step: int) -> Affine:
        """Return the number with a further step."""
        return Affine(self.base, (*self.steps, (loop, step))) if step else self

    def step(self, loop: int) -> int:
        """Return the step of one loop."""
        return next((s for name, s in self.steps if name == loop), 0)

    def plus(self, number: int) -> Affine:
        """Return the number moved by a constant."""
        return Affine(self.base + number, self.steps)

    def renamed(self, old: int, new: int) -> Affine:
        """Return the number in terms of another loop's counter."""
        if all(name != old for name, _ in self.steps):
            return self
        return Affine(self.base, tuple((new if n == old else n, s) for n, s in self.steps))


class Access(NamedTuple):
    """An element of a buffer."""

    buffer: Buffer
    at: Affine


@dataclass(eq=False, slots=True)
class Let:
    """``out = op(*args)``; a literal is a `FULL` without operands."""

    out: int
    op: Primitive
    params: tuple[Any, ...]
    args: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Load:
    """``out = buffer[at]``."""

    out: int
    access: Access
    flags: int = 0


@dataclass(eq=False, slots=True)
class Store:
    """``buffer[at] = value``."""

    access: Access
    value: int
    makes: bool = False


@dataclass(eq=False, slots=True)
class Add:
    """``buffer[at] += value``."""

    access: Access
    value: int


@dataclass(eq=False, slots=True)
class Carried:
    """A value carried from pass to pass: `phi` in the body, `out` after the loop."""

    phi: int
    init: int
    next: int
    out: int


@dataclass(eq=False, slots=True)
class Loop:
    """Passes over a body.

    Attributes
    ----------
    name : int
        The loop's name.
    count : Affine
        The number of passes.
    body : list of Statement
        What a pass does.
    free : bool
        Whether the passes may run in any order, but for the rounding of sums.
    carried : list of Carried
        What is carried from pass to pass.
    """

    name: int
    count: Affine
    body: list[Statement]
    free: bool = False
    carried: list[Carried] = field(default_factory=list)


Statement = Let | Load | Store | Add | Loop


@dataclass(slots=True)
class Values:
    """Numbers of values with their dtypes, and names of loops."""

    dtypes: list[np.dtype[Any]] = field(default_factory=list)
    n_loops: int = 0
    n_buffers: int = 0

    def new(self, dtype: np.dtype[Any]) -> int:
        """Return a new value."""
        self.dtypes.append(dtype)
        return len(self.dtypes) - 1

    def loop(self) -> int:
        """Return a new name of a loop."""
        self.n_loops += 1
        return self.n_loops - 1

    def buffer(self, kind: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Buffer:
        """Return a new buffer."""
        self.n_buffers += 1
        return Buffer(kind, self.n_buffers - 1, shape, dtype)

    def literal(self, number: Any, dtype: np.dtype[Any]) -> Let:
        """Return a statement that makes a number."""
        return Let(self.new(dtype), FULL, (number, (), dtype), ())


def statements(body: Sequence[Statement]) -> Iterator[Statement]:
    """Yield all statements, those within loops too, loops before what is in them."""
    for s in body:
        yield s
        if isinstance(s, Loop):
            yield from statements(s.body)


def accesses_of(body: Sequence[Statement]) -> Iterator[tuple[Access, bool]]:
    """Yield each access, and whether it writes."""
    for s in statements(body):
        if isinstance(s, Load):
            yield s.access, False
        elif isinstance(s, Store | Add):
            yield s.access, True


def uses(statement: Statement) -> list[int]:
    """Return the values that a statement reads, a loop only those from outside its body."""
    if isinstance(statement, Let):
        return list(statement.args)
    if isinstance(statement, Store | Add):
        return [statement.value]
    if isinstance(statement, Loop):
        return [c.init for c in statement.carried]
    return []


def made(body: Sequence[Statement]) -> set[int]:
    """Return the values that statements make, at their own level."""
    found: set[int] = set()
    for s in body:
        if isinstance(s, Let | Load):
            found.add(s.out)
        elif isinstance(s, Loop):
            found.update(c.out for c in s.carried)
    return found


def outside(body: Sequence[Statement]) -> set[int]:
    """Return the values that statements read, those within loops too, and don't make inside."""
    found: set[int] = set()
    for s in body:
        found.update(uses(s))
        if isinstance(s, Loop):
            inner = outside(s.body) | {c.next for c in s.carried}
            found |= inner - made(s.body) - {c.phi for c in s.carried}
    return found


_FLAGS = ((STABLE, "not written later"), (FRESH, "as at first"))


def with_innermost(
    body: Sequence[Statement], change: Callable[[Loop], list[Statement]]
) -> list[Statement]:
    """Return statements in which `change` has replaced each loop that holds no other."""
    out: list[Statement] = []
    for s in body:
        if not isinstance(s, Loop):
            out.append(s)
        elif any(isinstance(t, Loop) for t in s.body):
            out.append(Loop(s.name, s.count, with_innermost(s.body, change), s.free, s.carried))
        else:
            out += change(s)
    return out


def listing(body: Sequence[Statement], indent: str = "") -> str:
    """Return statements as readable text."""
    lines: list[str] = []
    for s in body:
        if isinstance(s, Let):
            args = ", ".join(f"v{a}" for a in s.args)
            name = repr(s.params[0]) if s.op is FULL else f"{s.op.name}({args})"
            lines.append(f"{indent}v{s.out} = {name}")
        elif isinstance(s, Load):
            said = [text for flag, text in _FLAGS if s.flags & flag]
            remark = f"  # {', '.join(said)}" if said else ""
            lines.append(f"{indent}v{s.out} = {_place(s.access)}{remark}")
        elif isinstance(s, Store):
            lines.append(f"{indent}{_place(s.access)} = v{s.value}{'  # makes' * s.makes}")
        elif isinstance(s, Add):
            lines.append(f"{indent}{_place(s.access)} += v{s.value}")
        else:
            free = ", in any order" if s.free else ""
            lines.append(f"{indent}for i{s.name} in {_number(s.count)}{free}:")
            for c in s.carried:
                lines.append(f"{indent}  v{c.phi} from v{c.init} to v{c.next}, then v{c.out}")
            lines.append(listing(s.body, indent + "    "))
    return "\n".join(lines)


def _number(at: Affine) -> str:
    return " ".join([str(at.base), *[f"{s:+d}*i{n}" for n, s in at.steps]])


def _place(access: Access) -> str:
    return f"{access.buffer!r}[{_number(access.at)}]"

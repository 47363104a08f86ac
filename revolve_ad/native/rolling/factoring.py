"""Takes factors that a loop doesn't change out of its products, quotients and sums.

In an adjoint ``g·ω·0.25`` becomes ``g·(ω·0.25)`` with the product made before the loop, and a sum
of ``x/b`` becomes the sum of x times ``1/b`` after the loop: fewer operations, and shorter chains
where a pass waits for the one before.  Roundings differ, so that this is for adjoints only; what a
comparison reads keeps its bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from revolve_ad.ad.core import FULL, SCALAR_POWER, elementwise
from revolve_ad.ad.tape import Primitive
from revolve_ad.native.passes.arithmetic import LIBRARY
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Add,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    outside,
    statements,
    uses,
)

__all__ = ["exact_values", "factored_loops", "gives_numpys_bits", "only_sums"]

_MULTIPLY, _DIVIDE = elementwise(np.multiply), elementwise(np.divide)
_ADD, _SUBTRACT = elementwise(np.add), elementwise(np.subtract)
_NEGATIVE = elementwise(np.negative)

_SMOOTH = LIBRARY | {
    *("full", "add", "subtract", "multiply", "divide", "negative", "positive", "reciprocal"),
    *("square", "cube", "sqrt", "power", "absolute", "conjugate", "real", "imag"),
}
"""Operations that carry a rounding of an operand over to the result, and don't make it larger."""

_POWERS = frozenset(("power", "float_power", "scalar_power", SCALAR_POWER.name))
"""Powers, which NumPy computes by routines of its own."""

Factors = tuple[tuple[int, bool], ...]
"""Values that a loop doesn't change, each with whether it divides."""


def factored_loops(body: Sequence[Statement], values: Values) -> list[Statement]:
    """Return an adjoint with factors moved out of its loops."""
    zeros = {
        s.out for s in statements(body) if isinstance(s, Let) and s.op is FULL and not s.params[0]
    }
    return _factored(body, values, exact_values(body), zeros)


def only_sums(body: Sequence[Statement]) -> bool:
    """Whether loops carry sums, and nothing is there that a rounding may turn over."""
    return any(isinstance(s, Loop) and s.carried for s in statements(body)) and all(
        s.op.name in _SMOOTH for s in statements(body) if isinstance(s, Let)
    )


def gives_numpys_bits(body: Sequence[Statement], values: Values) -> bool:
    """Whether a forward part rounds as NumPy does: no functions, powers, sums, complex numbers."""
    return not any(
        isinstance(s, Add)
        or (isinstance(s, Let) and s.op.name in LIBRARY | _POWERS)
        or (isinstance(s, Let | Load) and values.dtypes[s.out].kind == "c")
        for s in statements(body)
    )


def exact_values(body: Sequence[Statement]) -> set[int]:
    """Return the values that operations depend on which a rounding may turn over."""
    found: set[int] = set()
    buffers: set[Buffer] = set()
    everything = list(statements(body))[::-1]
    while True:
        before = len(found), len(buffers)
        for s in everything:
            if isinstance(s, Let):
                if s.out in found or s.op.name not in _SMOOTH | {"where"}:
                    found.update(s.args)
                elif s.op.name == "where":
                    found.add(s.args[0])
            elif isinstance(s, Load):
                if s.out in found:
                    buffers.add(s.access.buffer)
            elif isinstance(s, Store | Add):
                if s.access.buffer in buffers:
                    found.add(s.value)
            else:
                for c in s.carried:
                    if c.phi in found or c.out in found:
                        found.update((c.init, c.next))
        if (len(found), len(buffers)) == before:
            return found


def _factored(
    body: Sequence[Statement], values: Values, exact: set[int], zeros: set[int]
) -> list[Statement]:
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            inner = _factored(s.body, values, exact, zeros)
            loop = Loop(s.name, s.count, inner, s.free, list(s.carried))
            out += _Moving(loop, values, exact, zeros).run()
        else:
            out.append(s)
    return out


@dataclass(slots=True)
class _Moving:
    """Moves factors out of one loop; the loops in it have been dealt with."""

    loop: Loop
    values: Values
    exact: set[int]
    zeros: set[int]
    inside: set[int] = field(default_factory=set)
    """Values that the loop changes."""
    n_uses: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, Let] = field(default_factory=dict)
    """Operations that aren't written yet: each is written where it is first needed."""
    forms: dict[int, tuple[int, Factors]] = field(default_factory=dict)
    """For a product: what changes in it, and its factors that don't."""
    before: list[Statement] = field(default_factory=list)
    out: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    products: dict[Factors, int] = field(default_factory=dict)
    minus: dict[np.dtype[Any], int] = field(default_factory=dict)

    def run(self) -> list[Statement]:
        """Return the loop, what stands before it, and what after."""
        loop = self.loop
        self.inside = {c.phi for c in loop.carried}
        reads = [c.next for c in loop.carried]
        for s in loop.body:
            self.inside.update(_outs(s))
            reads += _reads(s)
        for v in reads:
            self.n_uses[v] = self.n_uses.get(v, 0) + 1
        for s in loop.body:
            if isinstance(s, Let):
                if not self.sum(s):
                    self.take(s)
                continue
            for v in _reads(s):
                self.write(v)
            self.out.append(s)
        for c in loop.carried:
            self.write(c.next)
        loop.body = self.out
        return [*self.before, loop, *self.after]

    def once(self, v: int) -> bool:
        return self.n_uses.get(v) == 1

    def sum(self, s: Let) -> bool:
        """Take a sum over the passes, if what is added has factors."""
        if s.op is not _ADD or s.args[1] not in self.forms:
            return False
        phi, value = s.args
        c = next((c for c in self.loop.carried if c.phi == phi and c.next == s.out), None)
        if c is None or c.init not in self.zeros:
            return False
        if not all(self.once(v) for v in (phi, value, s.out)):
            return False
        core, factors = self.forms[value]
        self.write(core)
        self.out.append(Let(s.out, _ADD, (), (phi, core)))
        total = self.values.new(self.values.dtypes[c.out])
        self.after.append(Let(c.out, _MULTIPLY, (), (total, self.product(factors))))
        c = self.loop.carried[self.loop.carried.index(c)]
        c.out = total
        return True

    def take(self, s: Let) -> None:
        """Take an operation; of a product the factors are found first."""
        self.waiting[s.out] = s
        dtypes = self.values.dtypes
        dtype = dtypes[s.out]
        if s.out in self.exact or dtype.kind not in "fc":
            return
        if any(dtypes[a] != dtype for a in s.args):
            return
        if s.op in (_MULTIPLY, _DIVIDE):
            a, b = s.args
            if s.op is _MULTIPLY and a not in self.inside:
                a, b = b, a
            if a in self.inside and b not in self.inside:
                core, factors = self.forms.get(a, (a, ()))
                self.forms[s.out] = core, (*factors, (b, s.op is _DIVIDE))
            elif s.op is _MULTIPLY:
                self.both(s)
        elif s.op is _NEGATIVE and s.args[0] in self.forms:
            core, factors = self.forms[s.args[0]]
            self.forms[s.out] = core, (*factors, (self.minus_one(dtype), False))
        elif s.op in (_ADD, _SUBTRACT):
            a, b = s.args
            if a in self.forms and b in self.forms and self.once(a) and self.once(b):
                (a, first), (b, second) = self.forms[a], self.forms[b]
                if sorted(first) == sorted(second):
                    self.forms[s.out] = self.new(s.op, a, b), first

    def both(self, s: Let) -> None:
        """Take the product of two values that change."""
        a, b = s.args
        if not any(v in self.forms for v in s.args):
            return
        if not all(self.once(v) or v not in self.forms for v in s.args):
            return
        a, first = self.forms.get(a, (a, ()))
        b, second = self.forms.get(b, (b, ()))
        self.forms[s.out] = self.new(_MULTIPLY, a, b), (*first, *second)

    def new(self, op: Primitive, a: int, b: int) -> int:
        """Return a further value that the loop makes."""
        out = self.values.new(self.values.dtypes[a])
        self.waiting[out] = Let(out, op, (), (a, b))
        self.inside.add(out)
        return out

    def minus_one(self, dtype: np.dtype[Any]) -> int:
        found = self.minus.get(dtype)
        if found is None:
            let = self.values.literal(dtype.type(-1).item(), dtype)
            self.before.append(let)
            found = self.minus[dtype] = let.out
        return found

    def write(self, v: int) -> None:
        """Write the operations that make a value, if they aren't written yet."""
        stack = [v]
        while stack:
            s = self.waiting.get(stack[-1])
            if s is None:
                stack.pop()
                continue
            form = self.forms.get(s.out)
            if form is not None and (len(form[1]) > 1 or form[1][0][1] or form[0] not in s.args):
                s = Let(s.out, _MULTIPLY, (), (form[0], self.product(form[1])))
            missing = [a for a in s.args if a in self.waiting]
            if missing:
                stack += missing
                continue
            self.out.append(s)
            del self.waiting[stack.pop()]

    def product(self, factors: Factors) -> int:
        """Return the product of factors, made before the loop."""
        factors = tuple(sorted(factors, key=lambda f: (f[1], f[0])))
        found = self.products.get(factors)
        if found is not None:
            return found
        values = self.values
        dtype = values.dtypes[factors[0][0]]
        result = -1
        for v, divides in factors:
            if result < 0 and not divides:
                result = v
                continue
            if result < 0:
                let = values.literal(dtype.type(1).item(), dtype)
                self.before.append(let)
                result = let.out
            out = values.new(dtype)
            self.before.append(Let(out, _DIVIDE if divides else _MULTIPLY, (), (result, v)))
            result = out
        self.products[factors] = result
        return result


def _outs(s: Statement) -> list[int]:
    if isinstance(s, Let | Load):
        return [s.out]
    if isinstance(s, Loop):
        return [c.out for c in s.carried]
    return []


def _reads(s: Statement) -> list[int]:
    """Return the values that a statement reads, a loop those of its body too."""
    return sorted(outside([s])) if isinstance(s, Loop) else uses(s)

"""The adjoint of loops over scalar statements, as such loops.

Statements are reversed one by one: ``out = f(x)`` adds to the cotangents of x by the rules of the
tape, a load pushes its cotangent into the buffer of cotangents, a store takes it out and leaves
zero.  Loops with a true recurrence run backwards; others keep their direction, which vector code
needs.  Values of the forward part that the rules read are computed again from elements that are
still as they were, else kept in a buffer of their own, indexed by the counters ("tape").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.core import CAST, FULL, INPUT
from revolve_ad.ad.rules.table import FREE, VJP
from revolve_ad.errors import UnsupportedOperationError
from revolve_ad.native.passes import arithmetic
from revolve_ad.native.rolling.buffers import FRESH, STABLE, Buffer
from revolve_ad.native.rolling.dependence import most
from revolve_ad.native.rolling.records import check
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Carried,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    statements,
)

__all__ = ["Adjoint", "active_buffers", "reversed_loops", "with_tapes"]

DEAR = 60.0
"""Arithmetic, in additions, from which a value is kept rather than computed again."""


@dataclass(slots=True)
class Adjoint:
    """What `reversed_loops` made.

    Attributes
    ----------
    body : list of Statement
        The adjoint.
    kept : dict of int to Access
        The values that the forward part must write to tapes.
    tapes : list of Buffer
        Those.
    found : set of int
        The values that it reads where the forward part leaves them standing.
    """

    body: list[Statement]
    kept: dict[int, Access]
    tapes: list[Buffer]
    found: set[int]


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fc"


def active_buffers(
    body: Sequence[Statement], inputs: set[Buffer], values: Values
) -> tuple[set[Buffer], set[int]]:
    """Return the buffers and values that depend on `inputs` differentiably."""
    buffers, found = set(inputs), set[int]()
    while True:
        before = len(buffers), len(found)
        for s in statements(body):
            if isinstance(s, Let):
                if (
                    s.op not in FREE
                    and _is_float(values.dtypes[s.out])
                    and any(a in found for a in s.args)
                ):
                    found.add(s.out)
            elif isinstance(s, Load):
                if s.access.buffer in buffers and _is_float(values.dtypes[s.out]):
                    found.add(s.out)
            elif isinstance(s, Store | Add):
                if s.value in found and _is_float(s.access.buffer.dtype):
                    buffers.add(s.access.buffer)
            else:
                for c in s.carried:
                    if c.init in found or c.next in found:
                        found.update((c.phi, c.out))
        if (len(buffers), len(found)) == before:
            return buffers, found


def reversed_loops(
    body: Sequence[Statement],
    values: Values,
    bars: dict[Buffer, Buffer],
    active: set[int],
    skipped: set[int],
    once: set[Buffer] | None = None,
    standing: dict[int, Access] | None = None,
) -> Adjoint:
    """Return the adjoint of statements.

    Parameters
    ----------
    body : sequence of Statement
        The forward part.
    values : Values
        Its values.
    bars : dict of Buffer to Buffer
        The buffer of cotangents of each active buffer.
    active : set of int
        The active values.
    skipped : set of int
        Identities of statements that aren't reversed.
    once : set of Buffer, optional
        Buffers each of whose elements is read once after it is written: its cotangent isn't a sum.
    standing : dict of int to Access, optional
        Values that the forward part leaves in its arrays, and where.
    """
    reverse = _Reverse(values, bars, active, skipped, once or set(), standing or {})
    level = _Level(reverse, body, ())
    level.play()
    out = level.emitted({})
    assert not level.needs, "the whole program reads nothing from outside"
    return Adjoint(out, reverse.kept, reverse.tapes, reverse.found)


def with_tapes(body: Sequence[Statement], kept: dict[int, Access]) -> list[Statement]:
    """Return the forward part that also writes tapes."""
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            first: list[Statement] = [Store(kept[c.phi], c.phi) for c in s.carried if c.phi in kept]
            inner = first + with_tapes(s.body, kept)
            out.append(Loop(s.name, s.count, inner, s.free, list(s.carried)))
            out += [Store(kept[c.out], c.out) for c in s.carried if c.out in kept]
        else:
            out.append(s)
            if isinstance(s, Let | Load) and s.out in kept:
                out.append(Store(kept[s.out], s.out))
    return out


@dataclass(slots=True)
class _Reverse:
    """What the levels of one adjoint share."""

    values: Values
    bars: dict[Buffer, Buffer]
    active: set[int]
    skipped: set[int]
    once: set[Buffer]
    standing: dict[int, Access]
    kept: dict[int, Access] = field(default_factory=dict)
    tapes: list[Buffer] = field(default_factory=list)
    found: set[int] = field(default_factory=set)

    def keep(self, value: int, loops: Sequence[tuple[int, int]]) -> Access:
        """Return where a value is kept, one for each pass of the loops around."""
        found = self.kept.get(value)
        if found is None:
            shape = tuple(n for _, n in loops)
            buffer = self.values.buffer("tape", shape, self.values.dtypes[value])
            at, stride = Affine(0), 1
            for name, n in reversed(loops):
                at = at.moved(name, stride)
                stride *= n
            found = self.kept[value] = Access(buffer, at)
            self.tapes.append(buffer)
        return found


@dataclass(slots=True)
class _Inner:
    """A reversed loop within a level: where its cotangents come from and go."""

    loop: Loop
    level: _Level
    seeds: list[tuple[Carried, int, int | None]]
    """Carried value; its cotangent in the body; the node of what it begins with."""
    given: list[tuple[int, int]]
    """Value from outside; what the loop adds to its cotangent."""
    initial: dict[int, int]
    """For a carried value, by phi: the cotangent of what it began with."""


class _Level:
    """The adjoint of the statements of one body."""

    def __init__(
        self, shared: _Reverse, body: Sequence[Statement], loops: tuple[tuple[int, int], ...]
    ) -> None:
        self.shared, self.body, self.loops = shared, body, loops
        self.builder = Builder()
        self.defined: dict[int, Statement] = {}
        self.phis: set[int] = set()
        for s in body:
            if isinstance(s, Let | Load):
                self.defined[s.out] = s
            elif isinstance(s, Loop):
                for c in s.carried:
                    self.defined[c.out] = s
        self.forward: dict[int, int] = {}  # node → value
        self.node_of: dict[int, int] = {}  # value → node
        self.known: dict[int, int] = {}  # node → value of the reverse part
        self.cotangent: dict[int, Symbol] = {}
        self.actions: list[tuple[Any, ...]] = []
        self.needs: set[int] = set()
        self.wanted: set[int] = set()

    # -- forward values as nodes

    def value(self, v: int) -> Symbol:
        """Return a value of the forward part as a symbol."""
        node = self.node_of.get(v)
        if node is None:
            # Operands first; a chain of operations may be long.
            stack = [v]
            while stack:
                top = stack[-1]
                if top in self.node_of:
                    stack.pop()
                    continue
                s = self.defined.get(top)
                dtype = self.shared.values.dtypes[top]
                if not isinstance(s, Let):
                    self.enter(top, self.builder.input((), dtype, f"v{top}"))
                    continue
                if s.op is FULL:
                    self.enter(top, self.builder.literal(s.params[0], dtype))
                    continue
                missing = [a for a in s.args if a not in self.node_of]
                if missing:
                    stack += missing
                    continue
                args = tuple([self.node_of[a] for a in s.args])
                self.enter(top, self.builder.append(s.op, args, s.params, (), dtype))
            node = self.node_of[v]
        return Symbol(self.builder, node)

    def enter(self, v: int, node: int) -> None:
        self.node_of[v] = node
        if self.builder.nodes[node].op is not FULL:
            self.forward.setdefault(node, v)

    def fresh(self, dtype: np.dtype[Any]) -> tuple[int, Symbol]:
        """Return a new value of the reverse part, and its symbol."""
        v = self.shared.values.new(dtype)
        node = self.builder.input((), dtype, f"g{v}")
        self.known[node] = v
        return v, Symbol(self.builder, node)

    def add(self, v: int, g: Symbol) -> None:
        """Add to the cotangent of a value."""
        if v not in self.shared.active:
            return
        dtype = self.shared.values.dtypes[v]
        if g.dtype != dtype:
            g = g.apply(CAST, params=(dtype,))
        before = self.cotangent.get(v)
        self.cotangent[v] = g if before is None else before + g

    # -- reversing

    def play(self) -> None:
        """Reverse the statements, as actions."""
        shared = self.shared
        for s in reversed(self.body):
            if id(s) in shared.skipped:
                continue
            if isinstance(s, Let):
                g = self.cotangent.pop(s.out, None)
                if g is None or not s.args:
                    continue
                rule = VJP.get(s.op)
                if rule is None:
                    raise UnsupportedOperationError(f"{s.op.name} has no derivative rule.")
                xs = [self.value(a) for a in s.args]
                parts = rule(g, self.value(s.out), xs, s.params)
                for a, part in zip(s.args, parts, strict=True):
                    if part is not None:
                        self.add(a, part)
            elif isinstance(s, Load):
                g = self.cotangent.pop(s.out, None)
                bar = shared.bars.get(s.access.buffer)
                once = s.access.buffer in shared.once
                if g is None and once and bar is not None:
                    g = Symbol(self.builder, self.builder.literal(0, bar.dtype))
                if g is not None and bar is not None:
                    if g.dtype != bar.dtype:
                        g = g.apply(CAST, params=(bar.dtype,))
                    self.actions.append(("put" if once else "add", Access(bar, s.access.at), g.id))
            elif isinstance(s, Store | Add):
                bar = shared.bars.get(s.access.buffer)
                if bar is None:
                    continue
                access = Access(bar, s.access.at)
                v, g = self.fresh(bar.dtype)
                clear = isinstance(s, Store) and s.access.buffer not in shared.once
                self.actions.append(("take", access, v, clear))
                self.add(s.value, g)
            else:
                self.reverse_loop(s)

    def reverse_loop(self, loop: Loop) -> None:
        shared, values = self.shared, self.shared.values
        counts = dict(self.loops)
        level = _Level(shared, loop.body, (*self.loops, (loop.name, most(loop.count, counts))))
        level.phis = {c.phi for c in loop.carried}
        seeds = []
        for c in loop.carried:
            g = self.cotangent.pop(c.out, None)
            if c.phi not in shared.active and c.next not in shared.active:
                continue
            v, symbol = level.fresh(values.dtypes[c.phi])
            level.add(c.next, symbol)
            seeds.append((c, v, None if g is None else g.id))
        level.play()
        given: list[tuple[int, int]] = []
        initial: dict[int, int] = {}
        for v in sorted(level.cotangent):
            if v in level.phis or v in level.defined:
                continue
            total, symbol = self.fresh(values.dtypes[v])
            given.append((v, total))
        for c, _, _ in seeds:
            out, symbol = self.fresh(values.dtypes[c.phi])
            initial[c.phi] = out
        self.actions.append(("loop", _Inner(loop, level, seeds, given, initial)))
        by_value = {v: node for node, v in self.known.items()}
        for v, total in given:
            self.add(v, Symbol(self.builder, by_value[total]))
        for c, _, _ in seeds:
            self.add(c.init, Symbol(self.builder, by_value[initial[c.phi]]))

    # -- writing the reverse part

    def emitted(self, finals: dict[int, Symbol]) -> list[Statement]:
        """Return the statements; `finals` are further symbols to make, by a name of the caller."""
        out: list[Statement] = []
        self.out = out
        for action in self.actions:
            if action[0] in ("add", "put"):
                kind, access, node = action
                value = self.emit(node)
                out.append(Add(access, value) if kind == "add" else Store(access, value))
            elif action[0] == "take":
                _, access, v, clear = action
                out.append(Load(v, access))
                if clear:
                    out.append(Store(access, self.zero(access.buffer.dtype)))
            else:
                self.emit_loop(action[1])
        self.made = {name: self.emit(symbol.id) for name, symbol in finals.items()}
        return self.provided() + out

    def zero(self, dtype: np.dtype[Any]) -> int:
        let = self.shared.values.literal(dtype.type(0).item(), dtype)
        self.out.append(let)
        return let.out

    def emit(self, node: int) -> int:
        """Return the value of a node, after the statements that make it."""
        stack = [node]
        while stack:
            top = stack[-1]
            if top in self.known:
                stack.pop()
                continue
            if top in self.forward:
                v = self.forward[top]
                self.want(v)
                self.known[top] = v
                continue
            n = self.builder.nodes[top]
            missing = [a for a in n.args if a not in self.known]
            if missing:
                stack += missing
                continue
            assert n.op is not INPUT
            if n.op is FULL:
                let = self.shared.values.literal(n.params[0], n.dtype)
            else:
                check(n.op, n.params, n.dtype, [self.builder.nodes[a].dtype for a in n.args])
                args = tuple([self.known[a] for a in n.args])
                let = Let(self.shared.values.new(n.dtype), n.op, n.params, args)
            self.out.append(let)
            self.known[top] = let.out
        return self.known[node]

    def want(self, v: int) -> None:
        """Ask for a value of the forward part."""
        if v in self.defined or v in self.phis:
            self.wanted.add(v)
        else:
            self.needs.add(v)

    def emit_loop(self, inner: _Inner) -> None:
        values = self.shared.values
        level, loop = inner.level, inner.loop
        carried: list[Carried] = []
        finals: dict[int, Symbol] = {}
        for c, v, begin in inner.seeds:
            dtype = values.dtypes[c.phi]
            init = self.zero(dtype) if begin is None else self.emit(begin)
            symbol = level.cotangent.get(c.phi)
            finals[c.phi] = (
                symbol
                if symbol is not None
                else Symbol(level.builder, level.builder.literal(0, dtype))
            )
            carried.append(Carried(v, init, -1, inner.initial[c.phi]))
        for v, total in inner.given:
            dtype = values.dtypes[v]
            acc, symbol = level.fresh(dtype)
            finals[v] = symbol + level.cotangent[v]
            carried.append(Carried(acc, self.zero(dtype), -1, total))
        body = level.emitted(finals)
        names = [c.phi for c, _, _ in inner.seeds] + [v for v, _ in inner.given]
        for c, name in zip(carried, names, strict=True):
            c.next = level.made[name]
        for v in level.needs:
            self.want(v)
        if not loop.free:
            body = [turned(s, loop.name, loop.count) for s in body]
        self.out.append(Loop(loop.name, loop.count, body, loop.free, carried))

    def provided(self) -> list[Statement]:
        """Return the statements that make what is wanted of the forward part."""
        shared = self.shared
        order = {v: k for k, v in enumerate(self.defined)}
        needed: dict[int, Statement] = {}
        first: list[Statement] = []
        # In order of their making: what is kept already helps to make the rest again.
        stack = sorted(self.wanted, key=lambda v: order.get(v, -1), reverse=True)
        done: set[int] = set()
        while stack:
            v = stack.pop()
            if v in done:
                continue
            done.add(v)
            s = self.defined.get(v)
            if v in self.phis:
                first.append(Load(v, shared.keep(v, self.loops), STABLE))
            elif s is None:
                self.needs.add(v)
            elif v in shared.standing and not self.again(v, alone=True):
                # Where one value must be read, further ones beside it cost less than computing.
                shared.found.add(v)
                needed[v] = Load(v, shared.standing[v], STABLE)
            elif self.again(v):
                if isinstance(s, Load):
                    needed[v] = Load(v, _unchanged(s), STABLE)
                else:
                    assert isinstance(s, Let)
                    needed[v] = s
                    stack += s.args
            else:
                needed[v] = Load(v, shared.keep(v, self.loops), STABLE)
        return first + [needed[v] for v in sorted(needed, key=order.__getitem__)]

    def again(self, v: int, *, alone: bool = False) -> bool:
        """Whether a value can be computed again, and cheaply; `alone`: from what never changes."""
        shared = self.shared
        cost, stack, seen = 0.0, [v], set[int]()
        while stack:
            top = stack.pop()
            if top in seen:
                continue
            seen.add(top)
            if top != v and not alone and (top in shared.kept or top in shared.standing):
                continue
            s = self.defined.get(top)
            if top in self.phis or isinstance(s, Loop):
                return False
            if isinstance(s, Load):
                if s.access.buffer.fixed or s.flags & STABLE:
                    continue
                if s.flags & FRESH and s.access.buffer.copied is not None:
                    continue
                return False
            if isinstance(s, Let):
                cost += arithmetic.flops(s.op.name)
                stack += s.args
        return cost <= DEAR


def _unchanged(s: Load) -> Access:
    """Return where the element that was loaded still stands."""
    buffer = s.access.buffer
    if buffer.fixed or s.flags & STABLE:
        return s.access
    assert buffer.copied is not None
    return Access(buffer.copied, s.access.at)


def turned(s: Statement, name: int, count: Affine) -> Statement:
    """Return a statement of a loop that counts the other way."""

    def moved(at: Affine) -> Affine:
        step = at.step(name)
        if not step:
            return at
        steps = {n: t for n, t in at.steps if n != name}
        for n, t in count.steps:
            steps[n] = steps.get(n, 0) + step * t
        steps[name] = -step
        base = at.base + step * (count.base - 1)
        return Affine(base, tuple((n, t) for n, t in steps.items() if t))

    if isinstance(s, Load):
        return Load(s.out, Access(s.access.buffer, moved(s.access.at)), s.flags)
    if isinstance(s, Store):
        return Store(Access(s.access.buffer, moved(s.access.at)), s.value, s.makes)
    if isinstance(s, Add):
        return Add(Access(s.access.buffer, moved(s.access.at)), s.value)
    if isinstance(s, Loop):
        body = [turned(t, name, count) for t in s.body]
        return Loop(s.name, moved(s.count), body, s.free, s.carried)
    return s

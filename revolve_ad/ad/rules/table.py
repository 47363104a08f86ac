"""The tables of rules: for each primitive its vjp and its jvp.

A vjp rule gets the cotangent `g` of the value `y`, the operands `xs` and the static parameters,
and returns a cotangent for each operand, None for zero.  A jvp rule gets the operands' tangents
`ts`, None for zero, and returns the tangent of the value.  For a primitive with several results
`g` and the returned tangent are dicts from the result's number to its symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.symbolic import conj, match
from revolve_ad.ad.tape import Kind, Node, Primitive
from revolve_ad.errors import UnsupportedOperationError

__all__ = [
    "ACCUMULATE",
    "FREE",
    "JVP",
    "LATE",
    "VJP",
    "Missing",
    "define_elementwise",
    "define_elementwise_results",
    "define_linear",
    "define_rules",
    "no_derivative",
]

VjpRule = Callable[[Any, Symbol, Sequence[Symbol], tuple[Any, ...]], Sequence[Symbol | None]]
JvpRule = Callable[[Sequence[Symbol | None], Symbol, Sequence[Symbol], tuple[Any, ...]], Any]

LATE: list[Callable[[Primitive], bool]] = []
"""Asked for a primitive that has no rules yet; each may enter them and say so.  They stand for
packages that aren't imported before the user does."""


class _Rules(dict[Primitive, Any]):
    """A table of rules that asks `LATE` for what it doesn't have."""

    def get(self, op: Primitive, default: Any = None) -> Any:
        """Return the rule of a primitive."""
        found = super().get(op)
        if found is None and any(enter(op) for enter in LATE):
            found = super().get(op)
        return default if found is None else found


VJP: dict[Primitive, VjpRule] = _Rules()
JVP: dict[Primitive, JvpRule] = _Rules()

ACCUMULATE: dict[Primitive, Callable[[Symbol, Symbol, int, Node], Symbol]] = {}
"""For primitives that read a part of their first operand: ``(so_far, g, position, node)`` adds the
cotangent into the part of the operand's cotangent that it belongs to, instead of adding a whole
array that is zero elsewhere.  Such an operation moves no other operand's derivative."""

FREE: set[Primitive] = set()
"""Primitives whose value doesn't change with small changes of the operands."""


class Missing:
    """Stands for a derivative that nobody knows; a transformation that needs it raises."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message

    def error(self) -> UnsupportedOperationError:
        """Return the error to raise."""
        return UnsupportedOperationError(self.message)


def define_rules(op: Primitive, *, vjp: VjpRule, jvp: JvpRule) -> None:
    """Enter both rules of a primitive."""
    VJP[op] = vjp
    JVP[op] = jvp


def no_derivative(*ops: Primitive) -> None:
    """Declare that the values are locally constant: comparisons, rounding, integer results."""
    for op in ops:
        FREE.add(op)


def define_elementwise(op: Primitive, *partials: Callable[..., Any] | None) -> None:
    """Enter an elementwise primitive by its partial derivatives.

    Each partial is ``(y, *xs) -> derivative``, a symbol or a number, or None where the value
    doesn't depend on that operand.  A complex function must be holomorphic; its vjp multiplies by
    the conjugate, as the inner product Re Σ conj(a) b asks for.
    """

    def vjp(
        g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> Sequence[Symbol | None]:
        out: list[Symbol | None] = []
        for x, partial in zip(xs, partials, strict=True):
            node = x.node
            if partial is None or node.op.kind is Kind.CONSTANT or node.dtype.kind not in "fc":
                out.append(None)
                continue
            d = partial(y, *xs, *params)
            if isinstance(d, Missing):
                out.append(d)  # type: ignore[arg-type]  # raises if it is needed
                continue
            out.append(match(g * (conj(d) if isinstance(d, Symbol) else d), x))
        return out

    def jvp(
        ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> Symbol | None:
        total: Symbol | None = None
        for t, partial in zip(ts, partials, strict=True):
            if t is None or partial is None:
                continue
            d = partial(y, *xs, *params)
            if isinstance(d, Missing):
                raise d.error()
            total = t * d if total is None else total + t * d
        return None if total is None else match(total, y)

    define_rules(op, vjp=vjp, jvp=jvp)


def define_elementwise_results(
    op: Primitive, partials: Sequence[Sequence[Callable[..., Any]]]
) -> None:
    """Enter an elementwise primitive of several results by their partial derivatives.

    ``partials[k][j]`` is ``(results, *xs) -> ∂ result k / ∂ operand j``, as in
    `define_elementwise`.
    """

    def parts(y: Symbol) -> list[Symbol]:
        return [y.item(k) for k in range(len(partials))]

    def vjp(
        g: dict[int, Symbol], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> Sequence[Symbol | None]:
        ys = parts(y)
        out: list[Any] = []
        for j, x in enumerate(xs):
            total: Any = None
            if x.node.op.kind is not Kind.CONSTANT and x.dtype.kind in "fc":
                for k, cotangent in g.items():
                    d = partials[k][j](ys, *xs, *params)
                    if isinstance(d, Missing):
                        total = d
                        break
                    term = cotangent * (conj(d) if isinstance(d, Symbol) else d)
                    total = term if total is None else total + term
            out.append(match(total, x) if isinstance(total, Symbol) else total)
        return out

    def jvp(
        ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> dict[int, Symbol]:
        ys = parts(y)
        found: dict[int, Symbol] = {}
        for k, row in enumerate(partials):
            for t, partial in zip(ts, row, strict=True):
                if t is None:
                    continue
                d = partial(ys, *xs, *params)
                if isinstance(d, Missing):
                    raise d.error()
                found[k] = t * d if k not in found else found[k] + t * d
        return {k: match(t, ys[k]) for k, t in found.items()}

    define_rules(op, vjp=vjp, jvp=jvp)


def define_linear(op: Primitive, adjoint: Callable[..., Symbol], *, operand: int = 0) -> None:
    """Enter a primitive that is linear in one operand and constant in the others.

    Parameters
    ----------
    adjoint : callable
        ``adjoint(g, y, *xs, *params)``, the transposed map applied to the cotangent.
    """

    def vjp(
        g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> Sequence[Symbol | None]:
        out: list[Symbol | None] = [None] * len(xs)
        out[operand] = match(adjoint(g, y, *xs, *params), xs[operand])
        return out

    def jvp(
        ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
    ) -> Symbol | None:
        t = ts[operand]
        if t is None:
            return None
        operands = [*xs[:operand], t, *xs[operand + 1 :]]
        builder = t.builder
        found = Symbol(builder, builder.apply(op, [o.id for o in operands], params))
        return match(found, y)

    define_rules(op, vjp=vjp, jvp=jvp)

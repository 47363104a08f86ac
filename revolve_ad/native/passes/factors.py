"""Common factors of sums, taken out: ``a*c + b*c`` becomes ``(a + b)*c``.

An adjoint multiplies each of its terms by the literals and the coefficients that the step applied
to their sum; a stencil's adjoint so has twice the multiplications of the stencil.  Taking factors
out changes the rounding, so it is for adjoints only, whose bits nobody has to match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.native.passes.expression import Graph
from revolve_ad.native.passes.nests import Loops

__all__ = ["factored"]

MANY_TERMS = 64
"""Longer sums are left as they are: looking for factors is quadratic."""


class _Term(NamedTuple):
    """A literal times expressions, which are sorted."""

    coef: float
    factors: tuple[int, ...]


@dataclass(slots=True)
class _Form:
    """What is known of an expression: a product, or a sum that is not written yet."""

    product: _Term | None = None
    terms: list[_Term] | None = None


def factored(graph: Graph, loops: Loops) -> Loops:
    """Return loops whose assignments compute the same with fewer multiplications."""
    roots = [s.value for s in loops.stores]
    made = _Factoring(graph, roots)
    values = [made.written(i) for i in roots]
    stores = tuple(replace(s, value=v) for s, v in zip(loops.stores, values, strict=True))
    return replace(loops, stores=stores)


class _Factoring:
    def __init__(self, graph: Graph, roots: Sequence[int]) -> None:
        self.graph = graph
        self.forms: dict[int, _Form] = {}
        order = graph.reachable(roots)
        self.uses = dict.fromkeys(order, 0)
        for i in roots:
            self.uses[i] += 1
        for i in order:
            for a in graph.exprs[i].args:
                self.uses[a] += 1
        for i in order:
            self.forms[i] = self.form(i)

    def form(self, i: int) -> _Form:
        """Return the form of an expression whose operands have one."""
        expr = self.graph.exprs[i]
        if expr.dtype.kind != "f" or expr.kind not in ("op", "const", "select", "take"):
            return _Form(_Term(1.0, (i,)))
        if expr.kind == "const":
            value = float(expr.what)
            return _Form(_Term(value, ()) if np.isfinite(value) and value else _Term(1.0, (i,)))
        same = all(self.graph.exprs[a].dtype == expr.dtype for a in expr.args)
        if expr.kind == "op" and same:
            if expr.what == "negative":
                return self.scaled(expr.args[0], -1.0)
            if expr.what == "multiply":
                a, b = (self.product(x) for x in expr.args)
                if self.uses[i] > 1 and len(a.factors) + len(b.factors) > 1:
                    whole = self.times(expr.dtype, a.factors + b.factors)
                    return _Form(_Term(a.coef * b.coef, (whole,)))
                return _Form(_Term(a.coef * b.coef, tuple(sorted(a.factors + b.factors))))
            if expr.what in ("add", "subtract"):
                terms = self.terms(expr.args[0], 1.0)
                terms += self.terms(expr.args[1], 1.0 if expr.what == "add" else -1.0)
                found = _Form(None, terms)
                if self.uses[i] > 1 or len(terms) > MANY_TERMS:
                    found = _Form(self.sum(expr.dtype, terms))
                return found
        args = tuple(self.written(a) for a in expr.args)
        if expr.kind == "select":
            return _Form(_Term(1.0, (self.graph.select(expr.what, *args),)))
        if expr.kind == "take":
            return _Form(_Term(1.0, (self.graph.take(expr.what, args[0], expr.dtype),)))
        return _Form(_Term(1.0, (self.graph.op(expr.what, expr.dtype, args),)))

    def scaled(self, i: int, by: float) -> _Form:
        form = self.forms[i]
        if form.product is not None:
            return _Form(form.product._replace(coef=by * form.product.coef))
        assert form.terms is not None
        return _Form(None, [t._replace(coef=by * t.coef) for t in form.terms])

    def terms(self, i: int, by: float) -> list[_Term]:
        """Return the terms of an operand of a sum."""
        form = self.scaled(i, by)
        return [form.product] if form.product is not None else form.terms or []

    def product(self, i: int) -> _Term:
        """Return an expression as a literal times expressions; a sum is written for it."""
        form = self.forms[i]
        if form.product is None:
            assert form.terms is not None
            form.product = self.sum(self.graph.exprs[i].dtype, form.terms)
            form.terms = None
        return form.product

    def written(self, i: int) -> int:
        """Return an expression in its new form."""
        if self.graph.exprs[i].dtype.kind != "f":
            return i
        return self.scaled_product(self.graph.exprs[i].dtype, self.product(i))

    def scaled_product(self, dtype: np.dtype[Any], term: _Term) -> int:
        graph = self.graph
        if not term.factors:
            return graph.const(term.coef, dtype)
        x = self.times(dtype, term.factors)
        if term.coef == 1.0:
            return x
        if term.coef == -1.0:
            return graph.op("negative", dtype, (x,))
        return graph.op("multiply", dtype, (x, graph.const(term.coef, dtype)))

    def times(self, dtype: np.dtype[Any], factors: Sequence[int]) -> int:
        x = factors[0]
        for y in factors[1:]:
            x = self.graph.op("multiply", dtype, (x, y))
        return x

    def sum(self, dtype: np.dtype[Any], terms: list[_Term]) -> _Term:
        """Write a sum; its common factors are taken out, the most frequent one first."""
        while len(terms) <= MANY_TERMS:
            shared = _shared(terms)
            if shared is None:
                break
            members = [t for t in terms if _has(t, shared)]
            first = next(k for k, t in enumerate(terms) if _has(t, shared))
            inner = self.sum(dtype, [_without(t, shared) for t in members])
            whole = _with(inner, shared)
            terms = [
                whole if k == first else t
                for k, t in enumerate(terms)
                if k == first or not _has(t, shared)
            ]
        if len(terms) == 1:
            return terms[0]
        positive = [t for t in terms if t.coef > 0]
        ordered = terms if terms[0].coef > 0 or not positive else _led(terms)
        x = self.scaled_product(dtype, ordered[0])
        for t in ordered[1:]:
            y = self.scaled_product(dtype, t._replace(coef=abs(t.coef)))
            x = self.graph.op("add" if t.coef > 0 else "subtract", dtype, (x, y))
        return _Term(1.0, (x,))


def _led(terms: list[_Term]) -> list[_Term]:
    """Return terms with the first positive one in front."""
    k = next(k for k, t in enumerate(terms) if t.coef > 0)
    return [terms[k], *terms[:k], *terms[k + 1 :]]


def _shared(terms: Sequence[_Term]) -> int | float | None:
    """Return the literal or the factor that most terms have in common; None if there is none."""
    count: dict[int | float, int] = {}
    for t in terms:
        for f in set(t.factors):
            count[f] = count.get(f, 0) + 1
        if abs(t.coef) != 1.0 and t.factors:
            # A literal is told from the number of an expression by its type.
            key = _Literal(abs(t.coef))
            count[key] = count.get(key, 0) + 1
    best = max(count, key=lambda f: (count[f], isinstance(f, _Literal)), default=None)
    return best if best is not None and count[best] > 1 else None


class _Literal(float):
    """A factor that is a number: no two of them, or a number and an expression, are one key."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Literal) and float.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(("literal", float(self)))


def _has(term: _Term, factor: int | float) -> bool:
    if isinstance(factor, _Literal):
        return bool(term.factors) and abs(term.coef) == float(factor)
    return factor in term.factors


def _without(term: _Term, factor: int | float) -> _Term:
    if isinstance(factor, _Literal):
        return term._replace(coef=1.0 if term.coef > 0 else -1.0)
    rest = list(term.factors)
    rest.remove(int(factor))
    return term._replace(factors=tuple(rest))


def _with(term: _Term, factor: int | float) -> _Term:
    if isinstance(factor, _Literal):
        return term._replace(coef=term.coef * float(factor))
    return term._replace(factors=tuple(sorted((*term.factors, int(factor)))))

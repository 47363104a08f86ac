"""Scalar expressions of one loop body, each different one kept once.

An expression is a number, an element of a buffer at an index that is affine in the loop
counters, an operation, or a choice between two expressions by the position in the loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from revolve_ad.native.passes import arithmetic

__all__ = ["Cost", "Expr", "Graph", "Index", "Position"]


class Position(NamedTuple):
    """An index along one axis: ``coef * counter[dim] + off``; `dim` is -1 for a fixed one.

    With `wrap` not 0 it is taken modulo `wrap`.
    """

    dim: int
    coef: int
    off: int
    wrap: int = 0


Index = tuple[Position, ...]
Bounds = tuple[tuple[int, int], ...]


class Expr(NamedTuple):
    """One scalar expression.

    `kind` is "const" (what: the number), "load" (what: (buffer, index, flat)), "take" (what: the
    buffer, read at the flat position in `args`), "scalar" (what: the name of a variable), "op"
    (what: the function's name) or "select" (what: the bounds within which the first of `args`
    holds, else the second).
    """

    kind: str
    what: Any
    dtype: np.dtype[Any]
    args: tuple[int, ...] = ()


class Cost(NamedTuple):
    """What evaluating some expressions once takes."""

    flops: float
    loads: int

    def weight(self, *, small: bool) -> float:
        """Return one number; measured: in large arrays a load weighs three multiplications."""
        return self.flops + self.loads if small else 0.6 * self.flops + 2.0 * self.loads


@dataclass(slots=True)
class Graph:
    """A set of expressions; an expression is named by its number.

    Parameters
    ----------
    exact : bool
        Keep every bit.  Otherwise zeros that stand in the tape vanish from sums and products,
        which can change the sign of a zero and hide 0·inf.
    """

    exact: bool
    exprs: list[Expr] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)

    def _add(self, expr: Expr, key: Any = None) -> int:
        key = expr if key is None else key
        i = self.known.get(key)
        if i is None:
            i = self.known[key] = len(self.exprs)
            self.exprs.append(expr)
        return i

    def unchanged(self, expr: Expr) -> int:
        """Return an expression as it stands: nothing is folded."""
        return self._add(expr)

    def const(self, value: Any, dtype: np.dtype[Any]) -> int:
        """Return a number."""
        return self._add(Expr("const", value, dtype), ("const", repr(value), dtype))

    def load(self, buffer: str, index: Index, dtype: np.dtype[Any], *, flat: bool = False) -> int:
        """Return an element of a buffer; `flat`: the terms of a flat index are to be added up."""
        return self._add(Expr("load", (buffer, index, flat), dtype))

    def take(self, buffer: str, at: int, dtype: np.dtype[Any]) -> int:
        """Return the element of a buffer at a flat position."""
        return self._add(Expr("take", buffer, dtype, (at,)))

    def scalar(self, name: str, dtype: np.dtype[Any]) -> int:
        """Return a variable that the loop doesn't change."""
        return self._add(Expr("scalar", name, dtype))

    def select(self, bounds: tuple[tuple[int, int, int], ...], inside: int, outside: int) -> int:
        """Return `inside` where each counter dim is in [lo, hi), -1 for no end, else `outside`."""
        if inside == outside:
            return inside
        return self._add(Expr("select", bounds, self.exprs[inside].dtype, (inside, outside)))

    def cast(self, x: int, dtype: np.dtype[Any]) -> int:
        """Return `x` as `dtype`."""
        expr = self.exprs[x]
        if expr.dtype == dtype:
            return x
        if expr.kind == "const":
            return self.const(np.asarray(expr.what, expr.dtype).astype(dtype).item(), dtype)
        return self._add(Expr("op", "cast", dtype, (x,)))

    def op(self, name: str, dtype: np.dtype[Any], args: tuple[int, ...]) -> int:
        """Return an operation on operands that have the right dtypes already."""
        found = self._folded(name, dtype, args)
        return self._add(Expr("op", name, dtype, args)) if found is None else found

    def _folded(self, name: str, dtype: np.dtype[Any], args: tuple[int, ...]) -> int | None:
        exprs = [self.exprs[a] for a in args]
        ufunc = getattr(np, name, None)
        if isinstance(ufunc, np.ufunc) and all(e.kind == "const" for e in exprs):
            with np.errstate(all="ignore"):
                value = ufunc(*[np.asarray(e.what, e.dtype)[()] for e in exprs])
            return self.const(value.item(), dtype)
        if name == "negative" and exprs[0].kind == "op" and exprs[0].what == "negative":
            return exprs[0].args[0]
        if dtype.kind not in "fc" or len(exprs) != 2:
            return args[0] if name == "positive" else None
        numbers = [e.what if e.kind == "const" else None for e in exprs]
        if name in ("multiply", "divide") and numbers[1] == 1:
            return args[0]
        if name == "multiply" and numbers[0] == 1:
            return args[1]
        if name in ("multiply", "divide") and dtype.kind == "f":
            # Signs move outwards, where sums take them.
            for k in (0, 1):
                if exprs[k].kind == "op" and exprs[k].what == "negative":
                    operands = list(args)
                    operands[k] = exprs[k].args[0]
                    x = self.op(name, dtype, (operands[0], operands[1]))
                    return self.op("negative", dtype, (x,))
        # a + (−b) is a − b, and x · (−1) is −x, to the last bit.
        if name == "multiply" and -1 in (numbers[0], numbers[1]) and dtype.kind == "f":
            x = args[1] if numbers[0] == -1 else args[0]
            return self.op("negative", dtype, (x,))
        if name == "add" and dtype.kind == "f":
            for a, b in (args, args[::-1]):
                if self.exprs[b].kind == "op" and self.exprs[b].what == "negative":
                    return self.op("subtract", dtype, (a, self.exprs[b].args[0]))
        if name == "subtract" and dtype.kind == "f":
            taken = exprs[1]
            if taken.kind == "op" and taken.what == "negative":
                return self.op("add", dtype, (args[0], taken.args[0]))
        if name == "subtract" and numbers[1] == 0 and _is_plus_zero(numbers[1]):
            return args[0]
        if self.exact:
            return None
        if name == "add" and numbers[0] == 0:
            return args[1]
        if name in ("add", "subtract") and numbers[1] == 0:
            return args[0]
        if name == "subtract" and numbers[0] == 0:
            return self.op("negative", dtype, (args[1],))
        if name == "multiply" and 0 in (numbers[0], numbers[1]):
            return self.const(dtype.type(0).item(), dtype)
        if name == "divide" and numbers[0] == 0:
            return args[0]
        return None

    def buffer(self, i: int) -> str:
        """Return the buffer that an expression reads; empty if it reads none."""
        expr = self.exprs[i]
        if expr.kind == "load":
            return str(expr.what[0])
        return str(expr.what) if expr.kind == "take" else ""

    def reachable(self, roots: Iterable[int], *, into: bool = True) -> list[int]:
        """Return what `roots` need, operands first; `into`: the guarded sides of choices too."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            i = stack.pop()
            if i in seen:
                continue
            seen.add(i)
            expr = self.exprs[i]
            stack.extend(expr.args if into or expr.kind != "select" else expr.args[1:])
        return sorted(seen)

    def cost(self, roots: Iterable[int]) -> Cost:
        """Return what evaluating `roots` takes, common parts once."""
        flops, loads = 0.0, 0
        for i in self.reachable(roots):
            expr = self.exprs[i]
            if expr.kind == "op":
                flops += arithmetic.flops(expr.what)
            elif expr.kind == "take":
                loads += 2
            elif expr.kind == "load" and any(p.dim >= 0 for p in expr.what[1]):
                loads += 1
        return Cost(flops, loads)


def _is_plus_zero(value: Any) -> bool:
    return not isinstance(value, complex) and str(float(value)) == "0.0"

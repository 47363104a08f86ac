"""Rules written in NumPy: a formula is recorded once for each type of operands and then inserted.

So a rule may use every function that can be recorded, and its own derivatives are known.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.builder import Builder, Symbol
from revolve_ad.ad.core import INPUT
from revolve_ad.ad.passes import transform
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.rules.table import define_rules
from revolve_ad.ad.symbolic import cast, match, zeros
from revolve_ad.ad.tape import ArrayType, Primitive, Tape

__all__ = ["define_by_equal", "define_by_formulas", "define_by_tangents", "insert"]

Formula = Callable[..., Any]


def _sample(kind: ArrayType) -> Any:
    """Return values to record a formula on: each matrix is symmetric and positive definite.

    Vectors grow, as edges and abscissas do, and their Toeplitz matrices can be inverted.
    """
    if len(kind.shape) == 0:
        return np.ones((), kind.dtype)[()]
    if len(kind.shape) == 1:
        n = kind.shape[0]
        return ((1 + np.arange(n)) / max(n, 1)).astype(kind.dtype)
    rows, columns = np.indices(kind.shape[-2:])
    matrix = (2.0 ** -np.abs(rows - columns)).astype(kind.dtype)
    return np.array(np.broadcast_to(matrix, kind.shape))


@lru_cache(maxsize=1024)
def _recorded(formula: Formula, types: tuple[ArrayType, ...], params: tuple[Any, ...]) -> Tape:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tape = trace(lambda *xs: formula(*xs, *params), tuple(_sample(kind) for kind in types)).tape
    if tape.depends_on_values is not None:
        raise AssertionError(f"a formula looks at values: {tape.depends_on_values}")
    return tape.pruned()


def _play(tape: Tape, builder: Builder, operands: Sequence[Symbol]) -> list[Symbol]:
    """Append the nodes of a tape to the one under construction."""
    position = dict(zip(tape.inputs, [x.id for x in operands], strict=True))
    for i, node in enumerate(tape.nodes):
        if node.op is INPUT:
            continue
        args = tuple([position[a] for a in node.args])
        key = (node.op, args, node.params)
        found = builder.known.get(key)
        if found is None:
            # The types are those of the formula's own tape: nothing needs to be inferred.
            found = builder.known[key] = len(builder.nodes)
            builder.nodes.append(node._replace(args=args))
        position[i] = found
    return [Symbol(builder, position[i]) for i in tape.outputs]


def _types(xs: Sequence[Symbol]) -> tuple[ArrayType, ...]:
    return tuple(ArrayType(x.shape, x.dtype) for x in xs)


def insert(formula: Formula, xs: Sequence[Symbol], params: tuple[Any, ...] = ()) -> list[Symbol]:
    """Return the results of a NumPy function of symbols; it may not look at their values."""
    return _play(_recorded(formula, _types(xs), params), xs[0].builder, xs)


def _all_results(g: Any, y: Symbol) -> list[Symbol]:
    """Return cotangents of all results, zeros where there is none."""
    if y.node.results is None:
        return [g]
    return [g[k] if k in g else zeros(y, t.shape, t.dtype) for k, t in enumerate(y.node.results)]


def _has_derivative(x: Symbol) -> bool:
    """Whether an operand is of floats or complex numbers, and has any."""
    return x.dtype.kind in "fc" and 0 not in x.shape


def _is_empty(y: Symbol) -> bool:
    """Whether no result has an element."""
    return all(0 in kind.shape for kind in y.node.results or (y.node,))


def _results(y: Symbol) -> list[Symbol]:
    return [y] if y.node.results is None else [y.item(k) for k in range(len(y.node.results))]


def define_by_equal(op: Primitive, equal: Formula) -> None:
    """Give a primitive the derivatives of a NumPy function that has the same values.

    Parameters
    ----------
    op : Primitive
        Called with ``(*operands, *params)``.
    equal : callable
        The same with functions that have rules; perhaps slower, or with other rounding errors.
    """

    def transformed(xs: Sequence[Symbol], params: tuple[Any, ...], mode: Any) -> Tape:
        tape = _recorded(equal, _types(xs), params)
        return mode(tape, range(len(xs)))  # type: ignore[no-any-return]

    def vjp(g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        if not any(map(_has_derivative, xs)) or _is_empty(y):
            return [None] * len(xs)
        tape = transformed(xs, params, transform.vjp).pruned()
        seeds = [
            match_type(c, kind)
            for c, kind in zip(_all_results(g, y), _seed_types(tape, len(xs)), strict=True)
        ]
        found = _play(tape, y.builder, [*xs, *seeds])
        return [
            match(f, x) if x.dtype.kind in "fc" else None for f, x in zip(found, xs, strict=True)
        ]

    def jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        some = any(t is not None and _has_derivative(x) for t, x in zip(ts, xs, strict=True))
        if not some or _is_empty(y):
            return None if y.node.results is None else {}
        tape = transformed(xs, params, transform.jvp)
        n = len(_results(y))
        tape = Tape(tape.nodes, tape.inputs, tape.outputs[n:]).pruned()
        filled = [zeros(x, x.shape) if t is None else t for t, x in zip(ts, xs, strict=True)]
        found = _play(tape, y.builder, [*xs, *filled])
        if y.node.results is None:
            return match(found[0], y)
        results = _results(y)
        return {
            k: match(t, r)
            for k, (t, r) in enumerate(zip(found, results, strict=True))
            if r.dtype.kind in "fc"
        }

    define_rules(op, vjp=vjp, jvp=jvp)


def define_by_formulas(
    op: Primitive, *, vjp: Sequence[Formula | None], jvp: Sequence[Formula | None]
) -> None:
    """Give a primitive rules written in NumPy, one for each operand.

    Parameters
    ----------
    op : Primitive
        Several results stand in the formulas one after the other.
    vjp : sequence of callable or None
        ``(*cotangents, *results, *operands, *params) -> cotangent of the operand``; it may have
        the broadcast shape, and be complex where the operand is real.
    jvp : sequence of callable or None
        ``(tangent of the operand, *results, *operands, *params) -> tangents of the results``, to
        be added up over the operands.
    """

    def pull(g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        if _is_empty(y):
            return [None] * len(xs)
        given = [*_all_results(g, y), *_results(y), *xs]
        out: list[Symbol | None] = []
        for x, formula in zip(xs, vjp, strict=True):
            if formula is None or not _has_derivative(x):
                out.append(None)
            else:
                out.append(match(insert(formula, given, params)[0], x))
        return out

    define_rules(op, vjp=pull, jvp=_pushed(jvp))


def _pushed(formulas: Sequence[Formula | None]) -> Any:
    """Return the jvp rule that adds up the tangents by each operand."""

    def push(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        if _is_empty(y):
            return None if y.node.results is None else {}
        results = _results(y)
        total: list[Symbol] | None = None
        for t, x, formula in zip(ts, xs, formulas, strict=True):
            if t is not None and formula is not None and _has_derivative(x):
                part = insert(formula, [t, *results, *xs], params)
                total = part if total is None else [a + b for a, b in zip(total, part, strict=True)]
        if total is None:
            return None if y.node.results is None else {}
        found = [
            match(t, r) if r.dtype.kind in "fc" else None
            for t, r in zip(total, results, strict=True)
        ]
        if y.node.results is None:
            return found[0]
        return {k: t for k, t in enumerate(found) if t is not None}

    return push


def define_by_tangents(op: Primitive, *formulas: Formula | None) -> None:
    """Give a primitive the rules that follow from its tangents alone.

    A tangent is linear in the operand's tangent, and its transposed map is the vjp.

    Parameters
    ----------
    formulas : callable or None
        For each operand ``(tangent of the operand, *results, *operands, *params) -> tangents of
        the results``, as in `define_by_formulas`.
    """

    def pull(g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
        if _is_empty(y):
            return [None] * len(xs)
        given = [*_results(y), *xs]
        out: list[Symbol | None] = []
        for x, formula in zip(xs, formulas, strict=True):
            if formula is None or not _has_derivative(x):
                out.append(None)
                continue
            tape = _transposed(formula, _types([x, *given]), params)
            cotangents = [
                match_type(c, t)
                for c, t in zip(_all_results(g, y), _seed_types(tape, len(given) + 1), strict=True)
            ]
            found = _play(tape, y.builder, [zeros(x, x.shape), *given, *cotangents])
            out.append(match(found[0], x))
        return out

    define_rules(op, vjp=pull, jvp=_pushed(formulas))


@lru_cache(maxsize=1024)
def _transposed(formula: Formula, types: tuple[ArrayType, ...], params: tuple[Any, ...]) -> Tape:
    return transform.vjp(_recorded(formula, types, params), [0]).pruned()


def _seed_types(tape: Tape, skip: int) -> list[ArrayType]:
    return [tape.type_of(i) for i in tape.inputs[skip:]]


def match_type(g: Symbol, kind: ArrayType) -> Symbol:
    """Return a cotangent in the type that the formula's tangent has."""
    if g.shape != kind.shape:
        raise AssertionError(f"a tangent of shape {kind.shape} for a value of shape {g.shape}")
    return g if g.dtype == kind.dtype else cast(g, kind.dtype)

"""Python source of loop nests, in the forms that Numba compiles to vector code.

Measured rules (ratios to the fast form): counters from 0 with literal bounds and offsets that
aren't negative (a signed offset below zero costs 6 times), whole C-ordered arrays and no slices
(10 times), nests of few statements as functions of their own (compiling is super-linear), values
that an inner loop doesn't change computed outside of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np

from revolve_ad.native.passes import arithmetic
from revolve_ad.native.passes.calls import Call
from revolve_ad.native.passes.expression import Expr, Graph, Position
from revolve_ad.native.passes.fuse import Fused, Nest
from revolve_ad.native.passes.nests import Loops, Store
from revolve_ad.native.passes.rows import bundled, joined
from revolve_ad.native.passes.waves import Shifts, rows_move
from revolve_ad.native.threads import ROWS

__all__ = [
    "buffers_of",
    "function",
    "loops_source",
    "named_calls",
    "nest_functions",
    "scalars_of",
]

COUNTERS = "ijlmnopq"
MANY = 7
"""Arrays of a nest from which LLVM's own checks for overlaps give up."""

LARGE = 25_000
"""Points from which threads gain: below, they wait for each other as long as they work."""

_ROUNDED_ONCE = (np.dtype(np.float64), np.dtype(np.float32))
"""Types of which processors multiply and add at once."""

LONG = 160
"""Characters from which an expression becomes a variable even if it is used once."""


def buffers_of(graph: Graph, loops: Iterable[Loops]) -> tuple[list[str], set[str]]:
    """Return the buffers that loops touch, those written first, and those addressed flat."""
    written: dict[str, None] = {}
    read: dict[str, None] = {}
    flat: set[str] = set()
    for nest in loops:
        for store in nest.stores:
            written[store.buffer] = None
            if store.flat or store.at >= 0:
                flat.add(store.buffer)
        for i in graph.reachable(_roots(nest)):
            expr = graph.exprs[i]
            if expr.kind == "take":
                read[expr.what] = None
                flat.add(expr.what)
            if expr.kind == "load":
                read[expr.what[0]] = None
                if expr.what[2]:
                    flat.add(expr.what[0])
    return [*written, *(b for b in read if b not in written)], flat


def _roots(nest: Loops) -> list[int]:
    """Return the expressions that the assignments of a loop name."""
    return [e for s in nest.stores for e in ((s.value, s.at) if s.at >= 0 else (s.value,))]


def scalars_of(graph: Graph, loops: Iterable[Loops]) -> list[str]:
    """Return the variables that loops read."""
    found: dict[str, None] = {}
    for nest in loops:
        for i in graph.reachable(_roots(nest)):
            if graph.exprs[i].kind == "scalar":
                found[graph.exprs[i].what] = None
    return list(found)


def function(
    name: str,
    graph: Graph,
    loops: Sequence[Loops],
    before: Mapping[str, int],
    shifts: Sequence[int] = (),
    *,
    contracts: bool = False,
) -> tuple[str, list[str]]:
    """Return the source of a function that runs loops, and its parameters.

    `before` says how many elements some buffers have before their element 0.  With `shifts` the
    function runs what has its turn at times `first` … `last` - 1: see `passes.waves`.
    """
    loops = joined(graph, loops)
    buffers, flat = buffers_of(graph, loops)
    parameters = [*buffers, *scalars_of(graph, loops), *(["first", "last"] if shifts else [])]
    lines = [f"def {name}({', '.join(parameters)}):"]
    lines += [f"    {b}_flat = flat({b})" for b in sorted(flat)]
    for k, nests in enumerate(bundled(graph, loops)):
        writers: list[_Writer] = []
        for nest in nests:
            count = writers[-1].count if writers else 0
            writers.append(_Writer(graph, nest, before, None, count, contracts=contracts))
        turn = shifts[k] if shifts else None
        lines += ["    " + line for line in _written(writers, turn)]
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines) + "\n", parameters


def nest_functions(
    fused: Fused, prefix: str, shifts: Shifts = (), *, contracts: bool = False
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return a function for each nest, and the calls that run them in order: (name, arguments).

    With `shifts` these also take the times between which rows have their turn.  `contracts`: a
    product and the sum that it goes into are one operation, which rounds once.
    """
    parts, calls = [], []
    for k, nest in enumerate(fused.nests):
        if nest.call is not None:
            calls.append((call_name(prefix, k, nest), [*nest.call.results, *nest.call.operands]))
        if nest.kernel is not None:
            parts.append("@kernel_apart\n" + nest.kernel.source(f"{prefix}{k}"))
            calls.append((f"{prefix}{k}", list(nest.kernel.buffers)))
        if nest.loops:
            times = shifts[k] if shifts else ()
            body, parameters = function(
                f"{prefix}{k}", fused.graph, nest.loops, fused.before, times, contracts=contracts
            )
            # Without loops, or with many arrays, it pays to know that arrays don't overlap; else
            # it costs: values carried from pass to pass keep LLVM from using vectors.
            plain = any(n > 1 for loops in nest.loops for n in loops.extent)
            apart = not plain or len(parameters) - 2 * bool(shifts) > MANY
            parts.append(f"@kernel{'_apart' if apart else ''}\n" + body)
            calls.append((f"{prefix}{k}", parameters))
    return parts, calls


def call_name(prefix: str, k: int, nest: Nest) -> str:
    """Return what the call of NumPy that stands for nest `k` is called."""
    assert nest.call is not None
    return f"{prefix}{k}_{re.sub('[^A-Za-z0-9]', '_', nest.call.name)}"


def named_calls(fused: Fused, prefix: str) -> dict[str, Call]:
    """Return the calls of NumPy by the names that `nest_functions` gives them."""
    return {
        call_name(prefix, k, nest): nest.call
        for k, nest in enumerate(fused.nests)
        if nest.call is not None
    }


class Naming(Protocol):
    """Names elements of arrays by variables."""

    def name(self, buffer: str, index: Sequence[Position], *, flat: bool) -> str:
        """Return the variable of an element."""


def loops_source(
    graph: Graph, nest: Loops, before: Mapping[str, int], naming: Naming | None = None
) -> list[str]:
    """Return the lines of one loop nest; with `naming`, elements of arrays are variables."""
    return _written([_Writer(graph, nest, before, naming)])


def _written(writers: Sequence[_Writer], turn: int | None = None) -> list[str]:
    """Return the lines of loops that share all counters but the last of the first one.

    `turn`: the time at which the first row, or all at once, has its turn.
    """
    first = writers[0]
    if turn is not None and not rows_move([w.nest for w in writers]):
        return [f"if first <= {turn} < last:", *("    " + line for line in _written(writers))]
    shared = len(first.dims) if len(writers) == 1 else len(first.dims) - 1
    mark = ROWS if _rows_are_apart(writers) else ""
    out: list[str] = []
    for k in range(shared):
        for w in writers:
            out += ["    " * k + line for line in w.body[k]]
        d = first.dims[k]
        bounds = str(first.nest.extent[d])
        if turn is not None and k == 0:
            start, stop = (f"{x} - {turn}" if turn else x for x in ("first", "last"))
            bounds = f"max({start}, 0), min({stop}, {bounds})"
        out.append("    " * k + f"for {COUNTERS[d]} in range({bounds}):{mark}")
        mark = ""
    for w in writers:
        out += ["    " * shared + line for line in w.body[shared]]
        if len(w.dims) > shared:
            d = w.dims[shared]
            out.append("    " * shared + f"for {COUNTERS[d]} in range({w.nest.extent[d]}):")
            out += ["    " * (shared + 1) + line for line in w.body[shared + 1]]
    return out + [line for w in writers for line in w.after]


def _rows_are_apart(writers: Sequence[_Writer]) -> bool:
    """Whether passes of the outermost loop don't touch what others write, and are worth it."""
    first = writers[0]
    if len(first.dims) < 2 or prod(first.nest.extent) < LARGE or any(w.after for w in writers):
        return False
    graph, outer = first.graph, first.dims[0]
    rows: dict[str, tuple[int, Position]] = {}
    for w in writers:
        for s in w.nest.stores:
            if s.at >= 0 or s.flat:
                return False
            here = [(k, p) for k, p in enumerate(s.index) if p.dim == outer and p.coef != 0]
            if len(here) != 1 or rows.setdefault(s.buffer, here[0]) != here[0]:
                return False
    for w in writers:
        for i in graph.reachable(_roots(w.nest)):
            expr = graph.exprs[i]
            if expr.kind == "take" and expr.what in rows:
                return False
            if expr.kind == "load" and expr.what[0] in rows:
                # What is read where it is written belongs to the row.
                axis, place = rows[expr.what[0]]
                if expr.what[2] or expr.what[1][axis] != place:
                    return False
    return True


class _Writer:
    """Writes one loop nest: each expression at the outermost loop where it is known."""

    def __init__(
        self,
        graph: Graph,
        nest: Loops,
        before: Mapping[str, int],
        naming: Naming | None,
        count: int = 0,
        *,
        contracts: bool = False,
    ) -> None:
        self.graph, self.nest, self.before, self.naming = graph, nest, before, naming
        self.dims = [d for d, n in enumerate(nest.extent) if n != 1]
        self.depth = {d: k + 1 for k, d in enumerate(self.dims)}
        self.level: dict[int, int] = {}
        self.body: list[list[str]] = [[] for _ in range(len(self.dims) + 1)]
        self.after: list[str] = []
        self.count = count
        self.contracts = contracts
        self.products: dict[int, tuple[str, str]] = {}
        self._write()

    def _write(self) -> None:
        sums = [
            s
            for s in self.nest.stores
            if s.add and s.at < 0 and self.dims and self._depth(s.index) == 0
        ]
        plain = [s for s in self.nest.stores if s not in sums]
        roots = _roots(self.nest)
        names: dict[int, str] = {}
        self._scope(roots, names, self.body[-1], hoist=True)
        self._read_before_written([*plain, *sums], names)
        for s in plain:
            self.body[-1].append(self._store(s, names[s.value], names.get(s.at, "")))
        for s in sums:
            # A sum over the whole loop stays in a register.
            self.products.pop(s.value, None)
            dtype = self.graph.exprs[s.value].dtype
            if dtype == np.dtype(np.float32):
                dtype = np.dtype(np.float64)
            total = self._fresh("total")
            self.body[0].append(f"{total} = {arithmetic.literal(0, dtype)}")
            self.body[-1].append(f"{total} += {names[s.value]}")
            self.after.append(self._store(s, total))

    def _read_before_written(self, stores: Sequence[Store], names: dict[int, str]) -> None:
        """Name values that are read from what an assignment before theirs writes."""
        written: set[str] = set()
        for s in stores:
            read = {self.graph.buffer(i) for i in self.graph.reachable([s.value])}
            if read & written and not names[s.value].isidentifier():
                name = self._fresh("t")
                self.body[-1].append(f"{name} = {names[s.value]}")
                names[s.value] = name
                self.products.pop(s.value, None)
            written.add(s.buffer)

    def _fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def _depth(self, index: Sequence[Position]) -> int:
        return max((self.depth.get(p.dim, 0) for p in index), default=0)

    def _place(self, expr: Expr) -> int:
        """Return how many loops must be open for an expression."""
        if expr.kind == "load":
            return self._depth(expr.what[1])
        if expr.kind == "select":
            return len(self.dims)
        return max((self.level[a] for a in expr.args), default=0)

    def _scope(
        self, roots: Sequence[int], names: dict[int, str], lines: list[str], *, hoist: bool
    ) -> None:
        """Write what `roots` need and `names` doesn't have; only the outermost scope hoists."""
        graph = self.graph
        order = [i for i in graph.reachable(roots, into=False) if i not in names]
        for i in graph.reachable(roots):
            if i not in self.level:
                self.level[i] = self._place(graph.exprs[i])
        uses = dict.fromkeys(order, 0)
        for i in order:
            expr = graph.exprs[i]
            twice = expr.kind == "op" and arithmetic.reads_twice(expr.what)
            for a in expr.args if expr.kind != "select" else expr.args[1:]:
                if a in uses:
                    uses[a] += 2 if twice else 1
                    # What an outer loop knows must be a variable there.
                    if self.level[a] < self.level[i] and hoist:
                        uses[a] += 1
        for i in roots:
            if i in uses:
                uses[i] += 1
        for i in order:
            expr = graph.exprs[i]
            if expr.kind == "const":
                names[i] = arithmetic.literal(expr.what, expr.dtype)
                continue
            if expr.kind == "scalar":
                names[i] = expr.what
                continue
            place = self.body[self.level[i]] if hoist else lines
            if expr.kind == "select":
                inside, outside = expr.args
                name = self._fresh("v")
                lines.append(f"{name} = {names[outside]}")
                lines.append(f"if {self._condition(expr.what)}:")
                inner: list[str] = []
                known = dict(names)
                self._scope([inside], known, inner, hoist=False)
                inner.append(f"{name} = {known[inside]}")
                lines += ["    " + line for line in inner]
                names[i] = name
                continue
            if expr.kind == "take":
                body = self._taken(expr.what, names[expr.args[0]])
            elif expr.kind == "load":
                body = self._element(*expr.what)
            else:
                body = self._operation(i, names)
            product = self.contracts and expr.kind == "op" and expr.what == "multiply"
            if uses[i] > 1 or (len(body) > LONG and not product):
                name = self._fresh("t")
                place.append(f"{name} = {body}")
                names[i] = name
                self.products.pop(i, None)
            else:
                names[i] = body
                if product:
                    self.products[i] = names[expr.args[0]], names[expr.args[1]]

    def _product(self, i: int, dtype: np.dtype[Any]) -> tuple[str, str] | None:
        """Return the factors of an expression of this type that is a product and nothing else."""
        args = (i, *self.graph.exprs[i].args)
        if i not in self.products or any(self.graph.exprs[a].dtype != dtype for a in args):
            return None
        return self.products[i]

    def _operation(self, i: int, names: Mapping[int, str]) -> str:
        """Return the text of an operation."""
        expr = self.graph.exprs[i]
        args = [names[a] for a in expr.args]
        if expr.what in ("add", "subtract") and expr.dtype in _ROUNDED_ONCE:
            sign = "-" if expr.what == "subtract" else ""
            for here, other in ((1, 0), (0, 1)):
                product = self._product(expr.args[here], expr.dtype)
                if product is None or self.graph.exprs[expr.args[other]].dtype != expr.dtype:
                    continue
                a, b = product
                if here:
                    return f"multiply_add({sign}{a}, {b}, {args[other]})"
                return f"multiply_add({a}, {b}, {sign}{args[other]})"
        operand = self.graph.exprs[expr.args[-1]].dtype if expr.args else expr.dtype
        return arithmetic.text(expr.what, expr.dtype, operand, args)

    def _condition(self, guards: Sequence[tuple[int, int, int]]) -> str:
        parts = []
        for d, lo, hi in guards:
            counter = COUNTERS[d]
            if lo >= 0 and hi - lo == 1:
                parts.append(f"{counter} == {lo}")
                continue
            if lo >= 0:
                parts.append(f"{counter} >= {lo}")
            if hi >= 0:
                parts.append(f"{counter} < {hi}")
        return " and ".join(parts)

    def _term(self, p: Position) -> str:
        if p.dim < 0 or p.dim not in self.depth:
            # The counter of a loop of one pass is 0.
            return str(p.off)
        counter = COUNTERS[p.dim]
        if p.coef == -1:
            return f"{p.off} - {counter}"
        slope = counter if p.coef == 1 else f"{p.coef} * {counter}"
        return slope if p.off == 0 else f"{slope} + {p.off}" if p.off > 0 else f"{slope} - {-p.off}"

    def _taken(self, buffer: str, at: str) -> str:
        """Return the element of a buffer at a computed place in C order."""
        before = self.before.get(buffer)
        return f"{buffer}_flat[{before} + ({at})]" if before else f"{buffer}_flat[{at}]"

    def _element(self, buffer: str, index: Sequence[Position], flat: bool) -> str:
        before = self.before.get(buffer)
        if before:
            # What is repeated before the first element moves all the others.
            index = [index[0]._replace(off=index[0].off + before), *index[1:]]
        if flat and self.naming is None:
            return f"{buffer}_flat[{' + '.join(self._term(p) for p in index)}]"
        if self.naming is not None:
            fixed = [p._replace(dim=-1) if p.dim not in self.depth else p for p in index]
            return self.naming.name(buffer, fixed, flat=flat)
        return f"{buffer}[{', '.join(self._term(p) for p in index) or '0'}]"

    def _store(self, store: Store, value: str, at: str = "") -> str:
        sign = "+=" if store.add else "="
        if value.startswith("(") and value.endswith(")") and _enclosed(value):
            value = value[1:-1]
        place = self._taken(store.buffer, at) if at else ""
        place = place or self._element(store.buffer, store.index, store.flat)
        product = self._product(store.value, np.dtype(np.float64)) if store.add else None
        if product is not None:
            return f"{place} = multiply_add({', '.join(product)}, {place})"
        return f"{place} {sign} {value}"


def _enclosed(text: str) -> bool:
    """Whether the first parenthesis closes at the end."""
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return k == len(text) - 1
    return False

"""Steps of a few numbers: over the whole time loop they stay in variables, not in arrays.

A step of an ordinary differential equation takes some nanoseconds.  Through arrays, each step would
wait for the memory that the one before has written; so the loops over the steps are written with a
variable for each element, and arrays are read before and written after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from revolve_ad.native.passes.expression import Position
from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.passes.rows import joined
from revolve_ad.native.passes.turns import Turns, Type
from revolve_ad.native.source.drive import Seen, borrowing, rows_source
from revolve_ad.native.source.emit import loops_source

__all__ = ["Elements", "fits", "in_variables", "register_loops"]

FEW = 16
"""Elements of a state that are variables; with many more they don't fit into registers."""

MANY = 96
"""Elements of all other arrays that a step reads or writes."""

_KINDS = frozenset(map(np.dtype, (np.float64, np.complex128, np.int64, np.bool_)))
"""Types of which a variable has just the bits of an array's element."""


def fits(types: Sequence[Type]) -> bool:
    """Tell whether a state is small enough."""
    return (
        0 < sum(prod(shape) for shape, _ in types) <= FEW
        and all(dtype in _KINDS for _, dtype in types)
        and all(prod(shape) for shape, _ in types)
    )


def in_variables(n: int) -> Turns:
    """Return the turns of `n` leaves that are all written anew in each step."""
    return Turns((None,) * n, {j: j for j in range(n)})


class _NotSmallError(Exception):
    """The loops need arrays."""


class Elements:
    """The variables of the elements of arrays, made as they are met."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.used: dict[str, dict[int, str]] = {}

    def name(self, buffer: str, index: Sequence[Position], *, flat: bool) -> str:
        """Return the variable of an element; `flat`: the terms of `index` are added up."""
        if any(p.dim >= 0 for p in index):
            raise _NotSmallError
        at = [p.off for p in index]
        shape = self.shapes[buffer] or (1,)
        place = sum(at)
        if not flat:
            at = at or [0]
            place = int(np.ravel_multi_index(at, shape)) if len(at) == len(shape) else -1
        if not 0 <= place < prod(shape):
            raise _NotSmallError
        return self.variable(buffer, place)

    def variable(self, buffer: str, place: int) -> str:
        """Return the variable of an element by its place in C order."""
        if sum(map(len, self.used.values())) > MANY:
            raise _NotSmallError
        return self.used.setdefault(buffer, {}).setdefault(place, f"{buffer}e{place}")

    def all(self, buffer: str) -> list[str]:
        """Return the variables of all elements of an array."""
        return [self.variable(buffer, i) for i in range(prod(self.shapes[buffer] or (1,)))]

    def places(self, buffer: str, array: str = "", row: str = "") -> list[str]:
        """Return the elements of an array in Python, or of one like it, or of a row of that."""
        shape = self.shapes[buffer] or (1,)
        found = []
        for i in range(prod(shape)):
            at = ", ".join(str(k) for k in np.unravel_index(i, shape))
            found.append(f"{array or buffer}[{row + ', ' if row else ''}{at}]")
        return found

    def read(self, buffer: str) -> list[str]:
        """Return lines that read what is used of an array."""
        places = self.places(buffer)
        return [f"{v} = {places[i]}" for i, v in sorted(self.used.get(buffer, {}).items())]


def register_loops(
    forward: Fused,
    reverse: Fused,
    *,
    shapes: Mapping[str, tuple[int, ...]],
    n_leaves: int,
    n_floats: int,
    rows: Sequence[int],
    row_cotangents: Sequence[int],
    n_sums: int,
    given: Mapping[str, Sequence[str]],
    seen: tuple[Seen, Seen] | None,
) -> tuple[str, str, str] | None:
    """Return the sources of ``advance``, ``record`` and ``pull``; None if they need arrays.

    Parameters
    ----------
    forward, reverse : Fused
        The loops of a step and of its adjoint, for states that are all computed: see
        `in_variables`.
    shapes : mapping of str to tuple
        Of all arrays: those of the state ``x``, ``y``, of cotangents ``g``, ``h``, of sums, of
        params, constants, prepared and working arrays, of rows.
    n_leaves : int
        Leaves of the state.
    n_floats : int
        Leaves that have cotangents.
    rows, row_cotangents : sequence of int
        The ranks of a row of each leaf of the inputs, and of its cotangent; -1 without one.
    n_sums : int
        Sums over the steps.
    given : mapping of str to sequence of str
        The parameters of each function after the first ones.
    seen : pair of Seen, optional
        The observation, and what adds its cotangents.
    """
    try:
        ahead, back = Elements(shapes), Elements(shapes)
        step = _lines(forward, ahead)
        pull = _lines(reverse, back)
        leaves, floats = range(n_leaves), range(n_floats)
        return (
            _advance(step, ahead, leaves, rows, given["advance"], seen),
            _record(step, ahead, leaves, rows, given["record"], seen),
            _pull(pull, back, leaves, floats, rows, row_cotangents, n_sums, given["pull"], seen),
        )
    except _NotSmallError:
        return None


def _lines(fused: Fused, elements: Elements) -> list[str]:
    """Return the lines of one step."""
    lines = []
    for nest in fused.nests:
        if nest.call is not None or nest.kernel is not None:
            raise _NotSmallError
        for loops in joined(fused.graph, nest.loops):
            if any(n != 1 for n in loops.extent) or any(s.at >= 0 for s in loops.stores):
                raise _NotSmallError
            if any(fused.graph.exprs[i].kind in ("take", "select") for i in _reached(fused, loops)):
                raise _NotSmallError
            lines += loops_source(fused.graph, loops, fused.before, elements)
    return lines


def _reached(fused: Fused, loops: object) -> list[int]:
    stores = getattr(loops, "stores", ())
    return list(fused.graph.reachable([s.value for s in stores]))


def _fixed(elements: Elements, given: Sequence[str]) -> list[str]:
    """Return lines that read params, constants and what is prepared, once."""
    return [line for b in given if b[0] in "pcq" for line in elements.read(b)]


def _rows(elements: Elements, rows: Sequence[int]) -> list[str]:
    """Return lines that read the row of a step."""
    lines = []
    for k, rank in enumerate(rows):
        places = elements.places(f"row{k}", f"all_row{k}", "k")
        if not rank:
            places = [f"all_row{k}[k]"]
        lines += [f"{v} = {places[i]}" for i, v in sorted(elements.used.get(f"row{k}", {}).items())]
    return lines


def _moves(to: Sequence[str], source: Sequence[str]) -> list[str]:
    return [f"{a} = {b}" for a, b in zip(to, source, strict=True)]


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


def _function(name: str, parameters: Sequence[str], body: Sequence[str]) -> str:
    # A multiply-add takes as long as either: the chain through a step gets a third shorter.
    decorator = "kernel_contracting" if name == "pull" else "kernel"
    lines = [f"@{decorator}\ndef {name}({', '.join(parameters)}):"]
    return "\n".join([*lines, *_indented([*borrowing(parameters), *body])]) + "\n"


def _taken(seen: Seen, stem: str, names: Mapping[str, str]) -> list[str]:
    lines = rows_source(seen.rows, stem, "at")
    return lines + [f"{f}({', '.join(names.get(a, a) for a in args)})" for f, args in seen.calls]


def _watched(seen: tuple[Seen, Seen] | None) -> list[str]:
    return [] if seen is None else ["at", "marks"]


def _advance(
    step: list[str],
    elements: Elements,
    leaves: range,
    rows: Sequence[int],
    given: Sequence[str],
    seen: tuple[Seen, Seen] | None,
) -> str:
    xs = [v for j in leaves for v in elements.all(f"x{j}")]
    ys = [v for j in leaves for v in elements.all(f"y{j}")]
    inner: list[str] = []
    if seen is not None:
        # The arrays of the result are free until the end.
        look = [m for j in leaves for m in _moves(elements.places(f"y{j}"), elements.all(f"x{j}"))]
        look += _taken(seen[0], "o", {f"x{j}": f"y{j}" for j in leaves})
        inner += ["if at < len(marks) and marks[at] == k:", *_indented([*look, "at += 1"])]
    inner += [*_rows(elements, rows), *step, *_moves(xs, ys)]
    odd = [m for j in leaves for m in _moves(elements.places(f"y{j}"), elements.all(f"x{j}"))]
    even = [
        m
        for j in leaves
        for m in _moves(elements.places(f"y{j}", f"s{j}_0"), elements.all(f"x{j}"))
    ]
    body = [
        *_fixed(elements, given),
        *[line for j in leaves for line in elements.read(f"x{j}")],
        "for k in range(start, stop):",
        *_indented(inner),
        "if (stop - start) % 2 == 1:",
        *_indented(odd),
        "else:",
        *_indented(even),
    ]
    return _function("advance", ["start", "stop", *_watched(seen), *given], body)


def _record(
    step: list[str],
    elements: Elements,
    leaves: range,
    rows: Sequence[int],
    given: Sequence[str],
    seen: tuple[Seen, Seen] | None,
) -> str:
    xs = [v for j in leaves for v in elements.all(f"x{j}")]
    ys = [v for j in leaves for v in elements.all(f"y{j}")]
    inner = ["k = start + t"]
    if seen is not None:
        look = [*_state(leaves), *_taken(seen[0], "o", {f"x{j}": f"u{j}" for j in leaves})]
        inner += ["if at < len(marks) and marks[at] == k:", *_indented([*look, "at += 1"])]
    inner += [*_rows(elements, rows), *step, *_moves(xs, ys)]
    for j in leaves:
        inner += _moves(elements.places(f"x{j}", f"kept{j}", "t"), elements.all(f"x{j}"))
    body = [
        *_fixed(elements, given),
        *[line for j in leaves for line in elements.read(f"x{j}")],
        "for t in range(stop - start):",
        *_indented(inner),
    ]
    return _function("record", ["start", "stop", *_watched(seen), *given], body)


def _state(leaves: range) -> list[str]:
    """Return lines that name the arrays of the state after t steps."""
    lines = ["if t == 0:", *[f"    u{j} = x{j}" for j in leaves]]
    return [*lines, "else:", *[f"    u{j} = kept{j}[t - 1]" for j in leaves]]


def _pull(
    pull: list[str],
    elements: Elements,
    leaves: range,
    floats: range,
    rows: Sequence[int],
    row_cotangents: Sequence[int],
    n_sums: int,
    given: Sequence[str],
    seen: tuple[Seen, Seen] | None,
) -> str:
    gs = [v for k in floats for v in elements.all(f"g{k}")]
    hs = [v for k in floats for v in elements.all(f"h{k}")]
    first = [line for j in leaves for line in elements.read(f"x{j}")]
    later = []
    for j in leaves:
        places = elements.places(f"x{j}", f"kept{j}", "t - 1")
        later += [f"{v} = {places[i]}" for i, v in sorted(elements.used.get(f"x{j}", {}).items())]
    inner = ["k = origin + t", *_rows(elements, rows)]
    if first:
        inner += ["if t == 0:", *_indented(first), "else:", *_indented(later)]
    inner += pull
    for k, rank in enumerate(row_cotangents):
        if rank >= 0:
            places = elements.places(f"rbar{k}", f"all_rbar{k}", "k")
            inner += _moves(places if rank else [f"all_rbar{k}[k]"], elements.all(f"rbar{k}"))
    inner += _moves(gs, hs)
    if seen is not None:
        turn = [m for k in floats for m in _moves(elements.places(f"h{k}"), elements.all(f"g{k}"))]
        names = {f"x{j}": f"u{j}" for j in leaves} | {f"g{k}": f"h{k}" for k in floats}
        turn += [*_state(leaves), *_taken(seen[1], "ob", names)]
        turn += [m for k in floats for m in _moves(elements.all(f"g{k}"), elements.places(f"h{k}"))]
        inner += ["if at >= 0 and marks[at] == k:", *_indented([*turn, "at -= 1"])]
    sums = [f"sum{k}" for k in range(n_sums)]
    odd = [m for k in floats for m in _moves(elements.places(f"h{k}"), elements.all(f"g{k}"))]
    even = [m for k in floats for m in _moves(elements.places(f"g{k}"), elements.all(f"g{k}"))]
    body = [
        *_fixed(elements, given),
        *[line for k in floats for line in elements.read(f"g{k}")],
        *[line for s in sums for line in elements.read(s)],
        "for t in range(stop - origin - 1, start - origin - 1, -1):",
        *_indented(inner),
        "if (stop - start) % 2 == 1:",
        *_indented(odd or ["pass"]),
        "else:",
        *_indented(even or ["pass"]),
        *[
            f"{elements.places(s)[i]} = {v}"
            for s in sums
            for i, v in sorted(elements.used.get(s, {}).items())
        ],
    ]
    return _function("pull", ["origin", "start", "stop", *_watched(seen), *given], body)

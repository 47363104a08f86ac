"""Steps of a few numbers: over the whole time loop they stay in variables, not in arrays.

A step of an ordinary differential equation takes some nanoseconds.  Through arrays, each step would
wait for the memory that the one before has written; so the loops over the steps are written with a
variable for each element, and arrays are read before and written after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.passes.rows import joined
from revolve_ad.native.passes.turns import Turns, Type
from revolve_ad.native.source.drive import Seen, borrowing, rows_source
from revolve_ad.native.source.emit import loops_source
from revolve_ad.native.source.variables import Elements, NotSmallError

__all__ = ["fits", "in_variables", "register_loops"]

FEW = 16
"""Elements of a state that are variables; with many more they don't fit into registers."""

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
            _advance(step, _Loop(ahead, leaves, rows, given["advance"], seen)),
            _record(step, _Loop(ahead, leaves, rows, given["record"], seen)),
            _pull(
                pull, _Loop(back, leaves, rows, given["pull"], seen), floats, row_cotangents, n_sums
            ),
        )
    except NotSmallError:
        return None


def _lines(fused: Fused, elements: Elements) -> list[str]:
    """Return the lines of one step."""
    lines = []
    for nest in fused.nests:
        if nest.call is not None or nest.kernel is not None:
            raise NotSmallError
        for loops in joined(fused.graph, nest.loops):
            if any(n != 1 for n in loops.extent) or any(s.at >= 0 for s in loops.stores):
                raise NotSmallError
            if any(fused.graph.exprs[i].kind in ("take", "select") for i in _reached(fused, loops)):
                raise NotSmallError
            lines += loops_source(fused.graph, loops, fused.before, elements)
    return lines


def _reached(fused: Fused, loops: object) -> list[int]:
    stores = getattr(loops, "stores", ())
    return list(fused.graph.reachable([s.value for s in stores]))


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop over the steps: what its variables are, and what it is given.

    Attributes
    ----------
    elements : Elements
        The variables.
    leaves : range
        Numbers the leaves of the state.
    rows : sequence of int
        The ranks of a row of each leaf of the inputs.
    given : sequence of str
        The parameters after the first ones.
    seen : pair of Seen, optional
        The observation, and what adds its cotangents.
    """

    elements: Elements
    leaves: range
    rows: Sequence[int]
    given: Sequence[str]
    seen: tuple[Seen, Seen] | None

    def all(self, stem: str, numbers: range | None = None) -> list[str]:
        """Return the variables of the leaves, ``x`` before a step and ``y`` after it."""
        numbers = self.leaves if numbers is None else numbers
        return [v for j in numbers for v in self.elements.all(f"{stem}{j}")]

    def written(self, stem: str, source: str, row: str = "") -> list[str]:
        """Return lines that write the leaves ``x`` to arrays like ``stem``, or a row of them."""
        lines = []
        for j in self.leaves:
            array = source.format(j)
            places = self.elements.places(f"{stem}{j}", array, row)
            lines += _moves(places, self.elements.all(f"x{j}"))
        return lines

    def read(self) -> list[str]:
        """Return lines that read the state."""
        return [line for j in self.leaves for line in self.elements.read(f"x{j}")]

    def fixed(self) -> list[str]:
        """Return lines that read params, constants and what is prepared, once."""
        return [line for b in self.given if b[0] in "pcq" for line in self.elements.read(b)]

    def rows_read(self) -> list[str]:
        """Return lines that read the row of a step."""
        lines = []
        for k, rank in enumerate(self.rows):
            places = self.elements.places(f"row{k}", f"all_row{k}", "k")
            if not rank:
                places = [f"all_row{k}[k]"]
            used = self.elements.used.get(f"row{k}", {})
            lines += [f"{v} = {places[i]}" for i, v in sorted(used.items())]
        return lines

    def forward(self, step: list[str], state: list[str], stem: str) -> list[str]:
        """Return the lines of a step after its number is known.

        Parameters
        ----------
        step : list of str
            The lines of the step itself.
        state : list of str
            Lines that bring the state into arrays, to be observed.
        stem : str
            How these arrays are called.
        """
        lines: list[str] = []
        if self.seen is not None:
            names = {f"x{j}": f"{stem}{j}" for j in self.leaves}
            look = [*state, *_taken(self.seen[0], "o", names), "at += 1"]
            lines += ["if at < len(marks) and marks[at] == k:", *_indented(look)]
        return [*lines, *self.rows_read(), *step, *_moves(self.all("x"), self.all("y"))]

    def function(self, name: str, first: Sequence[str], body: Sequence[str]) -> str:
        """Return the source of a function with these lines."""
        # A multiply-add takes as long as either: the chain through a step gets a third shorter.
        decorator = "kernel_contracting" if name == "pull" else "kernel"
        watched = [] if self.seen is None else ["at", "marks"]
        parameters = [*first, *watched, *self.given]
        lines = [f"@{decorator}\ndef {name}({', '.join(parameters)}):"]
        return "\n".join([*lines, *_indented([*borrowing(parameters), *body])]) + "\n"


def _moves(to: Sequence[str], source: Sequence[str]) -> list[str]:
    return [f"{a} = {b}" for a, b in zip(to, source, strict=True)]


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


def _taken(seen: Seen, stem: str, names: Mapping[str, str]) -> list[str]:
    lines = rows_source(seen.rows, stem, "at")
    return lines + [f"{f}({', '.join(names.get(a, a) for a in args)})" for f, args in seen.calls]


def _advance(step: list[str], loop: _Loop) -> str:
    # The arrays of the result are free until the end: states are observed there.
    observed = loop.written("y", "y{}") if loop.seen is not None else []
    body = [
        *loop.fixed(),
        *loop.read(),
        "for k in range(start, stop):",
        *_indented(loop.forward(step, observed, "y")),
        "if (stop - start) % 2 == 1:",
        *_indented(loop.written("y", "y{}")),
        "else:",
        *_indented(loop.written("y", "s{}_0")),
    ]
    return loop.function("advance", ["start", "stop"], body)


def _record(step: list[str], loop: _Loop) -> str:
    inner = ["k = start + t", *loop.forward(step, _state(loop.leaves), "u")]
    body = [
        *loop.fixed(),
        *loop.read(),
        "for t in range(stop - start):",
        *_indented([*inner, *loop.written("x", "kept{}", "t")]),
    ]
    return loop.function("record", ["start", "stop"], body)


def _state(leaves: range) -> list[str]:
    """Return lines that name the arrays of the state after t steps."""
    lines = ["if t == 0:", *[f"    u{j} = x{j}" for j in leaves]]
    return [*lines, "else:", *[f"    u{j} = kept{j}[t - 1]" for j in leaves]]


def _pull(
    pull: list[str], loop: _Loop, floats: range, row_cotangents: Sequence[int], n_sums: int
) -> str:
    elements, leaves, seen = loop.elements, loop.leaves, loop.seen
    first = loop.read()
    later = []
    for j in leaves:
        places = elements.places(f"x{j}", f"kept{j}", "t - 1")
        later += [f"{v} = {places[i]}" for i, v in sorted(elements.used.get(f"x{j}", {}).items())]
    inner = ["k = origin + t", *loop.rows_read()]
    if first:
        inner += ["if t == 0:", *_indented(first), "else:", *_indented(later)]
    inner += pull
    for k, rank in enumerate(row_cotangents):
        if rank >= 0:
            places = elements.places(f"rbar{k}", f"all_rbar{k}", "k")
            inner += _moves(places if rank else [f"all_rbar{k}[k]"], elements.all(f"rbar{k}"))
    inner += _moves(loop.all("g", floats), loop.all("h", floats))
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
        *loop.fixed(),
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
    return loop.function("pull", ["origin", "start", "stop"], body)

"""Several steps in one pass over the rows of large arrays, each a few rows behind the last one.

A step of a large grid takes as long as its arrays take to come from memory.  But a row of the next
step needs only a few rows of this one: while they are still in the cache, the next step can follow
at a distance, and the one after it behind that.  The loops stay the same, and so does each number;
only the order of rows of different steps changes.  (Time skewing: Wonnacott, Proc. IPDPS 2000,
doi:10.1109/IPDPS.2000.845979.)

A pass of an outer loop, row i of loop b in step t, has its turn at time ``shift[b] + i + delay t``.
Whatever depends on it must have its turn no sooner, if it comes later in the order of the program.
That is a system of inequalities between shifts, whose smallest solutions are longest paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from revolve_ad.native.passes.expression import Graph, Index
from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.passes.nests import Loops
from revolve_ad.native.passes.rows import bundled, joined, reach
from revolve_ad.native.passes.turns import Turns, Type, period

__all__ = [
    "CACHE",
    "LEAST",
    "MOST_STEPS",
    "Shifts",
    "Stage",
    "Wave",
    "delay_of",
    "rows_move",
    "wave_of",
]

LEAST = 512 * 1024
"""Bytes of arrays from which it pays: fewer stay in the cache from step to step."""

CACHE = 600_000
"""Bytes of rows that should be in use at once: of a cache of one megabyte or more."""

POINTS = 2048
"""Points of a block of rows, so that the calls of a block take little of its time."""

MOST_STEPS = 8
"""Steps in one pass: more gain nothing."""

MOST_DELAY = 64
"""Rows between two steps from which on it can't pay."""

_ALL = 1 << 60

Span = tuple[int, int]
Shifts = tuple[tuple[int, ...], ...]
"""For each nest the shifts of its loops over rows, as `bundled` puts them together."""


class Rows(NamedTuple):
    """Rows of an array that a loop touches: offsets from the counter, and fixed ones."""

    moving: Span | None = None
    """The first and the last offset."""
    fixed: Span | None = None
    """The first row and the one after the last."""

    def with_row(self, *, moving: int | None = None, fixed: Span | None = None) -> Rows:
        """Return these rows and further ones."""
        a, b = self
        if moving is not None:
            a = (moving, moving) if a is None else (min(a[0], moving), max(a[1], moving))
        if fixed is not None:
            b = fixed if b is None else (min(b[0], fixed[0]), max(b[1], fixed[1]))
        return Rows(a, b)


@dataclass(frozen=True, slots=True)
class Stage:
    """What loops over `n` rows touch, by the names of the arrays."""

    n: int
    reads: Mapping[str, Rows]
    writes: Mapping[str, Rows]

    def named(self, names: Mapping[str, str]) -> Stage:
        """Return the same for arrays of other names."""
        reads = {names.get(b, b): r for b, r in self.reads.items()}
        return Stage(self.n, reads, {names.get(b, b): r for b, r in self.writes.items()})


@dataclass(frozen=True, slots=True)
class Wave:
    """How steps follow each other over the rows.

    Attributes
    ----------
    shifts : list of Shifts
        For each part of a step.
    delay : int
        How many rows a step is behind the one before.
    length : int
        Time that one step takes.
    steps : int
        How many steps are in one pass.
    rows : int
        How much time passes in a block.
    """

    shifts: list[Shifts]
    delay: int
    length: int
    steps: int
    rows: int


def _stage(graph: Graph, bundle: Sequence[Loops], moved: Mapping[str, int]) -> Stage:
    """Return what loops over the same rows touch; as one row, if they can't be taken apart."""
    first = bundle[0]
    outer = _outer(first)
    apart = rows_move(bundle)
    reads: dict[str, Rows] = {}
    writes: dict[str, Rows] = {}

    def touch(
        found: dict[str, Rows], buffer: str, index: Index, extent: Sequence[int], known: bool
    ) -> None:
        rows = found.get(buffer, Rows())
        if not known or buffer in moved:
            rows = rows.with_row(fixed=(0, _ALL))
        elif not index:
            rows = rows.with_row(fixed=(0, 1))
        elif apart and _moves(index, outer):
            rows = rows.with_row(moving=index[0].off)
        else:
            # A counter of a loop of one pass is 0, whether the loop is named or not.
            rows = rows.with_row(fixed=reach(index[:1], (*extent, *[1] * len(index)))[0])
        found[buffer] = rows

    for loops in bundle:
        for s in loops.stores:
            known = not s.flat and s.at < 0
            touch(writes, s.buffer, s.index, loops.extent, known)
            if s.add:
                touch(reads, s.buffer, s.index, loops.extent, known)
        roots = [e for s in loops.stores for e in (s.value, s.at) if e >= 0]
        for i in graph.reachable(roots):
            expr = graph.exprs[i]
            if expr.kind == "take":
                touch(reads, expr.what, (), loops.extent, False)
            elif expr.kind == "load":
                buffer, index, flat = expr.what
                touch(reads, buffer, index, loops.extent, not flat)
    return Stage(first.extent[outer] if apart else 1, reads, writes)


def rows_move(bundle: Sequence[Loops]) -> bool:
    """Whether each pass of the outermost loop writes rows of its own, which go on by one."""
    outer = _outer(bundle[0])
    stores = [s for loops in bundle for s in loops.stores]
    return outer >= 0 and all(_moves(s.index, outer) and not s.flat and s.at < 0 for s in stores)


def _outer(loops: Loops) -> int:
    """Return the counter of the outermost loop that has more than one pass; -1 if there is none."""
    return next((d for d, n in enumerate(loops.extent) if n != 1), -1)


def _moves(index: Index, outer: int) -> bool:
    """Whether each pass of the outer loop has a row of its own, the next one after the last."""
    return bool(index) and index[0].dim == outer and index[0].coef == 1 and not index[0].wrap


def _lag(one: Rows | None, n: int, other: Rows | None, m: int) -> int | None:
    """Return the largest i - j for which pass i of n and pass j of m touch the same row."""
    if one is None or other is None:
        return None
    found = []
    if one.moving is not None and other.moving is not None:
        (a, b), (c, d) = one.moving, other.moving
        if a < d + m and c < b + n:
            found.append(min(d - a, n - 1))
    if one.moving is not None and other.fixed is not None:
        (a, b), (c, d) = one.moving, other.fixed
        if a < d and c < b + n:
            found.append(min(d - 1 - a, n - 1))
    if one.fixed is not None and other.moving is not None:
        (a, b), (c, d) = one.fixed, other.moving
        if c < b and a < d + m:
            found.append(n - 1 - max(a - d, 0))
    if one.fixed is not None and other.fixed is not None:
        (a, b), (c, d) = one.fixed, other.fixed
        if a < d and c < b:
            found.append(n - 1)
    return max(found, default=None)


def _lag_of(one: Stage, other: Stage) -> int | None:
    """Return by how many passes `other` must be behind `one`, which comes first; None for any."""
    found = []
    for mine, theirs in (
        (one.writes, other.reads),
        (one.writes, other.writes),
        (one.reads, other.writes),
    ):
        for buffer in mine.keys() & theirs.keys():
            lag = _lag(mine[buffer], one.n, theirs[buffer], other.n)
            if lag is not None:
                found.append(lag)
    return max(found, default=None)


def delay_of(steps: Sequence[Sequence[Stage]], cycle: int) -> tuple[int, list[int]] | None:
    """Return the smallest delay between steps, and the shifts of the stages of each step.

    Parameters
    ----------
    steps : sequence of sequence of Stage
        The stages of steps in a row, all alike but for the names of arrays.
    cycle : int
        After so many steps the names recur.

    Returns
    -------
    (int, list of int) or None
        None if steps have to run one after the other.
    """
    n = len(steps[0])
    rules: list[tuple[int, int, int, int]] = []
    for b in range(n):
        for c in range(n):
            largest = -_ALL
            for d in range(0 if b < c else 1, len(steps) - cycle + 1):
                lags = [_lag_of(steps[t][b], steps[t + d][c]) for t in range(cycle)]
                lag = max((x for x in lags if x is not None), default=-_ALL)
                if lag > largest:  # else it follows from steps that are nearer
                    rules.append((b, c, d, lag))
                    largest = lag
    low, high = 0, MOST_DELAY
    best = _shifts(n, rules, high)
    if best is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found = _shifts(n, rules, middle)
        if found is None:
            low = middle
        else:
            best, high = found, middle
    return high, best


def _shifts(n: int, rules: Sequence[tuple[int, int, int, int]], delay: int) -> list[int] | None:
    """Return the smallest shifts with this delay; None if there are none."""
    shifts = [0] * n
    for _ in range(n + 1):
        still = True
        for b, c, d, lag in rules:
            least = shifts[b] + lag - delay * d
            if shifts[c] < least:
                shifts[c] = least
                still = False
        if still:
            return shifts
    return None


def wave_of(
    before: Sequence[Fused],
    step: Fused,
    after: Sequence[Fused],
    turns: Turns,
    names: tuple[str, str],
    fresh: Sequence[str],
    types: Mapping[str, Type],
) -> Wave | None:
    """Find how steps can follow each other over the rows; None if it can't be, or doesn't pay.

    Parameters
    ----------
    before, after : sequence of Fused
        Loops before those of the step, and after the arrays have taken turns.
    step : Fused
        The loops of a step.
    turns : Turns
        Of the arrays.
    names : (str, str)
        What the names of arrays that take turns begin with: those before, and results.
    fresh : sequence of str
        Arrays of which each step has its own.
    types : dict of str to (shape, dtype)
        Of all arrays that are worked on.
    """
    parts = [*before, step, *after]
    if any(nest.call is not None or nest.kernel is not None for p in parts for nest in p.nests):
        return None
    stages = [
        [
            [_stage(p.graph, bundle, p.before) for bundle in bundled(p.graph, joined(p.graph, x))]
            for x in (nest.loops for nest in p.nests)
        ]
        for p in parts
    ]
    flat = [s for part in stages for nest in part for s in nest]
    size = _Size(flat, types)
    if size.nbytes < LEAST:
        return None
    cycle = period(turns)
    held = [f"{names[0]}{j}." for j in range(len(turns.source))]
    spare = {c: f"{names[1]}{c}." for c in turns.computed}
    steps: list[list[Stage]] = []
    for t in range(cycle + MOST_STEPS - 1):
        now = {f"{names[0]}{j}": a for j, a in enumerate(held)}
        now |= {f"{names[1]}{c}": a for c, a in spare.items()}
        now |= {name: f"{name}.{t}" for name in fresh}
        held, spare = turns.after(held, spare)
        then = now | {f"{names[0]}{j}": a for j, a in enumerate(held)}
        late = len(before) + 1
        steps.append(
            [
                s.named(then if k >= late else now)
                for k, part in enumerate(stages)
                for nest in part
                for s in nest
            ]
        )
    found = delay_of(steps, cycle)
    if found is None:
        return None
    delay, shifts = found
    length = max(s + stage.n for s, stage in zip(shifts, flat, strict=True))
    if length > 2 * max(stage.n for stage in flat):
        return None
    rows, n_steps = size.blocks(delay)
    if n_steps < 2:
        return None
    rest = iter(shifts)
    each = [tuple(tuple(next(rest) for _ in nest) for nest in part) for part in stages]
    return Wave(each, delay, length, n_steps, rows)


class _Size:
    """How large the arrays are that a step goes through row by row."""

    def __init__(self, stages: Sequence[Stage], types: Mapping[str, Type]) -> None:
        touched = {
            b
            for s in stages
            for found in (s.reads, s.writes)
            for b, rows in found.items()
            if rows.moving is not None and b in types and types[b][0]
        }
        sizes = [(prod(types[b][0]) * types[b][1].itemsize, types[b][0]) for b in touched]
        self.nbytes = sum(n for n, _ in sizes)
        self.of_row = sum(n // shape[0] for n, shape in sizes if shape[0])
        self.points = max((prod(shape[1:]) for _, shape in sizes), default=1)

    def blocks(self, delay: int) -> tuple[int, int]:
        """Return how many rows a block has, and how many steps one pass."""
        most = CACHE // max(self.of_row, 1)
        for rows in (-(-POINTS // self.points), 1):
            steps = min(MOST_STEPS, 1 + max(most - rows, 0) // delay)
            if steps >= 2:
                return rows, steps
        return 1, 1

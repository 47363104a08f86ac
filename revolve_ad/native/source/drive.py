"""Source of the loops over steps: advance a stretch, record it, pull back through it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from revolve_ad.native.passes.turns import Turns
from revolve_ad.native.passes.waves import Wave
from revolve_ad.native.threads import BLOCKS

__all__ = ["Seen", "advance_source", "borrowing", "pull_source", "record_source"]

Call = tuple[str, list[str]]


def rows_source(rows: Sequence[int], stem: str, step: str) -> list[str]:
    """Return lines that name the row of a step in each array of inputs; `rows` are their ranks."""
    return [
        f"{stem}{j} = all_{stem}{j}[{step}]"
        if ndim
        else f"{stem}{j} = all_{stem}{j}[{step}:{step} + 1]"
        for j, ndim in enumerate(rows)
    ]


def _calls(calls: Sequence[Call]) -> list[str]:
    return [f"{name}({', '.join(args)})" for name, args in calls]


def _staged(calls: Sequence[Call], when: Mapping[str, bool]) -> list[str]:
    """Return lines that make calls, some only where zeros stand already, some where they don't."""
    lines: list[str] = []
    before: bool | None = None
    for call in calls:
        (line,) = _calls([call])
        now = when.get(call[0])
        if now is None:
            lines.append(line)
        else:
            if now != before:
                other = before is not None
                lines.append("else:" if other else f"if {'' if now else 'not '}settled:")
            lines.append(f"    {line}")
            now = now if before is None or now == before else None
        before = now
    return lines


def _function(name: str, parameters: Sequence[str], body: Sequence[str], compiled: bool) -> str:
    if compiled:
        body = [*borrowing(parameters), *body]
    lines = [f"{'@kernel' if compiled else ''}\ndef {name}({', '.join(parameters)}):".lstrip()]
    return "\n".join([*lines, *["    " + line for line in body]]) + "\n"


_TURNING = re.compile(r"(x|y|s|g|h|w|kept|pool|all_row|all_rbar|all_o|all_ob)[0-9_]+")
"""Arrays whose names move on, or of which rows are taken."""


def borrowing(parameters: Sequence[str]) -> list[str]:
    """Return lines that name arrays without counting references; see `load.borrowing`."""
    return [f"{p} = borrowed({p})" for p in parameters if _TURNING.fullmatch(p)]


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


class Seen(NamedTuple):
    """How observations are made on the way: the ranks of their leaves, and what computes them.

    ``marks`` are the observed states, of which ``marks[at]`` is the next.
    """

    rows: Sequence[int]
    calls: Sequence[Call]


def _seen_source(
    seen: Seen | None, stem: str, *, back: bool = False, settled: bool = False
) -> list[str]:
    """Return lines that observe a state, or take the cotangent of an observation, if it is time."""
    if seen is None:
        return []
    inner = rows_source(seen.rows, stem, "at") + _calls(seen.calls)
    if settled:
        inner.append("settled = False")
    inner.append("at -= 1" if back else "at += 1")
    condition = "at >= 0" if back else "at < len(marks)"
    return [f"if {condition} and marks[at] == k:", *_indented(inner)]


class _Over(NamedTuple):
    """A loop over steps: the counter, what it starts from, where it ends, and its direction."""

    counter: str
    start: str
    stop: str
    by: int = 1


def _over(
    over: _Over, inner: Sequence[str], wave: Wave | None, carried: Sequence[str]
) -> list[str]:
    """Return a loop over steps; in a `wave` several of them pass over the rows together.

    A single step has nobody to share its rows with: it passes over all of them at once.

    Then each block of rows begins with the names of arrays, and the other variables `carried` from
    step to step, as they are before the first of these steps.
    """
    counter, start, stop, by = over
    inner = inner or ["pass"]
    if wave is None:
        step = "" if by == 1 else f", {by}"
        start = "" if start == "0" and by == 1 else f"{start}, "
        return [f"for {counter} in range({start}{stop}{step}):", *_indented(inner)]
    sign = "" if by == 1 else "-"
    behind = f"{counter} - near" if by == 1 else f"near - {counter}"
    distance = "far - near" if by == 1 else "near - far"
    far = f"min(near + steps, {stop})" if by == 1 else f"max(near - steps, {stop})"
    kept = [f"was_{name}" for name in carried]
    return [
        f"steps, rows = {wave.steps}, {wave.rows}{BLOCKS}",
        f"for near in range({start}, {stop}, {sign}steps):",
        f"    far = {far}",
        *([f"    {', '.join(kept)} = {', '.join(carried)}"] if kept else []),
        f"    together = rows if {distance} > 1 else {wave.length}",
        f"    for time in range(0, {wave.length} + {wave.delay} * ({distance} - 1), together):",
        *([f"        {', '.join(carried)} = {', '.join(kept)}"] if kept else []),
        f"        for {counter} in range(near, far{'' if by == 1 else ', -1'}):",
        f"            first = time - {wave.delay} * ({behind})",
        "            last = first + together",
        *_indented(_indented(_indented(inner))),
    ]


def _watched(seen: Seen | None) -> list[str]:
    return [] if seen is None else ["at", "marks"]


def advance_source(
    turns: Turns,
    calls: Sequence[Call],
    parameters: Sequence[str],
    rows: Sequence[int],
    *,
    compiled: bool = True,
    seen: Seen | None = None,
    wave: Wave | None = None,
) -> str:
    """Return ``advance(start, stop, …)``: from the arrays x, which stay, through y0, y1, ….

    `x{j}` holds leaf j, `y{c}` takes the first result of the computed leaf c, and `s{c}_{t}`
    replaces the array that would fall free after step t but is the caller's.  A loop that calls
    NumPy isn't `compiled` itself, its nests are.
    """
    inner = [*_seen_source(seen, "o"), *rows_source(rows, "row", "k"), *_calls(calls)]
    free = [f"free{c} = x{i}" for c, i in turns.freed.items()]
    new = [f"y{j}" if i is None else f"x{i}" for j, i in enumerate(turns.source)]
    moved = [f"x{j}" for j, i in enumerate(turns.source) if i != j]
    fresh = [n for j, n in enumerate(new) if turns.source[j] != j]
    if moved:
        inner += [*free, f"{', '.join(moved)} = {', '.join(fresh)}"]
    for c, i in turns.freed.items():
        for t in range(turns.age(i) + 1):
            inner.append(f"{'if' if t == 0 else 'elif'} k == start + {t}:")
            inner.append(f"    y{c} = s{c}_{t}")
        inner += ["else:", f"    y{c} = free{c}"]
    carried = [*moved, *(f"y{c}" for c in turns.freed), *(["at"] if seen else [])]
    body = _over(_Over("k", "start", "stop"), inner, wave, carried)
    parameters = ["start", "stop", *_watched(seen), *parameters]
    return _function("advance", parameters, body, compiled)


def _state_at(turns: Turns, step: str) -> list[str]:
    """Return lines that name the arrays of the state so many steps after the first."""
    lines = []
    for j in range(len(turns.source)):
        if turns.constant(j):
            lines.append(f"u{j} = x{j}")
            continue
        age = turns.age(j)
        for t in range(age + 1):
            lines.append(f"{'if' if t == 0 else 'elif'} {step} == {t}:")
            lines.append(f"    u{j} = x{turns.root(j, t)}")
        lines += ["else:", f"    u{j} = kept{turns.root(j, age)}[{step} - {age + 1}]"]
    return lines


def record_source(
    turns: Turns,
    calls: Sequence[Call],
    parameters: Sequence[str],
    rows: Sequence[int],
    *,
    compiled: bool = True,
    seen: Seen | None = None,
    wave: Wave | None = None,
) -> str:
    """Return ``record(start, stop, …)``: advance and keep each state.

    `x{j}` is leaf j of state `start`; row t of `kept{c}` takes the computed leaf c of the state
    t + 1 steps later.
    """
    inner = ["k = start + t", *_state_at(turns, "t"), *_seen_source(seen, "o")]
    inner += [f"y{c} = kept{c}[t]" for c in turns.computed]
    inner += [*rows_source(rows, "row", "k"), *_calls(calls)]
    body = _over(_Over("t", "0", "stop - start"), inner, wave, ["at"] if seen else [])
    return _function("record", ["start", "stop", *_watched(seen), *parameters], body, compiled)


def pull_source(
    turns: Turns,
    backward: Turns,
    calls: Sequence[Call],
    parameters: Sequence[str],
    rows: Sequence[int],
    row_cotangents: Sequence[int],
    *,
    compiled: bool = True,
    seen: Seen | None = None,
    before: Sequence[str] = (),
    when: Mapping[str, bool] | None = None,
    wave: Wave | None = None,
) -> str:
    """Return ``pull(origin, start, stop, …)``: pull back through recorded steps.

    `x` and `kept` are as `record` left them, counted from `origin`; `g` are the cotangents and `h`
    what takes turns with them.  The lines `before` stand before the calls of each step.

    With `when`, some calls are made only if the zeros that a step leaves stand there already, some
    only if not: a further parameter `settled` says so for the first step, and it is returned.
    """
    inner = [*_state_at(turns, "t"), "k = origin + t", *rows_source(rows, "row", "k")]
    for j, ndim in enumerate(row_cotangents):
        if ndim >= 0:
            row = f"all_rbar{j}[k]" if ndim else f"all_rbar{j}[k:k + 1]"
            inner.append(f"rbar{j} = {row}")
    inner += [*before, *_staged(calls, when or {})]
    if when:
        inner.append("settled = True")
    free = [f"free{c} = g{i}" for c, i in backward.freed.items()]
    moved = [f"g{j}" for j, i in enumerate(backward.source) if i != j]
    new = [f"h{j}" if i is None else f"g{i}" for j, i in enumerate(backward.source) if i != j]
    if moved:
        inner += [*free, f"{', '.join(moved)} = {', '.join(new)}"]
        inner += [f"h{c} = free{c}" for c in backward.freed]
    inner += _seen_source(seen, "ob", back=True, settled=bool(when))
    carried = [*moved, *(f"h{c}" for c in backward.freed if moved)]
    carried += [*(["at"] if seen else []), *(["settled"] if when else [])]
    body = _over(_Over("t", "stop - origin - 1", "start - origin - 1", -1), inner, wave, carried)
    if when:
        body.append("return settled")
    state = ["settled"] if when else []
    parameters = ["origin", "start", "stop", *state, *_watched(seen), *parameters]
    return _function("pull", parameters, body, compiled)

"""Source of the player: all steps between two looks at a run are one native call.

A schedule with many checkpoints has a few actions for every step.  Where a step takes a
microsecond, Python would spend nearly all of the time on the actions; so they become rows of
integers, which compiled code carries out.  The checkpoints lie in rows of one array a leaf, and so
do the states of a stretch that is reversed.
"""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.native.passes.courses import Courses
from revolve_ad.native.passes.turns import Turns, labels, lent, period, settling
from revolve_ad.native.source.drive import borrowing

__all__ = [
    "ADVANCE",
    "DONE",
    "FEW",
    "KEEP",
    "LEAF",
    "LOAD",
    "LOST",
    "SAVE",
    "SELDOM",
    "play_source",
]

ADVANCE, KEEP, SAVE, LOAD, LEAF = 0, 1, 2, 3, 4
"""What a row (what, start, stop, slot, base) says: run steps start … stop - 1 from the checkpoint
in `slot`, or from the live state if that is negative; do the same, but let the last step write the
checkpoint in slot `base`, after which nothing is live; save the live state; make a checkpoint the
live state; reverse steps stop - 1 … start, with the states between in the rows from `base` on."""

DONE, LOST = -1, -2
"""What `play` returns in place of a state to look at: all rows are done; a NaN or Inf came up."""

FEW = 4096
"""So many bytes are tested for NaN and Inf whenever a stretch is reversed, or a checkpoint kept."""

SELDOM = 8
"""More are tested in the first sweep, and later whenever so many steps were run or reversed."""


_COLUMNS = ((1, "a"), (2, "b"), (3, "slot"), (4, "base"))


def _indented(lines: Sequence[str], by: int = 1) -> list[str]:
    return ["    " * by + line for line in lines]


def _turning(names: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the assignment that moves names on."""
    pairs = [(a, b) for a, b in zip(names, after, strict=True) if a != b]
    if not pairs:
        return ["pass"]
    return [_together([a for a, _ in pairs], [b for _, b in pairs])]


def _turned_once(turns: Turns, leaves: Sequence[str], spare: Sequence[str]) -> list[str]:
    held, free = turns.after(leaves, dict(zip(turns.computed, spare, strict=True)))
    return [*held, *(free[c] for c in turns.computed)]


def _kept(turns: Turns, courses: Courses, to: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return lines that name the arrays in which steps end in slot `base`, and what they leave.

    With these lines, `to` are the arrays that ``advance`` is given.
    """
    start, cycle = settling(turns), period(turns)
    arrays = [f"w{len(turns.source) + k}" for k in range(len(turns.computed))]
    arrays += [f"pool{j}[base]" for j in range(len(turns.source))]
    names: dict[str, list[int]] = {}
    copies: dict[str, list[int]] = {}
    for n in range(1, start + cycle + 1):
        order, passed_on = courses.passage(n)
        names.setdefault(_together(to, [arrays[i] for i in order]), []).append(n)
        for j, i in passed_on:
            copies.setdefault(f"copied(flat(pool{j}[base]), flat(x{i}))", []).append(n)
    number = ["n = end - a", f"if n > {start + cycle}:"]
    number.append(f"    n = {start} + (n - {start}) % {cycle}")
    before, after = list(number), []
    for line, when in names.items():
        before += [f"if {_among(when)}:", f"    {line}"]
    for line, when in copies.items():
        after += [f"if {_among(when)}:", f"    {line}"]
    return before, after


def _among(numbers: Sequence[int]) -> str:
    return " or ".join(f"n == {n}" for n in numbers)


def _together(names: Sequence[str], values: Sequence[str]) -> str:
    return f"{', '.join(names)} = {', '.join(values)}" if names else "pass"


def play_source(
    turns: Turns,
    backward: Turns,
    courses: Courses,
    *,
    given: dict[str, Sequence[str]],
    tested: Sequence[int],
    seldom: bool,
    watched: bool,
    zeros: bool = False,
) -> str:
    """Return ``play(rows, first, last, begin, stops, m, forward, …)``.

    Parameters
    ----------
    turns, backward : Turns
        Of the state and of its cotangent.
    courses : Courses
        Of these.
    given : dict of str to sequence of str
        The last parameters of ``advance``, ``record`` and ``pull``, and those of all three under
        ``all``; parameters of observations under ``seen`` and ``seen_back``.
    tested : sequence of int
        The leaves of the state that may hold NaN or Inf.
    seldom : bool
        Test cotangents, and states that are computed again, only every few steps.
    watched : bool
        Whether observations are made on the way.
    zeros : bool
        Whether ``pull`` says if known zeros stand, and asks whether they do.

    Notes
    -----
    ``pool{j}`` holds checkpoints of leaf j, row by row; ``w`` are the arrays that take turns as
    live state, ``g`` those of the cotangent.  Rows ``first`` … ``last`` - 1 are carried out; with
    `begin` >= 0 the first one goes on from there.  ``stops[m]`` is the next state to look at,
    upward if `forward`; in reverse a stretch that holds it is left to the caller.

    It returns the row to go on with, the state that was stopped at (or `DONE`, `LOST`), and by how
    many steps state and cotangent have taken turns.
    """
    m, computed = len(turns.source), turns.computed
    xs = [f"x{j}" for j in range(m)]
    ws = [f"w{i}" for i in range(m + len(computed))]
    n_back = len(backward.source)
    gs = [f"g{k}" for k in range(n_back + len(backward.computed))]
    marks = ["marks"] if watched else []
    seen, seen_back = list(given["seen"]), list(given["seen_back"])
    own = lent(turns)
    assert len(own) == len(labels(turns))

    chosen = ["if slot >= 0:"]
    chosen += _indented(
        [f"x{j} = w{j}" if turns.constant(j) else f"x{j} = pool{j}[slot]" for j in range(m)]
    )
    chosen += ["else:", *_indented([f"x{j} = w{j}" for j in range(m)])]

    advance = [*chosen, "end = b"]
    advance += [
        "if forward and m < len(stops) and stops[m] < b:",
        "    end = stops[m]",
    ]
    at = []
    if watched:
        advance += ["at = first_of(marks, a) if forward else len(marks)"]
        at = ["at", "marks"]
    to = [f"to{i}" for i in range(len(own))]
    named, left = _kept(turns, courses, to)
    test = []
    for c in computed:
        if c in tested:
            test += [f"if not finite(flat(pool{c}[base])):", "    return i, -2, turn, back"]
    if seldom:
        left += ["untested += end - a", f"if forward or untested >= {SELDOM}:"]
        left += ["    untested = 0", *_indented(test)]
    else:
        left += test
    advance += [
        f"keeps = what == {KEEP} and end == b",
        "if keeps:",
        *_indented(named),
        "else:",
        f"    {_together(to, [ws[i] for i in own])}",
    ]
    arguments = ["a", "end", *at, *seen, *xs, *to, *given["advance"]]
    advance.append(f"advance({', '.join(arguments)})")
    turned: list[str] = []
    age = max([turns.age(j) for j in range(m) if not turns.constant(j)], default=0)
    for t in range(1, age + 1):
        # What so few steps only pass on still lies in the checkpoint.
        copies = []
        for j in range(m):
            if not turns.constant(j) and turns.age(j) >= t:
                i = turns.root(j, t)
                copies.append(f"copied(flat(w{i}), flat(x{i}))")
        turned += [f"if slot >= 0 and end - a == {t}:", *_indented(copies or ["pass"])]
    once = _turned_once(turns, ws[:m], ws[m:])
    turned.append(f"for _ in range((end - a) % {period(turns)}):")
    turned += _indented(_turning(ws, once))
    turned.append("turn += end - a")
    advance += [
        "if keeps:",
        *_indented(left or ["pass"]),
        "else:",
        *_indented(turned),
        "if forward and m < len(stops) and stops[m] == end:",
        "    return (i if end < b else i + 1), end, turn, back",
    ]

    save = []
    for j in tested:
        save += [f"if not saved(flat(pool{j}[slot]), flat(w{j})):"]
        save += ["    return i, -2, turn, back"]
    save += [f"copied(flat(pool{j}[slot]), flat(w{j}))" for j in range(m) if j not in tested]
    load = [f"copied(flat(w{j}), flat(pool{j}[slot]))" for j in range(m) if not turns.constant(j)]

    leaf = [
        "if m >= 0 and stops[m] >= a:",
        "    return i, a, turn, back",
        *chosen,
        *[f"kept{c} = pool{c}[base:]" for c in computed],
    ]
    kept = [f"kept{c}" for c in computed]
    at = ["len(marks)", "marks"] if watched else []
    arguments = ["a", "b - 1", *at, *seen, *xs, *kept, *given["record"]]
    leaf += ["if b - a > 1:", f"    record({', '.join(arguments)})"]
    if watched:
        leaf.append("at = first_of(marks, b) - 1 if len(" + seen_back[0] + ") > 0 else -1")
        at = ["at", "marks"]
    known = ["settled"] if zeros else []
    arguments = ["a", "a", "b", *known, *at, *seen_back, *xs, *kept, *gs, *given["pull"]]
    leaf.append(f"{'settled = ' if zeros else ''}pull({', '.join(arguments)})")
    once = _turned_once(backward, gs[:n_back], gs[n_back:])
    leaf.append(f"for _ in range((b - a) % {period(backward)}):")
    leaf += [*_indented(_turning(gs, once)), "back += b - a"]
    test = []
    for k in range(n_back):
        test += [f"if not finite(flat(g{k})):", "    return i, -2, turn, back"]
    if seldom:
        leaf += ["since += b - a", f"if since >= {SELDOM}:", "    since = 0", *_indented(test)]
    else:
        leaf += test

    parameters = ["rows", "first", "last", "begin", "stops", "m", "forward", *marks]
    parameters += [*seen, *(name for name in seen_back if name not in seen)]
    parameters += [f"pool{j}" for j in range(m)] + ws + gs + list(given["all"])
    body = [
        *borrowing(parameters),
        "turn = 0",
        "back = 0",
        "since = 0",
        "untested = 0",
        *(["settled = False"] if zeros else []),
        "i = first",
        "while i < last:",
        "    what = rows[i, 0]",
        *[f"    {name} = np.int64(rows[i, {n}])" for n, name in _COLUMNS],
        "    if begin >= 0:",
        "        a = begin",
        "        slot = -1",
        "        begin = -1",
        f"    if what <= {KEEP}:",
        *_indented(advance, 2),
        f"    elif what == {SAVE}:",
        *_indented(save, 2),
        f"    elif what == {LOAD}:",
        *_indented(load or ["pass"], 2),
        "    else:",
        *_indented(leaf, 2),
        "    i += 1",
        "return last, -1, turn, back",
    ]
    head = f"@kernel\ndef play({', '.join(parameters)}):"
    return "\n".join([_TOOLS, head, *_indented(body)]) + "\n"


_TOOLS = """\
@kernel
def copied(to, source):
    for i in range(len(to)):
        to[i] = source[i]


@kernel_summing
def saved(to, source):
    # Copied and tested in one pass; see `finite`.
    total = source[0] - source[0]
    for i in range(len(source)):
        to[i] = source[i]
        total += source[i] - source[i]
    return total == 0


@kernel_summing
def finite(values):
    # x - x is zero, but for NaN and Inf.
    total = values[0] - values[0]
    for i in range(len(values)):
        total += values[i] - values[i]
    return total == 0


@kernel
def first_of(marks, k):
    low = 0
    high = len(marks)
    while low < high:
        middle = (low + high) // 2
        if marks[middle] < k:
            low = middle + 1
        else:
            high = middle
    return low

"""

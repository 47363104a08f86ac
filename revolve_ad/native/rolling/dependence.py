"""Which loops may run their passes in any order, and which accesses never meet."""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Load,
    Loop,
    Statement,
    Store,
    statements,
)

__all__ = ["most", "reach", "set_free"]


def most(count: Affine, counts: dict[int, int]) -> int:
    """Return the largest number of passes, given those of the loops around."""
    total = count.base
    for name, step in count.steps:
        if step > 0:
            total += step * (counts[name] - 1)
    return max(total, 0)


def reach(at: Affine, counts: dict[int, int], without: int = -1) -> tuple[int, int]:
    """Return the least and the largest position over the loops named in `counts`."""
    lo = hi = at.base
    for name, step in at.steps:
        if name != without and name in counts:
            far = step * (counts[name] - 1)
            lo, hi = lo + min(far, 0), hi + max(far, 0)
    return lo, hi


def set_free(body: Sequence[Statement], counts: dict[int, int] | None = None) -> None:
    """Mark the loops whose passes don't depend on each other."""
    counts = {} if counts is None else counts
    for s in body:
        if isinstance(s, Loop):
            inner = {**counts, s.name: most(s.count, counts)}
            set_free(s.body, inner)
            if not s.free:
                s.free = _independent(s, inner)


def _independent(loop: Loop, counts: dict[int, int]) -> bool:
    if loop.carried:
        return False
    inside = {loop.name: counts[loop.name]}
    touched: list[tuple[Access, bool]] = []
    _collect(loop.body, inside, touched, counts)
    writes = [a for a, w in touched if w]
    for write in writes:
        for access, _ in touched:
            if access.buffer is write.buffer and not _never_meet(write, access, loop.name, inside):
                return False
    return True


def _collect(
    body: Sequence[Statement],
    inside: dict[int, int],
    touched: list[tuple[Access, bool]],
    counts: dict[int, int],
) -> None:
    for s in body:
        if isinstance(s, Load):
            touched.append((s.access, False))
        elif isinstance(s, Store | Add):
            touched.append((s.access, True))
        elif isinstance(s, Loop):
            inside[s.name] = most(s.count, {**counts, **inside})
            _collect(s.body, inside, touched, counts)


def _never_meet(a: Access, b: Access, loop: int, inside: dict[int, int]) -> bool:
    """Whether two accesses touch different elements in different passes of a loop."""
    step = a.at.step(loop)
    if step != b.at.step(loop) or step == 0:
        return False
    # The same outer counters: their steps must agree.
    outer_a = {n: s for n, s in a.at.steps if n not in inside}
    outer_b = {n: s for n, s in b.at.steps if n not in inside}
    if outer_a != outer_b:
        return False
    a_lo, a_hi = reach(Affine(a.at.base, a.at.steps), inside, loop)
    b_lo, b_hi = reach(Affine(b.at.base, b.at.steps), inside, loop)
    # They meet if step · (i − j) lies in [b_lo − a_hi, b_hi − a_lo] for some i ≠ j.
    lo, hi = b_lo - a_hi, b_hi - a_lo
    n = inside[loop]
    size = abs(step)
    first = -(-lo // size)
    last = hi // size
    if a_lo == a_hi and b_lo == b_hi and lo % size:
        return True
    return not any(first <= d <= last for d in (1, -1)) and (
        first > n - 1 or last < 1 - n or (first >= 0 and last <= 0) or first > last
    )


def writes_of(body: Sequence[Statement]) -> set[object]:
    """Return the buffers that statements write."""
    return {s.access.buffer for s in statements(body) if isinstance(s, Store | Add)}

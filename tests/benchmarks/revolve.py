"""Binomial checkpointing as rows of integers, for the adjoints written by hand.

Written apart from the library, so that its schedules do not judge themselves.  The rows need no
copies: each checkpoint is written by the step that makes its state, and read where it lies.
"""

from math import comb
from typing import Any

import numpy as np

__all__ = ["ADVANCE", "FINISH", "LIVE", "REVERSE", "play", "revolve", "store_all"]

ADVANCE, FINISH, REVERSE = 0, 1, 2
LIVE = -1
"""In place of a slot: the working buffers.

A row is (ADVANCE, start, stop, from slot, to slot), or (FINISH, k, 0, from slot, 0): make the final
state and its cotangent, or (REVERSE, k, 0, from slot, 0).
"""


def _beta(s: int, r: int) -> int:
    return comb(s + r, s) if r >= 0 and s >= 0 else 0


def _split(n: int, s: int) -> int:
    """Return the length of the first part of `n` steps under `s` slots.

    Griewank and Walther (2000), doi:10.1145/347837.347846: optimal in steps, and in saves.
    """
    if s == 1:
        return n - 1
    r = 1
    while _beta(s, r) < n:
        r += 1
    low = max(1, _beta(s, r - 2), n - _beta(s - 1, r))
    high = min(_beta(s, r - 1), n - _beta(s - 1, r - 1))
    if n <= _beta(s, r - 1) + _beta(s - 2, r - 1):
        m = _beta(s, r - 2)
    elif n >= _beta(s, r) - _beta(s - 3, r):
        m = _beta(s, r - 1)
    else:
        m = n - _beta(s - 1, r - 1) - _beta(s - 2, r - 1)
    return min(max(m, low), high)


def revolve(n_steps: int, n_checkpoints: int) -> Any:
    """Return the schedule of `n_steps` steps, shape (rows, 5), int64; slot 0 holds state 0."""
    rows: list[tuple[int, int, int, int, int]] = []
    # Parts still to be reversed, the last first: start, steps, slot of the start.
    parts = [(0, n_steps, 0)]
    finished = False
    while parts:
        start, n, slot = parts.pop()
        source = slot
        while n > 1:
            free = n_checkpoints - slot
            m = _split(n, free)
            parts.append((start, m, slot))
            keep = free > 1 and n - m > 1
            rows.append((ADVANCE, start, start + m, source, slot + 1 if keep else LIVE))
            start, n = start + m, n - m
            source = slot + 1 if keep else LIVE
            slot += keep
        if not finished:
            rows.append((FINISH, start, 0, source, 0))
            finished = True
        rows.append((REVERSE, start, 0, source, 0))
    return np.array(rows, dtype=np.int64)


def store_all(n_steps: int) -> Any:
    """Return the schedule that keeps every state, shape (rows, 5)."""
    return revolve(n_steps, n_steps)


def play(rows: Any, advance: Any, finish: Any, reverse: Any) -> None:
    """Carry out a schedule with three functions in Python.

    advance(start, stop, source, target), finish(k, source), reverse(k, source).
    """
    for kind, start, stop, source, target in rows.tolist():
        if kind == ADVANCE:
            advance(start, stop, source, target)
        elif kind == FINISH:
            finish(start, source)
        else:
            reverse(start, source)

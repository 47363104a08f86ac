"""Numbers that one function computes and a later one reads go through small arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Access,
    Affine,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    uses,
)

__all__ = ["spilled"]


def spilled(parts: Sequence[list[Statement]], values: Values) -> list[list[Statement]]:
    """Return parts that share no values, only buffers."""
    home: dict[int, int] = {}
    wanted: list[set[int]] = []
    for n, part in enumerate(parts):
        made = _made(part)
        home |= dict.fromkeys(made, n)
        wanted.append(_outside(part) - made)
    away = sorted(set().union(*wanted)) if wanted else []
    arrays: dict[np.dtype[Any], list[int]] = {}
    for v in away:
        arrays.setdefault(values.dtypes[v], []).append(v)
    place: dict[int, Access] = {}
    for dtype, group in arrays.items():
        buffer = Buffer("spill", values.buffer("spill", (), dtype).number, (len(group),), dtype)
        place |= {v: Access(buffer, Affine(k)) for k, v in enumerate(group)}
    out = []
    for n, part in enumerate(parts):
        loads: list[Statement] = [Load(v, place[v]) for v in sorted(wanted[n])]
        stores: list[Statement] = [Store(place[v], v) for v in away if home[v] == n]
        out.append([*loads, *part, *stores])
    return out


def _made(body: Sequence[Statement]) -> set[int]:
    found: set[int] = set()
    for s in body:
        if isinstance(s, Let | Load):
            found.add(s.out)
        elif isinstance(s, Loop):
            found.update(c.out for c in s.carried)
    return found


def _outside(body: Sequence[Statement]) -> set[int]:
    """Return the values that statements read, those within loops too, and don't make inside."""
    found: set[int] = set()
    for s in body:
        found.update(uses(s))
        if isinstance(s, Loop):
            inner = _outside(s.body) | {c.next for c in s.carried}
            found |= inner - _made(s.body) - {c.phi for c in s.carried}
    return found

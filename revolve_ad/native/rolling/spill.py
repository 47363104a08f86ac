"""Numbers that one function computes and a later one reads go through small arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Access,
    Affine,
    Load,
    Statement,
    Store,
    Values,
    made,
    outside,
)

__all__ = ["spilled"]


def spilled(parts: Sequence[list[Statement]], values: Values) -> list[list[Statement]]:
    """Return parts that share no values, only buffers."""
    home: dict[int, int] = {}
    wanted: list[set[int]] = []
    for n, part in enumerate(parts):
        own = made(part)
        home |= dict.fromkeys(own, n)
        wanted.append(outside(part) - own)
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

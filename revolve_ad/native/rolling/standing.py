"""Which values of the forward part stand in its arrays at the end, so that no tape must keep them.

The arrays of the forward part that is done again before a step is reversed are the library's own:
what they hold then may be read in reverse, from where the forward part has written it.
"""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.ad.core import FULL
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.timeline import last_times, touches
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    accesses_of,
)

__all__ = ["in_arrays", "standing"]


def standing(body: Sequence[Statement]) -> dict[int, Access]:
    """Return where values stand when the statements have run, in each pass that has made them."""
    places: dict[int, list[tuple[int, Access]]] = {}
    lists = [body]
    while lists:
        here = lists.pop()
        own = {s.out for s in here if isinstance(s, Let | Load)}
        own -= {s.out for s in here if isinstance(s, Let) and s.op is FULL}
        for s in here:
            if isinstance(s, Loop):
                lists.append(s.body)
            elif isinstance(s, Load):
                places.setdefault(id(s), []).append((s.out, s.access))
            elif isinstance(s, Store) and s.value in own:
                places.setdefault(id(s), []).append((s.value, s.access))
    buffers = {a.buffer for a, writes in accesses_of(body) if writes}
    found: dict[int, Access] = {}
    for buffer, those in touches(body, {b for b in buffers if b.kind == "temp"}).items():
        last = last_times(
            (t for t in those if isinstance(t.statement, Store | Add)), max(buffer.size, 1)
        )
        for t in those:
            if isinstance(t.statement, Load):
                stays = bool((last[t.positions] < t.times).all())
            else:
                stays = bool((last[t.positions] == t.times).all())
            if stays:
                for value, access in places.get(id(t.statement), ()):
                    found.setdefault(value, access)
    return found


def in_arrays(body: Sequence[Statement], names: dict[Buffer, Buffer]) -> list[Statement]:
    """Return statements that use other arrays in place of some."""

    def there(access: Access) -> Access:
        return Access(names.get(access.buffer, access.buffer), access.at)

    out: list[Statement] = []
    for s in body:
        if isinstance(s, Load):
            out.append(Load(s.out, there(s.access), s.flags))
        elif isinstance(s, Store):
            out.append(Store(there(s.access), s.value, s.makes))
        elif isinstance(s, Add):
            out.append(Add(there(s.access), s.value))
        elif isinstance(s, Loop):
            out.append(Loop(s.name, s.count, in_arrays(s.body, names), s.free, s.carried))
        else:
            out.append(s)
    return out

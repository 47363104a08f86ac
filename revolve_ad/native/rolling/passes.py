"""Passes over loops of scalar statements that keep what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import FULL, elementwise
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Carried,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
    made,
    statements,
    uses,
)

__all__ = ["hoisted", "pruned", "settled", "shared"]

_ADD = elementwise(np.add)


def pruned(body: Sequence[Statement], wanted: set[int], kept: set[Buffer]) -> list[Statement]:
    """Return statements without those that nothing needs.

    Parameters
    ----------
    body : sequence of Statement
        What to prune.
    wanted : set of int
        Values that are needed afterwards.
    kept : set of Buffer
        Buffers whose contents are needed afterwards.
    """
    return _prune(body, set(wanted), set(kept))[0]


def _prune(
    body: Sequence[Statement], wanted: set[int], live: set[Buffer]
) -> tuple[list[Statement], set[int], set[Buffer]]:
    """Return what is kept, and what is wanted before it: values and buffers."""
    kept: list[Statement] = []
    live = set(live)
    for s in reversed(body):
        if isinstance(s, Let | Load):
            if s.out not in wanted:
                continue
            if isinstance(s, Load):
                live.add(s.access.buffer)
        elif isinstance(s, Store | Add):
            if s.access.buffer not in live:
                continue
        else:
            carried = [c for c in s.carried if c.out in wanted]
            while True:
                need = {c.next for c in carried}
                inner, before, inner_live = _prune(s.body, set(need), live)
                more = [c for c in s.carried if c not in carried and c.phi in before]
                # What a pass reads, an earlier pass may have written.
                if not more and inner_live <= live:
                    break
                carried += more
                live |= inner_live
            if not inner and not carried:
                continue
            carried = [c for c in s.carried if c in carried]
            phis = {c.phi for c in carried}
            own = made(inner)
            wanted |= {v for v in before | need if v not in phis and v not in own}
            wanted |= {c.init for c in carried}
            kept.append(Loop(s.name, s.count, inner, s.free, carried))
            continue
        wanted.update(uses(s))
        kept.append(s)
    kept.reverse()
    return kept, wanted, live


def shared(body: Sequence[Statement]) -> list[Statement]:
    """Return statements in which equal operations and loads are made once.

    What a loop's body makes again though it stands before the loop is left: compilers move it.
    """
    return _share(body, {})


def _share(body: Sequence[Statement], names: dict[int, int]) -> list[Statement]:
    known: dict[Any, int] = {}
    out: list[Statement] = []
    key: Any
    for s in body:
        if isinstance(s, Let):
            args = tuple([names.get(a, a) for a in s.args])
            key = (s.op, repr(s.params) if not args else s.params, args)
            if key in known:
                names[s.out] = known[key]
                continue
            known[key] = s.out
            out.append(Let(s.out, s.op, s.params, args))
        elif isinstance(s, Load):
            key = s.access
            if key in known:
                names[s.out] = known[key]
                continue
            known[key] = s.out
            out.append(s)
        elif isinstance(s, Store | Add):
            value = names.get(s.value, s.value)
            buffer = s.access.buffer
            for k in [k for k in known if _reads(k, buffer)]:
                if not _apart(k.at, s.access.at):
                    del known[k]
            known.pop(s.access, None)
            if isinstance(s, Store):
                # What is stored needs no load afterwards.
                known[s.access] = value
                out.append(Store(s.access, value, s.makes))
            else:
                out.append(Add(s.access, value))
        else:
            written = {t.access.buffer for t in statements(s.body) if isinstance(t, Store | Add)}
            for k in [k for k in known if any(_reads(k, b) for b in written)]:
                del known[k]
            inner = _share(s.body, names)
            carried = list(s.carried)
            for c in carried:
                c.init = names.get(c.init, c.init)
                c.next = names.get(c.next, c.next)
            out.append(Loop(s.name, s.count, inner, s.free, carried))
    return out


def _reads(key: Any, buffer: Buffer) -> bool:
    return isinstance(key, Access) and key.buffer is buffer


def _apart(a: Affine, b: Affine) -> bool:
    """Whether two positions differ at equal counters."""
    return a.steps == b.steps and a.base != b.base


def hoisted(body: Sequence[Statement]) -> list[Statement]:
    """Return statements with loads and literals moved out of the loops that don't change them."""
    out: list[Statement] = []
    for s in body:
        if not isinstance(s, Loop):
            out.append(s)
            continue
        inner = hoisted(s.body)
        written = {t.access.buffer for t in statements(inner) if isinstance(t, Store | Add)}
        own = made(inner) | {c.phi for c in s.carried}
        stay: list[Statement] = []
        for t in inner:
            if _certain(s) and (
                (isinstance(t, Load) and _stays(t, s.name, written))
                or (isinstance(t, Let) and not any(a in own for a in t.args))
            ):
                out.append(t)
                own.discard(t.out)
            else:
                stay.append(t)
        out.append(Loop(s.name, s.count, stay, s.free, s.carried))
    return out


def _stays(load: Load, loop: int, written: set[Buffer]) -> bool:
    return load.access.buffer not in written and load.access.at.step(loop) == 0


def _certain(loop: Loop) -> bool:
    """Whether a loop makes one pass at least, so that its loads are of elements that exist."""
    return not loop.count.steps and loop.count.base > 0


def settled(body: Sequence[Statement], values: Values) -> list[Statement]:
    """Return an adjoint with fewer passes over memory: see `_overwritten` and `_summed`."""
    out: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            s = Loop(s.name, s.count, settled(s.body, values), s.free, list(s.carried))
            out += _summed(s, values)
        else:
            out.append(s)
    return _overwritten(out)


def _overwritten(body: list[Statement]) -> list[Statement]:
    """Write a value where zero is written and the value added soon after."""
    out = list(body)
    standing: dict[Access, int] = {}
    for n, s in enumerate(out):
        if isinstance(s, Store) and standing.get(s.access) == s.value:
            out[n] = Loop(-1, _NOTHING, [])
            continue
        if isinstance(s, Store | Add | Loop):
            written = (
                {t.access.buffer for t in statements(s.body) if isinstance(t, Store | Add)}
                if isinstance(s, Loop)
                else {s.access.buffer}
            )
            standing = {a: v for a, v in standing.items() if a.buffer not in written}
        if isinstance(s, Load | Store):
            standing[s.access] = s.out if isinstance(s, Load) else s.value
    for n, s in enumerate(out):
        if not isinstance(s, Store) or not _is_zero(s.value, body):
            continue
        for m in range(n + 1, len(out)):
            t = out[m]
            if isinstance(t, Loop):
                if any(
                    u.access.buffer is s.access.buffer
                    for u in statements(t.body)
                    if isinstance(u, Load | Store | Add)
                ):
                    break
            elif isinstance(t, Load | Store | Add) and t.access.buffer is s.access.buffer:
                if t.access == s.access:
                    if isinstance(t, Add):
                        out[m] = Store(t.access, t.value)
                        out[n] = Loop(-1, _NOTHING, [])
                    elif isinstance(t, Store):
                        out[n] = Loop(-1, _NOTHING, [])
                    break
                if not _apart(t.access.at, s.access.at):
                    break
    found = [s for s in out if not (isinstance(s, Loop) and s.name == -1)]
    return found if len(found) == len(body) else _overwritten(found)


_NOTHING = Affine(0)


def _is_zero(value: int, body: Sequence[Statement]) -> bool:
    return any(
        isinstance(s, Let) and s.out == value and s.op is FULL and s.params[0] == 0 for s in body
    )


def _summed(loop: Loop, values: Values) -> list[Statement]:
    """Add up in a register what a loop adds to one element again and again."""
    before: list[Statement] = []
    after: list[Statement] = []
    inner = list(loop.body)
    touched: dict[Buffer, list[Statement]] = {}
    for s in statements(inner):
        if isinstance(s, Load | Store | Add):
            touched.setdefault(s.access.buffer, []).append(s)
    for n, s in enumerate(inner):
        if not isinstance(s, Add) or s.access.at.step(loop.name):
            continue
        if any(name in _names(inner) for name, _ in s.access.at.steps):
            continue
        others = touched[s.access.buffer]
        if not all(isinstance(t, Add) for t in others):
            continue
        dtype = s.access.buffer.dtype
        zero = values.literal(dtype.type(0).item(), dtype)
        before.append(zero)
        phi, new, out = values.new(dtype), values.new(dtype), values.new(dtype)
        inner[n] = Let(new, _ADD, (), (phi, s.value))
        loop.carried.append(Carried(phi, zero.out, new, out))
        after.append(Add(s.access, out))
    return [*before, Loop(loop.name, loop.count, inner, loop.free, loop.carried), *after]


def _names(body: Sequence[Statement]) -> set[int]:
    return {s.name for s in statements(body) if isinstance(s, Loop)}

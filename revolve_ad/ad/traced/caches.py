"""Refuses caches that a traced value would be looked up in: what they hold has no derivative.

A function may keep what is dear to compute:

    if self.dt != dt:
        self.dt, self.factors = dt, factorized(matrix(dt))

After a plain call the comparison says that all is known, and the factors of that call come back:
the right numbers, but the derivative by `dt` would be lost in silence.  Likewise in a dict or
``functools.lru_cache``, whose keys are hashed.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator
from functools import _lru_cache_wrapper, lru_cache
from inspect import getattr_static
from types import CodeType, FrameType, FunctionType
from typing import Final

from revolve_ad.ad.rules.table import FREE
from revolve_ad.ad.traced.recorder import Recorder, user_frame
from revolve_ad.errors import TracedValueError

__all__ = ["looks_for_equality", "refuse_comparison", "refuse_key"]

_EQUALITIES: Final = frozenset({"equal", "not_equal"})
_ATTRIBUTES: Final = ("LOAD_ATTR", "LOAD_METHOD")
_CAPTURED: Final = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", *_ATTRIBUTES)
_BOUND: Final = ("STORE_ATTR", "STORE_GLOBAL")
_CachedFunction: Final = _lru_cache_wrapper
_MOST_NODES: Final = 16

_REMEDY: Final = (
    "What it finds there was computed in an earlier call, and its derivative is lost. Compute it "
    "in each call. What isn't differentiated may be kept: capture it, rather than pass it as an "
    "argument"
)


def looks_for_equality(rec: Recorder, node: int) -> bool:
    """Tell whether a truth value says that numbers with a derivative are equal to others."""
    pending, left = [node], _MOST_NODES
    while pending and left:
        left -= 1
        one = rec.nodes[pending.pop()]
        if one.op.name in _EQUALITIES and any(map(rec.carries, one.args)):
            return True
        pending += [a for a in one.args if rec.nodes[a].dtype.kind == "b"]
    return False


def refuse_comparison() -> None:
    """Raise where the running line compares with what its function, or one it calls, assigns."""
    frame = user_frame()
    kept = _kept_on_line(frame) if frame is not None else None
    if frame is not None and kept:
        raise TracedValueError(
            f"{frame.f_code.co_qualname} compares a traced value with {', '.join(sorted(kept))!r}, "
            f"which it keeps from call to call ({frame.f_code.co_filename}:{frame.f_lineno}). "
            f"{_REMEDY}, or compare ra.stop_gradient(x)"
        )


def refuse_key(rec: Recorder, node: int) -> None:
    """Raise for a key with a derivative, rounded or not, where the running line has a cache."""
    frame = user_frame()
    if frame is None or not (_kept_on_line(frame) or _has_lru_cache(frame)):
        return
    pending, left = [node], _MOST_NODES
    while pending and left:
        left -= 1
        i = pending.pop()
        if rec.carries(i):
            raise TracedValueError(
                f"{frame.f_code.co_qualname} uses a traced number as a key of what it keeps from "
                f"call to call, such as a dict or a function with functools.lru_cache "
                f"({frame.f_code.co_filename}:{frame.f_lineno}). {_REMEDY}, or take "
                "ra.stop_gradient(x) as the key"
            )
        one = rec.nodes[i]
        if one.op in FREE and one.op.name != "stop_gradient":
            pending += [a for a in one.args if rec.nodes[a].dtype.kind in "fc"]


@lru_cache(maxsize=256)
def _read_on(code: CodeType, line: int) -> frozenset[str]:
    """Return the names from outside, and the attributes, that are read on a line."""
    return frozenset(
        one.argval
        for one in dis.get_instructions(code)
        if one.opname in _CAPTURED and one.positions and one.positions.lineno == line
    )


def _kept_on_line(frame: FrameType) -> frozenset[str]:
    """Return what the running line reads of what its function, or one it calls, assigns."""
    read = _read_on(frame.f_code, frame.f_lineno)
    return read & _assigned(frame) if read else read


def _has_lru_cache(frame: FrameType) -> bool:
    """Tell whether the running line names a function with ``functools.lru_cache``."""
    read = _read_on(frame.f_code, frame.f_lineno)
    spaces = [frame.f_globals, frame.f_locals]
    found = [space[name] for space in spaces for name in read if name in space]
    owners = [*found, *map(type, found), *map(type, frame.f_locals.values())]
    found += [getattr_static(o, name, None) for o in owners for name in read]
    return any(type(x) is _CachedFunction for x in found)


def _assigned(frame: FrameType) -> frozenset[str]:
    """Return what a function keeps, and the functions that it names: methods, and global ones."""
    code = frame.f_code
    found = set(_kept_by(code))
    owner = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    for name in code.co_names:
        for function in (getattr(type(owner), name, None), frame.f_globals.get(name)):
            if isinstance(function, FunctionType):
                found |= _kept_by(function.__code__)
    return frozenset(found)


@lru_cache(maxsize=256)
def _kept_by(code: CodeType) -> frozenset[str]:
    return frozenset(_assignments(code))


def _assignments(code: CodeType) -> Iterator[str]:
    """Yield the attributes, globals and captured names that a code binds or writes items of."""
    instructions = list(dis.get_instructions(code))
    for position, one in enumerate(instructions):
        if one.opname in _BOUND or (one.opname == "STORE_DEREF" and one.argval in code.co_freevars):
            yield one.argval
        elif one.opname == "STORE_SUBSCR":
            yield from _container(instructions[:position])
        elif one.opname in _ATTRIBUTES and one.argval == "setdefault":
            yield from _name(instructions[position - 1])


def _container(before: list[dis.Instruction]) -> Iterable[str]:
    """Return the name of what ``container[key] = value`` writes into, if it isn't a local one."""
    height = 0
    for one in reversed(before):
        if height == 1:  # what lies below the key
            return _name(one)
        arg = one.arg if one.opcode >= dis.HAVE_ARGUMENT else None
        height += dis.stack_effect(one.opcode, arg, jump=False)
    return []


def _name(one: dis.Instruction) -> list[str]:
    return [one.argval] if one.opname in _CAPTURED else []

"""Which names a function reads that aren't its own variables, as its bytecode tells.

Every instruction has to be known to be harmless: to touch nothing but the function's own variables
and the values at hand.  One that binds a global name, sets an attribute, imports, or handles an
exception isn't, and neither is one that a later Python may bring.
"""

from __future__ import annotations

import dis
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

from revolve_ad.ad.recording.stateless import ATTRIBUTES

__all__ = ["Chain", "Reads", "reads_of"]

_HARMLESS: Final = (
    "CACHE NOP RESUME EXTENDED_ARG PRECALL PUSH_NULL KW_NAMES COPY_FREE_VARS MAKE_CELL "
    "POP_TOP COPY SWAP TO_BOOL END_FOR LOAD_CONST RETURN_VALUE RETURN_CONST LOAD_FAST "
    "STORE_FAST DELETE_FAST LOAD_FAST_CHECK LOAD_FAST_AND_CLEAR LOAD_FAST_LOAD_FAST "
    "STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST LOAD_CLOSURE MAKE_FUNCTION "
    "SET_FUNCTION_ATTRIBUTE UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE "
    "BINARY_SUBSCR BINARY_SLICE COMPARE_OP CONTAINS_OP IS_OP BUILD_CONST_KEY_MAP BUILD_LIST "
    "BUILD_MAP BUILD_SLICE BUILD_TUPLE LIST_APPEND LIST_EXTEND LIST_TO_TUPLE MAP_ADD "
    "DICT_MERGE DICT_UPDATE UNPACK_SEQUENCE UNPACK_EX GET_ITER FOR_ITER CALL CALL_KW "
    "CALL_FUNCTION_EX JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT "
    "JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP POP_JUMP_IF_FALSE POP_JUMP_IF_TRUE "
    "POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_TRUE "
    "POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_FALSE "
    "POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE "
    "LOAD_ASSERTION_ERROR RAISE_VARARGS RERAISE RETURN_GENERATOR YIELD_VALUE"
)
_HARMLESS_NAMES: Final = frozenset(_HARMLESS.split())
_ATTRIBUTE: Final = ("LOAD_ATTR", "LOAD_METHOD")
_ITEM_WRITES: Final = ("STORE_SUBSCR", "STORE_SLICE", "DELETE_SUBSCR")
_INTRINSICS: Final = (3, 5, 6)  # StopIteration in generators, unary plus, list to tuple


class _HarmfulError(Exception):
    """There is an instruction that may do anything."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A name that isn't the function's own, and the attributes that are taken of it at once."""

    name: str
    is_cell: bool
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reads:
    """What stands in the code of a function: the names that it reads, and if it writes items."""

    chains: tuple[Chain, ...]
    writes: bool


_known: weakref.WeakKeyDictionary[CodeType, Reads | None] = weakref.WeakKeyDictionary()


def reads_of(code: CodeType) -> Reads | None:
    """Return what a code reads; None if there is an instruction in it that may do anything."""
    if code not in _known:
        try:
            chains: dict[Chain, None] = {}
            writes = _read(code, frozenset(code.co_freevars), chains)
            _known[code] = Reads(tuple(chains), writes)
        except _HarmfulError:
            _known[code] = None
    return _known[code]


def _read(code: CodeType, free: frozenset[str], chains: dict[Chain, None]) -> bool:
    """Collect the names that a code reads, and the functions defined in it; tell if it writes.

    Parameters
    ----------
    code : CodeType
        Of the function, or of one in it.
    free : frozenset of str
        The variables that belong to functions around the one that is looked at.
    chains : dict
        Is filled, in order.
    """
    writes = False
    instructions = list(dis.get_instructions(code))
    skip = 0
    for i, one in enumerate(instructions):
        if i < skip:
            continue
        op, name = one.opname, one.argval
        if op == "LOAD_GLOBAL" or (op == "LOAD_DEREF" and name in free):
            attributes = tuple(_attributes(instructions, i + 1))
            skip = i + 1 + len(attributes)
            chains[Chain(name, op == "LOAD_DEREF", attributes)] = None
        elif op in _ATTRIBUTE:
            if name not in ATTRIBUTES:
                raise _HarmfulError
        elif op == "BINARY_OP":
            # In place, on an array of the function's own or on a list that it was given.
            writes = writes or one.argrepr.endswith("=")
        elif op in _ITEM_WRITES:
            writes = True
        elif op == "CALL_INTRINSIC_1":
            if one.arg not in _INTRINSICS:
                raise _HarmfulError
        elif op in ("LOAD_DEREF", "STORE_DEREF", "DELETE_DEREF"):
            if name in free:  # a variable of a function around it is bound anew
                raise _HarmfulError
        elif op not in _HARMLESS_NAMES:
            raise _HarmfulError
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            # What is a variable of this function's own is one of its calls.
            writes |= _read(constant, free.intersection(constant.co_freevars), chains)
    return writes


def _attributes(instructions: list[dis.Instruction], start: int) -> Iterator[str]:
    """Yield the attributes that are taken one after the other from a position on."""
    for one in instructions[start:]:
        # Where a jump leads to, another value may be at hand.
        if one.opname not in _ATTRIBUTE or one.is_jump_target:
            return
        yield one.argval

"""Keeps what was prepared from tapes by what they compute.

A simulation that is built afresh in each evaluation records its step afresh, and finds here what
the equal tape before was compiled to.
"""

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final

from revolve_ad.ad.core import CONSTANT
from revolve_ad.ad.tape import Tape
from revolve_ad.simulation.steps.condition import Condition
from revolve_ad.simulation.steps.recording import RoleTape

__all__ = ["equal_tape", "key_of", "key_of_condition"]

_MOST_TAPES: Final = 64
_MOST_CONSTANT_BYTES: Final = 2**24
_MOST_NODES: Final = 20_000

_tapes: OrderedDict[Any, RoleTape] = OrderedDict()
_lock = threading.Lock()


def equal_tape(tape: RoleTape) -> tuple[RoleTape, bool]:
    """Return an earlier tape that computes the same, with all that was prepared; else this one.

    Also whether it is kept, so that an equal one will be found to be the same.
    """
    if tape.tape.depends_on_values is not None:
        return tape, False
    key = key_of(tape, _MOST_CONSTANT_BYTES)
    if key is None:
        return tape, False
    with _lock:
        found = _tapes.setdefault(key, tape)
        _tapes.move_to_end(key)
        while len(_tapes) > _MOST_TAPES:
            _tapes.popitem(last=False)
    return found, True


def key_of(tape: RoleTape, most_constant_bytes: int) -> Any:
    """Return what is equal for tapes that compute the same; None if it isn't worth keeping.

    Parameters
    ----------
    tape : RoleTape
        The tape.
    most_constant_bytes : int
        From so many bytes of constants on, it isn't.
    """
    return _hashable(tape.tape, most_constant_bytes, tape.groups, tape.result)


def key_of_condition(condition: Condition, most_constant_bytes: int) -> Any:
    """Return what is equal for conditions that ask the same; see `key_of`."""
    return _hashable(condition.tape, most_constant_bytes, condition.groups, condition.seen)


def _hashable(tape: Tape, most_constant_bytes: int, *others: Any) -> Any:
    nodes = _nodes(tape, most_constant_bytes)
    if nodes is None:
        return None
    key = nodes, tape.inputs, tape.outputs, *others
    try:
        hash(key)
    except TypeError:  # a parameter that can't be hashed
        return None
    return key


def _nodes(tape: Tape, most_constant_bytes: int) -> tuple[Any, ...] | None:
    """Return the nodes with the contents of constants; None for a tape that isn't worth keeping."""
    if len(tape.nodes) > _MOST_NODES:
        return None
    nodes: list[Any] = []
    nbytes = 0
    for node in tape.nodes:
        if node.op is not CONSTANT:
            nodes.append(node)
            continue
        value = node.params[0].value
        nbytes += value.nbytes
        if nbytes > most_constant_bytes:
            return None
        content = value.tobytes()
        if len(content) > 64:
            content = blake2b(content).digest()
        nodes.append((node.shape, node.dtype, value.strides, content))
    return tuple(nodes)

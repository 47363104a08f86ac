"""One recorded call: a function run on traced arrays, and what it did as a tape."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from revolve_ad import trees
from revolve_ad.ad.captured import Rebound, hidden_state
from revolve_ad.ad.interception import intercepted
from revolve_ad.ad.recorder import Cell, Recorder, active, opened
from revolve_ad.ad.tape import Tape
from revolve_ad.ad.traced import Traced, node_and_value, plain
from revolve_ad.errors import HiddenStateError, RevolveError, TracedValueError, WriteError

__all__ = ["Recording", "trace"]


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded call.

    Attributes
    ----------
    tape : Tape
        Inputs are the leaves of the arguments, then the hidden params; outputs are the leaves of
        the result.
    value : object
        The result, plain.
    structure : Structure
        Structure of the result.
    hidden : tuple
        Traced values of an outer recording that the function met.
    values : dict
        Kept values by position, if they were asked for.
    """

    tape: Tape
    value: Any
    structure: trees.Structure
    hidden: tuple[Any, ...]
    values: dict[int, Any]


def trace(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    keep: bool = False,
    read_only: Sequence[bool] | None = None,
) -> Recording:
    """Call ``f(*args)`` once on traced arrays and return what it did.

    Parameters
    ----------
    f : callable
        A function in plain NumPy.
    args : tuple
        Structured values; traced values of an outer recording may stand in them.
    keep : bool
        Keep the values of the nodes, for a gradient at these arguments.
    read_only : sequence of bool, optional
        For each argument whether a write into it is an error; by default writes go to a copy.
    """
    try:
        return _record(f, args, keep, read_only, None)
    except (WriteError, TracedValueError, ValueError) as error:
        # "setting an array element" is how NumPy says that a plain array was written into.
        if not isinstance(error, WriteError | TracedValueError) and (
            isinstance(error, RevolveError) or "array element" not in str(error)
        ):
            raise
        try:
            return _record(f, args, keep, read_only, Rebound())
        except HiddenStateError:
            raise
        except (WriteError, TracedValueError, ValueError):
            pass  # the first error names what the user wrote
        raise


def _record(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    keep: bool,
    read_only: Sequence[bool] | None,
    rebound: Rebound | None,
) -> Recording:
    """Record one call; with `rebound`, of a copy of the function."""
    recorder = Recorder(keep=keep, parent=active())
    traced_args = []
    for k, arg in enumerate(args):
        leaves, structure = trees.flatten(arg, f"argument {k}")
        lock = read_only is not None and read_only[k]
        traced = []
        for leaf, path in zip(leaves, structure.paths(f"args[{k}]"), strict=True):
            traced.append(Traced.of_input(recorder, plain(leaf), path, lock=lock))
        traced_args.append(structure.unflatten(traced))
    with opened(recorder), _collector_resting():
        if rebound is not None:
            f = rebound.copy(f, recorder)
        with intercepted(f):
            result = f(*traced_args)
        leaves, structure = trees.flatten(result, "result")
        outputs = []
        values = []
        for leaf in leaves:
            i, value = node_and_value(recorder, leaf)
            outputs.append(i)
            values.append(value)
    hidden = tuple(Traced.wrap(rec, i, value) for rec, i, value in recorder.hidden)
    recorder.inputs.extend(recorder.lifted.values())
    kept = {i: v for i, v in enumerate(recorder.values) if v is not None} if keep else {}
    tape = recorder.tape(outputs)
    if rebound is not None:
        _refuse_hidden_state(tape, rebound.firsts)
    return Recording(tape, structure.unflatten(values), structure, hidden, kept)


_resting = 0
_resting_lock = threading.Lock()
_wake = False


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Keep Python's garbage collector from running, which it would each few hundred nodes.

    A tape under construction holds nothing that could be freed; looking through it again and
    again costs a quarter of the recording's time.
    """
    global _resting, _wake
    with _resting_lock:
        _resting += 1
        if _resting == 1:
            _wake = gc.isenabled()
            gc.disable()
    try:
        yield
    finally:
        with _resting_lock:
            _resting -= 1
            if _resting == 0 and _wake:
                gc.enable()


def _refuse_hidden_state(tape: Tape, firsts: Sequence[tuple[int, Cell]]) -> None:
    """Refuse a captured array that is read and then written: it would be a second state."""
    for first, cell in firsts:
        if hidden_state(tape, first, cell.node):
            raise HiddenStateError(
                f"an array of shape {tape.nodes[first].shape} from outside of the recorded "
                f"function is read by it and then written: what one call leaves there changes "
                f"the next one. Make it part of the state (or an argument), or overwrite it before "
                f"you read it"
            )

"""One recorded call: a function run on traced arrays, and what it did as a tape."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from types import CodeType
from typing import Any
from weakref import WeakSet

from revolve_ad import trees
from revolve_ad.ad.recording.captured import Rebound, hidden_state
from revolve_ad.ad.tape import Node, Tape
from revolve_ad.ad.traced import Traced, node_and_value, plain
from revolve_ad.ad.traced.interception import Token, intercepted, leave_whole, recording_of
from revolve_ad.ad.traced.recorder import (
    Cell,
    Recorder,
    active,
    opened,
    standing_in,
    where_called,
)
from revolve_ad.errors import HiddenStateError, RevolveError, TracedValueError, WriteError

__all__ = ["Around", "Recording", "collector_resting", "trace"]


@dataclass(frozen=True, eq=False, slots=True)
class Around:
    """Traced values of the functions around that a recorded function reads: hidden params.

    Attributes
    ----------
    places : tuple of (Recorder, int)
        Where each stands: its recorder and its node.
    values : tuple
        The values: traced, or plain ones to record the function with once more.
    """

    places: tuple[tuple[Recorder, int], ...] = ()
    values: tuple[Any, ...] = ()


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
    around : Around
        Traced values of an outer recording that the function met.
    values : dict
        Kept values by position, if they were asked for.
    seen : tuple or None
        For each value that the function looked at (to branch on it, say) its position and bytes:
        the tape holds for all arguments that give the same.  None if that can't be told.  Whether
        a slice that moves lies within its array is among them; elsewhere the tape raises.
    writes : bool
        Whether the function wrote into an array of its arguments.
    """

    tape: Tape
    value: Any
    structure: trees.Structure
    around: Around
    values: dict[int, Any]
    seen: tuple[tuple[int, bytes], ...] | None = ()
    writes: bool = True

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The values of `around`."""
        return self.around.values


def trace(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    keep: bool = False,
    read_only: Sequence[bool] | None = None,
    lines: list[str] | None = None,
    around: Around | None = None,
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
    lines : list of str, optional
        Is filled with the line of the user's code that made each node, which takes a recording
        about twice as long.
    around : Around, optional
        Of an earlier recording of `f`, with plain values: `f` may read these traced values and no
        others, also after their recordings have ended.  All of them are inputs of the tape.
    """
    if type(f) is _lru_cache_wrapper:
        f = f.__wrapped__  # what it keeps has no derivative
    attempt = _Attempt(rebound=_code(f) in _rebound_before)
    first = None
    for _ in range(_MOST_ATTEMPTS):
        try:
            found = _record(f, args, keep, read_only, attempt, lines, around)
        except HiddenStateError:
            raise
        except (WriteError, TracedValueError, ValueError, TypeError) as error:
            first = first or error  # it names what the user wrote
            following = attempt.following(error)
            if following is None:
                raise first from None
            attempt = following
        else:
            if attempt.rebound and (code := _code(f)) is not None:
                _rebound_before.add(code)
            return found
    assert first is not None
    raise first


_MOST_ATTEMPTS = 4

_NOBODY = nullcontext()

# The code of functions whose plain recording fails: their first run would be for nothing.
_rebound_before: WeakSet[CodeType] = WeakSet()


def _code(f: Any) -> CodeType | None:
    return getattr(getattr(f, "__func__", f), "__code__", None)


class _Attempt:
    """How a function is recorded: a first time as it is, then with what its error asks for.

    Parameters
    ----------
    rebound : bool
        Whether a copy of the function is recorded, in which arrays from outside are arrays of the
        recording and NumPy's functions look into lists.
    stay_plain : frozenset of int
        Which of the arrays that the function makes from nothing are left plain, by the order in
        which it makes them, since a foreign function wants them so.
    """

    def __init__(self, *, rebound: bool, stay_plain: frozenset[int] = frozenset()) -> None:
        self.rebound = rebound
        self.stay_plain = stay_plain
        self.recorder: Recorder | None = None

    def following(self, error: Exception) -> _Attempt | None:
        """Return what to try after an error; None if nothing would help."""
        if isinstance(error, TypeError) and not isinstance(error, RevolveError):
            # How functions of C say that they take nothing but an array of NumPy's own class.
            if "Traced" not in str(error) or self.recorder is None:
                return None
            constant = {
                k
                for k, one in enumerate(self.recorder.made)
                if one is None or one[0].node == one[1]
            }
            if constant <= self.stay_plain:
                error.add_note(
                    "a traced value reached a function that isn't NumPy's. Give that function its "
                    "derivative with ra.primitive, or cut it on purpose with ra.stop_gradient"
                )
                # A captured object of C may have a stand-in.
                return None if self.rebound else _Attempt(rebound=True, stay_plain=self.stay_plain)
            return _Attempt(rebound=self.rebound, stay_plain=frozenset(constant))
        # "setting an array element" is how NumPy says that a plain array was written into.
        if not isinstance(error, WriteError | TracedValueError) and (
            isinstance(error, RevolveError) or "array element" not in str(error)
        ):
            return None
        if self.rebound:
            return None
        return _Attempt(rebound=True, stay_plain=self.stay_plain)


def _record(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    keep: bool,
    read_only: Sequence[bool] | None,
    attempt: _Attempt,
    lines: list[str] | None,
    around: Around | None,
) -> Recording:
    """Record one call."""
    rebound = Rebound() if attempt.rebound else None
    attempt.recorder = recorder = Recorder(keep=keep, parent=active())
    recorder.stay_plain = attempt.stay_plain
    if lines is not None:
        lines.clear()
        recorder.nodes = _Located(lines)
    traced_args, given = [], []
    first: list[tuple[Cell, int]] = []  # of each leaf that is an array
    for k, arg in enumerate(args):
        leaves, structure = trees.flatten(arg, f"argument {k}")
        lock = read_only is not None and read_only[k]
        traced = []
        for leaf, path in zip(leaves, structure.paths(f"args[{k}]"), strict=True):
            traced.append(Traced.of_input(recorder, plain(leaf), path, lock=lock))
        given.append((traced, structure))
        first += [(t.cell, t.cell.node) for t in traced if t.cell is not None]
        traced_args.append(structure.unflatten(traced))
    standing: AbstractContextManager[None] = _NOBODY
    if around is not None:
        recorder.give(around.places, around.values)
        others = {id(rec): rec for rec, _ in around.places}
        standing = standing_in(recorder, [*others.values()])
    with opened(recorder), standing, collector_resting():
        if rebound is not None:
            f = rebound.copy(f, recorder)
        with intercepted(f):
            result = _called(f, traced_args, recorder)
        if read_only is not None:
            _require_untouched(traced_args, given, read_only)
        leaves, structure = trees.flatten(result, "result")
        outputs = []
        values = []
        for leaf in leaves:
            i, value = node_and_value(recorder, leaf)
            outputs.append(i)
            values.append(value)
    recorder.take_back()
    if around is None:
        met = tuple(Traced.wrap(rec, i, value) for rec, i, value in recorder.hidden)
        around = Around(tuple(recorder.places), met)
    recorder.inputs.extend(recorder.lifted.values())
    kept = {i: v for i, v in enumerate(recorder.values) if v is not None} if keep else {}
    tape = recorder.tape(outputs)
    if rebound is not None:
        _refuse_hidden_state(tape, rebound.firsts)
    seen = None if recorder.seen is None else tuple(recorder.seen)
    writes = any(cell.node != node for cell, node in first)
    return Recording(tape, structure.unflatten(values), structure, around, kept, seen, writes)


def _called(f: Callable[..., Any], args: Sequence[Any], recorder: Recorder) -> Any:
    """Return ``f(*args)``; an error that only hides another gives way to it."""
    recorded = recording_of(f)
    try:
        return f(*args) if recorded is None else recorded(recorder, *args)
    except SystemError as error:
        # A loop of C, such as brentq's, that went on after the function it calls had raised.
        if isinstance(error.__cause__, RevolveError):
            raise error.__cause__ from None
        raise
    except (AttributeError, TypeError) as error:
        if "NoneType" in str(error):
            for hint in recorder.hints:
                error.add_note(hint)
        raise


def _require_untouched(
    args: Sequence[Any],
    given: Sequence[tuple[list[Any], trees.Structure]],
    read_only: Sequence[bool],
) -> None:
    """Refuse what replaced a leaf of an argument that may only be read, such as a dict's item."""
    for arg, (leaves, structure), lock in zip(args, given, read_only, strict=True):
        if not lock or type(arg) is Traced:
            continue
        now, found = trees.flatten(arg, "argument")
        if found != structure or any(a is not b for a, b in zip(now, leaves, strict=True)):
            raise WriteError("it replaces an item of a dict or a list")


class _Located(list[Node]):
    """Nodes that note which line of the user's code made them."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def append(self, node: Node) -> None:
        self.lines.append(where_called())
        super().append(node)


_resting: WeakSet[Token] = WeakSet()  # one for each recording
_resting_lock = threading.Lock()
_wake = False  # whether it is us who keep it from running


@contextmanager
def collector_resting() -> Iterator[None]:
    """Keep Python's garbage collector from running, which it would each few hundred nodes.

    A tape under construction holds nothing that could be freed; looking through it again and
    again costs a quarter of the recording's time.
    """
    global _wake
    token = Token()
    try:
        with _resting_lock:
            if not _resting:
                _wake = _wake or gc.isenabled()
            _resting.add(token)
            gc.disable()
        yield
    finally:
        leave_whole(_resting, token, _wake_collector)


def _wake_collector(token: Token) -> None:
    global _wake
    with _resting_lock:
        if _wake and len(_resting) == 1 and token in _resting:
            gc.enable()
            _wake = False
        _resting.discard(token)


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

"""The recorder: runs a function on traced arrays and writes down what they did.

A traced array holds a real NumPy value, and NumPy itself decides what is a view of what.  The
memory behind a family of views is a `Cell`: its root array, and the node that is its content now.
Reading a view gathers from that node, writing one makes a new node by a scatter; a view that was
taken earlier sees the write, since it asks the cell again.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.captured import Rebound, captures, hidden_state
from revolve_ad.ad.core import CAST, CONSTANT, FULL, GATHER, INPUT, SCATTER, Frozen
from revolve_ad.ad.interception import intercepted
from revolve_ad.ad.strided import StridedMap, c_strides
from revolve_ad.ad.tape import Node, Primitive, Tape
from revolve_ad.errors import HiddenStateError, LeafError, TracedValueError, WriteError

__all__ = ["Cell", "Recorder", "Recording", "active", "trace", "where_called"]

_thread = threading.local()


def active() -> Recorder | None:
    """Return the innermost recorder of this thread; None outside of a recording."""
    stack = getattr(_thread, "stack", None)
    return stack[-1] if stack else None


@contextmanager
def paused() -> Iterator[None]:
    """Run the body as if nothing were recorded: for plain calls made while a recording is open."""
    stack = _thread.__dict__.setdefault("stack", [])
    stack.append(None)
    try:
        yield
    finally:
        stack.pop()


class Cell:
    """The memory behind an array and all its views.

    Attributes
    ----------
    root : ndarray
        An array in C order; every view shows some of its elements.
    owner : ndarray
        The array that owns the memory: the ``base`` that NumPy gives to views.
    node : int
        The node that is the content now.
    reads : list of int or None
        Nodes whose kept values lie in this memory, so that a write must save them first.
    """

    __slots__ = ("node", "owner", "reads", "root")

    def __init__(self, root: np.ndarray, owner: np.ndarray, node: int) -> None:
        self.root = root
        self.owner = owner
        self.node = node
        self.reads: list[int] | None = None

    def lies_in(self, i: int) -> None:
        """Note that the kept value of node `i` lies in this memory."""
        if self.reads is None:
            self.reads = [i]
        else:
            self.reads.append(i)


@lru_cache(maxsize=65536)
def _interned(
    source: tuple[int, ...], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> StridedMap:
    return StridedMap(source, offset, shape, strides)


@lru_cache(maxsize=4096)
def weak_dtype(strong: np.dtype[Any], kind: Any) -> np.dtype[Any]:
    """Return the dtype that a Python number of type `kind` takes beside a `strong` one."""
    return np.result_type(strong, kind(1))


# Made for every operation: without the keyword handling of the class's own constructor.
_new_node = tuple.__new__

_PYTHON_DTYPE = {
    bool: np.dtype(bool),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}


class Recorder:
    """Takes down one call of a function as a tape.

    Parameters
    ----------
    keep : bool
        Whether the values of the nodes are kept, since a gradient will be asked for.
    parent : Recorder, optional
        The recorder that was active before.
    """

    def __init__(self, *, keep: bool = False, parent: Recorder | None = None) -> None:
        self.keep = keep
        self.parent = parent
        self.nodes: list[Node] = []
        self.values: list[Any] = []
        self.varies: list[bool] = []
        self.known: dict[Any, int] = {}
        self.inputs: list[int] = []
        self.hidden: list[Any] = []
        self.lifted: dict[tuple[int, int], int] = {}
        self.captured: dict[int, tuple[np.ndarray, int]] = {}
        self.depends_on_values: str | None = None
        self.layouts = False
        # The recorder that takes over: an inner one while it records, `CLOSED` after the end.
        self.child: Recorder | None = None

    # -- nodes ---------------------------------------------------------------------------------

    def append(
        self,
        op: Primitive,
        args: tuple[int, ...],
        params: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        value: Any,
    ) -> int:
        """Append a node and return its position."""
        nodes = self.nodes
        i = len(nodes)
        nodes.append(_new_node(Node, (op, args, params, shape, dtype, None)))
        varies = self.varies
        for a in args:
            if varies[a]:
                varies.append(True)
                break
        else:
            varies.append(False)
        if self.keep:
            self.values.append(value if op.reads_result or shape == () else None)
        return i

    def input(self, value: Any, name: str = "") -> int:
        """Append an input."""
        dtype = _PYTHON_DTYPE.get(type(value)) or value.dtype
        i = self.append(INPUT, (), (name,), np.shape(value), dtype, value)
        self.varies[i] = True
        self.inputs.append(i)
        return i

    def literal(self, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...] = ()) -> int:
        """Return the node of a number of a given dtype, everywhere in `shape`."""
        key: Any = (value, type(value), dtype, shape)
        i = self.known.get(key)
        if i is None or value == 0:  # 0.0 equals -0.0
            number = dtype.type(value)
            key = (number.tobytes(), dtype, shape)
            i = self.known.get(key)
            if i is None:
                params = (number.item(), shape, dtype)
                full = number if shape == () else None
                i = self.known[key] = self.append(FULL, (), params, shape, dtype, full)
        if value == value:
            self.known[(value, type(value), dtype, shape)] = i
        return i

    def constant(self, array: np.ndarray | np.generic) -> int:
        """Return the node of a plain array as it is now; small ones are shared by content."""
        if array.ndim == 0 or isinstance(array, np.generic):
            return self.literal(array.item(), array.dtype)
        if array.size <= 64:
            key = (array.tobytes(), array.dtype, array.shape, array.strides)
            i = self.known.get(key)
            if i is None:
                i = self.known[key] = self.frozen(array)
            return i
        found = self.captured.get(id(array))
        if found is not None:
            source, i = found
            frozen = self.nodes[i].params[0].value
            if source is array and _same_bits(frozen, array):
                return i
        i = self.frozen(array)
        self.captured[id(array)] = (array, i)
        return i

    def frozen(self, array: np.ndarray | np.generic) -> int:
        """Return a new node of a plain array as it is now."""
        if array.dtype.kind not in "biufc":
            raise LeafError(
                f"an array of dtype {array.dtype} met traced values; allowed are arrays of "
                f"booleans, integers, floats and complex numbers"
            )
        frozen = Frozen(array)
        return self.append(CONSTANT, (), (frozen,), array.shape, array.dtype, frozen.value)

    def gather(self, cell: Cell, index: StridedMap, value: Any) -> int:
        """Return the node of what a view shows now."""
        if index.is_identity:
            return cell.node
        key = (cell.node, index)
        i = self.known.get(key)
        if i is None:
            root = cell.root
            if index.shape == ():
                value = value[()]  # a number of its own: a 0-d view would change with a write
            i = self.append(GATHER, (cell.node,), (index,), index.shape, root.dtype, value)
            self.known[key] = i
        return i

    def cast(self, i: int, dtype: np.dtype[Any]) -> int:
        """Return node `i` in another dtype."""
        node = self.nodes[i]
        if node.dtype == dtype:
            return i
        if node.op is FULL:
            return self.literal(dtype.type(node.params[0]).item(), dtype, node.shape)
        value = self.values[i] if self.keep else None
        if value is not None:
            value = np.asarray(value).astype(dtype)[()]
        return self.append(CAST, (i,), (dtype,), node.shape, dtype, value)

    # -- memory --------------------------------------------------------------------------------

    def before_write(self, cell: Cell) -> None:
        """Save the kept values that lie in the memory that is about to change."""
        if cell.reads is not None:
            values = self.values
            for i in cell.reads:
                if values[i] is not None:
                    values[i] = np.array(values[i], order="K", copy=True)
            cell.reads = None

    def write(self, cell: Cell, index: StridedMap, value: int) -> None:
        """Make `value` the content of a view; the real memory has changed already."""
        node = self.nodes[value]
        root = cell.root
        value = self.cast(value, root.dtype)
        node = self.nodes[value]
        if index.is_identity and node.shape == root.shape:
            cell.node = value
        else:
            if len(node.shape) > len(index.shape):  # leading axes of length one
                shape = node.shape[len(node.shape) - len(index.shape) :]
                value = self.reshape(value, shape)
            cell.node = self.append(
                SCATTER, (cell.node, value), (index,), root.shape, root.dtype, None
            )

    def reshape(self, i: int, shape: tuple[int, ...]) -> int:
        """Return node `i` in another shape, in C order."""
        node = self.nodes[i]
        if node.shape == shape:
            return i
        value = self.values[i] if self.keep else None
        if value is not None:
            value = np.reshape(value, shape)
        index = _interned(node.shape, 0, shape, c_strides(shape))
        return self.append(GATHER, (i,), (index,), shape, node.dtype, value)

    # -- other recordings ----------------------------------------------------------------------

    def lift(self, x: Any) -> int:
        """Return the input that stands for a traced value of an outer recording."""
        if x.rec.child is CLOSED:
            raise leaked()
        outer = self.parent
        if outer is None:
            raise leaked()
        # From further out it becomes a hidden param of each recording in between.
        i = x.read() if x.rec is outer else outer.lift(x)
        key = (id(outer), i)
        found = self.lifted.get(key)
        if found is None:
            value = x.v if not isinstance(x.v, np.ndarray) else x.v.copy()
            found = self.lifted[key] = self.append(
                INPUT, (), ("hidden",), np.shape(value), self._dtype(value), value
            )
            self.varies[found] = outer.varies[i]
            self.hidden.append((outer, i, value))
        return found

    @staticmethod
    def _dtype(value: Any) -> np.dtype[Any]:
        return _PYTHON_DTYPE.get(type(value)) or value.dtype

    def mark_dependent(self, what: str) -> None:
        """Note that the function looked at a value, and where."""
        if self.depends_on_values is None:
            self.depends_on_values = f"{what} at {where_called()}"

    def tape(self, outputs: Sequence[int]) -> Tape:
        """Return what was recorded."""
        return Tape(tuple(self.nodes), tuple(self.inputs), tuple(outputs), self.depends_on_values)


CLOSED = Recorder()


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def leaked() -> TracedValueError:
    """Return the error for a traced value that outlived its recording."""
    return TracedValueError(
        "a traced value was used after its recording had ended: something kept it in a global, an "
        "attribute or a list. Return what you need from the recorded function instead"
    )


def where_called() -> str:
    """Return the file and line of the user's code that is running."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("revolve_ad", "numpy", "scipy", "contextlib")
    ):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return "an unknown line"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


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
    except (WriteError, TracedValueError):
        if not captures(f):
            raise
        try:
            return _record(f, args, keep, read_only, Rebound())
        except HiddenStateError:
            raise
        except (WriteError, TracedValueError):
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
    from revolve_ad.ad.traced import Traced, plain

    stack = _thread.__dict__.setdefault("stack", [])
    outer = stack[-1] if stack else None
    recorder = Recorder(keep=keep, parent=outer)
    traced_args = []
    for k, arg in enumerate(args):
        leaves, structure = trees.flatten(arg, f"argument {k}")
        lock = read_only is not None and read_only[k]
        traced = []
        for leaf, path in zip(leaves, structure.paths(f"args[{k}]"), strict=True):
            traced.append(Traced.of_input(recorder, plain(leaf), path, lock=lock))
        traced_args.append(structure.unflatten(traced))
    if outer is not None:
        outer.child = recorder
    stack.append(recorder)
    try:
        if rebound is not None:
            f = rebound.copy(f, recorder)
        with intercepted(f):
            result = f(*traced_args)
        leaves, structure = trees.flatten(result, "result")
        outputs = []
        values = []
        for leaf in leaves:
            i, value = recorder_operand(recorder, leaf)
            outputs.append(i)
            values.append(value)
    finally:
        stack.pop()
        if outer is not None:
            outer.child = None
        recorder.child = CLOSED
    hidden = tuple(Traced.wrap(rec, i, value) for rec, i, value in recorder.hidden)
    recorder.inputs.extend(recorder.lifted.values())
    kept = {i: v for i, v in enumerate(recorder.values) if v is not None} if keep else {}
    tape = recorder.tape(outputs)
    if rebound is not None:
        _refuse_hidden_state(tape, rebound.firsts)
    return Recording(tape, structure.unflatten(values), structure, hidden, kept)


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


def recorder_operand(recorder: Recorder, leaf: Any) -> tuple[int, Any]:
    """Return the node and the real value of an operand: traced, array or number."""
    from revolve_ad.ad.traced import Traced

    if type(leaf) is Traced:
        if leaf.rec is recorder:
            return leaf.read(), leaf.v
        return recorder.lift(leaf), leaf.v
    if isinstance(leaf, np.ndarray | np.generic):
        return recorder.constant(leaf), leaf
    dtype = _PYTHON_DTYPE.get(type(leaf))
    if dtype is None:
        raise LeafError(f"a value of type {type(leaf).__name__} can't stand beside traced arrays")
    return recorder.literal(leaf, dtype), leaf

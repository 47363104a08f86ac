"""The recorder: writes down what is done to traced arrays, and knows whose memory is whose.

A traced array holds a real NumPy value, and NumPy itself decides what is a view of what.  The
memory behind a family of views is a `Cell`: its root array, and the node that is its content now.
Reading a view gathers from that node, writing one makes a new node by a scatter; a view that was
taken earlier sees the write, since it asks the cell again.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import get_ident
from types import FrameType
from typing import Any, final

import numpy as np

from revolve_ad.ad.core import (
    CAST,
    COMPLEX,
    CONSTANT,
    FULL,
    GATHER,
    IMAG,
    INPUT,
    REAL,
    SCATTER,
    Frozen,
)
from revolve_ad.ad.rules.table import FREE
from revolve_ad.ad.strided import StridedMap, c_strides, known_map
from revolve_ad.ad.tape import Node, Primitive, Tape
from revolve_ad.errors import LeafError, TracedValueError, WriteError

__all__ = [
    "Cell",
    "Part",
    "Recorder",
    "Window",
    "active",
    "opened",
    "other_thread",
    "paused",
    "standing_in",
    "user_frame",
    "where_called",
]

_thread = threading.local()


def active() -> Recorder | None:
    """Return the innermost recorder of this thread; None outside of a recording."""
    stack = getattr(_thread, "stack", None)
    return stack[-1] if stack else None


@final
class paused:
    """Runs the body as if nothing were recorded: for plain calls made while a recording is open."""

    __slots__ = ("_stack",)

    def __enter__(self) -> None:
        self._stack = _thread.__dict__.setdefault("stack", [])
        self._stack.append(None)

    def __exit__(self, *raised: object) -> None:
        self._stack.pop()


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

    __slots__ = ("_address", "node", "owner", "reads", "root")

    whole: Cell | None = None  # what a part is a part of

    @property
    def itemsize(self) -> int:
        """Bytes from one element of the memory to the next."""
        return self.root.itemsize

    def __init__(self, root: np.ndarray, owner: np.ndarray, node: int) -> None:
        self.root = root
        self.owner = owner
        self.node = node
        self.reads: list[int] | None = None
        self._address = -1  # looked up where it is first of use, which takes 2 µs

    def locate(self, v: np.ndarray) -> StridedMap:
        """Return which elements of the root a view of it shows, by its address and strides."""
        root = self.root
        if not v.size:
            return known_map(root.shape, 0, v.shape, c_strides(v.shape))
        size = self.itemsize
        if self._address < 0:
            self._address = root.__array_interface__["data"][0]
        offset = v.__array_interface__["data"][0] - self._address
        strides = tuple([s // size for s in v.strides])
        return known_map(root.shape, offset // size, v.shape, strides)

    def lies_in(self, i: int) -> None:
        """Note that the kept value of node `i` lies in this memory."""
        if self.reads is None:
            self.reads = [i]
        else:
            self.reads.append(i)


class _Within(Cell):
    """Memory within that of another cell, whose content is its own.

    Attributes
    ----------
    whole : Cell
        The other cell.
    """

    __slots__ = ("whole",)

    whole: Cell

    @property
    def node(self) -> int:  # type: ignore[override]
        """The node that is the content of the memory now."""
        return self.whole.node

    @property
    def reads(self) -> list[int] | None:
        """Nodes whose kept values lie in the memory."""
        return self.whole.reads

    @reads.setter
    def reads(self, reads: list[int] | None) -> None:
        self.whole.reads = reads


class Part(_Within):
    """The real or the imaginary parts in the memory of complex numbers.

    What is read and written is the content of the complex array.

    Attributes
    ----------
    op : Primitive
        `REAL` or `IMAG`.
    """

    __slots__ = ("op",)

    def __init__(self, whole: Cell, op: Primitive) -> None:
        self.whole = whole
        self.op = op
        self.root = whole.root.real if op is REAL else whole.root.imag
        self.owner = whole.owner
        self._address = -1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and other.whole == self.whole and other.op is self.op

    def __hash__(self) -> int:
        return hash((self.whole, self.op))

    def locate(self, v: np.ndarray) -> StridedMap:
        """Return which elements a view shows."""
        if type(self.whole) is Window:
            return known_map(*_logical(self.root, v))
        return super().locate(v)

    @property
    def itemsize(self) -> int:
        """Bytes from one complex number to the next."""
        return self.whole.root.itemsize


class Window(_Within):
    """What a view by a traced index shows, ``a[k]`` or ``a[k : k + 2]``: a part that moves.

    Where it lies in the memory isn't known to the tape, so that it is read and written by computed
    indices, of the view that it was taken from.

    Attributes
    ----------
    source : Traced
        The array, or view, that it was taken from.
    template : tuple
        The form of the index.
    indices : tuple of int
        The nodes of the computed indices.
    read_op, write_op : Primitive
        What reads at such an index, and what writes there.
    """

    __slots__ = ("indices", "read_op", "source", "template", "write_op")

    def __init__(
        self,
        source: Any,
        root: np.ndarray,
        template: tuple[Any, ...],
        indices: tuple[int, ...],
        ops: tuple[Primitive, Primitive],
    ) -> None:
        self.source = source
        self.whole = source.cell
        self.root = root
        self.owner = source.cell.owner
        self.template = template
        self.indices = indices
        self.read_op, self.write_op = ops

    def _place(self) -> tuple[Any, ...]:
        return self.whole, self.source.map, self.template, self.indices

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Window) and other._place() == self._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def locate(self, v: np.ndarray) -> StridedMap:
        """Return which elements a view shows."""
        return known_map(*_logical(self.root, v))


def _logical(root: np.ndarray, v: np.ndarray) -> tuple[Any, ...]:
    """Return what a view shows of a root that isn't in C order, as if it were."""
    if not v.size:
        return root.shape, 0, v.shape, c_strides(v.shape)
    units = c_strides(root.shape)
    axes = sorted(
        (abs(stride), stride, n, unit)
        for stride, n, unit in zip(root.strides, root.shape, units, strict=True)
        if n > 1
    )[::-1]
    lowest = sum(stride * (n - 1) for _, stride, n, _ in axes if stride < 0)

    def flat(distance: int) -> int:
        found, rest = 0, distance - lowest
        for size, stride, n, unit in axes:
            k, rest = divmod(rest, size)
            found += (k if stride > 0 else n - 1 - k) * unit
        return found

    offset = v.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    first = flat(offset)
    strides = [
        flat(offset + stride) - first if n > 1 else 0
        for stride, n in zip(v.strides, v.shape, strict=True)
    ]
    return root.shape, first, v.shape, tuple(strides)


_interned = known_map


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

# The dtypes of numbers by their type, which is found faster than their attribute.
_SCALAR_DTYPE: dict[type, np.dtype[Any]] = {
    **_PYTHON_DTYPE,
    **{kind: np.dtype(kind) for kind in np.ScalarType if np.dtype(kind).kind in "biufc"},
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
        self.thread = get_ident()
        self.nodes: list[Node] = []
        self.values: list[Any] = []
        self._varies: list[bool] = []
        self._carries: list[bool] = []
        self._steady: set[int] = set()
        self.known: dict[Any, int] = {}
        self.literals: dict[Any, int] = {}
        self.inputs: list[int] = []
        self.hidden: list[Any] = []
        self.lifted: dict[tuple[int, int], int] = {}
        # For each hidden param the recorder and the node where the function met it.
        self.places: list[tuple[Recorder, int]] = []
        # Set where those of an earlier recording are given: their inputs, by their place.
        self.given: dict[tuple[int, int], tuple[int, Any]] | None = None
        self.captured: dict[int, tuple[np.ndarray, int]] = {}
        self.depends_on_values: str | None = None
        # What to say if something turns out to be None.
        self.hints: list[str] = []
        self.seen: list[tuple[int, bytes]] | None = []
        self.layouts = False
        # Arrays made from nothing, in order: their memory and first node; which stay plain.
        self.made: list[tuple[Cell, int] | None] = []
        self.stay_plain: frozenset[int] = frozenset()
        # Memory that foreign code was given, and what stood in it.
        self.lent: list[tuple[Cell, np.ndarray]] = []
        # The recorder that takes over: an inner one while it records, `CLOSED` after the end.
        self.child: Recorder | None = None
        # Whether the usual case may be taken for granted: no child, no lazy masks.
        self.simple = True
        self.masks = False

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
        if self.thread != get_ident():
            raise other_thread()
        nodes = self.nodes
        nodes.append(_new_node(Node, (op, args, params, shape, dtype, None)))
        if self.keep:
            if shape == ():
                value = value[()] if isinstance(value, np.ndarray) else value  # it may be written
                self.values.append(value)
            else:
                self.values.append(value if op.reads_result else None)
        return len(nodes) - 1

    def varies(self, i: int) -> bool:
        """Tell whether node `i` depends on the arguments of the recorded function."""
        # Found when asked for: few nodes are ever asked about.
        found = self._varies
        for j in range(len(found), i + 1):
            node = self.nodes[j]
            if node.op is INPUT:
                found.append(j not in self._steady)
                continue
            for a in node.args:
                if found[a]:
                    found.append(True)
                    break
            else:
                found.append(False)
        return found[i]

    def carries(self, i: int) -> bool:
        """Tell whether node `i` has a derivative by the arguments: nothing cuts it off."""
        found = self._carries
        for j in range(len(found), i + 1):
            node = self.nodes[j]
            if node.dtype.kind not in "fc" and node.results is None:
                found.append(False)
            elif node.op is INPUT:
                found.append(j not in self._steady)
            else:
                found.append(node.op not in FREE and any(found[a] for a in node.args))
        return found[i]

    def input(self, value: Any, name: str = "") -> int:
        """Append an input."""
        dtype = _SCALAR_DTYPE.get(type(value)) or value.dtype
        i = self.append(INPUT, (), (name,), np.shape(value), dtype, value)
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

    def beside(self, value: Any, strong: np.dtype[Any]) -> int:
        """Return the node of a Python number as an operand beside an array of dtype `strong`."""
        kind: Any = type(value)
        key = (value, kind, strong)
        i = self.literals.get(key)
        if i is None or value == 0:
            i = self.literal(value, weak_dtype(strong, kind))
            if kind is not complex and value == value:
                self.literals[key] = i
        return i

    def number(self, value: Any, dtype: np.dtype[Any]) -> int:
        """Return the node of a number that is written into an array of a dtype."""
        key = (value, dtype)
        i = self.literals.get(key)
        if i is None or value == 0:
            i = self.cast(self.literal(value, _SCALAR_DTYPE[type(value)]), dtype)
            if dtype.kind != "c" and value == value:
                self.literals[key] = i
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
        if type(cell) is Part:
            return self._gather_part(cell, index, value)
        content = self._shown(cell) if type(cell) is Window else cell.node
        if index.is_identity:
            return content
        key = (content, index)
        i = self.known.get(key)
        if i is None:
            root = cell.root
            if index.shape == ():
                value = value[()]  # a number of its own: a 0-d view would change with a write
            i = self.append(GATHER, (content,), (index,), index.shape, root.dtype, value)
            self.known[key] = i
        return i

    def _shown(self, cell: Window) -> int:
        """Return the node of what a view by a traced index shows now."""
        key = (cell.read_op, cell.source.read(), cell.template, cell.indices)
        i = self.known.get(key)
        if i is None:
            op, source, *_ = key
            root = cell.root
            value = root.copy() if self.keep and op.reads_result else None
            args = (source, *cell.indices)
            i = self.append(op, args, (cell.template,), root.shape, root.dtype, value)
            self.known[key] = i
        return i

    def _gather_part(self, cell: Part, index: StridedMap, value: Any) -> int:
        """Return the node of what a view of real or imaginary parts shows now."""
        key = (cell.op, cell.node, index)
        i = self.known.get(key)
        if i is None:
            whole = cell.whole
            z = self.gather(whole, index, index.view(whole.root) if index.shape == () else None)
            value = value[()] if index.shape == () else value
            i = self.append(cell.op, (z,), (), index.shape, cell.root.dtype, value)
            self.known[key] = i
        return i

    def cast(self, i: int, dtype: np.dtype[Any]) -> int:
        """Return node `i` in another dtype."""
        node = self.nodes[i]
        if node.dtype == dtype:
            return i
        if node.op is FULL:
            number = node.params[0]
            if node.dtype.kind == "c" and dtype.kind != "c":
                number = number.real  # as NumPy does, with a warning, where it assigns
            return self.literal(dtype.type(number).item(), dtype, node.shape)
        value = self.values[i] if self.keep else None
        if value is not None:
            value = np.asarray(value).astype(dtype)[()]
        return self.append(CAST, (i,), (dtype,), node.shape, dtype, value)

    # -- memory --------------------------------------------------------------------------------

    def before_write(self, cell: Cell) -> None:
        """Save the kept values that lie in the memory that is about to change."""
        if self.lent:
            memory = cell
            while memory.whole is not None:
                memory = memory.whole
            self.take_back(memory)
        if cell.reads is not None:
            values = self.values
            for i in cell.reads:
                if values[i] is not None:
                    values[i] = np.array(values[i], order="K", copy=True)
            cell.reads = None

    def lend(self, cell: Cell) -> None:
        """Note that foreign code may see the memory from now on, and must not write into it."""
        self.lent.append((cell, cell.root.copy()))
        if cell.reads is None:
            cell.reads = []  # so that `before_write` is asked

    def take_back(self, cell: Cell | None = None) -> None:
        """Refuse what foreign code wrote into memory (by default any) that it was lent."""
        for one, before in self.lent:
            if (cell is None or one is cell) and one.root.tobytes() != before.tobytes():
                raise WriteError(
                    f"a function that isn't NumPy's wrote into an array of shape "
                    f"{one.root.shape} that was made inside of the recorded function. Let it "
                    f"return what it computes, or wrap it with ra.primitive"
                )
        self.lent = [pair for pair in self.lent if cell is not None and pair[0] is not cell]

    def write(self, cell: Cell, index: StridedMap, value: int) -> None:
        """Make `value` the content of a view; the real memory has changed already."""
        root = cell.root
        node = self.nodes[value]
        if node.dtype is not root.dtype:
            value = self.cast(value, root.dtype)
            node = self.nodes[value]
        if type(cell) is Part:
            value = self._joined(cell, index, value)
            cell = cell.whole
            root = cell.root
            node = self.nodes[value]
        if not (index.is_identity and node.shape == root.shape):
            if len(node.shape) > len(index.shape):  # leading axes of length one
                shape = node.shape[len(node.shape) - len(index.shape) :]
                value = self.reshape(value, shape)
            content = self._shown(cell) if type(cell) is Window else cell.node
            value = self.append(SCATTER, (content, value), (index,), root.shape, root.dtype, None)
        if type(cell) is Window:
            self._write_window(cell, value)
        else:
            cell.node = value

    def _write_window(self, cell: Window, value: int) -> None:
        """Make `value` the content of a view by a traced index."""
        source, op = cell.source, cell.write_op
        args = (source.read(), value, *cell.indices)
        real = source.v.copy() if self.keep and op.reads_result else None
        node = self.append(op, args, (cell.template,), source.v.shape, source.v.dtype, real)
        self.write(cell.whole, source.map, node)
        self.known[(cell.read_op, source.read(), cell.template, cell.indices)] = value

    def _joined(self, cell: Part, index: StridedMap, value: int) -> int:
        """Return the node of the complex numbers of which one part is now `value`."""
        shape, dtype = index.shape, cell.whole.root.dtype
        lead = len(self.nodes[value].shape) - len(shape)
        if lead > 0:  # leading axes of length one
            value = self.reshape(value, self.nodes[value].shape[lead:])
        old = cell.node
        if type(cell.whole) is Window:
            old = self._shown(cell.whole)
        if not index.is_identity:
            old = self.append(GATHER, (old,), (index,), shape, dtype, None)
        other = IMAG if cell.op is REAL else REAL
        rest = self.append(other, (old,), (), shape, cell.root.dtype, None)
        parts = (value, rest) if cell.op is REAL else (rest, value)
        return self.append(COMPLEX, parts, (), shape, dtype, None)

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
        if self.given is not None:
            return self._lift_given(x)
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
            if not outer.varies(i):
                self._steady.add(found)
            self.hidden.append((outer, i, value))
            self.places.append((x.rec, x.read()))
        return found

    def give(self, places: Sequence[tuple[Recorder, int]], values: Sequence[Any]) -> None:
        """Let the traced values at these places be inputs with these values, and no others."""
        self.given = {}
        for (rec, i), value in zip(places, values, strict=True):
            node = self.append(INPUT, (), ("hidden",), np.shape(value), self._dtype(value), value)
            self.inputs.append(node)
            if not rec.varies(i):
                self._steady.add(node)
            self.given[id(rec), i] = node, value

    def _lift_given(self, x: Any) -> int:
        """Return the input that stands for a traced value of a recording that may have ended."""
        assert self.given is not None
        node, value = self.given.get((id(x.rec), x.read()), (-1, None))
        if node < 0:
            raise TracedValueError(
                "a function that is recorded again at each step reads a traced value of the "
                "function around it that it didn't read when it was first recorded, at step 0. "
                "Pass that value to the simulation in params="
            )
        if not _same_bits(np.asarray(value), np.asarray(x.v)):
            raise TracedValueError(
                "a tape is run on other values than it was recorded for, and a function that is "
                "recorded again at each step reads one of them from outside. Pass that value to "
                "the simulation in params="
            )
        return node

    @staticmethod
    def _dtype(value: Any) -> np.dtype[Any]:
        return _SCALAR_DTYPE.get(type(value)) or value.dtype

    def mark_dependent(self, what: str, seen: tuple[int, Any] | None = None) -> None:
        """Note that the function looked at a value, and where.

        Parameters
        ----------
        what : str
            What it did, in words.
        seen : tuple of int and array, optional
            The node and its value, if the value of one node is all that it looked at.
        """
        if self.depends_on_values is None:
            self.depends_on_values = f"{what} at {where_called()}"
        if seen is None or np.asarray(seen[1]).nbytes > _MOST_SEEN_BYTES:
            self.seen = None
        else:
            self.see(*seen)

    def see(self, node: int, value: Any) -> None:
        """Note that the tape holds only where a node has this value."""
        if self.seen is not None:
            self.seen.append((node, np.asarray(value).tobytes()))

    def tape(self, outputs: Sequence[int]) -> Tape:
        """Return what was recorded."""
        return Tape(tuple(self.nodes), tuple(self.inputs), tuple(outputs), self.depends_on_values)


_MOST_SEEN_BYTES = 4096
"""Larger arrays that a function looked at are hardly ever met a second time."""

CLOSED = Recorder()


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def leaked() -> TracedValueError:
    """Return the error for a traced value that outlived its recording."""
    return TracedValueError(
        "a traced value was used after its recording had ended: something kept it in a global, an "
        "attribute or a list. Return what you need from the recorded function instead"
    )


def other_thread() -> TracedValueError:
    """Return the error for a traced value that is computed with in another thread."""
    return TracedValueError(
        "a traced value is computed with in another thread than the one that records: two threads "
        "would mix their operations. Compute in one thread, or wrap what uses threads with "
        "ra.primitive"
    )


@contextmanager
def opened(recorder: Recorder) -> Iterator[None]:
    """Make `recorder` the innermost one of this thread for the time of the body, then close it."""
    stack = _thread.__dict__.setdefault("stack", [])
    outer = recorder.parent
    if outer is not None:
        outer.child, outer.simple = recorder, False
    stack.append(recorder)
    try:
        yield
    finally:
        stack.pop()
        if outer is not None:
            outer.child, outer.simple = None, not outer.masks
        recorder.child, recorder.simple = CLOSED, False


_reopening = threading.RLock()


@contextmanager
def standing_in(recorder: Recorder, for_: Sequence[Recorder]) -> Iterator[None]:
    """Let `recorder` take over from others, which may have ended, for the time of the body.

    One thread at a time: the others belong to no thread any more.
    """
    if not for_:
        yield
        return
    with _reopening:
        before = [(one, one.child, one.simple) for one in for_]
        try:
            for one in for_:
                one.child, one.simple = recorder, False
            yield
        finally:
            for one, child, simple in reversed(before):
                one.child, one.simple = child, simple


def where_called() -> str:
    """Return the file and line of the user's code that is running."""
    frame = user_frame()
    if frame is None:
        return "an unknown line"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def user_frame() -> FrameType | None:
    """Return the frame of the user's code that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("revolve_ad", "numpy", "scipy", "contextlib")
    ):
        frame = frame.f_back
    return frame

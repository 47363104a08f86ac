"""A tape as a list of records over buffers that change in place.

A tape names every version of an array; a program in memory has one buffer that is written again
and again.  `lowered` finds the buffers: a write goes in place unless somebody still reads what
stood there.  A record is one operation for each point of a box; for scalar code the box is a
point.  Records carry what the search for loops compares: a signature, the records that they read,
and flat offsets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONCATENATE,
    CONSTANT,
    COPY,
    FULL,
    GATHER,
    INPUT,
    SCALAR_POWER,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
    elementwise,
)
from revolve_ad.ad.strided import StridedMap, c_strides
from revolve_ad.ad.tape import Node, Primitive, Tape
from revolve_ad.native.passes import arithmetic
from revolve_ad.native.passes.points import RefusedError, loop_dtypes
from revolve_ad.native.rolling.buffers import FRESH, STABLE, Buffer

__all__ = ["Item", "Program", "Record", "lowered"]

_ADD = elementwise(np.add)

ALONE = -(2**40)
"""Signatures from here downwards are of single records."""


@dataclass(eq=False, slots=True)
class Item:
    """A record or a loop of them, as the search for loops sees it.

    Attributes
    ----------
    sig : int
        Equal for items of the same form.
    refs : list of (Item, int)
        Results of earlier items that it reads: the item, and which of its results.
    idx : list of int
        Numbers that may advance from pass to pass: flat offsets, lengths of loops.
    flags : list of int
        Flags of its loads, beside each number of `idx`.
    form : Record or LoopForm
        What it does.
    pos : int
        Its place in the list.
    """

    sig: int
    refs: list[tuple[Item, int]]
    idx: list[int]
    flags: list[int]
    form: Any
    pos: int = 0


@dataclass(frozen=True, slots=True)
class Operand:
    """What a record reads.

    Attributes
    ----------
    kind : str
        "value" (a number that an item made), "array" (an element of an array that an item made),
        "buffer" (an element of `buffer`) or "number" (a literal).
    dtype : numpy.dtype
        Its dtype.
    strides : tuple of int
        How far the element moves along each axis of the record's box.
    buffer : Buffer, optional
        For "buffer".
    literal : object
        For "number".
    """

    kind: str
    dtype: np.dtype[Any]
    strides: tuple[int, ...] = ()
    buffer: Buffer | None = None
    literal: Any = None


@dataclass(frozen=True, slots=True)
class Record:
    """One operation for each point of a box.

    Attributes
    ----------
    op : Primitive or None
        The operation; None copies its operand.
    params : tuple
        Its static parameters.
    dtype : numpy.dtype
        Of the result.
    shape : tuple of int
        The box.
    operands : tuple of Operand
        What it reads.
    target : tuple of int or None
        How far the element that takes the result moves along each axis; None for a number without
        place.
    makes : bool
        Whether the target is an array that this record makes.
    adds : bool
        Whether the result is added to what stands there.
    """

    op: Primitive | None
    params: tuple[Any, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    operands: tuple[Operand, ...]
    target: tuple[int, ...] | None
    makes: bool = False
    adds: bool = False

    n_slots = 1


@dataclass(slots=True)
class Program:
    """The records of a tape.

    Attributes
    ----------
    items : list of Item
        In order.
    arrays : dict of Item to Buffer
        The array that an item makes.
    inputs : list of Buffer
        One for each input of the tape.
    constants : list of (Buffer, ndarray)
        The constants.
    outputs : list of (Buffer, Item or None)
        Where each result of the tape lies at the end.
    """

    items: list[Item]
    arrays: dict[int, Buffer]
    inputs: list[Buffer]
    constants: list[tuple[Buffer, np.ndarray]]
    outputs: list[tuple[Buffer, Item | None]]


@dataclass(slots=True)
class _Value:
    """What a node of the tape is: a number, a literal, or a view of a buffer."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    item: Item | None = None
    buffer: Buffer | None = None
    offset: int = 0
    strides: tuple[int, ...] = ()
    literal: Any = None

    @property
    def whole(self) -> bool:
        """Whether it is a view with all elements in C order."""
        buffer = self.buffer
        return (
            buffer is not None
            and self.offset == 0
            and prod(self.shape) == buffer.size
            and _is_packed(self.shape, self.strides)
        )


def _is_packed(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    packed = c_strides(shape)
    return strides is packed or all(
        n == 1 or a == b for n, a, b in zip(shape, strides, packed, strict=True)
    )


def lowered(
    tape: Tape, kinds: Sequence[tuple[str, int]], *, apart: Collection[int] = ()
) -> Program:
    """Return a tape as records.

    Parameters
    ----------
    tape : Tape
        What to lower.
    kinds : sequence of (str, int)
        Kind and number of the buffer of each input.
    apart : collection of int
        Results that are copied at the end, by records that go into no loop.

    Raises
    ------
    RefusedError
        For an operation that has no such form.
    """
    lowering = _Lowering(tape)
    for i, (kind, number) in zip(tape.inputs, kinds, strict=True):
        node = tape.nodes[i]
        name = kind if kind == "k" else f"{kind}{number}"
        lowering.input(i, Buffer(kind, number, node.shape, node.dtype, name))
    lowering.copy_what_changes()
    for i, node in enumerate(tape.nodes):
        if node.op is not INPUT:
            lowering.take(i, node)
    return lowering.finish(apart)


@dataclass(slots=True)
class _Lowering:
    tape: Tape
    items: list[Item] = field(default_factory=list)
    values: dict[int, _Value] = field(default_factory=dict)
    arrays: dict[int, Buffer] = field(default_factory=dict)
    makers: dict[Buffer, Item] = field(default_factory=dict)
    inputs: list[Buffer] = field(default_factory=list)
    constants: list[tuple[Buffer, np.ndarray]] = field(default_factory=list)
    known: dict[Any, tuple[int, Record]] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    masks: dict[Buffer, np.ndarray] = field(default_factory=dict)
    last: list[int] = field(default_factory=list)
    viewers: dict[Buffer, list[int]] = field(default_factory=dict)
    written: set[Buffer] = field(default_factory=set)

    def __post_init__(self) -> None:
        nodes = self.tape.nodes
        self.last = [-1] * len(nodes)
        for i, node in enumerate(nodes):
            for a in node.args:
                self.last[a] = i
        for i in self.tape.outputs:
            self.last[i] = len(nodes)

    # -- values

    def input(self, i: int, buffer: Buffer) -> None:
        """Enter an input."""
        self.inputs.append(buffer)
        self.values[i] = _Value(
            buffer.shape, buffer.dtype, buffer=buffer, strides=c_strides(buffer.shape)
        )

    def view(self, i: int, value: _Value) -> None:
        """Enter a node that shows a buffer."""
        self.values[i] = value
        buffer = value.buffer
        if buffer is not None and not buffer.fixed:
            self.viewers.setdefault(buffer, []).append(i)

    def record(
        self,
        op: Primitive | None,
        params: tuple[Any, ...],
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        operands: Sequence[_Value],
        target: _Value | None = None,
        *,
        makes: Buffer | None = None,
        adds: bool = False,
    ) -> Item:
        """Append a record."""
        refs: list[tuple[Item, int]] = []
        idx: list[int] = []
        flags: list[int] = []
        keys: list[Any] = []
        for value in operands:
            buffer = value.buffer
            if buffer is None:
                if value.item is not None:
                    keys.append((0, value.dtype))
                    refs.append((value.item, 0))
                else:
                    keys.append((1, value.dtype, repr(value.literal), value.literal))
                continue
            strides = _broadcast(value, shape)
            if buffer.fixed:
                keys.append((3, buffer, strides))
                flags.append(STABLE)
            else:
                keys.append((2, value.dtype, strides))
                refs.append((self.makers[buffer], 0))
                self.log.append((len(self.items), len(idx), buffer, value.offset, shape, strides))
                fresh = buffer.copied is not None and not _any(
                    self.masks[buffer], value.offset, shape, strides
                )
                flags.append(FRESH if fresh else 0)
            idx.append(value.offset)
        place: Any = None
        if makes is not None:
            place = (makes.dtype, makes.shape)
            idx.append(0)
            flags.append(0)
        elif target is not None:
            buffer = target.buffer
            assert buffer is not None
            strides = _broadcast(target, shape)
            place = (target.dtype, strides)
            refs.append((self.makers[buffer], 0))
            self.log.append((len(self.items), -1, buffer, target.offset, shape, strides))
            _mark(self.masks[buffer], target.offset, shape, strides)
            idx.append(target.offset)
            flags.append(0)
        key = (op, params, dtype, shape, tuple(keys), place, makes is None, adds)
        found = self.known.get(key)
        if found is None:
            record = Record(
                op,
                params,
                dtype,
                shape,
                tuple([_operand(k) for k in keys]),
                None if place is None else (c_strides(shape) if makes is not None else place[1]),
                makes is not None,
                adds,
            )
            found = self.known[key] = (len(self.known), record)
        item = Item(found[0], refs, idx, flags, found[1])
        self.items.append(item)
        if makes is not None:
            self.makers[makes] = item
            self.arrays[id(item)] = makes
            self.masks[makes] = np.zeros(max(makes.size, 1), bool)
        return item

    def array(self, value: _Value, dtype: np.dtype[Any], shape: tuple[int, ...]) -> _Value:
        """Return a new array that holds a value."""
        buffer = Buffer("temp", len(self.makers), shape, dtype)
        if value.whole and value.shape == shape and value.dtype == dtype:
            source = value.buffer
            assert source is not None
            buffer.copied = source if source.fixed else None
        self.record(None, (), dtype, shape, [value], makes=buffer)
        return _Value(shape, dtype, buffer=buffer, strides=c_strides(shape))

    # -- nodes

    def copy_what_changes(self) -> None:
        """Begin with copies of the inputs that are written, so that all passes read the same."""
        nodes = self.tape.nodes
        inputs = set(self.tape.inputs)
        for i, node in enumerate(nodes):
            if node.op in (SCATTER, SCATTER_ADD) and self.last[i] >= 0:
                base = node.args[0]
                while nodes[base].op is COPY:
                    base = nodes[base].args[0]
                value = self.values.get(base)
                if base in inputs and value is not None and value.buffer is not None:
                    if value.buffer.fixed:
                        self.view(base, self.array(value, value.dtype, value.shape))

    def take(self, i: int, node: Node) -> None:
        """Take the next node of the tape."""
        op = node.op
        if self.last[i] < 0:
            return
        if node.results is not None:
            raise RefusedError(f"{op.name}, which has several results,")
        if op is FULL:
            self.values[i] = _Value(node.shape, node.dtype, literal=node.params[0])
        elif op is CONSTANT:
            array = np.ascontiguousarray(node.params[0].value)
            buffer = Buffer("c", len(self.constants), node.shape, node.dtype)
            buffer.name = f"c{buffer.number}"
            self.constants.append((buffer, array))
            self.values[i] = _Value(
                node.shape, node.dtype, buffer=buffer, strides=c_strides(node.shape)
            )
        elif op is COPY:
            self.view(i, self.values[node.args[0]])
        elif op is GATHER:
            self.view(i, self.gathered(self.values[node.args[0]], node.params[0]))
        elif op is BROADCAST:
            value = self.values[node.args[0]]
            lead = len(node.shape) - len(value.shape)
            strides = (0,) * lead + tuple(
                [
                    0 if m == 1 and n != 1 else s
                    for s, m, n in zip(value.strides, value.shape, node.shape[lead:], strict=True)
                ]
                if value.buffer is not None
                else ()
            )
            self.view(
                i,
                _Value(
                    node.shape,
                    node.dtype,
                    value.item,
                    value.buffer,
                    value.offset,
                    strides if value.buffer is not None else (),
                    value.literal,
                ),
            )
        elif op in (SCATTER, SCATTER_ADD):
            self.scattered(i, node)
        elif op is SUM:
            self.summed(i, node)
        elif op is CONCATENATE:
            self.concatenated(i, node)
        elif op.ufunc is not None or op in (WHERE, SCALAR_POWER, CAST):
            self.computed(i, node)
        else:
            raise RefusedError(f"{op.name}")

    def computed(self, i: int, node: Node) -> None:
        """Take an elementwise operation."""
        values = [self.values[a] for a in node.args]
        check(node.op, node.params, node.dtype, [v.dtype for v in values])
        if node.shape == ():
            item = self.record(node.op, node.params, node.dtype, (), values)
            self.values[i] = _Value((), node.dtype, item)
            return
        buffer = Buffer("temp", len(self.makers), node.shape, node.dtype)
        self.record(node.op, node.params, node.dtype, node.shape, values, makes=buffer)
        self.view(i, _Value(node.shape, node.dtype, buffer=buffer, strides=c_strides(node.shape)))

    def summed(self, i: int, node: Node) -> None:
        """Take a sum: zeros, to which everything is added."""
        value = self.values[node.args[0]]
        axes, keepdims = node.params
        if node.dtype.kind not in "fc" or value.dtype.kind == "b":
            raise RefusedError(f"a sum of {value.dtype}")
        zero = _Value((), node.dtype, literal=node.dtype.type(0).item())
        total = self.array(zero, node.dtype, node.shape)
        rest = iter(c_strides(node.shape))
        strides = []
        for d in range(len(value.shape)):
            if d in axes:
                strides.append(0)
                if keepdims:
                    next(rest)
            else:
                strides.append(next(rest))
        place = _Value(value.shape, node.dtype, buffer=total.buffer, strides=tuple(strides))
        self.record(None, (), node.dtype, value.shape, [value], place, adds=True)
        self.view(i, total)

    def concatenated(self, i: int, node: Node) -> None:
        """Take a concatenation: zeros, into which the parts are written."""
        (axis,) = node.params
        zero = _Value((), node.dtype, literal=node.dtype.type(0).item())
        whole = self.array(zero, node.dtype, node.shape)
        strides, start = c_strides(node.shape), 0
        for a in node.args:
            value = self.values[a]
            place = _Value(
                value.shape,
                node.dtype,
                buffer=whole.buffer,
                offset=start * strides[axis],
                strides=strides,
            )
            self.record(None, (), node.dtype, value.shape, [value], place)
            start += value.shape[axis]
        self.view(i, whole)

    def gathered(self, value: _Value, index: StridedMap) -> _Value:
        """Return a view of a value."""
        if value.buffer is None:
            return _Value(index.shape, value.dtype, value.item, literal=value.literal)
        if _is_packed(value.shape, value.strides):
            return _Value(
                index.shape,
                value.dtype,
                buffer=value.buffer,
                offset=value.offset + index.offset,
                strides=index.strides,
            )
        box = index.box
        if box is None:
            packed = self.array(value, value.dtype, value.shape)
            return self.gathered(packed, index)
        offset, strides = value.offset, [0] * len(index.shape)
        for axis, stride in zip(box.axes, value.strides, strict=True):
            offset += axis.start * stride
            if axis.view_axis is not None:
                strides[axis.view_axis] = axis.step * stride
        return _Value(
            index.shape, value.dtype, buffer=value.buffer, offset=offset, strides=tuple(strides)
        )

    def scattered(self, i: int, node: Node) -> None:
        """Take a write: in place, unless the old content is a constant of the step."""
        base, value = (self.values[a] for a in node.args)
        index: StridedMap = node.params[0]
        buffer = base.buffer
        if buffer is None or buffer.fixed or not base.whole or base.dtype != node.dtype:
            base = self.array(base, node.dtype, node.shape)
            buffer = base.buffer
        assert buffer is not None
        place = _Value(
            index.shape, node.dtype, buffer=buffer, offset=index.offset, strides=index.strides
        )
        self.rescue(i, buffer, place)
        self.written.add(buffer)
        value = self.values[node.args[1]]
        adds = node.op is SCATTER_ADD
        hazard = value.buffer is buffer and (adds or not _same_elements(value, place))
        if hazard and index.shape != ():
            # The elements read may be among those written: NumPy reads all of them first.
            if value.shape == ():
                value = _Value((), value.dtype, self.record(None, (), value.dtype, (), [value]))
            else:
                value = self.array(value, value.dtype, value.shape)
        if not adds:
            self.record(None, (), node.dtype, index.shape, [value], place)
        elif index.is_injective:
            dtype = np.result_type(node.dtype, value.dtype)
            old = _Value(
                index.shape, node.dtype, buffer=buffer, offset=index.offset, strides=index.strides
            )
            if index.shape == ():
                item = self.record(_ADD, (), dtype, (), [old, value])
                total = _Value((), dtype, item)
            else:
                made = Buffer("temp", len(self.makers), index.shape, dtype)
                self.record(_ADD, (), dtype, index.shape, [old, value], makes=made)
                total = _Value(index.shape, dtype, buffer=made, strides=c_strides(index.shape))
            self.record(None, (), node.dtype, index.shape, [total], place)
        else:
            self.record(None, (), node.dtype, index.shape, [value], place, adds=True)
        self.view(i, base)

    def rescue(self, now: int, buffer: Buffer, place: _Value) -> None:
        """Copy what will be read of a buffer after the write, and is about to be written over."""
        waiting = self.viewers.get(buffer)
        if not waiting:
            return
        kept = []
        for v in waiting:
            value = self.values[v]
            if value.buffer is not buffer or self.last[v] < now:
                continue
            if self.last[v] == now:
                continue
            if _overlap(value, place):
                if buffer.copied is not None and buffer not in self.written:
                    # Nothing was written up to now: the original has the same elements.
                    self.values[v] = _Value(
                        value.shape,
                        value.dtype,
                        buffer=buffer.copied,
                        offset=value.offset,
                        strides=value.strides,
                    )
                elif value.shape == ():
                    item = self.record(None, (), value.dtype, (), [value])
                    self.values[v] = _Value((), value.dtype, item)
                else:
                    self.view(v, self.array(value, value.dtype, value.shape))
            else:
                kept.append(v)
        self.viewers[buffer] = kept

    def finish(self, apart: Collection[int]) -> Program:
        """Return the program; each result gets a buffer of its own."""
        outputs: list[tuple[Buffer, Item | None]] = []
        used: set[int] = set()
        for j, i in enumerate(self.tape.outputs):
            value, node = self.values[i], self.tape.nodes[i]
            buffer = value.buffer
            if (
                j in apart
                or buffer is None
                or not value.whole
                or value.shape != buffer.shape
                or (id(buffer) in used or (buffer.fixed and buffer.kind != "x"))
            ):
                buffer = self.array(value, node.dtype, node.shape).buffer
                assert buffer is not None
                if j in apart:
                    self.items[-1].sig = ALONE - j
            used.add(id(buffer))
            outputs.append((buffer, self.makers.get(buffer)))
        self.flag()
        return Program(self.items, self.arrays, self.inputs, self.constants, outputs)

    def flag(self) -> None:
        """Say of each load whether its element isn't written later."""
        for mask in self.masks.values():
            mask[:] = False
        for number, n, buffer, offset, shape, strides in reversed(self.log):
            mask = self.masks[buffer]
            if n < 0:
                _mark(mask, offset, shape, strides)
            elif not _any(mask, offset, shape, strides):
                self.items[number].flags[n] |= STABLE


def _broadcast(value: _Value, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return how far a value's element moves along each axis of a box."""
    if value.shape == shape:
        return value.strides
    lead = len(shape) - len(value.shape)
    return (0,) * lead + tuple(
        [
            0 if m == 1 and n != 1 else s
            for s, m, n in zip(value.strides, value.shape, shape[lead:], strict=True)
        ]
    )


def _operand(key: tuple[Any, ...]) -> Operand:
    kind = key[0]
    if kind == 0:
        return Operand("value", key[1])
    if kind == 1:
        return Operand("number", key[1], literal=key[3])
    if kind == 2:
        return Operand("array", key[1], key[2])
    return Operand("buffer", key[1].dtype, key[2], key[1])


def _mark(mask: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    if shape == ():
        mask[offset] = True
    else:
        _elements(mask, offset, shape, strides)[...] = True


def _any(mask: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    if shape == ():
        return bool(mask[offset])
    return bool(_elements(mask, offset, shape, strides).any())


def _elements(
    flat: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    return np.lib.stride_tricks.as_strided(
        flat[offset:], shape, tuple([s * flat.itemsize for s in strides])
    )


def _same_elements(a: _Value, b: _Value) -> bool:
    return a.offset == b.offset and a.strides == b.strides and a.shape == b.shape


def _reach(value: _Value) -> tuple[int, int]:
    lo = hi = value.offset
    for n, s in zip(value.shape, value.strides, strict=True):
        if s > 0:
            hi += (n - 1) * s
        else:
            lo += (n - 1) * s
    return lo, hi


def _overlap(a: _Value, b: _Value) -> bool:
    """Whether two views of one buffer may share an element."""
    if prod(a.shape) == 0 or prod(b.shape) == 0:
        return False
    (a_lo, a_hi), (b_lo, b_hi) = _reach(a), _reach(b)
    if a_hi < b_lo or b_hi < a_lo:
        return False
    if prod(a.shape) == 1 and prod(b.shape) == 1:
        return a.offset == b.offset
    return True


def check(
    op: Primitive, params: tuple[Any, ...], dtype: np.dtype[Any], operands: Sequence[np.dtype[Any]]
) -> None:
    """Raise `RefusedError` if an elementwise operation has no source text."""
    reason = _refusal(op, params, dtype, tuple(operands))
    if reason is not None:
        raise RefusedError(reason)


@lru_cache(maxsize=1024)
def _refusal(
    op: Primitive, params: tuple[Any, ...], dtype: np.dtype[Any], operands: tuple[Any, ...]
) -> str | None:
    if op is CAST:
        if operands[0].kind == "c" and dtype.kind != "c":
            return "a cast of complex numbers to real ones"
        return None
    name = "power" if op is SCALAR_POWER else op.name
    reason = arithmetic.refusal(name, loop_dtypes(Node(op, (), params, (), dtype), operands))
    if reason is None and name == "power" and dtype.kind != "f":
        return f"power of {dtype}"
    return reason

"""Writes the Python code of a program: a line of NumPy for each operation.

What is the same in every run is made once: the registers, views of them, blocks of those.  A line
then is one call into NumPy with arrays that exist already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    CAST,
    CONCATENATE,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    OF_NUMBERS,
    SCATTER,
    SCATTER_ADD,
    SUM,
    scatter_add_into,
    scatter_into,
)
from revolve_ad.ad.running.arena import Buffer
from revolve_ad.ad.running.blocks import Group
from revolve_ad.ad.running.lifetimes import REUSE_BYTES, Lifetimes, Storage
from revolve_ad.ad.running.registers import Registers
from revolve_ad.ad.strided import StridedMap, box_map, c_strides
from revolve_ad.ad.tape import Node

__all__ = ["Code"]

_ndarray = np.ndarray
_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


class Code:
    """The code of a tape.

    Parameters
    ----------
    lives : Lifetimes
        What lives until when.
    registers : Registers
        Where it lives.
    shared : bool
        Whether inputs that are results are returned as they are.

    Attributes
    ----------
    source : str
        The function ``run_ordered``, which trusts that all inputs are in C order.  It takes a list
        of them, which it empties, so that the memory of an input is free after its last use.
    guard : str
        The function ``run``, which tests it.
    n_operations : int
        Operations that a run executes.
    """

    def __init__(
        self,
        lives: Lifetimes,
        registers: Registers,
        *,
        shared: bool = False,
    ) -> None:
        self._lives = lives
        self._nodes = lives.nodes
        self._registers = registers
        self._shared = shared
        self._constants: dict[str, Any] = {
            "ndarray": _ndarray,
            "empty": np.empty,
            "copyto": np.copyto,
            "scatter_into": scatter_into,
            "scatter_add_into": scatter_add_into,
        }
        # The constants keep the objects alive, so that their identities stay theirs.
        self._named = {id(value): name for name, value in self._constants.items()}
        self._names: dict[int, str] = {}  # of values
        self._arrays: dict[tuple[str, tuple[int, ...], Any], str] = {}  # register, shape, dtype
        self._array_names: set[str] = set()
        self._views: dict[tuple[str, StridedMap], str] = {}
        self._view_names: set[str] = set()
        self._numbers: dict[str, str] = {}  # arrays of shape () that hold a scalar input
        self._tables: dict[str, tuple[int, int, list[tuple[str, bool]]]] = {}  # of blocks
        self._blocks_of: dict[str, list[str]] = {}  # names of a block of an array
        self._body: list[str] = []
        self.n_operations = 0
        self._write()

    # -- the functions -----------------------------------------------------------------------------

    def _write(self) -> None:
        nodes, lives = self._nodes, self._lives
        arguments = []
        checks = []
        for number, i in enumerate(lives.tape.inputs):
            self._names[i] = name = f"x{i}"
            arguments.append(name)
            if nodes[i].shape != ():
                # Sums depend on the order in which elements lie: the plan is for C order.
                checks.append(f"given[{number}].flags.c_contiguous")
                if i in lives.copied:
                    self._names[i] = array = self._register(i)
                    self._body.append(f"{array}[...] = {name}")
            elif self._wants_array(i):
                self._numbers[name] = array = f"s{i}"
                self._body.append(f"{array}[()] = {name}")
        self._write_body()
        if arguments:
            self._body[:0] = [f"[{', '.join(arguments)}] = given", "given.clear()"]
        lines = ["def run_ordered(given):", *[f"    {line}" for line in self._body]]
        self.source = "\n".join([*lines, f"    return [{', '.join(self._results())}]", ""])
        lines = ["def run(given):"]
        if checks:
            lines.append(f"    if not ({' and '.join(checks)}): return otherwise(given)")
        self.guard = "\n".join([*lines, "    return run_ordered(given)", ""])

    def _wants_array(self, i: int) -> bool:
        """Whether a number is used so often beside arrays that an array of shape () is faster."""
        nodes = self._nodes
        users = [nodes[k] for k in self._lives.users.get(i, ()) if k < len(nodes)]
        return sum(user.op.ufunc is not None and user.shape != () for user in users) > 1

    def _write_body(self) -> None:
        nodes, lives, body = self._nodes, self._lives, self._body
        # A value that the code makes, or is given, is forgotten after its last use.
        forget: dict[int, list[str]] = {}
        written: set[int] = set()
        for i in lives.order:
            node = nodes[i]
            if node.op is INPUT:
                nbytes = prod(node.shape) * node.dtype.itemsize
                if nbytes >= REUSE_BYTES and i not in lives.storage:
                    forget.setdefault(lives.last_use.get(i, i), []).append(f"x{i}")
                continue
            group = self._registers.group_of.get(i)
            if group is None:
                made = self._line(i, node)
            else:
                made = False
                if id(group) not in written:
                    written.add(id(group))
                    self._group(group)
            self.n_operations += node.op is not CONSTANT and (
                node.op is not FULL or node.shape != ()
            )
            if made and (node.shape != () or node.results is not None):
                root = lives.origin[i]
                storage = lives.storage.get(root)
                last = storage.last if storage is not None else lives.last_use.get(root, i)
                forget.setdefault(max(last, i), []).append(self._names[i])
            for name in forget.pop(i, ()):
                body.append(" = ".join([name, *self._blocks_of.get(name, ()), "None"]))

    def _results(self) -> list[str]:
        lives = self._lives
        outputs = lives.tape.outputs
        times: dict[int, int] = {}
        for i in outputs:
            times[lives.origin[i]] = times.get(lives.origin[i], 0) + 1
        returned = []
        for i in outputs:
            storage = lives.storage.get(i)
            name = self._names[i]
            if storage is not None:
                owned = not storage.name.startswith(("reg", "("))
            else:
                owned = self._shared and self._nodes[i].op is INPUT
            owned = owned and lives.origin[i] == i and times[i] == 1
            returned.append(name if self._nodes[i].shape == () or owned else f"{name}.copy()")
        return returned

    # -- names -------------------------------------------------------------------------------------

    def _value(self, what: str, value: Any) -> str:
        """Name an object that the code uses."""
        name = self._named.get(id(value))
        if name is None:
            name = self._named[id(value)] = f"{what}{len(self._constants)}"
            self._constants[name] = value
        return name

    def _ufunc(self, ufunc: np.ufunc) -> str:
        return self._value(ufunc.__name__, ufunc)

    def _call(self, ufunc: np.ufunc, operands: Sequence[str], target: str) -> str:
        """Return the call of a ufunc into an array."""
        # These two ufuncs warn of a third positional argument.
        out = "out=" if ufunc in (np.maximum, np.minimum) else ""
        return f"{self._ufunc(ufunc)}({', '.join(operands)}, {out}{target})"

    def _register(self, i: int) -> str:
        """Return the name of the array in a register that value `i` is written into."""
        node = self._nodes[i]
        register = self._lives.storage[i].name.strip("()")
        shape = node.shape
        if self._registers.is_local(i):
            shape = (self._registers.group_of[i].rows, *shape[1:])
        key = (register, shape, node.dtype)
        name = self._arrays.get(key)
        if name is None:
            name = self._arrays[key] = f"a{len(self._arrays)}"
            self._array_names.add(name)
        return name

    def _array(self, i: int) -> str:
        """Return the name of the array that value `i` is written into, made if need be."""
        node = self._nodes[i]
        name = self._lives.storage[i].name
        if name.startswith("out"):
            self._body.append(f"{name} = empty({node.shape}, {self._value('dtype', node.dtype)})")
            return name
        return name.strip("()") if name.strip("(").startswith("x") else self._register(i)

    def _view(self, name: str, node: int, index: StridedMap) -> str:
        """Return the code of a view of an array."""
        if name in self._array_names:
            view = self._views.get((name, index))
            if view is None:
                view = self._views[name, index] = f"w{len(self._views)}"
                self._view_names.add(view)
            return view
        storage = self._lives.storage.get(node)
        in_order = self._lives.origin[node] == node and (
            self._nodes[node].op is INPUT
            or (storage is not None and storage.name.strip("(").startswith(("out", "x")))
        )
        if in_order and index.size:
            slices = _slices(index)
            if slices is not None:
                return f"{name}[{slices}]"
            dtype = self._nodes[node].dtype
            strides = tuple(s * dtype.itemsize for s in index.strides)
            offset = index.offset * dtype.itemsize
            kind = self._value("dtype", dtype)
            return f"ndarray({index.shape}, {kind}, {name}, {offset}, {strides})"
        return f"{self._value('map', index)}.view({name})"

    def _operand(self, a: int) -> str:
        """Return the name of an operand of a ufunc whose result is an array."""
        name = self._names[a]
        if self._nodes[a].shape != ():
            return name
        if name in self._numbers:
            return self._numbers[name]
        constant = self._constants.get(name)
        if isinstance(constant, np.generic):
            # An array of shape () is taken faster than a scalar.
            name = f"k{a}"
            self._constants[name] = np.asarray(constant)
        return name

    # -- lines -------------------------------------------------------------------------------------

    def _line(self, i: int, node: Node) -> bool:
        """Write the line of an operation; return whether it binds a name to be forgotten."""
        lives, body = self._lives, self._body
        op = node.op
        if op is CONSTANT or (op is FULL and node.shape == ()):
            name = self._names[i] = f"c{i}"
            self._constants[name] = op.evaluate(*node.params)
            return False
        if i in lives.negations:
            self._names[i] = self._names[node.args[0]]
            return False
        if op is GATHER:
            return self._gather(i, node)
        if i in lives.direct:
            view = self._box(i)
            names = [self._operand(a) for a in node.args]
            assert op.ufunc is not None
            body.append(self._call(op.ufunc, names, view))
            return False
        if op in (SCATTER, SCATTER_ADD):
            if i in self._names:  # written already, by its value
                return self._names[i].startswith("v") and i not in lives.in_place
            return self._scatter(i, node)
        storage = lives.storage.get(i)
        names = [self._names[a] for a in node.args]
        if storage is not None and storage.name:
            return self._into(i, node, storage, names)
        name = self._names[i] = f"v{i}"
        symbol = _OPERATORS.get(op.name) if node.shape == () and op.ufunc is not None else None
        if symbol is not None and len(names) == 2 and node.dtype.kind == "f":
            body.append(f"{name} = {names[0]} {symbol} {names[1]}")
        elif op.ufunc is not None and OF_NUMBERS.get(op.ufunc) is not op:
            body.append(f"{name} = {self._ufunc(op.ufunc)}({', '.join(names)})")
        elif op is SUM:
            axes, keepdims = node.params
            reduce = self._value("reduce", np.add.reduce)
            body.append(f"{name} = {reduce}({names[0]}, {axes}, None, None, {keepdims})")
        else:
            params = [
                repr(p) if type(p) in (int, bool) else self._value("p", p) for p in node.params
            ]
            function = self._value("f", op.evaluate)
            body.append(f"{name} = {function}({', '.join([*names, *params])})")
        return True

    def _into(self, i: int, node: Node, storage: Storage, names: list[str]) -> bool:
        """Write an operation whose result goes into an array that has a name."""
        op, body = node.op, self._body
        fresh = storage.name.startswith("out")
        if op.ufunc is not None:
            names = [self._operand(a) for a in node.args]
            if fresh:
                target = self._names[i] = storage.name
                body.append(f"{target} = {self._ufunc(op.ufunc)}({', '.join(names)})")
            else:
                target = self._names[i] = self._array(i)
                body.append(self._call(op.ufunc, names, target))
            return fresh and i not in self._lives.tape.outputs
        target = self._names[i] = self._array(i)
        if op is FULL:
            value = node.params[0]
            known = _spelled(value)
            literal = repr(value) if known else self._value("number", node.dtype.type(value))
            rest = self._rest_of_fill(i)
            if rest is None:
                body.append(f"{target}.fill({literal})")
            else:
                body += [f"{self._view(target, i, index)}.fill({literal})" for index in rest]
        elif op is CAST:
            body.append(f"copyto({target}, {names[0]}, 'unsafe')")
        elif op is SUM:
            axes, keepdims = node.params
            reduce = self._value("reduce", np.add.reduce)
            body.append(f"{reduce}({names[0]}, {axes}, None, {target}, {keepdims})")
        elif op.into is not None:
            body.append(f"{self._value('into', op.into)}({', '.join(names)}, {target})")
        else:
            assert op is CONCATENATE
            start = 0
            axis = node.params[0]
            for name, a in zip(names, node.args, strict=True):
                length = self._nodes[a].shape[axis]
                box = [(0, 1, n) for n in node.shape]
                box[axis] = (start, 1, length)
                start += length
                if length:
                    view = self._view(target, i, box_map(node.shape, tuple(box)))
                    body.append(f"{view}[...] = {name}")
        return fresh and i not in self._lives.tape.outputs

    def _gather(self, i: int, node: Node) -> bool:
        name = f"v{i}"
        (a,) = node.args
        source = self._names[a]
        index = node.params[0]
        if node.shape == ():
            self._names[i] = name
            position = _position(index, self._nodes[a].shape)
            self._body.append(f"{name} = {source}[{position}]")
            return True
        code = self._view(source, a, index)
        if _is_name(code):
            self._names[i] = code
            return False
        self._names[i] = name
        self._body.append(f"{name} = {code}")
        return True

    def _box(self, i: int) -> str:
        """Return the code of the box that value `i` is computed into."""
        lives = self._lives
        j = lives.direct[i]
        scatter = self._nodes[j]
        target = self._names[j] = self._target(j, scatter)
        root = scatter.args[0] if j in lives.in_place else j
        return self._view(target, root, scatter.params[0])

    def _target(self, i: int, node: Node) -> str:
        """Return the name of the array that a scatter writes into; a copy if need be."""
        base = self._names[node.args[0]]
        if i in self._lives.in_place:
            return base
        if self._lives.storage[i].name:
            target = self._array(i)
            rest = self._rest(i)
            if rest is None:
                self._body.append(f"copyto({target}, {base})")
            else:
                for index in rest:
                    to = self._view(target, i, index)
                    self._body.append(f"{to}[...] = {self._view(base, node.args[0], index)}")
        else:
            target = f"v{i}"
            self._body.append(f"{target} = {base}.copy()")
        return target

    def _rest(self, i: int) -> list[StridedMap] | None:
        """Return the boxes that scatter `i` leaves of its base; None if they aren't worth it."""
        node = self._nodes[i]
        if node.op is not SCATTER or self._lives.storage[i].nbytes < REUSE_BYTES:
            return None
        boxes = _around(node.params[0])
        if boxes is None or 2 * sum(box.size for box in boxes) > prod(node.shape):
            return None
        return boxes

    def _rest_of_fill(self, i: int) -> list[StridedMap] | None:
        """Return the same for an array of one value that is made to be written into."""
        users = self._lives.users[i]
        if len(users) != 1 or users[0] not in self._lives.in_place:
            return None
        return self._rest(users[0]) if self._nodes[users[0]].args[0] == i else None

    def _scatter(self, i: int, node: Node) -> bool:
        lives, body = self._lives, self._body
        index = node.params[0]
        into = "scatter_into" if node.op is SCATTER else "scatter_add_into"
        value = self._names[node.args[1]]
        if i not in lives.storage:  # of shape ()
            name = self._names[i] = f"v{i}"
            function = self._value("f", node.op.evaluate)
            base = self._names[node.args[0]]
            body.append(f"{name} = {function}({base}, {value}, {self._value('map', index)})")
            return True
        target = self._names[i] = self._target(i, node)
        if node.op is SCATTER_ADD and not index.is_injective:
            body.append(f"{into}({target}, {value}, {self._value('map', index)})")
        elif index.shape == ():
            sign = "=" if node.op is SCATTER else "-=" if i in lives.subtracted else "+="
            body.append(f"{target}[{_position(index, node.shape)}] {sign} {value}")
        else:
            view = self._view(target, node.args[0] if i in lives.in_place else i, index)
            if node.op is SCATTER:
                body.append(f"{view}[...] = {value}")
            else:
                add = self._ufunc(np.subtract if i in lives.subtracted else np.add)
                if not _is_name(view):
                    body.append(f"t = {view}")
                    view = "t"
                body.append(f"{add}({view}, {value}, {view})")
        return target.startswith("v") and i not in lives.in_place

    # -- blocks ------------------------------------------------------------------------------------

    def _group(self, group: Group) -> None:
        """Write a loop over blocks of rows."""
        lives, nodes, body = self._lives, self._nodes, self._body
        for i in group.before:
            self._line(i, nodes[i])
        boxes: dict[int, str] = {}
        for i in group.members:
            if i in lives.direct:
                boxes[i] = self._named_view(i, self._box(i))
            elif nodes[i].op is SCATTER_ADD:
                target = self._names[i] = self._names[nodes[i].args[0]]
                view = self._view(target, nodes[i].args[0], nodes[i].params[0])
                boxes[i] = self._named_view(i, view)
            else:
                self._names[i] = self._array(i)
        loop: list[str] = []
        table: dict[str, str] = {}  # what is the same in each run: its name in the loop
        sliced: dict[str, str] = {}

        def block(name: str, *, local: bool) -> str:
            """Return the name of the rows of an array that this turn works on."""
            if name in self._array_names or name in self._view_names or name in self._constants:
                if name not in table:
                    table[name] = f"b{len(table)}"
                    columns.append((name, local))
                return table[name]
            if name not in sliced:
                sliced[name] = f"t{len(sliced)}"
                self._blocks_of.setdefault(name, []).append(sliced[name])
                loop.append(f"{sliced[name]} = {name}[low:high]")
            return sliced[name]

        columns: list[tuple[str, bool]] = []
        for i in group.members:
            node = nodes[i]
            if node.op is SCATTER_ADD:
                value = lives.value_of(i)
                view = block(boxes[i], local=False)
                ufunc: np.ufunc = np.subtract if i in lives.subtracted else np.add
                loop.append(self._call(ufunc, [view, self._operand_block(value, block)], view))
            else:
                assert node.op.ufunc is not None
                names = [self._operand_block(a, block) for a in node.args]
                if i in boxes:
                    target = block(boxes[i], local=False)
                else:
                    target = block(self._names[i], local=i in group.local)
                loop.append(self._call(node.op.ufunc, names, target))
        name = f"blocks{len(self._tables)}"
        self._tables[name] = (group.shape[0], group.rows, columns)
        body.append(f"for {', '.join(['low', 'high', *table.values()])} in {name}:")
        body += [f"    {line}" for line in loop]

    def _operand_block(self, a: int, block: Callable[..., str]) -> str:
        if self._nodes[a].shape == ():
            return self._operand(a)
        return block(self._names[a], local=self._registers.is_local(a))

    def _named_view(self, i: int, code: str) -> str:
        """Return a name for a view."""
        if _is_name(code):
            return code
        self._body.append(f"o{i} = {code}")
        return f"o{i}"

    # -- what the code refers to -------------------------------------------------------------------

    def namespace(self, buffer: Buffer) -> dict[str, Any]:
        """Return what the code refers to, with registers in a buffer."""
        found = dict(self._constants)
        registers = {
            f"reg{k}": register
            for k, register in enumerate(buffer.registers(self._registers.sizes))
        }
        for (register, shape, dtype), name in self._arrays.items():
            found[name] = _ndarray(shape, dtype, registers[register])
        for (name, index), view in self._views.items():
            found[view] = index.view(found[name])
        for name, array in self._numbers.items():
            found[array] = np.empty((), self._nodes[int(name[1:])].dtype)
        for name, (n, rows, columns) in self._tables.items():
            found[name] = [
                _block(low, min(low + rows, n), [(found[c], local) for c, local in columns])
                for low in range(0, n, rows)
            ]
        return found


def _block(low: int, high: int, columns: Sequence[tuple[Any, bool]]) -> tuple[Any, ...]:
    """Return a block's bounds and the rows of each array; of a local one, the first rows."""
    parts = [a[: high - low] if local else a[low:high] for a, local in columns]
    return (low, high, *parts)


def _position(index: StridedMap, shape: tuple[int, ...]) -> Any:
    if len(shape) == 1:
        return index.offset
    return tuple(int(k) for k in np.unravel_index(index.offset, shape))


def _slices(index: StridedMap) -> str | None:
    """Return a map as basic slices, one for each axis; None if it is something else."""
    if len(index.shape) != len(index.source):
        return None
    rest = index.offset
    slices = []
    for unit, n, stride, length in zip(
        c_strides(index.source), index.shape, index.strides, index.source, strict=True
    ):
        start, rest = divmod(rest, unit)
        step = 1 if n == 1 else stride // unit
        if step < 1 or (n > 1 and stride != step * unit) or start + (n - 1) * step >= length:
            return None
        stop = start + (n - 1) * step + 1
        if start == 0 and step == 1 and stop == length:
            slices.append(":")
        else:
            slices.append(f"{start}:{stop}" + (f":{step}" if step > 1 else ""))
    return ", ".join(slices) if rest == 0 else None


def _around(index: StridedMap) -> list[StridedMap] | None:
    """Return the boxes of an array that lie around a box of it; None if it is something else."""
    box = index.box
    if box is None or not index.is_injective or any(axis.step != 1 for axis in box.axes):
        return None
    around = []
    inner = [(0, 1, n) for n in index.source]
    for d, (axis, n) in enumerate(zip(box.axes, index.source, strict=True)):
        length = 1 if axis.view_axis is None else box.shape[axis.view_axis]
        for start, stop in ((0, axis.start), (axis.start + length, n)):
            if stop > start:
                inner[d] = (start, 1, stop - start)
                around.append(box_map(index.source, tuple(inner)))
        inner[d] = (axis.start, 1, length)
    return around


def _is_name(code: str) -> bool:
    return code.isalnum()


def _spelled(value: Any) -> bool:
    """Whether ``repr`` gives a literal of Python."""
    return isinstance(value, bool | int | float) and value == value and abs(value) != float("inf")

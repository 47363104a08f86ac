"""A tape made ready to be run many times: straight-line NumPy calls into buffers that are reused.

`Program` plans the memory of a tape once: when each buffer is used for the last time, which
writes can be done in place, which buffers can share memory.  It writes one line of Python for
each operation; large results go into buffers that were allocated at the first run, so that a
repeated run allocates its outputs alone.  The arithmetic is NumPy's own, operation by operation,
on arrays that lie in memory as they did when the function was recorded, so that a run gives the
same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    ITEM,
    SCATTER,
    SCATTER_ADD,
    SUM,
    WHERE,
    elementwise,
    scatter_add_into,
    scatter_into,
)
from revolve_ad.ad.interpreter import Interpreter
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import Node, Tape, live_nodes

__all__ = ["Program", "c_ordered"]

# Below this size an allocation costs less than the argument that would avoid it.
REUSE_BYTES = 1 << 13

_ndarray = np.ndarray


class Program:
    """A tape made ready to be run many times.

    Parameters
    ----------
    tape : Tape
        What to run.

    Attributes
    ----------
    bytes : int
        Array bytes that a run holds at its peak, beside inputs, outputs and constants.
    n_operations : int
        Operations that a run executes.
    source : str
        The generated code.
    """

    __slots__ = ("_code", "_idle", "_plan", "bytes", "n_operations", "source")

    def __init__(self, tape: Tape) -> None:
        self._plan = plan = _Plan(tape)
        self.source = plan.source
        self.bytes = plan.peak
        self.n_operations = plan.n_operations
        self._code = compile(plan.source, "<tape>", "exec")
        self._idle: list[Any] = []

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Run the tape; safe in several threads.

        Parameters
        ----------
        values : sequence
            An array or NumPy scalar for each input of the tape.

        Returns
        -------
        list
            The outputs; arrays in memory of their own.
        """
        idle = self._idle
        try:
            run = idle.pop()
        except IndexError:
            run = self._workspace()
        try:
            return run(*values)  # type: ignore[no-any-return]
        finally:
            idle.append(run)

    def _workspace(self) -> Any:
        """Return the function with buffers of its own."""
        namespace = self._plan.namespace()
        exec(self._code, namespace)
        return namespace["run"]

    def __reduce__(self) -> Any:
        return Program, (self._plan.tape,)


def c_ordered(nodes: Sequence[Node]) -> list[bool]:
    """Return for each value whether it surely lies in C order, or is a slice of what does."""
    ordered: list[bool] = []
    for node in nodes:
        op = node.op
        if op is CONSTANT:
            found = bool(node.params[0].value.flags.c_contiguous)
        elif op in (INPUT, FULL) or node.shape == ():
            found = True  # other inputs are refused when a run begins
        elif op is GATHER:
            index = node.params[0]
            steps = [s for s, n in zip(index.strides, index.shape, strict=True) if n > 1]
            downward = all(s > 0 for s in steps) and steps == sorted(steps, reverse=True)
            found = ordered[node.args[0]] and downward
        elif op in (SCATTER, SCATTER_ADD):
            found = ordered[node.args[0]]
        elif op is SUM or op.ufunc is not None or op in (WHERE, CAST):
            found = node.results is None and all(
                ordered[a] and nodes[a].op is not BROADCAST for a in node.args
            )
        else:
            found = False
        ordered.append(found)
    return ordered


class _Storage:
    """Memory that one value after another lives in: a result, then what is written into it."""

    __slots__ = ("first", "last", "name", "nbytes", "node")

    def __init__(self, node: int, nbytes: int) -> None:
        self.node = node
        self.nbytes = nbytes
        self.first = self.last = node
        self.name = ""


class _Plan:
    """The code of a tape and the memory that it needs."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.nodes = tape.nodes
        live = live_nodes(tape.nodes, tape.outputs)
        self.order = [i for i in range(len(tape.nodes)) if live[i] or i in tape.inputs]
        self.constants: dict[str, Any] = {
            "ndarray": _ndarray,
            "empty": np.empty,
            "copyto": np.copyto,
            "otherwise": self._interpret,
            "scatter_into": scatter_into,
            "scatter_add_into": scatter_add_into,
        }
        # The constants keep the objects alive, so that their identities stay theirs.
        self.named = {id(value): name for name, value in self.constants.items()}
        self.names: dict[int, str] = {}
        self.views: list[tuple[str, str, StridedMap]] = []
        self.buffers: list[tuple[str, int]] = []  # name of a register, its bytes
        self.arrays: list[
            tuple[str, str, tuple[int, ...], Any]
        ] = []  # name, register, shape, dtype
        self.lines: list[str] = []
        self.n_operations = 0
        self._storages()
        self._assign()
        self._write()
        self.source = "\n".join(self.lines) + "\n"

    # -- which value lives where -------------------------------------------------------------------

    def _storages(self) -> None:
        """Find the storage of each value, and the last use of each storage through any view."""
        nodes = self.nodes
        self._find_subtractions()
        negations = {i: j for j, i in self.subtracted.items()}
        users: dict[int, int] = {}
        origin: dict[int, int] = {}
        for i in self.order:
            node = nodes[i]
            shares = node.op in (GATHER, BROADCAST) and node.shape != ()
            origin[i] = origin[node.args[0]] if shares or node.op is ITEM else i
            for a in node.args:
                # The operand of a negation that is subtracted instead is read at the subtraction.
                users[origin[a]] = max(users.get(origin[a], 0), negations.get(i, i))
        end = len(nodes)
        for i in self.tape.outputs:
            users[origin[i]] = end
        self.origin, self.last_use = origin, users
        # A scatter takes over the memory of its base where nobody needs the base any more.
        self.storage: dict[int, _Storage] = {}
        self.in_place: set[int] = set()
        self.ordered = c_ordered(nodes)
        for i in self.order:
            node = nodes[i]
            if origin[i] != i or node.shape == () or node.results is not None:
                continue
            if node.op in (INPUT, CONSTANT) or i in negations:
                continue
            if node.op in (SCATTER, SCATTER_ADD):
                base = node.args[0]
                if (
                    base in self.storage
                    and origin[base] == base
                    and users.get(base) == i
                    and self.ordered[base]
                    and origin[node.args[1]] != base
                    and (
                        i not in self.subtracted
                        or origin[nodes[self.subtracted[i]].args[0]] != base
                    )
                ):
                    self.storage[i] = self.storage[base]
                    self.in_place.add(i)
                    continue
            self.storage[i] = _Storage(i, prod(node.shape) * node.dtype.itemsize)
        for i, storage in self.storage.items():
            storage.last = max(storage.last, users.get(i, i))
        self._direct_writes()

    def _direct_writes(self) -> None:
        """Find elementwise results that can be computed right into the box that they are for.

        ``a[box] *= b`` is a product and a scatter of it; where nothing else uses the product, and
        nothing between the two looks at the array, the product is computed in place.
        """
        nodes = self.nodes
        self.direct: dict[int, int] = {}
        uses: dict[int, list[int]] = {}
        for i in self.order:
            for a in nodes[i].args:
                uses.setdefault(a, []).append(i)
        for i in self.tape.outputs:
            uses.setdefault(i, []).append(len(nodes))
        position = {i: p for p, i in enumerate(self.order)}
        for j in self.order:
            node = nodes[j]
            if node.op is not SCATTER or j not in self.storage:
                continue
            base, i = node.args
            value, index = nodes[i], node.params[0]
            if (
                value.op.ufunc is None
                or value.results is not None
                or uses[i] != [j]
                or value.shape != index.shape
                or value.shape == ()
                or value.dtype != node.dtype
                or not self.ordered[i]
                or not self.ordered[base]
                or self.storage[j].nbytes < REUSE_BYTES
                or not index.is_injective
            ):
                continue
            between = self.order[position[i] + 1 : position[j]]
            root = self.origin[base]
            if any(self.origin[a] == root for k in between for a in nodes[k].args):
                continue
            if position[base] >= position[i] and nodes[base].op is not INPUT:
                continue
            if any(self.origin.get(k) == root for k in between):
                continue
            self.direct[i] = j
            if j not in self.in_place:
                self.storage[j].node = i
            del self.storage[i]

    def _wants_register(self, i: int) -> bool:
        node = self.nodes[i]
        if not self.ordered[i]:
            return False
        return (
            node.op in (FULL, SCATTER, SCATTER_ADD, CAST, SUM) or node.op.ufunc is not None
        ) and self.storage[i].nbytes >= REUSE_BYTES

    def _assign(self) -> None:
        """Give each storage a name: an output's own array, a register, or a fresh array."""
        outputs = [self.origin[i] for i in self.tape.outputs]
        self.result: list[tuple[str, bool]] = []
        own: dict[int, str] = {}
        for number, i in enumerate(self.tape.outputs):
            storage = self.storage.get(i)
            alone = outputs.count(self.origin[i]) == 1 and self.origin[i] == i
            if alone and storage is not None and storage.first in self.storage:
                born = self.direct.get(storage.node, storage.node)
                if self._wants_register(born) and id(storage) not in own:
                    own[id(storage)] = storage.name = f"out{number}"
        free: list[tuple[int, str]] = []
        held = 0
        self.peak = 0
        ends: dict[int, list[_Storage]] = {}
        small = 0
        for i in self.order:
            storage = self.storage.get(self.direct.get(i, i))
            if storage is not None and storage.node == i:
                ends.setdefault(storage.last, []).append(storage)
                if storage.name:
                    pass
                elif self._wants_register(self.direct.get(i, i)):
                    dying = None if i in self.direct else self._spare_operand(i)
                    if dying is not None:
                        storage.name = dying.name
                        dying.name = f"({dying.name})"  # given on: not free at its end
                    else:
                        storage.name = self._take(free, storage.nbytes)
                else:
                    small += storage.nbytes
                    held = max(held, small)
            for done in ends.pop(i, ()):
                if done.name.startswith("reg"):
                    _, nbytes = self.buffers[int(done.name.removeprefix("reg"))]
                    free.append((nbytes, done.name))
                elif not done.name:
                    small -= done.nbytes
        self.peak = held + sum(n for _, n in self.buffers)

    def _spare_operand(self, i: int) -> _Storage | None:
        """Return the storage of an operand that nobody needs after this elementwise operation."""
        node = self.nodes[i]
        if node.op.ufunc is None:
            return None
        for a in node.args:
            storage = self.storage.get(a)
            if (
                storage is not None
                and storage.name.startswith("reg")
                and storage.last == i
                and self.origin[a] == a
                and self.nodes[a].shape == node.shape
                and self.nodes[a].dtype == node.dtype
                # No other operand may be a shifted view of the same memory.
                and all(
                    b == a or self.storage.get(self.origin[b]) is not storage for b in node.args
                )
            ):
                return storage
        return None

    def _take(self, free: list[tuple[int, str]], nbytes: int) -> str:
        fitting = [entry for entry in free if nbytes <= entry[0] <= 2 * nbytes]
        if fitting:
            best = min(fitting)
            free.remove(best)
            return best[1]
        name = f"reg{len(self.buffers)}"
        self.buffers.append((name, nbytes))
        return name

    # -- the code ----------------------------------------------------------------------------------

    def _write(self) -> None:
        nodes = self.nodes
        arguments = []
        body: list[str] = []
        for i in self.tape.inputs:
            self.names[i] = name = f"x{i}"
            arguments.append(name)
            if nodes[i].shape != ():
                # Sums depend on the order in which elements lie: the plan is for C order.
                body.append(f"if not {name}.flags.c_contiguous: return otherwise([{{arguments}}])")
        # A value that the code makes is forgotten after its last use.
        forget: dict[int, list[str]] = {}
        for i in self.order:
            node = nodes[i]
            if node.op is INPUT:
                continue
            if node.op is CONSTANT or (node.op is FULL and node.shape == ()):
                self.names[i] = self._constant(i, node)
                continue
            made = self._line(i, node, body)
            self.n_operations += 1
            if made:
                root = self.origin[i]
                storage = self.storage.get(root)
                last = storage.last if storage is not None else self.last_use.get(root, i)
                if node.shape != () or node.results is not None:
                    forget.setdefault(max(last, i), []).append(self.names[i])
            for name in forget.pop(i, ()):
                body.append(f"{name} = None")
        returned = []
        counts: dict[str, int] = {}
        for i in self.tape.outputs:
            name = self.names[i]
            node = nodes[i]
            storage = self.storage.get(i)
            owned = (
                storage is not None
                and not storage.name.startswith(("reg", "("))
                and self.origin[i] == i
                and counts.setdefault(name, 0) == 0
                and [self.origin[o] for o in self.tape.outputs].count(i) == 1
            )
            counts[name] = 1
            returned.append(name if node.shape == () or owned else f"{name}.copy()")
        listed = ", ".join(arguments)
        self.lines += [f"def run({listed}):"]
        self.lines += [f"    {line.replace('{arguments}', listed)}" for line in body]
        self.lines += [f"    return [{', '.join(returned)}]"]

    def _constant(self, i: int, node: Node) -> str:
        name = f"c{i}"
        self.constants[name] = node.op.evaluate(*node.params)
        return name

    def _value(self, what: str, value: Any) -> str:
        """Name an object that the code uses."""
        name = self.named.get(id(value))
        if name is None:
            name = self.named[id(value)] = f"{what}{len(self.constants)}"
            self.constants[name] = value
        return name

    def _array(self, i: int, body: list[str]) -> str:
        """Return the name of the array that value `i` is written into."""
        node = self.nodes[i]
        storage = self.storage[i]
        if storage.name.startswith("out"):
            body.append(f"{storage.name} = empty({node.shape}, {self._value('dtype', node.dtype)})")
            return storage.name
        register = storage.name.strip("()")
        for name, reg, shape, dtype in self.arrays:
            if reg == register and shape == node.shape and dtype == node.dtype:
                return name
        name = f"a{len(self.arrays)}"
        self.arrays.append((name, register, node.shape, node.dtype))
        return name

    def _view(self, name: str, node: int, index: StridedMap) -> str:
        """Return the code of a view of an array."""
        if any(name == array for array, *_ in self.arrays):
            for view, array, known in self.views:
                if array == name and known is index:
                    return view
            view = f"w{len(self.views)}"
            self.views.append((view, name, index))
            return view
        dtype = self.nodes[node].dtype
        known_order = self.origin[node] == node and (
            self.nodes[node].op is INPUT or self.storage.get(node, _NONE).name.startswith("out")
        )
        if known_order and index.size:
            strides = tuple(s * dtype.itemsize for s in index.strides)
            offset = index.offset * dtype.itemsize
            kind = self._value("dtype", dtype)
            return f"ndarray({index.shape}, {kind}, {name}, {offset}, {strides})"
        return f"{self._value('map', index)}.view({name})"

    def _line(self, i: int, node: Node, body: list[str]) -> bool:
        """Write the line of an operation; return whether it binds a name to be forgotten."""
        op = node.op
        names = [self.names[a] for a in node.args]
        name = f"v{i}"
        if i in self.subtracted.values():
            self.names[i] = names[0]
            return False
        if op is GATHER and node.shape != ():
            code = self._view(names[0], node.args[0], node.params[0])
            if code.startswith("w") and code[1:].isdigit():
                self.names[i] = code
                return False
            self.names[i] = name
            body.append(f"{name} = {code}")
            return True
        if op is GATHER:
            index = node.params[0]
            source = self.nodes[node.args[0]]
            self.names[i] = name
            position = index.offset
            if len(source.shape) != 1:
                position = tuple(int(k) for k in np.unravel_index(index.offset, source.shape))
            body.append(f"{name} = {names[0]}[{position}]")
            return True
        if i in self.direct:
            j = self.direct[i]
            target = self._target(j, self.nodes[j], self.names[self.nodes[j].args[0]], body)
            self.names[j] = target
            view = self._view(
                target,
                j if j not in self.in_place else self.nodes[j].args[0],
                self.nodes[j].params[0],
            )
            self.names[i] = view
            body.append(f"{self._value(op.name, op.ufunc)}({', '.join([*names, view])})")
            return False
        if op in (SCATTER, SCATTER_ADD):
            if i in self.names:  # written already, by its value
                return self.names[i].startswith("v") and i not in self.in_place
            return self._scatter(i, node, names, body)
        storage = self.storage.get(i)
        if storage is not None and storage.name:
            target = self.names[i] = self._array(i, body)
            if op is FULL:
                body.append(
                    f"{target}.fill({node.params[0]!r})"
                    if _spelled(node.params[0])
                    else f"{target}.fill({self._value('number', node.dtype.type(node.params[0]))})"
                )
            elif op is CAST:
                body.append(f"copyto({target}, {names[0]}, 'unsafe')")
            elif op is SUM:
                axes, keepdims = node.params
                reduce = self._value("reduce", np.add.reduce)
                body.append(f"{reduce}({names[0]}, {axes}, None, {target}, {keepdims})")
            else:
                assert op.ufunc is not None
                body.append(f"{self._value(op.name, op.ufunc)}({', '.join([*names, target])})")
            return target.startswith("out") and i not in self.tape.outputs
        self.names[i] = name
        symbol = _OPERATORS.get(op.name) if node.shape == () and op.ufunc is not None else None
        if symbol is not None and len(names) == 2 and node.dtype.kind == "f":
            body.append(f"{name} = {names[0]} {symbol} {names[1]}")
        elif op.ufunc is not None:
            body.append(f"{name} = {self._value(op.name, op.ufunc)}({', '.join(names)})")
        else:
            params = [
                repr(p) if type(p) in (int, bool) else self._value("p", p) for p in node.params
            ]
            function = self._value("f", op.evaluate)
            body.append(f"{name} = {function}({', '.join([*names, *params])})")
        return True

    def _find_subtractions(self) -> None:
        """Find negations that are only added somewhere: x + (−y) is x − y, with a pass less."""
        nodes = self.nodes
        users: dict[int, list[int]] = {}
        for i in self.order:
            for a in nodes[i].args:
                users.setdefault(a, []).append(i)
        for i in self.tape.outputs:
            users.setdefault(i, []).append(-1)
        self.subtracted: dict[int, int] = {}
        for j in self.order:
            node = nodes[j]
            if node.op is SCATTER_ADD and node.params[0].is_injective and node.shape != ():
                i = node.args[1]
                if nodes[i].op is _NEGATIVE and users[i] == [j] and nodes[i].shape != ():
                    self.subtracted[j] = i

    def _target(self, i: int, node: Node, base: str, body: list[str]) -> str:
        """Return the name of the array that a scatter writes into; a copy if need be."""
        if i in self.in_place:
            return base
        if self.storage[i].name:
            target = self._array(i, body)
            body.append(f"copyto({target}, {base})")
        else:
            target = f"v{i}"
            body.append(f"{target} = {base}.copy()")
        return target

    def _scatter(self, i: int, node: Node, names: list[str], body: list[str]) -> bool:
        index = node.params[0]
        storage = self.storage.get(i)
        into = "scatter_into" if node.op is SCATTER else "scatter_add_into"
        if storage is None:  # of shape ()
            self.names[i] = f"v{i}"
            function = self._value("f", node.op.evaluate)
            body.append(f"v{i} = {function}({names[0]}, {names[1]}, {self._value('map', index)})")
            return True
        target = self._target(i, node, names[0], body)
        self.names[i] = target
        if node.op is SCATTER_ADD and not index.is_injective:
            body.append(f"{into}({target}, {names[1]}, {self._value('map', index)})")
        elif index.shape == ():
            source = node.shape
            position: Any = index.offset
            if len(source) != 1:
                position = tuple(int(k) for k in np.unravel_index(index.offset, source))
            sign = "=" if node.op is SCATTER else "-=" if i in self.subtracted else "+="
            body.append(f"{target}[{position}] {sign} {names[1]}")
        else:
            view = self._view(target, i if i not in self.in_place else node.args[0], index)
            if node.op is SCATTER:
                body.append(
                    f"{view}[...] = {names[1]}"
                    if view[0] == "w"
                    else f"copyto({view}, {names[1]}, 'unsafe')"
                )
            else:
                subtracted = i in self.subtracted
                add = self._value(
                    "subtract" if subtracted else "add", np.subtract if subtracted else np.add
                )
                if not (view[0] == "w" and view[1:].isdigit()):
                    body.append(f"t = {view}")
                    view = "t"
                body.append(f"{add}({view}, {names[1]}, {view})")
        return target.startswith("v") and i not in self.in_place

    def _interpret(self, values: list[Any]) -> list[Any]:
        return Interpreter(self.tape).run(values)

    def namespace(self) -> dict[str, Any]:
        """Return what the code refers to, with new buffers."""
        found = dict(self.constants)
        registers = {name: np.empty(nbytes, np.uint8) for name, nbytes in self.buffers}
        for name, register, shape, dtype in self.arrays:
            found[name] = _ndarray(shape, dtype, registers[register])
        for view, name, index in self.views:
            found[view] = index.view(found[name])
        return found


_NONE = _Storage(-1, 0)
_NEGATIVE = elementwise(np.negative)
_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def _spelled(value: Any) -> bool:
    """Whether ``repr`` gives a literal of Python."""
    return isinstance(value, bool | int | float) and value == value and abs(value) != float("inf")

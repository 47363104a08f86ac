"""Derivatives of NumPy functions: grad, value_and_grad, vjp, jvp, hvp, jacobian, hessian."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.core import CONSTANT, INPUT, Frozen
from revolve_ad.ad.passes import transform
from revolve_ad.ad.recording.call import Recording, trace
from revolve_ad.ad.recording.inlining import inline
from revolve_ad.ad.repeated import Repeated
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.running.ordering import made_late
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.running.together import gains_together, run_together
from revolve_ad.ad.tape import Node, Tape, live_nodes
from revolve_ad.ad.traced import is_traced, plain
from revolve_ad.errors import (
    NotDifferentiableError,
    ParameterError,
    ShapeError,
    UnsupportedOperationError,
)

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "ravel",
    "value_and_grad",
    "vjp",
]


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return the function that gives the value of `f` and its gradient.

    Parameters
    ----------
    f : callable
        A function in plain NumPy that returns one real number.
    argnums : int or tuple of int
        Which arguments to differentiate with respect to.

    Returns
    -------
    callable
        ``(*args) -> (value, gradient)``.  The gradient has the structure of the argument, its
        leaves their shapes and dtypes; with a tuple of `argnums` it is a tuple.  Integer arrays
        get zeros, a Python int counts as a float.  For complex leaves the gradient is
        2·∂f/∂conj(z), the direction of steepest ascent under Re Σ conj(a)·b.

    Raises
    ------
    NotDifferentiableError
        If the result isn't one real number, or an argument has only integers.
    """
    numbers = _argument_numbers(argnums)
    repeated = Repeated(f)

    def value_and_gradient(*args: Any) -> tuple[Any, Any]:
        found = repeated.run(args)
        if found is None:
            sight = repeated.look()
            call = _Call(f, args, numbers)
            call.require_scalar()
            value = call.value
            if sight is not None:
                repeated.keep(call.recording, call.args, call.argnums, sight)
            gradients = call.pull_back([np.array(1, call.output_dtypes[0])], last=True)
        else:
            value, gradients = found
        return value, gradients if isinstance(argnums, tuple | list) else gradients[0]

    return value_and_gradient


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that gives the gradient of `f`; see `value_and_grad`."""
    both = value_and_grad(f, argnums)

    def gradient(*args: Any) -> Any:
        return both(*args)[1]

    return gradient


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return the value of ``f(*args)`` and its pullback.

    Returns
    -------
    value : object
        The result.
    pullback : callable
        ``pullback(cotangent)``, with the structure of the value, gives a tuple of cotangents, one
        for each argument, with its structure.  It may be called again.
    """
    call = _Call(f, args, tuple(range(len(args))), strict=False)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return call.pull_back(call.cotangents(cotangent))

    return call.value, pullback


def jvp(f: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of ``f(*args)`` and its derivative along `tangents`.

    Parameters
    ----------
    f : callable
        A function in plain NumPy.
    args, tangents : sequence
        The arguments, and a tangent for each, of the same structure and shapes.

    Returns
    -------
    value, tangent : object
        Both with the structure of the result; the tangent of an integer leaf is zeros.
    """
    if len(args) != len(tangents):
        raise ParameterError(
            f"{len(args)} arguments came with {len(tangents)} tangents; give one each"
        )
    call = _Call(f, tuple(args), tuple(range(len(args))), strict=False)
    return call.value, call.push_forward(tangents)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the Hessian of the scalar function `f` at `x` times `v`.

    The reverse mode of the forward mode: the cost is a few times that of the gradient.  `v` and
    the result have the structure of `x`.
    """
    call = _Call(f, (x,), (0,))
    call.require_scalar()
    return call.hessian_product(v)


def jacobian(f: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return the function that gives the Jacobian of `f` at an array `x`.

    The result has shape ``f(x).shape + x.shape``.  Rows come from reverse mode if `f` has fewer
    results than `x` has elements, or has a part without a forward mode, such as a simulation whose
    step branches on values; else columns come from forward mode.
    """

    def jacobian_at(x: Any) -> Any:
        call = _Call(f, (_one_array(x),), (0,))
        if len(call.output_dtypes) != 1:
            raise NotDifferentiableError(
                "jacobian takes a function that returns one array; return np.concatenate of "
                "the parts"
            )
        return call.jacobian()

    return jacobian_at


def hessian(f: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return the function that gives the Hessian of the scalar function `f` at an array `x`.

    The result has shape ``x.shape + x.shape``.
    """

    def hessian_at(x: Any) -> Any:
        x = _one_array(x)
        call = _Call(f, (x,), (0,))
        call.require_scalar()
        shape, n = np.shape(plain(x)), np.size(plain(x))
        columns = []
        for j in range(n):
            v = np.zeros(n, call.input_dtypes[0])
            v[j] = 1
            columns.append(call.hessian_product(v.reshape(shape)[()]))
        return np.stack(columns, axis=-1).reshape(shape + shape) if n else np.zeros(shape + shape)

    return hessian_at


def ravel(params: Any) -> tuple[np.ndarray, Callable[[Any], Any]]:
    """Return structured params as one flat float vector, and the way back.

    Returns
    -------
    x : ndarray, shape (n,)
        All leaves one after the other, float64 (complex leaves: real, then imaginary parts).
    unravel : callable
        ``unravel(x)`` gives the params back, with the leaves' shapes and dtypes; it is
        differentiable.

    Raises
    ------
    NotDifferentiableError
        If a leaf is an array of integers or booleans.
    """
    leaves, structure = trees.flatten(params, "params")
    shapes = [np.shape(plain(leaf)) for leaf in leaves]
    dtypes = [np.asarray(plain(leaf)).dtype for leaf in leaves]
    for path, dtype, leaf in zip(structure.paths("params"), dtypes, leaves, strict=True):
        if dtype.kind not in "fc" and not _is_python_number(leaf):
            raise NotDifferentiableError(
                f"{path} has dtype {dtype}: only floats go into a vector for an optimiser. Keep it "
                f"out of the params, or make it a float"
            )
    parts: list[Any] = []
    for leaf, dtype in zip(leaves, dtypes, strict=True):
        flat = np.reshape(np.asarray(leaf), -1)
        parts += [np.real(flat), np.imag(flat)] if dtype.kind == "c" else [flat]
    x = np.concatenate([p.astype(float) for p in parts]) if parts else np.zeros(0)

    def unravel(x: Any) -> Any:
        out = []
        start = 0
        for shape, dtype in zip(shapes, dtypes, strict=True):
            n = int(np.prod(shape))
            part = x[start : start + n]
            start += n
            if dtype.kind == "c":
                part = part + 1j * x[start : start + n]
                start += n
            if dtype.kind in "fc" and dtype != part.dtype:
                part = part.astype(dtype)
            out.append(np.reshape(part, shape) if shape else part[0])
        return structure.unflatten(out)

    return x, unravel


def _is_python_number(x: Any) -> bool:
    return type(x) in (int, float, complex)


def _one_array(x: Any) -> Any:
    if not is_traced(x) and not isinstance(x, np.ndarray | np.generic | int | float | complex):
        raise ParameterError(
            "x must be one array or number; for structured params differentiate in the vector: "
            "x, unravel = ra.ravel(params)"
        )
    return x


class _Call:
    """One recorded call, with what is asked of it."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        argnums: tuple[int, ...],
        *,
        strict: bool = True,
    ) -> None:
        n = len(args)
        for k in argnums:
            if not -n <= k < n:
                raise ParameterError(f"argnums names argument {k}, but {n} arguments came")
        self.argnums = tuple(k % n for k in argnums)
        prepared = list(args)
        for k in self.argnums:
            if _is_float_array(prepared[k]):
                continue
            prepared[k] = trees.map(_float_if_int, prepared[k])
            if strict:
                _require_floats(prepared[k], k)
        self.args = tuple(prepared)
        self.recording: Recording = trace(f, self.args, keep=True)
        tape = self.recording.tape
        self.leaves: list[Any] = []
        self.structures = []
        self.positions = []  # of the leaves of each argument among the tape's inputs
        for arg in self.args:
            leaves, structure = trees.flatten(arg, "argument")
            self.positions.append(range(len(self.leaves), len(self.leaves) + len(leaves)))
            self.structures.append(structure)
            self.leaves += leaves
        self.wrt = [p for k in self.argnums for p in self.positions[k]]
        self.traced = bool(self.recording.hidden) or any(map(is_traced, self.leaves))
        self.output_dtypes = [tape.nodes[i].dtype for i in tape.outputs]
        self.input_dtypes = [tape.nodes[tape.inputs[p]].dtype for p in self.wrt]
        self._tapes: dict[str, Tape] = {}

    @property
    def value(self) -> Any:
        """The result: plain, or traced if the arguments were."""
        if not self.traced:
            return trees.map(_own, self.recording.value)
        outputs = self._run(self.recording.tape, [])
        return self.recording.structure.unflatten(outputs)

    def require_scalar(self) -> None:
        """Refuse a result that isn't one real number."""
        tape = self.recording.tape
        types = [tape.type_of(i) for i in tape.outputs]
        if len(types) == 1 and types[0].shape == () and types[0].dtype.kind == "f":
            return
        came = " and ".join(f"{t.dtype}{list(t.shape)}" for t in types)
        if not came:
            raise NotDifferentiableError(
                "the function returned None; a gradient is that of one real number. End it with "
                "return, and give a Simulation observe= where Run.observed is read: else that is "
                "None"
            )
        raise NotDifferentiableError(
            f"the function returned {came}; a gradient is that of one real number. Sum it up "
            f"(np.sum), take the real part, or use ra.vjp or ra.jacobian"
        )

    def _run(self, tape: Tape, extra: list[Any], *, last: bool = False) -> list[Any]:
        """Run a tape that continues the recorded one, on the arguments and further inputs.

        In the `last` run the recording goes: its constants at once, its values as the run comes
        past them.
        """
        known = self.recording.values
        if self.traced:
            return inline(tape, [*self.leaves, *self.recording.hidden, *extra], known)
        n_hidden = len(self.recording.tape.inputs) - len(self.leaves)
        run = _prepared(tape, known)
        values = [*self.leaves, *[None] * n_hidden, *extra]
        if last:
            del self.recording
        return run(values, known if last else known.copy())

    def _transformed(self, kind: str) -> Tape:
        """Return the tape of a derivative, made once."""
        tape = self._tapes.get(kind)
        if tape is None:
            tape = self._tapes[kind] = _transformed(kind, self.recording, tuple(self.wrt))
        return tape

    def pull_back(self, cotangents: list[Any], *, last: bool = False) -> tuple[Any, ...]:
        """Return the cotangents of the differentiated arguments; `last` as in `_run`."""
        tape = self._transformed("vjp")
        flat = iter(self._run(tape, cotangents, last=last))
        return tuple(
            self.structures[k].unflatten([next(flat) for _ in self.positions[k]])
            for k in self.argnums
        )

    def pull_back_each(self, each: Sequence[list[Any]]) -> list[tuple[Any, ...]]:
        """Return what `pull_back` gives for several cotangents."""
        tape = self._transformed("vjp")
        if self.traced or len(each) < 2 or not gains_together(tape):
            return [self.pull_back(cotangents) for cotangents in each]
        recording = self.recording
        n_hidden = len(recording.tape.inputs) - len(self.leaves)
        values = [*self.leaves, *[None] * n_hidden]
        return [
            tuple(
                self.structures[k].unflatten([_own(next(flat)) for _ in self.positions[k]])
                for k in self.argnums
            )
            for flat in map(iter, run_together(tape, values, each, recording.values))
        ]

    def cotangents(self, cotangent: Any) -> list[Any]:
        """Return the leaves of a cotangent of the result, checked."""
        structure = self.recording.structure
        trees.require_same(structure, trees.flatten(cotangent, "cotangent")[1], "cotangent")
        leaves = trees.flatten(cotangent, "cotangent")[0]
        return _fitted(
            leaves, structure.paths("cotangent"), self.recording.tape, self.recording.tape.outputs
        )

    def _tangents(self, tangents: Sequence[Any]) -> list[Any]:
        flat = []
        for k, tangent in zip(self.argnums, tangents, strict=True):
            trees.require_same(self.structures[k], trees.flatten(tangent, "tangent")[1], "tangent")
            leaves = trees.flatten(tangent, "tangent")[0]
            where = [self.recording.tape.inputs[p] for p in self.positions[k]]
            paths = self.structures[k].paths("tangent")
            flat += _fitted(leaves, paths, self.recording.tape, where)
        return flat

    def push_forward(self, tangents: Sequence[Any]) -> Any:
        """Return the tangent of the result."""
        tape = self._transformed("jvp")
        found = self._run(tape, self._tangents(tangents))
        return self.recording.structure.unflatten(found)

    def goes_forward(self) -> bool:
        """Whether every operation has a forward mode; nothing is run to find out."""
        try:
            self._transformed("jvp")
        except (NotDifferentiableError, UnsupportedOperationError):
            return False
        return True

    def hessian_product(self, v: Any) -> Any:
        """Return the Hessian times `v`, for a scalar function of one argument."""
        tape = self._transformed("hvp")
        one = np.ones((), self.output_dtypes[0])
        found = self._run(tape, [*self._tangents([v]), one])
        return self.structures[self.argnums[0]].unflatten(found)

    def jacobian(self) -> Any:
        """Return the Jacobian of one array with respect to one array."""
        tape = self.recording.tape
        out, x = tape.type_of(tape.outputs[0]), tape.type_of(tape.inputs[self.wrt[0]])
        n_out, n_x = int(np.prod(out.shape)), int(np.prod(x.shape))
        reverse = n_out <= n_x or not self.goes_forward()
        if out.dtype.kind == "c" or x.dtype.kind == "c":
            raise NotDifferentiableError(
                "jacobian of complex arrays isn't one matrix; differentiate real and "
                "imaginary parts"
            )
        n, one = (n_out, out) if reverse else (n_x, x)
        seeds = []
        for j in range(n):
            unit = np.zeros(n, one.dtype)
            unit[j] = 1
            seeds.append([unit.reshape(one.shape)[()]])
        if reverse:
            slices = [cotangents[0] for cotangents in self.pull_back_each(seeds)]
        else:
            slices = [self.push_forward(seed) for seed in seeds]
        if not slices:
            return np.zeros(out.shape + x.shape)
        if reverse:
            return np.reshape(np.stack(slices), out.shape + x.shape)
        return np.reshape(np.stack(slices, axis=-1), out.shape + x.shape)


def _argument_numbers(argnums: Any) -> tuple[int, ...]:
    numbers = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if not all(isinstance(k, int | np.integer) and not isinstance(k, bool) for k in numbers):
        raise ParameterError(
            f"argnums is {argnums!r}; give the number of an argument, counted from 0, or a tuple "
            f"of such numbers. Arguments have no names here."
        )
    return tuple(map(int, numbers))


def _is_float_array(arg: Any) -> bool:
    return type(arg) is np.ndarray and arg.dtype.kind == "f"


def _float_if_int(leaf: Any) -> Any:
    return float(leaf) if type(leaf) is int else leaf


def _own(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return leaf.copy()
    return np.asarray(leaf)[()] if _is_python_number(leaf) else leaf


def _require_floats(arg: Any, k: int) -> None:
    leaves, structure = trees.flatten(arg, f"argument {k}")
    kinds = [np.asarray(plain(leaf)).dtype for leaf in leaves]
    if leaves and not any(d.kind in "fc" for d in kinds):
        what = ", ".join(
            f"{p}: {d}" for p, d in zip(structure.paths(f"argument {k}"), kinds, strict=True)
        )
        raise NotDifferentiableError(
            f"argument {k} holds only integers or booleans ({what}), which have no derivative. "
            f"Make it a float array, x.astype(float), or differentiate another argument (argnums)"
        )


def _fitted(leaves: list[Any], paths: Sequence[str], tape: Tape, where: Sequence[int]) -> list[Any]:
    """Return leaves in the dtype of the nodes that they belong to, after a look at their shapes."""
    out = []
    for leaf, path, i in zip(leaves, paths, where, strict=True):
        node = tape.nodes[i]
        if is_traced(leaf):
            out.append(leaf)
            continue
        array = np.asarray(leaf)
        if array.shape != node.shape:
            raise ShapeError(
                f"{path} has shape {array.shape}, but the value that it belongs to has {node.shape}"
            )
        if array.dtype.kind == "c" and node.dtype.kind == "f":
            raise NotDifferentiableError(
                f"{path} is complex, but the value that it belongs to is real"
            )
        out.append(array.astype(node.dtype) if node.dtype.kind in "fc" else array)
    return out


# -- programs, kept by what they compute --------------------------------------------------------


class _Key:
    """A long key, of which the hash is computed once."""

    __slots__ = ("_hash", "_value")

    def __init__(self, value: tuple[Any, ...]) -> None:
        self._value = value
        self._hash = hash(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._value == other._value


class _Kept:
    """A bounded table of what was prepared, by key; the longest unused goes first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.entries: OrderedDict[Any, Any] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: _Key, make: Callable[[], Any]) -> Any:
        with self.lock:
            found = self.entries.get(key)
            if found is not None:
                self.entries.move_to_end(key)
                return found
        made = make()
        with self.lock:
            self.entries[key] = made
            while len(self.entries) > self.size:
                self.entries.popitem(last=False)
        return made


_tapes = _Kept(64)
_MOST_NODES = 50_000


def _shape_of_tape(recording: Recording) -> Any:
    """Return a key that is equal for tapes of the same operations on other constants."""
    tape = recording.tape
    nodes = tuple([(n.op, n.shape, n.dtype) if n.op is CONSTANT else n for n in tape.nodes])
    return nodes, tape.inputs, tape.outputs, tuple(recording.values)


def _transformed(kind: str, recording: Recording, wrt: tuple[int, ...]) -> Tape:
    tape = recording.tape

    def make() -> Tape:
        if kind == "vjp":
            return transform.vjp(tape, wrt)
        forward = transform.jvp(tape, wrt)
        n = len(tape.outputs)
        tangents = Tape(
            forward.nodes, forward.inputs, forward.outputs[n:], forward.depends_on_values
        )
        return tangents if kind == "jvp" else transform.vjp(tangents, wrt)

    if len(tape.nodes) > _MOST_NODES:
        return make()
    try:
        key = _Key((kind, wrt, _shape_of_tape(recording)))
    except TypeError:  # a parameter that can't be hashed
        return make()
    return _tapes.get(key, lambda: _without_constants(make(), recording))  # type: ignore[no-any-return]


class _Elsewhere(Frozen):
    """Stands for a constant that comes with the known values of each recording."""

    __slots__ = ()

    def __init__(self) -> None:
        pass  # without a value: whoever reads it is told at once


_ELSEWHERE = _Elsewhere()


def _without_constants(tape: Tape, recording: Recording) -> Tape:
    """Return a tape that doesn't hold the arrays of the recording that it was made for.

    It serves other recordings, with other constants, and may be kept for long.
    """
    nodes = list(tape.nodes)
    for i, node in enumerate(recording.tape.nodes):
        if node.op is CONSTANT and i in recording.values:
            nodes[i] = node._replace(params=(_ELSEWHERE,))
    return Tape(tuple(nodes), tape.inputs, tape.outputs, tape.depends_on_values)


class _Prepared(NamedTuple):
    """How a tape is run of which some values are known.

    Attributes
    ----------
    pattern : set of int
        Which values are known.
    run : callable
        ``(values of the inputs, known values) -> outputs``; it empties the known values.
    once : bool
        Whether it was prepared for one run alone.
    surplus : list of int
        Known values, of large arrays, that it doesn't need.
    """

    pattern: set[int]
    run: Callable[[list[Any], dict[int, Any]], list[Any]]
    once: bool
    surplus: list[int]


_SURPLUS_BYTES = 1 << 14


def _nbytes(value: Any) -> int:
    """Return the bytes of an array, or of all of several results."""
    if type(value) is tuple:
        return sum(map(_nbytes, value))
    return getattr(value, "nbytes", 0)


def _prepared(
    tape: Tape, known: dict[int, Any]
) -> Callable[[list[Any], dict[int, Any]], list[Any]]:
    """Return what runs a tape of which some values are known, prepared better at its second use.

    Large known values that the tape doesn't need are dropped: the rest of the run has their memory.
    """
    entry: _Prepared | None = tape.__dict__.get("_prepared")
    if entry is None or not (entry.pattern <= known.keys()):
        live = live_nodes(tape.nodes, tape.outputs, known)
        surplus = [
            i for i, value in known.items() if not live[i] and _nbytes(value) >= _SURPLUS_BYTES
        ]
        pattern = known.keys() - set(surplus)
        entry = _Prepared(pattern, Interpreter(tape, pattern).run_out, True, surplus)
        tape.__dict__["_prepared"] = entry
    elif entry.once:
        run = _with_known_inputs(tape, entry.pattern)
        entry = entry._replace(run=run, once=False)
        tape.__dict__["_prepared"] = entry
    for i in entry.surplus:
        known.pop(i, None)
    return entry.run


def _with_known_inputs(
    tape: Tape, known: Collection[int]
) -> Callable[[list[Any], dict[int, Any]], list[Any]]:
    """Return a program for which the known values are inputs."""
    live = live_nodes(tape.nodes, tape.outputs, known)
    given = [i for i in sorted(known) if live[i] and i not in tape.inputs]
    used = [number for number, i in enumerate(tape.inputs) if live[i]]
    nodes = list(tape.nodes)
    for i in given:
        nodes[i] = Node(INPUT, (), ("known",), nodes[i].shape, nodes[i].dtype)
    inputs = (*(tape.inputs[number] for number in used), *given)
    whole = Tape(tuple(nodes), inputs, tape.outputs)
    program = Program(made_late(whole, known).pruned())

    def run(values: list[Any], known: dict[int, Any]) -> list[Any]:
        # An input whose value is known comes from the recording: a hidden one has no other.
        first = [known.get(tape.inputs[k], values[k]) for k in used]
        operands = [*first, *[known[i] for i in given]]
        known.clear()
        first.clear()
        return program.run_out(operands)

    return run

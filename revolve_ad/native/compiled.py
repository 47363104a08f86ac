"""One tape as one compiled function of its inputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from revolve_ad.ad.core import CONSTANT
from revolve_ad.ad.tape import Tape
from revolve_ad.native.load import Argument, Module, indexable, without_numba, writable
from revolve_ad.native.passes.fuse import Target, fuse
from revolve_ad.native.passes.points import RefusedError
from revolve_ad.native.passes.simplify import simplified
from revolve_ad.native.source.emit import named_calls, nest_functions

__all__ = ["Compiled", "Refusal", "compile_tape"]

MAX_OPERATIONS = 600


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tape wasn't compiled.

    Attributes
    ----------
    reason : str
        The operation that has no compiled form.
    """

    reason: str

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled tape.

    Attributes
    ----------
    source : str
        The generated Python source.
    compile_seconds : float
        What planning and compiling took.
    bytes : int
        Array bytes of the intermediate values of a run.
    called : tuple of str
        What NumPy does between the loops, and why.
    """

    source: str
    compile_seconds: float
    bytes: int
    called: tuple[str, ...]
    _function: Any
    _inputs: tuple[tuple[int, np.dtype[Any]], ...]
    _constants: tuple[np.ndarray, ...]
    _outputs: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    _work: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Run the tape.

        Parameters
        ----------
        values : sequence
            An array or number for each input of the tape, of its shape and dtype.

        Returns
        -------
        list
            The outputs, in memory of their own.
        """
        arrays = []
        for (_, dtype), value in zip(self._inputs, values, strict=True):
            arrays.append(writable(indexable(np.asarray(value, dtype, order="C"))))
        outputs = [np.empty(shape or (1,), dtype) for shape, dtype in self._outputs]
        work = [np.empty(shape or (1,), dtype) for shape, dtype in self._work]
        self._function(*arrays, *self._constants, *outputs, *work)
        return [
            out if shape else out[0] for out, (shape, _) in zip(outputs, self._outputs, strict=True)
        ]


def compile_tape(
    tape: Tape, *, exact: bool = True, native: bool = True, max_operations: int = MAX_OPERATIONS
) -> Compiled | Refusal:
    """Fuse a tape into loops and compile them.

    Parameters
    ----------
    tape : Tape
        What to compile; it must not depend on values.
    exact : bool
        Keep the interpreter's bits.  False suits adjoints: zeros of the tape's own making then
        vanish from sums and products.
    native : bool
        Compile with Numba; False runs the generated source as plain Python, for tests.
    max_operations : int
        A longer tape is refused: compiling grows faster than its length.

    Returns
    -------
    Compiled or Refusal
        A refusal is false and says which operation has no compiled form.
    """
    start = time.perf_counter()
    if tape.depends_on_values:
        return Refusal(f"the tape depends on values ({tape.depends_on_values})")
    if native and (missing := without_numba()) is not None:
        return Refusal(missing)
    tape = simplified(tape, exact=exact)
    nodes = tape.nodes
    if len(nodes) > max_operations:
        return Refusal(f"{len(nodes)} operations are more than {max_operations}")
    constants = [i for i, n in enumerate(nodes) if n.op is CONSTANT]
    buffers = {i: f"x{k}" for k, i in enumerate(tape.inputs)}
    buffers |= {i: f"c{k}" for k, i in enumerate(constants)}
    targets = [Target(i, f"y{k}") for k, i in enumerate(tape.outputs)]
    try:
        fused = fuse(nodes, targets, buffers, exact=exact)
    except RefusedError as refused:
        return Refusal(str(refused))
    heading = f'"""{len(nodes)} operations in {len(fused.nests)} loops."""\n'
    body, calls = nest_functions(fused, "nest")
    parameters = [*buffers.values(), *(t.buffer for t in targets), *fused.work]
    numpy_calls = named_calls(fused, "nest")
    lines = [f"def run({', '.join(parameters)}):"]
    if not numpy_calls:
        lines.insert(0, "@kernel")
    lines += [f"    {name}({', '.join(args)})" for name, args in calls] or ["    pass"]
    source = "\n\n".join([heading, *body, "\n".join(lines) + "\n"])
    work = list(fused.work.values())
    types = {b: Argument(nodes[i].dtype, len(nodes[i].shape)) for i, b in buffers.items()}
    types |= {t.buffer: Argument(nodes[t.node].dtype, len(nodes[t.node].shape)) for t in targets}
    types |= {name: Argument(dtype, len(shape)) for name, (shape, dtype) in fused.work.items()}
    module = Module(source, native=native, names=numpy_calls)
    if numpy_calls:
        own = [call for call in calls if call[0] not in numpy_calls]
        for text, (name, args) in zip(body, own, strict=True):
            module.function(name, text, [types[a] for a in args])
        run = module.space["run"]
    else:
        run = module.function("run", source, [types[p] for p in parameters])
    return Compiled(
        source,
        time.perf_counter() - start,
        sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in work) + fused.temporary_bytes,
        tuple(dict.fromkeys(fused.reasons.values())),
        run,
        tuple((len(nodes[i].shape), nodes[i].dtype) for i in tape.inputs),
        tuple(
            writable(indexable(np.ascontiguousarray(nodes[i].params[0].value))) for i in constants
        ),
        tuple((nodes[i].shape, nodes[i].dtype) for i in tape.outputs),
        tuple(work),
    )

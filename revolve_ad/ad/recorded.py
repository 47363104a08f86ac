"""What `record` returns: a tape that knows the values of one call and can be called again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.passes.transform import adjoints, is_differentiable
from revolve_ad.ad.recording.call import Recording, trace
from revolve_ad.ad.running.interpreter import Interpreter, evaluate
from revolve_ad.ad.table import Table, table
from revolve_ad.ad.tape import Tape
from revolve_ad.ad.traced import is_traced, plain
from revolve_ad.errors import DtypeError, ParameterError, ShapeError, UnsupportedOperationError

__all__ = ["RecordedTape", "record"]


@dataclass(frozen=True, eq=False, repr=False)
class RecordedTape(Tape):
    """The tape of one call, which may be called again with other arguments.

    Attributes
    ----------
    values : dict of int to number
        The values of scalar nodes, by position.
    adjoints : dict of int to number
        Where the result is one real number: its derivatives by the scalar nodes.
    arguments : tuple of Structure
        The structure of each argument.
    result : Structure or None
        That of the result.
    """

    values: dict[int, Any] | None = None
    adjoints: dict[int, Any] | None = None
    arguments: tuple[trees.Structure, ...] = ()
    result: trees.Structure | None = None

    @property
    def table(self) -> Table:
        """The lines of the tape with values and adjoints."""
        return table(self.nodes, self.outputs, self.depends_on_values, self.values, self.adjoints)

    def __call__(self, *args: Any) -> Any:
        """Run the tape on other arguments of the same structure, shapes and dtypes.

        The result has the structure of what the recorded function returned.

        Raises
        ------
        StructureError, ShapeError, DtypeError
            If an argument differs from the recorded one in more than its values.
        ParameterError
            If the tape depends on values, so that it holds for the recorded ones alone.
        """
        if self.depends_on_values is not None:
            raise ParameterError(
                f"this tape holds for the recorded arguments alone: {self.depends_on_values}. Call "
                "the function itself, or write the branch with np.where."
            )
        if len(args) != len(self.arguments):
            raise ParameterError(
                f"{len(args)} arguments came; the tape takes {len(self.arguments)}."
            )
        leaves: list[Any] = []
        for number, (structure, arg) in enumerate(zip(self.arguments, args, strict=True)):
            leaves += trees.flatten_like(structure, arg, f"argument {number}")
        fitted = []
        for i, leaf in zip(self.inputs, leaves, strict=True):
            node = self.nodes[i]
            found = np.asarray(leaf)
            if found.shape != node.shape:
                raise ShapeError(
                    f"{node.params[0]} has shape {found.shape}, but was recorded with {node.shape}."
                )
            if not np.can_cast(found.dtype, node.dtype, "same_kind"):
                raise DtypeError(
                    f"{node.params[0]} has dtype {found.dtype}, but was recorded with {node.dtype}."
                )
            fitted.append(found.astype(node.dtype)[()])
        assert self.result is not None
        return self.result.unflatten(evaluate(self, fitted))


def record(f: Callable[..., Any], *args: Any) -> RecordedTape:
    """Return the tape (Wengert list) of one call of `f`.

    Parameters
    ----------
    f : callable
        A function in plain NumPy.
    *args
        Its arguments: arrays, numbers, structures of them.

    Returns
    -------
    RecordedTape
        ``print(tape)`` shows a line for each operation, with the values of numbers and, if the
        result is one real number, their adjoints; ``tape(*args)`` runs it on other arguments,
        ``tape.to_html()`` and ``tape.to_dot()`` draw it, ``tape.nodes`` are its operations.

    Examples
    --------
    >>> print(record(lambda x, y: x * y + 1, 2.0, 5.0))
         operation   type      value   adjoint
    v1 = x           float64       2         5
    v2 = y           float64       5         2
    v3 = v1 * v2     float64      10         1
    v4 = v3 + 1      float64      11         1
    returns v4
    2 operations: 1 multiply, 1 add; 32 bytes of values
    """
    recording = trace(f, args, keep=True)
    tape = recording.tape
    names = _names(f, args)
    nodes = list(tape.nodes)
    for i, name in zip(tape.inputs, names, strict=False):
        nodes[i] = nodes[i]._replace(params=(name,))
    values = {
        i: value
        for i, value in recording.values.items()
        if tape.nodes[i].shape == () and tape.nodes[i].results is None
    }
    return RecordedTape(
        tuple(nodes),
        tape.inputs,
        tape.outputs,
        tape.depends_on_values,
        values,
        _adjoints(recording, args),
        tuple([trees.flatten(arg, "argument")[1] for arg in args]),
        recording.structure,
    )


def _names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Return what each leaf of the arguments is called in the function's own words."""
    names = [f"args[{k}]" for k in range(len(args))]
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a function of C
        parameters = {}.values()
    for k, parameter in enumerate(parameters):
        if k >= len(names) or parameter.kind is parameter.VAR_POSITIONAL:
            break
        names[k] = parameter.name
    return [
        path
        for name, arg in zip(names, args, strict=True)
        for path in trees.flatten(arg, name)[1].paths(name)
    ]


def _adjoints(recording: Recording, args: tuple[Any, ...]) -> dict[int, Any] | None:
    """Return the derivatives of a scalar result by the scalar nodes."""
    tape = recording.tape
    leaves = [leaf for arg in args for leaf in trees.flatten(arg, "argument")[0]]
    if recording.hidden or any(map(is_traced, leaves)) or len(tape.outputs) != 1:
        return None
    out = tape.nodes[tape.outputs[0]]
    wrt = [p for p, i in enumerate(tape.inputs) if is_differentiable(tape.nodes[i].dtype)]
    if out.shape != () or out.dtype.kind != "f" or not wrt:
        return None
    try:
        reverse, positions = adjoints(tape, wrt)
    except UnsupportedOperationError:
        return None
    shown = [i for i in positions if tape.nodes[i].shape == () and tape.nodes[i].results is None]
    reverse = replace(reverse, outputs=tuple([positions[i] for i in shown]))
    known = recording.values
    seed = np.ones((), out.dtype)[()]
    found = Interpreter(reverse, known).run([*map(plain, leaves), seed], known)
    return dict(zip(shown, found, strict=True))

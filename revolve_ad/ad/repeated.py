"""Runs the tape of a function again in place of the function, where both would do the same.

An optimiser asks for the gradient of one function at many arguments.  To record it each time takes
as long as a small simulation.  Where all that the function reads is known (see `sight`), its tape
and the reverse of it become one program at the second call, which serves all later ones with
arguments of the same form, as long as nothing of what it reads has changed.

On large arrays to record takes little beside the arithmetic.  What is gained there is that the
program does function and reverse on one block after the other: measured on arrays of 1.6 MB, half
of the time where that is memory's.  The memory that a program works in stays with it, so that one
which needs much is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, final

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import Recording
from revolve_ad.ad.recording.sight import Sight, has_plain_containers, sight_of
from revolve_ad.ad.running.ordering import results_first
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.running.together import gains_together
from revolve_ad.ad.tape import Tape
from revolve_ad.ad.traced.recorder import active

__all__ = ["Repeated"]

# A longer function takes long beside its recording, and its program long to be made.
_MOST_NODES: Final = 2_000
_MOST_BYTES: Final = 1 << 24
"""Of memory that is held from one call to the next."""
_MOST_BYTES_AROUND: Final = 1 << 20
"""Of all values of a function that runs a simulation: that has a budget of its own to keep."""
_MOST_PROGRAMS: Final = 4
"""A function that reads something else each time is recorded each time."""

_ndarray: Final = np.ndarray
_NUMBERS: Final = frozenset({float, complex, int, bool, np.float64, np.float32, np.complex128})


@final
class Repeated:
    """What is known of a function whose gradient is asked for again and again.

    Parameters
    ----------
    f : callable
        The function, of one real number.
    """

    __slots__ = ("_called", "_f", "_left", "_prepared")

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        self._called = False
        self._left = _MOST_PROGRAMS
        self._prepared: _Prepared | None = None

    def run(self, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]] | None:
        """Return value and gradients at these arguments; None if the function must be recorded.

        An error of any kind is left to the recording, in which it comes from the user's own lines.
        """
        prepared = self._prepared
        if prepared is None or active() is not None:
            return None
        leaves = prepared.leaves(args)
        if leaves is None:
            return None
        if not prepared.sight.unchanged():
            self._prepared = None
            return None
        try:
            value, *found = prepared.program.run_out([*leaves, prepared.seed])
        except Exception:
            return None
        flat = iter(found)
        gradients = tuple(
            [
                structure.unflatten([next(flat) for _ in range(structure.n_leaves)])
                for structure in prepared.differentiated
            ]
        )
        if prepared.is_array:
            value = np.array(value)
        return prepared.result.unflatten([value]), gradients

    def look(self) -> Sight | None:
        """Look at what the function reads, before it is recorded; None if that is of no use."""
        if not self._called or not self._left or self._prepared is not None:
            self._called = True
            return None
        if active() is not None:
            return None
        sight = sight_of(self._f)
        self._left = 0 if sight is None else self._left - 1
        return sight

    def keep(
        self, recording: Recording, args: Sequence[Any], numbers: Sequence[int], sight: Sight
    ) -> None:
        """Make the program of a recording.

        Parameters
        ----------
        recording : Recording
            Of the function, just made.
        args : sequence
            Its arguments, with floats for whole numbers where they are differentiated.
        numbers : sequence of int
            Which ones are.
        sight : Sight
            What `look` has returned before.
        """
        tape = recording.tape
        if tape.depends_on_values is not None or recording.hidden or not sight.unchanged():
            return
        if len(tape.nodes) > _MOST_NODES:
            self._left = 0
            return
        forms: list[_Argument] = []
        wrt: list[int] = []
        n = 0
        for k, arg in enumerate(args):
            leaves, structure = trees.flatten(arg, "argument")
            types = [_type(leaf) for leaf in leaves]
            if None in types or not has_plain_containers(structure):
                self._left = 0
                return
            if k in numbers:
                wrt += range(n, n + len(leaves))
            forms.append(_Argument(structure, types, k in numbers))
            n += len(leaves)
        reverse = vjp(tape, wrt)
        if gains_together(reverse) and _bytes_of_values(tape) > _MOST_BYTES_AROUND:
            self._left = 0
            return
        both = Tape(reverse.nodes, reverse.inputs, (*tape.outputs, *reverse.outputs)).pruned()
        # A sum stands between the function and its reverse; these run together if it comes last.
        program = Program(results_first(both, range(1, len(both.outputs))))
        if program.bytes > _MOST_BYTES:
            self._left = 0
            return
        self._prepared = _Prepared(
            sight,
            program,
            tuple(forms),
            tuple([forms[k].structure for k in numbers]),
            recording.structure,
            isinstance(trees.flatten(recording.value)[0][0], _ndarray),
            np.ones((), tape.nodes[tape.outputs[0]].dtype)[()],
        )


def _bytes_of_values(tape: Tape) -> int:
    return sum([prod(node.shape) * node.dtype.itemsize for node in tape.nodes])


@dataclass(frozen=True, slots=True)
class _Argument:
    """The form of one argument, and whether it is differentiated."""

    structure: trees.Structure
    types: list[Any]
    is_differentiated: bool


@final
@dataclass(frozen=True, slots=True)
class _Prepared:
    """The program of value and gradient, and when it may be run.

    Attributes
    ----------
    sight : Sight
        What the function read when it was recorded.
    program : Program
        From the leaves of the arguments and the seed to the value and the gradients.
    arguments : tuple of _Argument
        What the arguments must look like.
    differentiated : tuple of Structure
        Those of the gradients.
    result : Structure
        That of the value.
    is_array : bool
        Whether the number stands in an array.
    seed : number
        The cotangent of the value.
    """

    sight: Sight
    program: Program
    arguments: tuple[_Argument, ...]
    differentiated: tuple[trees.Structure, ...]
    result: trees.Structure
    is_array: bool
    seed: Any

    def leaves(self, args: tuple[Any, ...]) -> list[Any] | None:
        """Return the leaves of arguments; None if they don't look as they must."""
        if len(args) != len(self.arguments):
            return None
        found: list[Any] = []
        for arg, form in zip(args, self.arguments, strict=True):
            try:
                leaves, structure = trees.flatten(arg, "argument")
            except (TypeError, ValueError):
                return None
            if structure != form.structure:
                return None
            if form.is_differentiated:
                leaves = [float(leaf) if type(leaf) is int else leaf for leaf in leaves]
            if [_type(leaf) for leaf in leaves] != form.types:
                return None
            found += leaves
        return found


def _type(leaf: Any) -> Any:
    """Return what a tape depends on in a leaf besides its values; None for what is recorded."""
    cls = type(leaf)
    if cls is _ndarray:
        return (leaf.dtype, leaf.shape) if leaf.flags.carray else None
    return cls if cls in _NUMBERS else None

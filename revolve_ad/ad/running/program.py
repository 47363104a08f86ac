"""A tape made ready to be run many times: straight-line NumPy calls into buffers that are reused.

`Program` plans a tape once: which value lives where and until when (`lifetimes`), which operations
run block by block (`blocks`), which registers serve which values (`registers`), and the lines of
Python that do it (`writing`).  A repeated run allocates its outputs alone.  The arithmetic is
NumPy's own, operation by operation, on arrays that lie in memory as they did when the function was
recorded, so that a run gives the same bits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import elementwise
from revolve_ad.ad.running.arena import Arena, Buffer
from revolve_ad.ad.running.blocks import find_groups
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.running.lifetimes import Lifetimes
from revolve_ad.ad.running.ordering import results_first
from revolve_ad.ad.running.registers import Registers
from revolve_ad.ad.running.writing import Code
from revolve_ad.ad.tape import Tape

__all__ = ["Program"]

_ADD = elementwise(np.add)


class Program:
    """A tape made ready to be run many times.

    Parameters
    ----------
    tape : Tape
        What to run.
    donated : collection of int, optional
        Inputs, by number, that the run may overwrite and return: arrays that the caller has no
        use for any more, and that are no views of others.
    shared : bool, optional
        Whether an input that is a result too may be returned as it is: for callers that never
        write into either.  Otherwise it is copied.
    arena : Arena, optional
        Memory that the program shares with others, which never run inside of it or it of them.

    Attributes
    ----------
    bytes : int
        Array bytes that a run holds at its peak, beside inputs, outputs and constants.
    n_operations : int
        Operations that a run executes.
    source : str
        The generated code.
    """

    __slots__ = (
        "_arena",
        "_code",
        "_compiled",
        "_donated",
        "_shared",
        "_tape",
        "bytes",
        "n_operations",
    )

    def __init__(
        self,
        tape: Tape,
        donated: Collection[int] = (),
        *,
        shared: bool = False,
        arena: Arena | None = None,
    ) -> None:
        self._arena = Arena() if arena is None else arena
        sums = _sums(tape, donated)
        tape = results_first(tape, sums) if sums else tape
        self._tape = tape
        self._donated = tuple(donated)
        self._shared = shared
        lives = Lifetimes(tape, donated)
        registers = Registers(lives, find_groups(lives))
        self._code = Code(lives, registers, shared=shared)
        self.bytes = registers.peak
        self.n_operations = self._code.n_operations
        self._compiled = (
            compile(self._code.source, "<tape>", "exec"),
            compile(self._code.guard, "<tape>", "exec"),
        )
        self._arena.reserve(registers.sizes)

    @property
    def source(self) -> str:
        """The generated code."""
        return self._code.source + self._code.guard

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Run the tape; safe in several threads.

        Parameters
        ----------
        values : sequence
            An array or NumPy scalar for each input of the tape.

        Returns
        -------
        list
            The outputs; arrays in memory of their own, or in that of inputs given away or
            shared.
        """
        return self.run_out(list(values))

    def run_out(self, values: list[Any]) -> list[Any]:
        """Do the same, and empty the list: what it alone holds is freed after its last use."""
        buffer = self._arena.take()
        try:
            return self._function(buffer)(values)  # type: ignore[no-any-return]
        finally:
            self._arena.put(buffer)

    def _function(self, buffer: Buffer) -> Any:
        """Return the function ``run``, with registers in a buffer."""
        found = buffer.ready.get(id(self))
        if found is None:
            # Neither function stands in its own globals, so that all goes with the last reference.
            tape, (body, guard) = self._tape, self._compiled
            namespace = self._code.namespace(buffer)
            exec(body, namespace)
            around = {
                "run_ordered": namespace.pop("run_ordered"),
                "otherwise": lambda values: Interpreter(tape).run(values),
            }
            exec(guard, around)
            found = buffer.ready[id(self)] = around.pop("run")
        return found

    def __reduce__(self) -> Any:
        return _program, (self._tape, self._donated, self._shared)


def _sums(tape: Tape, donated: Collection[int]) -> list[int]:
    """Return which outputs are an input that was given away, with something added to it."""
    given = {tape.inputs[k] for k in donated}
    return [
        k
        for k, i in enumerate(tape.outputs)
        if tape.nodes[i].op is _ADD and not given.isdisjoint(tape.nodes[i].args)
    ]


def _program(tape: Tape, donated: tuple[int, ...], shared: bool) -> Program:
    return Program(tape, donated, shared=shared)

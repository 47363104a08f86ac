"""For which states a tape holds that was recorded while the function looked at values.

A step that branches does the same for all states at which it sees the same: the truth values of
its comparisons, say.  To compute these alone takes less than to record the step.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from revolve_ad.ad.passes.simplify import simplify
from revolve_ad.ad.running.arena import Arena
from revolve_ad.ad.running.program import Program
from revolve_ad.ad.tape import Tape
from revolve_ad.simulation.arrays.layout import Layout

__all__ = ["Condition"]


@final
class Condition:
    """What a recorded function looked at, and what it saw.

    Parameters
    ----------
    tape : Tape
        As it was recorded.
    seen : tuple of (int, bytes)
        For each value that the function looked at its node and its bytes.
    groups : tuple of Layout
        Of the inputs of the tape but k.

    Attributes
    ----------
    tape : Tape
        From the same inputs to the values looked at.
    seen : tuple of bytes
        What they were.
    groups : tuple of Layout
        As given.
    """

    __slots__ = ("_program", "groups", "seen", "tape")

    def __init__(
        self, tape: Tape, seen: tuple[tuple[int, bytes], ...], groups: tuple[Layout, ...]
    ) -> None:
        different = dict.fromkeys(seen)
        self.groups = groups
        self.tape = Tape(tape.nodes, tape.inputs, tuple(node for node, _ in different)).pruned()
        self.seen = tuple(value for _, value in different)
        self._program: Program | None = None

    def prepare(self, arena: Arena) -> int:
        """Make ready to be asked, in this memory; return the bytes of it that asking takes."""
        if self._program is None:
            self._program = Program(simplify(self.tape), shared=True, arena=arena)
        return self._program.bytes

    def holds(self, values: Sequence[Any]) -> bool:
        """Tell whether the function would see the same at these inputs of the tape."""
        assert self._program is not None
        # What is computed beyond the first difference may make no sense there.
        try:
            with np.errstate(all="ignore"):
                found = self._program.run(list(values))
        except Exception:
            return False
        for value, expected in zip(found, self.seen, strict=True):
            if np.asarray(value).tobytes() != expected:
                return False
        return True

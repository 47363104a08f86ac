"""Compares the tape of a step with the step itself, called plainly on states of the run."""

import itertools
from collections.abc import Iterable
from typing import final

from revolve_ad.errors import DivergedReplayError, TracedValueError
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.arrays.replay import ReplayCheck
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.steps.stepping import Stepper

__all__ = ["StaleTapeError", "StepCheck"]


class StaleTapeError(Exception):
    """The tape of an earlier call isn't what the step computes now."""

    def __init__(self, k: int, leaves: str) -> None:
        super().__init__(k, leaves)
        self.k = k
        self.leaves = leaves


@final
class StepCheck:
    """The comparison of one run.

    Parameters
    ----------
    original : Stepper or None
        The user's step; None where there is nothing to compare.
    kernel : Kernel
        Runs the tape.
    layout : Layout
        The form of the state.
    fresh : bool
        Whether the tape was recorded for this run.

    Attributes
    ----------
    count : int
        How often the step has been called.
    """

    __slots__ = ("_fresh", "_kernel", "_layout", "_original", "count")

    def __init__(
        self, original: Stepper | None, kernel: Kernel, layout: Layout, *, fresh: bool
    ) -> None:
        self._fresh = fresh
        self._original = original
        self._kernel = kernel
        self._layout = layout
        self.count = 0

    @property
    def wanted(self) -> bool:
        """Whether there is anything to compare."""
        return self._original is not None

    def states(self, n_steps: int | None, check: ReplayCheck) -> Iterable[int]:
        """Return the indices of the states from which a step is compared."""
        if n_steps is None:
            return itertools.count() if check == "all" else _powers()
        if check == "all":
            return range(n_steps)
        return sorted({0, n_steps // 2, n_steps - 1} if n_steps else ())

    def look(self, k: int, state: Leaves) -> None:
        """Compare step `k`; `state` stays as it is.

        Raises
        ------
        StaleTapeError
            If the step differs from the tape of an earlier call.
        DivergedReplayError
            If it differs from one of this call.
        """
        assert self._original is not None
        self.count += 1
        try:
            plain = self._original.advance([leaf.copy() for leaf in state], k, k + 1)
        except TracedValueError:
            if self._fresh:
                raise
            # What the step captured is traced now: it must be recorded as a hidden param.
            raise StaleTapeError(k, "the result") from None
        taped = self._kernel.advance([leaf.copy() for leaf in state], k, k + 1)
        wrong = [
            path
            for path, a, b in zip(self._layout.paths, plain, taped, strict=True)
            if a.tobytes() != b.tobytes()
        ]
        if not wrong:
            return
        if not self._fresh:
            raise StaleTapeError(k, ", ".join(wrong))
        raise DivergedReplayError(changed(k, ", ".join(wrong)))


def changed(k: int, leaves: str) -> str:
    """Return the message for a step that isn't what was recorded."""
    return (
        f"step {k}, called on state {k}, gives other bits for {leaves} than its tape, which was "
        "recorded at step 0. A step must be a function of its arguments alone: it may not draw "
        "random numbers, count its calls, or read a global that changes during the run. Draw "
        "random numbers and forcings before the run and pass them as inputs=, and carry a memory "
        "in the state."
    )


def _powers() -> Iterable[int]:
    k = 1
    yield 0
    while True:
        yield k
        k *= 4

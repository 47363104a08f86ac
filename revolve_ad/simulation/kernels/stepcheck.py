"""Compares the tape of a step with the step itself, called plainly on states of the run.

What a step captures may have changed since it was recorded, or change during the run.  The first
gradient by a tape looks at three steps.  Those after it look at the first step and the last, where
a change shows that holds up to some time or from some time on, and now and then at one between.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, final

import numpy as np

from revolve_ad.errors import DivergedReplayError, TracedValueError
from revolve_ad.simulation.arrays.layout import Array, Layout, Leaves
from revolve_ad.simulation.arrays.replay import ReplayCheck
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.kernels.step_by_step import KeepsStates
from revolve_ad.simulation.steps.stepping import Stepper

__all__ = ["StaleTapeError", "StepCheck", "between", "differing"]

_SELDOM: Final = 4
"""One gradient of so many looks at a place between the first and the last."""

_ROUNDING: Final = 1e-10
"""Of the largest element of a complex leaf; a few roundings, grown in the rest of a step."""

_GOLDEN: Final = 0.6180339887498949


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
        What runs the steps.
    interpreter : callable
        Returns the kernel that interprets the tape; it is asked where the other, compiled, gives
        bits that NumPy wouldn't.
    layout : Layout
        The form of the state.
    fresh : bool
        Whether the tape was recorded for this run.

    Attributes
    ----------
    count : int
        How often the step has been called.
    """

    __slots__ = (
        "_fresh",
        "_interpreter",
        "_kernel",
        "_last",
        "_layout",
        "_original",
        "_trust",
        "count",
    )

    def __init__(
        self,
        original: Stepper | None,
        kernel: Kernel,
        interpreter: Callable[[], Kernel],
        layout: Layout,
        *,
        fresh: bool,
    ) -> None:
        self._fresh = fresh
        self._trust = None if original is None else original.trust
        self._last = -1
        self._original = original
        self._kernel = kernel
        self._interpreter = interpreter
        self._layout = layout
        self.count = 0

    @property
    def wanted(self) -> bool:
        """Whether there is anything to compare."""
        return self._original is not None

    def states(self, n_steps: int | None, check: ReplayCheck, turn: int = 0) -> Iterable[int]:
        """Return the indices of the states from which a step is compared.

        Parameters
        ----------
        n_steps : int or None
            Number of steps, if it is known.
        check : "sampled", "all" or "off"
            How many.
        turn : int
            The number of the gradient: it decides whether a step between is looked at, and which.
        """
        if check == "all":
            self._trust = None
            return itertools.count() if n_steps is None else range(n_steps)
        if n_steps is None:
            return _powers()
        self._last = n_steps - 1
        if self._fresh:
            return sorted({0, n_steps // 2, n_steps - 1} if n_steps else ())
        return sorted({0, n_steps - 1, *between(n_steps, turn)} if n_steps else ())

    def look(self, k: int, state: Leaves) -> None:
        """Compare step `k`; `state` stays as it is.

        Raises
        ------
        StaleTapeError
            If the step differs from the tape of an earlier call.
        DivergedReplayError
            If it differs from one of this call.
        """
        if self._trust is not None and self._trust.holds:
            return
        assert self._original is not None
        self.count += 1
        try:
            plain = self._plain(self._original, state, k)
        except TracedValueError:
            if self._fresh:
                raise
            # What the step captured is traced now: it must be recorded as a hidden param.
            raise StaleTapeError(k, "the result") from None
        wrong = self._wrong(self._kernel, plain, k, state)
        if wrong:
            # Compiled, a power or an exponential may differ in the last bit.
            wrong = self._wrong(self._interpreter(), plain, k, state)
        if not wrong:
            if self._trust is not None and k == self._last:
                self._trust.confirm()
            return
        if not self._fresh:
            raise StaleTapeError(k, ", ".join(wrong))
        raise DivergedReplayError(changed(k, ", ".join(wrong)))

    def _plain(self, original: Stepper, state: Leaves, k: int) -> Leaves:
        """Call the step; one that was seen to write nothing into its state needs no copy of it."""
        if not original.writes:
            with suppress(ValueError):  # it wrote all the same
                return original.advance([_read_only(leaf) for leaf in state], k, k + 1)
        return original.advance([leaf.copy() for leaf in state], k, k + 1)

    def _wrong(self, kernel: Kernel, plain: Leaves, k: int, state: Leaves) -> list[str]:
        kept = isinstance(kernel, KeepsStates)  # writes into no state
        taped = kernel.advance([leaf if kept else leaf.copy() for leaf in state], k, k + 1)
        return differing(self._layout.paths, plain, taped)


def differing(paths: Sequence[str], first: Sequence[Array], second: Sequence[Array]) -> list[str]:
    """Return the names of the leaves that have other bits; complex ones may differ by rounding."""
    return [
        path
        for path, a, b in zip(paths, first, second, strict=True)
        if not np.array_equal(_bits(a), _bits(b)) and not _rounded(a, b)
    ]


def _rounded(a: Array, b: Array) -> bool:
    """Whether complex values are the same but for rounding.

    How NumPy rounds a complex product hangs on where its operands lie: fused where they are apart,
    not fused in ``a[:, 1] *= a[:, 2]``, where the operands lie between the results.
    """
    if a.dtype.kind != "c" or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    with np.errstate(all="ignore"):
        apart, size = (np.abs(x[np.isfinite(a)]) for x in (a - b, b))
    return bool(np.max(apart, initial=0.0) <= _ROUNDING * np.max(size, initial=0.0))


def _read_only(leaf: Array) -> Array:
    view = leaf.view()
    view.flags.writeable = False
    return view


def _bits(leaf: Array) -> Array:
    """Return an array in C order as whole numbers: a copy of its bytes could take long."""
    unit = np.dtype(f"u{min(8, leaf.itemsize)}")
    return leaf.reshape(-1).view(unit)


def between(n: int, turn: int) -> Sequence[int]:
    """Return in some turns one of the numbers below `n`; together they visit all regions."""
    return () if turn % _SELDOM or not n else (int(n * (turn // _SELDOM * _GOLDEN % 1.0)),)


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

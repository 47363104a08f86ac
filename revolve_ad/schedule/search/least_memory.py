"""The fewest bytes in which steps of different sizes can be reversed, and how.

One checkpoint is enough: every step after it is run again from there to be recorded and reversed,
alone.  It need not be that of state 0.  Where the tapes of the first steps and a later state take
fewer bytes than state 0, those steps are recorded at once and their tapes kept.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)

__all__ = ["Frugal", "frugal"]


class Frugal(NamedTuple):
    """How to reverse a chain in the fewest bytes.

    Attributes
    ----------
    nbytes : int
        The most that is held at a time.
    kept : int
        The tapes of the steps before this state are kept, and its checkpoint.
    together : int
        The steps before this state are reversed at once, at the end.
    n_steps : int
        Number of steps.
    """

    nbytes: int
    kept: int
    together: int
    n_steps: int

    def actions(self) -> Iterator[Action]:
        """Yield the actions of a pass."""
        start, stop, n = self.kept, self.together, self.n_steps
        ram = Level.RAM
        if start:
            yield Record(0, start)
        if stop < n:
            yield Save(start, ram)
            for k in range(n - 1, stop - 1, -1):
                if k < n - 1:
                    yield Restore(start, ram)
                if k > start:
                    yield Advance(start, k)
                yield Record(k, k + 1)
                yield Reverse(k, k + 1)
            yield Restore(start, ram)
            yield Discard(start, ram)
        yield Record(start, stop)
        yield Reverse(start, stop)
        if start:
            yield Reverse(0, start)


def frugal(state_bytes: Sequence[int], tape_bytes: Sequence[int]) -> Frugal:
    """Return how a chain is reversed in the fewest bytes.

    Parameters
    ----------
    state_bytes : sequence of int, length n_steps + 1
        Bytes of the checkpoint of each state; the last state is never stored.
    tape_bytes : sequence of int, length n_steps
        Bytes of the tape of each step.

    Notes
    -----
    To come back to state 0, its checkpoint is held or else the tape of step 0, which is never run
    again then; to come back to state j, its checkpoint or the tapes of all steps before it and of
    step j.  So whoever reverses step k holds, for some j <= k, the tapes of steps 0 … j - 1, the
    checkpoint of state j (unless j = k), and the tape of step k.  Tapes are kept to the end, so
    that j never falls; with J the last step of those that are reversed at once, every j up to J is
    open from the start, and the best is the one whose tapes and checkpoint take the fewest bytes.
    Hence the fewest bytes are, with T_j those of the first j tapes,

        min over J of max(T_{J+1}, min_{j <= J} (T_j + state_j) + max_{k > J} tape_k).

    Equal to an exhaustive search for all chains that it was compared on.

    Examples
    --------
    State 0 is large, the others are small:

    >>> frugal([90, 2, 3, 2], [5, 5, 40]).nbytes  # 5 + 2 + 40: step 0 is recorded at once
    47
    """
    n = len(tape_bytes)
    sums = list(accumulate(tape_bytes, initial=0))
    behind = [0] * n  # the largest tape behind each step
    for k in range(n - 2, -1, -1):
        behind[k] = max(behind[k + 1], tape_bytes[k + 1])
    best = Frugal(sums[n], 0, n, n)
    kept = 0
    for j in range(n - 1):
        if sums[j] + state_bytes[j] < sums[kept] + state_bytes[kept]:
            kept = j
        needed = max(sums[j + 1], sums[kept] + state_bytes[kept] + behind[j])
        if needed < best.nbytes:
            best = Frugal(needed, kept, j + 1, n)
    return best

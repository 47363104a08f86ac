"""What the first sweep stops at: states to observe, to remember by digest, to check."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, final

from revolve_ad.simulation.arrays.layout import Leaves

__all__ = ["NEVER", "Lookout"]

NEVER: Final = 2**63
"""An index that no state has."""

Look = Callable[[int, Leaves], None]
"""Called with the index of a state and its leaves, which it doesn't change."""


@final
class Lookout:
    """Calls each looker at the states that it asked for, in order, each once.

    Parameters
    ----------
    lookers : sequence of (increasing indices, function)
        Whom to call, and where.
    of_steps : sequence of function, optional
        Those among them who look at the step that begins there, and so not at the last state.
    """

    __slots__ = ("_lookers", "_next", "_of_steps", "next")

    def __init__(
        self, lookers: Sequence[tuple[Iterable[int], Look]], of_steps: Sequence[Look] = ()
    ) -> None:
        self._of_steps = of_steps
        self._lookers: list[tuple[Iterator[int], Look]] = [(iter(i), f) for i, f in lookers]
        self._next = [(next(i, NEVER), n) for n, (i, _) in enumerate(self._lookers)]
        heapq.heapify(self._next)
        self.next = self._next[0][0] if self._next else NEVER

    def look(self, k: int, state: Leaves, *, last: bool) -> None:
        """Call those who wait for state `k`, which is `self.next`; `last` if no step follows."""
        waiting = self._next
        while waiting and waiting[0][0] == k:
            n = waiting[0][1]
            indices, function = self._lookers[n]
            if not last or function not in self._of_steps:
                function(k, state)
            heapq.heapreplace(waiting, (next(indices, NEVER), n))
        self.next = waiting[0][0] if waiting else NEVER

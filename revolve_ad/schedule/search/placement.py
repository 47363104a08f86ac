"""Which states to keep while nobody knows yet how long the run will be.

The policy, *greedy horizon*, keeps those checkpoints from which the run could be reversed at the
least cost if it went on for about n / (16 s) steps more.  It reads costs in closed form, so that a
decision takes O(s), and it decides at about √n of n states only.
"""

from math import isqrt

from revolve_ad.schedule.actions import Action, Discard, Level, Save
from revolve_ad.schedule.search.capacity import Capacity

__all__ = ["Placement"]

# Found by simulation of every run of up to 10,000 steps with 2 to 100 checkpoints.
_HORIZON = 16  # look n / (16 s) steps ahead
_STRIDE = 128  # leave at most so many steps unsplit that it costs about 1/256 of the total


class Placement:
    """The states kept so far, and the rule that keeps or drops one at each arrival.

    Parameters
    ----------
    capacity : Capacity
        What reversing a stretch costs.

    Attributes
    ----------
    states : list of int
        Increasing; the first is 0 and is never dropped.
    next : int
        The next state at which there is something to decide.
    """

    __slots__ = ("capacity", "next", "states")

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.states = [0]
        self.next = 1

    def arrive(self, n: int) -> tuple[Action, ...]:
        """Tell that state n is live, n at most `next`, and return what to discard and save."""
        advanced, states = self.capacity.advanced, self.states
        slots = self.capacity.n_checkpoints
        if n < self.next:
            return ()
        if slots < 2:
            self.next = 2 * n  # nothing to decide, ever
            return ()
        stride = max(1, isqrt((advanced(n + 1, 0) + n) // _STRIDE))
        if n - states[-1] < stride:
            self.next = states[-1] + stride
            return ()
        actions = self._improve(n, max(1, n // (_HORIZON * slots)))
        self.next = n + (stride if actions else max(1, stride // 2))
        return actions

    def cost(self, n: int) -> int:
        """Return the plain steps if the run ends at state n, by the closed form."""
        advanced, states = self.capacity.advanced, self.states
        stops = [*states[1:], n]
        return n + sum(
            advanced(stop - start, i)
            for i, (start, stop) in enumerate(zip(states, stops, strict=True))
        )

    def _improve(self, n: int, ahead: int) -> tuple[Action, ...]:
        """Save state n, in place of another where all slots are taken, if that is cheaper."""
        advanced, states = self.capacity.advanced, self.states
        k = len(states)
        lengths = [b - a for a, b in zip(states, [*states[1:], n], strict=True)]
        costs = [advanced(length, i) for i, length in enumerate(lengths)]
        keep = sum(costs[:-1]) + advanced(lengths[-1] + ahead, k - 1)
        if k < self.capacity.n_checkpoints:
            if sum(costs) + advanced(ahead, k) > keep:
                return ()
            states.append(n)
            return (Save(n, Level.RAM),)
        # Without checkpoint j the stretch before it grows, and those behind it gain a slot.
        before, behind = sum(costs[:-1]), advanced(ahead, k - 1)
        best, dropped = keep, 0
        for j in range(k - 1, 0, -1):
            before -= costs[j - 1]
            cost = before + advanced(lengths[j - 1] + lengths[j], j - 1) + behind
            if cost < best or (cost == best and dropped):
                best, dropped = cost, j
            behind += advanced(lengths[j], j - 1)
        if not dropped:
            return ()
        gone = states.pop(dropped)
        states.append(n)
        return Discard(gone, Level.RAM), Save(n, Level.RAM)

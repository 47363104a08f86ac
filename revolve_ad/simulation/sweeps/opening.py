"""The first actions of a run whose costs aren't known: they are timed, and then it is planned.

State 0 is written to the disk and read back, and the first steps are run, as any schedule would do;
the rest of the cheapest schedule follows.  No step is run for the measurement alone.
"""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Final, final

from revolve_ad.schedule import Action, Advance, Discard, Level, Restore, Save
from revolve_ad.simulation.planning.costs import Costs

__all__ = ["TIMED_STEPS", "Opening"]

TIMED_STEPS: Final = 2
"""The quicker of two steps counts: the first call of compiled code may have to load it."""


@final
class Opening:
    """One pass over a schedule that is chosen on the way.

    What an action takes is the time from when it is drawn until the next one is.

    Parameters
    ----------
    choose : callable
        ``costs -> schedule`` of all steps.
    in_memory : bool
        Whether memory has room for state 0 too.
    n_timed : int
        Steps to time: at most as many as the schedule is likely to begin with.
    """

    def __init__(
        self,
        choose: Callable[[Costs], Iterable[Action]],
        *,
        in_memory: bool,
        n_timed: int = TIMED_STEPS,
    ) -> None:
        self._n_timed = n_timed
        self._choose: Callable[[Costs], Iterable[Action]] | None = choose
        self._kept = [Level.DISK, Level.RAM] if in_memory else [Level.DISK]
        self._timed: list[Action] = [Save(0, Level.DISK), Restore(0, Level.DISK)]
        self._timed += [Advance(k, k + 1) for k in range(n_timed)]
        if in_memory:
            self._timed.insert(1, Save(0, Level.RAM))
        self._drawn: Action | None = None
        self._began = 0.0
        self._took: dict[type[Action], float] = {}
        self._next: list[Action] = []
        self._rest: Iterator[Action] = iter(())

    def __iter__(self) -> Iterator[Action]:
        return self

    def __next__(self) -> Action:
        if self._choose is None:
            return self._next.pop(0) if self._next else next(self._rest)
        now = perf_counter()
        if self._drawn is not None:
            self._note(self._drawn, now - self._began)
        if self._timed:
            self._drawn = self._timed.pop(0)
            self._began = perf_counter()
            return self._drawn
        self._rest = iter(self._choose(self._costs()))
        self._choose = None
        self._next = self._continued()
        return next(self)

    def _note(self, action: Action, seconds: float) -> None:
        if isinstance(action, Save) and action.level == Level.RAM:
            return
        kind = type(action)
        self._took[kind] = min(seconds, self._took.get(kind, seconds))

    def _costs(self) -> Costs:
        step = self._took[Advance]
        return Costs(step=step, reverse=3 * step, write=self._took[Save], read=self._took[Restore])

    def _continued(self) -> list[Action]:
        """Return what stands in place of the first two actions of the schedule."""
        first, second = next(self._rest), next(self._rest)
        saved = isinstance(first, Save) and first.level in self._kept
        if saved and isinstance(second, Advance) and second.stop >= self._n_timed:
            assert isinstance(first, Save)
            actions: list[Action] = [Discard(0, at) for at in self._kept if at != first.level]
            if second.stop > self._n_timed:
                actions.append(Advance(self._n_timed, second.stop))
            return actions
        # It needs an earlier state than the one that was reached.
        actions = [Restore(0, self._kept[-1])]
        actions += [Discard(0, at) for at in self._kept]
        return [*actions, first, second]

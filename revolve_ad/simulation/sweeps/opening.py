"""The first actions of a run whose costs aren't known: they are timed, and then it is planned.

State 0 is written to each disk and read back, and the first steps are run, as any schedule would
do; the rest of the cheapest schedule follows.  No step is run for the measurement alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    levels : sequence of Level
        Those whose storages are timed, the fastest first, at least one.
    """

    def __init__(
        self,
        choose: Callable[[Costs], Iterable[Action]],
        *,
        in_memory: bool,
        n_timed: int = TIMED_STEPS,
        levels: Sequence[Level] = (Level.DISK,),
    ) -> None:
        self._n_timed = n_timed
        self._choose: Callable[[Costs], Iterable[Action]] | None = choose
        self._levels = levels
        # From the last one state 0 is restored, if it has to be.
        self._kept = [*levels[::-1], Level.RAM] if in_memory else [*levels[::-1]]
        self._timed: list[Action] = []
        for level in levels:
            self._timed += [Save(0, level), Restore(0, level)]
        self._timed += [Advance(k, k + 1) for k in range(n_timed)]
        if in_memory:
            self._timed.insert(1, Save(0, Level.RAM))
        self._drawn: Action | None = None
        self._began = 0.0
        self._took: dict[tuple[type[Action], Level], float] = {}
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
        kind = type(action), getattr(action, "level", Level.RAM)
        self._took[kind] = min(seconds, self._took.get(kind, seconds))

    def _costs(self) -> Costs:
        step = self._took[Advance, Level.RAM]
        # A storage that isn't timed has no room, and is never used.
        first, *beyond = [
            (self._took.get((Save, level), 0.0), self._took.get((Restore, level), 0.0))
            for level in Level
            if Level.DISK <= level <= self._levels[-1]
        ]
        return Costs(
            step=step, reverse=3 * step, write=first[0], read=first[1], beyond=tuple(beyond)
        )

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

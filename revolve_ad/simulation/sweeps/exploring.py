"""Advances in the first sweep, where states are looked at and the run may end."""

from collections.abc import Callable

from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.progress import Progress
from revolve_ad.simulation.sweeps.ending import Ending
from revolve_ad.simulation.sweeps.lookout import Lookout

__all__ = ["explore"]


def explore(
    advance: Callable[[Leaves, int, int], Leaves],
    lookout: Lookout,
    ending: Ending,
    progress: Progress,
    live: Leaves,
    start: int,
    stop: int,
) -> tuple[Leaves, int, bool]:
    """Advance in the first sweep, with a look at the states that somebody waits for.

    Parameters
    ----------
    advance : callable
        Runs a stretch of steps, as in `Kernel`.
    lookout, ending, progress
        Who looks at states, what ends the run, who is told.
    live : list of ndarray
        State `start`, which is used up.
    start, stop : int
        The steps to run; fewer, if the run ends before.

    Returns
    -------
    live : list of ndarray
        The last state that was reached.
    at : int
        Its index.
    ended : bool
        Whether the run ends there.
    """
    at, ended = start, False
    stop = min(stop, ending.max_steps)  # an online schedule offers more than there may be
    while at < stop and not ended:
        pause = at + 1 if ending.until is not None else min(stop, lookout.next)
        live = advance(live, at, pause)
        progress.step(pause - at)
        at = pause
        ended = ending.reached(live, at)
        if lookout.next == at:
            lookout.look(at, live, last=ended)
    return live, at, ended

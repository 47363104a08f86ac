"""Hands our schedules to programs that play those of the checkpoint_schedules package."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from revolve_ad.errors import ParameterError, ScheduleError
from revolve_ad.schedule.actions import Action, Level
from revolve_ad.schedule.protocol import OnlineSchedule, Schedule

if TYPE_CHECKING:
    from revolve_ad.schedule.checkpoint_schedules_adapter import Adapter

__all__ = ["to_checkpoint_schedules"]


def to_checkpoint_schedules(
    schedule: Schedule | Iterable[Action], n_steps: int | None = None
) -> "Adapter":
    """Return a schedule as a ``checkpoint_schedules.CheckpointSchedule``.

    pyadjoint and tlm_adjoint, and with them Firedrake, are driven by such objects.

    Parameters
    ----------
    schedule : Schedule or list of Action
        A schedule with a known number of steps.
    n_steps : int, optional
        Number of steps, where the schedule doesn't tell it.

    Returns
    -------
    checkpoint_schedules.CheckpointSchedule
        An iterator that plays the schedule once; make a new one for each gradient.

    Raises
    ------
    ModuleNotFoundError
        If checkpoint_schedules isn't installed: ``pip install checkpoint-schedules``.
    ParameterError
        If the number of steps isn't known.  Online schedules drop checkpoints and restart from
        earlier ones, while that package keeps with a checkpoint only what the steps up to the next
        one need; so they can't be expressed.
    ScheduleError
        If it keeps checkpoints on a level beyond `Level.DISK`.
        While it is played, if an action can't be expressed: that package saves a state only on
        the way to an advance, keeps either a state or a tape under one index, and runs from a
        checkpoint only the steps up to the next one, as some schedules of `heterogeneous_bytes`
        don't.

    Notes
    -----
    `Save` and the `Advance` after it become one ``Forward`` with restart data, `Record` a
    ``Forward`` with adjoint dependencies, in working memory where the tapes are used at once and
    otherwise in RAM, `Restore` followed by `Discard` a ``Move``, `Restore` alone a ``Copy``.
    """
    from revolve_ad.schedule.checkpoint_schedules_adapter import Adapter

    if isinstance(schedule, OnlineSchedule) and not hasattr(schedule, "n_steps"):
        raise ParameterError(
            "an online schedule can't be expressed in checkpoint_schedules; give a schedule of a "
            "known number of steps"
        )
    known: Any = getattr(schedule, "n_steps", None)
    if n_steps is None:
        n_steps = known
    if n_steps is None or isinstance(schedule, Iterator):
        raise ParameterError("n_steps is missing; give it, and a schedule that can be iterated")
    _require_two_levels(schedule)
    return Adapter(schedule, n_steps)


def _require_two_levels(schedule: Schedule | Iterable[Action]) -> None:
    """Refuse at once what is known to use more levels than that package has."""
    slots = getattr(getattr(schedule, "limits", None), "slots", ())
    if len(slots) <= Level.DISK + 1 or not isinstance(schedule, Schedule):
        return
    if schedule.counts().by_level:
        raise ScheduleError(
            f"the schedule keeps checkpoints on {len(slots) - 1} storages, but "
            "checkpoint_schedules knows memory and one disk only; give a schedule for these, such "
            "as multilevel(n, ram, disk) with one number for disk"
        )

"""Makes the report of a gradient from what its parts have counted; few ask for it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from revolve_ad.schedule import LevelCounts
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.arrays.shelf import Shelf
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.sweeps.crew import Counters

__all__ = ["report_maker"]


def report_maker(
    counters: Counters,
    ledger: Ledger,
    plan: Plan,
    model: Model,
    shelves: Sequence[Shelf],
    **counts: int,
) -> Callable[[], Report]:
    """Return what makes the report of what has been done so far.

    Parameters
    ----------
    counters : Counters
        Of the sweep.
    ledger : Ledger
        Of the bytes that were held.
    plan, model
        Of the gradient.
    shelves : sequence of Shelf
        The checkpoints on disk, a shelf a storage; what they have counted is read at once, since
        they serve later gradients too.
    **counts : int
        Further counts, by the names of `Report`.
    """
    made = partial(_report, counters, ledger, plan, model, **counts)
    if not shelves:
        return made
    return partial(
        made,
        disk_saved=sum(shelf.saved for shelf in shelves),
        disk_restored=sum(shelf.restored for shelf in shelves),
        peak_disk=shelves[0].tally.peak,
        io_seconds=sum(shelf.seconds for shelf in shelves),
        by_level=_by_level(shelves),
    )


def _report(counters: Counters, ledger: Ledger, plan: Plan, model: Model, **others: Any) -> Report:
    return Report(
        advanced=counters.advanced,
        recorded=counters.recorded,
        saved=counters.saved,
        restored=counters.restored,
        peak_checkpoints=counters.peak_checkpoints,
        peak_bytes=ledger.peak_bytes,
        peak_holders=ledger.holders,
        replanned=counters.replanned,
        budget=plan.budget,
        forward_seconds=counters.forward_seconds,
        reverse_seconds=counters.reverse_seconds,
        schedule=plan.schedule,
        native=model.account,
        **others,
    )


def _by_level(shelves: Sequence[Shelf]) -> tuple[LevelCounts, ...]:
    """Return what was done on each storage, where there are several."""
    if len(shelves) < 2:
        return ()
    return tuple([LevelCounts(shelf.saved, shelf.restored, shelf.peak) for shelf in shelves])

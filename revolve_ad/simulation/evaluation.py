"""Runs a simulation for its value alone: no checkpoint, no tape."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from revolve_ad.errors import NonFiniteError
from revolve_ad.simulation.arrays.finiteness import require_finite_state
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves
from revolve_ad.simulation.kernels.observations import Observations
from revolve_ad.simulation.kernels.protocol import Observer
from revolve_ad.simulation.progress import Progress
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.settings import Settings
from revolve_ad.simulation.sweeps.ending import Ending
from revolve_ad.simulation.sweeps.exploring import explore
from revolve_ad.simulation.sweeps.lookout import Look, Lookout

__all__ = ["Value", "evaluate"]


class Value(NamedTuple):
    """What a run without a gradient gives."""

    final: Leaves
    observed: Leaves
    report: Report


def evaluate(
    settings: Settings,
    form: Form,
    advance: Callable[[Leaves, int, int], Leaves],
    observer: Observer | None,
    state: list[Any],
    params: list[Any],
    *,
    careful: bool = False,
) -> Value:
    """Run all steps from state 0.

    Parameters
    ----------
    settings : Settings
        Of the simulation.
    form : Form
        What the arguments look like.
    advance : callable
        Runs a stretch of steps, as in `Kernel`.
    observer : Observer or None
        What is observed.
    state, params : list
        The caller's leaves.
    careful : bool
        Test every state for NaN and Inf.

    Raises
    ------
    NonFiniteError
        If the final state holds NaN or Inf; it names the first step that gave one.
    """
    began = perf_counter()
    lookers: list[tuple[Any, Look]] = []
    if careful:
        lookers.append(
            (
                range(settings.max_steps + 1),
                lambda k, s: require_finite_state(s, form.state, k),
            )
        )
    observations: Observations | None = None
    if observer is not None:
        seen = settings.observed(settings.steps)
        observations = Observations(observer, seen, known=settings.steps is not None)
        lookers.append((seen, observations.see))
    lookout = Lookout(lookers)
    ending = Ending(
        settings.steps,
        settings.max_steps,
        form.state,
        settings.until,
        form.params.build_read_only(params),
    )
    live, at = form.state.copy_in(state), 0
    try:
        if lookout.next == 0:
            lookout.look(0, live, last=settings.steps == 0)
        if settings.steps != 0:
            progress = Progress(settings.progress, settings.steps)
            try:
                live, at, _ = explore(
                    advance, lookout, ending, progress, live, 0, settings.max_steps
                )
            finally:
                progress.close()
        require_finite_state(live, form.state, at)
    except NonFiniteError:
        if not careful:
            evaluate(settings, form, advance, observer, state, params, careful=True)
        raise
    observed = [] if observations is None else observations.finish(live, at)
    report = Report(steps=at, advanced=at, forward_seconds=perf_counter() - began)
    return Value(live, observed, report)

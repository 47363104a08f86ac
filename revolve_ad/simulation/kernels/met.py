"""Which traced values of the function around a step or `observe` reads anywhere in its run.

What is recorded at state 0 tells of those that are read there.  A function that branches may come
to others later: then all of the run is recorded once, step by step, to meet them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from revolve_ad.ad.recording.call import Around
from revolve_ad.ad.traced import plain
from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.kernels.given import Given
from revolve_ad.simulation.steps.recording import record_observe, record_step

__all__ = ["Met", "meet", "plainly"]


@final
@dataclass(frozen=True, eq=False, slots=True)
class Met:
    """What the functions of a run read.

    Attributes
    ----------
    step, observe : Around
        Where each value stands, and the traced values.
    """

    step: Around
    observe: Around


def plainly(around: Around) -> Around | None:
    """Return the same with plain values, to record a function with; None if there are none."""
    if not around.places:
        return None
    return Around(around.places, tuple([plain(value) for value in around.values]))


def meet(
    given: Given,
    n_steps: int,
    until: Callable[..., Any] | None,
    observed: Sequence[int],
) -> Met:
    """Record all steps and observations, one after the other, and return what they read.

    Parameters
    ----------
    given : Given
        The functions, and what they begin with.
    n_steps : int
        The number of steps; with `until` the most.
    until : callable or None
        The user's function that ends the run.
    observed : sequence of int
        The states that are observed.
    """
    form, state, params = given.form, given.state, given.params
    places: tuple[dict[Any, Any], dict[Any, Any]] = {}, {}
    wanted = frozenset(observed)
    result: Layout | None = None
    for k in range(n_steps + 1):
        if given.observe is not None and k in wanted:
            tape, _, around = record_observe(given.observe, form, state, params, k, result)
            result = tape.result
            places[1].update(zip(around.places, around.values, strict=True))
        if until is not None and k:
            if until(form.state.build_read_only(state), form.params.build_read_only(params), k):
                break
        if k < n_steps:
            _, state, around = record_step(given.step, form, state, params, given.inputs, k)
            places[0].update(zip(around.places, around.values, strict=True))
    return Met(*[Around(tuple(found), tuple(found.values())) for found in places])

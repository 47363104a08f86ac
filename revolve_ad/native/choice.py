"""Chooses how a step is compiled: fused as it is, or first rolled back into loops."""

from __future__ import annotations

import time

from revolve_ad.ad.tape import Tape
from revolve_ad.native.compiled import MAX_OPERATIONS, Refusal
from revolve_ad.native.known import keep_plan, known_plan, path_of
from revolve_ad.native.load import without_numba
from revolve_ad.native.loop import Layout, Loop, fused_loop
from revolve_ad.native.worth import estimated_rolled

__all__ = ["compile_loop"]

LONG = 80
"""Operations from which repeated parts are looked for first."""

SHORT = 60
"""Operations of a tape that is fused as it is, and nothing else."""


def compile_loop(
    tape: Tape,
    layout: Layout,
    *,
    observe: Tape | None = None,
    native: bool = True,
    max_operations: int = MAX_OPERATIONS,
) -> Loop | Refusal:
    """Plan the native loop of a step and of its adjoint.

    Parameters
    ----------
    tape : Tape
        The step: its inputs are as `layout` says, its outputs the leaves of the next state.
    layout : Layout
        What the inputs are.
    observe : Tape, optional
        An observation, of the leaves of the state, the params and k.  The loop observes by itself
        what it can: see `Loop.watch`.
    native : bool
        False runs the generated source as plain Python, for tests.
    max_operations : int
        A step that with its adjoint has more, and isn't shorter when repeated parts are rolled
        into loops, is refused: compiling grows faster than its length.

    Returns
    -------
    Loop or Refusal
        A refusal is false and says which operation has no compiled form.

    Raises
    ------
    UnsupportedOperationError
        If an operation has no derivative.
    """
    began = time.perf_counter()
    path = None
    if native and without_numba() is None:
        path = path_of(tape, layout, observe, max_operations)
        known = None if path is None else known_plan(path)
        if isinstance(known, Loop):
            known.plan_seconds = time.perf_counter() - began
        if known is not None:
            return known
    found = _planned(tape, layout, observe, native, max_operations)
    if path is not None:
        keep_plan(path, found)
    return found


def _planned(
    tape: Tape, layout: Layout, observe: Tape | None, native: bool, max_operations: int
) -> Loop | Refusal:
    rolled: Loop | Refusal | None = None
    if len(tape.nodes) > min(max_operations, LONG) and not tape.depends_on_values:
        # Fusing so many operations takes long; rolling parts that repeat takes a tenth of a second.
        rolled = _rolled(tape, layout, observe, native)
        if isinstance(rolled, Loop):
            return rolled
    found = fused_loop(tape, layout, observe=observe, native=native, max_operations=max_operations)
    short = len(tape.nodes) <= SHORT or tape.depends_on_values
    if isinstance(found, Loop) or rolled is not None or short:
        return found
    rolled = _rolled(tape, layout, observe, native)
    return rolled if isinstance(rolled, Loop) else found


def _rolled(tape: Tape, layout: Layout, observe: Tape | None, native: bool) -> Loop | Refusal:
    # A third of the compiler, which most steps don't need: loaded at first use.
    from revolve_ad.native.rolled import compile_rolled

    found = compile_rolled(tape, layout, observe=observe, native=native)
    if isinstance(found, Loop):
        found.estimate = estimated_rolled(tape.nodes, n_lines=found.source.count("\n"))
    return found

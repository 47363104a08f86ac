"""Chooses how a step is compiled: fused as it is, or first rolled back into loops."""

from __future__ import annotations

from revolve_ad.ad.tape import Tape
from revolve_ad.native.compiled import MAX_OPERATIONS, Refusal
from revolve_ad.native.loop import Layout, Loop, fused_loop
from revolve_ad.native.worth import estimated_rolled

__all__ = ["compile_loop"]

LONG = 150
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

"""Shows what becomes of a step on its way to compiled loops, form by form.

The forms: the *tape*, as recorded; the *simplified* tape of the step and its adjoint; the *loops*
that its nodes were fused into, with the buffers between them and what NumPy is called for; and the
*source* that Numba compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from revolve_ad import trees
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.table import _names
from revolve_ad.ad.tape import Tape
from revolve_ad.native.choice import compile_loop
from revolve_ad.native.compiled import Refusal
from revolve_ad.native.loop import Layout
from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.worth import Estimate

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The forms of a step; each is a text, and it prints as all of them.

    Attributes
    ----------
    tape : str
        What was recorded.
    simplified : str
        The step and its adjoint without what is dead or there twice; empty for a step that was
        rolled back into loops over single elements.
    loops : str
        The loops and buffers that the nodes became; empty likewise.
    source : str
        The generated source.
    refusal : str
        Why there is none of the later forms; empty if the step can be compiled.
    estimate : Estimate or None
        What compiling would cost and gain, from which ``native="auto"`` chooses.
    """

    tape: str
    simplified: str
    loops: str
    source: str
    refusal: str
    estimate: Estimate | None

    def __str__(self) -> str:
        parts = [("Tape", self.tape)]
        if self.simplified:
            parts.append(("Simplified, with the adjoint", self.simplified))
        if self.loops:
            parts.append(("Loops", self.loops))
        if self.source:
            parts.append(("Source", self.source.rstrip()))
        if self.refusal:
            parts.append(("Not compiled", self.refusal))
        if self.estimate is not None:
            e = self.estimate
            parts.append(
                (
                    "Estimate",
                    f"a step and its reversal: NumPy {e.numpy * 1e6:.3g} µs, compiled "
                    f"{e.native * 1e6:.3g} µs; compiling {e.compiling:.2g} s",
                )
            )
        return "\n\n".join(f"{title}\n{'-' * len(title)}\n{text}" for title, text in parts)


def explain(
    step: Callable[..., Any], state: Any, params: Any = None, inputs: Any = None
) -> Explanation:
    """Record a step and show what it would be compiled to; nothing is compiled.

    Parameters
    ----------
    step : callable
        ``step(state, params, k)``, with inputs ``step(state, params, k, inputs_k)``.
    state, params
        As for a `Simulation`.
    inputs
        One row of the inputs.

    Returns
    -------
    Explanation
        It prints as text.
    """
    groups = [trees.flatten(x)[0] for x in (state, params, inputs)]
    row = () if inputs is None else (inputs,)
    found = trace(step, (state, params, 0, *row))
    tape = found.tape
    n_state, n_params, n_inputs = map(len, groups)
    layout = Layout(n_state, n_params, n_inputs, len(found.hidden))
    # Source can be shown where Numba is missing, too.
    loop = compile_loop(tape, layout, native=False)
    if isinstance(loop, Refusal):
        return Explanation(str(tape), "", "", "", loop.reason, None)
    simplified = loops = ""
    if loop.forms is not None:
        both, forward, reverse = loop.forms
        simplified = str(both)
        parts = ["Step", *_nests(both, forward, "step"), "", "Adjoint"]
        loops = "\n".join([*parts, *_nests(both, reverse, "pull")])
    return Explanation(str(tape), simplified, loops, loop.source, "", loop.estimate)


def _nests(tape: Tape, fused: Fused, prefix: str) -> list[str]:
    """Return a line for each loop nest and each buffer."""
    nodes = tape.nodes
    names = _names(nodes, tape.outputs)
    lines = []
    for k, nest in enumerate(fused.nests):
        made = ", ".join(
            f"{t.buffer} {'+=' if t.add else '='} {names[t.node]}, a {nodes[t.node].op.name}"
            for t in nest.targets
        )
        if nest.call is not None:
            lines.append(f"  NumPy     {made}")
            continue
        if nest.kernel is not None:
            lines.append(f"  {prefix + str(k):<9} {made}, in a function of its own")
            continue
        extents = [loops.extent for loops in nest.loops]
        first = max(extents, key=prod, default=())
        shape = "×".join(map(str, first)) or "1"
        more = f" and {len(extents) - 1} at its edges" if len(extents) > 1 else ""
        lines.append(f"  {prefix + str(k):<9} {made}: {shape} points{more}")
    for name, (sizes, dtype) in fused.work.items():
        size = prod(sizes) * dtype.itemsize
        dims = "×".join(map(str, sizes)) or "1"
        lines.append(f"  buffer    {name}: {dtype} {dims}, {size:,} bytes")
    return lines or ["  nothing to compute"]

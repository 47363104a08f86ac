"""Whether compiling a step is worth it: a rule of seconds, estimated from the tape alone.

Nothing is timed, so that equal calls choose alike and give equal bits, on every machine and
whatever the cache on disk holds.  The seconds are those of one core of 2024 with arrays in its
cache, right within a factor of two or three; the rule asks for clear gains only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, prod

from revolve_ad.ad.core import BROADCAST, CAST, GATHER, ITEM, SCATTER, SCATTER_ADD, SUM
from revolve_ad.ad.strided import StridedMap
from revolve_ad.ad.tape import Node, live_nodes
from revolve_ad.native.passes.arithmetic import LIBRARY
from revolve_ad.native.passes.expression import Graph
from revolve_ad.native.passes.fuse import Fused
from revolve_ad.native.passes.nests import Loops

__all__ = ["GRADIENTS", "LEAST_GAIN", "LONGEST", "Estimate", "estimated", "estimated_rolled"]

GRADIENTS = 30
"""Gradients after which compiling must have paid: a fit takes tens, a sampler thousands, and later
processes find the code in the cache."""

LEAST_GAIN = 1.5
"""How many times faster steps must get at least, in the estimate."""

LONGEST = 30.0
"""Seconds of compiling that nobody who asked for nothing should wait, unless the first gradient
already wins them back."""

_CALL = 1.2e-6
_SCALAR_CALL = 0.3e-6
_ELEMENT = 0.5e-9
_NUMPY_LIBRARY = {
    **dict.fromkeys(("exp", "exp2", "tanh"), 0.6e-9),
    **dict.fromkeys(("log", "log2", "log10"), 1.0e-9),
    "power": 4e-9,
}
_LIBRARY = {"exp": 3e-9, "exp2": 3e-9, "log": 4e-9, "power": 8e-9}
_LIBRARY_ELSE = 7e-9
"""Seconds an element: NumPy's exp and tanh are vector code, those that loops call are not."""

_FLOP = 0.06e-9
_SLOW_FLOP = 0.5e-9
_LOAD = 0.12e-9
_FAR_LOAD = 3e-9
"""An element of a column, forward and in reverse: loops over columns aren't vector code.  Measured
2.4 to 7 ns, the larger the array."""
_PYTHON_CALL = 1.2e-6
_NATIVE_CALL = 2e-8

_LINE_SECONDS = 0.007
_LOOP_SECONDS = 0.18
_ROLLED_LINE_SECONDS = 0.017
_START_SECONDS = 1.0
"""Fitted to the CPU seconds that ten programs took, 3 to 29, which they give within half."""

_APART_LINE_SECONDS = 0.01
_APART_NEST_SECONDS = 0.1
"""Where NumPy is called in between each nest is compiled once, not into each loop over steps."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What compiling a step costs and gains.

    Attributes
    ----------
    numpy : float
        Seconds that NumPy takes for a step and its reversal.
    native : float
        The same of the compiled step, what NumPy does between its loops included.
    compiling : float
        Seconds of compiling, with an empty cache.
    """

    numpy: float
    native: float
    compiling: float

    @property
    def gain(self) -> float:
        """How many times faster the compiled step is."""
        return self.numpy / max(self.native, 1e-12)

    def why_not(self, n_steps: int) -> str | None:
        """Say why compiling isn't worth it for a run of so many steps; None if it is.

        It is if the steps get faster by `LEAST_GAIN`, and `GRADIENTS` gradients save more than
        compiling takes; the first one alone if that takes longer than `LONGEST`.
        """
        if self.gain < LEAST_GAIN:
            return f"compiled, steps would be about {self.gain:.2f} times as fast"
        once = n_steps * (self.numpy - self.native)
        saved = once * GRADIENTS
        if saved < self.compiling:
            return (
                f"compiling would take about {self.compiling:.2g} s, and save about {saved:.2g} s "
                f"in {GRADIENTS} gradients"
            )
        if self.compiling > LONGEST and once < self.compiling:
            return (
                f"compiling would take about {self.compiling:.2g} s, more than {LONGEST:.0f} s, "
                f"and save about {once:.2g} s a gradient (native=True compiles all the same)"
            )
        return None


def estimated(
    nodes: Sequence[Node],
    work: Sequence[bool],
    forward: Fused,
    reverse: Fused,
    *,
    n_lines: int,
) -> Estimate:
    """Return the estimate of a fused step.

    Parameters
    ----------
    nodes : sequence of Node
        The step and its adjoint.
    work : sequence of bool
        Which of the nodes are computed in every step.
    forward, reverse : Fused
        The loops of both.
    n_lines : int
        Lines of the generated source.
    """
    again = live_nodes(nodes, [t.node for nest in forward.nests for t in nest.targets])
    # The interpreter, too, computes the step once more when it reverses it.
    numpy = sum(
        (2 if again[i] else 1) * _numpy_seconds(nodes, i) for i, flag in enumerate(work) if flag
    )
    native = 0.0
    nests = n_loops = 0
    compiled = True
    for fused in (forward, reverse):
        calls = [nest.call for nest in fused.nests if nest.call is not None]
        compiled &= not calls
        native += sum(_numpy_seconds(nodes, i) for i in fused.reasons)
        for nest in fused.nests:
            if nest.call is not None:
                continue
            nests += 1
            n_loops += len(nest.loops)
            native += _PYTHON_CALL if calls else _NATIVE_CALL
            native += sum(_loop_seconds(fused.graph, loops) for loops in nest.loops)
            if nest.kernel is not None:
                native += 1e-7
    if compiled:
        compiling = _START_SECONDS + n_lines * _LINE_SECONDS + n_loops * _LOOP_SECONDS
    else:
        compiling = n_lines * _APART_LINE_SECONDS + nests * _APART_NEST_SECONDS
    return Estimate(numpy, native, compiling)


def estimated_rolled(nodes: Sequence[Node], *, n_lines: int) -> Estimate:
    """Return the estimate of a step that was rolled back into loops; the tape is the step's."""
    work = [i for i, node in enumerate(nodes) if node.args]
    # The adjoint has about twice the operations.
    numpy = 3 * sum(_numpy_seconds(nodes, i) for i in work)
    # A write touches what it writes, not the array around it.
    made = [nodes[i].args[1] if nodes[i].op in (SCATTER, SCATTER_ADD) else i for i in work]
    native = 3 * sum(prod(nodes[i].shape) for i in made) * (_FLOP + _LOAD)
    native += sum(_far(nodes[i]) for i in work) * _FAR_LOAD
    return Estimate(numpy, native, _START_SECONDS + n_lines * _ROLLED_LINE_SECONDS)


def _far(node: Node) -> int:
    """Return how many elements are read or written that don't lie next to each other."""
    if node.op not in (GATHER, SCATTER, SCATTER_ADD):
        return 0
    box = node.params[0]
    if not isinstance(box, StridedMap) or not box.shape or box.shape[-1] == 1:
        return 0
    return prod(box.shape) if abs(box.strides[-1]) != 1 else 0


def _numpy_seconds(nodes: Sequence[Node], i: int) -> float:
    """Return how long NumPy takes for one operation."""
    node = nodes[i]
    name = node.op.name
    if node.op in (GATHER, BROADCAST, ITEM):
        return 0.4e-6  # a view
    size = max([prod(node.shape), *(prod(nodes[a].shape) for a in node.args)])
    if node.op.ufunc is not None or node.op is CAST:
        if size == 1:
            return _SCALAR_CALL
        return _CALL + size * _NUMPY_LIBRARY.get(name, 7e-9 if name in LIBRARY else _ELEMENT)
    if node.op is SUM:
        return 3e-6 + size * 0.3e-9
    shapes = [nodes[a].shape for a in node.args] or [()]
    if "fft" in name:
        return 6e-6 + size * log2(max(size, 2)) * 1.0e-9
    if name in ("matmul", "dot"):
        return 2e-6 + size * (shapes[0][-1] if shapes[0] else 1) * 0.1e-9
    if name in ("solve", "inv", "det", "slogdet", "cholesky", "lstsq", "qr", "eigh", "svd", "pinv"):
        n = shapes[0][-1] if shapes[0] else 1
        return 8e-6 + prod(shapes[0]) * n * 0.2e-9
    if "sort" in name:
        return 3e-6 + size * log2(max(size, 2)) * 2e-9
    if node.op.kind.name == "STRUCTURE":
        return _CALL + size * _ELEMENT
    return 8e-6 + size * 3e-9


def _loop_seconds(graph: Graph, loops: Loops) -> float:
    """Return how long a loop nest takes."""
    each = 0.0
    roots = [e for s in loops.stores for e in ((s.value, s.at) if s.at >= 0 else (s.value,))]
    for i in graph.reachable(roots):
        expr = graph.exprs[i]
        if expr.kind == "op":
            if expr.what in LIBRARY or "power" in expr.what:
                each += _LIBRARY.get(expr.what, _LIBRARY_ELSE)
            elif expr.what in ("divide", "sqrt", "reciprocal", "remainder", "floor_divide"):
                each += _SLOW_FLOP
            else:
                each += _FLOP
        elif expr.kind in ("take", "load"):
            each += _LOAD
    return prod(loops.extent) * (each + len(loops.stores) * _LOAD) + 1e-8

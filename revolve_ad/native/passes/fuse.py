"""Fusion: which nodes of a tape get a buffer, and which of them share a loop.

A node without a buffer is computed again wherever it is read.  That is cheaper than a pass over
memory until the arithmetic repeated outweighs it; both are counted on the branch-free part of the
loops, where almost all points lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np

from revolve_ad.ad.core import (
    BROADCAST,
    CAST,
    CONSTANT,
    FULL,
    GATHER,
    INPUT,
    ITEM,
    SCATTER,
    SCATTER_ADD,
    SUM,
)
from revolve_ad.ad.tape import Node
from revolve_ad.native.passes.calls import Call, call_of, origin, settled, why_called
from revolve_ad.native.passes.expression import Graph, Position
from revolve_ad.native.passes.factors import factored
from revolve_ad.native.passes.indices import PUT, PUT_ADD, TAKE
from revolve_ad.native.passes.kernels import Kernel, kernel_of
from revolve_ad.native.passes.nests import Loops, Store, TailError, cover, main_box
from revolve_ad.native.passes.points import (
    NeedsBufferError,
    NeedsRingError,
    PartialError,
    Points,
    RefusedError,
    aligned,
    box_of,
    flat_index,
)
from revolve_ad.native.passes.regions import Region, ResidueError, locate
from revolve_ad.native.passes.rotation import ROTATE

__all__ = ["Fused", "Nest", "Target", "fuse"]

_SHIFTS = (GATHER, SCATTER, SCATTER_ADD, ROTATE, TAKE, PUT, PUT_ADD)

WORTH = 14.0
"""Weight of repeated work from which a node of a large array is stored.  Measured: a product read
at 9 points and a square root read at 5 are better stored, a Laplacian read at 5 is not."""

WORTH_SMALL = 6.0
PER_PASS = 240.0
PASS = 30.0
SMALL = 4096
"""Arrays of fewer elements stay in the first-level cache: a pass costs little beside its start."""

MANY_BUFFERS = 12

FACTORED = 256
"""Points from which a loop gains by fewer multiplications; a shorter one waits for results, which
then come later.  Measured: 40 points lose a half, 1000 gain a third."""

TRIALS = 4
"""Candidates for a buffer that are tried in each loop before the best is taken."""

EFFORT = 600_000
"""Evaluations that planning may take, some seconds, before a tape is refused."""


@dataclass(frozen=True, slots=True)
class Target:
    """A node whose value goes to a buffer; `add`: it is added to what is there.

    With `part` only what a scatter itself adds, without its base.
    """

    node: int
    buffer: str
    add: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class Nest:
    """Loops that compute some targets; those of `loops` may run in this order only.

    With `call`, a call of NumPy instead of loops; with `kernel`, a function of its own.
    """

    targets: tuple[Target, ...]
    loops: tuple[Loops, ...]
    call: Call | None = None
    kernel: Kernel | None = None


@dataclass(slots=True)
class Fused:
    """What `fuse` decided: nests in the order of execution, over one graph of expressions."""

    graph: Graph
    nests: list[Nest]
    work: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    """Buffers for intermediate values: shape and dtype."""
    before: dict[str, int]
    """Buffers whose element 0 has so many before it."""
    reasons: dict[int, str] = field(default_factory=dict)
    """The nodes that NumPy computes, and why."""

    @property
    def temporary_bytes(self) -> int:
        """Array bytes that the calls of NumPy allocate, one after the other."""
        return max((n.call.temporary_bytes for n in self.nests if n.call is not None), default=0)


@dataclass(frozen=True, slots=True)
class _Analysis:
    """What a group's branch-free loop evaluates: how often each node, and what one costs."""

    group: Sequence[Target]
    region: Region
    small: bool
    weight: float
    times: dict[int, int]
    alone: dict[int, float]
    gains: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Fusion:
    nodes: Sequence[Node]
    targets: list[Target]
    buffers: dict[int, str]
    scalars: Mapping[int, str]
    exact: bool
    prefix: str
    tails: set[int] = field(default_factory=set)
    calls: dict[int, str] = field(default_factory=dict)
    kernels: dict[int, list[str]] = field(default_factory=dict)
    roots: dict[int, list[int]] = field(default_factory=dict)
    work: dict[str, int] = field(default_factory=dict)
    rings: dict[int, str] = field(default_factory=dict)
    shifts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    pads: dict[str, list[int]] = field(default_factory=dict)
    graph: Graph = field(default_factory=lambda: Graph(True))

    known: dict[Any, _Analysis | None] = field(default_factory=dict)
    effort: list[int] = field(default_factory=lambda: [EFFORT])

    # -- what may be stored

    def store(self, i: int) -> None:
        """Give node `i` a buffer of its own."""
        if self.nodes[i].op in (INPUT, CONSTANT):
            raise AssertionError("an input or a constant without a buffer")
        name = f"{self.prefix}{len(self.work)}"
        self.work[name] = i
        self.buffers[i] = name
        self.forget(i)
        if len(self.nodes[i].shape) == 1:
            self.pads[name] = [0, 0]
        self.targets.append(Target(i, name))

    def call(self, i: int, reason: str) -> None:
        """Let NumPy compute node `i`: its operands and its results lie in buffers."""
        self.calls[i] = reason
        self.known.clear()
        if not self.scalars.keys() & set(self.nodes[i].args):
            body = kernel_of(self.nodes, i)
            if body is not None:
                self.kernels[i] = body
                self.roots[i] = list(self.nodes[i].args)
                for a in self.roots[i]:
                    self.hold(a, full=True)
                self.hold(i)
                return
        held = self.buffers.keys() | self.scalars.keys()
        self.roots[i] = [settled(self.nodes, a, held) for a in self.nodes[i].args]
        for root in self.roots[i]:
            self.hold(root)
        if self.nodes[i].results is None:
            self.hold(i)

    def hold(self, i: int, *, full: bool = False) -> None:
        """Give node `i` a buffer of exactly its shape, unless it has one."""
        if i in self.scalars or (self.nodes[i].op is FULL and not full):
            return
        if i not in self.buffers:
            self.store(i)
        self.pads.pop(self.buffers[i], None)

    def find_calls(self) -> None:
        """Find what the targets need and only NumPy computes."""
        seen: set[int] = set()
        stack = [t.node for t in self.targets]
        found: dict[int, str] = {}
        items: list[int] = []
        while stack:
            i = stack.pop()
            if i in seen or i in self.scalars or (i in self.buffers and not self.nodes[i].args):
                continue
            seen.add(i)
            reason = why_called(self.nodes, i)
            if reason is not None:
                found[i] = reason
            elif self.nodes[i].op is ITEM:
                items.append(i)
            stack.extend(self.nodes[i].args)
        for i in sorted(found):
            self.call(i, found[i])
        for i in items:
            self.hold(i)

    def is_call(self, target: Target) -> bool:
        """Whether NumPy computes the target."""
        return self.defines(target) and origin(self.nodes, target.node) in self.calls

    def calling(self, group: Sequence[Target]) -> Nest:
        """Return the call that computes a group."""
        i = origin(self.nodes, group[0].node)
        body = self.kernels.get(i)
        if body is not None:
            operands = [self.buffers[a] for a in self.roots[i]]
            kernel = Kernel((group[0].buffer, *operands), tuple(body))
            return Nest(tuple(group), (), kernel=kernel)
        results = {
            (self.nodes[t.node].params[0] if self.nodes[t.node].op is ITEM else 0): t.buffer
            for t in group
        }
        return Nest(
            tuple(group),
            (),
            call_of(self.nodes, i, self.roots[i], results, self.buffers, self.scalars),
        )

    def forget(self, i: int) -> None:
        """Drop what is known of loops that evaluate node `i`."""
        self.known = {k: a for k, a in self.known.items() if a is not None and i not in a.times}

    def copy_to_ring(self, i: int) -> None:
        """Give node `i` a copy that can repeat its ends."""
        name = f"{self.prefix}{len(self.work)}"
        self.work[name] = i
        self.rings[i] = name
        self.known.clear()
        self.pads[name] = [0, 0]
        self.targets.append(Target(i, name))

    def points(self, graph: Graph, guarded: bool, **options: object) -> Points:
        return Points(
            self.nodes,
            graph,
            self.buffers,
            scalars=self.scalars,
            guarded=guarded,
            skipped=frozenset(self.tails),
            rings=self.rings,
            pads=self.pads,
            effort=self.effort,
            **options,  # type: ignore[arg-type]
        )

    # -- one target

    def domain(self, target: Target) -> tuple[int, ...]:
        """Return the shape of the loops that compute a target."""
        node = self.nodes[target.node]
        if self.defines(target) and node.op is SUM:
            return self.nodes[node.args[0]].shape
        return node.shape

    def defines(self, target: Target) -> bool:
        """Whether the target computes its node, rather than copies it from another buffer."""
        return self.buffers.get(target.node) in (None, target.buffer)

    def stores(
        self, points: Points, region: Region, target: Target, shift: tuple[int, ...] = ()
    ) -> Store:
        """Evaluate a target at the points of a region, which is `shift` away from the target's."""
        i, node = target.node, self.nodes[target.node]
        index = region.index
        if any(shift):
            index = tuple(p._replace(off=p.off - s) for p, s in zip(index, shift, strict=True))
        if self.defines(target) and node.op is SUM:
            axes, keepdims = node.params
            value = points.value(node.args[0], index, region.bounds)
            value = points.graph.cast(value, node.dtype)
            at = tuple(
                Position(-1, 0, 0) if d in axes else p
                for d, p in enumerate(index)
                if keepdims or d not in axes
            )
            return Store(target.buffer, at, value, add=True)
        if self.defines(target):
            return Store(
                target.buffer, index, points.definition(i, index, region.bounds), add=target.add
            )
        return Store(target.buffer, index, points.value(i, index, region.bounds), add=target.add)

    def body(self, points: Points, region: Region, targets: Sequence[Target]) -> list[Store]:
        """Evaluate targets that share loops."""
        return [self.stores(points, region, t, self.shifts.get(t.buffer, ())) for t in targets]

    def is_pushed(self, target: Target) -> bool:
        """Whether the node is a scatter that must be done write by write."""
        node = self.nodes[target.node]
        return self.defines(target) and (
            node.op in (PUT, PUT_ADD)
            or (node.op in (SCATTER, SCATTER_ADD) and box_of(node.params[0]) is None)
        )

    def is_filled(self, target: Target) -> bool:
        """Whether most of a cotangent is a number: then it shares nothing with other loops.

        Apart from them, its edge is thin, and later steps can do without the loop.
        """
        node = self.nodes[target.node]
        if self.exact or target.add or not self.defines(target) or node.op is not SCATTER:
            return False
        value = self.nodes[node.args[1]]
        while value.op in (BROADCAST, CAST):
            value = self.nodes[value.args[0]]
        box = box_of(node.params[0])
        return value.op is FULL and box is not None and prod(box.shape) >= prod(node.shape) // 2

    # -- grouping

    def dependencies(self, target: Target) -> set[str]:
        """Return the buffers that a target reads."""
        found: set[str] = set()
        seen: set[int] = set()
        stack = list(self.nodes[target.node].args) if self.defines(target) else [target.node]
        if target.part:
            stack = stack[1:]
        while stack:
            i = stack.pop()
            if i in seen or i in self.scalars:
                continue
            seen.add(i)
            if i in self.buffers:
                found.add(self.buffers[i])
                if i in self.rings and self.rings[i] != target.buffer:
                    found.add(self.rings[i])
            else:
                stack.extend(self.nodes[i].args)
        return found

    def groups(self) -> list[list[Target]]:
        """Sort the targets by what they read, and put together what may share loops."""
        writers = {t.buffer for t in self.targets}
        needs = {t.buffer: self.dependencies(t) for t in self.targets}
        level: dict[str, int] = {}
        pending = list(self.targets)
        while pending:
            rest = []
            for t in pending:
                inner = [b for b in needs[t.buffer] if b in writers and b != t.buffer]
                if all(b in level for b in inner):
                    level[t.buffer] = 1 + max((level[b] for b in inner), default=0)
                else:
                    rest.append(t)
            assert len(rest) < len(pending), "a tape has no cycles"
            pending = rest
        groups: list[list[Target]] = []
        called: dict[int, int] = {}
        for t in sorted(self.targets, key=lambda t: (level[t.buffer], t.node)):
            if self.is_call(t):
                at = called.setdefault(origin(self.nodes, t.node), len(groups))
                if at == len(groups):
                    groups.append([])
                groups[at].append(t)
                continue
            for group in groups:
                first = group[0]
                if self.is_call(first):
                    continue
                touched = {b for m in [*group, t] for b in (*needs[m.buffer], m.buffer)}
                if (
                    level[first.buffer] == level[t.buffer]
                    and not self.is_pushed(first)
                    and not self.is_pushed(t)
                    and not (first.part or t.part)
                    and first.node not in self.tails
                    and t.node not in self.tails
                    and not (self.is_filled(first) or self.is_filled(t))
                    and _alike(self.domain(first), self.domain(t))
                    and len(touched) <= MANY_BUFFERS
                ):
                    group.append(t)
                    break
            else:
                groups.append([t])
        return groups

    def align(self, group: Sequence[Target]) -> None:
        """Shift smaller targets of a group so that they read the same elements as the largest.

        Interior points may be written from 0 on: the same cell then has another index.
        """
        if self.is_call(group[0]):
            return
        first = max(group, key=lambda t: prod(self.domain(t)))
        whole = self.domain(first)
        for t in group:
            shape = self.domain(t)
            gaps = [n - m for n, m in zip(whole, shape, strict=True)]
            if t is first or not any(gaps) or t.buffer in self.shifts or min(shape) < 16:
                continue
            best, fewest = (0,) * len(shape), float("inf")
            for shift in product(*[sorted({0, gap // 2, gap}) if gap > 0 else [0] for gap in gaps]):
                self.shifts[t.buffer] = shift
                region = self.interior((first, t))
                if region is None:
                    break
                graph = Graph(self.exact)
                values = [s.value for s in self.body(self.points(graph, False), region, (first, t))]
                loads = graph.cost(values).loads
                if loads < fewest:
                    best, fewest = shift, loads
            self.shifts[t.buffer] = best

    def common(self, group: Sequence[Target]) -> Region:
        """Return the points that all targets of a group have."""
        starts, stops = [], []
        for t in group:
            shape = self.domain(t)
            shift = self.shifts.get(t.buffer, (0,) * len(shape))
            starts.append(shift)
            stops.append(tuple(a + n for a, n in zip(shift, shape, strict=True)))
        start = tuple(max(x) for x in zip(*starts, strict=True))
        stop = tuple(min(x) for x in zip(*stops, strict=True))
        extent = tuple(max(b - a, 0) for a, b in zip(start, stop, strict=True))
        return Region(start, (1,) * len(start), extent)

    # -- inline or store

    def interior(self, group: Sequence[Target]) -> Region | None:
        """Return the largest box without branches; None for a group that isn't plain loops."""
        region = self.common(group)
        while region.volume:
            try:
                return main_box(
                    region, lambda box: self.body(self.points(Graph(self.exact), False), box, group)
                )
            except ResidueError as residue:
                region = region.residues(residue.dim, residue.step)[0]
        return None

    def analysis(self, group: Sequence[Target]) -> _Analysis | None:
        """Evaluate a group on its interior; None if it isn't plain loops."""
        key = tuple((t, self.shifts.get(t.buffer)) for t in group)
        if key in self.known:
            return self.known[key]
        found = None
        loops = not (self.is_call(group[0]) or self.is_pushed(group[0]) or group[0].part)
        region = self.interior(group) if loops else None
        if region is not None:
            graph = Graph(self.exact)
            points = self.points(graph, False)
            values = [s.value for s in self.body(points, region, group)]
            small = prod(self.domain(group[0])) < SMALL
            times: dict[int, int] = {}
            alone: dict[int, float] = {}
            for (i, _, _), expr in points.memo.items():
                times[i] = times.get(i, 0) + 1
                if i not in alone:
                    alone[i] = 0.0
                    if graph.exprs[expr].kind == "op" and i not in self.buffers:
                        alone[i] = graph.cost([expr]).weight(small=small)
            weight = graph.cost(values).weight(small=small)
            found = _Analysis(group, region, small, weight, times, alone)
        self.known[key] = found
        return found

    def worst(self, groups: Sequence[Sequence[Target]]) -> list[int]:
        """Return nodes whose repeated evaluation costs most, of different loops."""
        consumers, shifted = _consumers(self.nodes, [t.node for t in self.targets])
        seen = [a for a in map(self.analysis, groups) if a is not None]
        where: dict[int, list[_Analysis]] = {}
        for found in seen:
            for i in found.times:
                if i not in self.buffers and (consumers[i] > 1 or shifted[i]):
                    where.setdefault(i, []).append(found)
        times = {i: sum(a.times[i] for a in found) for i, found in where.items()}
        alone = {i: max(a.alone[i] for a in found) for i, found in where.items()}
        ranked = sorted(
            (i for i in where if times[i] > 1 and alone[i] > 2),
            # What comes early is repeated most often, and makes the rest cheaper.
            key=lambda i: (times[i] - 1) * min(alone[i], PASS),
            reverse=True,
        )
        gains: list[tuple[float, int]] = []
        tried: dict[int, int] = {}
        for i in ranked:
            size = prod(self.nodes[i].shape)
            worth = WORTH_SMALL + PER_PASS / max(size, 1) if size < SMALL else WORTH
            first = id(where[i][0])
            if (times[i] - 1) * alone[i] < worth or tried.get(first, 0) >= TRIALS:
                continue
            tried[first] = tried.get(first, 0) + 1
            gain = sum(self.gain(i, a) for a in where[i]) - alone[i] - 2.0
            if gain > worth:
                gains.append((gain - worth, i))
        chosen: list[int] = []
        taken: set[int] = set()
        for _, i in sorted(gains, reverse=True):
            touched = {id(a) for a in where[i]}
            if not touched & taken:
                chosen.append(i)
                taken |= touched
        return chosen

    def gain(self, i: int, found: _Analysis) -> float:
        """Return how much lighter a loop gets if node `i` lies in a buffer."""
        if i in found.gains:
            return found.gains[i]
        self.buffers[i] = "?"
        self.pads["?"] = [0, 0]
        graph = Graph(self.exact)
        gain = 0.0
        try:
            stores = self.body(self.points(graph, False), found.region, found.group)
            cost = graph.cost([s.value for s in stores])
            gain = found.weight - cost.weight(small=found.small)
        except (NeedsBufferError, NeedsRingError, PartialError, ResidueError):
            pass
        finally:
            del self.buffers[i], self.pads["?"]
        found.gains[i] = gain
        return gain

    def crowded(self) -> int:
        """Return a node to store when a loop's expressions grow without end."""
        consumers, shifted = _consumers(self.nodes, [t.node for t in self.targets])
        weight = [0.0] * len(self.nodes)
        uses = [0.0] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            if i in self.buffers:
                weight[i] = 1.0
            else:
                weight[i] = min(1e12, 1.0 + sum(weight[a] for a in node.args))
        for t in self.targets:
            for a in self.nodes[t.node].args:
                uses[a] += 1
        for i in range(len(self.nodes) - 1, -1, -1):
            if uses[i] and i not in self.buffers:
                for a in self.nodes[i].args:
                    uses[a] = min(1e12, uses[a] + uses[i])
        possible = [
            i
            for i, node in enumerate(self.nodes)
            if i not in self.buffers
            and uses[i] > 1
            and (consumers[i] > 1 or shifted[i])
            and node.op not in (INPUT, FULL, CONSTANT)
        ]
        if not possible:
            raise RefusedError("an expression too large for one loop")
        return max(possible, key=lambda i: (uses[i] - 1) * weight[i])

    # -- loops

    def ends(self, target: Target) -> list[Loops]:
        """Return loops that repeat the ends of a ring."""
        before, after = self.pads.get(target.buffer, (0, 0))
        node = self.nodes[target.node]
        n = node.shape[0] if before or after else 0
        moves = [(n - before + k, k - before) for k in range(before)]
        moves += [(k, n + k) for k in range(after)]
        loops = []
        for source, place in moves:
            x = self.graph.load(target.buffer, (Position(-1, 0, source),), node.dtype)
            loops.append(Loops((), (Store(target.buffer, (Position(-1, 0, place),), x),)))
        return loops

    def zeroing(self, group: Sequence[Target]) -> list[Loops]:
        """Return loops that zero what sums are added to."""
        loops = []
        for t in group:
            node = self.nodes[t.node]
            if self.defines(t) and node.op is SUM and not t.add:
                region = Region.whole(node.shape)
                zero = self.graph.const(node.dtype.type(0).item(), node.dtype)
                loops.append(Loops(region.extent, (Store(t.buffer, region.index, zero),)))
        return [x for x in loops if prod(x.extent)]

    def make(self, guarded: bool) -> Points:
        return self.points(self.graph, guarded)

    def nest(self, group: Sequence[Target]) -> Nest:
        """Write the loops of a group."""
        first = group[0]
        if self.is_call(first):
            return self.calling(group)
        if self.is_pushed(first):
            return Nest((first,), tuple(self.pushed(first)))
        if first.part:
            return Nest((first,), tuple(self.added(first.node, first)))
        loops = self.zeroing(group)
        done: Region | None = None
        if len(group) > 1:
            try:
                region = self.common(group)
                if region.volume > 8:
                    done = main_box(region, lambda box: self.body(self.make(False), box, group))
            except ResidueError:
                done = None
            if done is not None:
                loops.append(Loops(done.extent, tuple(self.body(self.make(False), done, group))))
        shapes: dict[tuple[tuple[int, ...], tuple[int, ...]], list[Target]] = {}
        for t in group:
            shapes.setdefault((self.domain(t), self.shifts.get(t.buffer, ())), []).append(t)
        for (shape, shift), members in shapes.items():

            def alone(p: Points, r: Region, members: list[Target] = members) -> list[Store]:
                return [self.stores(p, r, t) for t in members]

            part = done
            if done is not None and shift:
                start = tuple(a - b for a, b in zip(done.start, shift, strict=True))
                part = Region(start, done.step, done.extent)
            loops += cover(Region.whole(shape), alone, self.make, done=part)
        if first.node in self.tails:
            loops += self.tail(first)
        return Nest(tuple(group), tuple(loops))

    def tail(self, target: Target) -> list[Loops]:
        """Return the loops of a scatter's small part, after all the rest."""
        chain = [target.node]
        while self.nodes[chain[-1]].args[0] in self.tails:
            inner = self.nodes[chain[-1]].args[0]
            if inner in self.buffers:
                break
            chain.append(inner)
        loops = []
        for i in reversed(chain):
            region = self.written_by(i)

            def make(guarded: bool) -> Points:
                points = self.points(self.graph, guarded)
                points.skipped = frozenset()
                return points

            loops += cover(region, lambda p, r: [self.stores(p, r, target)], make)
        return loops

    def written_by(self, i: int) -> Region:
        """Return the points that scatter `i` writes."""
        box = box_of(self.nodes[i].params[0])
        assert box is not None
        start, step, extent = [], [], []
        for axis in box.axes:
            n = 1 if axis.view_axis is None else box.shape[axis.view_axis]
            low = axis.start if axis.step > 0 else axis.start + axis.step * (n - 1)
            start.append(low)
            step.append(abs(axis.step))
            extent.append(n)
        return Region(tuple(start), tuple(step), tuple(extent))

    def added(self, i: int, target: Target) -> list[Loops]:
        """Return the loops that add to a buffer what scatter `i` writes."""
        node = self.nodes[i]
        box = box_of(node.params[0])
        assert box is not None
        value = node.args[1]

        def body(points: Points, region: Region) -> list[Store]:
            found = locate(box, region.index, region.bounds)
            assert found is not None
            view = aligned(found[0], self.nodes[value].shape)
            x = points.graph.cast(points.value(value, view, region.bounds), node.dtype)
            return [Store(target.buffer, region.index, x, add=True)]

        return cover(self.written_by(i), body, self.make)

    def is_chained(self, i: int) -> bool:
        """Whether node `i` is only the base of small writes that a buffer gets afterwards."""
        users = [k for k, node in enumerate(self.nodes) if i in node.args]
        while len(users) == 1 and users[0] in self.tails and self.nodes[users[0]].args[0] == i:
            if users[0] in self.buffers:
                return i not in self.nodes[users[0]].args[1:]
            i = users[0]
            users = [k for k, node in enumerate(self.nodes) if i in node.args]
        return False

    def pushed(self, target: Target) -> list[Loops]:
        """Return the loops of a scatter that is done write by write."""
        node = self.nodes[target.node]
        base, value = node.args[:2]
        known = node.op in (SCATTER, SCATTER_ADD)
        index: Any = node.params[0] if known else None
        shape = index.shape if known else self.nodes[node.args[2]].shape

        def copied(points: Points, region: Region) -> list[Store]:
            x = points.value(base, region.index, region.bounds)
            return [Store(target.buffer, region.index, x)]

        def written(points: Points, region: Region) -> list[Store]:
            view = region.index
            x = points.value(value, aligned(view, self.nodes[value].shape), region.bounds)
            if node.op in (SCATTER, PUT):
                x = points.graph.cast(x, node.dtype)
            elif points.graph.exprs[x].dtype != node.dtype:
                raise NeedsBufferError(target.node)
            if not known:
                at = points.value(node.args[2], view, region.bounds)
                return [Store(target.buffer, (), x, add=node.op is PUT_ADD, at=at)]
            return [
                Store(
                    target.buffer,
                    flat_index(index, view),
                    x,
                    flat=True,
                    add=node.op is SCATTER_ADD,
                )
            ]

        own = target.part
        if target.add and not own:
            # Added to nothing: its own writes are all that there is to add.
            zero = self.nodes[base].op is FULL and self.nodes[base].params[0] == 0
            if not (zero and node.op in (SCATTER_ADD, PUT_ADD)):
                raise NeedsBufferError(target.node)
            own = True
        if node.op is SCATTER and not index.is_injective:
            raise NeedsBufferError(target.node)
        loops = [] if own else cover(Region.whole(node.shape), copied, self.make)
        whole = Region.whole(shape)
        if known:
            once = index.is_injective
        elif node.params:
            (once,) = node.params
        else:
            at = self.nodes[node.args[2]].params[0].value
            once = np.unique(at).size == at.size
        if once:
            loops += cover(whole, written, self.make)
        elif whole.volume:
            # One loop in NumPy's order: an element that is written twice keeps the last value.
            try:
                loops.append(Loops(whole.extent, tuple(written(self.make(True), whole))))
            except ResidueError:
                # Interleaved parts would have to be written in NumPy's order: it writes them.
                raise NeedsBufferError(target.node) from None
        return loops


def _alike(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(
        abs(x - y) <= max(4, max(x, y) // 10) for x, y in zip(a, b, strict=True)
    )


def _consumers(nodes: Sequence[Node], roots: Iterable[int]) -> tuple[list[int], list[bool]]:
    """Return how many live nodes read each node, and whether one reads it at other points."""
    live = [False] * len(nodes)
    for i in roots:
        live[i] = True
    count = [0] * len(nodes)
    shifted = [False] * len(nodes)
    for i in range(len(nodes) - 1, -1, -1):
        if live[i]:
            for a in nodes[i].args:
                live[a] = True
                count[a] += 1
                shifted[a] |= nodes[i].op in _SHIFTS
    return count, shifted


def fuse(
    nodes: Sequence[Node],
    targets: Sequence[Target],
    buffers: Mapping[int, str],
    *,
    scalars: Mapping[int, str] | None = None,
    exact: bool = True,
    prefix: str = "work",
) -> Fused:
    """Decide which nodes are stored and write the loops.

    Parameters
    ----------
    nodes : sequence of Node
        The tape.
    targets : sequence of Target
        What is to be computed, and where to.
    buffers : mapping of int to str
        The inputs and constants, by their nodes, and the buffers that hold them.
    scalars : mapping of int to str, optional
        Inputs that are variables of the generated function.
    exact : bool
        Keep every bit of the interpreter's arithmetic; see `Graph`.
    prefix : str
        What the names of new buffers begin with.

    Raises
    ------
    RefusedError
        If a node has no compiled form.
    """
    known = dict(buffers)
    for t in targets:
        if not t.add and t.node not in known and (scalars is None or t.node not in scalars):
            known[t.node] = t.buffer
    fusion = _Fusion(nodes, list(targets), known, scalars or {}, exact, prefix)
    fusion.find_calls()
    while True:
        try:
            for pad in fusion.pads.values():
                pad[:] = [0, 0]
            groups = fusion.groups()
            again = fusion.worst(groups)
            for i in again:
                fusion.store(i)
            if again:
                continue
            for pad in fusion.pads.values():
                pad[:] = [0, 0]
            for group in groups:
                fusion.align(group)
            fusion.graph = Graph(exact)
            nests = [fusion.nest(g) for g in groups]
            # Only now is it known how far the loops read across the seams.
            nests = [
                replace(n, loops=(*n.loops, *(x for t in n.targets for x in fusion.ends(t))))
                for n in nests
            ]
            if not exact:
                nests = [
                    replace(n, loops=tuple(factored(fusion.graph, x) for x in n.loops))
                    if any(prod(x.extent) >= FACTORED for x in n.loops)
                    else n
                    for n in nests
                ]
            work = {}
            for name, i in fusion.work.items():
                shape = nodes[i].shape
                if any(fusion.pads.get(name, ())):
                    shape = (shape[0] + sum(fusion.pads[name]),)
                work[name] = (shape, nodes[i].dtype)
            before = {name: pad[0] for name, pad in fusion.pads.items() if pad[0]}
            called = {i: why for i, why in fusion.calls.items() if i not in fusion.kernels}
            return Fused(fusion.graph, nests, work, before, called)
        except NeedsBufferError as need:
            if need.node in fusion.buffers:
                if need.node in fusion.calls:
                    raise AssertionError("a call stands in its own way") from None
                fusion.call(need.node, f"{nodes[need.node].op.name} has no compiled form")
                continue
            fusion.store(need.node)
        except NeedsRingError as need:
            fusion.copy_to_ring(need.node)
        except TailError as tail:
            if tail.node in fusion.tails:
                raise AssertionError("a tail stands in its own way") from None
            fusion.tails.add(tail.node)
            fusion.known.clear()
            if tail.node not in fusion.buffers and not fusion.is_chained(tail.node):
                fusion.store(tail.node)
        except OverflowError:
            fusion.store(fusion.crowded())

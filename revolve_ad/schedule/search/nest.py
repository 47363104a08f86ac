"""A chain split at checkpoints on one storage after the other, down to what RAM reverses.

The leaves of the outermost tree of splits are the chains that the next one splits; those of the
innermost are reversed in RAM by the binomial schedule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from revolve_ad.schedule.actions import Level
from revolve_ad.schedule.closed_form import min_saves, plain_steps
from revolve_ad.schedule.protocol import Counts, LevelCounts, Limits
from revolve_ad.schedule.search.split_tree import Node, SplitTree
from revolve_ad.schedule.search.tiers import Tier

__all__ = ["Nest", "Stage", "nested"]


@dataclass(frozen=True, slots=True)
class Stage:
    """How chains are split at the checkpoints of one level."""

    level: Level
    tree: SplitTree


@dataclass(frozen=True, slots=True)
class Nest:
    """How a chain is split on all levels.

    Attributes
    ----------
    stages : tuple of Stage
        The outermost first, at least one.
    ram : int
        Slots in RAM, with which the leaves of the last stage are reversed.
    """

    stages: tuple[Stage, ...]
    ram: int

    def cost(self, step: float, tiers: Sequence[Tier]) -> float:
        """Return the cost of a pass, the recording aside."""
        by_level = {tier.level: tier for tier in tiers}
        cost = 0.0
        for stage in self.stages:
            totals, tier = stage.tree.totals(), by_level[stage.level]
            cost += step * totals.advanced + tier.write * totals.kept + tier.read * totals.returns
        return cost + step * sum(
            times * plain_steps(leaf.length, self.ram)
            for leaf, times in self._leaves_in_ram().items()
        )

    def fits(self, tiers: Sequence[Tier]) -> bool:
        """Whether no level holds more checkpoints at a time than it has slots."""
        by_level = {tier.level: tier for tier in tiers}
        return all(by_level[stage.level].holds(stage.tree.peak(_nothing)) for stage in self.stages)

    @property
    def most_in_ram(self) -> int:
        """The most checkpoints held in RAM at a time."""
        lengths = (leaf.length for leaf in self.stages[-1].tree.totals().leaves)
        return max((min(self.ram, length - 1) for length in lengths), default=0)

    def counts(self, n_steps: int, limits: Limits) -> Counts:
        """Return what a pass over `n_steps` steps costs."""
        each = [LevelCounts() for _ in Level]
        advanced = 0
        for stage in self.stages:
            totals = stage.tree.totals()
            peak = stage.tree.peak(_nothing)
            advanced += totals.advanced
            each[stage.level] = LevelCounts(totals.kept, totals.returns, peak)
        ram, saved, restored = self.ram, 0, 0
        for leaf, times in self._leaves_in_ram().items():
            advanced += times * plain_steps(leaf.length, ram)
            saved += times * min_saves(leaf.length, ram)
            restored += times * (leaf.length - 1)
        each[Level.RAM] = LevelCounts(saved, restored)
        beyond = each[Level.DISK :]
        on_disk = sum(level.saved for level in beyond)
        from_disk = sum(level.restored for level in beyond)
        return Counts(
            advanced=advanced,
            recorded=n_steps,
            saved=saved + on_disk,
            restored=restored + from_disk,
            peak_checkpoints=self._peak(lambda leaf: min(ram, leaf.length - 1)),
            peak_tapes=1,
            disk_saved=on_disk,
            disk_restored=from_disk,
            peak_disk=self._peak(_nothing),
            io_cost=limits.io_cost(
                [level.saved for level in each], [level.restored for level in each]
            ),
            by_level=tuple(beyond) if any(level.saved for level in beyond[1:]) else (),
        )

    def _leaves_in_ram(self) -> dict[Node, int]:
        leaves = self.stages[-1].tree.totals().leaves
        return {leaf: times for leaf, times in leaves.items() if leaf.length > 1}

    def _peak(self, in_ram: Callable[[Node], int]) -> int:
        """The most checkpoints held at a time on all levels, given how many a leaf has in RAM."""
        in_leaf = in_ram
        for stage in reversed(self.stages[1:]):
            in_leaf = _within(stage.tree.peaks(in_leaf))
        return self.stages[0].tree.peak(in_leaf)


def _nothing(leaf: Node) -> int:
    return 0


def _within(peak: Callable[[Node], int]) -> Callable[[Node], int]:
    def in_leaf(leaf: Node) -> int:
        return peak(Node(leaf.length, 0, False)) if leaf.length > 1 else 0

    return in_leaf


def nested(
    tiers: Sequence[Tier],
    outer: SplitTree,
    inner: Sequence[tuple[Mapping[Node, int], bool]],
    ram: int,
) -> Nest:
    """Return a nest.

    Parameters
    ----------
    tiers : sequence of Tier
        The outermost first.
    outer : SplitTree
        How the whole chain is split on the outermost.
    inner : sequence of (mapping of Node to int, bool), one entry for each further tier
        Length of the left part of each kind of chain that is split there, and whether checkpoints
        held are counted; see `SplitTree`.
    ram : int
        Slots in RAM.
    """
    stages = [Stage(tiers[0].level, outer)]
    for tier, (splits, counted) in zip(tiers[1:], inner, strict=True):
        roots: dict[Node, int] = {}
        for leaf, times in stages[-1].tree.totals().leaves.items():
            if leaf.length > 1:
                root = Node(leaf.length, 0, False)
                roots[root] = roots.get(root, 0) + times
        tree = SplitTree(outer.n_steps, splits, counted=counted, roots=roots)
        stages.append(Stage(tier.level, tree))
    return Nest(tuple(stages), ram)

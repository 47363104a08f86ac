"""Spreads checkpoints that are written and read once over storages: the quickest fills first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from revolve_ad.schedule import Level
from revolve_ad.simulation.planning.costs import Costs

__all__ = ["Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The storages, the quickest there and back first.

    Attributes
    ----------
    levels : tuple of Level
        Their levels.
    rooms : tuple of (int or None)
        How many checkpoints fit; None, only as the last one: any number.
    seconds : tuple of float
        What a checkpoint takes there and back.
    """

    levels: tuple[Level, ...]
    rooms: tuple[int | None, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, rooms: Sequence[int | None], costs: Costs) -> "Spread":
        """Return the spread over storages that hold so many checkpoints, by level."""
        found = [
            (write + read, level, room)
            for level, room, write, read in zip(
                list(Level)[Level.DISK :], rooms, costs.writes, costs.reads, strict=False
            )
            if room != 0
        ]
        found.sort(key=lambda row: row[:2])
        unbounded = [i for i, (_, _, room) in enumerate(found) if room is None]
        if unbounded:  # what is slower is of no use
            del found[unbounded[0] + 1 :]
        return cls(
            tuple([level for _, level, _ in found]),
            tuple([room for _, _, room in found]),
            tuple([seconds for seconds, _, _ in found]),
        )

    def numbers(self, k: int) -> list[int]:
        """Return how many of `k` checkpoints lie on each storage."""
        numbers = []
        for room in self.rooms:
            numbers.append(k if room is None else min(k, room))
            k -= numbers[-1]
        return numbers

    def each(self, k: int) -> float:
        """Return the seconds that each of `k` checkpoints takes, on the average."""
        numbers = self.numbers(k)
        if k <= numbers[0] or not k:
            return self.seconds[0]
        return sum(n * seconds for n, seconds in zip(numbers, self.seconds, strict=True)) / k

    def places(self, k: int) -> tuple[tuple[Level, int], ...]:
        """Return where `k` checkpoints lie, from the first on; see `Streaming.places`.

        The first ones lie on the slowest, since they lie there longest.
        """
        numbers = zip(self.levels, self.numbers(k), strict=True)
        places = tuple([(level, n) for level, n in numbers if n][::-1])
        return () if places == ((Level.DISK, k),) else places

    def least_periods(self, n_steps: int) -> list[int]:
        """Return the least period with which the first storage suffices, the first two, and so on.

        The last one is the least of all.
        """
        sums = accumulate(room for room in self.rooms if room is not None)
        periods = [(n_steps - 1) // (room + 1) + 1 for room in sums]
        return [*periods, 1] if None in self.rooms else periods

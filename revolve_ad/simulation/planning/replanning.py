"""Plans the rest of a reverse sweep anew, from the states that it holds and the bytes left.

The steps between two states that are held form a chain; each chain is reversed as a fresh run would
be, with as many checkpoints and tapes as fit beside the states held before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revolve_ad.schedule import Action, Advance, Discard, Level, Record, Restore, Reverse, Save
from revolve_ad.schedule.search.capacity import Capacity

__all__ = ["Room", "places", "reversing"]

_MOST_LEVELS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the rest of a sweep may hold.

    Attributes
    ----------
    free : int
        Bytes of memory for checkpoints and tapes; at least those of one tape.
    state : int
        Bytes of memory that a checkpoint of `Level.RAM` takes; 0 where these are on disk too.
    tape : int
        Bytes of the tape of one step, at least 1.
    slots : tuple of (int or None)
        The most checkpoints in memory, beside what the bytes allow, and on disk; None: any number.
    disk : Level
        Where checkpoints go that memory can't hold: the first level with room.
    """

    free: int
    state: int
    tape: int
    slots: tuple[int | None, int | None] = (None, 0)
    disk: Level = Level.DISK

    @property
    def in_ram(self) -> int:
        """The most checkpoints of `Level.RAM` that leave room for a tape."""
        most = _MOST_LEVELS if self.slots[0] is None else self.slots[0]
        assert most is not None
        return min(most, (self.free - self.tape) // self.state) if self.state else most

    @property
    def on_disk(self) -> int:
        """The most checkpoints of the level `disk`."""
        slots = self.slots[1]
        return _MOST_LEVELS if slots is None else slots

    def tapes(self, held: int) -> int:
        """Return how many tapes fit beside so many checkpoints in memory."""
        return (self.free - held * self.state) // self.tape


def places(
    n_steps: int, in_memory: Iterable[int], on_disk: Mapping[int, Level], room: Room
) -> dict[int, Level]:
    """Choose which of the states that are held stay, and on which level.

    Parameters
    ----------
    n_steps : int
        The steps that are to be reversed.
    in_memory : iterable of int
        The states held in memory, as checkpoints or on tapes; state 0 is among these, or
    on_disk : mapping of int to Level
        among those on a storage, by level, which all stay where they are.
    room : Room
        What may be held.

    Returns
    -------
    dict of int to Level
        Where each state that stays is to be, state 0 among them; empty where nothing is left to
        reverse, or where there is no room for state 0.
    """
    kept = {state: level for state, level in on_disk.items() if state < n_steps}
    candidates = sorted({state for state in in_memory if state < n_steps} - set(kept))
    if not n_steps:
        return {}
    if 0 not in kept and not room.in_ram:
        # Memory has no room for state 0 beside a tape.
        taken = list(kept.values()).count(room.disk)
        return {0: room.disk, **kept} if taken < room.on_disk else {}
    chosen = candidates if room.in_ram else []
    if len(chosen) > room.in_ram:
        chosen = _nearest(_ideal(n_steps, room), candidates, room.in_ram)
    return kept | dict.fromkeys(chosen, Level.RAM)


def _ideal(n_steps: int, room: Room) -> list[int]:
    """Return the states that a fresh run of the first sweep would save in memory."""
    capacity = Capacity([room.tapes(held) for held in range(room.in_ram + 1)])
    states = [0]
    while (rest := n_steps - states[-1]) > capacity.leaves[len(states) - 1]:
        if len(states) == capacity.n_checkpoints:
            break
        states.append(states[-1] + capacity.split(rest, len(states) - 1))
    return states


def _nearest(ideal: Sequence[int], candidates: Sequence[int], most: int) -> list[int]:
    """Return state 0 and, for each ideal state, the last candidate up to it."""
    chosen = {candidates[0]}
    position = 0
    for state in ideal:
        while position + 1 < len(candidates) and candidates[position + 1] <= state:
            position += 1
        chosen.add(candidates[position])
    return sorted(chosen)[:most]


def reversing(n_steps: int, kept: dict[int, Level], room: Room) -> Iterator[Action]:
    """Yield the actions that reverse the steps, the last chain first.

    Parameters
    ----------
    n_steps : int
        The steps to reverse.
    kept : dict of int to Level
        The checkpoints that are held, as `places` chose them.
    room : Room
        What may be held.
    """
    stop = n_steps
    in_ram = list(kept.values()).count(Level.RAM)
    on_disk = list(kept.values()).count(room.disk)
    for start in sorted(kept, reverse=True):
        in_ram -= kept[start] == Level.RAM
        on_disk -= kept[start] == room.disk
        yield from _chain(start, stop, kept[start], (in_ram, on_disk), room)
        stop = start


def _chain(
    start: int, stop: int, level: Level, held: tuple[int, int], room: Room
) -> Iterator[Action]:
    """Yield the actions that reverse a chain whose first state is held, with others before it."""
    levels, leaves = _levels(level, held, stop - start, room)
    capacity = Capacity(leaves)
    pending: list[tuple[int, int, int, bool]] = [(start, stop, 0, True)]
    while pending:
        a, b, depth, saved = pending.pop()
        if saved:
            yield Restore(a, levels[depth])
        if b - a <= leaves[depth]:
            if saved:
                # Freed first: its bytes are part of what the tapes of the leaf take.
                yield Discard(a, levels[depth])
            yield Record(a, b)
            yield Reverse(a, b)
            continue
        if not saved:
            yield Save(a, levels[depth])
        middle = a + capacity.split(b - a, depth)
        yield Advance(a, middle)
        pending.append((a, middle, depth, True))
        pending.append((middle, b, depth + 1, False))


def _levels(
    first: Level, held: tuple[int, int], n_steps: int, room: Room
) -> tuple[list[Level], list[int]]:
    """Return where the checkpoints of a chain go by depth, and the tapes that fit beside them.

    The first is held already; memory comes before the disk.
    """
    in_ram, on_disk = held
    levels, leaves = [first], [room.tapes(in_ram)]
    while True:
        in_ram += levels[-1] == Level.RAM
        on_disk += levels[-1] == room.disk
        leaves.append(room.tapes(in_ram))
        if len(levels) >= n_steps:
            break
        if in_ram < room.in_ram:
            levels.append(Level.RAM)
        elif on_disk < room.on_disk:
            levels.append(room.disk)
        else:
            break
    return levels, leaves

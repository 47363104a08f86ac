"""Makes room for a tape that has grown, and lets the sweep go on under a new schedule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from revolve_ad.errors import BudgetError
from revolve_ad.schedule import Action, Level, Record, Reverse
from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.arrays.shelf import Shelf, free_idle_buffers
from revolve_ad.simulation.kernels.growth import GrownTapeError
from revolve_ad.simulation.memory import format_bytes
from revolve_ad.simulation.planning.replanning import Room, places, reversing
from revolve_ad.storage import Ram

__all__ = ["Replanner", "Tapes", "bytes_of"]

_HEADROOM: Final = 4
"""A quarter more than the tape needs now is set aside, where it is there: the next may grow too."""


Tapes = list[tuple[int, int, Tape]]
"""Start, stop and tape of each stretch that isn't reversed yet."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Replanner:
    """What the rest of a run may hold, and where.

    Attributes
    ----------
    ledger : Ledger
        Knows what is held, and the budget.
    state_bytes, tape_bytes : int
        Bytes of a checkpoint and of the tape of a step.
    slots : tuple of (int or None)
        The most checkpoints in memory, beside what the bytes allow, and on disk; None: any number.
    disk : Level
        Where checkpoints go that memory can't hold.
    """

    ledger: Ledger
    state_bytes: int
    tape_bytes: int
    slots: tuple[int | None, int | None]
    disk: Level = Level.DISK

    def resume(
        self,
        grown: GrownTapeError,
        on_tape: dict[int, Leaves],
        tapes: Tapes,
        storages: Sequence[Ram | Shelf],
        saved: Callable[[int, int], None],
    ) -> Iterator[Action]:
        """Make room, and return the actions that reverse what is left.

        Parameters
        ----------
        grown : GrownTapeError
            Says where the sweep stands; its tape and state are let go of.
        on_tape : dict of int to list of ndarray
            The states that tapes hold; it is emptied.
        tapes : list
            Empty; of the states the sweep holds here those that are to be checkpoints as soon as
            the grown tape is gone.
        storages : sequence of Ram or Shelf
            Where checkpoints are, by level.
        saved : callable
            Told of each change: how many checkpoints were saved, and how many more are held.

        Raises
        ------
        BudgetError
            If not even one checkpoint and one tape fit beside what the tape's operations need.
        """
        ledger, ram = self.ledger, storages[Level.RAM]
        live = bool(grown.state)
        n_steps = grown.at - live
        room, headroom = self._room(grown, n_steps)
        if room.free < self.tape_bytes:
            raise self._too_little(grown, n_steps, room) from None
        in_memory = _states(ram)
        on_disk: dict[int, Level] = {}
        for level, state in _held_beyond(storages):
            on_disk.setdefault(state, level)
        kept = places(n_steps, in_memory | set(on_tape), on_disk, room)
        if n_steps and not kept:
            raise self._too_little(grown, n_steps, room) from None
        for level, state in _held_beyond(storages):
            if kept.get(state) != level:
                storages[level].discard(state)
                saved(0, -1)
        for state in in_memory:
            if kept.get(state) == Level.RAM:
                continue
            if kept.get(state) == self.disk:
                storages[self.disk].save(state, ram.restore(state))
                saved(1, 1)
            ram.discard(state)
            saved(0, -1)
        for state, level in kept.items():
            if state in in_memory or state in on_disk:
                continue
            if level == self.disk:
                storages[self.disk].save(state, on_tape[state])
                saved(1, 1)
            else:
                tapes.append((state, state + 1, [on_tape[state]]))
        on_tape.clear()
        free_idle_buffers(ram)
        ledger.set("checkpoints", bytes_of(storages))
        ledger.set("tapes", len(tapes) * self.tape_bytes)
        ledger.set("operations", grown.nbytes + headroom)
        ledger.planned = ledger.limit
        return self._actions(grown.at, live, tapes, storages, saved, kept, room)

    def _actions(
        self,
        at: int,
        live: bool,
        tapes: Tapes,
        storages: Sequence[Ram | Shelf],
        saved: Callable[[int, int], None],
        kept: dict[int, Level],
        room: Room,
    ) -> Iterator[Action]:
        ledger = self.ledger
        if live:
            yield Record(at - 1, at)
            yield Reverse(at - 1, at)
        while tapes:
            # Only now is there room to copy the states of tapes, one after the other.
            state, _, (leaves,) = tapes.pop()
            storages[Level.RAM].save(state, leaves)
            saved(1, 1)
            ledger.set("checkpoints", bytes_of(storages))
            ledger.add("tapes", -self.tape_bytes)
        yield from reversing(at - live, kept, room)

    def _room(self, grown: GrownTapeError, n_steps: int) -> tuple[Room, int]:
        """Return what may be held beside the grown tape, and what is set aside for the next."""
        ledger = self.ledger
        assert ledger.limit is not None
        kept_free = sum(map(ledger.held, ("checkpoints", "tapes", "operations")))
        free = ledger.limit - (ledger.nbytes - kept_free) - grown.nbytes
        spare = free - self.tape_bytes - (self.state_bytes if n_steps else 0)
        # So that not every step whose tape is a little larger than the one before comes here.
        headroom = max(0, min(grown.nbytes, spare) // _HEADROOM)
        room = Room(
            free=free - headroom,
            state=self.state_bytes,
            tape=max(1, self.tape_bytes),
            slots=self.slots,
            disk=self.disk,
        )
        return room, headroom

    def _too_little(self, grown: GrownTapeError, n_steps: int, room: Room) -> BudgetError:
        ledger = self.ledger
        assert ledger.limit is not None
        state = self.state_bytes if n_steps else 0
        needed = ledger.limit - room.free + self.tape_bytes + state
        held = [
            f"{name} {size:,}"
            for name, size in ledger.now.items()
            if size and name not in ("checkpoints", "tapes", "operations")
        ]
        held = [f"operations {grown.nbytes:,}", f"one tape {self.tape_bytes:,}", *held]
        if state:
            held.insert(1, f"one checkpoint {state:,}")
        return BudgetError(
            f"the tape of {grown.what} depends on values and has grown: its operations need "
            f"{grown.nbytes:,} bytes ({format_bytes(grown.nbytes)}), where "
            f"{ledger.held('operations'):,} were foreseen. With it at least {needed:,} bytes "
            f"({format_bytes(needed)}) are needed, but memory is {ledger.limit:,} "
            f"({format_bytes(ledger.limit)}): {', '.join(held)}. Give at least memory={needed}; "
            "where later tapes may grow further, give more."
        )


def bytes_of(storages: Sequence[Ram | Shelf]) -> int:
    """Return the bytes of memory that storages hold, idle buffers included."""
    return sum({id(storage): storage.nbytes for storage in storages}.values())


def _held_beyond(storages: Sequence[Ram | Shelf]) -> list[tuple[Level, int]]:
    """Return the states that are held on levels beyond RAM, the fastest first."""
    return [
        (level, state)
        for level in Level
        # Levels for which there is no storage of their own share one with a faster level.
        if not any(storages[level] is other for other in storages[:level])
        for state in sorted(_states(storages[level]))
        if level != Level.RAM
    ]


def _states(storage: Ram | Shelf) -> set[int]:
    return {key for key in storage.keys if isinstance(key, int)}

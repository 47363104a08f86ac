"""The binomial schedule: the fewest plain steps that a number of checkpoints allows.

Griewank and Walther's *revolve* (2000), doi:10.1145/347837.347846, made one action after the other
in O(s) memory, for chains of any length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.arguments import count
from revolve_ad.schedule.closed_form import min_saves, repetitions_near, split, t
from revolve_ad.schedule.protocol import ActionIterator, Counts, Limits

__all__ = ["Binomial", "binomial"]


def binomial(n_steps: int, n_checkpoints: int) -> "Binomial":
    """Return the schedule with the fewest plain steps, and among those the fewest saves.

    Parameters
    ----------
    n_steps : int
        Number of steps N, at least 1; 10¹² is as cheap to start as 10.
    n_checkpoints : int
        Checkpoints held at a time, the one of state 0 included; at least 1.

    Returns
    -------
    Binomial
        A re-iterable value; ``counts()`` tells in closed form what a pass costs.

    Raises
    ------
    ParameterError
        If an argument is no integer or is below 1.

    Notes
    -----
    Use `mixed` where the budget is in bytes: it keeps tapes too and is cheaper whenever a tape is
    not much larger than a state.  Use `multilevel` where some checkpoints live on a disk.

    Examples
    --------
    >>> binomial(10**6, 10).counts().advanced
    11647922
    """
    n = count("n_steps", n_steps, 1, "a loop without steps needs no schedule")
    s = count("n_checkpoints", n_checkpoints, 1, "state 0 takes one checkpoint")
    return Binomial(n, s)


@dataclass(frozen=True, slots=True)
class Binomial:
    """The binomial schedule of `n_steps` steps; made by `binomial`.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    n_checkpoints : int
        Checkpoints held at a time at most, the one of state 0 included.
    """

    n_steps: int
    n_checkpoints: int

    @property
    def limits(self) -> Limits:
        """The slots: `n_checkpoints` in RAM, none on disk."""
        return Limits(slots=(self.n_checkpoints, 0))

    def counts(self) -> Counts:
        """What a pass costs, in closed form."""
        n, s = self.n_steps, self.n_checkpoints
        return Counts(
            advanced=t(n, s),
            recorded=n,
            saved=min_saves(n, s),
            restored=n - 1,
            peak_checkpoints=min(s, max(1, n - 1)),
            peak_tapes=1,
        )

    def __iter__(self) -> Iterator[Action]:
        machine = BinomialMachine([(0, self.n_steps, self.n_checkpoints, None)], saved=True)
        return ActionIterator(machine, [Save(0, Level.RAM)])  # the first action costs no planning


Chain = tuple[int, int, int, Restore | None]
"""First state, number of steps, slots for them, and what brings the first state back.

The slots include the one of the first state.  Instead of an action None stands where the first
state is live and not saved yet.
"""

_FIRST_PAGE, _PAGE = 1, 512
_SPLITS_KEPT = 4096


class BinomialMachine:
    """Makes the actions that reverse chains, the last chain first.

    Parameters
    ----------
    chains : list of Chain
        In the order of their steps; it belongs to the machine from now on.
    saved : bool, optional
        Whether the first state of the last chain, if it is live, is saved already.
    """

    __slots__ = ("_chains", "_guess", "_page", "_saved", "_splits")

    def __init__(self, chains: list[Chain], saved: bool = False) -> None:
        self._chains = chains
        self._saved = saved
        self._page = _FIRST_PAGE  # actions made in one call; few at first, for a quick start
        self._guess = 1  # the repetitions of the chain split last
        # Splits by (steps, slots).  A million steps have some hundreds of different ones.
        self._splits: dict[tuple[int, int], int] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return BinomialMachine, (self._chains, self._saved)

    def more(self) -> list[Action]:
        """Return the next few hundred actions; none at the end."""
        chains, splits, page = self._chains, self._splits, self._page
        self._page = min(8 * page, _PAGE)
        if len(splits) > _SPLITS_KEPT:
            splits.clear()
        ram = Level.RAM
        saved, self._saved = self._saved, False
        actions: list[Action] = []
        emit = actions.append
        while chains and len(actions) < page:
            start, steps, slots, restore = chains.pop()
            if restore is None:
                restore = Restore(start, ram)
                if saved:
                    saved = False
                else:
                    emit(Save(start, ram))
                if steps == 1:  # a chain of one step, which nobody has advanced over
                    actions += (Record(start, start + 1), Reverse(start, start + 1))
                    emit(Discard(start, ram))
                    continue
            elif steps == 1:
                emit(restore)
                emit(Discard(start, ram))
                emit(Record(start, start + 1))
                emit(Reverse(start, start + 1))
                continue
            else:
                emit(restore)
            # State `start` is live and saved, and more than one step follows it.
            try:
                middle = start + splits[steps, slots]
            except KeyError:
                self._guess = r = repetitions_near(steps, slots, self._guess)
                splits[steps, slots] = m = split(steps, slots, r)
                middle = start + m
            emit(Advance(start, middle))
            chains.append((start, middle - start, slots, restore))
            rest = start + steps - middle
            if rest == 1:  # it is taped from the live state and needs no checkpoint
                emit(Record(middle, middle + 1))
                emit(Reverse(middle, middle + 1))
            else:
                chains.append((middle, rest, slots - 1, None))
        return actions

"""Compares states that are computed again with those of the first sweep, by digest."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final, Literal, final
from zlib import crc32

from revolve_ad.errors import DivergedReplayError, ParameterError
from revolve_ad.simulation.arrays.layout import Array, Layout

__all__ = ["ReplayCheck", "Replays", "digest", "sampled_states"]

ReplayCheck = Literal["sampled", "all", "off"]

_SAMPLES: Final = 8
_GOLDEN: Final = 0.6180339887498949


def digest(leaves: Sequence[Array]) -> tuple[int, ...]:
    """Return a checksum of the bits of each leaf."""
    return tuple([crc32(leaf.data) for leaf in leaves])


def sampled_states(
    n_steps: int | None, check: ReplayCheck, turn: int | None = None
) -> Iterable[int]:
    """Return the increasing indices of the states whose replays are compared.

    "sampled" spreads a few over the run by the golden ratio, so that they fall on no period of the
    schedule or of the model.

    Parameters
    ----------
    n_steps : int or None
        Number of steps, if it is known.
    check : "sampled", "all" or "off"
        How many.
    turn : int, optional
        The number of the gradient, where its replays run nothing but compiled code, by which all
        samples were compared before: it looks at one, and the next at another, since each look
        stops that code for as long as many steps take.
    """
    if check == "off" or n_steps == 0:
        return ()
    if n_steps is None:
        return itertools.count() if check == "all" else _spread()
    if check == "all" or n_steps <= _SAMPLES:
        return range(n_steps)
    numbers = range(_SAMPLES) if turn is None else [turn % _SAMPLES]
    return sorted({int(n_steps * ((i + 1) * _GOLDEN % 1.0)) for i in numbers})


def _spread() -> Iterable[int]:
    """Yield a few indices of a run whose length isn't known: each 1.6 times the one before."""
    k = 1
    while True:
        yield k
        k += 1 + int(k * _GOLDEN)


def require_replay_check(value: object) -> ReplayCheck:
    """Return a valid value of the argument ``replay_check=``."""
    if value in ("sampled", "all", "off"):
        return value
    raise ParameterError(
        f'replay_check is {value!r}; allowed are "sampled" (a few states are compared), "all" and '
        '"off".'
    )


@final
class Replays:
    """Remembers digests of the first sweep, and compares each with that of a replay.

    Attributes
    ----------
    digests : dict of int to tuple
        The digests of states of the first sweep that were not compared yet.
    compared : int
        How many were.
    """

    __slots__ = ("_layout", "compared", "digests")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.digests: dict[int, tuple[int, ...]] = {}
        self.compared = 0

    def remember(self, k: int, state: Sequence[Array]) -> None:
        """Note the digest of state `k` in the first sweep."""
        self.digests[k] = digest(state)

    def compare(self, k: int, state: Sequence[Array]) -> None:
        """Raise `DivergedReplayError` if state `k` isn't what the first sweep gave."""
        expected = self.digests.pop(k)
        found = digest(state)
        self.compared += 1
        if found != expected:
            leaves = [
                path
                for path, a, b in zip(self._layout.paths, expected, found, strict=True)
                if a != b
            ]
            raise DivergedReplayError(
                f"state {k} came out with other bits when its steps were run again: "
                f"{', '.join(leaves)} differs. A step must be a function of its arguments alone: "
                "it may not draw random numbers, count its calls, keep a state of its own, or read "
                "what changes during the run. Draw random numbers and forcings before the run and "
                "pass them as inputs=, and carry a memory in the state. A step's "
                "own advance must give the bits of the step."
            )

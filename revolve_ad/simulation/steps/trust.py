"""Spares a function the plain calls that compare it with its tape, where they can find nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from revolve_ad.ad.recording.sight import Sight, has_plain_containers, sight_of
from revolve_ad.simulation.arrays.layout import Layout

__all__ = ["Trust", "trust_in"]


@final
class Trust:
    """What is known of a recorded function: all that it reads, and that its tape was compared.

    A function that reads nothing but its arguments and what `Sight` has noted computes what its
    tape does, once that was seen, for as long as nothing of it has changed.

    Parameters
    ----------
    sight : Sight
        What the function reads, looked at before it was recorded.
    """

    __slots__ = ("_confirmed", "_sight")

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._confirmed = False

    def confirm(self) -> None:
        """Note that plain calls throughout a run have given the bits of the tape."""
        self._confirmed = self._confirmed or self._sight.unchanged()

    @property
    def is_unchanged(self) -> bool:
        """Whether all that the function reads is as it was when it was recorded."""
        return self._sight.unchanged()

    @property
    def holds(self) -> bool:
        """Whether a plain call now would give the bits of the tape."""
        return self._confirmed and self._sight.unchanged()


def trust_in(function: Callable[..., Any], *arguments: Layout | None) -> Trust | None:
    """Return what is to be known of a function that is recorded after this.

    None if it may read what can't be looked up, in which case it has to be called to find out.

    Parameters
    ----------
    function : callable
        The step, or `observe`.
    *arguments : Layout
        Of the state, the params, the inputs.  An object of a user's class among them may do
        anything.
    """
    if not all(has_plain_containers(a.structure) for a in arguments if a is not None):
        return None
    sight = sight_of(function)
    return None if sight is None else Trust(sight)

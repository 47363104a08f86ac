"""Which array is which after some steps: worked out once for each length of a stretch."""

from __future__ import annotations

from collections.abc import Sequence

from revolve_ad.native.passes.turns import (
    Label,
    Turns,
    Type,
    labels,
    landing,
    lent,
    period,
    settling,
    turned,
)

__all__ = ["Courses"]

Passage = tuple[list[int], list[tuple[int, int]]]
Lending = tuple[list[int], list[int], list[int]]
Returning = tuple[list[int], list[int]]


class Courses:
    """Where arrays stand in the calls of one compiled step.

    Parameters
    ----------
    turns : Turns
        Of the leaves of the state.
    backward : Turns
        Of their cotangents.
    types : sequence of (shape, dtype)
        The leaves of the state.
    """

    __slots__ = (
        "_backward",
        "_backward_period",
        "_lending",
        "_passages",
        "_period",
        "_returning",
        "_start",
        "_turns",
        "_types",
    )

    def __init__(self, turns: Turns, backward: Turns, types: Sequence[Type]) -> None:
        self._turns, self._backward, self._types = turns, backward, types
        self._period, self._backward_period = period(turns), period(backward)
        self._start = settling(turns)
        self._passages: dict[int, Passage] = {}
        self._lending: dict[int, Lending] = {}
        self._returning: dict[int, Returning] = {}

    def passage(self, n: int) -> Passage:
        """Return what `advance` is given after the leaves when these aren't to change.

        Returns
        -------
        list of int
            The places in the list of a spare array of each computed leaf and of the leaves of
            the target.
        list of (int, int)
            The leaves that `n` steps only pass on, and the leaves that they were.
        """
        if n > self._start + self._period:
            n = self._start + (n - self._start) % self._period
        if n not in self._passages:
            self._passages[n] = self._passage(n)
        return self._passages[n]

    def _passage(self, n: int) -> Passage:
        turns, types = self._turns, self._types
        pools = {c: [k] for k, c in enumerate(turns.computed)}
        at = len(pools)
        arrays: dict[Label, int] = {}
        copied = []
        for j, label in enumerate(landing(turns, n)):
            if label[0] != "x":
                arrays[label] = at + j
                continue
            copied.append((j, label[1]))
            if turns.source[j] is not None and not turns.constant(j):
                pools.setdefault(j, []).append(at + j)
        for label in labels(turns):
            if label not in arrays:
                owner = next(j for j in pools if pools[j] and types[j] == types[label[1]])
                arrays[label] = pools[owner].pop()
        return [arrays[label] for label in labels(turns)], copied

    def lending(self, n: int) -> Lending:
        """Return the same when the leaves' own arrays take part.

        Returns
        -------
        list of int
            The places in the list of the leaves and a spare array of each computed one.
        list of int, list of int
            The places of the leaves and of the spare arrays after `n` steps.
        """
        n %= self._period
        if n not in self._lending:
            self._lending[n] = (lent(self._turns), *turned(self._turns, n))
        return self._lending[n]

    def returning(self, n: int) -> Returning:
        """Return the places of cotangents and of spare arrays after `n` steps in reverse."""
        n %= self._backward_period
        if n not in self._returning:
            self._returning[n] = turned(self._backward, n)
        return self._returning[n]

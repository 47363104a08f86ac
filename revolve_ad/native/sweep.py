"""The calculations with one set of params: the arrays that compiled steps work on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.native.load import indexable, writable
from revolve_ad.native.loop import Loop
from revolve_ad.native.passes.turns import Type
from revolve_ad.native.watching import Watch

__all__ = ["Block", "Sweep"]

Block = list[np.ndarray]
"""Recorded states: for each leaf that steps compute an array with a row a state."""


class Sweep:
    """Advances and reverses with params that stay the same; its arrays serve one thread.

    Attributes
    ----------
    sums : list of ndarray
        Sums over the steps that were reversed.
    input_cotangents : list of (ndarray or None)
        For each leaf of the inputs its cotangent, filled row by row; None for integers.
    """

    __slots__ = (
        "_ahead",
        "_back",
        "_forward",
        "_given",
        "_indices",
        "_kept",
        "_lent",
        "_marks",
        "_params",
        "_reverse",
        "_rows",
        "_seen",
        "_seen_back",
        "_turning",
        "input_cotangents",
        "loop",
        "sums",
    )

    def __init__(
        self, loop: Loop, params: Sequence[Any], inputs: Sequence[np.ndarray] = ()
    ) -> None:
        self.loop = loop
        self._params = [
            writable(indexable(np.asarray(p, dtype, order="C")))
            for p, (_, dtype) in zip(params, loop.param_types, strict=True)
        ]
        self._rows = [
            writable(np.asarray(r, dtype, order="C"))
            for r, (_, dtype) in zip(inputs, loop.row_types, strict=True)
        ]
        # Once a sweep: not worth compiling.
        prepared = [
            writable(indexable(np.asarray(q, order="C")))
            for q in loop.prepare.run(self._param_values())
        ]
        self._given = [*self._params, *self._rows, *loop.constants, *prepared]
        self._ahead: list[np.ndarray] = []  # what `advance` and `record` are given at the end
        self._back: list[np.ndarray] = []  # the same of `pull`
        self._lent: list[np.ndarray] | None = None
        self._forward: list[np.ndarray] | None = None
        self._reverse: list[np.ndarray] = []
        self._turning: list[np.ndarray] | None = None
        self._kept: Block | None = None
        self._indices: Sequence[int] = ()
        self._seen: list[Any] = []
        self._seen_back: list[Any] = []
        watch = loop.watch
        if watch is not None:
            nothing = [np.empty((0, *shape), dtype) for shape, dtype in watch.row_types]
            self._seen = self._seen_back = [*nothing, *watch.constants, *_arrays(watch.work)]
        self._marks = np.empty(0, np.int64)
        self.sums: list[np.ndarray] = []
        self.input_cotangents: list[np.ndarray | None] = []

    def observe(self, indices: Sequence[int], rows: Sequence[np.ndarray]) -> None:
        """Observe states from now on, whenever steps begin there.

        Parameters
        ----------
        indices : sequence of int
            The states, increasing.
        rows : sequence of ndarray
            For each leaf of the observation an array with a row a state, which is filled.
        """
        self._marks = np.array(indices, np.int64)
        self._indices = indices
        self._seen = [*rows, *self._seen[len(rows) :]]

    def add_observed(self, indices: Sequence[int], cotangents: Sequence[np.ndarray]) -> None:
        """Add the cotangents of observations in reverse; see `observe`."""
        self._marks = np.array(indices, np.int64)
        self._indices = indices
        cotangents = [
            writable(np.asarray(c, dtype, order="C"))
            for c, (_, dtype) in zip(cotangents, self._watch.row_types, strict=True)
        ]
        self._seen_back = [*cotangents, *self._seen_back[len(cotangents) :]]

    @property
    def _watch(self) -> Watch:
        assert self.loop.watch is not None
        return self.loop.watch

    def _observing(self, k: int) -> list[Any]:
        """Return what `advance` and `record` are given from state `k` on."""
        if not self._seen:
            return []
        # In a replay nobody wants to see a state again.
        n = len(self._marks)
        at = bisect_left(self._indices, k) if len(self._seen[0]) else n
        return [at, self._marks, *self._seen]

    def _adding(self, k: int) -> list[Any]:
        """Return what `pull` is given before state `k`."""
        if not self._seen_back:
            return []
        at = bisect_left(self._indices, k) - 1 if len(self._seen_back[0]) else -1
        return [at, self._marks, *self._seen_back]

    def advance(
        self, source: Sequence[np.ndarray], target: Sequence[np.ndarray], start: int, stop: int
    ) -> None:
        """Run the steps `start` … `stop` - 1.

        Parameters
        ----------
        source : sequence of ndarray
            The leaves of state `start`, in C order; they don't change.
        target : sequence of ndarray
            Where the leaves of state `stop` go; no memory of `source`.
        """
        loop = self.loop
        xs = _sources(source)
        ys = [indexable(y) for y in target]
        if stop == start:
            for x, y in zip(xs, ys, strict=True):
                y[...] = x
            return
        order, copied = loop.courses.passage(stop - start)
        arrays = [*self._spare_arrays(), *ys]
        loop.function("advance")(
            start,
            stop,
            *self._observing(start),
            *xs,
            *[arrays[i] for i in order],
            *self._forward_arguments(),
        )
        for j, i in copied:
            ys[j][...] = xs[i]

    def advance_lent(self, state: Sequence[np.ndarray], start: int, stop: int) -> list[np.ndarray]:
        """Run the steps `start` … `stop` - 1 in the arrays of state `start`.

        Parameters
        ----------
        state : sequence of ndarray
            The leaves of state `start`, in C order; they belong to this object from now on.

        Returns
        -------
        list of ndarray
            The leaves of state `stop`, which belong to the caller.
        """
        if stop == start:
            return list(state)
        loop = self.loop
        xs = [x if x.flags.writeable else x.copy() for x in map(indexable, state)]
        arrays = [*xs, *self._spare_arrays()]
        order, held, spare = loop.courses.lending(stop - start)
        loop.function("advance")(
            start,
            stop,
            *self._observing(start),
            *xs,
            *[arrays[i] for i in order],
            *self._forward_arguments(),
        )
        self._lent = [arrays[i] for i in spare]
        return [
            arrays[i].reshape(shape) for i, (shape, _) in zip(held, loop.state_types, strict=True)
        ]

    def _spare_arrays(self) -> list[np.ndarray]:
        """Return an array for each computed leaf, for steps to take turns with."""
        if self._lent is None:
            loop = self.loop
            self._lent = _arrays([loop.state_types[c] for c in loop.turns.computed])
        return self._lent

    def block(self, rows: int) -> Block:
        """Return room for so many states, of `Loop.recorded_bytes` each."""
        types = self.loop.state_types
        return [
            np.empty((rows, *(types[c][0] or (1,))), types[c][1]) for c in self.loop.turns.computed
        ]

    def record(self, source: Sequence[np.ndarray], block: Block, start: int, stop: int) -> None:
        """Run the steps `start` … `stop` - 1 and keep the states.

        Parameters
        ----------
        source : sequence of ndarray
            The leaves of state `start`; they don't change.
        block : list of ndarray
            Row t takes state `start` + 1 + t.
        """
        self.loop.function("record")(
            start,
            stop,
            *self._observing(start),
            *_sources(source),
            *block,
            *self._forward_arguments(),
        )

    def state(self, source: Sequence[np.ndarray], block: Block, steps: int) -> list[np.ndarray]:
        """Return views of the state so many steps after `source` in a recorded block."""
        turns = self.loop.turns
        rows = dict(zip(turns.computed, block, strict=True))
        found = []
        for j, (shape, _) in enumerate(self.loop.state_types):
            age = turns.age(j)
            if turns.constant(j) or steps <= age:
                found.append(source[j if turns.constant(j) else turns.root(j, steps)])
            else:
                found.append(rows[turns.root(j, age)][steps - age - 1].reshape(shape))
        return found

    def pull(
        self,
        source: Sequence[np.ndarray],
        block: Block,
        cotangents: list[np.ndarray],
        start: int,
        stop: int,
        *,
        origin: int | None = None,
    ) -> None:
        """Pull cotangents back through the recorded steps `stop` - 1 … `start`.

        Parameters
        ----------
        source : sequence of ndarray
            The leaves of state `origin`; they don't change.
        block : list of ndarray
            The states after it, up to `stop` - 1 at least.
        cotangents : list of ndarray
            For each float leaf the cotangent of state `stop`; afterwards of state `start`.  The
            arrays are used, and the list may hold others afterwards.
        origin : int, optional
            By default `start`.
        """
        loop = self.loop
        if self._turning is None:
            self._begin_reverse()
        assert self._turning is not None
        held = [indexable(g) for g in cotangents]
        self._turn_signs(held)
        loop.function("pull")(
            start if origin is None else origin,
            start,
            stop,
            *([False] if loop.zeros else []),
            *self._adding(stop),
            *_sources(source),
            *block,
            *held,
            *self._turning,
            *self._back,
        )
        arrays = [*held, *self._turning]
        after, spare = loop.courses.returning(stop - start)
        self._turning = [arrays[i] for i in spare]
        cotangents[:] = [
            arrays[i].reshape(loop.state_types[j][0])
            for i, j in zip(after, loop.float_leaves, strict=True)
        ]
        self._turn_signs(cotangents)

    def _turn_signs(self, cotangents: Sequence[np.ndarray]) -> None:
        for c in self.loop.negated:
            np.negative(cotangents[c], out=cotangents[c])

    def reverse(
        self, source: Sequence[np.ndarray], cotangents: list[np.ndarray], start: int, stop: int
    ) -> None:
        """Record the steps `start` … `stop` - 1 and pull back through them; see `pull`."""
        n = stop - start - 1
        if self._kept is None or (self._kept and len(self._kept[0]) < n):
            self._kept = self.block(max(n, 1))
        if n:
            self.record(source, self._kept, start, stop - 1)
        self.pull(source, self._kept, cotangents, start, stop)

    def play(
        self,
        rows: np.ndarray,
        first: int,
        pools: Sequence[np.ndarray],
        live: list[np.ndarray],
        cotangents: list[np.ndarray],
        *,
        stops: np.ndarray,
        stop: int,
        begin: int = -1,
        forward: bool = False,
    ) -> tuple[int, int]:
        """Carry out rows of actions; see `play_source`.

        Parameters
        ----------
        rows : ndarray, shape (n, 5), int32
            What is to be done, from row `first` on.
        pools : sequence of ndarray
            For each leaf of the state the array of checkpoints.
        live : list of ndarray
            The leaves of the live state, or room for it; set to those that are live afterwards.
        cotangents : list of ndarray
            As for `pull`; not used if `forward`.
        stops : ndarray of int64
            States that the caller wants to see; `stop` is the position of the next one.
        begin : int
            If not negative, the state that is live within the first row.
        forward : bool
            Whether this is the first sweep, in which states are observed.

        Returns
        -------
        row, state : int
            Where to go on, and the state that is to be seen, or `DONE` or `LOST`.
        """
        loop = self.loop
        ahead = self._forward_arguments()
        working = [*map(indexable, live), *self._spare_arrays()]
        if forward:
            nothing = [_nothing(*t) for t in (*loop.sum_types, *self._row_cotangent_types())]
            arguments = [*nothing, *ahead, *[_nothing(*t) for t in loop.reverse_work]]
            types = [loop.state_types[j] for j in loop.float_leaves]
            types += [types[c] for c in loop.backward.computed]
            turning = [_nothing(*t) for t in types]
        else:
            if self._turning is None:
                self._begin_reverse()
            assert self._turning is not None
            turning = [*map(indexable, cotangents), *self._turning]
            self._turn_signs(turning)
            n = len(self._back) - len(self._given) - len(self._reverse)
            arguments = [*self._back[:n], *ahead, *self._reverse]
        watched: list[Any] = []
        if self._seen:
            n_rows = len(self._watch.row_types)
            watched = [self._marks, *self._seen, *self._seen_back[:n_rows]]
        row, state, turn, turned_back = loop.function("play")(
            rows,
            first,
            len(rows),
            begin,
            stops,
            stop,
            forward,
            *watched,
            *pools,
            *working,
            *turning,
            *arguments,
        )
        _, held, spare = loop.courses.lending(turn)
        self._lent = [working[i] for i in spare]
        live[:] = [
            working[i].reshape(shape) for i, (shape, _) in zip(held, loop.state_types, strict=True)
        ]
        if not forward:
            held, spare = loop.courses.returning(turned_back)
            self._turning = [turning[i] for i in spare]
            cotangents[:] = [
                turning[i].reshape(loop.state_types[j][0])
                for i, j in zip(held, loop.float_leaves, strict=True)
            ]
            self._turn_signs(cotangents)
        return row, state

    def pool_types(self, n: int) -> list[Type]:
        """Return the arrays that are room for `n` checkpoints, one a leaf; see `play`."""
        return [((n, *(shape or (1,))), dtype) for shape, dtype in self.loop.state_types]

    def pools(self, n: int) -> list[np.ndarray]:
        """Return that room."""
        return [np.empty(shape, dtype) for shape, dtype in self.pool_types(n)]

    def block_of(self, pools: Sequence[np.ndarray], base: int) -> Block:
        """Return the rows of checkpoints from `base` on as room for recorded states."""
        return [pools[c][base:] for c in self.loop.turns.computed]

    def checkpoint(self, pools: Sequence[np.ndarray], slot: int) -> list[np.ndarray]:
        """Return views of the leaves of a checkpoint."""
        return [
            pool[slot].reshape(shape)
            for pool, (shape, _) in zip(pools, self.loop.state_types, strict=True)
        ]

    def _row_cotangent_types(self) -> list[Type]:
        """Return the types of the cotangents of the inputs that have any, all rows at once."""
        return [
            ((0, *shape), dtype)
            for (shape, dtype), ndim in zip(
                self.loop.row_types, self.loop.row_cotangents, strict=True
            )
            if ndim >= 0
        ]

    def _forward_arguments(self) -> list[np.ndarray]:
        if self._forward is None:
            self._forward = _arrays(self.loop.forward_work)
            self._ahead = [*self._given, *self._forward]
        return self._ahead

    def _begin_reverse(self) -> None:
        loop = self.loop
        self._reverse = _arrays(loop.reverse_work)
        self._turning = _arrays(
            [loop.state_types[loop.float_leaves[c]] for c in loop.backward.computed]
        )
        self.sums = [np.zeros(shape or (1,), dtype) for shape, dtype in loop.sum_types]
        self.input_cotangents = [
            np.zeros(r.shape, dtype) if ndim >= 0 else None
            for r, (_, dtype), ndim in zip(
                self._rows, loop.row_types, loop.row_cotangents, strict=True
            )
        ]
        rows = [r for r in self.input_cotangents if r is not None]
        self._back = [*self.sums, *rows, *self._given, *self._reverse]

    def param_cotangents(self) -> list[Any]:
        """Return the cotangents of the float leaves of params and hidden params, in float64."""
        loop = self.loop
        if self._turning is None:
            self._begin_reverse()
        sums = [
            s.reshape(shape)[()] for s, (shape, _) in zip(self.sums, loop.sum_types, strict=True)
        ]
        return loop.assemble.run([*sums, *self._param_values()])

    def _param_values(self) -> list[Any]:
        return [
            p.reshape(shape)[()]
            for p, (shape, _) in zip(self._params, self.loop.param_types, strict=True)
        ]


def _nothing(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array without elements, in place of one of this type that isn't used."""
    return np.empty((0,) * max(len(shape), 1), dtype)


def _sources(leaves: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [writable(indexable(x)) for x in leaves]


def _arrays(types: Sequence[Type]) -> list[np.ndarray]:
    return [np.empty(shape or (1,), dtype) for shape, dtype in types]

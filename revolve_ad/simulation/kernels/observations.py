"""Collects what `observe` sees along the first sweep, and hands its cotangents back in reverse."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from revolve_ad.errors import NonFiniteError, NotDifferentiableError
from revolve_ad.simulation.arrays.addends import Addend
from revolve_ad.simulation.arrays.finiteness import first_bad
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.kernels.protocol import Gradients, Observer
from revolve_ad.simulation.steps.blame import blame
from revolve_ad.simulation.steps.trust import Trust

__all__ = ["Observations", "PlainObserver"]


@final
class PlainObserver:
    """Calls the user's `observe` itself; it has no reverse.

    Parameters
    ----------
    observe : callable
        ``(state, params, k) -> observation``.
    form : Form
        What the arguments look like.
    params : list
        The leaves of the params.

    Attributes
    ----------
    layout : Layout or None
        Of an observation, once it is known.
    trust : Trust or None
        What is known of the function, where its tape is compared with it.
    """

    __slots__ = ("_layout", "_observe", "_params", "layout", "trust")

    def __init__(self, observe: Callable[..., Any], form: Form, params: list[Any]) -> None:
        self._observe = observe
        self._layout = form.state
        self._params = form.params.build_read_only(params)
        self.layout: Layout | None = None
        self.trust: Trust | None = None

    def observe(self, state: Sequence[Any], k: int) -> Leaves:
        """See `Observer.observe`."""
        try:
            value = self._observe(self._layout.build_read_only(state), self._params, k)
            if self.layout is None:
                leaves, self.layout = Layout.of(value, "observation")
                return self.layout.copy_in(leaves)
            return self.layout.adopt(value, f"observe at state {k}")
        except Exception as error:
            called = (self._observe, "observe(state, params, k)")
            blame(error, f"observe at state {k}", called=called)
            raise

    def reverse(self, state: Sequence[Any], k: int, cotangent: Leaves) -> Leaves:
        """Raise: there is no tape of it."""
        raise NotDifferentiableError("a plain observer has no reverse")

    def bind_gradients(self, gradients: Gradients) -> None:
        """Do nothing: there is no reverse."""


@final
class Observations:
    """The observations of one run, stacked along a new leading axis.

    Parameters
    ----------
    observer : Observer
        Sees one state.
    indices : range or tuple of int
        The states to see, increasing; those beyond the last state are left out at the end.
    known : bool
        Whether all of them will be reached, so that their arrays can be made at once.
    """

    __slots__ = ("_given", "_indices", "_known", "_rows", "_within", "count", "observer", "stacked")

    def __init__(self, observer: Observer, indices: Sequence[int], *, known: bool) -> None:
        self.observer = observer
        self._indices = indices
        self._known = known
        self._rows: list[Leaves] = []
        self._given: Leaves = []
        self._within = 0  # so many are made by the kernel
        self.count = 0
        self.stacked: Leaves = []

    def leave_to_kernel(self, n_steps: int, layout: Layout) -> None:
        """Leave the observations to the compiled steps, all but that of the last state."""
        n = len(self._indices)
        self.stacked = [
            np.empty((n, *shape), dtype)
            for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True)
        ]
        self._within = self.count = n - (n > 0 and self._indices[-1] == n_steps)

    @property
    def within(self) -> Sequence[int]:
        """The states that the kernel observes."""
        return self._indices[: self._within]

    @property
    def left(self) -> Sequence[int]:
        """The states that are to be seen here."""
        return self._indices[self._within :]

    @property
    def nbytes(self) -> int:
        """The bytes of the observations and of their cotangents."""
        rows = sum(leaf.nbytes for row in self._rows for leaf in row)
        return rows + sum(leaf.nbytes for leaf in (*self.stacked, *self._given))

    @property
    def n_wanted(self) -> int:
        """The number of states to see, if the run gets to all of them."""
        return len(self._indices)

    def see(self, k: int, state: Sequence[Any]) -> None:
        """Observe state `k`, the next one in order."""
        row = self.observer.observe(state, k)
        if not self._known:
            self._rows.append(row)
        elif not self.stacked:
            n = len(self._indices)
            self.stacked = [np.empty((n, *leaf.shape), leaf.dtype) for leaf in row]
        if self._known:
            for all_rows, leaf in zip(self.stacked, row, strict=True):
                all_rows[self.count] = leaf
        self.count += 1

    def finish(self, state: Sequence[Any], k: int) -> Leaves:
        """Return the stacked leaves; state `k` is the last one, and shows their form if need be."""
        if not self.count:
            row = self.observer.observe(state, k)
            self.stacked = [np.empty((0, *leaf.shape), leaf.dtype) for leaf in row]
        if self._rows:
            self.stacked = [np.stack(leaves) for leaves in zip(*self._rows, strict=True)]
            self._rows = []
        bad = first_bad(self.stacked)
        if bad is not None:
            raise self._not_finite(bad)
        return self.stacked

    def _not_finite(self, bad: int) -> NonFiniteError:
        rows = self.stacked[bad]
        finite = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        i = int(np.argmin(finite))
        return NonFiniteError(
            f"observed[{i}], the observation of state {self._indices[i]}, holds NaN or Inf (leaf "
            f"{bad}): {rows[i]!r:.200}. The state itself is finite: keep observe within the domain "
            "of its functions, such as by np.where before a log or a division."
        )

    def backwards(self, cotangents: Leaves) -> int:
        """Take the cotangents of the stacked leaves; return the last observed state."""
        self._given = cotangents
        self.stacked = []  # the caller has them
        return self.next

    @property
    def next(self) -> int:
        """On the way back, the observed state that is next; -1 if none is left."""
        return self._indices[self.count - 1] if self.count > self._within else -1

    def between(self, start: int, stop: int) -> Sequence[int]:
        """Return the observed states from `start` on, below `stop`."""
        low = bisect_left(self._indices, start, self._within, self.count)
        return self._indices[low : bisect_left(self._indices, stop, low, self.count)]

    def reverse(self, k: int, state: Sequence[Any]) -> Sequence[Addend]:
        """Return what the observation of state `k`, the next one, adds to its cotangent."""
        # Copies: the observer may use up what it is given.
        row = [np.array(leaf[self.count - 1]) for leaf in self._given]
        found = self.observer.reverse(state, k, row)
        self.count -= 1
        return found

"""Counts the bytes of arrays that a gradient holds, and their peak."""

from collections.abc import Mapping
from typing import final

from revolve_ad.errors import BudgetError

__all__ = ["Ledger"]


@final
class Ledger:
    """What the holders of arrays (checkpoints, tapes, sums, ...) hold now, in bytes.

    Each holder reports when it takes or gives back memory; nothing is estimated.

    Parameters
    ----------
    limit : int or None
        The budget; a holder that takes more than it leaves gets a `BudgetError`.
    planned : int or None
        The most that the plan foresees: before more is held, what is idle is given back.
    held : dict of str to int
        What the holders of fixed sizes hold from the start.

    Attributes
    ----------
    nbytes, peak_bytes : int
        What all hold now, and the most that they ever held together.
    """

    __slots__ = ("_most", "_now", "limit", "nbytes", "peak_bytes", "planned")

    def __init__(
        self,
        limit: int | None = None,
        planned: int | None = None,
        held: Mapping[str, int] | None = None,
    ) -> None:
        self.limit = limit
        self.planned = limit if planned is None else planned
        self._now: dict[str, int] = dict(held or {})
        self._most = dict(self._now)
        self.nbytes = self.peak_bytes = sum(self._now.values())

    def add(self, holder: str, nbytes: int) -> None:
        """Note that a holder takes so many bytes, or gives them back if negative."""
        now = self._now[holder] = self._now.get(holder, 0) + nbytes
        self.nbytes += nbytes
        if nbytes > 0:
            if now > self._most.get(holder, 0):
                self._most[holder] = now
            if self.nbytes > self.peak_bytes:
                self.peak_bytes = self.nbytes
                if self.limit is not None and self.nbytes > self.limit:
                    raise self._exceeded(holder, nbytes)

    def set(self, holder: str, nbytes: int) -> None:
        """Note how much a holder holds from now on."""
        self.add(holder, nbytes - self._now.get(holder, 0))

    def grow(self, holder: str, nbytes: int) -> bool:
        """Note that a holder needs more than was foreseen, from now on; False if that can't be."""
        more = nbytes - self.held(holder)
        if self.planned is not None:
            if self.limit is not None and max(self.planned, self.nbytes) + more > self.limit:
                return False
            self.planned += more
        self.set(holder, nbytes)
        return True

    @property
    def now(self) -> dict[str, int]:
        """What each holder holds now."""
        return dict(self._now)

    def held(self, holder: str) -> int:
        """Return what a holder holds now."""
        return self._now.get(holder, 0)

    @property
    def holders(self) -> dict[str, int]:
        """The most that each holder ever held; not all at the same time."""
        return {name: size for name, size in self._most.items() if size}

    def _exceeded(self, holder: str, nbytes: int) -> BudgetError:
        held = ", ".join(f"{name} {size:,}" for name, size in self._now.items() if size)
        return BudgetError(
            f"{holder} took {nbytes:,} bytes more than the plan had foreseen; {self.nbytes:,} "
            f"bytes are held, but the budget is {self.limit:,}: {held}. Give more memory."
        )

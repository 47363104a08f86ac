"""What a sweep is told when the tape of a step needs more memory than its plan has foreseen.

Tapes that depend on values have no fixed size.  A larger one is met in the reverse sweep, before
anything of its step has been added to the gradient; the rest of the sweep is then planned anew.
"""

from revolve_ad.simulation.arrays.layout import Leaves, Tape
from revolve_ad.simulation.arrays.ledger import Ledger

__all__ = ["GrownTapeError", "has_room"]


class GrownTapeError(Exception):
    """A tape needs more memory than the plan leaves; the sweep catches it, nobody else sees it.

    Attributes
    ----------
    what : str
        Whose tape it is, such as ``"step 7"``.
    nbytes : int
        The bytes that its operations need.
    at : int
        The steps before this state are not reversed yet.
    cotangent : list of ndarray
        The cotangent of state `at`.
    state : list of ndarray
        State ``at - 1``, where it is live; else empty.
    start, tape
        The tape of the steps ``start … at - 2``, where it is live; else empty.
    """

    def __init__(
        self, what: str, nbytes: int, at: int, cotangent: Leaves, state: Leaves | None = None
    ) -> None:
        super().__init__(f"the tape of {what} needs {nbytes:,} bytes")
        self.what = what
        self.nbytes = nbytes
        self.at = at
        self.cotangent = cotangent
        self.state: Leaves = [] if state is None else state
        self.start = at
        self.tape: Tape = []


def has_room(ledger: Ledger | None, needed: int) -> bool:
    """Tell whether a tape may take so many bytes to run; those are set aside from then on."""
    if ledger is None or needed <= ledger.held("operations"):
        return True
    return ledger.grow("operations", needed)

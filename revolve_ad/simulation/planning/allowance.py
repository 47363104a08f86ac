"""What a simulation leaves to those inside of its steps, for the thread that runs them."""

import threading
from typing import final

__all__ = ["allowance", "allowing"]

_thread = threading.local()


def allowance() -> int | None:
    """Return the bytes that a gradient may hold here; None outside of any other."""
    found: int | None = getattr(_thread, "nbytes", None)
    return found


@final
class allowing:
    """Leaves so many bytes to the gradients inside of the body."""

    __slots__ = ("_before", "_nbytes")

    def __init__(self, nbytes: int | None) -> None:
        self._nbytes = nbytes

    def __enter__(self) -> None:
        self._before = allowance()
        _thread.nbytes = self._nbytes

    def __exit__(self, *raised: object) -> None:
        _thread.nbytes = self._before

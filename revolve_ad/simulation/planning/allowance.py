"""What a simulation leaves to those inside of its steps, for the thread that runs them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["allowance", "allowing"]

_thread = threading.local()


def allowance() -> int | None:
    """Return the bytes that a gradient may hold here; None outside of any other."""
    found: int | None = getattr(_thread, "nbytes", None)
    return found


@contextmanager
def allowing(nbytes: int | None) -> Iterator[None]:
    """Leave so many bytes to the gradients inside of the body."""
    before = allowance()
    _thread.nbytes = nbytes
    try:
        yield
    finally:
        _thread.nbytes = before

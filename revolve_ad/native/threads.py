"""Threads within large loops: off unless `REVOLVE_AD_THREADS` asks for them.

The rows of a large loop nest can be computed by several threads, each row as one thread would: the
results have the same bits.  One call at a time uses threads.  What is called meanwhile from another
thread of Python, such as another member of an ensemble, runs by itself; so does all in a process
that was forked, where the threads of the parent are missing.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import Any

from revolve_ad.errors import ParameterError

__all__ = ["BLOCKS", "ROWS", "alone", "n_threads", "threaded_source"]

ROWS = "  # rows apart"
"""Marks a loop whose passes don't touch what other passes touch."""

BLOCKS = "  # steps in one pass, rows in a block"
"""Marks how far steps run side by side: threads share all rows of one step."""

_busy = threading.Lock()
_born = os.getpid()


def n_threads() -> int:
    """Return how many threads a large loop may use: ``REVOLVE_AD_THREADS``, by default 1.

    The value is a number, or ``all`` for as many as Numba has (``NUMBA_NUM_THREADS``).

    Raises
    ------
    ParameterError
        If it is neither.
    """
    chosen = os.environ.get("REVOLVE_AD_THREADS", "").strip() or "1"
    if chosen == "all":
        return os.cpu_count() or 1
    if not chosen.isdigit() or int(chosen) < 1:
        raise ParameterError(
            f"REVOLVE_AD_THREADS is {chosen!r}; give a number of threads from 1 on, or 'all'."
        )
    return int(chosen)


def threaded_source(source: str) -> str:
    """Return the source with threads in the functions that have loops over rows apart."""
    parts = re.split(r"(?m)^(?=@kernel)", source)
    for k, part in enumerate(parts):
        if ROWS in part:
            part = re.sub(r"^@kernel\w*", "@kernel_threads", part)
            parts[k] = re.sub(rf"range\((.+)\):{ROWS}", r"prange(\1):", part)
    return re.sub(rf"= \d+, \d+{BLOCKS}", f"= 1, {1 << 30}", "".join(parts))


def alone(
    with_threads: Callable[..., Any], without: Callable[[], Callable[..., Any]], wanted: int
) -> Callable[..., Any]:
    """Return a function that uses threads unless another call does.

    Parameters
    ----------
    with_threads : callable
        The function with threads.
    without : callable
        Returns the one without, when it is first of use.
    wanted : int
        The threads to use.
    """
    import numba

    config: Any = numba.config
    most = min(wanted, config.NUMBA_NUM_THREADS)

    def call(*args: Any) -> Any:
        if os.getpid() != _born or not _busy.acquire(blocking=False):
            return without()(*args)
        try:
            before = numba.get_num_threads()
            numba.set_num_threads(most)
            try:
                return with_threads(*args)
            finally:
                numba.set_num_threads(before)
        finally:
            _busy.release()

    return call

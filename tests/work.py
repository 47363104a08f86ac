"""What a plan costs, counted and not timed: the lines that run, and the entries of arrays.

Counts are the same on every machine, however busy it is.  Times what a line and an entry take on a
slow core they are seconds, those that ``effort`` speaks of; ``bench_planning`` puts them beside a
clock.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from revolve_ad.schedule.search import replacing, split_table

LINE, LINE_OF_ARRAYS, ENTRY = 3e-7, 5e-6, 2e-9  # seconds

_SPLITS = sys.modules["revolve_ad.schedule.heterogeneous"]
_BYTES = sys.modules["revolve_ad.schedule.heterogeneous_bytes"]

# The programmes that NumPy runs, and how many entries a call of each has computed, from its local
# variables when it returns.
_ENTRIES: dict[CodeType, Callable[[dict[str, Any]], int]] = {
    split_table.tabulate.__code__: lambda v: v["n_steps"] ** 2 * v["depth"],
    _SPLITS._solve_diagonal.__code__: lambda v: 10 * len(v["i"]),
    _BYTES._solve.__code__: lambda v: v["n"] ** 3 * (v["budget"] + 1),
    replacing.Replacing._solve_going.__code__: lambda v: 10 * getattr(v.get("saved"), "size", 0),
}


@dataclass(slots=True)
class Work:
    """Lines of this library that ran, those of them in programmes of NumPy, and their entries."""

    lines: int = 0
    of_arrays: int = 0
    entries: int = 0

    @property
    def seconds(self) -> float:
        """What that takes on a slow core."""
        plain = self.lines - self.of_arrays
        return LINE * plain + LINE_OF_ARRAYS * self.of_arrays + ENTRY * self.entries


def work(plan: Callable[[], Any], package: str = "revolve_ad") -> Work:
    """Call a function, and count what it makes the code of a package do."""
    done = Work()

    def of_a_call(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            done.lines += 1
        return of_a_call

    def of_arrays(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            done.lines += 1
            done.of_arrays += 1
        elif event == "return":
            done.entries += _ENTRIES[frame.f_code](frame.f_locals)
        return of_arrays

    def of_all_calls(frame: FrameType, event: str, _: Any) -> Any:
        if package not in frame.f_code.co_filename:
            return None
        return of_arrays if frame.f_code in _ENTRIES else of_a_call

    before = sys.gettrace()
    sys.settrace(of_all_calls)
    try:
        plan()
    finally:
        sys.settrace(before)
    return done

"""Limits in seconds of schedules, plans, imports: ``python -m tests.benchmarks.bench_planning``.

Tests hold the same limits by counts, which no busy machine changes; here they are measured, best of
some, in CPU time.  A line for each: what was measured, what is allowed, and their ratio; for plans
also what `tests.work` counts.
"""

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

from revolve_ad.schedule import binomial, mixed
from tests.schedule.test_planning_work import PLANS
from tests.work import work

__all__ = ["main"]

Line = tuple[str, float, float, str]
"""What, seconds (or a ratio), how much is allowed, and what else to say."""


def best(function: Callable[[], Any], repeats: int = 5) -> float:
    """Return the least CPU seconds of some calls."""
    taken = []
    for _ in range(repeats):
        began = process_time()
        function()
        taken.append(process_time() - began)
    return min(taken)


def plans() -> Iterator[Line]:
    """Plans of chains of 10⁴ steps within a second, of 10⁶ within five, and within their effort."""
    for n, allowed in ((10_000, 1.0), (10**6, 5.0)):
        effort = 0.5 if n == 10_000 else 2.0
        for name, plan in PLANS.items():
            if "storages" in name and n == 10**6:
                continue
            seconds = best(lambda plan=plan, n=n, e=effort: plan(n, e).counts(), 2)
            yield f"{name}, n = {n:,}", seconds, allowed, f"effort {effort}"
    for name, plan in PLANS.items():
        for effort in (0.02, 0.1, 0.3):
            quick = lambda plan=plan, e=effort: plan(10**6, e).counts()  # noqa: E731
            least = 0.2 if "storages" in name else 0.06
            counted = f"counted {work(quick).seconds:.3f} s"
            yield f"{name}, effort {effort}", best(quick, 2), least + 3 * effort, counted
    yield (
        "mixed, no effort, n = 10,000",
        best(lambda: mixed(10_000, 2048, 8, 40, effort=0)),
        1e-3,
        "",
    )


def actions() -> Iterator[Line]:
    """The first action of a chain of 10¹² steps, and all actions beside checkpoint_schedules."""
    first = best(lambda: [next(iter(binomial(10**12, 20))) for _ in range(1000)]) / 1000
    yield "first action of 10^12 steps", first, 50e-6, ""
    try:
        from checkpoint_schedules import MultistageCheckpointSchedule
    except ImportError:
        return
    n, ratios = 20_000, []
    for _ in range(5):
        theirs = best(lambda: deque(MultistageCheckpointSchedule(n, 10, 0), 0), 1)
        ratios.append(best(lambda: deque(binomial(n, 10), 0), 1) / theirs)
    yield "all actions, in those of their Multistage", sorted(ratios)[2], 0.6, "a ratio"


def imports() -> Iterator[Line]:
    """The import of the package, alone and with every name, beyond that of NumPy and SciPy."""
    # With bytecode, as of an installed package, also where writing it is switched off.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    with tempfile.TemporaryDirectory() as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder
        for what in ("import revolve_ad", "from revolve_ad import *"):
            code = "import time, numpy, scipy\nbegan = time.process_time()\n"
            code += f"{what}\nprint(time.process_time() - began)"
            taken = [
                float(subprocess.check_output([sys.executable, "-c", code], env=environment))
                for _ in range(6)
            ]
            yield what, min(taken), 0.3, ""


def main() -> bool:
    """Print a line for each limit; return whether all are kept."""
    kept = True
    for part in (actions, imports, plans):
        for what, seconds, allowed, remark in part():
            kept &= seconds <= allowed
            ratio = seconds / allowed
            print(
                f"{what:56} {seconds:10.2e} of {allowed:8.2e}: {ratio:5.2f}  {remark}", flush=True
            )
    return kept


if __name__ == "__main__":
    sys.exit(not main())

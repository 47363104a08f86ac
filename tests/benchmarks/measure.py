"""One contestant in a process of its own: builds, runs when told to, reports CPU time and memory.

``python -m tests.benchmarks.measure SPEC`` with SPEC in JSON; reads "go" lines from stdin.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.contestants import build

__all__ = ["main"]

_STATUS = Path("/proc/self/status")


def _megabytes(key: str) -> float:
    """Return a line of the kernel's account of this process, such as VmRSS, in MB."""
    if not _STATUS.exists():
        return float("nan")
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        # Not allowed here: the peak then counts the building too.
        return


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve one contestant until stdin closes."""
    spec = json.loads(sys.argv[1])
    if spec.get("cpu") is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {spec["cpu"]})
    clock = time.process_time()
    try:
        run = build(spec["problem"], spec["kind"], spec["options"], spec["sizes"])
        build_s = time.process_time() - clock
        _reset_peak()
        before = _megabytes("VmRSS")
        clock = time.process_time()
        result = run()
        first_s = time.process_time() - clock
    except Exception as error:
        # Whatever goes wrong becomes a row of the table, not the end of the run.
        _say({"error": f"{type(error).__name__}: {error}"})
        return
    value, gradient = result if isinstance(result, tuple) else (result, None)
    if gradient is not None:
        np.save(spec["gradient"], gradient)
    _say(
        {
            "value": value,
            "build_s": build_s,
            "first_s": first_s,
            "memory_mb": _megabytes("VmHWM") - before,
            "counts": run.counts() if hasattr(run, "counts") else None,
        }
    )
    for _ in sys.stdin:
        clock = time.process_time()
        run()
        _say({"seconds": time.process_time() - clock})


if __name__ == "__main__":
    main()

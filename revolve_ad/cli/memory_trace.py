"""Watches the resident memory of a process that computes one gradient, by memory-profiler."""

import json
import subprocess
import sys
from dataclasses import dataclass

__all__ = ["MemoryTrace", "watch"]

_INTERVAL = 0.01


@dataclass(frozen=True, slots=True)
class MemoryTrace:
    """Resident memory over time.

    Attributes
    ----------
    seconds : tuple of float
        Time since the gradient began.
    megabytes : tuple of float
        Resident memory [MB, 10⁶ bytes] beyond what the process had when it began.
    peak_bytes : int
        The most that the library held, by its own count.
    recomputation : float
        Executed steps for each step.
    took : float
        Seconds of the gradient.
    """

    seconds: tuple[float, ...]
    megabytes: tuple[float, ...]
    peak_bytes: int
    recomputation: float
    took: float


def watch(cells: int, memory: str) -> MemoryTrace:
    """Run one gradient of the heat problem in a process of its own, and watch its memory.

    Parameters
    ----------
    cells : int
        Cells along each side of the plate.
    memory : str
        The budget.
    """
    from memory_profiler import memory_usage  # optional

    command = [sys.executable, "-m", "revolve_ad.cli.one_gradient", str(cells), memory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        samples = memory_usage(process, interval=_INTERVAL, timestamps=True)
        out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    told = json.loads(out)
    began, ended = told["began"], told["ended"]
    # memory-profiler counts in MiB.
    before = max(value for value, at in samples if at <= began)
    kept = [(at, value) for value, at in samples if began - 0.05 <= at <= ended]
    return MemoryTrace(
        seconds=tuple([at - began for at, _ in kept]),
        megabytes=tuple([max(0.0, (value - before) * 1.048576) for _, value in kept]),
        peak_bytes=told["peak_bytes"],
        recomputation=told["recomputation"],
        took=told["seconds"],
    )

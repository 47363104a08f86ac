"""Reads a memory budget, such as "2 GiB", and finds out how much memory is free."""

import math
import numbers
import os
import pathlib
import re
from typing import Final

from revolve_ad.errors import ParameterError

__all__ = [
    "ALWAYS_GRANTED",
    "DEFAULT_SHARE",
    "budget_bytes",
    "format_bytes",
    "free_bytes",
    "parse_bytes",
]

DEFAULT_SHARE: Final = 0.25
"""The share of the free memory that ``memory=None`` stands for."""

ALWAYS_GRANTED: Final = 4 * 1024**2
"""Bytes that ``memory=None`` grants without looking: asking the system takes 100 µs."""

_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)\s*", re.IGNORECASE)


def parse_bytes(size: object, name: str = "memory") -> int:
    """Return a size as a number of bytes.

    Parameters
    ----------
    size : str or number
        Bytes, or a number with a unit: B; kB, MB, GB, TB, powers of 1000; KiB, MiB, GiB, TiB,
        powers of 1024; in any case, with or without a space between.  Fractions are rounded down.
    name : str
        What the argument is called in messages.

    Raises
    ------
    ParameterError
        If `size` can't be read, is negative or not finite.

    Examples
    --------
    >>> parse_bytes("64kB"), parse_bytes("1.5 GiB"), parse_bytes(2e6)
    (64000, 1610612736, 2000000)
    """
    if isinstance(size, str):
        found = _SIZE.fullmatch(size)
        unit = _UNITS.get(found[2].lower()) if found else None
        if found is None or unit is None:
            raise ParameterError(
                f"{name} is {size!r}; give a number of bytes, or a number with one of the units "
                "B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024), such as "
                '"200 MB" or "2 GiB".'
            )
        whole = found[1].isdigit()
        return int(found[1]) * unit if whole else int(float(found[1]) * unit)
    if isinstance(size, numbers.Real) and not isinstance(size, bool):
        number = float(size)
        # What is said as a share of something is rounded down; less than a byte is a mistake.
        if math.isfinite(number) and (number == 0 or number >= 1):
            return int(size) if isinstance(size, numbers.Integral) else int(number)
    raise ParameterError(
        f'{name} is {size!r}; give a number of bytes, 0 or more, or a text such as "200 MB".'
    )


def budget_bytes(memory: object, wanted: int, idle: int = 0) -> int:
    """Return the budget that the argument ``memory=`` stands for.

    Parameters
    ----------
    memory : str, number or None
        A size, or None for `DEFAULT_SHARE` of the memory that is free now.
    wanted : int
        More than this many bytes are of no use; where that is little, nobody is asked.
    idle : int
        Bytes that aren't free only because they are kept for this use.
    """
    if memory is not None:
        return parse_bytes(memory)
    if wanted <= ALWAYS_GRANTED:
        return ALWAYS_GRANTED
    return max(ALWAYS_GRANTED, int(DEFAULT_SHARE * (free_bytes() + idle)))


def free_bytes() -> int:
    """Return how many bytes the machine, or the cgroup that we run in, has free."""
    return max(0, min(_machine(), _cgroup()))


def format_bytes(n: float) -> str:
    """Return a size in words, such as ``1.5 MB``, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(n) < 999.5:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:,.3g} TB"


def _machine() -> int:
    try:
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    # Without /proc: physical memory.  Half of it stands in for what is free.
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return 2 * 1024**3


def _cgroup() -> int:
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            return int(pathlib.Path(limit).read_text()) - int(pathlib.Path(used).read_text())
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return 2**63

"""A clock that stands still but for what a test says, in place of the one that plans measure by.

What a plan chooses by measured seconds is then the same on every machine, however busy it is.
"""

import importlib

import pytest

__all__ = ["Clock"]

_READERS = (
    "revolve_ad.simulation.planning.measuring",
    "revolve_ad.simulation.sweeps.opening",
    "revolve_ad.simulation.arrays.shelf",
)


class Clock:
    """Seconds that only sleeping lets go by, and a microsecond with each look at them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds so far."""
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them go by."""
        self.now += seconds

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let what is measured be measured by this clock, for as long as the patch lasts."""
        for name in _READERS:
            patch.setattr(importlib.import_module(name), "perf_counter", self)

"""Shows how far an optimiser is: a bar of tqdm on a terminal, lines anywhere else."""

import sys
from time import perf_counter
from typing import Any, final

__all__ = ["Bar"]

_EVERY = 5


@final
class Bar:
    """Counts iterations.

    Parameters
    ----------
    name : str
        What is going on.
    total : int
        The most iterations.
    """

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._began = perf_counter()
        self._tqdm: Any = None
        self.done = 0
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm  # optional
            except ImportError:
                return
            self._tqdm = tqdm(total=total, desc=name, unit="iteration", leave=False)

    def step(self, **numbers: float) -> None:
        """Tell that an iteration is done, and the numbers to show."""
        self.done += 1
        if self._tqdm is not None:
            self._tqdm.set_postfix({name: f"{value:.5g}" for name, value in numbers.items()})
            self._tqdm.update()
        elif self.done == 1 or self.done % _EVERY == 0:
            shown = ", ".join(f"{name} {value:.5g}" for name, value in numbers.items())
            seconds = perf_counter() - self._began
            print(f"  {self._name}: iteration {self.done}, {shown}, {seconds:.1f} s", flush=True)

    def close(self) -> None:
        """End the bar."""
        if self._tqdm is not None:
            self._tqdm.close()

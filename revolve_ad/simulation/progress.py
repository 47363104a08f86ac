"""Tells how many steps of a gradient are done; how many there are is known from the schedule."""

from collections.abc import Callable
from typing import Any, final

from revolve_ad.errors import ParameterError

__all__ = ["Progress", "ProgressOption", "require_progress"]

ProgressOption = bool | Callable[[int, int | None], object]
"""False; True for a bar by tqdm; or a function that is called with (steps done, steps in all)."""


@final
class Progress:
    """Counts executed steps, and reports after each stretch of them.

    Parameters
    ----------
    option : bool or callable
        What the user asked for.
    total : int or None
        How many steps will be executed, if that is known.
    """

    __slots__ = ("_bar", "_notify", "_total", "done")

    def __init__(self, option: ProgressOption, total: int | None) -> None:
        self.done = 0
        self._total = total
        self._bar: Any = None
        self._notify = None if isinstance(option, bool) else option
        if option is True:
            self._bar = _tqdm()(total=total, unit="step")

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return self._bar is not None or self._notify is not None

    def step(self, n: int) -> None:
        """Report that `n` more steps are done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._notify is not None:
            self._notify(self.done, self._total)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()


def require_progress(option: object) -> ProgressOption:
    """Return a valid value of the argument ``progress=``."""
    if option is True:
        _tqdm()
    if isinstance(option, bool) or callable(option):
        return option
    raise ParameterError(
        f"progress is {option!r}; allowed are False, True (a bar, with tqdm installed), or a "
        "function that is called with the steps done and the steps in all."
    )


def _tqdm() -> Any:
    try:
        from tqdm import tqdm  # optional, and slow to import
    except ImportError:
        raise ParameterError(
            "progress=True needs tqdm: pip install revolve-ad[progress]; or pass a function "
            "progress(done, total)."
        ) from None
    return tqdm

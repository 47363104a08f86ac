"""What one benchmark problem consists of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A time loop in plain NumPy and a number computed from it.

    `with_respect_to` says what is differentiated, in the order in which every contestant
    concatenates its gradient: "params", "state" (the first one), or both.
    """

    name: str
    title: str
    step: Callable[..., Any]
    steps: int
    state: Any
    params: Any
    objective: Callable[[Any, Any], Any]
    """objective(final state, observations) -> a number."""
    with_respect_to: tuple[str, ...]
    inputs: Any = None
    """Arrays with a row a step, or None."""
    observe: Callable[..., Any] | None = None
    observe_at: range | None = None
    data: Any = None
    """What the objective compares with, for contestants that build it in."""

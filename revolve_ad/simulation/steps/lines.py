"""Which lines of the user's step do what: asked for when something there wasn't compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.tape import Node

__all__ = ["Lines", "lines_of"]

_MOST_LINES: Final = 3
_OFTEN: Final = 100


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines where operations were recorded.

    Attributes
    ----------
    by_name : dict of str to tuple of str
        For the name of each operation its lines, as ``"file.py:12 in step"``, the first first.
    busiest : str
        The line that recorded most; empty if none recorded many.
    """

    by_name: dict[str, tuple[str, ...]]
    busiest: str

    def of(self, reason: str) -> str:
        """Return in parentheses the lines of the operation that a reason begins with.

        A reason is a sentence such as ``"sort has no compiled form"``.  Where it names no operation
        of the step, the answer is the busiest line, or nothing.
        """
        words = reason.removeprefix("a ").removeprefix("an ")
        named = [name for name in self.by_name if f"{words} ".startswith((f"{name} ", f"{name},"))]
        if named:
            lines = self.by_name[max(named, key=len)]
            more = len(lines) - _MOST_LINES
            rest = f" and {more} more lines" if more > 0 else ""
            return f" ({', '.join(lines[:_MOST_LINES])}{rest})"
        if self.busiest and reason[:1].isdigit():
            return f" (most of them at {self.busiest})"
        return ""

    def of_called(self, reason: str) -> str:
        """Return the same for an operation of the step or of its adjoint."""
        return self.of(reason) or " (in the adjoint of the step)"


def lines_of(
    function: Callable[..., Any], args: tuple[Any, ...], read_only: tuple[bool, ...]
) -> Lines:
    """Record a function once more and return its lines; see `trace` for the arguments.

    Such a recording takes twice as long as a plain one, so it is made only where there is something
    to say.
    """
    lines: list[str] = []
    tape = trace(function, args, read_only=read_only, lines=lines).tape
    by_name: dict[str, dict[str, None]] = {}
    count: Counter[str] = Counter()
    # Inputs come first: what calls the function, not what it does.
    for node, line in zip(tape.nodes, lines, strict=False):
        if node.args:
            by_name.setdefault(_name(node), {})[line] = None
            count[line] += 1
    busiest = [line for line, n in count.most_common(1) if n >= _OFTEN]
    return Lines({name: tuple(found) for name, found in by_name.items()}, "".join(busiest))


def _name(node: Node) -> str:
    return node.op.name

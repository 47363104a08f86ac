"""Draws a schedule: as text for a terminal, as a figure for a paper."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from revolve_ad.schedule.actions import Action, Level
from revolve_ad.schedule.arguments import count
from revolve_ad.schedule.trace import WHERE, Sweep, Trace, trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "draw"]


def draw(schedule: Iterable[Action], n_steps: int | None = None) -> "Drawing":
    """Return a drawing of a schedule: print it, or ask it for a figure.

    Parameters
    ----------
    schedule : iterable of Action
        A schedule of this package or actions of your own, of at most 100,000 steps.
    n_steps : int, optional
        Number of steps; needed for an online schedule.

    Returns
    -------
    Drawing
        ``print(draw(s))`` writes one line for each sweep, from one restore to the next;
        ``draw(s).figure().savefig("schedule.pdf")`` needs matplotlib.

    Raises
    ------
    ScheduleError
        If the schedule breaks a rule.
    ParameterError
        If it has more steps than anyone can see.
    """
    if isinstance(schedule, Iterator | list | tuple):
        return Drawing("schedule", trace(list(schedule), n_steps))
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(schedule).__name__).lower()
    return Drawing(name, trace(schedule, n_steps))


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A schedule to look at; made by `draw`.

    Attributes
    ----------
    name : str
        What is drawn.
    trace : Trace
        What happens when.
    """

    name: str
    trace: Trace

    @property
    def title(self) -> str:
        """The name, the number of steps and what the gradient costs."""
        n, advanced = self.trace.n_steps, self.trace.counts.advanced
        steps = "1 step" if n == 1 else f"{n} steps"
        return f"{self.name}, {steps}: {advanced} advanced, {n} recorded"

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 100, rows: int = 40) -> str:
        """Return the drawing as text: steps from left to right, sweeps from top to bottom.

        Parameters
        ----------
        width : int, optional
            Columns for the steps, at least 10; a long chain is compressed to fit.
        rows : int, optional
            Sweeps shown, at least 2; of more, the first and the last ones are.
        """
        canvas = _Canvas(self.trace.n_steps, count("width", width, 10))
        return "\n".join(_lines(self.title, self.trace, canvas, count("rows", rows, 2)))

    def figure(self, size: tuple[float, float] = (7.0, 4.2)) -> "Figure":
        """Return the drawing as a matplotlib figure; save it with ``figure.savefig(path)``.

        Above: steps against time.  Lines that rise are steps run, plainly or taped, lines that
        fall are steps reversed, level lines are checkpoints.  To the right: how often each step is
        run plainly.  Below: what is held.

        Parameters
        ----------
        size : tuple of float, optional
            Width and height [inch].

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is missing.
        """
        from revolve_ad.schedule.figure import figure

        return figure(self.title, self.trace, size)


class _Canvas:
    """Where on a line of text a step and a state stand."""

    def __init__(self, n_steps: int, width: int) -> None:
        self.n_steps = n_steps
        # A short chain has two columns a step: one for its first state, one for itself.
        self.wide = 2 * n_steps <= width
        self.width = 2 * n_steps if self.wide else min(width, n_steps)

    def of_step(self, step: int) -> int:
        """Return the column of a step."""
        return 2 * step + 1 if self.wide else step * self.width // self.n_steps

    def of_state(self, state: int) -> int:
        """Return the column of a state."""
        return 2 * state if self.wide else min(self.of_step(state), self.width - 1)

    def fill(self, line: list[str], start: int, stop: int, mark: str) -> None:
        """Mark steps ``start … stop - 1``, and in a wide line the states before them."""
        first = self.of_state(start)
        last = self.of_step(stop - 1) + 1
        line[first:last] = mark * (last - first)


_MARKS: Final = {Level.RAM: "●", Level.DISK: "■", Level.REMOTE: "▲", Level.ARCHIVE: "◆"}


def _lines(title: str, trace: Trace, canvas: _Canvas, rows: int) -> Iterator[str]:
    yield title
    yield "─ advance   ═ reverse   ┄ taped, to be reversed later   · reversed before"
    used = {span.level for span in trace.spans} | {Level.RAM, Level.DISK}
    yield "   ".join(f"{_MARKS[level]} checkpoint {WHERE[level]}" for level in sorted(used))
    yield ""
    head = max(5, len(str(len(trace.sweeps))))
    yield f"{'state':>{head}}  {_ruler(canvas)}"
    shown = len(trace.sweeps)
    first = shown if shown <= rows else rows * 3 // 4
    last = 0 if shown <= rows else shown - (rows - first)
    position, taped = trace.n_steps, list[tuple[int, int]]()
    for i, sweep in enumerate(trace.sweeps):
        taped += [(stretch.start, stretch.stop) for stretch in sweep.recorded]
        if i < first or i >= last:
            line = _sweep(canvas, sweep, position, taped)
            yield f"{i + 1:>{head}}  {line}".rstrip()
        elif i == first:
            yield f"{'⋮':>{head}}  {last - first} sweeps more"
        if sweep.reversed:
            position = sweep.reversed[-1].start
        taped = [(start, min(stop, position)) for start, stop in taped if start < position]
    yield f"{'runs':>{head}}  {_runs(canvas, trace.runs)}"


def _ruler(canvas: _Canvas) -> str:
    line = [" "] * (canvas.width + 24)
    free = 0
    for state in range(0, canvas.n_steps, 5):
        column, label = canvas.of_state(state), str(state)
        if column >= free and column + len(label) < canvas.width:
            line[column : column + len(label)] = label
            free = column + max(10, len(label) + 2)
    label = str(canvas.n_steps)
    line[canvas.width : canvas.width + len(label)] = label
    return "".join(line).rstrip()


def _sweep(canvas: _Canvas, sweep: Sweep, position: int, taped: list[tuple[int, int]]) -> str:
    line = [" "] * canvas.width
    if position < canvas.n_steps:
        canvas.fill(line, position, canvas.n_steps, "·")
    for stretch in sweep.advanced:
        canvas.fill(line, stretch.start, stretch.stop, "─")
    for start, stop in taped:
        canvas.fill(line, start, stop, "┄")
    for stretch in sweep.reversed:
        canvas.fill(line, stretch.start, stretch.stop, "═")
    for state, level in sweep.kept:
        if state < canvas.n_steps:
            line[canvas.of_state(state)] = _MARKS[level]
    return "".join(line)


def _runs(canvas: _Canvas, runs: list[int]) -> str:
    """How often each step is run plainly: 0 to 9, a to z for 10 to 35, + beyond."""
    most = [-1] * canvas.width
    for step, number in enumerate(runs):
        column = canvas.of_step(step)
        most[column] = max(most[column], number)
    digits = "0123456789abcdefghijklmnopqrstuvwxyz+"
    return "".join(" " if number < 0 else digits[min(number, 36)] for number in most)

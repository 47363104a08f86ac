"""A schedule as a matplotlib figure; the only file of this package that imports matplotlib."""

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from revolve_ad.schedule.actions import Level
from revolve_ad.schedule.trace import WHERE, Stretch, Trace

__all__ = ["figure"]

# Colours that people with any kind of colour vision tell apart: Okabe and Ito (2008).
_ADVANCE, _RECORD, _REVERSE = "0.45", "#D55E00", "#0072B2"
_TAPES = "#E69F00"
_LEVELS = {
    Level.RAM: "#009E73",
    Level.DISK: "#CC79A7",
    Level.REMOTE: "#56B4E9",
    Level.ARCHIVE: "#000000",
}
_MARKERS = {Level.RAM: "o", Level.DISK: "s", Level.REMOTE: "^", Level.ARCHIVE: "D"}

Line = list[tuple[float, float]]


def figure(title: str, trace: Trace, size: tuple[float, float]) -> Figure:
    """Return the figure that `Drawing.figure` describes."""
    result = Figure(figsize=size, layout="constrained")
    grid = result.add_gridspec(2, 2, width_ratios=(6, 1), height_ratios=(3.2, 1))
    steps = result.add_subplot(grid[0, 0])
    runs = result.add_subplot(grid[0, 1], sharey=steps)
    held = result.add_subplot(grid[1, 0], sharex=steps)
    legend = result.add_subplot(grid[1, 1])
    _draw_steps(steps, trace)
    _draw_runs(runs, trace)
    kinds = _draw_held(held, trace)
    _draw_legend(legend, kinds)
    steps.set_title(title, fontsize=9, loc="left")
    for axes in (steps, runs, held):
        axes.tick_params(labelsize=7)
        axes.spines["right"].set_visible(False)
        axes.spines["bottom" if axes is runs else "top"].set_visible(False)
    return result


def _draw_steps(axes: Axes, trace: Trace) -> None:
    runs = [stretch for sweep in trace.sweeps for stretch in sweep.advanced]
    tapes = [stretch for sweep in trace.sweeps for stretch in sweep.recorded]
    back = [stretch for sweep in trace.sweeps for stretch in sweep.reversed]
    # Thinner lines where there are many, so that they don't merge into one surface.
    width = max(0.3, min(1.4, 300 / (len(runs) + len(tapes) + len(back))))
    for level, colour in _LEVELS.items():
        spans = [span for span in trace.spans if span.level == level]
        lines: list[Line] = [[(s.begin, s.state), (s.end, s.state)] for s in spans]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.8 * width))
        seen = [span for span in spans if span.end - span.begin > trace.duration / 80]
        size = max(5.0, 9 * width)
        axes.scatter(
            [s.begin for s in seen],
            [s.state for s in seen],
            s=size,
            marker=_MARKERS[level],
            color=colour,
            zorder=3,
        )
        axes.scatter(
            [time for span in seen for time in span.restores],
            [span.state for span in seen for _ in span.restores],
            s=size,
            marker=_MARKERS[level],
            facecolor="white",
            edgecolor=colour,
            linewidth=max(0.4, 0.6 * width),
            zorder=3,
        )
    for stretches, colour in ((runs, _ADVANCE), (tapes, _RECORD)):
        axes.add_collection(LineCollection(_rising(stretches), colors=colour, linewidths=width))
    falling: list[Line] = [[(s.begin, s.stop), (s.begin + s.stop - s.start, s.start)] for s in back]
    axes.add_collection(LineCollection(falling, colors=_REVERSE, linewidths=width))
    axes.set_xlim(-0.01 * trace.duration, 1.01 * trace.duration)
    axes.set_ylim(-0.02 * trace.n_steps, 1.02 * trace.n_steps)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(_round_numbers(8))
    axes.set_ylabel("state", fontsize=8)
    axes.tick_params(labelbottom=False)


def _round_numbers(most: int) -> MaxNLocator:
    """Place ticks at whole multiples of 1, 2 or 5 times a power of ten."""
    return MaxNLocator(most, integer=True, steps=[1, 2, 5, 10])


def _rising(stretches: list[Stretch]) -> list[Line]:
    return [[(s.begin, s.start), (s.begin + s.stop - s.start, s.stop)] for s in stretches]


def _draw_runs(axes: Axes, trace: Trace) -> None:
    n = trace.n_steps
    bars = min(n, 250)  # more than the lines of a page can show are averaged
    edges = [n * i // bars for i in range(bars + 1)]
    means = [sum(trace.runs[a:b]) / (b - a) for a, b in pairwise(edges)]
    axes.stairs(means, edges, orientation="horizontal", fill=True, color=_ADVANCE)
    axes.set_xlim(0, 1.05 * max(1.0, *means))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.xaxis.set_major_locator(_round_numbers(3))
    axes.set_xlabel("plain runs\nof a step", fontsize=7)
    axes.tick_params(labelleft=False)


def _draw_held(axes: Axes, trace: Trace) -> list[Line2D]:
    """Draw what is held against time, and return a line for the legend of each kind."""
    times = [time for time, *_ in trace.holdings]
    shown = []
    tapes = [tapes for *_, tapes in trace.holdings]
    if any(tapes):  # a surface, since where they come and go often lines would merge
        axes.fill_between(times, tapes, step="post", color=_TAPES, linewidth=0, alpha=0.6)
        shown.append(Line2D([], [], color=_TAPES, linewidth=4, alpha=0.6, label="tapes"))
    for level, colour in _LEVELS.items():
        numbers = [held[level] for _, held, _ in trace.holdings]
        if not any(numbers):
            continue
        axes.step(times, numbers, where="post", color=colour, linewidth=0.9)
        shown.append(
            Line2D(
                [],
                [],
                color=colour,
                linewidth=1.2,
                marker=_MARKERS[level],
                markersize=3,
                label=WHERE[level],
            )
        )
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(_round_numbers(3))
    axes.set_xlabel("time [steps run or reversed]", fontsize=8)
    axes.set_ylabel("held", fontsize=8)
    return shown


def _draw_legend(axes: Axes, held: list[Line2D]) -> None:
    lines = [
        Line2D([], [], color=colour, linewidth=1.2, label=name)
        for colour, name in ((_ADVANCE, "advance"), (_RECORD, "record"), (_REVERSE, "reverse"))
    ]
    if len(held) > 1 or held[0].get_label() != "tapes":
        lines += [_dot("saved", "0.3"), _dot("restored", "white")]
    axes.axis("off")
    axes.legend(
        handles=lines + held,
        loc="center",
        fontsize=7,
        frameon=False,
        borderpad=0,
        handlelength=1.2,
        labelspacing=0.3,
    )


def _dot(label: str, inside: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker="o",
        markersize=3.5,
        color="0.3",
        markerfacecolor=inside,
        label=label,
    )

"""How a gradient's time grows with grid and steps: ``python -m tests.benchmarks.scaling``.

Each size is a race of its own, as in `run`.  The table gives nanoseconds for a grid point and a
step, so that a column which stays level means time in proportion to the work.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import run
from tests.benchmarks.contestants import entries
from tests.benchmarks.problems import make

__all__ = ["Point", "main", "markdown"]

CHECKPOINTS = 30
SHOWN = (
    "NumPy forward, ordinary code",
    f"Numba adjoint by hand, s={CHECKPOINTS}",
    f"revolve_ad, s={CHECKPOINTS}",
    "JAX nested checkpoint",
)
"""Who takes part, by the beginning of the name."""


@dataclass(frozen=True, slots=True)
class Point:
    """The races of one size and number of steps."""

    problem: str
    size: int
    unknowns: int
    """Numbers in a state."""
    steps: int
    rows: tuple[run.Row, ...]

    def nanoseconds(self, beginning: str) -> float:
        """Return the best median of those whose name begins so, for a number and a step [ns]."""
        found = [row.median_ms for row in self.rows if row.label.startswith(beginning)]
        good = [median for median in found if median == median]
        return 1e6 * min(good, default=float("nan")) / (self.unknowns * self.steps)


def measure(problem: str, size: int | None, steps: int, options: argparse.Namespace) -> Point:
    """Race everyone that is shown on one size."""
    options.size, options.steps = size, steps
    chosen = [c for c in entries(problem, steps) if c.label.startswith(SHOWN)]
    rows = run.race(problem, chosen, options)
    state = make(problem, steps=4, **({} if size is None else {"size": size})).state
    parts = state if isinstance(state, tuple) else (state,)
    unknowns = sum(part.size for part in parts)
    return Point(problem, size or len(parts[0]), unknowns, steps, tuple(rows))


def markdown(points: list[Point]) -> str:
    """Return the table: a row for each size, nanoseconds for a number of the state and a step."""
    head = ["problem", "size", "steps", *SHOWN, "JAX / revolve_ad", "revolve_ad / by hand"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for point in points:
        _, by_hand, ours, jax = times = [point.nanoseconds(label) for label in SHOWN]
        cells = [point.problem, str(point.size), f"{point.steps:,}"]
        cells += [f"{time:.3g}" for time in times]
        cells += [f"{jax / ours:.2f}", f"{ours / by_hand:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _plot(points: list[Point], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    first = points[0]
    over_steps = len({point.size for point in points}) == 1
    place = [point.steps if over_steps else point.size for point in points]
    figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for label, colour in zip(SHOWN, ("0.6", "black", "tab:red", "tab:blue"), strict=True):
        axis.plot(place, [p.nanoseconds(label) for p in points], "o-", color=colour, label=label)
    axis.set(
        xscale="log",
        yscale="log",
        title=f"{first.problem}, {first.size} points a side" if over_steps else first.problem,
        xlabel="steps" if over_steps else "points a side",
        ylabel="CPU time for a number and a step [ns]",
    )
    axis.set_xticks(place, [f"{p:,}" for p in place], rotation=45)
    axis.minorticks_off()
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=150)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling", description=__doc__)
    add = parser.add_argument
    add("--problem", default="P4", choices=("P3", "P4", "P5"), help="which problem")
    add("--sizes", default="32,64,128,256,512,1024,2048", help="points a side")
    add("--steps", default="100", help="numbers of steps, such as 100,1000,10000")
    add("--plot", help="write a picture here")
    add("--markdown", help="write the table here")
    add("--json", help="write all that was measured here")
    return parser


def main(arguments: list[str] | None = None) -> list[Point]:
    """Race over all sizes and numbers of steps; print the table.  `run`'s options work too."""
    options, others = _parser().parse_known_args(arguments)
    racing = run.parser().parse_args(others)
    points: list[Point] = []
    for size in map(int, options.sizes.split(",")):
        for steps in map(int, options.steps.split(",")):
            points.append(measure(options.problem, size, steps, racing))
            print(markdown(points[-1:]), flush=True)
    print(markdown(points))
    if options.json:
        measured: list[Any] = [asdict(point) for point in points]
        Path(options.json).write_text(json.dumps(measured, indent=1))
    if options.markdown:
        Path(options.markdown).write_text(markdown(points) + "\n")
    if options.plot:
        _plot(points, options.plot)
    return points


if __name__ == "__main__":
    main()

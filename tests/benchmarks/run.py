"""Everyone on one machine in one run: ``python -m tests.benchmarks.run --problems P1,P4 --quick``.

Each contestant has a fresh process and one thread; after a warm-up the contestants take turns, so
that a machine which slows down slows all of them; times are medians of CPU time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.contestants import Contestant, entries
from tests.benchmarks.problems import NAMES, make

__all__ = ["Row", "main", "markdown", "parser", "race"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Row:
    """What was measured of one contestant on one problem."""

    problem: str
    label: str
    seconds: list[float] = field(default_factory=list)
    memory_mb: float = float("nan")
    build_s: float = float("nan")
    value: float = float("nan")
    gradient_error: float = float("nan")
    """Largest difference from the reference gradient over the reference's largest element."""
    counts: dict[str, float] | None = None
    error: str = ""

    @property
    def median_ms(self) -> float:
        """Median of the CPU times in milliseconds."""
        return 1e3 * statistics.median(self.seconds) if self.seconds else float("nan")


class _Process:
    """A contestant's process, told to run by a line on its stdin."""

    def __init__(
        self, contestant: Contestant, row: Row, options: argparse.Namespace, folder: Path
    ) -> None:
        self.row = row
        self.gradient = folder / f"{abs(hash((row.problem, row.label)))}.npy"
        python = options.peer_python if contestant.kind == "jax" else options.python
        spec = {
            "problem": row.problem,
            "kind": contestant.kind,
            "options": contestant.options,
            "sizes": {
                key: value
                for key, value in (("steps", options.steps), ("size", options.size))
                if value is not None
            },
            "cpu": options.cpu,
            "gradient": str(self.gradient),
        }
        libraries = ("OMP", "OPENBLAS", "MKL")
        one_thread = {f"{library}_NUM_THREADS": "1" for library in libraries}
        self.process = subprocess.Popen(
            [python, "-m", "tests.benchmarks.measure", json.dumps(spec)],
            cwd=ROOT,
            env=os.environ | one_thread | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            self.row.error = answer["error"]
        return answer

    def warm_up(self) -> float:
        """Wait for the first run; return its CPU seconds."""
        answer = self._answer()
        if self.row.error:
            return 0.0
        row = self.row
        row.value, row.build_s = answer["value"], answer["build_s"]
        row.memory_mb, row.counts = answer["memory_mb"], answer["counts"]
        return float(answer["first_s"])

    def go(self) -> None:
        """Run once more and note the CPU time."""
        if self.row.error:
            return
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._answer()
        if not self.row.error:
            self.row.seconds.append(answer["seconds"])

    def end(self) -> None:
        """Close the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def race(problem: str, chosen: list[Contestant], options: argparse.Namespace) -> list[Row]:
    """Measure the contestants of one problem, taking turns.

    The rivals' processes are alive together, however many they are, so that a ratio of two of them
    is one of times of the same minutes; the others' in groups, the heavy ones' one by one.
    """
    others = [c for c in chosen if not (c.rival or c.heavy)]
    groups = [[c for c in chosen if c.rival]]
    groups += [others[i : i + options.at_once] for i in range(0, len(others), options.at_once)]
    groups += [[c] for c in chosen if c.heavy]
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as name:
        gradients: dict[str, Any] = {}
        for group in groups:
            processes = []
            for contestant in group:
                row = rows[contestant.label] = Row(problem, contestant.label)
                # One after the other: no two of them run at the same time.
                process = _Process(contestant, row, options, Path(name))
                first = process.warm_up()
                runs = max(1, min(options.repeats, int(options.seconds / max(first, 1e-9))))
                processes.append((process, runs))
            for turn in range(options.repeats):
                for process, runs in processes:
                    if turn < runs:
                        process.go()
            for process, _ in processes:
                process.end()
                row = process.row
                print(
                    f"{problem}  {row.label}: {row.error or f'{row.median_ms:.4g} ms'}",
                    file=sys.stderr,
                    flush=True,
                )
                if process.gradient.exists():
                    gradients[process.row.label] = np.load(process.gradient)
        reference = next((gradients[c.label] for c in chosen if c.label in gradients), None)
        for label, gradient in gradients.items():
            error = np.max(np.abs(gradient - reference)) / np.max(np.abs(reference))
            rows[label].gradient_error = float(error)
    return [rows[c.label] for c in chosen]


def markdown(rows: list[Row]) -> str:
    """Return the table of all rows."""
    lines = [
        "| problem | contestant | median ms | adds MB | build s | gradient differs by |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.error:
            lines.append(f"| {row.problem} | {row.label} | {row.error[:80]} | | | |")
            continue
        error = "" if np.isnan(row.gradient_error) else f"{row.gradient_error:.0e}"
        lines.append(
            f"| {row.problem} | {row.label} | {row.median_ms:.4g} | {row.memory_mb:.0f} "
            f"| {row.build_s:.1f} | {error} |"
        )
    return "\n".join(lines)


def _plot(rows: list[Row], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    problems = list(dict.fromkeys(row.problem for row in rows))
    figure, axes = plt.subplots(
        1, len(problems), figsize=(4.5 * len(problems), 7), squeeze=False, layout="constrained"
    )
    for axis, problem in zip(axes[0], problems, strict=True):
        shown = [row for row in rows if row.problem == problem and row.seconds][::-1]
        colours = ["tab:red" if "revolve_ad" in row.label else "tab:gray" for row in shown]
        axis.barh([row.label for row in shown], [row.median_ms for row in shown], color=colours)
        axis.set(xscale="log", title=problem, xlabel="CPU time [ms]")
    figure.savefig(path)


def parser() -> argparse.ArgumentParser:
    """Return what reads the options of a race."""
    result = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    add = result.add_argument
    add("--problems", default=",".join(NAMES), help="such as P1,P4")
    add("--only", default="", help="contestants whose name has one of these words, a ; between")
    add("--quick", action="store_true", help="leave out the slow ones, three turns")
    add("--repeats", type=int, default=7, help="turns of each contestant after its warm-up")
    add("--seconds", type=float, default=20.0, help="about the most for one contestant's turns")
    add("--steps", type=int, help="another number of steps than the published one")
    add("--size", type=int, help="another grid size than the published one")
    add("--python", default=sys.executable, help="interpreter with numpy and numba")
    add("--peer-python", default=sys.executable, help="interpreter with jax and equinox")
    add("--cpu", type=int, help="pin each contestant to this core")
    add(
        "--at-once",
        type=int,
        default=8,
        help="processes of those that aren't rivals alive together",
    )
    add("--json", help="write all that was measured here")
    add("--markdown", help="write the table here")
    add("--plot", help="write a picture here")
    return result


def main(arguments: list[str] | None = None) -> list[Row]:
    """Race everyone on the chosen problems; print the table."""
    options = parser().parse_args(arguments)
    if options.quick:
        options.repeats = min(options.repeats, 3)
    words = [word.strip().lower() for word in options.only.split(";") if word.strip()]
    rows: list[Row] = []
    for name in options.problems.split(","):
        steps = options.steps or make(name).steps
        chosen = [
            c
            for c in entries(name, steps)
            if not (options.quick and c.slow)
            and (not words or any(word in c.label.lower() for word in words))
        ]
        new = race(name, chosen, options)
        print(markdown(new), flush=True)
        rows += new
    if options.json:
        measured = [asdict(row) | {"median_ms": row.median_ms} for row in rows]
        Path(options.json).write_text(json.dumps(measured, indent=1))
    if options.markdown:
        Path(options.markdown).write_text(markdown(rows) + "\n")
    if options.plot:
        _plot(rows, options.plot)
    return rows


if __name__ == "__main__":
    main()

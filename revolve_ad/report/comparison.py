"""`compare` measures the trade of memory for recomputation, as a table and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median
from time import perf_counter
from typing import Any, final

import numpy as np

from revolve_ad import trees
from revolve_ad.ad import vjp
from revolve_ad.errors import ParameterError
from revolve_ad.simulation import Plan, Report, Simulation
from revolve_ad.simulation.memory import format_bytes, parse_bytes

__all__ = ["Comparison", "Measured", "compare"]


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """One gradient under one budget.

    Attributes
    ----------
    memory : int
        The budget [bytes].
    plan : Plan
        What was forecast.
    report : Report
        What was done, by the last repetition.
    seconds : float
        Median wall time of the repetitions.
    """

    memory: int
    plan: Plan
    report: Report
    seconds: float


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Gradients of one run under several budgets; made by `compare`, it prints as a table.

    Attributes
    ----------
    rows : tuple of Measured
        By increasing budget.
    run_seconds : float
        Median wall time of a run without a gradient, by the step itself, in plain NumPy.
    agree : bool
        Whether all gradients were the same, bit for bit.
    """

    rows: tuple[Measured, ...]
    run_seconds: float
    agree: bool

    def __str__(self) -> str:
        lines = [
            f"{'memory':>10} {'peak':>10} {'checkpoints':>12} {'recomputation':>14} "
            f"{'seconds':>9} {'forecast':>9} {'runs':>7}"
        ]
        for row in self.rows:
            forecast = "" if row.plan.seconds is None else f"{row.plan.seconds:.3g}"
            lines.append(
                f"{format_bytes(row.memory):>10} {format_bytes(row.report.peak_bytes):>10} "
                f"{row.report.peak_checkpoints:>12,} {row.report.recomputation:>14.3f} "
                f"{row.seconds:>9.3g} {forecast:>9} "
                f"{row.seconds / self.run_seconds:>7.2f}"
            )
        same = "the same, bit for bit" if self.agree else "NOT THE SAME"
        lines.append(
            f"A run without a gradient, in plain NumPy, takes {self.run_seconds:.3g} s: 'runs' "
            "counts those."
        )
        lines.append(f"All gradients are {same}.")
        return "\n".join(lines)

    def draw(self, axes: Any = None) -> Any:
        """Draw recomputation and time over peak memory (needs matplotlib).

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            ``axes.figure.savefig(path)`` writes it.
        """
        if axes is None:
            from matplotlib.figure import Figure  # optional, and slow to import

            axes = Figure(figsize=(4.8, 3.2), layout="constrained").add_subplot()
        peaks = [row.report.peak_bytes / 1e6 for row in self.rows]
        seconds = axes.twinx()
        (left,) = axes.plot(
            peaks, [row.report.recomputation for row in self.rows], "o-", color="tab:blue"
        )
        (right,) = seconds.plot(
            peaks, [row.seconds for row in self.rows], "s--", color="tab:orange"
        )
        axes.set_xscale("log")
        axes.set(xlabel="peak of held arrays [MB]", ylabel="executed steps per step")
        axes.set_ylim(0, None)
        seconds.set(ylabel="seconds per gradient", ylim=(0, None))
        axes.legend([left, right], ["recomputation", "time"], frameon=False, fontsize=8)
        return axes


def compare(
    sim: Simulation,
    state: Any,
    params: Any = None,
    inputs: Any = None,
    *,
    memories: Sequence[str | int] | None = None,
    repeats: int = 3,
) -> Comparison:
    """Measure gradients of one run under several budgets.

    Parameters
    ----------
    sim : Simulation
        Its own ``memory=``, ``schedule=`` and ``progress=`` are not used.
    state, params, inputs
        As for a call.
    memories : sequence of str or int, optional
        Budgets; by default five, from the smallest that works up to that of storing all.
    repeats : int
        Gradients under each budget, 1 or more, taken in turns; the median counts.

    Returns
    -------
    Comparison
        With ``.rows``, ``.agree`` and ``.draw()``.

    Raises
    ------
    BudgetError
        If one of the budgets is below the smallest that works.
    """
    if repeats < 1:
        raise ParameterError(f"repeats is {repeats}; give at least 1.")
    if memories is None:
        budgets = _ladder(_with_memory(sim, None).plan(state, params, inputs))
    else:
        budgets = sorted({parse_bytes(memory) for memory in memories})
    if not budgets:
        raise ParameterError("memories is empty; give budgets such as ['1 MB', '10 MB'], or None.")
    sims = [_with_memory(sim, budget) for budget in budgets]
    plain = _with_memory(sim, None, native=False)
    plans = [one.plan(state, params, inputs) for one in sims]
    seconds: list[list[float]] = [[] for _ in sims]
    gradients: list[list[bytes]] = [[] for _ in sims]
    runs: list[float] = []
    for _ in range(repeats):
        began = perf_counter()
        plain(state, params, inputs)
        runs.append(perf_counter() - began)
        for i, one in enumerate(sims):
            gradients[i] = _gradient(one, state, params, inputs)
            report = one.report
            assert report is not None
            seconds[i].append(report.seconds)
    rows = []
    for budget, plan, one, times in zip(budgets, plans, sims, seconds, strict=True):
        assert one.report is not None
        rows.append(Measured(budget, plan, one.report, median(times)))
    agree = all(found == gradients[0] for found in gradients)
    return Comparison(tuple(rows), median(runs), agree)


def _ladder(plan: Plan) -> list[int]:
    """Return five budgets, in equal ratios, from the smallest to that of storing all."""
    smallest = plan.smallest_budget
    steps = plan.n_steps or 1
    # What storing all needs beyond the smallest: a tape for each step instead of for one.
    largest = smallest + steps * plan.sizes.tape
    # One checkpoint alone makes the number of steps quadratic in N: begin a little above it.
    lowest = min(smallest + 4 * plan.sizes.state, largest)
    return sorted({int(b) for b in np.geomspace(lowest, largest, 5)})


def _with_memory(
    sim: Simulation, memory: int | None, *, native: str | bool | None = None
) -> Simulation:
    given = {one.name: getattr(sim.settings, one.name) for one in fields(sim.settings)}
    if sim.settings.until is None:
        given["max_steps"] = None
    if native is not None:
        given["native"] = native
    return Simulation(**{**given, "memory": memory, "schedule": None, "progress": False})


def _gradient(sim: Simulation, state: Any, params: Any, inputs: Any) -> list[bytes]:
    """Pull ones back through a run; return the bytes of the gradient."""

    def run(state: Any, params: Any, inputs: Any) -> Any:
        found = sim(state, params, inputs)
        return found.state, found.observed

    value, pullback = vjp(run, state, params, inputs)
    ones = trees.map(lambda leaf: np.ones_like(leaf, dtype=_float(leaf)), value)
    return [np.asarray(leaf).tobytes() for leaf in trees.flatten(pullback(ones))[0]]


def _float(leaf: Any) -> Any:
    dtype = np.asarray(leaf).dtype
    return dtype if dtype.kind in "fc" else np.dtype(float)

"""`revolve-ad demo` fits real data and recovers a field, and shows what the gradients cost."""

import argparse
import importlib.util
import pathlib
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

import revolve_ad as ra
from revolve_ad.cli.bar import Bar
from revolve_ad.cli.memory_trace import MemoryTrace, watch
from revolve_ad.cli.shipped import example
from revolve_ad.simulation.memory import format_bytes

__all__ = ["add_parser", "run"]

# a, b, g, d, hare and lynx in 1900, sum of squares: by scipy.optimize.least_squares on
# trajectories of an eighth-order method, without this library.
EXPECTED = (0.54016, 0.027165, 0.79639, 0.023695, 34.602, 5.8445, 2.01866)


def add_parser(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "demo",
        help="fit real data and recover a field, in less than a minute",
        description=(
            "Fit lynx and hares of the Hudson Bay through a checkpointed simulation; recover the "
            "conductivity of a plate in a twentieth of the memory that all states would take; "
            "measure the memory of both ways. Pictures go to a folder."
        ),
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("revolve_ad_demo"),
        metavar="DIR",
        help="folder for the pictures (default: revolve_ad_demo)",
    )
    parser.add_argument(
        "--iterations", type=int, default=25, help="of the heat problem (default: 25)"
    )
    parser.add_argument(
        "--cells",
        type=int,
        default=160,
        help="cells along each side where memory is measured (default: 160)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run the demonstration; return 1 if a result isn't what it must be."""
    began = perf_counter()
    can_draw = importlib.util.find_spec("matplotlib") is not None
    if can_draw:
        given.output.mkdir(parents=True, exist_ok=True)
        import matplotlib as mpl

        mpl.use("Agg")
    else:
        print("No pictures: they need matplotlib, pip install revolve-ad[plot].")
    good = [
        _lynx_and_hares(given.output if can_draw else None),
        _heat(given.output if can_draw else None, given.iterations),
        _memory(given.output if can_draw else None, given.cells),
    ]
    if can_draw:
        _title("Pictures")
        for file in sorted(given.output.glob("*.png")):
            print(f"  {file}")
    print(f"\n{perf_counter() - began:.0f} s in all.")
    if not all(good):
        print("Something above didn't come out as it must: it is marked with BAD.")
    return 0 if all(good) else 1


def _title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}", flush=True)


def _forecast_and_measured(plan: ra.Plan, report: ra.Report) -> None:
    counts = plan.counts
    assert counts is not None
    seconds = "" if plan.seconds is None else f"{plan.seconds:.3g}"
    rows = [
        ("bytes held at the peak", f"{plan.peak_bytes:,}", f"{report.peak_bytes:,}"),
        ("steps executed", f"{counts.advanced + counts.recorded:,}", f"{report.executed:,}"),
        ("  for each step", f"{plan.recomputation:.3f}", f"{report.recomputation:.3f}"),
        ("checkpoints", f"{plan.n_checkpoints:,}", f"{report.peak_checkpoints:,}"),
        ("seconds", seconds, f"{report.seconds:.3g}"),
    ]
    print(f"\n{'one gradient':<24}{'forecast':>12}{'measured':>12}")
    for name, forecast, measured in rows:
        print(f"{name:<24}{forecast:>12}{measured:>12}")


def _lynx_and_hares(output: pathlib.Path | None) -> bool:
    _title("Lynx and hares of the Hudson Bay, 1900–1920")
    example_1 = example("01_lynx_hare")
    sim = example_1.simulation()
    plan = sim.plan(example_1.GUESS[4:], example_1.GUESS[:4])
    print(plan)
    print()
    bar = Bar("fit", 30)
    unknowns, misfit, found = example_1.fit(
        sim, lambda intermediate_result: bar.step(misfit=intermediate_result.fun)
    )
    bar.close()
    names = (*example_1.NAMES, "sum of squares")
    good = True
    print(f"{'':<18}{'fitted':>12}{'expected':>12}")
    for name, value, expected in zip(names, (*unknowns, misfit), EXPECTED, strict=True):
        right = bool(abs(value / expected - 1) < 1e-4)
        good &= right
        print(f"  {name:<16}{value:>12.5g}{expected:>12.5g}{'' if right else '   BAD'}")
    print(f"  {found.nfev} gradients")
    _forecast_and_measured(plan, sim.report)
    if output is not None:
        example_1.draw(unknowns, output / "fit_lynx_hare.png")
    return good


def _heat(output: pathlib.Path | None, n_iterations: int) -> bool:
    _title("The conductivity of a plate, from noisy thermometers")
    heat = example("02_heat_conductivity")
    rng = np.random.default_rng(3)
    sim = heat.simulation()
    data = heat.measure(rng)
    plan = sim.plan(heat.start(), heat.faces(np.ones((heat.N, heat.N))))
    print(
        f"{heat.N * heat.N:,} unknowns, {heat.N_STEPS:,} steps; all states would take "
        f"{format_bytes(heat.STORE_ALL)}, the budget is {format_bytes(heat.BUDGET)}\n"
    )
    print(plan)
    objective = heat.objective(sim, data)
    somewhere = 0.2 * rng.standard_normal(heat.N**2)
    check = ra.check_gradient(objective, somewhere, directions=1, rng=rng)
    print(f"\n{check}\n")
    bar = Bar("recover", n_iterations)
    found, result = heat.recover(
        sim,
        data,
        n_iterations,
        lambda intermediate_result: bar.step(
            objective=intermediate_result.fun, error=heat.error_of(intermediate_result.x)
        ),
    )
    bar.close()
    first, error = heat.error_of(np.zeros(heat.N**2)), heat.error_of(found)
    print(
        f"{result.nfev} gradients; root mean square error of log κ: {first:.4f} at the start, "
        f"{error:.4f} now"
    )
    _forecast_and_measured(plan, sim.report)
    good = check.ok and error < first and sim.report.peak_bytes <= heat.BUDGET
    if not good:
        print("BAD")
    if output is not None:
        heat.draw(found, output / "heat_conductivity.png")
    return bool(good)


@dataclass(frozen=True, slots=True)
class _Way:
    name: str
    memory: int
    colour: str


def _memory(output: pathlib.Path | None, cells: int) -> bool:
    _title("Memory over time, both ways")
    if importlib.util.find_spec("memory_profiler") is None:
        print("Left out: it needs memory-profiler, pip install revolve-ad[profile].")
        return True
    heat = example("02_heat_conductivity")
    states = 8 * cells**2 * heat.N_STEPS
    ways = (
        _Way("all states stored", 2 * states, "tab:orange"),
        _Way("checkpoints", states // 20, "tab:blue"),
    )
    print(f"one gradient of the plate with {cells} × {cells} cells, each in its own process:\n")
    print(
        f"{'':<18}{'budget':>10}{'held, by count':>16}{'resident':>10}{'recomputation':>15}{'s':>7}"
    )
    traces = []
    for way in ways:
        trace = watch(cells, str(way.memory))
        traces.append(trace)
        print(
            f"{way.name:<18}{format_bytes(way.memory):>10}{format_bytes(trace.peak_bytes):>16}"
            f"{max(trace.megabytes):>7.1f} MB{trace.recomputation:>15.2f}{trace.took:>7.2f}",
            flush=True,
        )
    print("\nresident: what the process grew by, as memory-profiler sees it from outside.")
    if output is not None:
        _draw_memory(ways, traces, output / "memory_over_time.png")
    return traces[1].peak_bytes <= ways[1].memory


def _draw_memory(ways: tuple[_Way, ...], traces: list[MemoryTrace], path: pathlib.Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for way, trace in zip(ways, traces, strict=True):
        axes.plot(trace.seconds, trace.megabytes, color=way.colour, linewidth=1.5)
        top = int(np.argmax(trace.megabytes))
        often = f"{trace.recomputation:.1f} times" if trace.recomputation > 1 else "once"
        label = f"{way.name}: {trace.megabytes[top]:.0f} MB, steps run {often}"
        axes.plot([], [], color=way.colour, linewidth=1.5, label=label)
    axes.set(xlabel="seconds since the gradient began", ylabel="resident memory, growth [MB]")
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    figure.savefig(path, dpi=200)

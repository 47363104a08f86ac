"""Times of rolled loops: recurrences beside Numba by hand, repeated blocks beside their forward.

``python -m tests.benchmarks.bench_rolling`` prints two tables.

1. Recurrences over single elements (``--size``², ``--steps``): the library, on the user's loops in
   plain Python, and Numba by hand, both on one thread: the steps, and the final state's ½ Σ u² with
   its gradient in the state and the params, all states stored.  What recording, planning and
   compiling took stands beside it, and a whole gradient by `Simulation`, which calls the user's
   step in Python three times to check it.
2. The lid-driven cavity with 10 and with 50 sweeps of its pressure equation: the compiled forward
   run, the gradient with all states stored and under a binomial schedule, and how compiling grows
   with the number of sweeps.

CPU time a step, medians of interleaved runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.benchmarks.recurrences import PROBLEMS, Recurrence
from tests.programs import load

__all__ = ["main"]


def medians(runs: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Return the median CPU seconds of each run, interleaved, after a first call of each."""
    for run in runs:
        run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, found in zip(runs, times, strict=True):
            start = time.process_time()
            run()
            found.append(time.process_time() - start)
    return [statistics.median(found) for found in times]


def preparing(step: Any, state: Any, params: Any) -> tuple[dict[str, float], Loop]:
    """Return CPU seconds of recording, planning and compiling a step, and its loop."""
    start = time.process_time()
    tape = trace(step, (state, params, 0)).tape
    recorded = time.process_time()
    states = state if isinstance(state, tuple) else (state,)
    loop = compile_loop(tape, Layout(len(states), len(params)))
    assert isinstance(loop, Loop), loop
    planned = time.process_time()
    sweep = Sweep(loop, [np.asarray(p) for p in params])
    sweep.advance(states, [x.copy() for x in states], 0, 1)
    sweep.reverse(states, [np.ones_like(x) for x in states], 0, 2)
    compiled = time.process_time()
    return {
        "nodes": len(tape.nodes),
        "record": recorded - start,
        "plan": planned - recorded,
        "compile": compiled - planned,
        "lines": loop.source.count("\n"),
    }, loop


def advancing(loop: Loop, state: Any, params: Any, steps: int) -> Callable[[], Any]:
    """Return the compiled forward run."""
    sweep = Sweep(loop, [np.asarray(p) for p in params])
    end = [x.copy() for x in state]
    return lambda: sweep.advance(state, end, 0, steps)


def pulling(loop: Loop, state: Any, params: Any, steps: int) -> Callable[[], Any]:
    """Return the compiled run forward, which keeps all states, and in reverse, for ½ Σ u²."""
    sweep = Sweep(loop, [np.asarray(p) for p in params])
    block = sweep.block(steps)

    def run() -> Any:
        sweep.record([state], block, 0, steps)
        (end,) = sweep.state([state], block, steps)
        held = [end.copy()]
        for total in sweep.sums:
            total[...] = 0.0
        sweep.pull([state], block, held, 0, steps)
        return 0.5 * float(np.vdot(end, end)), held[0], sweep.param_cotangents()

    return run


def recurrences(size: int, steps: int, repeats: int) -> list[dict[str, Any]]:
    """Measure the recurrences."""
    found = []
    for name, step in PROBLEMS.items():
        problem = Recurrence(step, size, steps)
        took, loop = preparing(step, problem.state.copy(), problem.params)
        sim = ra.Simulation(
            step,
            steps=steps,
            native=True,
            schedule=ra.schedule.store_all(steps),
        )

        def objective(state: Any, params: Any, sim: Any = sim) -> Any:
            return 0.5 * np.sum(sim(state, params).state ** 2)

        gradient = ra.value_and_grad(objective, argnums=(0, 1))

        forward = advancing(loop, (problem.state,), problem.params, steps)

        def simulated(run: Any = gradient, problem: Any = problem) -> Any:
            return run(problem.state, problem.params)

        ours = pulling(loop, problem.state, problem.params, steps)
        value, (bar, bars) = simulated()
        again, own_bar, own_bars = ours()
        np.testing.assert_allclose(again, value, rtol=1e-12)
        by_hand, hand_bar, hand_bars = problem.gradient()
        np.testing.assert_allclose(value, by_hand, rtol=1e-12)
        both = [(bar, hand_bar), (own_bar, hand_bar)]
        both += [*zip(bars, hand_bars, strict=True), *zip(own_bars, hand_bars, strict=True)]
        for a, b in both:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * np.abs(b).max())
        runs = (problem.forward, forward, problem.gradient, ours, simulated)
        names = ("hand", "ours", "hand gradient", "gradient", "simulated")
        times = (1e6 * t / steps for t in medians(runs, repeats))
        found.append({"name": name, **took, **dict(zip(names, times, strict=True))})
    return found


def cavity(size: int, sweeps: int, steps: int, repeats: int) -> dict[str, Any]:
    """Measure the cavity with so many sweeps of its pressure equation."""
    module = load("cavity")
    before, module.SWEEPS = module.SWEEPS, sweeps
    try:
        state, params = module.make(size, np.random.default_rng(0))
        took, loop = preparing(module.step, state, params)
        schedules = (ra.schedule.store_all(steps), ra.schedule.binomial(steps, 10))
        gradients = []
        for schedule in schedules:
            sim = ra.Simulation(module.step, steps=steps, native=True, schedule=schedule)

            def objective(state: Any, params: Any, sim: Any = sim) -> Any:
                u, v, p = sim(state, params).state
                return np.sum(u**2 + v**2 + p**2)

            gradients.append(ra.value_and_grad(objective, argnums=(0, 1)))

        def plain() -> Any:
            new = tuple(x.copy() for x in state)
            for k in range(steps):
                new = module.step(new, params, k)
            return new

        runs = [
            plain,
            advancing(loop, state, params, steps),
            *(lambda run=run: run(state, params) for run in gradients),
        ]
        numpy, forward, stored, checkpointed = (1e6 * t / steps for t in medians(runs, repeats))
    finally:
        module.SWEEPS = before
    return {
        "sweeps": sweeps,
        **took,
        "numpy": numpy,
        "forward": forward,
        "stored": stored,
        "checkpointed": checkpointed,
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in columns."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, rest = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
        lines.append("  ".join([first, *(cell.rjust(width) for cell, width in rest)]))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cavity", type=int, default=121, help="size of the cavity")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    if "REVOLVE_AD_CACHE" not in os.environ:
        # An empty cache, so that compiling is measured.
        with tempfile.TemporaryDirectory() as folder:
            os.environ["REVOLVE_AD_CACHE"] = folder
            try:
                _print(options)
            finally:
                del os.environ["REVOLVE_AD_CACHE"]
    else:
        _print(options)


def _print(options: Any) -> None:
    rows = [["", "nodes", "record s", "plan s", "compile s", "hand µs", "ours µs", "ratio"]]
    rows[0] += ["hand grad µs", "ours µs", "ratio", "Simulation µs"]
    for r in recurrences(options.size, options.steps, options.repeats):
        rows.append(
            [f"{r['name']}, {options.size}²", f"{r['nodes']:.0f}"]
            + [f"{r[key]:.2f}" for key in ("record", "plan", "compile")]
            + [f"{r['hand']:.0f}", f"{r['ours']:.0f}", f"{r['ours'] / r['hand']:.2f}"]
            + [f"{r['hand gradient']:.0f}", f"{r['gradient']:.0f}"]
            + [f"{r['gradient'] / r['hand gradient']:.2f}", f"{r['simulated']:.0f}"]
        )
    print(table(rows), end="\n\n")
    rows = [["", "nodes", "lines", "plan s", "compile s", "NumPy µs", "forward µs"]]
    rows[0] += ["stored µs", "ratio", "10 checkpoints µs", "ratio"]
    for sweeps in (10, 50):
        r = cavity(options.cavity, sweeps, 5 * options.steps, options.repeats)
        rows.append(
            [f"cavity {options.cavity}², {sweeps} sweeps", f"{r['nodes']:.0f}", f"{r['lines']:.0f}"]
            + [f"{r[key]:.2f}" for key in ("plan", "compile")]
            + [f"{r['numpy']:.0f}", f"{r['forward']:.0f}", f"{r['stored']:.0f}"]
            + [f"{r['stored'] / r['forward']:.2f}", f"{r['checkpointed']:.0f}"]
            + [f"{r['checkpointed'] / r['forward']:.2f}"]
        )
    print(table(rows))


if __name__ == "__main__":
    main()

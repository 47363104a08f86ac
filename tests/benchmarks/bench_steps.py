"""One compiled step and its adjoint beside those written by hand in Numba, for P1 to P5.

Run ``python -m tests.benchmarks.bench_steps``; it prints microseconds of CPU time a step, minima of
interleaved runs in one process.  Many steps are one call on both sides, and adjoint steps read a
state of their own each: as in a gradient, without what a gradient spends beside the steps.
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, Sweep, compile_loop
from tests.benchmarks.problems import make

__all__ = ["BY_HAND", "main", "measure"]

BY_HAND = {"P1": "lotka_volterra", "P2": "lorenz96", "P3": "burgers", "P4": "heat", "P5": "wave"}
STEPS = {"P1": 100_000, "P2": 20_000, "P3": 5000, "P4": 40, "P5": 16}
"""Steps of a call, so that it takes some milliseconds."""

KEPT = 30e6
"""Bytes of states that adjoint steps read."""


def _ours(name: str, steps: int, kept: int) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return functions that run steps, and adjoint steps, and say how many."""
    problem = make(name, steps=steps)
    row = () if problem.inputs is None else (problem.inputs[0],)
    found = trace(problem.step, (problem.state, problem.params, 0, *row))
    groups = [trees.flatten(x)[0] for x in (problem.state, problem.params)]
    inputs = [] if problem.inputs is None else [np.asarray(problem.inputs)]
    layout = Layout(*map(len, groups), len(inputs), len(found.hidden))
    loop = compile_loop(found.tape, layout)
    if not isinstance(loop, Loop):
        raise RuntimeError(f"{name} can't be compiled: {loop.reason}")
    sweep = Sweep(loop, [np.asarray(x) for x in (*groups[1], *found.hidden)], inputs)
    rng = np.random.default_rng(0)
    state = [x + 0.01 * rng.random(x.shape) for x in map(np.asarray, groups[0])]
    block = sweep.block(kept)
    sweep.record(state, block, 0, kept)

    def advance() -> int:
        sweep.advance_lent([x.copy() for x in state], 0, steps)
        return steps

    def reverse() -> int:
        sweep.pull(state, block, [1e-3 * x for x in state], 0, kept)
        return kept

    return advance, reverse


def _by_hand(name: str, steps: int, kept: int) -> tuple[Callable[[], int], Callable[[], int]]:
    from tests.benchmarks.by_hand_numba.loop import compiled

    module: Any = import_module(f"tests.benchmarks.by_hand_numba.{BY_HAND[name]}")
    kernels = module.make(make(name, steps=steps))
    one_step = kernels.reverse
    rng = np.random.default_rng(0)
    state = np.array(kernels.start)
    state += 0.01 * rng.random(state.shape)
    states = np.repeat(state[None], kept, axis=0)
    target = state.copy()

    @compiled
    def pull(states, cotangents, constants):  # type: ignore[no-untyped-def]
        turn = 0
        for k in range(len(states) - 1, -1, -1):
            one_step(k, states[k], cotangents[turn], cotangents[1 - turn], constants)
            turn = 1 - turn

    def advance() -> int:
        kernels.advance(0, steps, state, target, kernels.scratch, kernels.constants)
        return steps

    def reverse() -> int:
        kernels.cotangents[:] = 1e-3 * state
        pull(states, kernels.cotangents, kernels.constants)
        return kept

    kernels.begin()
    return advance, reverse


def measure(name: str, *, steps: int | None = None, repeats: int = 15) -> list[float]:
    """Return the seconds of an advance, by hand, of an adjoint step, by hand."""
    n = STEPS[name] if steps is None else steps
    size = sum(np.asarray(x).nbytes for x in trees.flatten(make(name, steps=1).state)[0])
    kept = min(n, max(8, int(KEPT / size)))
    ours, by_hand = _ours(name, n, kept), _by_hand(name, n, kept)
    runs = [ours[0], by_hand[0], ours[1], by_hand[1]]
    best = [float("inf")] * 4
    for turn in range(repeats + 1):
        for k, run in enumerate(runs):
            began = time.process_time()
            done = run()
            spent = (time.process_time() - began) / done
            if turn:
                best[k] = min(best[k], spent)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_steps")
    parser.add_argument("--only", default=",".join(BY_HAND), help="such as P3,P4")
    options = parser.parse_args()
    print("| | advance | by hand | ratio | adjoint step | by hand | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in options.only.split(","):
        a, b, c, d = (1e6 * x for x in measure(name))
        print(f"| {name} | {a:.3g} | {b:.3g} | {a / b:.2f} | {c:.3g} | {d:.3g} | {c / d:.2f} |")


if __name__ == "__main__":
    main()

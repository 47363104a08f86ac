"""What an adjoint step of a stencil costs beside the fused forward step, both compiled.

Run ``python -m tests.benchmarks.bench_stencils``; it prints CPU time a step, medians of interleaved
runs.  The gradient is with respect to the state; the params are constants of the step (but for the
feed of "fdtd", a number a step), so that the adjoint of a linear stencil does what its forward step
does.  Arrays: 700², 70³, 424 × 426, 121².
"""

import argparse
import statistics
import time
from importlib import import_module
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, Sweep, compile_loop

__all__ = ["CASES", "main", "measure"]

CASES: dict[str, tuple[Any, float]] = {
    "jacobi": (700, 1.3),
    "heat_3d": (70, 1.3),
    "fdtd": (424, 1.3),
    "cavity": (121, 4.0),
}
"""The size of each program, and the most that adjoint / forward is to be."""


def measure(name: str, size: Any, *, steps: int = 8, repeats: int = 9) -> tuple[float, float]:
    """Return the seconds of a forward step, and of an adjoint step with its recomputation."""
    program = import_module(f"tests.programs.{name}")
    state, params = program.make(size, np.random.default_rng(0))[:2]
    leaves = [np.asarray(x) for x in trees.flatten(state)[0]]
    given = [np.asarray(x) for x in params] if name == "fdtd" else []
    if given:
        tape = trace(program.step, (state, params, 0)).tape
    else:
        tape = trace(lambda state, k: program.step(state, params, k), (state, 0)).tape
    loop = compile_loop(tape, Layout(len(leaves), len(given)))
    if not isinstance(loop, Loop):
        raise RuntimeError(f"{name} can't be compiled: {loop.reason}")
    sweep = Sweep(loop, given)
    block = sweep.block(steps)
    sweep.record(leaves, block, 0, steps)
    forward, adjoint = [], []
    for _ in range(repeats + 1):
        live = [x.copy() for x in leaves]
        began = time.process_time()
        sweep.advance_lent(live, 0, steps)
        forward.append(time.process_time() - began)
        cotangents = [1e-3 * x for x in leaves if x.dtype.kind in "fc"]
        began = time.process_time()
        sweep.pull(leaves, block, cotangents, 0, steps)
        adjoint.append(time.process_time() - began)
    return statistics.median(forward[1:]) / steps, statistics.median(adjoint[1:]) / steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_stencils")
    parser.add_argument("--only", default=",".join(CASES), help="such as jacobi,fdtd")
    options = parser.parse_args()
    print("| program | size | forward µs | adjoint µs | ratio | wanted |")
    print("|---|---|---:|---:|---:|---:|")
    for name in options.only.split(","):
        size, wanted = CASES[name]
        forward, adjoint = measure(name, size)
        print(
            f"| {name} | {size} | {1e6 * forward:.0f} | {1e6 * adjoint:.0f} "
            f"| {adjoint / forward:.2f} | {wanted} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

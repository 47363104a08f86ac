"""Who takes part: a name, where it runs, and how its gradient is built."""

from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from tests.benchmarks.problems import Problem, make

__all__ = ["Contestant", "build", "entries"]

CHECKPOINTS = (10, 30, 100)

BUDGETS = {"P1": "10 MB", "P2": "1 MB", "P3": "1 MB", "P4": "50 MB", "P5": "200 MB"}
"""What revolve_ad may hold: no more than the fastest variant of JAX does."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table."""

    label: str
    kind: str
    """"numpy", "numba", "jax" or "ours"; with "-forward" the simulation alone."""
    options: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    """Left out of a quick run."""
    heavy: bool = False
    """Needs gigabytes on P5: runs when no other contestant's process is alive."""

    @property
    def rival(self) -> bool:
        """Whether it is one of those whose times are divided by each other."""
        if self.heavy or self.options.get("variant") == "equinox":
            return False
        compiled = self.kind in {"numba", "jax"} or self.options.get("native", False)
        return compiled or self.kind == "numpy-ordinary-forward"


def _segments(steps: int) -> list[int]:
    """Return the divisors of `steps` nearest to √steps, and to half and twice of it."""
    divisors = [d for d in range(1, steps + 1) if steps % d == 0]
    wanted = (isqrt(steps), isqrt(steps) // 2, 2 * isqrt(steps))
    return sorted({min(divisors, key=lambda d: abs(d - w)) for w in wanted})


def entries(name: str, steps: int) -> list[Contestant]:
    """Return everyone who takes part in problem `name` with so many steps."""
    wave = name == "P5"
    result = [
        Contestant("NumPy forward, ordinary code", "numpy-ordinary-forward"),
        Contestant("NumPy forward, buffers reused", "numpy-forward"),
        Contestant("Numba forward by hand", "numba-forward"),
        Contestant("NumPy adjoint by hand, store all", "numpy", heavy=wave),
    ]
    for s in CHECKPOINTS:
        options = {"checkpoints": s}
        result.append(Contestant(f"NumPy adjoint by hand, s={s}", "numpy", options, slow=True))
    result.append(Contestant("Numba adjoint by hand, store all", "numba", heavy=wave))
    for s in CHECKPOINTS:
        options = {"checkpoints": s}
        result.append(Contestant(f"Numba adjoint by hand, s={s}", "numba", options))
    if wave:
        options = {"checkpoints": 100, "variant": "plain"}
        result.append(Contestant("Numba textbook adjoint, s=100", "numba", options))
        options = {"checkpoints": 100, "flush_subnormals": True}
        result.append(Contestant("Numba adjoint, subnormals flushed, s=100", "numba", options))
        options = {"checkpoints": 30, "flush_subnormals": True}
        result.append(Contestant("Numba adjoint, subnormals flushed, s=30", "numba", options))
    result.append(Contestant("JAX scan", "jax", {"variant": "scan"}, heavy=wave))
    result.append(Contestant("JAX checkpoint each step", "jax", {"variant": "step"}, heavy=wave))
    for m in _segments(steps):
        options = {"variant": "nested", "segments": m}
        result.append(Contestant(f"JAX nested checkpoint, {m} segments", "jax", options))
    m = min(_segments(steps), key=lambda m: abs(m - isqrt(steps)))
    options = {"variant": "nested-step", "segments": m}
    label = f"JAX nested checkpoint, {m} segments, and each step"
    result.append(Contestant(label, "jax", options))
    for s in CHECKPOINTS:
        options = {"variant": "equinox", "segments": s}
        slow = s != 30
        result.append(Contestant(f"equinox loop, s={s}", "jax", options, slow=slow))
    for s in CHECKPOINTS:
        options = {"native": True, "checkpoints": s}
        result.append(Contestant(f"revolve_ad, s={s}", "ours", options))
    if not wave:
        options = {"native": True, "checkpoints": 0}
        result.append(Contestant("revolve_ad, store all", "ours", options))
    options = {"native": True, "memory": BUDGETS[name]}
    result.append(Contestant(f"revolve_ad, memory={options['memory']!r}", "ours", options))
    options = {"native": False, "checkpoints": 100}
    result.append(Contestant("revolve_ad without Numba, s=100", "ours", options, slow=wave))
    return result


def build(name: str, kind: str, options: dict[str, Any], sizes: dict[str, Any]) -> Any:
    """Build problem and contestant in this process; return a function that runs it once.

    Memory for states is allocated but not touched here, compilation is done here.
    """
    problem = make(name, **sizes)
    options = dict(options)
    if kind == "numpy-ordinary-forward":
        return _ordinary(problem)
    if kind.startswith("numpy"):
        from tests.benchmarks import by_hand_numpy

        if kind.endswith("forward"):
            return by_hand_numpy.forward(problem)
        return by_hand_numpy.gradient(problem, options.get("checkpoints"))
    if kind.startswith("numba"):
        from tests.benchmarks import by_hand_numba

        if kind.endswith("forward"):
            return by_hand_numba.forward(problem)
        return by_hand_numba.gradient(problem, options.pop("checkpoints", None), **options)
    if kind == "jax":
        from tests.benchmarks import peers_jax

        return peers_jax.gradient(problem, **options)
    from tests.benchmarks import ours

    # Record and compile on a short run, so that the first full one is like the others.
    short = dict(options)
    short.pop("checkpoints", None)
    ours.gradient(make(name, **(sizes | {"steps": 4})), **short)()
    if short["native"]:
        # What plays schedules with many checkpoints is compiled apart.
        few = make(name, **(sizes | {"steps": 100}))
        ours.gradient(few, native=True, checkpoints=8)()
    return ours.gradient(problem, **options)


def _ordinary(problem: Problem) -> Any:
    def run() -> float:
        import numpy as np

        x, seen = problem.state, []
        for k in range(problem.steps):
            if problem.inputs is None:
                x = problem.step(x, problem.params, k)
            else:
                x = problem.step(x, problem.params, k, problem.inputs[k])
            if problem.observe is not None:
                seen.append(problem.observe(x, problem.params, k + 1))
        return float(problem.objective(x, np.array(seen) if seen else None))

    return run

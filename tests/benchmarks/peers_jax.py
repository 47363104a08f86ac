"""The problems in JAX, with each way to save memory that its users have.

Run by an interpreter that has jax (and equinox for one variant); float64, one thread.
"""

import os

# Read by jax when it is imported.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks.problems import Problem, burgers, heat, lorenz96, lotka_volterra, wave

__all__ = ["VARIANTS", "gradient"]

jax.config.update("jax_enable_x64", True)

VARIANTS = ("scan", "step", "nested", "nested-step", "equinox")
"""Store all; `checkpoint` around each step, around segments, around both; equinox's loop."""

Step = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(state, params, inputs of the step) -> (next state, what is observed of it)."""


def _runge_kutta(rates: Callable[[Any, Any], Any], dt: float) -> Step:
    def step(y: Any, params: Any, _: Any) -> tuple[Any, Any]:
        k1 = rates(y, params)
        k2 = rates(y + dt / 2 * k1, params)
        k3 = rates(y + dt / 2 * k2, params)
        k4 = rates(y + dt * k3, params)
        return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    return step


def _lotka_volterra(y: Any, params: Any, _: Any) -> tuple[Any, Any]:
    # Tuples of scalars: thirty times faster here than arrays of two elements.
    a, b, c, d = params
    dt = lotka_volterra.DT

    def rates(x: Any, z: Any) -> tuple[Any, Any]:
        return a * x - b * x * z, -c * z + d * x * z

    x, z = y
    f1, g1 = rates(x, z)
    f2, g2 = rates(x + dt / 2 * f1, z + dt / 2 * g1)
    f3, g3 = rates(x + dt / 2 * f2, z + dt / 2 * g2)
    f4, g4 = rates(x + dt * f3, z + dt * g3)
    return (
        x + dt / 6 * (f1 + 2 * f2 + 2 * f3 + f4),
        z + dt / 6 * (g1 + 2 * g2 + 2 * g3 + g4),
    ), None


def _lorenz96(x: Any, forcing: Any) -> Any:
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + forcing


def _burgers(u: Any, nu: Any, _: Any) -> tuple[Any, Any]:
    dx, dt = 1.0 / u.size, burgers.DT
    right, left = jnp.roll(u, -1), jnp.roll(u, 1)
    new = u - dt / (4 * dx) * (right**2 - left**2) + nu * dt / dx**2 * (right - 2 * u + left)
    return new, None


def _heat(u: Any, k_cell: Any, _: Any) -> tuple[Any, Any]:
    flux_x = heat.R * 0.5 * (k_cell[1:] + k_cell[:-1]) * (u[1:] - u[:-1])
    flux_y = heat.R * 0.5 * (k_cell[:, 1:] + k_cell[:, :-1]) * (u[:, 1:] - u[:, :-1])
    # Differences of padded fluxes: on the CPU faster than four .at[].add().
    flux_x, flux_y = jnp.pad(flux_x, ((1, 1), (0, 0))), jnp.pad(flux_y, ((0, 0), (1, 1)))
    return u + (flux_x[1:] - flux_x[:-1]) + (flux_y[:, 1:] - flux_y[:, :-1]), None


def _wave(state: Any, c: Any, w: Any) -> tuple[Any, Any]:
    u, before = state
    n = len(u)
    factor = (c[2:-2, 2:-2] * wave.DT / wave.H) ** 2
    inner = 2 * u[2:-2, 2:-2] - before[2:-2, 2:-2] + factor * wave.laplacian(u)
    new = jnp.pad(inner, 2).at[wave.SOURCE_ROW, n // 2].add(w)
    return (new, u), new[wave.SOURCE_ROW, wave.receivers(n)]


_STEPS: dict[str, Step] = {
    "P1": _lotka_volterra,
    "P2": _runge_kutta(_lorenz96, lorenz96.DT),
    "P3": _burgers,
    "P4": _heat,
    "P5": _wave,
}


def _loss(name: str, data: Any) -> Callable[[Any, Any], Any]:
    if name == "P1":
        x, z = lotka_volterra.TARGET
        return lambda y, _: 0.5 * ((y[0] - x) ** 2 + (y[1] - z) ** 2)
    if name == "P2":
        return lambda x, _: 0.5 * jnp.sum(x**2)
    if name == "P3":
        return lambda u, _: 0.5 / u.size * jnp.sum((u - data) ** 2)
    if name == "P4":
        return lambda u, _: 0.5 * jnp.sum((u - data) ** 2)
    return lambda _, seen: 0.5 * jnp.sum((seen - data) ** 2)


def _run(problem: Problem, variant: str, segments: int) -> Callable[[Any, Any], Any]:
    """Return (state, params) -> objective."""
    step, loss = _STEPS[problem.name], _loss(problem.name, problem.data)
    inputs = None if problem.inputs is None else jnp.asarray(problem.inputs)
    steps = problem.steps

    def scan(state: Any, params: Any, rows: Any, length: int, *, each: bool) -> Any:
        def body(x: Any, row: Any) -> Any:
            return step(x, params, row)

        return jax.lax.scan(jax.checkpoint(body) if each else body, state, rows, length)

    def plain(state: Any, params: Any) -> Any:
        return loss(*scan(state, params, inputs, steps, each=variant == "step"))

    def nested(state: Any, params: Any) -> Any:
        if steps % segments:
            raise ValueError(f"{segments} segments don't divide {steps} steps")
        length = steps // segments
        rows = None if inputs is None else inputs.reshape(segments, length)

        @jax.checkpoint
        def segment(x: Any, part: Any) -> Any:
            return scan(x, params, part, length, each=variant == "nested-step")

        state, seen = jax.lax.scan(segment, state, rows, segments)
        if seen is not None:
            seen = seen.reshape(steps, -1)
        return loss(state, seen)

    def equinox_loop(state: Any, params: Any) -> Any:
        from equinox.internal import while_loop

        seen = None if inputs is None else jnp.zeros_like(problem.data)

        def body(carry: Any) -> Any:
            k, x, seen = carry
            x, row = step(x, params, None if inputs is None else inputs[k])
            return k + 1, x, None if seen is None else seen.at[k].set(row)

        _, state, seen = while_loop(
            lambda carry: carry[0] < steps,
            body,
            (0, state, seen),
            max_steps=steps,
            # The record of the receivers is only written, so that no copy of it is kept.
            buffers=None if seen is None else lambda carry: carry[2],
            kind="checkpointed",
            checkpoints=segments,
        )
        return loss(state, seen)

    if variant == "equinox":
        return equinox_loop
    return nested if variant.startswith("nested") else plain


def gradient(problem: Problem, variant: str, segments: int = 0) -> Callable[[], tuple[float, Any]]:
    """Compile and return a function that gives (value, gradient as one vector).

    `segments` is the number of nested segments, or of equinox's checkpoints.
    """
    run = _run(problem, variant, segments)
    place = {"state": 0, "params": 1}
    argnums = tuple(place[part] for part in problem.with_respect_to)
    arguments = (
        jax.tree.map(jnp.asarray, problem.state),
        jnp.asarray(problem.params, dtype=float),
    )
    if problem.name == "P1":
        arguments = tuple(tuple(part) for part in arguments)
    function = jax.jit(jax.value_and_grad(run, argnums=argnums)).lower(*arguments).compile()

    def call() -> tuple[float, Any]:
        value, parts = function(*arguments)
        return float(value), np.concatenate([np.ravel(part) for part in parts])

    return call

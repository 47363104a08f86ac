"""Steps as native code: the same numbers, under every schedule, in the value and the gradient."""

import inspect
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.schedule import binomial, mixed, store_all

pytest.importorskip("numba")

N = 12


def step(s: Any, p: Any, k: Any, f: Any) -> Any:
    u, v = s["u"], s["v"]
    new = u.copy()
    new[1:-1] += p["c"] * (u[2:] - 2 * u[1:-1] + u[:-2]) + 0.1 * f
    return {"u": new, "v": v + 0.1 * u[0] * p["b"], "n": s["n"] + 1}


STATE = {"u": np.linspace(0, 1, 9) ** 2, "v": np.array(0.3), "n": np.array(0)}
PARAMS = {"c": np.linspace(0.1, 0.2, 7), "b": np.array(0.7), "i": np.array([1, 2])}
INPUTS = np.sin(np.arange(N * 7.0)).reshape(N, 7)


def gradient(native: Any, **options: Any) -> tuple[list[bytes], list[Any], Any]:
    simulation = ra.Simulation(
        step,
        steps=N,
        native=native,
        observe=lambda s, p, k: s["u"][::2] * p["b"],
        observe_at=[0, 5, 6, N],
        **options,
    )

    def objective(s: Any, p: Any, f: Any) -> Any:
        run = simulation(s, p, f)
        return np.sum(run.state["u"] ** 3) + run.state["v"] + np.sum(run.observed**2)

    value, found = ra.value_and_grad(objective, argnums=(0, 1, 2))(STATE, PARAMS, INPUTS)
    leaves = [value, *found[0].values(), *found[1].values(), found[2]]
    assert objective(STATE, PARAMS, INPUTS) == value
    return [np.asarray(leaf).tobytes() for leaf in leaves], leaves, simulation


def test_native_steps_have_one_gradient_under_every_schedule_and_it_is_the_interpreters() -> None:
    _, interpreted, _ = gradient(False)
    expected, leaves, simulation = gradient(True)
    assert "native" in str(simulation.plan(STATE, PARAMS, INPUTS))
    for a, b in zip(leaves, interpreted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    schedules: list[Any] = [store_all(N), binomial(N, 1), binomial(N, 3), mixed(N, 9, 2, 2)]
    schedules.append([
        ra.schedule.Record(0, 8),
        ra.schedule.Record(8, N),
        ra.schedule.Reverse(3, N),
        ra.schedule.Reverse(0, 3),
    ])  # fmt: skip
    for schedule in schedules:
        for check in ("sampled", "all", "off"):
            assert gradient(True, schedule=schedule, replay_check=check)[0] == expected


def test_native_code_keeps_to_the_budget() -> None:
    start = np.linspace(1, 2, 3000)

    def decay(u: Any, p: Any, k: Any) -> Any:
        return u - 0.01 * p * u * u

    expected = None
    for states in (16, 25, 70, 400):
        simulation = ra.Simulation(decay, steps=60, native=True, memory=states * start.nbytes)
        found = ra.grad(lambda p, s=simulation: np.sum(s(start, p).state))(0.7)
        report = simulation.report
        assert report is not None
        assert report.peak_bytes <= states * start.nbytes
        expected = found if expected is None else expected
        assert found.tobytes() == expected.tobytes()


def test_a_step_that_cant_be_compiled_says_why() -> None:
    def branch(u: Any, p: Any, k: Any) -> Any:
        return u * p if u[0] > 0 else u

    start = np.ones(3)
    simulation = ra.Simulation(branch, steps=60, native=True)
    with pytest.raises(ra.RevolveError, match="can't be compiled"):
        ra.grad(lambda p: np.sum(simulation(start, p).state))(0.5)
    simulation = ra.Simulation(branch, steps=60)
    assert ra.grad(lambda p: np.sum(simulation(start, p).state))(0.5) > 0


def test_what_a_native_step_captures_may_change_between_calls() -> None:
    captured = np.array([1.0, 2.0, 3.0])
    start = np.ones(3)
    simulation = ra.Simulation(lambda u, p, k: u + 0.01 * p * captured, steps=60, native=True)

    def value(p: Any) -> Any:
        return np.sum(simulation(start, p).state)

    for scale in (1.0, 2.0, 1.0):
        captured[:] = scale * np.array([1.0, 2.0, 3.0])
        assert value(0.5) == pytest.approx(3 + 60 * 0.01 * 0.5 * 6 * scale)
        assert ra.grad(value)(0.5) == pytest.approx(60 * 0.01 * 6 * scale)


def test_a_simulation_built_afresh_compiles_nothing_again() -> None:
    start = np.linspace(1, 2, 11)
    factor = np.linspace(0.5, 0.6, 11)

    def objective(p: Any) -> Any:
        def decay(u: Any, q: Any, k: Any) -> Any:
            return u - 0.01 * q * u * factor

        simulation = ra.Simulation(decay, steps=60, native=True)
        loops.append(simulation)
        return np.sum(simulation(start, p).state)

    loops: list[Any] = []
    first = ra.grad(objective)(0.7)
    assert ra.grad(objective)(0.7) == first
    models = [next(iter(simulation._models.by_form.values())) for simulation in loops]
    assert models[0].loop is models[1].loop
    factor *= 2
    assert ra.grad(objective)(0.7) != first


def line_of(function: Any, text: str) -> str:
    """Return the file and line of a function's source where a text stands."""
    lines, first = inspect.getsourcelines(function)
    (offset,) = [n for n, line in enumerate(lines) if text in line]
    return f"{__file__}:{first + offset}"


def sorting(u: Any, p: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += 0.1 * p * (u[2:] - 2 * u[1:-1] + u[:-2]) * np.cos(u[1:-1])
    return 0.5 * new + 0.4 * np.sort(new) + 0.1 * np.sin(new)


def test_plan_and_report_name_the_line_that_numpy_computes() -> None:
    start = np.linspace(1, 2, 30) ** 2
    simulation = ra.Simulation(sorting, steps=60, native=True)
    plan = "\n".join(simulation.plan(start, 0.5).remarks)
    assert "native code" in plan
    assert f"sort has no compiled form ({line_of(sorting, 'np.sort')} in sorting)" in plan
    ra.grad(lambda p: np.sum(simulation(start, p).state))(0.5)
    report = simulation.report
    assert report is not None
    assert report.native is not None
    assert report.native.compiled
    assert report.native.compile_seconds > 0
    assert str(report.native) in str(report).replace("note: ", "")
    assert line_of(sorting, "np.sort") in str(report)


def test_a_refusal_names_function_and_line() -> None:
    def branch(u: Any, p: Any, k: Any) -> Any:
        return u * p if u[0] > 0 else u

    simulation = ra.Simulation(branch, steps=60, native=True)
    with pytest.raises(ra.RevolveError) as caught:
        simulation.plan(np.ones(3), 0.5)
    assert f"{line_of(branch, 'if u[0]')} in branch" in str(caught.value)


def test_a_step_that_isnt_compiled_is_accounted_for_too() -> None:
    simulation = ra.Simulation(sorting, steps=5, native=False)
    ra.grad(lambda p: np.sum(simulation(np.ones(5), p).state))(0.5)
    assert simulation.report is not None
    assert simulation.report.native is not None
    assert not simulation.report.native.compiled
    assert "native=False" in str(simulation.report)


def test_auto_leaves_a_step_of_transforms_to_numpy_and_says_so() -> None:
    size = 128
    waves = np.fft.rfftfreq(size, 1 / size)

    def spectral(u: Any, nu: Any, k: Any) -> Any:
        v = np.fft.rfft(u, axis=0) / (1 + 0.01 * nu * waves[:, None] ** 2)
        return np.fft.irfft(v, size, axis=0)

    simulation = ra.Simulation(spectral, steps=10_000)
    plan = "\n".join(simulation.plan(np.ones((size, size)), 0.5).remarks)
    assert "interpreted by NumPy: compiled, steps would be about" in plan
    assert f"rfft has no compiled form ({line_of(spectral, 'v = np.fft')} in spectral)" in plan


def test_auto_doesnt_compile_for_a_short_run() -> None:
    def decay(u: Any, p: Any, k: Any) -> Any:
        return u - 0.01 * p * np.sin(u)

    simulation = ra.Simulation(decay, steps=20)
    plan = "\n".join(simulation.plan(np.ones(10), 0.5).remarks)
    assert "interpreted by NumPy: NumPy needs less than" in plan

"""What is measured is one computation: everyone's gradient is the same."""

from importlib import import_module
from math import comb

import numpy as np
import pytest

from tests.benchmarks import by_hand_numpy, scaling
from tests.benchmarks.contestants import entries
from tests.benchmarks.problems import NAMES, make
from tests.benchmarks.revolve import ADVANCE, FINISH, LIVE, REVERSE, revolve
from tests.benchmarks.run import Row, main, markdown

SIZES = {"P1": (50, 2), "P2": (40, 40), "P3": (60, 50), "P4": (30, 24), "P5": (60, 48)}
MODULES = {"P2": "lorenz96", "P3": "burgers", "P4": "heat", "P5": "wave"}
TOLERANCE = 1e-11


def small(name):
    steps, size = SIZES[name]
    return make(name, steps=steps, size=size)


def ordinary(problem, state, params):
    """Run the step as it stands."""
    seen = []
    for k in range(problem.steps):
        row = () if problem.inputs is None else (problem.inputs[k],)
        state = problem.step(state, params, k, *row)
        if problem.observe is not None:
            seen.append(problem.observe(state, params, k + 1))
    return problem.objective(state, np.array(seen))


def differs(gradient, reference):
    return np.max(np.abs(gradient - reference)) / np.max(np.abs(reference))


@pytest.mark.parametrize("n_checkpoints", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 41, 120])
def test_the_rows_reverse_every_step_once_with_the_fewest_steps(n_steps, n_checkpoints):
    slots, live, expected, executed = {0: 0}, None, n_steps - 1, 0
    for kind, start, stop, source, target in revolve(n_steps, n_checkpoints).tolist():
        state = live if source == LIVE else slots[source]
        assert state == start
        if kind == ADVANCE:
            assert stop > start
            assert target < n_checkpoints
            executed += stop - start
            if target == LIVE:
                live = stop
            else:
                slots[target] = stop
        elif kind == FINISH:
            assert start == n_steps - 1
        else:
            assert kind == REVERSE
            assert start == expected
            expected -= 1
    assert expected == -1
    repetition = 0
    while comb(n_checkpoints + repetition, n_checkpoints) < n_steps:
        repetition += 1
    # Griewank and Walther (2000), doi:10.1145/347837.347846.
    saved = comb(n_checkpoints + repetition, repetition - 1) if repetition else 0
    assert executed == repetition * n_steps - saved


@pytest.mark.parametrize("name", NAMES)
def test_the_numpy_adjoint_has_the_derivative_of_the_ordinary_code(name):
    problem = small(name)
    value, gradient = by_hand_numpy.gradient(problem, None)()
    assert value == pytest.approx(ordinary(problem, problem.state, problem.params), rel=1e-13)
    rng = np.random.default_rng(1)
    scale = 100.0 if name == "P5" else 1.0  # speeds are thousands of metres a second
    along = {
        "params": scale * rng.standard_normal(np.shape(problem.params)),
        "state": 0 if name == "P5" else rng.standard_normal(np.shape(problem.state)),
    }
    if "state" not in problem.with_respect_to:
        along["state"] = 0

    def moved(e):
        state = problem.state if name == "P5" else problem.state + e * along["state"]
        return ordinary(problem, state, problem.params + e * along["params"])

    h = 1e-4
    difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
    direction = np.concatenate([np.ravel(along[part]) for part in problem.with_respect_to])
    assert difference == pytest.approx(gradient @ direction, rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_numpy_adjoint_gives_the_same_bits_with_any_number_of_checkpoints(name):
    problem = small(name)
    value, gradient = by_hand_numpy.gradient(problem, None)()
    for checkpoints in (2, 3, 7):
        run = by_hand_numpy.gradient(problem, checkpoints)
        for _ in range(2):
            again, same = run()
            assert again == value
            np.testing.assert_array_equal(same, gradient)


@pytest.mark.parametrize(("name", "variant"), [*((name, "") for name in NAMES), ("P5", "plain")])
def test_the_numba_adjoint_agrees_with_the_numpy_adjoint(name, variant, monkeypatch):
    pytest.importorskip("numba")
    from tests.benchmarks import by_hand_numba

    steps, size = SIZES[name]
    if name != "P1":
        # As plain Python, since compiling takes seconds each; a race compares all, compiled.
        modules = [import_module(f"{by_hand_numba.__name__}.{n}") for n in ("loop", MODULES[name])]
        for module in modules:
            for way in {"compiled", "contracted"} & vars(module).keys():
                monkeypatch.setattr(module, way, lambda function: function)
        steps //= 3
    problem = make(name, steps=steps, size=size)
    value, reference = by_hand_numpy.gradient(problem, None)()
    loop = by_hand_numba.loop(problem, 3, variant)
    assert loop.forward() == pytest.approx(value, rel=1e-13)
    again, gradient = loop.gradient()
    assert again == pytest.approx(value, rel=1e-13)
    assert differs(gradient, reference) < TOLERANCE
    loop.plan(problem.steps)
    np.testing.assert_array_equal(loop.gradient()[1], gradient)
    # Numbers below 1e-308 don't matter, and the processor's mode is the usual one after.
    loop.flush_subnormals = True
    assert differs(loop.gradient()[1], reference) < TOLERANCE
    assert np.float64(5e-324) * 1.0 > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["scan", "step", "nested", "nested-step", "equinox"])
def test_the_peers_in_jax_agree_with_the_numpy_adjoint(name, variant):
    pytest.importorskip("jax")
    pytest.importorskip("equinox")
    from tests.benchmarks import peers_jax

    problem = small(name)
    value, reference = by_hand_numpy.gradient(problem, None)()
    again, gradient = peers_jax.gradient(problem, variant, 5)()
    assert again == pytest.approx(value, rel=1e-12)
    assert differs(gradient, reference) < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_every_contestant_has_a_name_of_its_own(name):
    labels = [entry.label for entry in entries(name, make(name, steps=4).steps)]
    assert len(set(labels)) == len(labels)


def test_a_race_measures_times_memory_and_agreement():
    rows = main(
        ["--problems=P3", "--only=numpy adjoint by hand", "--steps=12", "--size=32", "--repeats=2"]
    )
    assert len(rows) == 4
    for row in rows:
        assert row.error == ""
        assert len(row.seconds) == 2
        assert row.gradient_error < TOLERANCE


def test_a_contestant_that_fails_becomes_a_row():
    table = markdown([Row("P1", "nobody", error="ImportError: no such package")])
    assert "no such package" in table


def test_the_scaling_table_gives_nanoseconds_for_a_number_and_a_step():
    rows = tuple(
        Row("P4", label, seconds=[milliseconds / 1e3])
        for label, milliseconds in (
            ("NumPy forward, ordinary code", 8.0),
            ("Numba adjoint by hand, s=30", 2.0),
            ("revolve_ad, s=30", 3.0),
            ("JAX nested checkpoint, 5 segments", 12.0),
            ("JAX nested checkpoint, 10 segments", 9.0),
        )
    )
    point = scaling.Point("P4", 100, 10_000, 50, (*rows, Row("P4", "JAX nested", error="no")))
    assert point.nanoseconds("JAX nested checkpoint") == pytest.approx(18.0)
    assert scaling.markdown([point]).endswith("| P4 | 100 | 50 | 16 | 4 | 6 | 18 | 3.00 | 1.50 |")

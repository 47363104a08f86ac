"""The recurrences by hand are the user's loops, and their adjoints the derivatives of these."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.benchmarks.recurrences import PROBLEMS, Recurrence


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_adjoint_by_hand_has_the_derivative_of_the_users_loops(name):
    problem = Recurrence(PROBLEMS[name], 6, steps=2)
    rng = np.random.default_rng(8)
    along = rng.standard_normal(problem.state.shape)
    along_params = [0.1 * rng.standard_normal(part.shape) for part in problem.params]

    def objective(e):
        params = tuple(p + e * d for p, d in zip(problem.params, along_params, strict=True))
        u = problem.state + e * along
        for k in range(problem.steps):
            u = problem.step(u, params, k)
        return 0.5 * np.sum(u**2)

    value, bar, bars = problem.gradient()
    assert problem.forward() == value
    assert value == pytest.approx(objective(0.0), rel=1e-14)
    h = 1e-3
    difference = 8 * (objective(h) - objective(-h)) - (objective(2 * h) - objective(-2 * h))
    predicted = np.sum(bar * along)
    predicted += sum(np.sum(b * d) for b, d in zip(bars, along_params, strict=True))
    assert predicted == pytest.approx(difference / (12 * h), rel=1e-8)

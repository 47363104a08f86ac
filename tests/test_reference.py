"""The published numbers are what independent solvers of SciPy give."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from tests import reference

TIGHT = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}


def predator_prey(end, parameters, start, times=None):
    a, b, g, d = parameters
    solution = solve_ivp(
        lambda t, u: [u[0] * (a - b * u[1]), u[1] * (d * u[0] - g)],
        (0.0, end),
        start,
        t_eval=times,
        **TIGHT,
    )
    return solution.y


def test_the_lotka_volterra_gradient_is_that_of_an_eighth_order_method():
    known = reference.LOTKA_VOLTERRA

    def objective(x):
        end = predator_prey(known["end"], x[:4], x[4:])[:, -1]
        return 0.5 * np.sum((end - 1) ** 2)

    x0 = np.concatenate([known["parameters"], known["start"]])
    h = 1e-3
    gradient = []
    for direction in np.eye(6) * h:
        near = objective(x0 + direction) - objective(x0 - direction)
        far = objective(x0 + 2 * direction) - objective(x0 - 2 * direction)
        gradient.append((8 * near - far) / (12 * h))
    both = np.concatenate([known["dG_dp"], known["dG_du0"]])
    np.testing.assert_allclose(gradient, both, atol=2e-8)
    assert objective(x0) == pytest.approx(known["G"], rel=1e-8)
    end = predator_prey(known["end"], x0[:4], x0[4:])[:, -1]
    np.testing.assert_allclose(end, known["final_state"], atol=1e-8)


def test_what_sundials_prints_is_right_to_six_digits():
    for name in ("final_state", "dG_du0", "dG_dp"):
        np.testing.assert_allclose(
            reference.LOTKA_VOLTERRA_SUNDIALS[name], reference.LOTKA_VOLTERRA[name], rtol=1e-6
        )
    for end, printed in reference.ROBERTSON_SUNDIALS.items():
        np.testing.assert_allclose(printed["dG_dp"], reference.ROBERTSON[end]["dG_dp"], rtol=1e-4)


def test_the_hare_and_lynx_optimum_is_stationary_for_exact_trajectories():
    def residuals(logarithms):
        x = np.exp(logarithms)
        populations = predator_prey(20.0, x[:4], x[4:], np.arange(21.0))
        return (np.log(populations.T) - np.log(reference.HARE_AND_LYNX)).ravel()

    known = reference.HARE_AND_LYNX_FIT
    fit = least_squares(residuals, np.log(reference.HARE_AND_LYNX_START), xtol=1e-12, ftol=1e-12)
    np.testing.assert_allclose(np.exp(fit.x), known["parameters"], rtol=1e-5)
    assert 2 * fit.cost == pytest.approx(known["sum_of_squares"], abs=1e-6)


def test_the_boarding_school_optimum_is_stationary_for_exact_trajectories():
    def residuals(logarithms):
        r, a = np.exp(logarithms)
        solution = solve_ivp(
            lambda t, u: [-r * u[0] * u[1], (r * u[0] - a) * u[1]],
            (0.0, 14.0),
            [762.0, 1.0],
            t_eval=np.arange(1.0, 15.0),
            **TIGHT,
        )
        return solution.y[1] - reference.BOARDING_SCHOOL

    known = reference.BOARDING_SCHOOL_FIT
    fit = least_squares(residuals, np.log([2.18e-3, 0.44]))
    np.testing.assert_allclose(np.exp(fit.x), [known["r"], known["a"]], rtol=1e-5)
    assert 2 * fit.cost == pytest.approx(known["sum_of_squares"], rel=1e-6)


def test_the_robertson_gradient_is_that_of_an_implicit_method_with_forward_sensitivities():
    p = np.array([0.04, 1e4, 3e7])

    def rates(t, z):
        y1, y2, y3 = z[:3]
        along = z[3:12].reshape(3, 3)  # dy/d log p
        jacobian = np.array(
            [
                [-p[0], p[1] * y3, p[1] * y2],
                [p[0], -p[1] * y3 - 2 * p[2] * y2, -p[1] * y2],
                [0.0, 2 * p[2] * y2, 0.0],
            ]
        )
        reactions = np.array([p[0] * y1, p[1] * y2 * y3, p[2] * y2**2])
        stoichiometry = np.array([[-1, 1, 0], [1, -1, -1], [0, 0, 1]])
        moved = jacobian @ along + stoichiometry * reactions
        return np.concatenate([stoichiometry @ reactions, moved.ravel(), [y3], along[2]])

    start = np.zeros(16)
    start[0] = 1.0
    tolerance = np.array([1e-12] * 12 + [1e-7] * 4)
    end = solve_ivp(rates, (0.0, 50.0), start, method="Radau", rtol=1e-8, atol=tolerance).y[:, -1]
    known = reference.ROBERTSON[50.0]
    assert end[12] == pytest.approx(known["G"], rel=1e-6)
    np.testing.assert_allclose(end[13:] / p, known["dG_dp"], rtol=1e-6)

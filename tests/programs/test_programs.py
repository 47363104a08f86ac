"""Twelve programs are fit to be differentiated: repeatable, finite, smooth where they say so."""

import numpy as np
import pytest

from tests.programs import NAMES, load, run

SIZES = {"gauss_seidel": 7, "heat_3d": 6, "adi": 8, "nbody": 5}
# Short enough to cross none of the limiters' jumps, and no node of the grid.
STEP_SIZES = {"hdiff": 1e-6, "particles": 1e-6}


def weighted(module, state, params, weights):
    return sum(
        float(np.sum(w * x)) for w, x in zip(weights, run(module, state, params), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_central_differences_of_two_step_sizes_agree(name):
    module, rng = load(name), np.random.default_rng(3)
    state, params = module.make(SIZES.get(name, 9), rng)
    weights = [rng.standard_normal(x.shape) for x in state]
    along_state = [rng.standard_normal(x.shape) for x in state]
    along_params = [0.1 * rng.standard_normal(x.shape) for x in params]

    def value(e):
        moved = tuple(x + e * d for x, d in zip(state, along_state, strict=True))
        moved_params = tuple(p + e * d for p, d in zip(params, along_params, strict=True))
        return weighted(module, moved, moved_params, weights)

    def difference(h):
        # Fourth order: a kink between the points would show as a difference of order h.
        return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)

    h = STEP_SIZES.get(name, 1e-4)
    coarse, fine = difference(2 * h), difference(h)
    assert np.isfinite(fine)
    assert abs(fine) > 1e-3
    assert abs(coarse - fine) < 1e-7 * max(1.0, abs(fine))


@pytest.mark.parametrize("name", NAMES)
def test_arguments_stay_and_a_second_run_gives_the_same_bits(name):
    module = load(name)
    state, params = module.make(SIZES.get(name, 9), np.random.default_rng(4))
    before = [x.copy() for x in (*state, *params)]
    first, second = run(module, state, params), run(module, state, params)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip((*state, *params), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_jacobi_average_of_a_constant_is_the_constant():
    module = load("jacobi")
    state = (np.full((6, 6), 2.0), np.full((6, 6), 2.0))
    for x in run(module, state, (np.array(0.2),)):
        np.testing.assert_allclose(x, 2.0, rtol=1e-15)


def test_the_tridiagonal_solve_of_vadv_satisfies_its_equations():
    module, rng = load("vadv"), np.random.default_rng(5)
    (u,), (w, dt) = module.make(3, rng)
    (new,) = run(module, (u,), (w, dt), 1)
    beta, wind = module.BETA, 0.25 * (w[1:] + w[:-1])
    # Column by column against a dense solver.
    n_z = u.shape[2]
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            matrix, right = np.zeros((n_z, n_z)), u[i, j] / dt
            for z in range(n_z):
                matrix[z, z] += 1 / dt
                below, above = (z - 1, wind[i, j, z], -1), (z + 1, wind[i, j, z + 1], 1)
                for neighbour, speed, sign in (below, above):
                    if 0 <= neighbour < n_z:
                        matrix[z, neighbour] += sign * beta * speed
                        matrix[z, z] -= sign * beta * speed
                        right[z] -= sign * (1 - beta) * speed * (u[i, j, neighbour] - u[i, j, z])
            np.testing.assert_allclose(new[i, j], np.linalg.solve(matrix, right), rtol=1e-12)


def test_the_momentum_of_the_bodies_stays_zero():
    module, rng = load("nbody"), np.random.default_rng(6)
    state, params = module.make(6, rng)
    _, velocity = run(module, state, params)
    np.testing.assert_allclose(np.sum(params[0] * velocity, axis=0), 0.0, atol=1e-13)

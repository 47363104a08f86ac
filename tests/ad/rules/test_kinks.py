"""At a kink the derivative is one that the convex function allows, as docs/functions.md says."""

import platform

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage

import revolve_ad as ra

ZEROS = np.zeros((2, 3))
NORMS = {
    "norm": np.linalg.norm,
    "norm along an axis": lambda x: np.sum(np.linalg.norm(x, axis=0)),
    "norm along two axes": lambda x: np.sum(np.linalg.norm(x, axis=(1, 0), keepdims=True)),
    "norm of order 1": lambda x: np.linalg.norm(x[0], 1),
    "norm of order 2": lambda x: np.linalg.norm(x[0], 2),
    "norm of order 3": lambda x: np.linalg.norm(x[0], 3),
    "norm of order 1.5": lambda x: np.sum(np.linalg.norm(x, 1.5, axis=1)),
    "norm of complex numbers": lambda x: np.linalg.norm(x + 1j * x),
    "vector_norm": np.linalg.vector_norm,
    "matrix_norm": np.linalg.matrix_norm,
    "scipy.linalg.norm": lambda x: scipy.linalg.norm(x),
    "std": np.std,
    "std along an axis": lambda x: np.sum(np.std(x, axis=0, ddof=1)),
    "std with a mask": lambda x: np.std(x, where=[True, False, True]),
    "nanstd": np.nanstd,
    "std of what a mask takes": lambda x: np.std(x[x < 1.0]),
    "abs": lambda x: np.sum(np.abs(x)),
    "abs of complex numbers": lambda x: np.sum(np.abs(x + 1j * x)),
    "hypot": lambda x: np.sum(np.hypot(x, x)),
    "size of a gradient": lambda x: np.sum(scipy.ndimage.gaussian_gradient_magnitude(x, 1.0)),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_at_the_origin_have_derivative_zero_in_both_modes(name):
    f = NORMS[name]
    np.testing.assert_array_equal(ra.grad(f)(ZEROS), ZEROS)
    value, tangent = ra.jvp(f, (ZEROS,), (np.ones_like(ZEROS),))
    assert value == tangent == 0


@pytest.mark.parametrize("f", [np.linalg.norm, np.std])
def test_second_derivatives_there_are_zero_too(f):
    np.testing.assert_array_equal(ra.hvp(f, ZEROS, np.ones_like(ZEROS)), ZEROS)


def test_a_column_of_equal_values_leaves_the_other_columns_their_derivative():
    x = np.array([[1.0, 2.0], [1.0, 3.0]])
    np.testing.assert_array_equal(
        ra.grad(lambda x: np.sum(np.std(x, axis=0)))(x), [[0, -0.5], [0, 0.5]]
    )


@pytest.mark.parametrize("native", [False, True])
def test_a_step_that_scales_by_a_norm_starts_from_zero(native):
    if native:
        pytest.importorskip("numba")

    def step(u, p, k):
        return u * (1 - 0.1 * np.linalg.norm(u)) + 0.1 * p * np.std(u)

    simulation = ra.Simulation(step, steps=4, native=native)
    gradient = ra.grad(lambda u: np.sum(simulation(u, 0.5).state ** 2 + simulation(u, 0.5).state))
    np.testing.assert_array_equal(gradient(np.zeros(3)), np.ones(3))


def test_a_root_itself_keeps_its_infinite_slope():
    with np.errstate(divide="ignore"):
        assert ra.grad(lambda x: np.sqrt(x))(0.0) == np.inf


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.max, [2.0, 1.0, 2.0], [0.5, 0, 0.5]),
        (np.min, [1.0, 1.0, 2.0], [0.5, 0.5, 0]),
        (lambda x: np.maximum(x[0], x[1]), [1.0, 1.0], [0.5, 0.5]),
        (lambda x: np.fmin(x[0], x[1]), [1.0, 1.0], [0.5, 0.5]),
        (lambda x: np.linalg.norm(x, np.inf), [1.0, -1.0], [0.5, -0.5]),
    ],
)
def test_where_several_are_the_extreme_each_has_its_share(f, x, expected):
    np.testing.assert_array_equal(ra.grad(f)(np.array(x)), expected)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors order zeros otherwise"
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "bounds",
    [
        (0, 1),
        (-1.0, -0.0),
        (-0.0, None),
        (None, 0.0),
        (np.zeros(1), 1),
        (np.zeros(6), 1),
        (0, np.zeros(6)),
    ],
    ids=str,
)
def test_clip_gives_the_zeros_that_numpy_gives(bounds, dtype):
    x = np.array([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0], dtype)

    def signs(x):
        return np.sum(np.copysign(1.0, np.clip(x, *bounds)) * [1, 2, 4, 8, 16, 32])

    assert ra.value_and_grad(signs)(x)[0] == signs(x)


@pytest.mark.parametrize("native", [False, True])
def test_a_clipped_state_may_hold_zeros_of_both_signs(native):
    if native:
        pytest.importorskip("numba")
    sim = ra.Simulation(lambda u, p, k: np.clip(u * p, 0.0, 1.0), steps=3, native=native)
    u0 = np.array([-1.0, -0.0, 0.0, 0.5, 2.0])
    gradient = ra.grad(lambda p: np.sum(sim(u0, p).state))(1.1)
    np.testing.assert_allclose(gradient, 3 * 0.5 * 1.1**2, rtol=1e-14)

"""as_strided of a traced array is a view of its memory, with derivatives, or says why not."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import revolve_ad as ra
from revolve_ad.errors import ParameterError

X = np.random.default_rng(5).normal(size=12)
W = np.arange(1.0, 13.0)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((10, 3), (8, 8)), ((5, 2), (16, 8)), ((3, 4), (32, 8)), ((4, 3), (8, 32)), ((2, 12), (0, 8))],
)
def test_the_gradient_is_that_of_the_equal_index(shape, strides):
    at = sum(
        np.arange(n).reshape((-1,) + (1,) * (len(shape) - axis - 1)) * (stride // 8)
        for axis, (n, stride) in enumerate(zip(shape, strides, strict=True))
    )
    weights = W[at] * np.arange(1, at.size + 1).reshape(shape)
    found = ra.grad(lambda x: np.sum(weights * np.sin(as_strided(x, shape, strides))))(X)
    expected = ra.grad(lambda x: np.sum(weights * np.sin(x[at])))(X)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_windows_of_a_part_begin_where_it_begins_and_see_later_writes():
    def f(x, windows):
        u = np.sin(x)
        shown = windows(u[2:9])
        u[4] = x[0] * x[1]
        return np.sum(shown[:, 0] * shown[:, 2])

    one = ra.value_and_grad(lambda x: f(x, lambda v: as_strided(v, (5, 3), (8, 8))))(X)
    other = ra.value_and_grad(lambda x: f(x, lambda v: sliding_window_view(v, 3)))(X)
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])


def test_a_view_that_shows_all_once_can_be_written():
    def f(x, shaped):
        u = x * 1.0
        shaped(u)[1] *= x[:4]
        return np.sum(W * u)

    found = ra.grad(lambda x: f(x, lambda u: as_strided(u, (3, 4), (32, 8))))(X)
    np.testing.assert_array_equal(found, ra.grad(lambda x: f(x, lambda u: u.reshape(3, 4)))(X))


@pytest.mark.parametrize(
    ("shape", "strides", "match"),
    [((12, 3), (8, 8), "leaves the memory"), ((4,), (4,), "multiple"), ((3,), (-8,), "memory")],
)
def test_what_has_no_meaning_is_refused_with_the_remedy(shape, strides, match):
    with pytest.raises(ParameterError, match=rf"as_strided.*{match}.*sliding_window_view"):
        ra.grad(lambda x: np.sum(as_strided(x, shape, strides)))(X)


def test_a_view_that_shows_elements_twice_is_not_written():
    def f(x):
        u = x * 1.0
        as_strided(u, (10, 3), (8, 8))[0] = 0.0
        return np.sum(u)

    with pytest.raises(ValueError, match="read-only"):
        ra.grad(f)(X)

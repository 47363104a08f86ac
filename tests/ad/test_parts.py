"""A number times a linear function of an array is pulled back by one linear function."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter


def second_difference(u: Any, nu: Any) -> Any:
    new = u.copy()
    new[1:-1] += nu * (u[2:] - 2 * u[1:-1] + u[:-2])
    return new


def ring(u: Any, nu: Any) -> Any:
    left, right = np.roll(u, 1, axis=0), np.roll(u, -1, axis=0)
    return u - 0.3 * (right**2 - left**2) + nu * (right - 2 * u + left) / 0.7


def of_a_value(u: Any, nu: Any) -> Any:
    flux = np.sin(u)
    return u + (flux[::-1] - 3 * flux / 2) * nu + nu * nu


def twice(u: Any, nu: Any) -> Any:
    inner = u + nu * (np.roll(u, 1, axis=0) - u)
    return inner + nu * (-np.roll(inner, 2, axis=0) + inner * 0.5)


def planes(u: Any, nu: Any) -> Any:
    return u + nu * (u.T.copy().T[::-1] + u)


def shared_value(u: Any, nu: Any) -> Any:
    slope = np.roll(u, 1, axis=0) - u
    return u + nu * slope + slope**2  # the value is needed elsewhere: nothing is gained


def two_roots(u: Any, nu: Any) -> Any:
    return u + nu * (np.sin(u) - u)


def affine(u: Any, nu: Any) -> Any:
    return u + nu * (u - np.linspace(0, 1, u.size).reshape(u.shape))


def one_element(u: Any, nu: Any) -> Any:
    return u * 2 + nu * (u[2:3] - u[1:2])


ONE_LINEAR_FUNCTION = [second_difference, ring, of_a_value, twice, planes]
AS_THEY_ARE = [shared_value, two_roots, affine, one_element]


def _both_ways(f: Callable[..., Any], u: np.ndarray, nu: Any) -> list[tuple[Any, Any]]:
    """Return the tape and the cotangents by the rules, and by parts."""
    tape = trace(f, (u, nu)).tape
    cotangent = np.random.default_rng(1).standard_normal(tape.nodes[tape.outputs[0]].shape)
    made = [vjp(tape, [0, 1], by_parts=by_parts) for by_parts in (False, True)]
    return [(t, Interpreter(t).run([u, nu, cotangent.astype(u.dtype)])) for t in made]


@pytest.mark.parametrize("shape", [(7,), (6, 5)])
@pytest.mark.parametrize("f", [*ONE_LINEAR_FUNCTION, *AS_THEY_ARE])
def test_the_cotangents_are_those_of_the_rules(f: Any, shape: tuple[int, ...]) -> None:
    u = np.random.default_rng(0).standard_normal(shape)
    for nu in (0.37, 0.0):
        (_, expected), (_, found) = _both_ways(f, u, np.float64(nu))
        for a, b in zip(expected, found, strict=True):
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("f", ONE_LINEAR_FUNCTION)
def test_the_value_of_the_linear_function_is_not_read(f: Any) -> None:
    u = np.random.default_rng(0).standard_normal(7)
    (as_it_is, _), (by_parts, _) = _both_ways(f, u, np.float64(0.37))
    n = len(trace(f, (u, np.float64(0.37))).tape.nodes)
    assert _needed(by_parts, n) < _needed(as_it_is, n)


def _needed(tape: Any, n: int) -> int:
    """Return how many of the first n nodes the outputs of a tape need."""
    needed = set(tape.outputs)
    for i in range(len(tape.nodes) - 1, -1, -1):
        if i in needed:
            needed.update(tape.nodes[i].args)
    return sum(i < n for i in needed)


@pytest.mark.parametrize("f", AS_THEY_ARE)
def test_other_tapes_stay_as_they_are(f: Any) -> None:
    u = np.random.default_rng(0).standard_normal(7)
    (as_it_is, _), (by_parts, _) = _both_ways(f, u, np.float64(0.37))
    assert by_parts.nodes == as_it_is.nodes


def test_single_precision_stays() -> None:
    u = np.random.default_rng(0).standard_normal(9).astype(np.float32)
    (_, expected), (_, found) = _both_ways(ring, u, np.float32(0.37))
    for a, b in zip(expected, found, strict=True):
        assert np.asarray(b).dtype == np.asarray(a).dtype
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)

"""Operations without a form point by point run in NumPy between the loops, with its bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Compiled, Layout, Loop, compile_loop, compile_tape
from tests.native.test_compile_loop import Case

N = 20  # more equations than are solved by compiled code
WAVES = np.fft.rfftfreq(N, 1 / N)
LAPLACE = 2.0 * np.eye(N) - np.eye(N, k=1) - np.eye(N, k=-1)
SPARSE = scipy.sparse.csr_array(LAPLACE)


def pseudo_spectral(u: Any, nu: Any, k: Any) -> Any:
    waves = np.fft.rfft(u)
    slope = np.fft.irfft(1j * WAVES * waves, N)
    waves = waves - 0.01 * np.fft.rfft(u * slope)
    return np.fft.irfft(waves / (1 + 0.01 * nu * WAVES**2), N)


def semi_implicit(u: Any, nu: Any, k: Any) -> Any:
    return np.linalg.solve(np.eye(N) + 0.1 * nu * LAPLACE, u + 0.1 * u * (1 - u))


def sparse_diffusion(u: Any, nu: Any, k: Any) -> Any:
    return u - 0.1 * nu * (SPARSE @ u) + 0.01 * u * u * k


def layers(x: Any, params: Any, k: Any) -> Any:
    weights, shift = params
    hidden = np.maximum(x @ weights + shift, 0.1)
    return x + 0.05 * hidden @ weights.T


def several_results(a: Any, c: Any, k: Any) -> Any:
    q, r = np.linalg.qr(a + c * np.eye(4))
    return 0.5 * a + 0.1 * q * r[::-1]


def sorted_and_summed(u: Any, c: Any, k: Any) -> Any:
    return u + 0.1 * c * np.cumsum(np.sort(u * c))[::-1]


@ra.primitive
def saturated(x: Any) -> Any:
    assert not x.flags.writeable
    return x / (1 + np.abs(x))


@saturated.vjp
def _(g: Any, y: Any, x: Any) -> Any:
    return (g / (1 + np.abs(x)) ** 2,)


def users_own(u: Any, c: Any, k: Any) -> Any:
    return u + 0.1 * saturated(c * u) * u


RNG = np.random.default_rng(5)
STATE = RNG.standard_normal(N)
PROGRAMS = {
    "pseudo-spectral": (pseudo_spectral, STATE, 0.3),
    "semi-implicit": (semi_implicit, STATE, 0.3),
    "sparse": (sparse_diffusion, STATE, 0.3),
    "network": (
        layers,
        RNG.standard_normal((40, 24)),
        (0.2 * RNG.standard_normal((24, 24)), RNG.standard_normal(24)),
    ),
    "several results": (several_results, RNG.standard_normal((4, 4)), 2.0),
    "sorted": (sorted_and_summed, STATE, 0.5),
    "primitive": (users_own, STATE, 0.5),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_step_with_calls_has_the_bits_of_the_interpreted_one(name: str) -> None:
    case = Case(*PROGRAMS[name])
    loop = compile_loop(case.tape, case.layout, native=False)
    case.check(loop)
    assert isinstance(loop, Loop)
    assert loop.called


@pytest.mark.parametrize("name", ["semi-implicit", "network"])
def test_nests_between_the_calls_are_compiled(name: str) -> None:
    pytest.importorskip("numba")
    case = Case(*PROGRAMS[name])
    case.check(compile_loop(case.tape, case.layout))


def test_the_gradient_of_a_simulation_with_calls_is_that_of_the_interpreter() -> None:
    pytest.importorskip("numba")
    found = []
    for native in (True, False):
        sim = ra.Simulation(pseudo_spectral, steps=20, memory="20 kB", native=native)
        value, gradient = ra.value_and_grad(
            lambda nu, sim=sim: np.sum(sim(STATE, nu).state ** 2)  # type: ignore[misc]
        )(0.3)
        found.append((value, gradient))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)


def test_operands_of_products_keep_their_order_in_memory() -> None:
    a = RNG.standard_normal((60, 50))

    def f(x: Any) -> Any:
        return (2.0 * x).T @ (x + 1.0)

    tape = trace(f, (a,)).tape
    compiled = compile_tape(tape, native=False)
    assert isinstance(compiled, Compiled)
    np.testing.assert_array_equal(compiled.run([a])[0], f(a))


def test_what_params_alone_decide_is_called_once_a_sweep() -> None:
    case = Case(lambda u, a, k: u + np.linalg.inv(a)[0], STATE, np.eye(N) + 0.1 * LAPLACE)
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert "inv" not in loop.entries["advance"].source
    case.check(loop)


def test_a_step_that_is_one_call_saves_nothing() -> None:
    tape = trace(lambda u, c, k: np.linalg.solve(LAPLACE, u), (STATE, 1.0, 0)).tape
    loop = compile_loop(tape, Layout(1, 1), native=False)
    assert isinstance(loop, Loop)
    assert loop.saved < 0.5


def test_memory_that_calls_allocate_is_counted() -> None:
    tape = trace(lambda u, c, k: np.sort(u) + c, (np.zeros(1000), 1.0, 0)).tape
    loop = compile_loop(tape, Layout(1, 1), native=False)
    assert isinstance(loop, Loop)
    assert loop.forward_bytes >= 2 * 8000  # the result of the sort, and the buffer it goes to

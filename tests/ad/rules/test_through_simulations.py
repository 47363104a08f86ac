"""The same calls inside of the steps of a Simulation, and written in place: all three derivatives.

The oracle is the loop written out, which is one tape without checkpoints; that tape's rules are
held against differences elsewhere.
"""

import numpy as np
import pytest

import revolve_ad as ra
from tests.ad.rules.harness import drawn
from tests.ad.rules.keywords import LINES, case_of

ALL = [
    line
    for kind in ("sums", "others", "linalg", "fourier")
    for line in LINES[kind]
    # what looks at values or draws on warnings is tested alone
    if not any(
        word in line for word in ("poly", "roots", "eig", "unique", "cond", "setxor", "isin")
    )
]
BLOCKS = 6
EVERY = 12  # of so many calls one: all of them take minutes


def real(found):
    """Return the sum of the sines of all numbers in a result."""
    parts = found if isinstance(found, tuple | list) else (found,)
    total = 0.0
    for part in parts:
        part = np.asarray(part)
        total = total + np.sum(np.sin(part.real)) + np.sum(np.cos(part.imag))
    return total


def step_of(f, k):
    """Return a step that calls `f` and writes into its state in place."""

    def step(state, params, _):
        total = real(f(*state))
        state[k][...] *= 1 + 1e-3 * params
        state[k][...] += 1e-3 * np.sin(total)
        return state

    return step


def looped(step, steps):
    def run(state, params):
        state = tuple(np.array(x) for x in state)
        for k in range(steps):
            state = step(state, params, k)
        return state

    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", range(BLOCKS))
def test_derivatives_through_a_simulation_are_those_of_the_loop(block):
    rng = np.random.default_rng(block)
    checked = 0
    for line in ALL[block :: BLOCKS * EVERY]:
        f, operands, _ = case_of(line)
        state = tuple(drawn(o, rng, float) for o in operands)
        floats = [k for k, x in enumerate(state) if x.dtype.kind == "f"]
        if not floats:
            continue
        step = step_of(f, floats[0])
        sim = ra.Simulation(step, steps=3, native=False, memory="10 MB", replay_check="off")
        try:
            compared(sim, step, state, floats, rng)
        except Exception as error:
            error.add_note(f"in the call {line}")
            raise
        checked += 1
    assert checked >= 2


def compared(sim, step, state, floats, rng):
    """Compare gradient, tangent and second derivative of a simulation with the loop's."""

    def objective(run):
        def value(x, p):
            end = run((*state[: floats[0]], x, *state[floats[0] + 1 :]), p)
            end = end.state if hasattr(end, "state") else end
            return sum(np.sum(np.sin(end[k])) for k in floats)

        return value

    x, p = state[floats[0]], 0.7
    one, other = objective(sim), objective(looped(step, 3))
    gradients = [ra.grad(g, argnums=(0, 1))(x, p) for g in (one, other)]
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    t = rng.normal(size=x.shape)
    tangents = [ra.jvp(g, (x, p), (t, 0.3))[1] for g in (one, other)]
    second = [ra.hvp(lambda x, g=g: g(x, p), x, t) for g in (one, other)]
    np.testing.assert_allclose(*tangents, rtol=1e-10, atol=1e-12)
    inner = np.sum(gradients[0][0] * t) + 0.3 * gradients[0][1]
    np.testing.assert_allclose(tangents[0], inner, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(*second, rtol=1e-9, atol=1e-11)

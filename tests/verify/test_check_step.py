"""`check_step`: good steps pass, and steps that are wrong on purpose are caught and named."""

from typing import Any

import numpy as np
import pytest

from revolve_ad.errors import StructureError, VerificationError
from revolve_ad.simulation import Step, step
from revolve_ad.verify import StepCheck, check_step

U = np.array([0.4, 1.3, 0.9, 2.0])


def bad_claims(found: StepCheck) -> str:
    """Return what doesn't hold, after a look at what a bad result must do."""
    assert not found.ok
    assert "BAD" in str(found)
    with pytest.raises(VerificationError, match="BAD"):
        found.raise_if_bad()
    return " | ".join(one.claim for one in found.bad)


# -- good steps --


def heat(u: Any, kappa: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += 0.1 * np.diff(kappa * np.diff(u))
    return new


def in_place(u: Any, kappa: Any, k: Any) -> Any:
    u[1:-1] += 0.1 * np.diff(kappa * np.diff(u)) * (k + 1)
    return u


def branching(u: Any, kappa: Any, k: Any) -> Any:
    return u * kappa[0] if u[0] > 0 else u


@pytest.mark.parametrize("one", [heat, in_place, branching])
def test_a_good_step_passes(one: Any) -> None:
    found = check_step(one, U, np.array([1.0, 2.0, 0.5]), 3, rng=1)
    assert found.ok, str(found)
    found.raise_if_bad()
    claims = [finding.claim for finding in found.findings]
    assert "the vjp agrees with differences in state" in claims
    assert "the vjp agrees with differences in params" in claims
    assert "the vjp agrees with the jvp" in claims


def test_structures_inputs_integers_and_complex_numbers_pass() -> None:
    def one(state: Any, p: Any, k: Any, row: Any) -> Any:
        z = state["z"] * np.exp(1j * p["phase"]) + row["f"] * k
        return {"z": z, "n": state["n"] + 1, "y": state["y"] + np.sum(np.abs(z) ** 2)}

    found = check_step(
        one,
        {"z": np.array([1 + 2j, 0.5j]), "n": np.int64(3), "y": 2.0},
        {"phase": 0.3, "table": np.array([1, 2])},
        2,
        {"f": np.array([0.1, 0.2])},
        rng=1,
    )
    assert found.ok, str(found)
    named = str(found)
    for path in ("state['z']", "state['y']", "params['phase']", "inputs_k['f']"):
        assert f"differences in {path}" in named


def test_float32_passes() -> None:
    found = check_step(heat, U.astype(np.float32), np.ones(3, np.float32), rng=1)
    assert found.ok, str(found)


def test_a_scratch_array_that_is_filled_before_it_is_read_is_pure() -> None:
    scratch = np.full(4, 7.0)

    @step
    def one(u: Any, rate: Any, k: Any) -> Any:
        np.multiply(u, rate, out=scratch)
        return u - scratch

    @one.vjp
    def _(u: Any, rate: Any, k: Any, g: Any) -> Any:
        return (1 - rate) * g, -np.sum(u * g)

    found = check_step(one, U, 0.3, rng=1)
    assert found.ok, str(found)
    assert "scratch" in str(found)
    assert np.all(np.isfinite(scratch))  # not the NaN that it was probed with


def test_the_arguments_stay_as_they_are() -> None:
    u, kappa = U.copy(), np.array([1.0, 2.0, 0.5])
    check_step(in_place, u, kappa, rng=1)
    assert np.array_equal(u, U)
    assert np.array_equal(kappa, [1.0, 2.0, 0.5])


# -- steps with derivatives of their own --


def decay(vjp_factor: float = 1.0, jvp_factor: float = 1.0, params_factor: float = 1.0) -> Step:
    """Return u' = u − 0.1 p u², with derivatives that are wrong by these factors."""

    @step
    def one(u: Any, p: Any, k: Any) -> Any:
        return u - 0.1 * p * u**2

    @one.vjp
    def _(u: Any, p: Any, k: Any, g: Any) -> Any:
        return vjp_factor * (1 - 0.2 * p * u) * g, -0.1 * params_factor * np.sum(u**2 * g)

    @one.jvp
    def _(u: Any, p: Any, k: Any, du: Any, dp: Any) -> Any:
        return jvp_factor * (1 - 0.2 * p * u) * du - 0.1 * u**2 * dp

    return one


def test_right_derivatives_by_hand_pass() -> None:
    found = check_step(decay(), U, 0.3, rng=1)
    assert found.ok, str(found)
    assert "its own vjp agrees with its own jvp" in str(found)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6, 1.01])
def test_a_wrong_vjp_is_caught_and_its_leaf_named(factor: float, seed: int) -> None:
    claims = bad_claims(check_step(decay(vjp_factor=factor), U, 0.3, rng=seed))
    assert "differences in state" in claims
    assert "differences in params" not in claims
    claims = bad_claims(check_step(decay(params_factor=factor), U, 0.3, rng=seed))
    assert "differences in params" in claims
    assert "differences in state" not in claims


@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6])
def test_a_wrong_jvp_is_caught(factor: float) -> None:
    claims = bad_claims(check_step(decay(jvp_factor=factor), U, 0.3, rng=1))
    assert claims == "its own vjp agrees with its own jvp"


def test_an_advance_that_rounds_otherwise_is_caught() -> None:
    one = decay()

    @one.advance
    def _(u: Any, p: Any, start: int, stop: int) -> Any:
        for _ in range(start, stop):
            u = u * (1 - 0.1 * p * u)
        return u

    assert "advance" in bad_claims(check_step(one, U, 0.3, rng=1))


def test_an_advance_with_the_same_arithmetic_passes_also_with_inputs() -> None:
    @step
    def one(u: Any, p: Any, k: Any, f: Any) -> Any:
        return u * p + f

    @one.vjp
    def _(u: Any, p: Any, k: Any, f: Any, g: Any) -> Any:
        return p * g, np.sum(u * g), g.copy()

    @one.advance
    def _(u: Any, p: Any, start: int, stop: int, rows: Any) -> Any:
        for f in rows:
            u = u * p + f
        return u

    found = check_step(one, U, 0.3, 5, np.ones(4), rng=1)
    assert found.ok, str(found)
    assert "advance" in str(found)


def test_a_vjp_that_sums_between_its_calls_is_caught() -> None:
    total = np.zeros(())

    @step
    def one(u: Any, p: Any, k: Any) -> Any:
        return u * p

    @one.vjp
    def _(u: Any, p: Any, k: Any, g: Any) -> Any:
        total[...] += np.sum(u * g)
        return p * g, float(total)

    assert "its vjp, called twice" in bad_claims(check_step(one, U, 0.3, rng=1))


def test_a_vjp_that_returns_no_pair_says_what_it_must_return() -> None:
    @step
    def one(u: Any, p: Any, k: Any) -> Any:
        return u * p

    @one.vjp
    def _(u: Any, p: Any, k: Any, g: Any) -> Any:
        return p * g

    with pytest.raises(StructureError, match="state_cotangent, params_cotangent"):
        check_step(one, U, 0.3)


# -- steps that aren't functions --

calls = 0


def counting(u: Any, p: Any, k: Any) -> Any:
    global calls
    calls += 1
    return u * p


def remembering(u: Any, p: Any, k: Any) -> Any:
    global calls
    calls += 1
    return u * p + 1e-13 * calls


@pytest.mark.parametrize("one", [counting, remembering])
def test_the_state_of_a_global_is_caught_and_named(one: Any) -> None:
    found = check_step(one, U, 0.3, rng=1)
    assert "captured values" in bad_claims(found)
    assert "changed: calls" in str(found)


def test_a_captured_array_that_is_written_is_caught() -> None:
    history = [np.zeros(4)]

    def one(u: Any, p: Any, k: Any) -> Any:
        history[0] += u
        return u * p + 0 * history[0]

    found = check_step(one, U, 0.3, rng=1)
    assert "captured values" in bad_claims(found)
    assert "history[0]" in str(found)


def test_state_in_an_object_behind_a_method_is_caught() -> None:
    class Model:
        def __init__(self) -> None:
            self.time = 0.0

        def one(self, u: Any, p: Any, k: Any) -> Any:
            self.time += 0.1
            return u * p * np.cos(self.time)

    found = check_step(Model().one, U, 0.3, rng=1)
    assert "called twice" in bad_claims(found)
    assert "self.time" in str(found)


def test_random_draws_are_caught_whichever_generator_is_used() -> None:
    rng = np.random.default_rng(1)

    def own(u: Any, p: Any, k: Any) -> Any:
        return u * p + 1e-14 * rng.standard_normal(4)

    def common(u: Any, p: Any, k: Any) -> Any:
        return u * p + 0 * np.random.standard_normal(4)  # noqa: NPY002

    assert "called twice" in bad_claims(check_step(own, U, 0.3))
    assert "global generator" in bad_claims(check_step(common, U, 0.3))


def test_writes_into_params_and_inputs_are_caught() -> None:
    def into_params(u: Any, p: Any, k: Any) -> Any:
        p *= 2
        return u * p

    def into_inputs(u: Any, p: Any, k: Any, f: Any) -> Any:
        f += 1
        return u * f

    assert "params and inputs" in bad_claims(check_step(into_params, U, np.ones(4)))
    assert "params and inputs" in bad_claims(check_step(into_inputs, U, None, 0, np.ones(4)))


def test_what_numpy_does_not_see_is_named() -> None:
    import math

    def one(u: Any, p: Any, k: Any) -> Any:
        return u * math.sin(p)

    assert "it can be recorded" in bad_claims(check_step(one, U, 0.3))


def test_an_exception_of_the_step_keeps_its_type_and_gains_the_step() -> None:
    def one(u: Any, p: Any, k: Any) -> Any:
        raise KeyError("mesh")

    with pytest.raises(KeyError) as caught:
        check_step(one, U, 0.3, 7)
    assert any("step 7" in note for note in caught.value.__notes__)

"""Random NumPy programs: values are NumPy's bit for bit, gradients agree with the complex step."""

import numpy as np
import pytest

from revolve_ad.ad.derivatives import grad, hvp, value_and_grad
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.program import Program as TapeProgram
from tests.ad import broad_programs
from tests.ad.random_programs import draw

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning"
)


def a_program(seed, most=40):
    rng = np.random.default_rng(seed)
    program = draw(rng, int(rng.integers(5, most)))
    return program, rng.normal(size=program.shape), rng.normal(size=program.shape)


def complex_step(f, x, direction):
    return np.imag(f(x + 1e-30j * direction)) / 1e-30


@pytest.mark.parametrize("block", range(8))
def test_programs_with_all_of_numpys_memory_and_dtypes(block):
    for seed in range(250 * block, 250 * block + 250):
        rng = np.random.default_rng(seed)
        drawn = broad_programs.draw(rng, int(rng.integers(4, 30)))
        before = drawn.x.copy()
        value, gradient = value_and_grad(drawn.program)(drawn.x)
        if drawn.program.real:
            assert value == drawn.value, f"seed {seed}"
        else:  # NumPy's own complex squares differ in the last bit with where they lie
            np.testing.assert_allclose(value, drawn.value, rtol=1e-11, err_msg=f"seed {seed}")
        np.testing.assert_array_equal(drawn.x, before)
        terms = np.real(np.conj(gradient) * drawn.direction).astype(float)
        expected = drawn.slope
        allowed = drawn.tolerance * (1 + abs(expected) + np.sum(np.abs(terms)))
        assert abs(np.sum(terms) - expected) <= allowed, f"seed {seed}"


@pytest.mark.parametrize("block", range(5))
def test_value_is_bitwise_numpy_and_gradient_is_the_complex_step(block):
    for seed in range(50 * block, 50 * block + 50):
        program, x, d = a_program(seed)
        expected = program(x)
        before = x.copy()
        value, gradient = value_and_grad(program)(x)
        assert value == expected, f"seed {seed}"
        np.testing.assert_array_equal(x, before)
        slope = complex_step(program, x, d)
        assert abs(np.sum(gradient * d) - slope) <= 1e-9 * (1 + abs(slope)), f"seed {seed}"


def test_programs_of_200_operations():
    for seed in range(5000, 5020):
        rng = np.random.default_rng(seed)
        program = draw(rng, 200)
        x, d = rng.normal(size=program.shape), rng.normal(size=program.shape)
        assert len(trace(program, (x,)).tape.nodes) > 200
        value, gradient = value_and_grad(program)(x)
        assert value == program(x), f"seed {seed}"
        slope = complex_step(program, x, d)
        assert abs(np.sum(gradient * d) - slope) <= 1e-8 * (1 + abs(slope)), f"seed {seed}"


def test_a_recorded_tape_gives_numpys_bits_on_other_arguments():
    replayed = 0
    for seed in range(300):
        program, x, d = a_program(seed)
        recording = trace(program, (x,))
        if recording.tape.depends_on_values:
            continue
        replayed += 1
        (value,) = TapeProgram(recording.tape).run([d])
        assert value == program(d), f"seed {seed}"
    assert replayed > 200


def test_hessian_products_agree_with_differences_of_the_gradient():
    for seed in range(100, 160):
        program, x, d = a_program(seed, most=20)
        # Comparisons make kinks, and the two sides of a kink aren't one derivative.
        program.steps = [
            s for s in program.steps if s[0] != "masked" and s[:2] != ("binary", "where")
        ]
        try:
            program(x)
        except (IndexError, ValueError):
            continue
        gradient = grad(program)
        h = 1e-5
        expected = (gradient(x + h * d) - gradient(x - h * d)) / (2 * h)
        found = hvp(program, x, d)
        np.testing.assert_allclose(
            found, expected, atol=1e-5 * (1 + np.abs(expected).max()), err_msg=f"seed {seed}"
        )

"""Types are NumPy's: of values while recording, of gradients those of the leaves, by NEP 50."""

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.ad.running.program import Program

pytestmark = pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")

START = np.array([0.31, -1.2, 0.6, 0.7])
WHOLE = np.array([3, 1, 2, 0])
MASK = np.array([True, False, True, True])


def written(x):
    a = np.zeros(4, np.float32)
    a[1:] = x[1:]
    a[0] = 1
    return a


def out_of_another(x):
    a = np.empty(4)
    np.multiply(x, x, out=a, casting="unsafe")
    return a


def in_place(x):
    x = x * 1
    x += np.float32(0.5)
    x *= 2
    return x


def counted(x):
    n = np.zeros(4, int)
    n[x.real > 0] += 1
    n += np.arange(4)
    return x * n + n.sum()


EXPRESSIONS = {
    "Python int": lambda x: x * 2,
    "Python float": lambda x: 0.1 + x,
    "Python complex": lambda x: x * 2j,
    "Python bool": lambda x: x + True,
    "double scalar": lambda x: x * np.float64(0.1),
    "single scalar": lambda x: x * np.float32(0.1),
    "small integer scalar": lambda x: x + np.int8(3),
    "wide integer scalar": lambda x: x + np.int64(3),
    "double array": lambda x: x + np.full(4, 0.1),
    "single array": lambda x: x - np.full(4, 0.1, np.float32),
    "small integers": lambda x: x * WHOLE.astype(np.int16),
    "wide integers": lambda x: x * WHOLE,
    "unsigned": lambda x: x + WHOLE.astype(np.uint8),
    "booleans": lambda x: x * MASK,
    "half precision": lambda x: x * np.ones(4, np.float16),
    "single complex": lambda x: x * np.complex64(1 + 1j),
    "an element": lambda x: x * x[0],
    "a sum": lambda x: x / np.sum(x * x),
    "a mean": lambda x: x - x.mean(),
    "sum in double": lambda x: np.sum(x, dtype=np.float64) * x.real,
    "power": lambda x: x**2 + x**3,
    "power of integers": lambda x: x * WHOLE**2,
    "true division of integers": lambda x: x * (WHOLE / 2),
    "floor of integers": lambda x: x + WHOLE // 2 - WHOLE % 3,
    "sine of integers": lambda x: x * np.sin(WHOLE),
    "where": lambda x: np.where(MASK, x, 0),
    "where of integers": lambda x: np.where(x.real > 0, x, WHOLE),
    "stack": lambda x: np.stack([x, WHOLE]),
    "concatenate": lambda x: np.concatenate([x, np.zeros(2, np.float32)]),
    "list of numbers": lambda x: np.array([x[0], 1, x[1] * 2]),
    "list of whole numbers": lambda x: np.array([x[0], x[2]]),
    "full": lambda x: np.full(3, x[0]),
    "zeros_like": lambda x: np.zeros_like(x) + x,
    "cast to double": lambda x: x.real.astype(float) * 0.1,
    "cast to single": lambda x: x.real.astype(np.float32) * 0.1,
    "cast to complex": lambda x: x.astype(complex) * x,
    "written into single": written,
    "out of another type": out_of_another,
    "in place": in_place,
    "counted": counted,
    "matmul": lambda x: x @ np.outer(WHOLE, MASK),
    "dot of integers": lambda x: x * np.dot(WHOLE, WHOLE),
    "einsum": lambda x: np.einsum("i,j->ij", x, WHOLE),
    "linspace": lambda x: np.linspace(x[0], x[1], 3),
    "abs": lambda x: np.abs(x),
    "real and imaginary": lambda x: np.real(x) + np.imag(x) * 2,
    "conjugate": lambda x: x * np.conj(x),
    "exp of complex": lambda x: np.exp(1j * x),
    "fft": lambda x: np.fft.fft(x),
    "cumsum": lambda x: np.cumsum(x),
    "item": lambda x: x * x[1].item(),
    "take": lambda x: np.take(x, WHOLE),
    "maximum": lambda x: np.maximum(x.real, 0),
    "solve": lambda x: np.linalg.solve(np.eye(4) * 2, x),
}


def refused(f, x):
    try:
        with np.errstate(all="ignore"):
            f(x)
    except TypeError as error:
        return error
    return None


def number(f, weights):
    """Return a real number that depends on all that `f` gives."""

    def g(x):
        y = f(x)
        w = weights[: y.size].reshape(y.shape)
        return np.sum(np.real(y) * w) + np.sum(np.imag(y) * w[::-1]) * 2 + np.sum(np.abs(y) ** 2)

    return g


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_values_and_derivatives_have_numpys_types(name, dtype):
    f, x = EXPRESSIONS[name], START.astype(dtype)
    v = np.cos(np.arange(4.0)).astype(dtype)
    if dtype == "c16":
        x, v = x + 0.4j * x[::-1], v - 0.3j * v[::-1]
    if (error := refused(f, x)) is not None:
        with pytest.raises(TypeError):
            ra.vjp(f, x)
        assert str(error)
        return
    expected = f(x)
    value, pullback = ra.vjp(f, x)
    assert value.dtype == expected.dtype
    assert value.tobytes() == expected.tobytes()
    again, tangent = ra.jvp(f, (x,), (v,))
    assert again.dtype == expected.dtype
    assert tangent.dtype == expected.dtype
    assert tangent.shape == expected.shape

    c = np.sin(1 + np.arange(expected.size)).reshape(expected.shape).astype(expected.dtype)
    (cotangent,) = pullback(c)
    assert cotangent.dtype == x.dtype
    single = dtype == "f4" or "single" in name
    small = np.finfo(np.float32 if single else float).eps
    left = np.real(np.vdot(cotangent.astype(complex), v.astype(complex)))
    right = np.real(np.vdot(c.astype(complex), tangent.astype(complex)))
    scale = np.sum(np.abs(cotangent)) + np.sum(np.abs(c * tangent))
    assert abs(left - right) <= 50 * small * (scale + 1e-3)

    g = number(f, 0.3 * np.sin(np.arange(1.0, 17.0)))
    slope, gradient = ra.value_and_grad(g)(x)
    assert gradient.dtype == x.dtype
    assert slope == g(x)
    assert ra.hvp(g, x, v).dtype == x.dtype


def test_integers_and_booleans_are_carried_along():
    def f(state):
        return {
            "u": state["u"] * state["n"],
            "n": state["n"] * 2 + 1,
            "on": ~state["on"] & (state["n"] > 1),
        }

    state = {"u": START, "n": WHOLE, "on": MASK}
    value, pullback = ra.vjp(f, state)
    for name, leaf in f(state).items():
        assert value[name].dtype == leaf.dtype
        np.testing.assert_array_equal(value[name], leaf)
    (back,) = pullback({"u": np.ones(4), "n": np.ones(4), "on": np.ones(4)})
    np.testing.assert_array_equal(back["u"], WHOLE)
    assert back["n"].dtype == back["on"].dtype == float
    assert not back["n"].any()
    assert not back["on"].any()


def carried(dtype):
    def step(state, p, k):
        u, n, on = state
        u = u * (1 + p * 0.01) + n * p * np.float32(0.5) + np.where(on, p, 0)
        return u, (n + WHOLE) % 4, on ^ (n > 1)

    state = (START.astype(dtype), WHOLE.astype(np.int32), MASK)
    return step, state


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_a_simulation_keeps_the_types_of_its_state(dtype):
    step, state = carried(dtype)
    p = np.array([0.1, 0.2, -0.1, 0.3]).astype(dtype)
    plain = state
    for k in range(6):
        u, n, on = step(plain, p, k)
        plain = u.astype(dtype), n.astype(np.int32), on

    def kept(state, p, k):
        u, n, on = step(state, p, k)
        return u.astype(dtype), n.astype(np.int32), on

    results = []
    for schedule in (ra.schedule.store_all(6), ra.schedule.binomial(6, 2)):
        sim = ra.Simulation(kept, steps=6, schedule=schedule)
        end = sim(state, p).state
        for a, b in zip(end, plain, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)

        def objective(u, p, sim=sim):
            u, n, _ = sim((u, *state[1:]), p).state
            return np.sum(np.abs(u) ** 2 * (1 + n))

        by_u, by_p = ra.grad(objective, argnums=(0, 1))(state[0], p)
        assert by_u.dtype == by_p.dtype == np.dtype(dtype)
        assert ra.hvp(lambda p, u=state[0]: objective(u, p), p, p).dtype == np.dtype(dtype)
        assert ra.jvp(objective, (state[0], p), (state[0], p))[1].dtype.kind == "f"
        results.append((by_u, by_p))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_of_single_precision_params_are_summed_in_double():
    steps = 3000

    def step(u, p, k):
        return u + p * np.float64(0.1) * (1 + k % 7)

    sim = ra.Simulation(step, steps=steps, memory="10 MB")
    p = np.array([0.3, 0.7], np.float32)
    gradient = ra.grad(lambda p: np.sum(sim(np.zeros(2), p).state))(p)
    assert gradient.dtype == np.float32
    expected = np.float32(sum(0.1 * (1 + k % 7) for k in range(steps)))
    np.testing.assert_allclose(gradient, expected, rtol=1.2e-7)


def test_what_numpy_refuses_to_promote_is_refused():
    def overflow(x):
        return x * np.uint8(1) + (np.arange(4, dtype=np.uint8) + 300)

    with pytest.raises(OverflowError):
        overflow(START)
    with pytest.raises(OverflowError):
        ra.grad(lambda x: np.sum(overflow(x)))(START)
    with pytest.raises(TypeError):
        ra.grad(lambda x: np.sum(x << 1))(START)


def test_types_stay_when_a_tape_is_run_again():
    for f in EXPRESSIONS.values():
        x = START.astype(np.float32)
        if refused(f, x) is not None:
            continue
        recorded = trace(f, (x,))
        if recorded.tape.depends_on_values is None:
            found = ra.record(f, x)(x + np.float32(0.25))
            expected = f(x + np.float32(0.25))
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_numbers_of_complex_values_are_multiplied_again_to_the_bits_of_numpys_numbers(dtype):
    # The loops of np.multiply and np.absolute, which a tape would else run, give others.
    rng = np.random.default_rng(5)
    z = (rng.normal(size=40) + 1j * rng.normal(size=40)).astype(dtype)

    def f(z):
        return [z[k] * z[k + 1] + abs(z[k]) * z[k] * 0.3 + 0.7j * z[k] for k in range(39)]

    tape = trace(f, (z[::-1].copy(),)).tape
    for run in (Interpreter(tape), Program(tape)):
        found, expected = np.array(run.run([z])), np.array(f(z))
        assert found.tobytes() == expected.tobytes()


def test_arrays_of_one_complex_number_are_multiplied_again_to_the_same_bits():
    rng = np.random.default_rng(6)

    def f(z):
        for _ in range(6):
            z = z * z * 0.7 + z * (0.3 - 0.2j)
        return z

    tape = trace(f, (np.ones(1, complex),)).tape
    program = Program(tape)
    for _ in range(100):
        z = rng.normal(size=1) + 1j * rng.normal(size=1)
        assert program.run([z])[0].tobytes() == f(z).tobytes()


def test_steps_that_compute_with_complex_numbers_one_by_one_are_what_was_recorded():
    def step(u, c, k):
        for i in range(3):
            u[i] = u[i] * u[(i + 1) % 3] * 0.5 + c * abs(u[i])
        return u

    simulation = ra.Simulation(step, steps=9, replay_check="all")
    start = np.array([0.3 + 0.2j, 0.1 + 0.5j, 0.7 - 0.3j])

    def f(c):
        return np.sum(np.abs(simulation(start, c).state))

    def plain(c):
        u = start.copy()
        for k in range(9):
            u = step(u, c, k)
        return np.sum(np.abs(u))

    assert ra.grad(f)(0.31 + 0.17j) == pytest.approx(ra.grad(plain)(0.31 + 0.17j), rel=1e-13)


def test_complex_products_that_numpy_rounds_by_where_they_lie_are_no_hidden_state():
    rng = np.random.default_rng(7)
    start = 0.5 * (rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))

    def step(a, p, k):
        a[:, 1] *= a[:, 2]
        a[1, ::2] *= a[1, 1::2] * p
        return a * p

    simulation = ra.Simulation(step, steps=6, replay_check="all")

    def plain(p):
        a = start.copy()
        for k in range(6):
            a = step(a, p, k)
        return np.sum(np.abs(a) ** 2)

    found = ra.grad(lambda p: np.sum(np.abs(simulation(start, p).state) ** 2))(0.9)
    assert found == pytest.approx(ra.grad(plain)(0.9), rel=1e-12)

"""What a recording sees: views and writes as in NumPy, creation from nothing, scratch buffers."""

import math
import threading
from collections import deque

import numpy as np
import pytest
from numpy import zeros as zeros_by_name

import revolve_ad as ra
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.traced.recorder import active
from revolve_ad.errors import (
    HiddenStateError,
    TracedValueError,
    UnsupportedOperationError,
    WriteError,
)

X = np.array([0.3, -1.2, 2.5, 0.7, 1.1, -0.4])


def slopes(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


def assert_gradient(f, x=X):
    value, gradient = ra.value_and_grad(f)(x)
    assert value == f(x.copy())
    np.testing.assert_allclose(gradient, slopes(lambda y: f(y.copy()), x), atol=1e-8)


def test_a_write_through_any_view_is_seen_by_all():
    def f(x):
        a = x[1:]
        b = x[::-1]
        c = x.reshape(2, 3).T
        a[0] = a[1] * 2
        b[:2] *= c[0]
        c[1] += 1.5
        return np.sum(x * x[::-1] * np.arange(6.0)) + c[2, 1]

    assert_gradient(f)


def test_reads_come_before_the_write_of_the_same_statement():
    def f(x):
        x[1:] += x[:-1] * x[1:]
        x[:-1] = x[1:] - x[:-1]
        return np.sum(x**3)

    assert_gradient(f)


def test_swapped_names_and_double_buffers():
    def f(x):
        a, b = x.copy(), np.empty(6)
        for _ in range(3):
            b[1:-1] = a[2:] * a[:-2]
            b[0], b[-1] = a[-1], a[0]
            a, b = b, a
        return np.sum(a * b)

    assert_gradient(f)


def test_arrays_made_inside_by_every_creation_function():
    def f(x):
        made = [
            np.zeros(3),
            np.ones((3,)),
            np.full(3, 2.0),
            np.empty(3),
            np.zeros_like(x[:3]),
            np.ones_like(x[:3]),
            np.full_like(x[:3], x[1]),
            np.arange(3.0),
            np.linspace(0, 1, 3),
            np.array([1.0, 2.0, 3.0]),
            zeros_by_name(3),
            np.eye(3)[1],
        ]
        total = x[0] * 0
        for k, a in enumerate(made):
            a[0] = x[k % 6]
            a[1:] = a[1:] * 0 + x[3:5]
            total += np.sum(a * a)
        return total + np.sum(np.full(2, x[2]) * np.linspace(x[0], x[1], 2))

    assert_gradient(f)


def test_arrays_of_traced_numbers_in_nested_lists():
    assert_gradient(lambda x: np.sum(np.array([[x[0], 1.0], [x[1] * x[2], x[3]]]) ** 2))
    assert_gradient(lambda x: np.sum(np.asarray([x[:2], x[2:4]]) @ np.array([x[4], 3.0])))
    # Arrays beside lists, so that numbers stand deeper than arrays.
    assert_gradient(lambda x: np.sum(np.array([x[:3], [1, x[0], x[5]], x[3:] ** 2]) ** 3))


def test_np_empty_is_an_allocation_and_never_its_garbage():
    def f(x):
        a = np.empty(6)
        a[:3] = x[:3]
        a[3:] = x[:3]
        return a

    tape = trace(f, (X,)).tape.pruned()
    assert all(n.op.name != "constant" for n in tape.nodes)


def test_the_class_ndarray_makes_arrays_too():
    def f(x):
        a = np.ndarray(6)
        a[:] = x * x
        assert isinstance(a, np.ndarray)
        return np.sum(a * x)

    assert_gradient(f)


_buffer = np.zeros(6)
_inner = _buffer[1:-1]
_other = np.ones(6)


def test_scratch_buffers_from_outside_work():
    def helper(x):
        np.multiply(x, x, out=_buffer)

    def f(x):
        helper(x)
        _inner[...] *= x[0]
        return np.sum(_buffer * x)

    assert_gradient(f)


def test_scratch_buffers_in_defaults_work():
    def f(x, work=_buffer, *, pair=(_other, 2.0)):
        work[:] = x
        np.multiply(work, pair[1], out=pair[0])
        work += pair[0]
        return np.sum(work**2)

    assert_gradient(f)

    def adds(x, total=_buffer):
        total += x
        return np.sum(total)

    with pytest.raises(HiddenStateError, match="read by it and then written"):
        ra.grad(adds)(X)


def test_scratch_buffers_of_an_object_work():
    class Model:
        def __init__(self):
            self.work = np.zeros(6)

        def step(self, x):
            self.work[1:] = x[1:] * x[:-1]
            return np.sum(self.work[1:] * x[0])

    model = Model()
    assert_gradient(model.step)
    assert_gradient(lambda x: model.step(x * x))


_shifts, _places, _shape, _axes = (np.array(v) for v in ([1, 2], [1], [2, 3], [1, 0]))


@pytest.mark.parametrize(
    "use",
    [
        lambda a: np.roll(a, _shifts, axis=(0, 1)),
        lambda a: np.roll(a, 1, axis=_axes),
        lambda a: np.split(a, _places, axis=_axes[0])[1],
        lambda a: np.take(a, _shifts, axis=_axes[0]),
        lambda a: np.broadcast_to(a[0], _shape),
        lambda a: np.broadcast_to(a[0], np.array([2, 3])),
        lambda a: a.reshape(_shape[::-1]),
        lambda a: np.repeat(a, _shape, axis=0),
        lambda a: np.pad(a, np.array([[1, 0], [0, 2]])),
    ],
)
def test_whole_numbers_from_outside_serve_beside_a_scratch_buffer(use):
    def f(x):
        _buffer[:] = np.sin(x)
        return np.sum(use(_buffer.reshape(2, 3)) ** 2)

    assert_gradient(f)


def test_arrays_in_captured_containers_are_copied_and_written():
    start = {"u": np.linspace(0.5, 1.0, 6), "more": [np.ones((2, 3)), 3.0]}
    kept = start["u"].copy()

    def f(x):
        u, (w, c) = start["u"].copy(), start["more"]
        v = {name: part for name, part in start.items() if name != "more"}["u"].copy()
        w = w.copy()
        u[1:] *= x[:-1]
        v += u * c
        w[0] -= x[:3]
        return np.sum(u * v) + np.sum(w**2)

    assert_gradient(f)
    assert start["u"].tobytes() == kept.tobytes()


def test_scratch_buffers_of_an_object_that_is_called_itself_work():
    class Model:
        def __init__(self):
            self.work, self.weights = np.zeros(6), np.linspace(1, 2, 6)

        def total(self, x):
            np.multiply(x, self.weights, out=self.work)
            self.work[1:] += x[:-1]
            return np.sum(self.work**2)

        def __call__(self, x):
            return self.total(x) * 2

    model = Model()
    assert_gradient(model)


def test_compiled_code_gets_plain_arrays_while_a_recording_is_open():
    rng = np.random.default_rng(0)

    def f(x):
        noise = rng.normal(size=6) + np.random.default_rng(1).random(6)
        return np.sum(x * noise)

    assert ra.grad(f)(X).shape == (6,)


def test_a_captured_variable_that_is_none_stays_none():
    nothing = None
    buffer = np.zeros(6)

    def f(x):
        buffer[:] = x * x
        return np.sum(buffer) if nothing is None else x[0]

    assert_gradient(f)


def test_an_element_of_a_captured_array_may_be_written():
    c = np.zeros(3)

    def f(x):
        c[:] = 0.0
        c[0] += x[0] * x[1]
        c[1] = x[2]
        return np.sum(c * c)

    assert_gradient(f)


def test_unique_elements_keep_their_derivative():
    assert_gradient(lambda x: np.sum(np.unique(np.array([x[0], x[1], x[0]])) ** 2))


def test_hidden_state_in_an_array_from_outside_is_refused():
    total = np.zeros(6)

    def f(x):
        total[:] = total + x
        return np.sum(total)

    with pytest.raises(HiddenStateError, match="part of the state"):
        ra.grad(f)(X)
    assert not total.any()


def test_a_method_of_a_plain_array_from_outside_takes_traced_values():
    assert_gradient(lambda x: X.dot(x * x))


def test_a_copy_of_an_array_from_outside_is_no_hidden_state():
    start, buffer = np.linspace(0.5, 1.0, 6), np.linspace(1.0, 2.0, 6)

    def f(x):
        u = start.copy()
        for _ in range(3):
            u[1:] *= u[:-1] * x[0]
            u[2] = u[3] * x[1]
        buffer[:2] = x[:2]
        v = buffer.copy()
        v[3] = v[2] * v[0]
        v += u
        return np.sum(v**2)

    assert_gradient(f)

    def hidden(x):
        v = buffer.copy()
        buffer[:2] = x[:2]
        return np.sum(v * x)

    with pytest.raises(HiddenStateError):
        ra.grad(hidden)(X)


def test_parts_of_a_scratch_buffer_that_stay_as_they_are_may_be_read():
    buffer = np.full(6, 2.0)

    def f(x):
        buffer[1:-1] = x[1:-1]
        return np.sum(buffer * x)

    assert_gradient(f)


def test_the_callers_arrays_stay_as_they_are():
    x = X.copy()
    ra.grad(lambda u: np.sum(np.multiply(u, 2, out=u)))(x)
    np.testing.assert_array_equal(x, X)


def test_numpy_is_as_before_after_an_exception():
    before = {name: getattr(np, name) for name in ("zeros", "array", "empty", "arange")}

    def f(x):
        np.zeros(3)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ra.grad(f)(X)
    assert {name: getattr(np, name) for name in before} == before
    assert active() is None
    assert type(zeros_by_name(2)) is np.ndarray


def test_other_threads_keep_numpy_as_it_is():
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other():
        inside.wait(600)
        seen.append(type(np.zeros(3)))
        seen.append(type(zeros_by_name(3)))
        done.set()

    def f(x):
        inside.set()
        done.wait(600)
        a = np.zeros(6)
        a[:] = x
        return np.sum(a)

    thread = threading.Thread(target=other)
    thread.start()
    np.testing.assert_array_equal(ra.grad(f)(X), np.ones(6))
    thread.join()
    assert seen == [np.ndarray, np.ndarray]


def test_recordings_in_many_threads_do_not_disturb_each_other():
    results = [None] * 8

    def work(k):
        for _ in range(20):
            x = X * (k + 1)

            def f(u):
                a = np.zeros(6)
                a[:] = u * u
                return np.sum(a * u)

            results[k] = ra.grad(f)(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, g in enumerate(results):
        np.testing.assert_array_equal(g, ra.grad(lambda u: np.sum(u * u * u))(X * (k + 1)))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: math.sin(x[0]),
        lambda x: float(x[0]),
        lambda x: np.frombuffer(x),
        lambda x: complex(x[0]),
        lambda x: np.nditer([x, x]),
    ],
)
def test_what_would_lose_the_derivative_raises(f):
    with pytest.raises((TracedValueError, UnsupportedOperationError, TypeError)):
        ra.grad(f)(X)


def test_a_plain_array_that_cannot_be_traced_refuses_traced_values():
    buffers = deque([np.zeros(6)])

    def f(x):
        buffers[0][:] = x
        return np.sum(x)

    with pytest.raises(TracedValueError):
        ra.grad(f)(X)


def test_a_function_without_a_rule_names_itself_and_the_remedy():
    with pytest.raises(UnsupportedOperationError, match=r"numpy.save .*\n.*primitive"):
        ra.grad(lambda x: np.save("file", x))(X)


def test_a_traced_value_that_outlives_its_recording_says_so():
    kept = []

    def f(x):
        kept.append(x[1:] * 2)
        return np.sum(x)

    ra.grad(f)(X)
    with pytest.raises(TracedValueError, match="recording had ended"):
        kept[0] + 1


def test_branches_on_values_are_noted_with_their_line():
    def f(x):
        return np.sum(x) if x[0] > 0 else x[1]

    tape = ra.record(f, X)
    assert "test_recording.py" in tape.depends_on_values
    assert "branch" in tape.depends_on_values
    assert_gradient(f)
    assert_gradient(f, -X)


def test_a_mask_write_of_a_number_needs_no_branch():
    def f(x):
        x[x > 0.5] = 0.25
        return np.sum(x * x)

    assert ra.record(f, X).depends_on_values is None
    assert_gradient(f)


def test_python_numbers_stay_weak():
    def f(x, p):
        return np.sum(x * p * 2.0)

    value, (gx, gp) = ra.value_and_grad(f, (0, 1))(X.astype(np.float32), 0.5)
    assert value.dtype == gx.dtype == np.float32
    assert gp.dtype == np.float64


def test_integer_steps_index_as_numpy_does():
    def f(x, k):
        return x[k] * x[k + 1] + np.sum(x[k : k + 3])

    tape = trace(f, (X, 1)).tape
    assert tape.depends_on_values is None
    from revolve_ad.ad.running.program import Program

    for k in range(4):
        assert Program(tape).run([X, np.int64(k)])[0] == f(X, k)


def test_write_into_a_read_only_argument_is_an_error():
    def f(x, p):
        p[0] = 1.0
        return x

    with pytest.raises(WriteError, match="copy"):
        trace(f, (X, X.copy()), read_only=(False, True))


def test_a_traced_value_of_an_outer_recording_is_a_hidden_param():
    def outer(p):
        inner = ra.grad(lambda x: np.sum(x * x * p))  # p is of the outer recording
        return np.sum(inner(X) * np.arange(6.0))

    assert_gradient(outer)
    assert_gradient(lambda p: np.sum(ra.grad(lambda x: np.sum((p * x) ** 3))(p)))


def test_casts_that_numpy_forbids_are_forbidden():
    def into_integers(x):
        np.multiply(x, 2.5, out=np.zeros(6, int))
        return np.sum(x)

    def copied(x):
        np.copyto(np.zeros(6, int), x)
        return np.sum(x)

    def narrowed(x):
        return np.sum(np.add(x, 1.0, dtype=np.float32, casting="safe"))

    for f in (into_integers, copied, narrowed):
        with pytest.raises(TypeError) as plain:
            f(X)
        with pytest.raises(TypeError) as recorded:
            ra.grad(f)(X)
        assert str(recorded.value) == str(plain.value)


def test_parts_of_complex_arrays_are_views_of_them():
    def f(x):
        z = (x * (1 + 0.5j)).reshape(2, 3)
        re, im = z.real, z.imag[1:]
        re[0] *= im[0]
        im[0, ::2] += re[0, 0]
        z *= 1j - 0.3
        z.real[z.imag > 0.5] = 0.25
        z.imag = z.imag**2
        return np.sum(np.abs(z) ** 2 * np.arange(6.0).reshape(2, 3)) + re[0, 1] * np.sum(im)

    assert_gradient(f)
    v = np.linspace(-1.0, 2.0, 6)
    gradient = ra.grad(f)
    slope = (gradient(X + 1e-6 * v) - gradient(X - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(ra.hvp(f, X, v), slope, rtol=1e-6, atol=1e-6)
    assert ra.record(f, X)(X + 0.01) == f(X + 0.01)


def test_results_go_into_parts_of_complex_arrays():
    def f(x):
        z = np.empty(6, complex)
        np.sin(x, out=z.real)
        z.imag = x[::-1]
        return np.sum((z * z).imag * np.arange(6.0))

    assert_gradient(f)


def test_reshape_copies_when_asked_to():
    def f(x):
        a = x.reshape(2, 3)
        b = a.reshape((3, 2), copy=True)
        b[0] = a[0, 0] ** 2
        return np.sum(x**2) + np.sum(b * a.T)

    def impossible(x):
        return np.sum(x.reshape(2, 3).T.reshape(-1, copy=False))

    def as_in_numpy_2_0(x):
        a = x.reshape(2, 3)
        b = a.reshape(3, 2).copy()
        b[0] = a[0, 0] ** 2
        return np.sum(x**2) + np.sum(b * a.T)

    assert ra.value_and_grad(f)(X)[0] == as_in_numpy_2_0(X)
    np.testing.assert_array_equal(ra.grad(f)(X), ra.grad(as_in_numpy_2_0)(X))
    with pytest.raises(ValueError, match="avoid"):
        ra.grad(impossible)(X)


def test_asarray_copies_where_another_order_is_asked_for():
    def f(x):
        a = np.asarray(x.reshape(2, 3), order="F")
        a[0] = 0.0
        return np.sum(x**2) + np.sum(a * np.arange(3.0))

    assert_gradient(f)

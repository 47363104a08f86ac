"""NumPy stays as it is for other threads, after exceptions and interrupts, between recordings."""

import contextlib
import gc
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest
from numpy import empty as empty_by_name
from numpy import zeros as zeros_by_name

import revolve_ad as ra
from revolve_ad.ad.traced.recorder import active
from revolve_ad.errors import TracedValueError

X = np.array([0.31, -1.2, 2.6, 0.7, 1.1, -0.4])
ORIGINAL = {name: getattr(np, name) for name in ("zeros", "empty", "array", "arange", "full")}


def filled(u):
    a, b = zeros_by_name(6), empty_by_name(u.shape)
    for k in range(6):
        a[k] = u[k] * (k + 1)
    b[:] = np.array([u[5], u[4], u[3], u[2], u[1], u[0]])
    return np.sum(a * b) + np.sum(np.linspace(u[0], u[1], 3))


def by_hand(x):
    weights = np.arange(1.0, 7.0)
    found = (weights + weights[::-1]) * x[::-1]
    found[:2] += 1.5
    return found


def assert_untouched():
    __tracebackhide__ = True
    assert active() is None
    assert gc.isenabled()
    assert {name: getattr(np, name) for name in ORIGINAL} == ORIGINAL
    assert zeros_by_name is ORIGINAL["zeros"]
    assert empty_by_name is ORIGINAL["empty"]
    assert type(np.zeros(2)) is np.ndarray


def test_threads_that_record_and_threads_that_use_numpy_do_not_see_each_other():
    stop = threading.Event()
    wrong = []

    def record(k):
        x = X * (k + 1)
        expected = by_hand(x)
        for _ in range(40):
            if not np.allclose(ra.grad(filled)(x), expected, rtol=1e-13):
                wrong.append(k)

    def use():
        while not stop.is_set():
            made = [np.zeros(3), zeros_by_name(3), np.array([1.0, 2.0]), np.full(3, 2.0)]
            if any(type(a) is not np.ndarray for a in made) or not gc.get_threshold():
                wrong.append("plain")
            a = np.arange(5)
            a[1:] += a[:-1]
            if a.tolist() != [0, 1, 3, 5, 7]:
                wrong.append("arange")
            time.sleep(0)

    users = [threading.Thread(target=use) for _ in range(2)]
    recorders = [threading.Thread(target=record, args=(k,)) for k in range(6)]
    for t in (*users, *recorders):
        t.start()
    for t in recorders:
        t.join()
    stop.set()
    for t in users:
        t.join()
    assert not wrong
    assert_untouched()


def test_simulations_in_many_threads_give_the_gradients_of_one():
    def step(u, p, k):
        new = np.zeros_like(u)
        new[1:-1] = u[1:-1] + p * (u[2:] - 2 * u[1:-1] + u[:-2])
        return new

    sim = ra.Simulation(step, steps=6, schedule=ra.schedule.binomial(6, 2), native=False)
    gradient = ra.grad(lambda u, p: np.sum(sim(u, p).state ** 2), argnums=(0, 1))
    alone = [gradient(X * (k + 1), 0.1) for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda k: gradient(X * (k % 4 + 1), 0.1), range(12)))
    for k, (by_u, by_p) in enumerate(together):
        np.testing.assert_array_equal(by_u, alone[k % 4][0])
        assert by_p == alone[k % 4][1]
    assert_untouched()


def test_a_traced_value_in_another_thread_is_refused():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: np.sum(x * x)).result()

    for g in (f, lambda x: _in_thread(lambda: x[0]), lambda x: _in_thread(lambda: x[1:] + 1)[0]):
        with pytest.raises(TracedValueError, match="another thread"):
            ra.grad(g)(X)
    assert_untouched()


def _in_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_thread_that_a_recorded_function_starts_gets_plain_arrays():
    def f(x):
        made = _in_thread(lambda: zeros_by_name(6) + 2)
        assert type(made) is np.ndarray
        return np.sum(x * made)

    np.testing.assert_array_equal(ra.grad(f)(X), np.full(6, 2.0))


@pytest.mark.parametrize(
    "kind", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError, MemoryError]
)
def test_an_exception_in_the_function_leaves_nothing_behind(kind):
    def f(x):
        np.zeros(3)[0] = x[0]
        raise kind("mine")

    def nested(x):
        return ra.grad(f)(x)[0]

    for g in (f, nested):
        with pytest.raises(kind, match="mine"):
            ra.grad(g)(X)
        assert_untouched()
    np.testing.assert_allclose(ra.grad(filled)(X), by_hand(X))


def test_an_exception_in_a_step_leaves_nothing_behind():
    def step(u, p, k):
        if k == 3:
            raise ZeroDivisionError("mine")
        return np.array([u[1], u[0]])

    sim = ra.Simulation(step, steps=5, native=False)
    with pytest.raises(ZeroDivisionError, match="mine"):
        ra.grad(lambda u: np.sum(sim(u).state))(np.ones(2))
    assert_untouched()


# An interrupt may come in a weak reference's callback, from where Python lets none out.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_an_interrupt_at_any_moment_leaves_nothing_behind():
    def interrupt(*_):
        raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for delay in rng.uniform(1e-5, 3e-3, 200):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                ra.grad(filled)(X)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            # Python may be interrupted before it gets to any cleanup; the next recording does it.
            assert active() is None
            assert type(np.zeros(2)) is type(zeros_by_name(2)) is np.ndarray
            ra.grad(filled)(X)
            assert_untouched()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 5
    np.testing.assert_allclose(ra.grad(filled)(X), by_hand(X))


def running_sums(u):
    total = zeros_by_name(u.shape[1:]) if u.ndim > 1 else 0.0
    kept = np.zeros(6)
    for k, x in enumerate(u):
        total = total + x
        kept[k] = total
        yield kept.copy()


def test_a_generator_inside_of_a_recorded_function_is_recorded():
    def f(x):
        return np.sum([*running_sums(x * x)][-1])

    np.testing.assert_allclose(ra.grad(f)(X), 2 * X * np.arange(6, 0, -1))


def test_a_generator_that_outlives_the_recording_says_so_and_plain_ones_go_on():
    kept = []

    def f(x):
        kept.append(running_sums(x))
        return np.sum(next(kept[0]) * x)

    ra.grad(f)(X)
    with pytest.raises(TracedValueError, match="recording had ended"):
        next(kept[0])

    plain = running_sums(X)
    next(plain)

    def advances_a_plain_one(x):
        return np.sum(next(plain) * x)

    np.testing.assert_allclose(ra.grad(advances_a_plain_one)(X)[:2], np.cumsum(X)[:2])
    np.testing.assert_allclose(next(plain)[:3], np.cumsum(X)[:3])
    assert_untouched()


def test_a_coroutine_may_be_run_by_a_recorded_function():
    async def part(x):
        a = np.zeros(3)
        a[:] = x[:3] ** 2
        return a

    async def whole(x):
        return np.sum(await part(x)) + x[5] * (await part(x * 2))[0]

    def run(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("it waits for something")

    gradient = ra.grad(lambda x: run(whole(x)))(X)
    expected = np.r_[2 * X[:3], 0, 0, 4 * X[0] ** 2]
    expected[0] += 8 * X[5] * X[0]
    np.testing.assert_allclose(gradient, expected)


def test_the_collector_rests_while_a_function_is_recorded_and_never_longer():
    seen = []

    def f(x):
        seen.append(gc.isenabled())
        inner = ra.grad(lambda y: np.sum(y * y))(x)  # ends before the outer recording does
        seen.append(gc.isenabled())
        return np.sum(inner)

    assert gc.isenabled()
    ra.grad(f)(X)
    assert seen == [False, False]
    assert gc.isenabled()
    gc.disable()
    try:
        ra.grad(f)(X)
        assert not gc.isenabled()  # as the user left it
    finally:
        gc.enable()


def test_the_collector_runs_again_when_the_last_of_several_recordings_ends():
    inside, go = threading.Barrier(3, timeout=600), threading.Event()

    def f(x):
        inside.wait()
        go.wait(600)
        return np.sum(x * x)

    def fails(x):
        inside.wait()
        go.wait(600)
        raise KeyError("mine")

    def work(g):
        with contextlib.suppress(KeyError):
            ra.grad(g)(X)

    threads = [threading.Thread(target=work, args=(g,)) for g in (f, fails)]
    for t in threads:
        t.start()
    inside.wait()
    assert not gc.isenabled()
    go.set()
    for t in threads:
        t.join()
    assert_untouched()


def test_elements_of_np_empty_that_nobody_writes_are_zero_and_have_no_derivative():
    def f(x):
        a = np.empty(6)
        b = np.empty_like(x)
        c = np.ndarray((2, 3))
        a[:2] = x[:2]
        b[3] = x[3]
        c[1] = x[:3]
        return np.sum(a * a) + np.sum(b * b) + np.sum(c * c)

    np.testing.assert_allclose(
        ra.grad(f)(X), [4 * X[0], 4 * X[1], 2 * X[2], 2 * X[3], 0, 0], rtol=1e-15
    )


def test_a_module_that_comes_during_a_recording_hides_no_other_from_the_next(monkeypatch):
    helper = ModuleType("helper_of_a_user")
    exec("import numpy as np\ndef pair(x):\n    return np.array([x, 2.0 * x])", helper.__dict__)
    monkeypatch.setitem(sys.modules, helper.__name__, helper)

    replaced = []

    def objective(x):
        replaced.append(helper.np is not sys.modules["numpy"])
        # Modules are looked through anew while this recording has replaced NumPy's names.
        monkeypatch.setitem(sys.modules, "imported_late", ModuleType("imported_late"))
        inner = ra.grad(lambda y: y * y)(x)
        return np.sum(helper.pair(x)) + inner

    for _ in range(3):
        assert ra.grad(objective)(1.5) == 5.0
    assert replaced == [True, True, True]
    assert helper.np is np

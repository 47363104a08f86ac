"""A gradient by the tape of an earlier call is the one that the function would give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
import revolve_ad.ad.derivatives as derivatives

SCALE = 2.0
DATA = np.linspace(0.0, 1.0, 5)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that grows by each function that is recorded for a gradient."""
    seen: list[Any] = []
    original = derivatives.trace

    def trace(f: Any, *args: Any, **options: Any) -> Any:
        seen.append(f)
        return original(f, *args, **options)

    monkeypatch.setattr(derivatives, "trace", trace)
    return seen


def misfit(x: Any) -> Any:
    return 0.5 * np.sum((SCALE * np.sin(x) - DATA) ** 2)


def same(a: Any, b: Any) -> bool:
    (value, gradient), (other, another) = a, b
    return (
        type(value) is type(other)
        and value == other
        and type(gradient) is type(another)
        and np.asarray(gradient).tobytes() == np.asarray(another).tobytes()
    )


def fresh(f: Callable[..., Any], *args: Any) -> Any:
    return ra.value_and_grad(f)(*args)


def test_a_function_is_recorded_twice_and_then_no_more(recorded: list[Any]) -> None:
    both = ra.value_and_grad(misfit)
    rng = np.random.default_rng(0)
    points = [rng.normal(size=5) for _ in range(4)]
    found = [both(x) for x in (*points, points[0])]
    assert len(recorded) == 2
    assert same(found[0], found[-1])
    assert all(same(a, fresh(misfit, x)) for a, x in zip(found, points, strict=False))


def test_what_it_returns_is_the_callers(recorded: list[Any]) -> None:
    both = ra.value_and_grad(misfit)
    x = np.ones(5)
    for _ in range(4):
        _, gradient = both(x)
        expected = gradient.copy()
        gradient[:] = np.nan
    assert both(x)[1].tobytes() == expected.tobytes()
    assert len(recorded) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.setitem(globals(), "SCALE", 3.0),
        lambda m: m.setitem(globals(), "DATA", np.ones(5)),
        lambda m: DATA.__setitem__(2, 7.0),
    ],
)
def test_what_has_changed_since_is_recorded(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ra.value_and_grad(misfit)
    x = np.ones(5)
    kept = DATA.copy()
    first = [both(x) for _ in range(3)][-1]
    with monkeypatch.context() as context:
        change(context)
        for _ in range(3):
            found = both(x)
            assert same(found, fresh(misfit, x))
            assert not same(found, first)
    DATA[:] = kept
    assert all(same(both(x), first) for _ in range(3))


def test_arguments_of_another_form_are_recorded(recorded: list[Any]) -> None:
    def f(x: Any, a: Any) -> Any:
        return np.sum(a * x * x)

    both = ra.value_and_grad(f)
    for _ in range(3):
        both(np.ones(3), 2.0)
    assert len(recorded) == 2
    for args in (
        (np.ones(4), 2.0),
        (np.ones(3, np.float32), 2.0),
        (np.ones(3), np.float64(2.0)),
        (np.ones(3), 2),
        (np.ones((3, 2)).T[0], 2.0),
        (np.ones(6)[::2], 2.0),
        (1.0, 2.0),
    ):
        n = len(recorded)
        assert same(both(*args), fresh(f, *args))
        assert len(recorded) == n + 2
    n = len(recorded)
    both(np.ones(3), 5.0)
    assert len(recorded) == n


def test_a_function_that_isnt_known_is_recorded_each_time(recorded: list[Any]) -> None:
    calls = []

    def counts(x: Any) -> Any:
        calls.append(0)
        return len(calls) * np.sum(x)

    both = ra.value_and_grad(counts)
    assert [both(np.ones(2))[0] for _ in range(4)] == [2.0, 4.0, 6.0, 8.0]
    assert len(recorded) == 4


def test_branches_are_recorded_each_time(recorded: list[Any]) -> None:
    def branches(x: Any) -> Any:
        return x * x if x > 0 else -x

    gradient = ra.grad(branches)
    assert [float(gradient(x)) for x in (1.0, 2.0, -1.0, 3.0)] == [2.0, 4.0, -1.0, 6.0]
    assert len(recorded) == 4


def test_inside_of_a_recording_it_is_recorded() -> None:
    inner = ra.grad(lambda x: x**3)
    for _ in range(3):
        inner(2.0)
    outer = ra.grad(lambda x: inner(x))
    assert [float(outer(x)) for x in (2.0, 3.0, 2.0)] == [12.0, 18.0, 12.0]


def test_errors_come_from_the_function_itself() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.linalg.inv(x))

    both = ra.value_and_grad(f)
    for _ in range(3):
        both(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        both(np.zeros((2, 2)))
    assert any(entry.name == "f" for entry in caught.traceback)


def test_a_function_that_reads_something_else_each_time_isnt_prepared_each_time(
    recorded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ra.value_and_grad(misfit)
    x = np.ones(5)
    for k in range(20):
        monkeypatch.setitem(globals(), "SCALE", float(k))
        assert same(both(x), both(x))
    n = len(recorded)
    both(x)
    assert len(recorded) == n + 1


def test_structured_arguments_and_their_gradients() -> None:
    def f(p: Any, q: Any) -> Any:
        return np.sum(p["a"] ** 2) * p["b"][0] + q

    both = ra.value_and_grad(f, (0, 1))
    args = {"a": np.arange(3.0), "b": (2.0,)}, 1
    found = [both(*args) for _ in range(4)]
    for value, (p, q) in found:
        assert value == 11.0
        assert p["a"].tolist() == [0.0, 4.0, 8.0]
        assert p["b"] == (5.0,)
        assert q == 1.0
        assert type(value) is type(found[0][0])
        assert type(p["b"][0]) is type(found[0][1][0]["b"][0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x),
        lambda x: x[0],
        lambda x: 3.0 * x[1] + 0.0 * x[0],
        lambda x: np.float64(2.0) * np.sum(x * 0.0),
        lambda x: np.sum(np.abs(x) ** 2).reshape(()),
        lambda x: np.linalg.norm(np.array([x[0], x[1] * x[2]])),
        lambda x: np.max(x),
        lambda x: np.sum(np.zeros(3) + x),
        lambda x: np.mean(np.fft.ifft(np.fft.fft(x)).real ** 2),
        lambda x: np.sum(np.real(x * np.conj(x)).astype(np.float32)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_value_and_gradient_are_in_all_calls_of_the_same_kind(f: Any, dtype: Any) -> None:
    x = np.array([0.5, -1.5, 2.5], dtype)

    def real(x: Any) -> Any:
        return np.real(f(x))

    both = ra.value_and_grad(real)
    first = both(x)
    for _ in range(4):
        found = both(x)
        assert same(found, first)
        assert found[0].dtype == first[0].dtype
        assert found[1].dtype == first[1].dtype == dtype
        assert found[1].flags.writeable
        found[1][:] = 7.0
    assert x.tolist() == [0.5, -1.5, 2.5]


def chain(x: Any) -> Any:
    y = x
    for _ in range(10):
        y = np.sin(y) * x + np.exp(-y * y) * 0.5
    return y


LARGE = 1 << 17  # elements: a megabyte


def test_a_function_of_large_arrays_runs_in_blocks(recorded: list[Any]) -> None:
    def norm(x: Any) -> Any:
        return np.sum(chain(x) ** 2)

    both = ra.value_and_grad(norm)
    points = [np.linspace(0.1, k, LARGE) for k in (1.0, 2.0, 1.5, 1.0)]
    found = [both(x) for x in points]
    assert len(recorded) == 2
    assert all(same(a, fresh(norm, x)) for a, x in zip(found, points, strict=True))
    assert same(found[0], found[3])


def test_a_function_that_would_hold_much_memory_is_recorded_each_time(recorded: list[Any]) -> None:
    def ratio(x: Any) -> Any:  # the reverse of the chain has to wait for both sums
        return np.sum(chain(x)) / np.sum(x)

    both = ra.value_and_grad(ratio)
    found = [both(np.linspace(0.1, 1.0, LARGE)) for _ in range(4)]
    assert len(recorded) == 4
    assert all(same(a, found[0]) for a in found)


def decay(u: Any, p: Any, k: Any) -> Any:
    return u * (1.0 - 0.1 * p)


SMALL_RUN, LARGE_RUN = ra.Simulation(decay, steps=3), ra.Simulation(decay, steps=4)


@pytest.mark.parametrize(("run", "size", "times"), [(SMALL_RUN, 9, 2), (LARGE_RUN, LARGE, 4)])
def test_beside_a_simulation_little_memory_is_held(
    run: Any, size: int, times: int, recorded: list[Any]
) -> None:
    def norm(x: Any) -> Any:
        return np.sum(run(x, 0.5).state ** 2)

    both = ra.value_and_grad(norm)
    found = [both(np.linspace(0.1, 1.0, size)) for _ in range(4)]
    assert sum(f is norm for f in recorded) == times
    assert all(same(a, found[0]) for a in found)


def test_arguments_that_are_not_used_get_zeros_of_the_callers_own() -> None:
    both = ra.value_and_grad(lambda x, y, z: np.sum(x) + 0.0 * z, (0, 1, 2))
    for _ in range(4):
        value, (x, y, z) = both(np.ones(2), np.ones((2, 2)), 1.0)
        assert (float(value), x.tolist(), y.tolist(), float(z)) == (
            2.0,
            [1, 1],
            [[0, 0], [0, 0]],
            0,
        )
        x[:] = y[:] = 5.0


def test_threads_share_what_is_kept() -> None:
    from concurrent.futures import ThreadPoolExecutor

    both = ra.value_and_grad(misfit)
    points = [np.full(5, 0.1 * k) for k in range(8)]
    expected = [fresh(misfit, x) for x in points]
    for _ in range(3):
        both(points[0])
    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(both, points * 20))
    assert all(same(a, expected[k % 8]) for k, a in enumerate(found))

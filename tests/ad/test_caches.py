"""A value with a derivative finds nothing in a cache, where its derivative would be lost."""

import functools
import sys
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import TracedValueError

CACHE: dict[str, Any] = {"rate": None}


def matrix(rate: Any) -> Any:
    return np.eye(2) + rate * np.array([[0.0, 1.0], [2.0, 0.5]])


def total(matrix: Any) -> Any:
    return np.sum(np.linalg.inv(matrix))


class Solver:
    def __init__(self) -> None:
        self.rate: Any = None
        self.calls = 0

    def at_once(self, rate: Any) -> Any:
        if self.rate is None or self.rate != rate:
            self.rate, self.matrix = rate, matrix(rate)
        return total(self.matrix)

    def by_another_method(self, rate: Any) -> Any:
        if rate == self.rate:
            return total(self.matrix)
        return total(self.update(rate))

    def update(self, rate: Any) -> Any:
        self.rate, self.matrix = rate, matrix(rate)
        return self.matrix

    def of_arrays(self, rate: Any) -> Any:
        if self.rate is None or not np.array_equal(self.rate, rate):
            self.rate, self.matrix = rate, matrix(rate[0])
        return total(self.matrix)

    def all_equal(self, rate: Any) -> Any:
        if self.rate is None or not (self.rate == rate).all():
            self.rate, self.matrix = rate, matrix(rate[0])
        return total(self.matrix)

    def near(self, rate: Any) -> Any:
        if self.rate is None or not np.allclose(rate, self.rate):
            self.rate, self.matrix = rate, matrix(rate[0])
        return total(self.matrix)


def in_a_dict(rate: Any) -> Any:
    if CACHE["rate"] is None or CACHE["rate"] != rate:
        CACHE["rate"] = rate
        CACHE["matrix"] = matrix(rate)
    return total(CACHE["matrix"])


def by_nonlocal() -> Any:
    last = made = None

    def f(rate: Any) -> Any:
        nonlocal last, made
        if last is None or last != rate:
            last, made = rate, matrix(rate)
        return total(made)

    return f


def by_key(key: Any) -> Any:
    known: dict[Any, Any] = {}

    def f(rate: Any) -> Any:
        k = key(rate)
        if k not in known:
            known[k] = matrix(rate)
        return total(known[k])

    return f


COMPARED = [
    (Solver().at_once, 0.3),
    (Solver().by_another_method, 0.3),
    (Solver().of_arrays, np.array([0.3])),
    (Solver().all_equal, np.array([0.3])),
    (Solver().near, np.array([0.3])),
    (in_a_dict, 0.3),
    (by_nonlocal(), 0.3),
]


@functools.lru_cache
def cached(rate: Any) -> Any:
    return matrix(rate)


class Cached:
    @functools.cache  # noqa: B019  # what users write
    def matrix(self, rate: Any) -> Any:
        return matrix(rate)

    def total(self, rate: Any) -> Any:
        return total(self.matrix(rate))


def by_default(known: dict[Any, Any]) -> Any:
    return lambda rate: total(known.setdefault(rate, matrix(rate)))


KEYED = [
    Cached().total,
    by_default({}),
    lambda rate: total(cached(rate)),
    lambda rate: total(sys.modules[__name__].cached(rate)),
    by_key(lambda rate: rate),
    by_key(lambda rate: round(rate, 6)),
    by_key(lambda rate: (rate, "implicit")),
]


@pytest.mark.parametrize(("f", "rate"), COMPARED)
@pytest.mark.parametrize("warm", [True, False])
def test_a_comparison_with_what_the_function_keeps_is_refused(
    f: Any, rate: Any, warm: bool
) -> None:
    if warm:
        f(rate)
    with pytest.raises(TracedValueError, match=r"keeps from call to call .*test_caches\.py:\d+"):
        ra.grad(f)(rate)


@pytest.mark.parametrize("f", KEYED)
def test_a_key_with_a_derivative_is_refused(f: Any) -> None:
    for _ in range(2):
        f(0.3)
        with pytest.raises(TracedValueError, match=r"as a key of what it keeps .*test_caches"):
            ra.grad(f)(0.3)


def test_a_step_with_a_cache_is_refused_and_named() -> None:
    class Implicit:
        dt = None

        def step(self, u: Any, p: Any, k: Any) -> Any:
            if self.dt != p["dt"]:
                self.dt, self.inverse = p["dt"], np.linalg.inv(matrix(p["dt"]))
            return self.inverse @ u

    simulation = ra.Simulation(Implicit().step, steps=5)
    start, params = np.ones(2), {"dt": 0.1}
    simulation(start, params)
    with pytest.raises(TracedValueError, match="compares a traced value with 'dt'") as caught:
        ra.grad(lambda p: np.sum(simulation(start, p).state))(params)
    assert "step 0" in "".join(caught.value.__notes__)


def test_what_is_no_cache_is_left_alone() -> None:
    table = {1: 2.0, 2: 3.0}
    fixed = {0.0: 0.5, 1.0: 2.0}

    class Counting:
        def __init__(self) -> None:
            self.calls = 0
            self.start = 0.0
            self.largest = 0.0

        def f(self, t: Any) -> Any:
            self.calls += 1
            if t == self.start:
                return 2 * t
            if ra.stop_gradient(t) > self.largest:
                self.largest = 0.5
            return table[int(t)] * t * (3.0 if t == 2.0 else 1.0)

        def by_table(self, t: Any) -> Any:
            own = {t: fixed[t]}
            return own[t] * t if t in {1.0, 2.0} else t

        def cut(self, t: Any) -> Any:
            return t * table.get(ra.stop_gradient(t), 0.5)

    counting = Counting()
    assert ra.grad(counting.f)(0.0) == 2.0
    assert ra.grad(counting.f)(2.0) == 9.0
    assert ra.grad(counting.f)(1.5) == 2.0
    assert ra.grad(counting.cut)(1.0) == 2.0
    assert ra.grad(counting.by_table)(1.0) == 2.0
    assert counting.calls >= 3


def test_a_function_that_is_a_cache_itself_is_called_anew() -> None:
    f = functools.lru_cache(lambda rate: total(matrix(rate)))
    f(0.3)
    assert ra.grad(f)(0.3) == ra.grad(f.__wrapped__)(0.3) != 0.0

"""A tape of a hundred thousand operations is nothing special: linear work, memory, no depth."""

import gc
import itertools
import sys
import tracemalloc

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.ad import table
from revolve_ad.ad.table import Row
from tests.work import work

LONG = 100_000
X = np.linspace(0.5, 1.0, 8)
_factors = itertools.count()


def factor():
    """Return a number near 1 that no tape holds yet, so that none is kept from another test."""
    return 1.0 - 1e-9 * next(_factors)


def chain(n, a):
    """Return a function of `n` operations, each on the result of the one before."""

    def f(x):
        y = x
        for _ in range(n // 2):
            y = y * a + 1e-3
        return np.sum(y)

    return f


def updates(n, a):
    """Return a function of about `n` operations that writes single elements."""

    def f(x):
        u = x.copy()
        for k in range(n // 4):
            u[k % 7] = (u[(k + 1) % 7] + u[k % 7]) * (0.5 * a)
            u[k % 5] = -u[k % 7]
        return np.sum(u)

    return f


@pytest.mark.parametrize("made", [chain, updates])
def test_ten_times_the_operations_take_ten_times_the_work_and_the_memory(made):
    def lines(n):
        f = made(n, factor())
        return work(lambda: ra.grad(f)(X)).lines

    def peak(n):
        f = made(n, factor())
        gc.collect()
        tracemalloc.start()
        try:
            ra.grad(f)(X)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert lines(2_000) < 12 * lines(200)  # a hundred times, were it quadratic
    assert peak(4_000) < 12 * peak(400)


def test_a_hundred_thousand_operations_are_no_deep_recursion():
    assert 20 * sys.getrecursionlimit() < LONG
    a = factor()
    f = chain(LONG, a)
    value, gradient = ra.value_and_grad(f)(X)
    assert value == f(X)
    np.testing.assert_allclose(gradient, a ** (LONG // 2), rtol=1e-9)


def test_of_a_long_tape_only_the_lines_that_are_printed_are_made(monkeypatch):
    tape, made = ra.record(chain(8_000, factor()), np.ones(8)), []
    monkeypatch.setattr(table, "Row", lambda *parts: made.append(parts) or Row(*parts))
    printed, page = str(tape), tape.to_html()
    assert len(made) < 400
    assert len(tape.table.rows[:]) > 8_000
    assert len(printed.splitlines()) == page.count("<tr>") + 2 == 154

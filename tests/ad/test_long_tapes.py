"""A tape of a hundred thousand operations is nothing special: linear in time, memory, no depth."""

import itertools
import sys
import tracemalloc
from time import process_time

import numpy as np
import pytest

import revolve_ad as ra

LONG = 100_000
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


def timed(f):
    x = np.linspace(0.5, 1.0, 8)
    began = process_time()
    gradient = ra.grad(f)(x)
    return process_time() - began, gradient


@pytest.mark.parametrize(("made", "n"), [(chain, LONG), (updates, LONG // 4)])
def test_ten_times_the_operations_take_ten_times_the_time(made, n):
    assert 20 * sys.getrecursionlimit() < n
    short = min(timed(made(n // 10, factor()))[0] for _ in range(2))
    a = factor()
    long, gradient = timed(made(n, a))
    assert long < 30 * short  # a hundred times, were it quadratic
    if made is chain:
        np.testing.assert_allclose(gradient, a ** (n // 2), rtol=1e-9)


@pytest.mark.parametrize("made", [chain, updates])
def test_ten_times_the_operations_take_ten_times_the_memory(made):
    def peak(n):
        f, x = made(n, factor()), np.linspace(0.5, 1.0, 8)
        tracemalloc.start()
        try:
            ra.grad(f)(x)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(3_000) < 14 * peak(300)


def test_of_a_long_tape_only_the_lines_that_are_printed_are_made():
    tape = ra.record(chain(8_000, factor()), np.ones(8))
    began = process_time()
    printed, page = str(tape), tape.to_html()
    took = process_time() - began
    began = process_time()
    assert len(tape.table.rows[:]) > 8_000
    assert took < process_time() - began
    assert len(printed.splitlines()) == page.count("<tr>") + 2 == 154

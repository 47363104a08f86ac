"""A tape of a hundred thousand operations is nothing special: linear in time, memory, no depth."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
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


MEASURED = """
import json, sys
from time import process_time
import numpy as np
import revolve_ad as ra
from tests.ad import test_long_tapes

def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

made, x, found = getattr(test_long_tapes, sys.argv[1]), np.linspace(0.5, 1.0, 8), []
for n in map(int, sys.argv[2:]):
    before, began = peak(), process_time()
    gradient = ra.grad(made(n, test_long_tapes.factor()))(x)
    found.append((process_time() - began, peak() - before, gradient.tolist()))
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(("made", "n"), [(chain, LONG), (updates, LONG // 4)])
def test_ten_times_the_operations_take_ten_times_the_time_and_the_memory(made, n):
    # A process of its own, since its peak never falls; tracemalloc would take five times as long.
    assert 20 * sys.getrecursionlimit() < n
    sizes = [str(n // 100), str(n // 10), str(n)]
    command = [sys.executable, "-c", MEASURED, made.__name__, *sizes]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    _, (seconds, peak, _), (long_seconds, long_peak, gradient) = json.loads(done.stdout)
    assert long_seconds < 30 * seconds  # a hundred times, were it quadratic
    assert long_peak < 20 * peak
    if made is chain:
        a = 1.0 - 1e-9 * 2  # the third factor
        np.testing.assert_allclose(gradient, a ** (n // 2), rtol=1e-9)


def test_of_a_long_tape_only_the_lines_that_are_printed_are_made():
    tape = ra.record(chain(8_000, factor()), np.ones(8))
    began = process_time()
    printed, page = str(tape), tape.to_html()
    took = process_time() - began
    began = process_time()
    assert len(tape.table.rows[:]) > 8_000
    assert took < process_time() - began
    assert len(printed.splitlines()) == page.count("<tr>") + 2 == 154

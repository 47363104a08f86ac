"""Threads change the time that loops take and nothing else; calls leave Python to others."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.errors import RevolveError
from revolve_ad.native import (
    Compiled,
    Layout,
    Loop,
    Sweep,
    compile_loop,
    compile_tape,
    threads,
)
from revolve_ad.native.load import Module
from revolve_ad.native.passes import rows
from revolve_ad.native.source import emit
from revolve_ad.native.threads import ROWS, alone, n_threads, threaded_source
from tests.native.random_tapes import random_tape, random_values

N = 170  # more points than threads are left out for


def diffusion(u: Any, c: Any, k: Any) -> Any:
    new = u.copy()
    inner = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    new[1:-1, 1:-1] += c * inner
    return new


def test_a_compiled_loop_gives_the_same_bits_with_threads(monkeypatch: Any) -> None:
    pytest.importorskip("numba")
    u = np.random.default_rng(0).standard_normal((N, N))
    found = []
    for wanted in ("1", "2"):
        monkeypatch.setenv("REVOLVE_AD_THREADS", wanted)
        loop = compile_loop(trace(diffusion, (u, 0.2, 0)).tape, Layout(1, 1))
        assert isinstance(loop, Loop)
        final = [np.empty_like(u)]
        Sweep(loop, [np.float64(0.2)]).advance([u], final, 0, 3)
        assert (loop.threaded is not None) == (wanted == "2")
        found.append(final[0])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("seed", range(60))
def test_rows_that_are_marked_can_be_computed_in_any_order(seed: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(emit, "LARGE", 1)
    monkeypatch.setattr(rows, "WIDE", 2)
    rng = np.random.default_rng(seed)
    tape = random_tape(rng, shape=[(7, 6), (4, 5, 3)][seed % 2], n_nodes=5 + seed % 9)
    for case in (tape, vjp(tape, [0, 1])):
        compiled = compile_tape(case, exact=case is tape, native=False)
        assert isinstance(compiled, Compiled)
        source = threaded_source(compiled.source)
        assert (source != compiled.source) == (ROWS in compiled.source)
        values = random_values(rng, case)
        expected = compiled.run(values)
        object.__setattr__(compiled, "_function", Module(source, native=False).space["run"])
        for a, b in zip(compiled.run(values), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_large_loops_without_sums_are_marked() -> None:
    u = np.ones((N, N))
    source = compile_loop(trace(diffusion, (u, 0.2, 0)).tape, Layout(1, 1), native=False).source  # type: ignore[union-attr]
    assert source.count(ROWS) == 2  # of the step and of its adjoint, but not the sum for c
    small = compile_loop(trace(diffusion, (u[:50], 0.2, 0)).tape, Layout(1, 1), native=False)
    assert isinstance(small, Loop)
    assert ROWS not in small.source


@pytest.mark.parametrize(("text", "number"), [("", 1), ("1", 1), ("3", 3), (" 2 ", 2)])
def test_the_variable_says_how_many_threads(text: str, number: int, monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_THREADS", text)
    assert n_threads() == number


def test_all_threads_are_as_many_as_the_machine_has(monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_THREADS", "all")
    assert n_threads() == os.cpu_count()
    monkeypatch.delenv("REVOLVE_AD_THREADS")
    assert n_threads() == 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_another_value_of_the_variable_is_an_error(text: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_THREADS", text)
    with pytest.raises(RevolveError, match="REVOLVE_AD_THREADS"):
        n_threads()


def test_a_call_beside_another_uses_no_threads(monkeypatch: Any) -> None:
    pytest.importorskip("numba")
    calls: list[str] = []

    def first() -> None:
        calls.append("threads")
        if len(calls) == 1:
            function()  # as if another thread of Python called meanwhile

    def plain() -> None:
        calls.append("alone")

    function = alone(first, lambda: plain, 2)
    function()
    assert calls == ["threads", "alone"]
    function()
    assert calls[-1] == "threads"
    monkeypatch.setattr(threads, "_born", -1)  # as after a fork
    function()
    assert calls[-1] == "alone"


def test_a_call_that_fails_leaves_threads_to_the_next() -> None:
    pytest.importorskip("numba")

    def fail() -> None:
        raise ValueError("in the step")

    function = alone(fail, lambda: lambda: None, 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="in the step"):
            function()


def test_other_threads_of_python_run_while_a_stretch_is_computed() -> None:
    pytest.importorskip("numba")
    u = np.linspace(0, 1, 64)
    tape = trace(lambda u, c, k: u + c * np.sin(u), (u, 0.1, 0)).tape
    loop = compile_loop(tape, Layout(1, 1))
    assert isinstance(loop, Loop)
    sweep, target = Sweep(loop, [np.float64(1e-9)]), [np.empty_like(u)]
    sweep.advance([u], target, 0, 1)  # compiled now
    count, steps = 0, 10_000
    # A call that kept the interpreter to itself would let this thread run once or twice, however
    # long it is; another one must only be long enough, which depends on who else is at work.
    while count <= 20 and steps < 2e7:
        count, steps = 0, 2 * steps
        worker = threading.Thread(target=sweep.advance, args=([u], target, 0, steps))
        worker.start()
        while worker.is_alive():
            count += 1
            time.sleep(0.001)
    assert count > 20

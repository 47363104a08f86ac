"""Reversed steps multiply and add at once where the source says so, and steps never do."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from revolve_ad.native import Loop, Sweep, compile_loop, load
from tests.native.test_compile_loop import SIZES, problem


def exactly(a: Any, b: Any, c: Any) -> Any:
    """Round a product and a sum once: the oracle, in rational numbers."""
    return np.float64(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))


@pytest.mark.parametrize("name", ["P3", "P4", "P5"])
def test_steps_round_as_numpy_does(name: str) -> None:
    case = problem(name, SIZES[name])
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert "multiply_add" not in loop.entries["advance"].source
    assert "multiply_add" not in loop.entries["record"].source
    assert "multiply_add" in loop.entries["pull"].source


def test_machine_code_rounds_once_where_the_source_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    import llvmlite.binding as binding

    if not binding.get_host_cpu_features().get("fma"):
        pytest.skip("this processor has no such operation")
    monkeypatch.setattr(load, "_multiply_add", exactly)
    case = problem("P3", 12)
    found = []
    for native in (False, True):
        loop = compile_loop(case.tape, case.layout, native=native)
        assert isinstance(loop, Loop)
        sweep = Sweep(loop, case.params)
        held = [g.copy() for g in case.seeds]
        sweep.reverse(case.states[0], held, 0, 2)
        found.append([np.asarray(x).tobytes() for x in (*held, *sweep.sums)])
    assert found[0] == found[1]

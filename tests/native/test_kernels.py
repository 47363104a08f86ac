"""Small operations that aren't point by point are compiled with the rest, and right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.native import Compiled, Layout, Loop, compile_loop, compile_tape
from tests.native.test_compile_loop import Case

RNG = np.random.default_rng(11)
X = RNG.standard_normal((4, 3))
STRONG = 3.0 * np.eye(3)
STACK = RNG.standard_normal((2, 3, 3)) + STRONG


def masked(a: Any, mask: Any) -> Any:
    new = a * 2.0
    new[mask] *= np.sqrt(1 + new[mask] ** 2)
    return new


EXACT: dict[str, Any] = {
    "max": lambda a: np.max(a, axis=0),
    "max of all": np.max,
    "max, axes kept": lambda a: a - np.max(a, axis=1, keepdims=True),
    "min": lambda a: np.min(a, axis=-1),
    "fmin": lambda a: np.fmin.reduce(a, axis=0),
    "ptp": np.ptp,
    "any": lambda a: np.where(np.any(a > 1, axis=0), a, 2 * a),
    "all": lambda a: np.where(np.all(a > -1), a, 2 * a),
    "argmax": lambda a: a * np.argmax(a, axis=0),
    "argmin of all": lambda a: a * np.argmin(a),
    "cumsum": lambda a: np.cumsum(a * a, axis=0),
    "cumsum, last axis": lambda a: np.cumsum(a[:, ::-1], axis=1) * a,
    "cumsum of all": lambda a: np.cumsum(a)[::2],
    "cumprod": lambda a: np.cumprod(1 + 0.1 * a, axis=1),
    "running max": lambda a: np.maximum.accumulate(a, axis=0) * a,
    "running min": lambda a: np.minimum.accumulate(a, axis=1),
    "masked update": lambda a: masked(a, a > 0.3),
    "update by a mask that takes nothing": lambda a: masked(a, a > 99),
    "update of rows by a mask": lambda a: masked(a, a[:, 0] > 0),
    "largest row": lambda a: a[np.argmax(a[:, 0])] * a,
}
ROUNDED: dict[str, Any] = {
    "prod": lambda a: np.prod(a, axis=0),
    "prod of all": lambda a: np.prod(1 + 0.1 * a),
    "solve": lambda a: np.linalg.solve(STRONG + 0.1 * a[:3], a[3]),
    "solve, several sides": lambda a: np.linalg.solve(STRONG + 0.1 * a[:3], a.T),
    "solve, a stack": lambda a: np.linalg.solve(STACK + a[0], STACK * a[1]),
    "solve with rows exchanged": lambda a: np.linalg.solve(STRONG[::-1] + 0.1 * a[:3], a[0]),
    "inv": lambda a: np.linalg.inv(STRONG + 0.1 * a[:3]),
    "inv of a stack": lambda a: np.linalg.inv(STACK + 0.1 * a[0]),
    "det": lambda a: np.linalg.det(STRONG[::-1] + 0.1 * a[:3]),
    "dot": lambda a: np.dot(a, a.T),
    "dot of vectors": lambda a: np.dot(a[0], a[1]) * a,
    "inner": lambda a: np.inner(a, a[:2]),
    "vdot": lambda a: np.vdot(a, 2 * a),
    "norm": lambda a: np.linalg.norm(a),
    "norm of rows": lambda a: np.linalg.norm(a, axis=1),
    "tensordot": lambda a: np.tensordot(a, a.T, 1),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, a),
    "einsum of three": lambda a: np.einsum("ij,kj,k->i", a, a, a[:, 0]),
    "einsum, transposed": lambda a: np.einsum("ij->ji", a * a) + np.einsum("ij->j", a)[:, None],
}


def check(function: Any, values: list[Any], *, rtol: float) -> None:
    tape = trace(function, tuple(values)).tape
    assert tape.depends_on_values is None
    out = np.random.default_rng(0).standard_normal(tape.nodes[tape.outputs[0]].shape)
    seeds = [*values, out if out.ndim else out[()]]
    for case, given, exact in ((tape, values, True), (vjp(tape, [0]), seeds, False)):
        compiled = compile_tape(case, exact=exact, native=False)
        assert isinstance(compiled, Compiled), compiled
        assert not compiled.called, compiled.called
        bound = rtol if exact else 1e-12
        for a, b in zip(Interpreter(case).run(given), compiled.run(given), strict=True):
            np.testing.assert_allclose(b, a, rtol=bound, atol=bound)


@pytest.mark.parametrize("name", EXACT)
def test_an_operation_without_rounding_has_the_interpreters_bits(name: str) -> None:
    check(EXACT[name], [X], rtol=0.0)


@pytest.mark.parametrize("name", ROUNDED)
def test_products_and_solves_agree_with_the_interpreter(name: str) -> None:
    check(ROUNDED[name], [X], rtol=1e-13)


@pytest.mark.parametrize("name", ["argmax", "cumprod", "solve"])
def test_numba_compiles_them(name: str) -> None:
    pytest.importorskip("numba")
    function = (EXACT | ROUNDED)[name]
    compiled = compile_tape(trace(function, (X,)).tape)
    assert isinstance(compiled, Compiled)
    assert not compiled.called
    np.testing.assert_allclose(compiled.run([X])[0], function(X), rtol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.0])
def test_extremes_treat_special_numbers_as_numpy_does(bad: float) -> None:
    x = X.copy()
    x[1, 1] = bad
    names = ["max", "min", "fmin", "argmax", "argmin of all", "running max", "cumsum"]
    with np.errstate(invalid="ignore"):
        for name in names:
            compiled = compile_tape(trace(EXACT[name], (x,)).tape, native=False)
            assert isinstance(compiled, Compiled)
            np.testing.assert_array_equal(compiled.run([x])[0], EXACT[name](x))


def test_a_singular_system_is_an_error_as_in_numpy() -> None:
    tape = trace(lambda a: np.linalg.solve(a, a[0]), (STRONG,)).tape
    compiled = compile_tape(tape, native=False)
    assert isinstance(compiled, Compiled)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        compiled.run([np.zeros((3, 3))])


def test_a_singular_matrix_has_the_determinant_zero() -> None:
    tape = trace(np.linalg.det, (STRONG,)).tape
    compiled = compile_tape(tape, native=False)
    assert isinstance(compiled, Compiled)
    assert compiled.run([np.outer([1.0, 2, 3], [1.0, 1, 1])])[0] == 0
    assert compiled.run([np.zeros((3, 3))])[0] == 0


def test_single_precision_stays_single() -> None:
    x = X.astype(np.float32)
    names = ["max", "cumsum", "prod", "solve", "einsum"]
    for name in names:
        function = (EXACT | ROUNDED)[name]
        tape = trace(lambda a, f=function: f(a).astype(np.float32), (x,)).tape
        compiled = compile_tape(tape, native=False)
        assert isinstance(compiled, Compiled)
        found = compiled.run([x])[0]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, function(x), rtol=1e-5)


def implicit_euler(u: Any, rates: Any, k: Any) -> Any:
    """Robertson's reactions: one Newton step of the implicit Euler method."""
    x, y, z = u
    a, b, c = rates
    change = np.array([-a * x + b * y * z, a * x - b * y * z - c * y * y, c * y * y])
    second = [a, -b * z - 2 * c * y, -b * y]
    jacobian = np.array([[-a, b * z, b * y], second, [0.0, 2 * c * y, 0.0]])
    return u + 0.01 * np.linalg.solve(np.eye(3) - 0.01 * jacobian, change)


def test_an_implicit_step_of_a_small_system_is_one_compiled_loop() -> None:
    case = Case(implicit_euler, np.array([0.9, 0.05, 0.05]), np.array([0.04, 1.0, 3.0]))
    loop = compile_loop(case.tape, case.layout, native=False)
    assert isinstance(loop, Loop)
    assert not loop.called
    assert not loop.entries["advance"].calls_numpy
    assert not loop.entries["pull"].calls_numpy
    case.check(loop)


def test_large_systems_and_reductions_are_left_to_numpy() -> None:
    def step(u: Any, c: Any, k: Any) -> Any:
        return np.linalg.solve(np.eye(40) * 2 + np.outer(u, u), u) * np.max(np.outer(c, c))

    tape = trace(step, (np.ones(40), np.ones(100), 0)).tape
    loop = compile_loop(tape, Layout(1, 1), native=False)
    assert isinstance(loop, Loop)
    assert any("solve" in reason for reason in loop.called)

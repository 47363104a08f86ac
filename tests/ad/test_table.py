"""A printed tape is the textbook's table, and a recorded one runs again."""

from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import schedule
from revolve_ad.errors import DtypeError, ParameterError, ShapeError, StructureError


def worked(x1: Any, x2: Any) -> Any:
    return (x1 - x2) ** 2 + np.cos(x1 + x2)


def test_the_worked_example_prints_values_and_adjoints_line_by_line() -> None:
    tape = ra.record(worked, 1.0, 2.0)
    rows = tape.table.rows
    assert [row.formula for row in rows] == [
        "x1",
        "x2",
        "v1 - v2",
        "v3 ** 2",
        "v1 + v2",
        "cos(v5)",
        "v4 + v6",
    ]
    expected = [1, 2, -1, 1, 3, np.cos(3), 1 + np.cos(3)]
    assert [row.value for row in rows] == pytest.approx(expected, rel=1e-15)
    # By hand: dy/dx1 = 2 (x1 − x2) − sin(x1 + x2), and so on.
    expected = [-2 - np.sin(3), 2 - np.sin(3), -2, 1, -np.sin(3), 1, 1]
    assert [row.adjoint for row in rows] == pytest.approx(expected, rel=1e-15)
    printed = str(tape)
    assert "v4 = v3 ** 2" in printed
    assert "-2.14112" in printed
    assert "1.85888" in printed
    assert "5 operations" in printed


def test_the_adjoints_of_the_inputs_are_the_gradient() -> None:
    tape = ra.record(worked, 0.3, -1.2)
    assert tape.adjoints is not None
    found = [tape.adjoints[i] for i in tape.inputs]
    assert found == list(ra.grad(worked, (0, 1))(0.3, -1.2))


def test_arrays_show_their_types_and_indices() -> None:
    def f(p: Any, scale: Any) -> Any:
        u = p["u"].copy()
        u[1:-1] += scale * np.diff(u, 2)
        return {"sum": np.sum(u[::-2]), "u": u}

    printed = str(ra.record(f, {"u": np.arange(6.0)}, 2.0))
    for text in ("p['u']", "float64[6]", "[1:5]", "[::-2]", "scale"):
        assert text in printed
    assert "adjoint" not in printed  # the result isn't one number


def test_a_view_without_elements_prints() -> None:
    # np.pad writes the edge that isn't asked for into no elements.
    printed = str(ra.record(lambda u: np.sum(np.pad(u, (0, 2), "edge")), np.ones(3)))
    assert "shape=(0,)" in printed


def test_a_printed_view_is_numpy_code_that_makes_it() -> None:
    cube = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    views = [
        lambda a: a[1:],
        lambda a: a[..., ::-2],
        lambda a: a[1, :, 2],
        lambda a: a.T,
        lambda a: a.T[::-1, 1:2],
        lambda a: a.transpose(1, 2, 0)[1:, ::3],
        lambda a: a.swapaxes(0, 1),
        lambda a: a.reshape(6, 4).T,
        lambda a: a[:, None, 1],
        lambda a: a.ravel()[5:20:3],
        lambda a: np.moveaxis(a, 0, -1)[..., 1:],
        lambda a: a[:1].reshape(3, 4, 1).T,
        lambda a: a[0, 0, 0],
    ]
    for view in views:
        # A copy of each, so that the view isn't the result itself.
        tape = ra.record(lambda a, view=view: np.negative(view(a)), cube)
        known = {"v1": cube}
        for row in tape.table.rows[1:-1]:
            known[row.name] = eval(row.formula, {}, known)
        np.testing.assert_array_equal(known[tape.table.rows[-2].name], view(cube))
    (_, row, _) = ra.record(lambda a: -a.reshape(4, 6)[:, 1::2], cube).table.rows
    assert row.formula == "v1.strided(offset=1, shape=(4, 3), strides=(6, 2))"  # no index makes it


def test_lines_read_as_the_code_that_was_recorded() -> None:
    def f(u: Any) -> Any:
        w = u.reshape(2, 3).copy()
        w[:, np.array([0, 2])] *= 2.0
        np.pad(u, 1)  # of no use
        return np.einsum("ij->j", w) + np.sum(w, axis=0) + np.zeros(3), np.sum(w).astype("f4")

    formulas = [row.formula for row in ra.record(f, np.arange(6.0)).table.rows]
    assert formulas[:5] == ["u", "v1.reshape(2, 3)", "constant [0, 2]", "v2[:, v3]", "v4 * 2.0"]
    assert formulas[5] == "v2 with [:, v3] = v5"
    assert {"einsum('ij->j', v6)", "sum(v6, axis=0)", "sum(v6)"} < set(formulas)
    assert formulas[-1].endswith(".astype(float32)")
    assert not any("pad" in formula or "full((8" in formula for formula in formulas)


def test_a_recorded_tape_runs_on_other_arguments_and_gives_the_functions_bits() -> None:
    def f(p: Any, scale: Any) -> Any:
        return {"a": np.sin(p["u"]) * scale, "b": (np.sum(p["u"]), 1.0)}

    tape = ra.record(f, {"u": np.arange(3.0)}, 2.0)
    other = {"u": np.array([0.3, 0.1, -4.0])}
    expected, found = f(other, 7), tape(other, 7)
    assert found["a"].tobytes() == expected["a"].tobytes()
    assert found["b"] == expected["b"]


def test_calling_a_tape_with_something_else_says_what_it_takes() -> None:
    tape = ra.record(lambda u: u * 2, np.zeros(3))
    with pytest.raises(ShapeError, match=r"u has shape \(4,\).*\(3,\)"):
        tape(np.zeros(4))
    with pytest.raises(DtypeError, match="complex128"):
        tape(np.zeros(3) + 1j)
    with pytest.raises(StructureError):
        tape([np.zeros(3)])
    with pytest.raises(ParameterError, match="2 arguments"):
        tape(np.zeros(3), 1.0)
    branching = ra.record(lambda x: x * 2 if x > 0 else x, 3.0)
    with pytest.raises(ParameterError, match="branch"):
        branching(-1.0)


def test_html_and_dot_hold_every_line_and_no_raw_markup() -> None:
    tape = ra.record(lambda x, y: np.where(x < y, x, y), 1.0, 2.0)
    page = tape._repr_html_()
    assert page.count("<tr>") == 1 + len(tape.table.rows)
    assert "v1 &lt; v2" in page
    graph = tape.to_dot()
    assert graph.startswith("digraph")
    assert graph.count("->") == sum(len(node.args) for node in tape.nodes)


def test_a_long_tape_prints_its_two_ends() -> None:
    def f(x: Any) -> Any:
        for _ in range(1000):
            x = np.sin(x)
        return x

    printed = str(ra.record(f, 1.0))
    assert len(printed.splitlines()) < 200
    assert "more lines" in printed
    assert "1000 operations" in printed


def test_a_simulation_is_one_line() -> None:
    sim = ra.Simulation(
        lambda u, p, k: u + p * np.sin(u), steps=20, schedule=schedule.binomial(20, 3)
    )
    tape = ra.record(lambda p: np.sum(sim(np.ones(3), p).state), 0.1)
    assert tape.table.operations["simulate"] == 1
    gradient = ra.grad(lambda p: np.sum(sim(np.ones(3), p).state))(0.1)
    assert tape.adjoints is not None
    assert tape.adjoints[tape.inputs[0]] == gradient

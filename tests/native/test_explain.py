"""Each form of a step on its way to compiled loops can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revolve_ad.native import explain


def step(u: Any, c: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
    return new * np.max(np.sort(new))


def test_every_form_is_shown_and_names_are_those_of_the_tape() -> None:
    found = explain(step, np.ones(20), 0.1)
    assert "sort(v" in found.tape
    assert "cotangent" in found.simplified
    (line,) = [x for x in found.loops.splitlines() if "y0 =" in x]
    assert "20 points" in line
    name = line.split("y0 = ")[1].split(",")[0]
    assert f"returns {name}," in found.simplified
    assert "NumPy     work" in found.loops
    assert "in a function of its own" in found.loops
    assert "for i in range(18):" in found.source
    compile(found.source, "<source>", "exec")
    text = str(found)
    headings = ["Tape", "Simplified, with the adjoint", "Loops", "Source", "Estimate"]
    places = [text.index(f"{heading}\n----") for heading in headings]
    assert places == sorted(places)


def test_a_step_that_cannot_be_compiled_is_explained_up_to_there() -> None:
    def branch(u: Any, c: Any, k: Any) -> Any:
        return u * c if u[0] > 0 else u

    found = explain(branch, np.ones(3), 0.5)
    assert "branch on a traced value" in found.refusal
    assert found.source == ""
    assert "Not compiled\n---" in str(found)


@pytest.mark.parametrize("inputs", [np.ones(4), {"force": np.ones(4), "scale": 2.0}])
def test_a_step_with_inputs_is_explained_by_one_row_of_them(inputs: Any) -> None:
    def forced(u: Any, c: Any, k: Any, row: Any) -> Any:
        force = row["force"] * row["scale"] if isinstance(row, dict) else row
        return u + c["drag"] * force

    assert "all_row0" in explain(forced, np.ones(4), {"drag": 0.1}, inputs).source

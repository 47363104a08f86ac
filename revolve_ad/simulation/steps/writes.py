"""Finds out which param or input a step has written into, once NumPy has refused a write."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from revolve_ad import trees
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.layout import Leaves

__all__ = ["written_leaves"]


def written_leaves(
    function: Callable[..., Any],
    form: Form,
    params: Sequence[Any],
    row: Sequence[Any] | None,
    k: int,
) -> list[str]:
    """Call a step once on copies that it may write into, and return the paths of those it changes.

    Parameters
    ----------
    function : callable
        ``(state, params, k[, inputs_k]) -> state``.  The state is gone, and what it does to one of
        ones tells most often.
    form : Form
        What the arguments look like.
    params, row : sequence
        The leaves of the params and of the inputs of step `k`; None without inputs.
    """
    state = [np.ones(s, d) for s, d in zip(form.state.shapes, form.state.dtypes, strict=True)]
    copies = form.params.copy_in(params)
    built = form.params.build(copies)
    before, _ = trees.flatten(built, "params")
    originals: list[tuple[str, Any, Any]] = list(
        zip(form.params.paths, params, copies, strict=True)
    )
    args = [form.state.build(state), built, k]
    if row is not None:
        assert form.inputs is not None
        rows = form.inputs.rows
        row_copies: Leaves = rows.copy_in(row)
        args.append(rows.build(row_copies))
        originals += [
            (path.replace("inputs_k", f"inputs[{k}]", 1), leaf, copy)
            for path, leaf, copy in zip(rows.paths, row, row_copies, strict=True)
        ]
    try:
        with np.errstate(all="ignore"):
            function(*args)
    except Exception:
        pass
    found = [path for path, old, new in originals if np.asarray(old).tobytes() != new.tobytes()]
    after, structure = trees.flatten(built, "params")
    if structure != form.params.structure:
        return [*found, "params, which have other items then,"]
    pairs = zip(form.params.paths, before, after, strict=True)
    return list(dict.fromkeys([*found, *(path for path, a, b in pairs if a is not b)]))

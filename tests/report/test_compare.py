"""`compare` measures what each budget costs, and finds the gradients equal."""

from typing import Any

import numpy as np
import pytest

from revolve_ad.errors import BudgetError, ParameterError
from revolve_ad.report import compare
from revolve_ad.simulation import Simulation

U0 = np.sin(np.arange(50.0))


def step(u: Any, rate: Any, k: Any) -> Any:
    return u + 0.1 * rate * np.sin(u)


def forced(u: Any, rate: Any, k: Any, f: Any) -> Any:
    return u + 0.1 * rate * np.sin(u) + f


def test_more_memory_recomputes_less_and_no_budget_is_exceeded() -> None:
    found = compare(Simulation(step, steps=60), U0, 0.3, repeats=1)
    recomputation = [row.report.recomputation for row in found.rows]
    assert len(found.rows) == 5
    assert recomputation == sorted(recomputation, reverse=True)
    assert recomputation[0] > 2
    assert recomputation[-1] == 1
    assert all(row.report.peak_bytes <= row.memory for row in found.rows)
    assert all(row.report.peak_bytes == row.plan.peak_bytes for row in found.rows)
    assert found.agree
    assert "bit for bit" in str(found)


def test_budgets_of_ones_own_inputs_and_observations() -> None:
    sim = Simulation(forced, steps=20, observe=lambda u, p, k: u[:3])
    found = compare(sim, U0, 0.3, np.full((20, 50), 0.01), memories=["100 kB", 60_000], repeats=1)
    assert [row.memory for row in found.rows] == [60_000, 100_000]
    assert found.agree


def test_it_draws() -> None:
    pytest.importorskip("matplotlib")
    axes = compare(Simulation(step, steps=10), U0, 0.3, repeats=1).draw()
    assert "MB" in axes.get_xlabel()


def test_bad_arguments_are_named() -> None:
    sim = Simulation(step, steps=10)
    with pytest.raises(BudgetError, match="smallest"):
        compare(sim, U0, 0.3, memories=["1 kB"])
    with pytest.raises(ParameterError, match="empty"):
        compare(sim, U0, 0.3, memories=[])
    with pytest.raises(ParameterError, match="repeats"):
        compare(sim, U0, 0.3, repeats=0)

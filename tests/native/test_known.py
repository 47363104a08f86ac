"""What was planned for a step is found by its tape: the same loop, or none at all."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad import trees
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import Layout, Loop, Refusal, choice, compile_loop, known
from tests.programs import NAMES, load

pytest.importorskip("numba")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("REVOLVE_AD_CACHE", str(tmp_path))
    return tmp_path


def recorded(step: Any, state: Any, params: Any) -> tuple[Any, Layout]:
    found = trace(step, (state, params, 0))
    groups = [trees.flatten(x)[0] for x in (state, params)]
    return found.tape, Layout(*map(len, groups), 0, len(found.hidden))


def diffusion(u: Any, nu: Any, k: Any) -> Any:
    new = u.copy()
    new[1:-1] += nu * (u[2:] - 2 * u[1:-1] + u[:-2])
    return new


def tape_of(size: int = 12, factor: float = 2.0, dtype: Any = float) -> tuple[Any, Layout]:
    def step(u: Any, nu: Any, k: Any) -> Any:
        return diffusion(u, nu * np.array([factor, 1.0], dtype)[0], k) * np.full(size, factor)

    return recorded(step, np.linspace(0, 1, size, dtype=dtype), 0.1)


def planned(tape: Any, layout: Layout, monkeypatch: Any, **options: Any) -> bool:
    """Tell whether a loop was planned, not found."""
    count = 0

    def counted(*args: Any, **keywords: Any) -> Any:
        nonlocal count
        count += 1
        return real(*args, **keywords)

    real = choice._planned
    with monkeypatch.context() as patched:
        patched.setattr(choice, "_planned", counted)
        compile_loop(tape, layout, **options)
    return count > 0


@pytest.mark.parametrize("name", ["cavity", "fdtd", "adi"])
def test_a_step_is_planned_once_and_found_with_all_that_its_loop_is(
    name: str, folder: Path, monkeypatch: Any
) -> None:
    module = load(name)
    state, params = module.make(8, np.random.default_rng(0))
    tape, layout = recorded(module.step, state, params)
    first = compile_loop(tape, layout)
    monkeypatch.setattr(choice, "_planned", None)
    again = compile_loop(*recorded(module.step, state, params))
    assert isinstance(first, Loop)
    assert isinstance(again, Loop)
    assert again.source == first.source
    assert {e.name: e.parameters for e in again.entries.values()} == {
        e.name: e.parameters for e in first.entries.values()
    }
    apart = {"plan_seconds", "compile_seconds", "forms", "module", "entries", "courses"}
    apart |= {"assembly", "assemble", "prepare", "constants", "_functions", "_lock", "watch"}
    for field in fields(Loop):
        if field.name not in apart:
            assert getattr(again, field.name) == getattr(first, field.name), field.name


def test_a_loop_that_was_found_gives_the_same_bits_and_observes(
    folder: Path, monkeypatch: Any
) -> None:
    def gradient() -> Any:
        sim = ra.Simulation(
            diffusion, steps=8, observe=lambda u, nu, k: u[3:5], observe_at=range(2, 8), native=True
        )
        start = np.linspace(0, 1, 12) ** 2
        return ra.grad(lambda nu: np.sum(sim(start, nu).observed ** 2))(0.1)

    first = gradient()
    monkeypatch.setattr(choice, "_planned", None)
    assert gradient() == first


@pytest.mark.parametrize(
    "other",
    [{"size": 13}, {"factor": np.nextafter(2.0, 3.0)}, {"dtype": np.float32}],
    ids=["shape", "constant", "dtype"],
)
def test_another_tape_is_planned(other: Any, folder: Path, monkeypatch: Any) -> None:
    assert planned(*tape_of(), monkeypatch)
    assert not planned(*tape_of(), monkeypatch)
    assert planned(*tape_of(**other), monkeypatch)


@pytest.mark.parametrize("change", ["observe", "limit", "versions", "compiler"])
def test_the_same_tape_is_planned_where_something_else_has_changed(
    change: str, folder: Path, monkeypatch: Any
) -> None:
    tape, layout = tape_of()
    assert planned(tape, layout, monkeypatch)
    options: dict[str, Any] = {}
    if change == "observe":
        options["observe"] = trace(lambda u, nu, k: u[:2], (np.zeros(12), 0.1, 0)).tape
    elif change == "limit":
        options["max_operations"] = 500
    elif change == "versions":
        monkeypatch.setattr(known, "made_for", lambda: "another version of Numba")
    else:
        monkeypatch.setattr(known, "_files_of_the_compiler", lambda: "other files")
    assert planned(tape, layout, monkeypatch, **options)


@pytest.mark.parametrize("damage", [b"", b"spoilt", None], ids=["empty", "other", "half"])
def test_a_damaged_plan_is_made_again(damage: bytes | None, folder: Path, monkeypatch: Any) -> None:
    tape, layout = tape_of()
    assert planned(tape, layout, monkeypatch)
    (plan,) = folder.rglob("*.plan")
    plan.write_bytes(plan.read_bytes()[: plan.stat().st_size // 2] if damage is None else damage)
    assert planned(tape, layout, monkeypatch)
    assert not planned(tape, layout, monkeypatch)


def test_a_refusal_is_found_too(folder: Path, monkeypatch: Any) -> None:
    tape, layout = tape_of()
    first = compile_loop(tape, layout, max_operations=3)
    assert isinstance(first, Refusal)
    monkeypatch.setattr(choice, "_planned", None)
    assert compile_loop(tape, layout, max_operations=3) == first


def test_what_is_not_the_librarys_own_is_planned_each_time(folder: Path, monkeypatch: Any) -> None:
    double = ra.primitive(lambda x: 2 * x)
    double.vjp(lambda g, y, x: (2 * g,))
    tape, layout = recorded(lambda u, nu, k: double(u) * nu, np.ones(4), 0.5)
    assert known.path_of(tape, layout, None, 600) is None
    assert planned(tape, layout, monkeypatch)
    assert planned(tape, layout, monkeypatch)


def test_without_a_cache_nothing_is_kept(monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_CACHE", "")
    tape, layout = tape_of()
    assert known.path_of(tape, layout, None, 600) is None
    assert planned(tape, layout, monkeypatch)


@pytest.mark.parametrize("name", NAMES)
def test_every_program_can_be_told_by_its_tape(name: str, folder: Path) -> None:
    module = load(name)
    state, params = module.make(6, np.random.default_rng(0))
    paths = {known.path_of(*recorded(module.step, state, params), None, 600) for _ in range(2)}
    assert len(paths) == 1
    assert paths != {None}

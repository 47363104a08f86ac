"""Compiled code is kept on disk, found again, and made again if it was damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revolve_ad.native import Compiled, compile_tape
from revolve_ad.native.cache import cache_folder, read_entry, write_entry
from revolve_ad.native.load import Module
from tests.native.test_compile_tape import smoothing

pytest.importorskip("numba")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("REVOLVE_AD_CACHE", str(tmp_path))
    return tmp_path


def result() -> Any:
    compiled = compile_tape(smoothing(50))
    assert isinstance(compiled, Compiled)
    return compiled.run([np.linspace(0, 1, 50), 0.5])[0]


def test_a_second_compilation_takes_the_code_from_disk(folder: Path, monkeypatch: Any) -> None:
    first = result()
    assert len(list(folder.rglob("*.code"))) == 1
    assert len(list(folder.rglob("*.py"))) == 1
    import numba.core.dispatcher as dispatcher

    def fail(*_: Any) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(dispatcher.Dispatcher, "compile", fail)
    np.testing.assert_array_equal(result(), first)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_entry_is_made_again(folder: Path, damage: str) -> None:
    first = result()
    (entry,) = folder.rglob("*.code")
    sound = entry.read_bytes()
    bad = {
        "cut": sound[: len(sound) // 2],
        "flip": sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:],
        "empty": b"",
    }[damage]
    entry.write_bytes(bad)
    assert read_entry(entry) is None
    np.testing.assert_array_equal(result(), first)
    assert read_entry(entry) is not None


def test_an_entry_with_other_contents_is_passed_over(folder: Path) -> None:
    first = result()
    (entry,) = folder.rglob("*.code")
    write_entry(entry, b"not a pickle", "")
    np.testing.assert_array_equal(result(), first)


def test_a_folder_that_cannot_be_written_only_costs_time(monkeypatch: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("REVOLVE_AD_CACHE", str(blocked))
    assert result().shape == (50,)


def test_an_empty_variable_turns_the_cache_off(monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_CACHE", "")
    assert cache_folder() is None


def test_importing_the_library_does_not_import_numba() -> None:
    code = "import sys, revolve_ad.native; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_plain_python_runs_the_same_source() -> None:
    module = Module("@kernel\ndef twice(a):\n    return 2 * a\n", native=False)
    assert module.function("twice", "", [])(3) == 6

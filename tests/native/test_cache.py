"""Compiled code is kept on disk, found again, and made again if it was damaged."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import revolve_ad as ra
from revolve_ad.errors import DtypeError
from revolve_ad.native import Compiled, compile_tape
from revolve_ad.native.cache import cache_folder, read_entry, write_entry
from revolve_ad.native.load import Argument, Module
from revolve_ad.native.machine import Code
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


def test_a_second_process_needs_no_numba(folder: Path) -> None:
    code = """
import sys
import numpy as np
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import compile_tape

def program(u):
    return np.exp(u[1:] - u[:-1]) ** 1.5

u = np.linspace(0, 1, 50)
print(compile_tape(trace(program, (u,)).tape).run([u])[0].tobytes().hex(), "numba" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert [imported for _, imported in found] == ["True", "False"]
    assert found[0][0] == found[1][0]


def test_compiled_steps_and_schedules_call_nothing_of_numba(folder: Path) -> None:
    def step(u: Any, p: Any, k: int) -> Any:
        new = u.copy()
        new[1:] -= p * np.sin(u[:-1])
        return new

    sim = ra.Simulation(step, steps=300, schedule=ra.schedule.binomial(300, 9), native=True)
    ra.grad(lambda u, p: np.sum(sim(u, p).state))(np.linspace(0, 1, 40), 0.01)
    kept = [Code(*read_entry(entry)) for entry in folder.rglob("*.code")]
    assert any(code.results > 1 for code in kept)  # the one that plays the schedule
    for code in kept:
        assert code.needs is None or not [n for n in code.needs if n.startswith(("NRT", "numba"))]


def test_code_of_other_processes_stays_apart_where_its_functions_have_the_same_names(
    folder: Path, monkeypatch: Any
) -> None:
    from numba.core.bytecode import FunctionIdentity

    arguments = [Argument(np.dtype(np.float64), 1)]
    # Two functions that aren't inlined, and count as the first of their process.
    loop = "    for i in range(len(a)):\n        a[i] = np.sin(np.cosh(a[i])) {0} np.tanh(a[i])\n"
    body = loop * 9
    twice = "@kernel\ndef run(a):\n    nest(a)\n    nest(a)\n"
    sources = [f"@kernel\ndef nest(a):\n{body.format(sign)}\n{twice}" for sign in "+-"]
    for source in sources:
        with monkeypatch.context() as patch:
            patch.setattr(FunctionIdentity, "_unique_ids", itertools.count(10**6))
            Module(source, native=True).function("run", source, arguments)
    assert len(list(folder.rglob("*.code"))) == 2
    for source in sources:
        function = Module(source, native=True).function("run", source, arguments)
        a, b = np.linspace(0, 1, 5), np.linspace(0, 1, 5)
        function(a)
        Module(source, native=False).function("run", source, arguments)(b)
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_what_is_called_from_python_can_be_called_by_compiled_functions_too() -> None:
    inner = "@kernel\ndef inner(a):\n    for i in range(len(a)):\n        a[i] += np.sinh(a[i])\n"
    outer = "@kernel\ndef outer(a):\n    inner(a)\n    inner(a)\n    return len(a)\n"
    arguments = [Argument(np.dtype(np.float64), 1)]
    module = Module(inner + outer, native=True)
    plain = Module(inner + outer, native=False)
    for name, text in (("inner", inner), ("outer", inner + outer), ("inner", inner)):
        a, b = np.linspace(0, 1, 5), np.linspace(0, 1, 5)
        found = module.function(name, text, arguments)(a)
        assert found == plain.function(name, text, arguments)(b)
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_arrays_of_another_kind_are_refused_before_they_are_touched() -> None:
    source = "@kernel\ndef run(n, a):\n    for i in range(n):\n        a[i] = -1.0\n"
    arguments = [Argument(np.dtype(np.int64), None), Argument(np.dtype(np.float64), 1)]
    run = Module(source, native=True).function("run", source, arguments)
    good = np.ones(4)
    run(2, good)
    np.testing.assert_array_equal(good, [-1, -1, 1, 1])
    run(3, good.view(np.memmap))
    np.testing.assert_array_equal(good, [-1, -1, -1, 1])
    fixed = np.ones(4)
    fixed.setflags(write=False)
    bad: list[Any] = [
        np.ones(4, np.float32),
        np.ones(4, np.int64),
        np.ones(4, ">f8"),
        np.ones((4, 1)),
        np.ones(8)[::2],
        fixed,
        [1.0, 1.0, 1.0, 1.0],
        None,
    ]
    for other in bad:
        before = None if other is None else np.array(other)
        with pytest.raises(DtypeError, match=r"Argument 1 of compiled code"):
            run(2, other)
        if before is not None:
            np.testing.assert_array_equal(other, before)


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
    write_entry(entry, "no code", "")
    np.testing.assert_array_equal(result(), first)


def test_a_folder_that_cannot_be_written_only_costs_time(monkeypatch: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("REVOLVE_AD_CACHE", str(blocked))
    assert result().shape == (50,)


def test_an_entry_that_others_could_write_is_not_read(folder: Path) -> None:
    result()
    (entry,) = folder.rglob("*.code")
    assert read_entry(entry) is not None
    entry.chmod(0o666)
    assert read_entry(entry) is None


def test_what_a_killed_process_was_writing_is_deleted_later(folder: Path) -> None:
    result()
    (entry,) = folder.rglob("*.code")
    old, new = entry.parent / ".new-old", entry.parent / ".new-new"
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_entry(entry, "", "")
    assert not old.exists()
    assert new.exists()


WORKER = """
import numpy as np
from revolve_ad.ad.recording.call import trace
from revolve_ad.native import compile_tape

def program(u):  # what code in the cache may need: functions, powers, errors, memory
    return (1 + np.tanh(np.linalg.inv(3 * np.eye(2) + u)[0])) ** 1.5

start = np.array([0.2, 0.7])
compiled = compile_tape(trace(program, (start,)).tape)
assert not compiled.called
(found,) = compiled.run([start])
np.testing.assert_allclose(found, program(start), rtol=1e-14)
print(found.tobytes().hex())
"""


def start_worker(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env={
            **os.environ,
            "REVOLVE_AD_CACHE": str(folder),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_compile_the_same_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    workers = [start_worker(tmp_path) for _ in range(3)]
    while not list(tmp_path.rglob("*.code")) and workers[0].poll() is None:
        time.sleep(0.01)
    workers[0].kill()  # while it compiles, or writes
    found = []
    for worker in workers[1:]:
        out, err = worker.communicate(timeout=600)
        assert worker.returncode == 0, err
        found.append(out)
    workers[0].communicate()
    assert len(set(found)) == 1
    entries = list(tmp_path.rglob("*.code"))
    assert entries
    assert all(read_entry(entry) is not None for entry in entries)
    before = {entry: entry.stat().st_mtime_ns for entry in entries}
    # A later process finds all of it, and computes the same bits by it.
    last = start_worker(tmp_path)
    out, err = last.communicate(timeout=600)
    assert last.returncode == 0, err
    assert out == found[0]
    assert before == {e: e.stat().st_mtime_ns for e in tmp_path.rglob("*.code")}


def test_an_empty_variable_turns_the_cache_off(monkeypatch: Any) -> None:
    monkeypatch.setenv("REVOLVE_AD_CACHE", "")
    assert cache_folder() is None


def test_importing_the_library_does_not_import_numba() -> None:
    code = "import sys, revolve_ad.native; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_plain_python_runs_the_same_source() -> None:
    module = Module("@kernel\ndef twice(a):\n    return 2 * a\n", native=False)
    assert module.function("twice", "", [])(3) == 6

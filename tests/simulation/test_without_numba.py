"""Without Numba all works, by NumPy alone; what asks for native code is told how to get it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

BROKEN = """
import sys, types
from importlib.machinery import ModuleSpec

class Broken:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec("numba", self) if name == "numba" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        raise ImportError("Numba needs NumPy 1.26 or less.")

sys.meta_path.insert(0, Broken())
"""

GRADIENT = """
import numpy as np
import revolve_ad as ra

def step(u, p, k):
    return u - 0.01 * p * np.sin(u)

def gradient(**options):
    sim = ra.Simulation(step, steps=25_000, **options)
    return ra.grad(lambda p: np.sum(sim(np.linspace(1, 2, 4), p).state))(0.5), sim

"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_programs_and_examples_run_without_numba() -> None:
    tests = [
        "tests/programs/test_gradients.py",
        "tests/examples/test_00_reverse_mode.py",
        "tests/simulation/test_running.py",
    ]
    run(
        f"{BLOCKED}\nimport pytest\n"
        f"assert not pytest.main(['-q', '-p', 'no:cacheprovider', *{tests}])\n"
        "assert 'numba' not in sys.modules\n"
    )


def test_asking_for_native_code_without_numba_names_the_remedy() -> None:
    found = run(
        BLOCKED
        + GRADIENT
        + """
automatic, sim = gradient()
assert automatic == gradient(native=False)[0]
print(sim.report)
try:
    gradient(native=True)
except ra.RevolveError as error:
    print(error)
"""
    )
    assert "interpreted by NumPy: Numba isn't installed (pip install revolve-ad[fast])" in found
    assert "native=True, but Numba isn't installed (pip install revolve-ad[fast])" in found


def test_a_numba_that_cannot_be_imported_is_as_none_and_says_why() -> None:
    found = run(
        BROKEN
        + GRADIENT
        + """
automatic, sim = gradient()
assert automatic == gradient(native=False)[0]
print(sim.report)
"""
    )
    assert "Numba needs NumPy 1.26 or less (pip install --upgrade revolve-ad[fast])" in found

"""Random NumPy programs, recorded and compiled, give the interpreter's values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from revolve_ad.ad.passes.transform import vjp
from revolve_ad.ad.recording.call import trace
from revolve_ad.ad.running.interpreter import Interpreter
from revolve_ad.native import Compiled, compile_tape
from tests.ad.random_programs import draw

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning"
)


@pytest.mark.parametrize("seed", [*range(30), 206, 249, 260, 317, 455])
def test_compiled_programs_agree_with_interpreted_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = draw(rng, int(rng.integers(5, 30)))
    tape = trace(program, (rng.normal(size=program.shape),)).tape
    if tape.depends_on_values:
        pytest.skip("the tape depends on values")
    other = rng.normal(size=program.shape)
    for case, values in ((tape, [other]), (vjp(tape, [0]), [other, np.float64(1.3)])):
        compiled = compile_tape(case, exact=case is tape, native=False)
        assert isinstance(compiled, Compiled), compiled
        for a, b in zip(Interpreter(case).run(values), compiled.run(values), strict=True):
            scale = 1e-300 + np.abs(a).max(initial=0.0)
            np.testing.assert_allclose(b / scale, a / scale, rtol=1e-12, atol=1e-12)

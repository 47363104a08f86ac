"""What NumPy does with arrays without elements, a recording does too; the derivative is zero."""

import numpy as np
import pytest

from tests.ad.rules import test_functions, test_linalg, test_scipy
from tests.ad.rules.harness import Case, Draw, first_order, values

# NumPy reads beyond the end of an empty array; the derivative of 0/0 and of a root at 0 is nan;
# SciPy's banded solve complains on stderr, and its splines read beyond an empty image.
LEFT_OUT = ("einsum diagonal", "irfft", "hfft", "mean", "var", "std", "average", "norm", "banded")
LEFT_OUT += ("map_coordinates", "affine", "rotate", "spline")
TABLES = {
    **test_functions.CASES,
    **test_linalg.FOURIER,
    **{f"linalg {name}": case for name, case in test_linalg.CASES.items()},
    **{f"scipy {name}": case for name, case in test_scipy.OTHERS.items()},
}


def emptied(operands):
    rng = np.random.default_rng(0)
    n = operands[0].shape[0]
    arrays = [o(rng, float, (0, *o.shape[1:]) if o.shape[:1] == (n,) else None) for o in operands]
    return arrays


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_arrays_without_elements():
    checked = 0
    for name, (f, operands, _) in TABLES.items():
        if any(word in name for word in LEFT_OUT) or "svd square" in name:
            continue
        if not all(isinstance(o, Draw) for o in operands) or not operands[0].shape:
            continue
        try:
            arrays = emptied(operands)
            values(f, arrays)
        except Exception:
            continue  # what NumPy refuses needs no rule
        try:
            first_order(Case(f, tuple(operands)), arrays)
        except Exception as error:
            error.add_note(f"in {name}")
            raise
        checked += 1
    assert checked > 100

"""Every argument that NumPy's functions define, each held against every oracle by a line."""

import numpy as np
import pytest

from tests.ad.rules.harness import check, drawn
from tests.ad.rules.keywords import LINES, case_of

ALL = [line for lines in LINES.values() for line in lines]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.filterwarnings("ignore::numpy.exceptions.RankWarning")
@pytest.mark.parametrize("block", range(24))
def test_calls_with_each_argument(block):
    for k, line in enumerate(ALL[block::24]):
        f, operands, with_complex = case_of(line)
        try:
            rng = np.random.default_rng(0)
            f(*(drawn(o, rng, np.float32) for o in operands))
            single = True
        except (TypeError, ValueError):  # an `out` that NumPy takes in double precision alone
            single = False
        try:
            # Layouts with one call of three: each function has them without keywords too.
            check(
                f,
                *operands,
                complex=with_complex,
                single=single,
                layouts=k % 3 == 0,
                looks=True,
            )
        except Exception as error:
            error.add_note(f"in the call {line}")
            raise

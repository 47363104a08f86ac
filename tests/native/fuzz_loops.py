"""Random steps of loops by the thousand, rolled and compared with interpreted steps.

``python -m tests.native.fuzz_loops --first 1000 --seconds 100`` goes through seeds from 1000 on, in
plain Python and with work arrays that are full of NaN, and names those that disagree.
"""

from __future__ import annotations

import argparse
import time
from unittest import mock

import numpy as np

from revolve_ad.native import sweep
from revolve_ad.native.rolled import compile_rolled
from revolve_ad.native.rolling import part
from tests.native.random_loops import random_loops
from tests.native.test_compile_loop import STEPS, Case
from tests.native.test_rolling import spoilt

__all__ = ["agrees", "main"]


def agrees(seed: int) -> bool:
    """Compare one random step; whether it was rolled, as some have too few repeated parts.

    Raises
    ------
    AssertionError
        If the rolled step gives other numbers.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 9))
    case = Case(random_loops(rng, n), rng.random((n, n)), (rng.random((n, n)), rng.random(n)))
    loop = compile_rolled(case.tape, case.layout, native=False)
    if not loop:
        return False
    case.check(loop, int(rng.integers(1, STEPS + 1)))
    return True


def main(arguments: list[str] | None = None) -> list[int]:
    """Return the seeds that disagree."""
    parser = argparse.ArgumentParser(prog="python -m tests.native.fuzz_loops")
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=100.0)
    options = parser.parse_args(arguments)
    bad: list[int] = []
    seed, rolled, end = options.first, 0, time.monotonic() + options.seconds
    # Short loops, too, add up in strips.
    with mock.patch.object(part, "SHORTEST", 1), mock.patch.object(sweep, "_arrays", spoilt):
        while time.monotonic() < end:
            try:
                rolled += agrees(seed)
            except AssertionError as error:
                bad.append(seed)
                print(f"seed {seed}: {str(error).strip().splitlines()[0]}", flush=True)
            seed += 1
    print(f"seeds {options.first} to {seed - 1}: {rolled} rolled, {len(bad)} disagree: {bad}")
    return bad


if __name__ == "__main__":
    main()

"""pyadjoint, driven by our schedules, gives the gradients that it gives without checkpoints."""

from typing import Any

import pytest

pytest.importorskip("checkpoint_schedules")
pyadjoint = pytest.importorskip("pyadjoint")

from checkpoint_schedules import Revolve  # noqa: E402  (after the skip)

from revolve_ad import schedule as s  # noqa: E402

N = 40

KINDS: dict[str, Any] = {
    "binomial": s.binomial(N, 4),
    "none": s.none(N),
    "periodic": s.periodic(N, 6),
    "store_all": s.store_all(N),
    "mixed": s.mixed(N, 12, 2, 3),
    "multilevel, in memory": s.multilevel(N, 3, 0),
    "heterogeneous": s.heterogeneous([1.0 + k % 5 for k in range(N)], 4),
    "heterogeneous_bytes": s.heterogeneous_bytes([1.0] * N, 14, [2, 3] * 20 + [2], [3] * N),
}


def gradients(schedule: Any, by: str) -> list[float]:
    """Return the gradient of a logistic curve's end by Euler's method, as pyadjoint computes it.

    By the rate, which every step uses: once.  By the initial state: at three points in turn, the
    last of which is the first again.

    pyadjoint 2026.10 clears what steps share only from its first checkpoints; so a second gradient
    by the rate is wrong with any schedule that has some, those of checkpoint_schedules included.
    """
    with pyadjoint.set_working_tape(pyadjoint.Tape()) as tape:
        pyadjoint.continue_annotation()
        if schedule is not None:
            tape.enable_checkpointing(schedule)
        rate, start = pyadjoint.AdjFloat(1.3), pyadjoint.AdjFloat(0.1)
        u = start * 1.0
        for _ in tape.timestepper(iter(range(N))):
            u = u + 0.1 * (rate if by == "rate" else 1.3) * u * (1.0 - u)
        control = pyadjoint.Control(rate if by == "rate" else start)
        reduced = pyadjoint.ReducedFunctional(u * u, control)
        pyadjoint.pause_annotation()
        found = [float(reduced.derivative())]
        for point in (0.2, 0.1) if by == "start" else ():
            found.append(float(reduced(pyadjoint.AdjFloat(point))))
            found.append(float(reduced.derivative()))
    return found


@pytest.mark.parametrize("by", ["rate", "start"])
@pytest.mark.parametrize("name", KINDS)
def test_the_gradient_is_bit_for_bit_the_one_without_checkpoints(name: str, by: str) -> None:
    plain = gradients(None, by)
    assert gradients(Revolve(N, 4), by) == plain
    assert gradients(s.to_checkpoint_schedules(KINDS[name]), by) == plain
    assert by == "rate" or plain[0] == plain[-1]

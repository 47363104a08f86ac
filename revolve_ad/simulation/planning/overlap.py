"""What a disk beside the computation would be worth, and the bandwidth that it needs for that.

Execution waits for the disk.  Where steps and disk overlap, and the disk keeps up, a run of any
length costs one extra sweep; this says whether it would, and what it needs.
"""

from dataclasses import dataclass

from revolve_ad.schedule import required_bandwidth, streaming_period
from revolve_ad.simulation.memory import format_bytes
from revolve_ad.simulation.planning.costs import format_seconds
from revolve_ad.simulation.planning.problem import Problem

__all__ = ["Overlap", "overlap"]

_BUFFERS = 4
"""States that lie between memory and disk: two on the way there, two on the way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A run whose checkpoints go to disk, and come back, while steps run.

    Attributes
    ----------
    period : int
        Steps between two checkpoints: the most whose tapes fit into memory, beside four states that
        are on their way.
    least_period : int
        The fewest steps at which the disk keeps up.
    write, read : float
        Bytes a second that it needs at this period.
    has_write, has_read : float
        Bytes a second that the disk was measured, or said, to give; may be infinite.
    on_disk : int
        Checkpoints on disk at a time.
    fits : bool
        Whether these fit there.
    seconds : float
        How long a gradient would take if the disk keeps up.
    """

    period: int
    least_period: int
    write: float
    read: float
    has_write: float
    has_read: float
    on_disk: int
    fits: bool
    seconds: float

    @property
    def keeps_up(self) -> bool:
        """Whether nothing would wait for the disk."""
        return self.fits and self.period >= self.least_period

    def __str__(self) -> str:
        need = f"{_rate(self.write)} written and {_rate(self.read)} read"
        has = f"{_rate(self.has_write)} and {_rate(self.has_read)}"
        text = f"a checkpoint every {self.period:,} steps beside the computation needs {need}"
        if not self.fits:
            return f"{text}, and {self.on_disk:,} checkpoints on disk, which don't fit there."
        if not self.keeps_up:
            return (
                f"{text}; the disk gives {has}. It would keep up from {self.least_period:,} steps "
                "on, whose tapes don't fit into memory."
            )
        return (
            f"{text}; the disk gives {has}. Run that way it would take "
            f"{format_seconds(self.seconds)}; here the disk is waited for."
        )


def overlap(problem: Problem, free: int) -> Overlap | None:
    """Return what a disk beside the computation would do; None where that can't be said.

    Parameters
    ----------
    problem : Problem
        The run; its length must be known, its steps be alike, their seconds known, and there must
        be one disk.
    free : int
        Bytes of memory for checkpoints and tapes.

    Notes
    -----
    With one writer, one reader and two buffers each, a period of P steps needs
    ``P * step >= write`` and ``P * (step + adjoint) >= read`` so that nothing waits, and room for P
    tapes; then each step is run twice, once plain and once recorded, whatever the length of the
    run.  The idea is that of Kukreja et al. (2018), arXiv:1806.01117.
    """
    n, costs, disk, sizes = problem.n_steps, problem.costs, problem.disk, problem.sizes
    if n is None or costs is None or disk is None or problem.beyond:
        return None
    if problem.uneven is not None:
        return None
    state, tape = max(1, sizes.state), max(1, sizes.tape)
    period = min((free - _BUFFERS * state) // tape, n - 1)
    if period < 1 or costs.step <= 0 or disk.slots(state) == 0:
        return None
    write, read = required_bandwidth(period, state, costs.step, costs.adjoint)
    on_disk = (n - 1) // period
    slots = disk.slots(state)
    return Overlap(
        period=period,
        least_period=streaming_period(costs.step, costs.adjoint, costs.write, costs.read),
        write=write,
        read=read,
        has_write=state / costs.write if costs.write else float("inf"),
        has_read=state / costs.read if costs.read else float("inf"),
        on_disk=on_disk,
        fits=slots is None or on_disk <= slots,
        seconds=on_disk * period * costs.step + n * costs.reverse,
    )


def _rate(nbytes: float) -> str:
    return "any rate" if nbytes == float("inf") else f"{format_bytes(nbytes)}/s"

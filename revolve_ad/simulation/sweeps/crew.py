"""Who works on a sweep, and what it has done so far."""

from dataclasses import dataclass

from revolve_ad.simulation.arrays.layout import Layout
from revolve_ad.simulation.arrays.ledger import Ledger
from revolve_ad.simulation.arrays.pool import Pool
from revolve_ad.simulation.arrays.replay import Replays
from revolve_ad.simulation.kernels.observations import Observations
from revolve_ad.simulation.kernels.protocol import Kernel
from revolve_ad.simulation.progress import Progress
from revolve_ad.simulation.sweeps.ending import Ending
from revolve_ad.simulation.sweeps.lookout import Lookout

__all__ = ["Counters", "Crew"]


@dataclass(slots=True)
class Counters:
    """What a sweep has done so far; the names are those of `Report`."""

    advanced: int = 0
    recorded: int = 0
    compared: int = 0
    saved: int = 0
    restored: int = 0
    checkpoints: int = 0
    peak_checkpoints: int = 0
    replanned: int = 0
    forward_seconds: float = 0.0
    reverse_seconds: float = 0.0

    def note_forward(self, done: "Counters") -> None:
        """Take over what the first sweep did, from all that a schedule amounts to."""
        self.advanced, self.recorded = done.advanced, done.recorded
        self.saved, self.peak_checkpoints = done.saved, done.peak_checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who works on one run: what steps, what ends it, what looks at it, what counts it."""

    kernel: Kernel
    layout: Layout
    ending: Ending
    lookout: Lookout
    observations: Observations | None
    replays: Replays
    ledger: Ledger
    progress: Progress
    tape_bytes: int
    pool: Pool
    """Where the memory of checkpoints comes from, and goes to."""
    keeps_pool: bool = False
    """Whether the user granted the memory that an idle pool holds."""
    careful: bool = False
    """Test every state and cotangent for NaN and Inf, to find the first."""

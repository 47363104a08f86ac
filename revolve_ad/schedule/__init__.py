"""Schedules: which steps to run, to tape and to reverse, and which states to keep meanwhile.

A schedule is a value that knows no model, no array and no disk: only integers.  Played from left
to right, its actions reverse a chain of N steps while at most so many checkpoints are held.

The convention, for all of this package::

    state 0 ──step 0──▶ state 1 ──step 1──▶ state 2  …  ──step N−1──▶ state N

- Step k makes state k + 1 from state k, k = 0 … N − 1.
- One state is live, the working state.  At the start that is state 0, at the end none is.
- A step is reversed from its tape, and its tape comes from running it once more, taped
  (`Record`); so each step is recorded exactly once, and what a schedule can save is plain steps
  (`Advance`).  `t` counts them for the best schedule: a gradient evaluates N + t steps.
- A slot holds one checkpoint; **state 0 takes one too**.  The live state, the cotangent and, where
  bytes don't matter, the tapes are not counted as checkpoints.
- Nothing is left at the end: every checkpoint is discarded, every tape used.
"""

from revolve_ad.schedule.actions import (
    Action,
    Advance,
    Discard,
    Level,
    Record,
    Restore,
    Reverse,
    Save,
)
from revolve_ad.schedule.binomial import binomial
from revolve_ad.schedule.closed_form import beta, min_saves, repetitions, t
from revolve_ad.schedule.disk_period import disk_period
from revolve_ad.schedule.drawing import draw
from revolve_ad.schedule.exchange import to_checkpoint_schedules
from revolve_ad.schedule.heterogeneous import heterogeneous
from revolve_ad.schedule.heterogeneous_bytes import heterogeneous_bytes
from revolve_ad.schedule.mixed import mixed, smallest_budget
from revolve_ad.schedule.multilevel import multilevel
from revolve_ad.schedule.online import online
from revolve_ad.schedule.protocol import (
    ActionIterator,
    Counts,
    LevelCounts,
    Limits,
    Machine,
    OnlineDriver,
    OnlineSchedule,
    Schedule,
)
from revolve_ad.schedule.referee import check
from revolve_ad.schedule.references import none, periodic, store_all
from revolve_ad.schedule.streaming import required_bandwidth, streaming, streaming_period

__all__ = [
    "Action",
    "ActionIterator",
    "Advance",
    "Counts",
    "Discard",
    "Level",
    "LevelCounts",
    "Limits",
    "Machine",
    "OnlineDriver",
    "OnlineSchedule",
    "Record",
    "Restore",
    "Reverse",
    "Save",
    "Schedule",
    "beta",
    "binomial",
    "check",
    "disk_period",
    "draw",
    "heterogeneous",
    "heterogeneous_bytes",
    "min_saves",
    "mixed",
    "multilevel",
    "none",
    "online",
    "periodic",
    "repetitions",
    "required_bandwidth",
    "smallest_budget",
    "store_all",
    "streaming",
    "streaming_period",
    "t",
    "to_checkpoint_schedules",
]

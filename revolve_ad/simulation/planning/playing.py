"""Tells when compiled code carries out the actions of a schedule too, and not Python."""

from typing import Final

__all__ = ["SECONDS_OF_A_BYTE", "SECONDS_OF_A_TURN", "is_played"]

_SECONDS_A_RESTORE: Final = 60e-6
"""What Python takes for the actions that go with a restored checkpoint."""

_SECONDS_A_BYTE: Final = 2.5e-10
"""About what a compiled step and its reverse take, for each byte of the state."""

_FEWEST: Final = 32
"""So few restored checkpoints take no time that anyone would notice."""

_SHARE: Final = 0.04
"""Compiling the player takes seconds: it must save this share of a gradient."""

SECONDS_OF_A_TURN: Final = 3e-7
SECONDS_OF_A_BYTE: Final = 5e-11
"""What compiled code takes for the actions that go with a restored checkpoint, and beyond a step
between arrays in the cache for one that reads and writes where checkpoints lie."""


def is_played(n_steps: int, restored: int, state_bytes: int) -> bool:
    """Tell whether it is worth it for a run with so many restored checkpoints."""
    steps = n_steps * (1e-7 + state_bytes * _SECONDS_A_BYTE)
    return restored >= _FEWEST and restored * _SECONDS_A_RESTORE >= _SHARE * steps

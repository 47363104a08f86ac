"""The derivative rules, by kind of operation; importing this package fills the tables."""

from revolve_ad.ad.rules import elementwise, special, structure
from revolve_ad.ad.rules.table import (
    ACCUMULATE,
    FREE,
    JVP,
    VJP,
    define_elementwise,
    define_linear,
    define_rules,
    no_derivative,
)

__all__ = [
    "ACCUMULATE",
    "FREE",
    "JVP",
    "VJP",
    "define_elementwise",
    "define_linear",
    "define_rules",
    "elementwise",
    "no_derivative",
    "special",
    "structure",
]

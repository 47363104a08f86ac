"""The adjoint core: recorded NumPy as a tape, and its derivatives as tapes."""

from revolve_ad.ad import functions, rules

__all__ = ["functions", "rules"]

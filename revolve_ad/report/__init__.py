"""Compares what gradients cost under several budgets: a table and a figure."""

from revolve_ad.report.comparison import Comparison, Measured, compare

__all__ = ["Comparison", "Measured", "compare"]

"""Tests of derivatives: Taylor rates of a gradient; dot product, replay and purity of a step.

Both return a frozen result that prints as a table, with ``.ok`` and ``.raise_if_bad()``.
"""

from revolve_ad.verify.gradient import GradientCheck, check_gradient
from revolve_ad.verify.slope import SlopeCheck
from revolve_ad.verify.step import Finding, StepCheck, check_step

__all__ = [
    "Finding",
    "GradientCheck",
    "SlopeCheck",
    "StepCheck",
    "check_gradient",
    "check_step",
]

"""One direction of a Taylor test: the rates of the remainder, and the error of the slope.

With the remainder R(h) = f(x + h d) − f(x) − h ⟨g, d⟩ of a smooth function,

    R(h) = δ h + c h² + e h³ + …,

where δ is what is wrong with the gradient g.  If δ = 0, halving h divides R by 4: the rate is 2.
A wrong gradient gives a rate that falls to 1, but only at steps so small that δ h exceeds c h²;
so the steps are the smallest that rounding allows.  The odd part of R, extrapolated to h = 0,
gives δ itself, more sharply than any rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log2, sqrt

__all__ = ["SlopeCheck", "examine"]

_HALVINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeCheck:
    """What one direction showed.

    Attributes
    ----------
    slope : float
        ⟨g, d⟩: the derivative along the direction, as the gradient gives it.
    size : float
        The size that slopes have in directions of this length: the root of Σ |g_i d_i|².
    error : float
        The slope by differences minus `slope`: three central differences, extrapolated.
    uncertainty : float
        How far rounding and curvature can move `error`.
    steps : tuple of float
        The step sizes h of the rates, halved each time, relative to the size of each leaf; empty
        where the function is straight along the direction, to rounding.
    remainders : tuple of float
        |R(h)| at these.
    rates : tuple of float
        log2 of the ratio of neighbours; 2 for a right gradient.
    rate_tolerance : float
        By how much a rate may miss 2.
    error_tolerance : float
        How large `error` may be.
    """

    slope: float
    size: float
    error: float
    uncertainty: float
    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    rates: tuple[float, ...]
    rate_tolerance: float
    error_tolerance: float

    @property
    def relative_error(self) -> float:
        """`error` relative to `size`; 0 where both vanish."""
        if self.error == 0.0:
            return 0.0
        return abs(self.error) / self.size if self.size else float("inf")

    @property
    def ok(self) -> bool:
        """Whether the rates are 2 and the error of the slope is within its tolerance."""
        rates = all(abs(rate - 2) <= self.rate_tolerance for rate in self.rates)
        return rates and abs(self.error) <= self.error_tolerance


def examine(
    residual: Callable[[float], float],
    *,
    slope: float,
    size: float,
    value: float,
    noise: float,
    eps: float,
    rates: bool = True,
    rate_tolerance: float = 0.02,
) -> SlopeCheck:
    """Look at one direction.

    Parameters
    ----------
    residual : callable
        R(h).
    slope, size : float
        See `SlopeCheck`.
    value : float
        The magnitude of the function itself.
    noise : float
        How much R scatters.
    eps : float
        Machine epsilon of the arithmetic; no step is so small that x + h d is mostly rounding.
    rates : bool
        Whether rates are wanted.
    rate_tolerance : float
        By how much a rate may miss 2 where h is so small that e h³ doesn't matter.
    """
    magnitude = max(abs(value), size)
    if magnitude == 0.0:
        magnitude = abs(residual(0.01)) or 1.0
    smallest = 10 * sqrt(eps)

    # The curvature, first at a step where rounding and the fourth order are both small …
    h = min(max((noise / magnitude) ** 0.25, smallest), 0.03)
    curvature = _curvature(residual, h, noise)
    # … then near the steps that it leads to.
    start = _start(curvature, noise, smallest)
    if start is not None and not 0.1 < start / h < 10:
        curvature = _curvature(residual, 4 * start, noise)
        start = _start(curvature, noise, smallest)

    # Central differences at h, h/2, h/4, extrapolated to 0 (Romberg).
    h = min(max((noise / magnitude) ** 0.25, smallest), 0.03)
    if curvature:
        h = max(min(h, sqrt(1e-4 * magnitude / abs(curvature))), smallest)
    first, second, third = [
        (residual(one) - residual(-one)) / (2 * one) for one in (h, h / 2, h / 4)
    ]
    coarse, fine = second + (second - first) / 3, third + (third - second) / 3
    error = fine + (fine - coarse) / 15
    uncertainty = 10 * noise / h + abs(fine - coarse) / 2
    cubic = (first - second) / (0.75 * h**2)

    steps: tuple[float, ...] = ()
    remainders: tuple[float, ...] = ()
    found: tuple[float, ...] = ()
    tolerance = rate_tolerance
    if rates and start is not None:
        steps = tuple([start * 2**i for i in range(_HALVINGS, -1, -1)])
        signed = [residual(h) for h in steps]
        # Where the even part falls faster than h², f is flat to third order and has no rate of 2;
        # where it falls more slowly, there is a kink, and the rates shall tell.
        coarse, fine = [(signed[i] + residual(-steps[i])) / 2 / steps[i] ** 2 for i in (0, 2)]
        if abs(coarse) <= 1.3 * abs(fine):
            remainders = tuple([abs(r) for r in signed])
            found = tuple([_rate(a, b) for a, b in pairwise(remainders)])
        else:
            steps = ()
        # R = c h² + e h³ has a rate that misses 2 by about 0.72 (e / c) h.  In float64 h is so
        # small that this doesn't matter; in float32 it is a few hundredths.
        tolerance += min(0.2, max(1.0, abs(cubic / curvature)) * 8 * start)
    # Half of the digits: a right gradient of a long simulation hardly ever loses as many.
    return SlopeCheck(
        slope=slope,
        size=size,
        error=error,
        uncertainty=uncertainty,
        steps=steps,
        remainders=remainders,
        rates=found,
        rate_tolerance=tolerance,
        error_tolerance=sqrt(eps) * size + 3 * uncertainty,
    )


def _curvature(residual: Callable[[float], float], h: float, noise: float) -> float:
    """Return c; 0 where it can't be told from rounding."""
    even = (residual(h) + residual(-h)) / 2
    return 0.0 if abs(even) <= 20 * noise else even / h**2


def _start(curvature: float, noise: float, smallest: float) -> float | None:
    """Return the smallest step at which c h² is 2000 times the noise; None if that is large."""
    if curvature == 0.0:
        return None
    start = max(sqrt(2000 * noise / abs(curvature)), smallest)
    return start if start <= 0.03 else None


def _rate(coarse: float, fine: float) -> float:
    if fine == 0.0 or coarse == 0.0:
        return float("nan") if coarse == fine else float("inf")
    return log2(coarse / fine)

"""How much a computed function scatters about the smooth one that it stands for."""

from collections.abc import Callable
from math import factorial, inf

import numpy as np

__all__ = ["noise_level"]

_POINTS = 7


def noise_level(residual: Callable[[float], float], spacing: float) -> float:
    """Return the standard deviation of the noise in a function of one number.

    High differences of values at close points kill what is smooth and keep what isn't.  Moré and
    Wild (2011), Estimating computational noise, doi:10.1137/100786125, algorithm ECnoise.

    Parameters
    ----------
    residual : callable
        The function; it is called at 7 points.
    spacing : float
        Their distance, small.

    Returns
    -------
    float
        The level; inf if a value isn't finite.
    """
    values = np.array([residual(i * spacing) for i in range(_POINTS)])
    if not np.all(np.isfinite(values)):
        return inf
    levels = []
    mixed = []
    difference = values
    for k in range(1, _POINTS):
        difference = np.diff(difference)
        weight = factorial(k) ** 2 / factorial(2 * k)
        levels.append(float(np.sqrt(weight * np.mean(difference**2))))
        mixed.append(bool(np.any(difference > 0) and np.any(difference < 0)))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if mixed[k] and max(three) <= 4 * min(three):
            return levels[k]
    return min(levels[2:])

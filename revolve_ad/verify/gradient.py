"""`check_gradient` tells whether a gradient is that of a function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from revolve_ad import trees
from revolve_ad.ad import value_and_grad
from revolve_ad.errors import NotDifferentiableError, ParameterError, VerificationError
from revolve_ad.verify.direction import inner, is_float, moved, precision, random_direction
from revolve_ad.verify.noise import noise_level
from revolve_ad.verify.slope import SlopeCheck, examine

__all__ = ["GradientCheck", "check_gradient"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GradientCheck:
    """The result of `check_gradient`; it prints as a table.

    Attributes
    ----------
    value : float
        f(x).
    noise : float
        How much the computed f scatters about a smooth function.
    repeatable : bool
        Whether f(x) gave the same number twice.
    directions : tuple of SlopeCheck
        What each random direction showed.
    """

    value: float
    noise: float
    repeatable: bool
    directions: tuple[SlopeCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether every direction is good and f is a function."""
        return self.repeatable and all(one.ok for one in self.directions)

    @property
    def rates(self) -> tuple[float, ...]:
        """All rates of all directions; 2 for a right gradient."""
        return tuple([rate for one in self.directions for rate in one.rates])

    @property
    def error(self) -> float:
        """The largest relative error of a slope."""
        return max((one.relative_error for one in self.directions), default=0.0)

    def raise_if_bad(self) -> None:
        """Raise `VerificationError` with the table, unless `ok`."""
        if not self.ok:
            raise VerificationError(str(self))

    def __str__(self) -> str:
        lines = [
            f"gradient check: {'good' if self.ok else 'BAD'}, f(x) = {self.value:.10g}, "
            f"noise {self.noise:.1e}",
            f"{'slope':>13} {'error':>10} {'allowed':>9} {'relative':>9}   "
            f"{'step sizes':<19} {'rates (2 is right)':<20}",
        ]
        for one in self.directions:
            sizes = rates = ""
            if one.steps:
                sizes = f"{one.steps[0]:.1e} … {one.steps[-1]:.1e}"
                rates = " ".join(f"{rate:.3f}" for rate in one.rates)
            else:
                rates = "straight to rounding"
            lines.append(
                f"{one.slope:>13.6g} {one.error:>10.1e} {one.error_tolerance:>9.1e} "
                f"{one.relative_error:>9.1e}   {sizes:<19} {rates:<20} "
                f"{'good' if one.ok else 'BAD'}"
            )
        if not self.repeatable:
            lines.append(
                "f(x) gave two values for one x: it draws random numbers, or reads what changes. "
                "Pass a seeded generator's numbers in as an argument."
            )
        elif not self.ok:
            lines.append(
                "The gradient isn't that of this function, or the function has a kink or a jump "
                "near x. In a simulation, look at the step alone: ra.check_step(step, state, "
                "params). A step with a vjp of its own is the first suspect."
            )
        return "\n".join(lines)


def check_gradient(
    f: Callable[[Any], Any],
    x: Any,
    *,
    gradient: Any = None,
    directions: int = 3,
    rng: Any = None,
) -> GradientCheck:
    """Compare a gradient with the function itself along random directions (Taylor test).

    Parameters
    ----------
    f : callable
        ``f(x)``, one real number; it is called about 10 times a direction, and only evaluated.
    x
        Where to look: an array or a number, or a structure of them.  The functions should be
        smooth here; look at a point that isn't the first that the gradient was computed at.
    gradient : structured value or callable, optional
        The gradient at `x`, or a function that gives it; by default that of `ra.value_and_grad`.
    directions : int
        How many directions, 1 or more.  They are random: along the gradient itself errors hide.
    rng : seed or numpy.random.Generator, optional
        For the directions (SPEC 7).

    Returns
    -------
    GradientCheck
        With ``.ok``, ``.raise_if_bad()``, rates 2.00 ± 0.02 for a right gradient.

    Raises
    ------
    NotDifferentiableError
        If f(x) isn't one real number, or `x` has no float.

    Notes
    -----
    The noise of `f` is measured (ECnoise), and the step sizes follow from it, so that they are
    small enough to see an error of the gradient of about 1e-8 relative, in float64, and are never
    lost in rounding.  A rate alone doesn't see that much: an error of 1e-6 shows only at steps
    below 1e-6, so the slope is compared with extrapolated differences too.

    Examples
    --------
    >>> import numpy as np
    >>> check_gradient(lambda x: np.sum(np.sin(x)), np.array([1.0, 2.0]), rng=1).ok
    True
    """
    if directions < 1:
        raise ParameterError(f"directions is {directions}; give at least 1.")
    rng = np.random.default_rng(rng)
    leaves, structure = trees.flatten(x, "x")
    if not any(is_float(leaf) for leaf in leaves):
        raise NotDifferentiableError("x holds no float, so that nothing can be moved; convert it.")

    def at(points: list[Any]) -> float:
        return _number(f(structure.unflatten(points)))

    if gradient is None:
        gradient = value_and_grad(f)(x)[1]
    elif callable(gradient):
        gradient = gradient(x)
    slopes = trees.flatten_like(structure, gradient, "gradient")
    origin = [np.array(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
    first = f(structure.unflatten(origin))
    value, again = _number(first), at(origin)
    eps = max(precision(leaves), precision([first]))

    noise = 0.0
    found = []
    for number in range(directions):
        direction = random_direction(origin, rng)

        def residual(h: float, direction: Any = direction) -> float:
            points, moves = moved(origin, direction, h)
            return at(points) - value - inner(slopes, moves)

        if number == 0:
            noise = max(noise_level(residual, eps**0.6), eps * abs(value))
        size = float(
            np.sqrt(
                sum(
                    inner([abs(np.asarray(g) * d) ** 2], [np.ones(np.shape(d))])
                    for g, d in zip(slopes, direction, strict=True)
                    if d is not None
                )
            )
        )
        found.append(
            examine(
                residual,
                slope=inner(slopes, direction),
                size=size,
                value=value,
                noise=noise,
                eps=eps,
            )
        )
    same = value == again or (np.isnan(value) and np.isnan(again))
    return GradientCheck(value=value, noise=noise, repeatable=bool(same), directions=tuple(found))


def _number(value: Any) -> float:
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind not in "fiu":
        raise NotDifferentiableError(
            f"f returned {array.dtype}{list(array.shape)}; a gradient is that of one real number. "
            "Sum it up (np.sum), or take the real part."
        )
    return float(array)

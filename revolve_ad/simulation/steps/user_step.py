"""`ra.step`: a step whose derivative the user gives, with Fortran, C or Numba behind it."""

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, final

from revolve_ad.errors import ParameterError

__all__ = ["Step", "step"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


@final
class Step:
    """A step with hand-written derivatives; made by `step`, called like the function itself.

    Attributes
    ----------
    function : callable
        ``(state, params, k) -> state``, or ``(state, params, k, inputs_k) -> state``.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.__qualname__: str = getattr(function, "__qualname__", repr(function))
        self.function = function
        self._vjp: Callable[..., Any] | None = None
        self._jvp: Callable[..., Any] | None = None
        self._advance: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        """Run the step."""
        return self.function(*args)

    def vjp(self, function: _Function) -> _Function:
        """Register the reverse of the step, and return it as it is.

        ``(state, params, k, cotangent) -> (state_cotangent, params_cotangent)``, where `state` is
        state k, `cotangent` belongs to state k + 1, and each result has the structure and shapes of
        what it belongs to; None means zero.  With inputs it is
        ``(state, params, k, inputs_k, cotangent) -> (state_cotangent, params_cotangent,
        inputs_cotangent)``.  The cotangent of a complex leaf is that of the inner product
        Re Σ conj(a)·b.  `state` and `cotangent` may be overwritten.
        """
        self._vjp = _callable(function, "vjp")
        return function

    def jvp(self, function: _Function) -> _Function:
        """Register the forward derivative of the step, and return it as it is.

        ``(state, params, k, dstate, dparams) -> dstate_next``; with inputs
        ``(state, params, k, inputs_k, dstate, dparams, dinputs_k) -> dstate_next``.
        """
        self._jvp = _callable(function, "jvp")
        return function

    def advance(self, function: _Function) -> _Function:
        """Register a function that runs many steps at once, and return it as it is.

        ``(state, params, start, stop) -> state``: from state `start` to state `stop`, to the same
        bits as the step itself, one by one.  With inputs
        ``(state, params, start, stop, inputs) -> state``, where `inputs` holds the rows of these
        steps.  It may update `state` in place.  A single step is run by the step itself.
        """
        self._advance = _callable(function, "advance")
        return function

    @property
    def has_vjp(self) -> bool:
        """Whether the step has a reverse of its own; without one it is recorded like any other."""
        return self._vjp is not None

    def __repr__(self) -> str:
        parts = [name for name in ("vjp", "jvp", "advance") if getattr(self, f"_{name}")]
        return f"<step {self.__qualname__}, with {', '.join(parts) or 'nothing'} of its own>"

    def _parts(self) -> tuple[Any, ...]:
        return self.function, self._vjp, self._jvp, self._advance

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self.function)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By name, like any function, if the name is its own; else from its parts.
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is self:
            name: str = self.__qualname__
            return name
        return _rebuilt, self._parts()


def _rebuilt(function: Any, vjp: Any, jvp: Any, advance: Any) -> Step:
    made = Step(function)
    made._vjp, made._jvp, made._advance = vjp, jvp, advance
    return made


def step(function: Callable[..., Any]) -> Step:
    """Let a step have derivatives of its own, instead of being recorded.

    Parameters
    ----------
    function : callable
        ``(state, params, k) -> state``, or with inputs ``(state, params, k, inputs_k) -> state``.
        It is called with plain arrays, and may update `state` in place and return it; `params` and
        `inputs_k` can't be written.

    Returns
    -------
    Step
        Callable like the function, with the decorators `vjp`, `jvp` and `advance`.

    Notes
    -----
    For code that NumPy doesn't see.  A step in NumPy needs none of this: pass the function itself.
    Test a derivative written by hand with `check_step`.

    Examples
    --------
    >>> @step
    ... def decay(u, rate, k):
    ...     return u - 0.1 * rate * u
    >>> @decay.vjp
    ... def decay_vjp(u, rate, k, cotangent):
    ...     return (1 - 0.1 * rate) * cotangent, -0.1 * (u @ cotangent)
    """
    _callable(function, "step")
    return function if isinstance(function, Step) else Step(function)


def _callable(function: Any, name: str) -> Any:
    if not callable(function):
        raise ParameterError(f"{name} decorates a function; it was given {function!r}.")
    return function

"""SciPy's functions, which don't ask NumPy's protocols, as operations of a recording.

An entry names the arguments that may be traced, and a NumPy program of the same values for the
derivative.  SciPy's modules are never imported here: who calls a function has done so.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.functions.arguments import finished
from revolve_ad.ad.functions.creation import contains_traced
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced import Traced, apply, as_array
from revolve_ad.ad.traced.interception import FOREIGN
from revolve_ad.ad.traced.recorder import Recorder
from revolve_ad.errors import UnsupportedOperationError

__all__ = ["Keywords", "bound", "foreign", "opaque", "real_operand", "scipy_function"]


def scipy_function(module: str, name: str) -> Any:
    """Return a function of a module; the original, as its caller is of this package."""
    return getattr(importlib.import_module(module), name)


class Keywords:
    """The plain arguments of a call as one static parameter."""

    __slots__ = ("_key", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self._key = tuple((k, _frozen(v)) for k, v in sorted(self.values.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keywords) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in self.values.items())


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes(), value.shape, value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return type(value), value


def foreign(module: str, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated ``f(recorder, original, *args, **kwargs)`` for functions of a module.

    Calls without a traced argument go to the original.
    """

    def enter(recorded: Callable[..., Any]) -> Callable[..., Any]:
        def call(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
            if not any(contains_traced(x) for x in (*args, *kwargs.values())):
                return original(*args, **kwargs)
            return recorded(rec, original, *args, **kwargs)

        for name in names:
            FOREIGN.setdefault(module, {})[name] = call
        return recorded

    return enter


@lru_cache(maxsize=256)
def _signature(original: Any) -> inspect.Signature:
    return inspect.signature(original)


def bound(
    rec: Recorder,
    original: Any,
    operands: Sequence[str],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Return the operands of a call, as arrays, and its other arguments, plain."""
    found = _signature(original).bind(*args, **kwargs)
    found.apply_defaults()
    given = dict(found.arguments)
    for name, parameter in _signature(original).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name))
    arrays = []
    for name in operands:
        x = given.pop(name)
        x = as_array(rec, x) if type(x) in (list, tuple) else x
        arrays.append(x if type(x) is Traced else np.asarray(x))
    rest = {name: real_operand(x, original.__name__, name) for name, x in given.items()}
    return arrays, rest


def real_operand(value: Any, function: str, name: str) -> Any:
    """Return an argument by which a function isn't differentiated, plain; raise if it varies."""
    if not contains_traced(value):
        return value
    if type(value) in (list, tuple):
        return type(value)(real_operand(x, function, name) for x in value)
    if type(value) is not Traced or value.is_needed_traced(f"the argument {name} of {function}"):
        raise UnsupportedOperationError(
            f"{function} has no derivative by its argument {name!r}, which is traced here. Cut it "
            f"on purpose with ra.stop_gradient, or wrap the call and give its derivative:\n"
            f"    @ra.primitive\n    def f(x): ...\n    @f.vjp\n    def f_vjp(g, y, x): ..."
        )
    return value.v


def opaque(
    module: str,
    name: str,
    operands: Sequence[str],
    equal: Callable[..., Any],
    *,
    without: Sequence[str] = (),
) -> Primitive:
    """Record a function as one operation, with the derivative of an equal NumPy program.

    Parameters
    ----------
    operands : sequence of str
        The arguments that may be traced; the first ones.
    equal : callable
        Called with the operands in that order and all other arguments by keyword.
    without : sequence of str
        Arguments that only speak of speed or memory, left out.
    """

    def evaluate(*given: Any) -> Any:
        *xs, keywords = given
        function = scipy_function(module, name)
        found = function(*xs, **keywords.values)
        return np.array(found)[()] if np.ndim(found) else found

    def equal_of_type(*given: Any) -> Any:
        *xs, keywords = given
        rest = dict(keywords.values)
        dtype = rest.pop("output", None)
        found = equal(*xs, **rest)
        return found if dtype is None else found.astype(dtype)

    op = Primitive(name, evaluate, params=("keywords",))
    define_by_equal(op, equal_of_type)

    @foreign(module, name)
    def call(rec: Recorder, original: Any, *args: Any, **kwargs: Any) -> Any:
        given = _signature(original).bind(*args, **kwargs).arguments
        out = given.get("output")
        is_array = type(out) is Traced or isinstance(out, np.ndarray)
        if out is not None:  # an array to write into, or a type of numbers
            more = given.pop("kwargs", {})
            given["output"] = np.dtype(out.dtype if is_array else out)
            args, kwargs = (), {**given, **more}
        if given.get("exact"):
            raise UnsupportedOperationError(
                f"{name} with exact=True counts whole numbers, and has no rule for traced arrays; "
                "without it, it has one"
            )
        arrays, rest = bound(rec, original, operands, args, kwargs)
        for word in without if out is not None else ("output", *without):
            rest.pop(word, None)
        found = apply(op, arrays, (Keywords(rest),))
        return finished(found, out, name) if is_array else found

    return op

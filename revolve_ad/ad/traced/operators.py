"""The operators of traced values: ``a + b``, ``2 * a``, ``a[1:] += b``, ``a ** 2``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.core import OF_NUMBERS, SCALAR_POWER, elementwise
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.operations import result, save_operands
from revolve_ad.ad.traced.recorder import _PYTHON_DTYPE
from revolve_ad.ad.traced.ufuncs import (
    as_array,
    call_ufunc,
    loop_dtypes,
    operand_nodes,
    write_result,
)
from revolve_ad.ad.traced.value import PYTHON_NUMBERS, Traced, method, recorder_of

__all__: list[str] = []

_COMPLEX = frozenset((complex, np.complex64, np.complex128, np.clongdouble))
_ndarray = np.ndarray


def _unary(function: Callable[[Any], Any], ufunc: np.ufunc, x: Traced) -> Any:
    if not x.rec.simple or x.dtype.kind == "b":
        return call_ufunc(ufunc, (x,))
    op = elementwise(ufunc)
    if type(x.v) in _COMPLEX:
        op = OF_NUMBERS.get(ufunc, op)
    node = x.saved() if x.rec.keep and op.reads_operands else x.read()
    return result(x.rec, op, (node,), (), function(x.v))


def _of_numbers(ufunc: np.ufunc, value: Any, *operands: Any) -> Primitive:
    """Return the primitive of an operator that gave this value, by what it was applied to."""
    op = elementwise(ufunc)
    if type(value) not in _COMPLEX or any(type(x) is _ndarray for x in operands):
        return op
    return OF_NUMBERS.get(ufunc, op)


def _binary(
    function: Callable[[Any, Any], Any], into: Any, ufunc: np.ufunc
) -> tuple[Any, Any, Any]:
    """Return the operator, its reflected form and its in-place form."""
    op = elementwise(ufunc)
    # x·c and x/c with a number c: the derivative doesn't read x.
    saves_other = op.reads_operands and ufunc not in (np.multiply, np.true_divide)
    saves_reflected = op.reads_operands and ufunc is not np.multiply

    def forward(self: Traced, other: Any) -> Any:
        rec = self.rec
        if rec.simple:
            kind: Any = type(other)
            if kind is Traced:
                a, b = self.v, other.v
                if other.rec is rec and (
                    (type(a) in PYTHON_NUMBERS) is (type(b) in PYTHON_NUMBERS)
                ):
                    v = function(a, b)
                    how = _of_numbers(ufunc, v, a, b) if type(v) in _COMPLEX else op
                    if rec.keep and op.reads_operands:
                        return result(rec, how, (self.saved(other), other.saved(self)), (), v)
                    return result(rec, how, (self.read(), other.read()), (), v)
            elif kind in PYTHON_NUMBERS:
                x = self.v
                v = function(x, other)
                how = _of_numbers(ufunc, v, x) if type(v) in _COMPLEX else op
                node = self.saved() if saves_other and rec.keep else self.read()
                return result(rec, how, (node, _number(rec, other, x)), (), v)
        return _general(function, ufunc, self, other)

    def reflected(self: Traced, other: Any) -> Any:
        rec = self.rec
        if rec.simple and type(other) in PYTHON_NUMBERS:
            x = self.v
            v = function(other, x)
            how = _of_numbers(ufunc, v, x) if type(v) in _COMPLEX else op
            node = self.saved() if saves_reflected and rec.keep else self.read()
            return result(rec, how, (_number(rec, other, x), node), (), v)
        return _general(function, ufunc, other, self)

    def in_place(self: Traced, other: Any) -> Any:
        kind: Any = type(other)
        if (kind is Traced or kind in PYTHON_NUMBERS) and write_result(
            self.rec, op, self, (self, other), into
        ):
            return self
        return _in_place(self, forward(self, other))

    return forward, reflected, in_place


def _number(rec: Any, number: Any, x: Any) -> Any:
    """Return the node of a Python number beside the real value `x`."""
    if type(x) in PYTHON_NUMBERS:
        return rec.literal(number, _PYTHON_DTYPE[type(number)])
    return rec.beside(number, x.dtype)


def _general(function: Callable[[Any, Any], Any], ufunc: np.ufunc, a: Any, b: Any) -> Any:
    """Record an operator whose operands aren't the common case."""
    for x in (a, b):
        if not (
            type(x) is Traced
            or type(x) in PYTHON_NUMBERS
            or isinstance(x, np.ndarray | np.generic | list | tuple)
        ):
            return NotImplemented
    rec = recorder_of((a, b))
    a, b = (as_array(rec, x) if type(x) in (list, tuple) else x for x in (a, b))
    real = [x.v if type(x) is Traced else x for x in (a, b)]
    value = function(*real)
    op = _of_numbers(ufunc, value, *real)
    if rec.masks and (put_off := FUNCTIONS["lazy"](rec, op, ufunc, (a, b), value)) is not None:
        return put_off
    if rec.keep and op.reads_operands:
        save_operands(rec, (a, b))
    return result(rec, op, operand_nodes(rec, (a, b), ufunc), (), value)


def _in_place(self: Traced, value: Any) -> Any:
    """Write a result that was computed apart, as an in-place operator does."""
    if value is NotImplemented or self.cell is None:
        return value
    if value.dtype is not self.dtype and not np.can_cast(value.dtype, self.dtype, "same_kind"):
        raise TypeError(
            f"cannot cast the result from {value.dtype} to {self.dtype} in place, as in NumPy"
        )
    if not (self.rec.masks and FUNCTIONS["lazy in place"](self.rec, self, value)):
        self.write(value)
    return self


@lru_cache(maxsize=256)
def _fast_power(kind: Any, p: Any, dtype: np.dtype[Any]) -> np.ufunc | None:
    """Return the ufunc by which NumPy computes ``x ** p``, if it isn't power.

    Which exponents have one differs between dtypes and versions of NumPy, so we ask.
    """
    fast = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}.get(p)
    if fast is None or dtype.kind not in "fc" or kind is complex:
        return None
    sample = np.linspace(0.5, 2.0, 64).astype(dtype)
    if dtype.kind == "c":
        sample = sample + (1j * sample[::-1] ** 3).astype(dtype)
    return fast if (sample**p).tobytes() == fast(sample).tobytes() else None


def _power(x: Any, p: Any) -> Any:
    """Record ``x ** p`` as NumPy computes it, with its fast forms for some exponents."""
    if type(x) is Traced and type(p) in PYTHON_NUMBERS and x.rec.simple:
        if isinstance(x.v, np.generic):  # the usual case of losses of few numbers
            rec, value = x.rec, x.v**p
            node = x.saved() if rec.keep else x.read()
            dtype = loop_dtypes(np.power, (x.v.dtype, type(p)))[1]
            return result(rec, SCALAR_POWER, (node, rec.literal(p, dtype)), (), value)
    value_x, value_p = (y.v if type(y) is Traced else y for y in (x, p))
    if not all(
        isinstance(v, np.ndarray | np.generic | bool | int | float | complex)
        for v in (value_x, value_p)
    ):
        return NotImplemented
    rec = recorder_of((x, p))
    if isinstance(value_x, np.ndarray) and type(p) in PYTHON_NUMBERS:
        kind: Any = type(p)
        fast = _fast_power(kind, p, value_x.dtype)
        if fast is not None:
            return call_ufunc(fast, (x,))
    value = value_x**value_p
    op = elementwise(np.power)
    if rec.masks and (put_off := FUNCTIONS["lazy"](rec, op, np.power, (x, p), value)) is not None:
        return put_off
    if rec.keep:
        save_operands(rec, (x, p))
    args = operand_nodes(rec, (x, p), np.power)
    scalar = not isinstance(value, np.ndarray)
    return result(rec, SCALAR_POWER if scalar else op, args, (), value)


@method
def __neg__(self: Traced) -> Any:
    return _unary(operator.neg, np.negative, self)


@method
def __pos__(self: Traced) -> Any:
    return _unary(operator.pos, np.positive, self)


@method
def __abs__(self: Traced) -> Any:
    return _unary(operator.abs, np.absolute, self)


@method
def __invert__(self: Traced) -> Any:
    return _unary(operator.invert, np.invert, self)


@method
def __pow__(self: Traced, other: Any) -> Any:
    return _power(self, other)


@method
def __rpow__(self: Traced, other: Any) -> Any:
    return _power(other, self)


@method
def __ipow__(self: Traced, other: Any) -> Any:
    return _in_place(self, _power(self, other))


@method
def __matmul__(self: Traced, other: Any) -> Any:
    if hasattr(other, "_rmatmul_dispatch"):  # a sparse matrix multiplies from the right itself
        return NotImplemented
    return call_ufunc(np.matmul, (self, other))


@method
def __rmatmul__(self: Traced, other: Any) -> Any:
    return call_ufunc(np.matmul, (other, self))


@method
def __imatmul__(self: Traced, other: Any) -> Any:
    return _in_place(self, call_ufunc(np.matmul, (self, other)))


@method
def __divmod__(self: Any, other: Any) -> Any:
    return self // other, self % other


@method
def __rdivmod__(self: Any, other: Any) -> Any:
    return other // self, other % self


@method
def __round__(self: Traced, digits: int | None = None) -> Any:
    if digits is None:
        return round(self._concrete("round() of a traced value"))
    return np.round(self, digits)


_function: Callable[[Any, Any], Any]
_ufunc: np.ufunc

for _name, _function, _ufunc in (
    ("add", operator.add, np.add),
    ("sub", operator.sub, np.subtract),
    ("mul", operator.mul, np.multiply),
    ("truediv", operator.truediv, np.true_divide),
    ("floordiv", operator.floordiv, np.floor_divide),
    ("mod", operator.mod, np.remainder),
    ("and", operator.and_, np.bitwise_and),
    ("or", operator.or_, np.bitwise_or),
    ("xor", operator.xor, np.bitwise_xor),
    ("lshift", operator.lshift, np.left_shift),
    ("rshift", operator.rshift, np.right_shift),
):
    _f, _r, _i = _binary(_function, _ufunc, _ufunc)
    setattr(Traced, f"__{_name}__", _f)
    setattr(Traced, f"__r{_name}__", _r)
    setattr(Traced, f"__i{_name}__", _i)

for _name, _function, _ufunc in (
    ("lt", operator.lt, np.less),
    ("le", operator.le, np.less_equal),
    ("gt", operator.gt, np.greater),
    ("ge", operator.ge, np.greater_equal),
    ("eq", operator.eq, np.equal),
    ("ne", operator.ne, np.not_equal),
):
    setattr(Traced, f"__{_name}__", _binary(_function, _ufunc, _ufunc)[0])

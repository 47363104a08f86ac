"""Calls of ufuncs on traced values: which dtypes the operands take, ``out=``, ``where=``."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.core import elementwise as _elementwise
from revolve_ad.ad.core import ufunc_types
from revolve_ad.ad.rules.table import FREE, JVP, VJP
from revolve_ad.ad.tape import Primitive
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.operations import record_value, result, save_operands
from revolve_ad.ad.traced.recorder import _PYTHON_DTYPE, Cell, Recorder, active
from revolve_ad.ad.traced.value import (
    PYTHON_NUMBERS,
    Traced,
    method,
    recorder_of,
    unsupported,
)
from revolve_ad.errors import UnsupportedOperationError, WriteError

__all__ = [
    "as_array",
    "as_type",
    "call_ufunc",
    "captured_write",
    "loop_dtypes",
    "operand_nodes",
    "write_result",
]

_ndarray = np.ndarray


@lru_cache(maxsize=1024)
def elementwise(ufunc: np.ufunc) -> Primitive:
    """Return the primitive of a ufunc; raise if nobody has told its derivative."""
    op = _elementwise(ufunc)
    if VJP.get(op) is None and JVP.get(op) is None and op not in FREE and ufunc.signature is None:
        raise _NoRule(str(unsupported(_name_of(ufunc))))
    return op


class _NoRule(UnsupportedOperationError):
    """A ufunc whose derivative nobody has told; of constants it can be computed as it is."""


def _name_of(ufunc: np.ufunc) -> str:
    name = ufunc.__name__
    for module, known in ((np, "np"), (sys.modules.get("scipy.special"), "scipy.special")):
        if getattr(module, name, None) is ufunc:
            return f"{known}.{name}"
    return f"the ufunc {name}"


@method
def __array_ufunc__(self: Traced, ufunc: np.ufunc, how: str, *inputs: Any, **kwargs: Any) -> Any:
    if how == "__call__":
        try:
            if not kwargs:
                return call_ufunc(ufunc, inputs)
            return _call_ufunc_with(ufunc, inputs, dict(kwargs))
        except _NoRule:
            found = plainly(active(), ufunc, inputs, kwargs)
            if found is None:
                raise
            return found
    handler = FUNCTIONS.get((np.ufunc, how))
    if handler is None:
        raise unsupported(f"np.{ufunc.__name__}.{how}")
    return handler(recorder_of((*inputs, *(kwargs.get("out") or ()))), ufunc, *inputs, **kwargs)


@method
def __array_function__(self: Traced, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    # With ``like=`` NumPy hands over the stand-in that interception put on its module.
    handler = FUNCTIONS.get(func) or FUNCTIONS.get(getattr(func, "__wrapped__", None))
    rec = active()
    if rec is not None and rec.masks:
        found = FUNCTIONS["masked function"](rec, func, args, kwargs)
        if found is not None:
            return found
    if handler is None:
        found = plainly(rec, func, args, kwargs)
        if found is not None:
            return found
        name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
        raise unsupported(name)
    return handler(self.rec if rec is None else rec, *args, **kwargs)


def plainly(rec: Recorder | None, func: Any, args: Any, kwargs: Any) -> Any:
    """Return a function without a rule of traced values that are constant; None if one isn't."""
    lent: list[np.ndarray] = []

    def real(x: Any) -> Any:
        if type(x) is Traced:
            if x.is_needed_traced("a value without derivative in a function without a rule"):
                raise _Varies
            v = x.v
            if isinstance(v, _ndarray):
                v = v.copy()
                v.flags.writeable = False
                lent.append(v)
            return v
        if type(x) in (list, tuple):
            return type(x)(real(k) for k in x)
        return x

    def own(x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(own, x))
        if rec is None or type(x) is not _ndarray or x.dtype.kind not in "biufc":
            return x
        return Traced.wrap(rec, rec.constant(x), np.array(x))

    try:
        args, kwargs = real(tuple(args)), {k: real(x) for k, x in kwargs.items()}
    except _Varies:
        return None
    return own(func(*args, **kwargs))


class _Varies(Exception):
    """A value that depends on the arguments of the recorded function."""


def call_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """Record a plain call of a ufunc."""
    if len(inputs) == 1 and ufunc.nout == 1:
        (x,) = inputs
        if type(x) is Traced and x.rec.simple:
            op = elementwise(ufunc)
            node = x.saved() if x.rec.keep and op.reads_operands else x.read()
            return result(x.rec, op, (node,), (), ufunc(x.v))
    elif len(inputs) == 2 and ufunc.nout == 1 and type(inputs[0]) is type(inputs[1]) is Traced:
        a, b = inputs
        if a.rec is b.rec and a.rec.simple and a.cell is not None is not b.cell:
            if ufunc not in FUNCTIONS:
                op = elementwise(ufunc)
                keep = a.rec.keep and op.reads_operands
                args = (a.saved(b), b.saved(a)) if keep else (a.read(), b.read())
                return result(a.rec, op, args, (), ufunc(a.v, b.v))
    special = FUNCTIONS.get(ufunc)
    if special is not None:
        return special(recorder_of(inputs), *inputs)
    rec = recorder_of(inputs)
    inputs = tuple(as_array(rec, x) if type(x) in (list, tuple) else x for x in inputs)
    values = [x.v if type(x) is Traced else x for x in inputs]
    value = ufunc(*values)
    op = elementwise(ufunc)
    if rec.masks and (put_off := FUNCTIONS["lazy"](rec, op, ufunc, inputs, value)) is not None:
        return put_off
    if rec.keep and op.reads_operands:
        save_operands(rec, inputs)
    return record_value(rec, op, operand_nodes(rec, inputs, ufunc), (), value)


def operand_nodes(rec: Recorder, inputs: Any, ufunc: np.ufunc) -> tuple[int, ...]:
    """Return the nodes of the operands; Python numbers take the dtype that NumPy gives them."""
    strong = [
        x.dtype
        for x in inputs
        if type(x) not in PYTHON_NUMBERS and not (type(x) is Traced and x.weak)
    ]
    weak = [x for x in inputs if type(x) in PYTHON_NUMBERS or (type(x) is Traced and x.weak)]
    if strong and weak:
        dtypes = loop_dtypes(ufunc, tuple(map(_weak_or_dtype, inputs)))
    args = []
    for k, x in enumerate(inputs):
        if type(x) is Traced:
            node = x.read() if x.rec is rec else rec.lift(x)
            args.append(rec.cast(node, dtypes[k]) if strong and x.weak else node)
        elif type(x) in PYTHON_NUMBERS:
            args.append(rec.literal(x, dtypes[k] if strong else _PYTHON_DTYPE[type(x)]))
        else:
            args.append(rec.constant(x))
    return tuple(args)


def _weak_or_dtype(x: Any) -> Any:
    """Return the type of a Python number, the dtype of anything else."""
    value = x.v if type(x) is Traced else x
    return type(value) if type(value) in PYTHON_NUMBERS else value.dtype


@lru_cache(maxsize=4096)
def loop_dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes in which a ufunc takes its operands, Python numbers among them."""
    known = [np.dtype(bool) if kind is bool else kind for kind in kinds]
    return tuple(ufunc.resolve_dtypes((*known, *(None,) * ufunc.nout)))


@lru_cache(maxsize=4096)
def _require_casts(
    ufunc: np.ufunc, kinds: tuple[Any, ...], outs: tuple[Any, ...], dtype: Any, casting: Any
) -> None:
    """Let NumPy raise what it raises for casts that its rule `casting` forbids."""
    known = [np.dtype(bool) if kind is bool else kind for kind in kinds]
    loop = (None,) * ufunc.nin + (dtype,) * ufunc.nout  # None leaves the choice to NumPy
    ufunc.resolve_dtypes((*known, *outs), signature=loop, casting=casting)


def write_result(rec: Recorder, op: Primitive, out: Traced, operands: Any, function: Any) -> bool:
    """Compute straight into the memory of `out`, as NumPy does in place; False if it isn't alike.

    Parameters
    ----------
    op : Primitive
        An elementwise operation of which all operands and the result have the dtype of `out`.
    operands : tuple
        Traced values of that dtype, and Python numbers.
    function : callable
        Called with the real operands and ``out=``, the real memory to compute into.
    """
    cell, v = out.cell, out.v
    if not rec.simple or type(cell) is not Cell or type(v) is not _ndarray:
        return False
    dtype, shape = v.dtype, v.shape
    keep = rec.keep and op.reads_operands
    beside = [x for x in operands if type(x) is Traced and x.rec is rec] if keep else []
    args = []
    values = []
    for x in operands:
        if type(x) is Traced:
            value = x.v
            if x.rec is not rec or type(value) in PYTHON_NUMBERS or value.dtype is not dtype:
                return False
            if value.shape != shape and value.shape != ():
                return False
            args.append(x.saved(*beside) if keep else x.read())
        else:
            value = x
            i = rec.beside(x, dtype)
            if rec.nodes[i].dtype is not dtype:
                return False
            args.append(i)
        values.append(value)
    if (
        dtype.kind not in "fc"
        or ufunc_types(op.ufunc, (dtype,) * len(args)) != (dtype,)
        or not v.flags.writeable
    ):
        return False
    if cell.reads is not None:
        rec.before_write(cell)
    function(*values, out=v)
    node = rec.append(op, tuple(args), (), shape, dtype, v)
    if rec.keep and op.reads_result:
        cell.reads = [node]
    rec.write(cell, out._map or out.map, node)
    out._node, out._seen = node, cell.node
    return True


def _call_ufunc_with(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record a call of a ufunc with ``out=``, ``where=``, ``dtype=`` or ``casting=``."""
    out = kwargs.pop("out", None)
    if not kwargs and out is not None and len(out) == 1 and type(out[0]) is Traced:
        target = out[0]
        if (
            ufunc not in FUNCTIONS
            and ufunc.signature is None
            and all(type(x) is Traced or type(x) in PYTHON_NUMBERS for x in inputs)
            and any(type(x) is Traced and np.shape(x.v) == target.v.shape for x in inputs)
            and write_result(target.rec, elementwise(ufunc), target, inputs, ufunc)
        ):
            return target
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    casting = kwargs.pop("casting", "same_kind")
    order = kwargs.pop("order", "K")
    kwargs.pop("subok", None)
    back: Any = None
    if ufunc.signature is not None:
        core = {k: kwargs.pop(k) for k in ("axes", "axis", "keepdims") if k in kwargs}
        if core:
            inputs, back = FUNCTIONS["core axes"](ufunc, inputs, **core)
            inputs = tuple(inputs)
    if kwargs or order not in "KCA":
        raise unsupported(f"np.{ufunc.__name__} with {', '.join(kwargs) or 'order=' + repr(order)}")
    rec = recorder_of((*inputs, *(out or ())))
    inputs = tuple(as_array(rec, x) if type(x) in (list, tuple) else x for x in inputs)
    outs = tuple(None if x is None else x.dtype for x in out or (None,) * ufunc.nout)
    dtype = None if dtype is None else np.dtype(dtype)
    _require_casts(ufunc, tuple(map(_weak_or_dtype, inputs)), outs, dtype, casting)
    if dtype is not None:
        inputs = tuple(as_type(rec, x, dtype) for x in inputs)
    if not any(type(x) is Traced for x in inputs):
        value: Any = ufunc(*inputs)
    else:
        value = call_ufunc(ufunc, inputs)
    if back is not None:
        value = back(value)
    if out is None:
        if where is not True:
            raise UnsupportedOperationError(
                f"np.{ufunc.__name__} with where= and without out= leaves garbage where the mask "
                f"is false. Give out=, or use np.where"
            )
        return value
    results = value if isinstance(value, tuple) else (value,)
    for target, part in zip(out, results, strict=True):
        if target is None:
            continue
        if type(target) is not Traced:
            raise captured_write(ufunc.__name__)
        target.write(part, where=where)
    done = tuple(part if t is None else t for t, part in zip(out, results, strict=True))
    return done if isinstance(value, tuple) else done[0]


def captured_write(name: str) -> WriteError:
    """Return the error for a traced result that is written into a plain array."""
    return WriteError(
        f"{name} would write a traced result into a plain array (out=) that was made outside of "
        f"the recorded function. Make the array inside it, with np.empty or np.zeros"
    )


def as_type(rec: Recorder, x: Any, dtype: np.dtype[Any]) -> Any:
    """Return an operand in a dtype: a cast is recorded, plain values are cast at once."""
    if type(x) in PYTHON_NUMBERS:
        return dtype.type(x)
    if type(x) is not Traced:
        return np.asarray(x, dtype)
    if x.dtype == dtype and not x.weak:
        return x
    value = dtype.type(x.v) if x.weak else x.v.astype(dtype)
    return Traced.wrap(rec, rec.cast(x.read() if x.rec is rec else rec.lift(x), dtype), value)


def as_array(rec: Recorder, x: Any) -> Any:
    """Return an operand as an array, a list of traced numbers as a traced array."""
    return FUNCTIONS["array"](rec, x)

"""Recording an operation: its operands' nodes, its value, and the traced result."""

from __future__ import annotations

from threading import get_ident
from typing import Any

import numpy as np

from revolve_ad.ad.core import COPY, ITEM
from revolve_ad.ad.tape import ArrayType, Node, Primitive
from revolve_ad.ad.traced.recorder import (
    _PYTHON_DTYPE,
    _SCALAR_DTYPE,
    Cell,
    Recorder,
    _new_node,
    other_thread,
)
from revolve_ad.ad.traced.value import (
    LARGE_BYTES,
    Traced,
    adopt,
    new_traced,
    node_and_value,
    recorder_of,
)

__all__ = ["apply", "copied", "is_traced", "plain", "record_value", "result", "save_operands"]

_ndarray = np.ndarray


def is_traced(x: Any) -> bool:
    """Tell whether a value is traced."""
    return type(x) is Traced


def plain(x: Any) -> Any:
    """Return the real value behind a traced one; anything else as it is."""
    return x.v if type(x) is Traced else x


def result(
    rec: Recorder, op: Primitive, args: tuple[int, ...], params: tuple[Any, ...], v: Any
) -> Any:
    """Record an operation whose value is `v` and return it, traced."""
    # Most of the time of a recording is spent here: `Recorder.append` is written out.
    if rec.thread != get_ident():
        raise other_thread()
    t = new_traced(Traced)
    t.rec = rec
    t.v = v
    t._map = None
    nodes = rec.nodes
    t._node = t._seen = node = len(nodes)
    if type(v) is _ndarray:
        nodes.append(_new_node(Node, (op, args, params, v.shape, v.dtype, None)))
        reads = rec.keep and op.reads_result and v.ndim > 0
        if reads and v.nbytes >= LARGE_BYTES and not rec.carries(node):
            reads = False
        if rec.keep:
            # Of an array without axes the number is kept: the array may be written into.
            rec.values.append(v if reads else v[()] if v.ndim == 0 else None)
        if v.flags.c_contiguous:
            base = v.base
            t.cell = cell = Cell(v, v if base is None else base, node)
            if reads:
                cell.reads = [node]
        else:
            adopt(t, v)
        return t
    dtype = _SCALAR_DTYPE.get(type(v)) or v.dtype
    nodes.append(_new_node(Node, (op, args, params, (), dtype, None)))
    if rec.keep:
        rec.values.append(v)
    t.cell = None
    return t


def copied(rec: Recorder, x: Traced, copy: np.ndarray) -> Traced:
    """Return a copy of `x`, new memory; where its elements lie in another order, that is recorded.

    NumPy sums in the order in which elements lie, so that a replay must have them as they were.
    """
    node, value = node_and_value(rec, x)
    if copy.strides == value.strides or (copy.flags.c_contiguous and value.flags.c_contiguous):
        return Traced.wrap(rec, node, copy)
    order = "C" if copy.flags.c_contiguous else "F" if copy.flags.f_contiguous else "K"
    return result(rec, COPY, (node,), (order,), copy)  # type: ignore[no-any-return]


def apply(op: Primitive, operands: Any, params: tuple[Any, ...] = ()) -> Any:
    """Evaluate a primitive on operands of which some are traced, record it, return its value.

    Parameters
    ----------
    op : Primitive
        The operation; `op.evaluate` is called once, on the real values.
    operands : sequence
        Traced or plain arrays and numbers.
    params : tuple
        Static parameters.

    Returns
    -------
    Traced, or a tuple of them for a primitive with several results.
    """
    if len(operands) == 2 and type(operands[0]) is type(operands[1]) is Traced:
        a, b = operands
        rec = a.rec
        if b.rec is rec and rec.simple:
            keep = rec.keep and op.reads_operands
            nodes = (a.saved(b), b.saved(a)) if keep else (a.read(), b.read())
            return record_value(rec, op, nodes, params, op.evaluate(a.v, b.v, *params))
    rec = recorder_of(operands)
    if rec.keep and op.reads_operands:
        save_operands(rec, operands)
    args = []
    values = []
    for x in operands:
        i, value = node_and_value(rec, x)
        args.append(i)
        values.append(value)
    value = op.evaluate(*values, *params)
    return record_value(rec, op, tuple(args), params, value)


def save_operands(rec: Recorder, operands: Any, beside: Any = ()) -> None:
    """Keep the operands' values for the derivative rules; `beside` them stand further operands."""
    traced = [x for x in operands if type(x) is Traced and x.rec is rec]
    others = [x for x in beside if type(x) is Traced and x.rec is rec] if beside else ()
    for x in traced:
        x.saved(*traced, *others)


def record_value(
    rec: Recorder, op: Primitive, args: tuple[int, ...], params: tuple[Any, ...], value: Any
) -> Any:
    """Record an operation of one or several results."""
    if not isinstance(value, tuple):
        return result(rec, op, args, params, value)
    types = tuple(
        ArrayType(
            np.shape(v), getattr(v, "dtype", None) or _PYTHON_DTYPE.get(type(v)) or np.dtype(object)
        )
        for v in value
    )
    whole = rec.append(op, args, params, types[0].shape, types[0].dtype, value)
    rec.nodes[whole] = rec.nodes[whole]._replace(results=types)
    return tuple(
        result(rec, ITEM, (whole,), (k,), v)
        if isinstance(v, np.ndarray | np.generic | bool | int | float | complex)
        else _token(rec, whole, k, v, types[k])
        for k, v in enumerate(value)
    )


def _token(rec: Recorder, whole: int, k: int, v: Any, kind: ArrayType) -> Any:
    """Record a result that is neither array nor number, such as text, and return it as it is."""
    rec.append(ITEM, (whole,), (k,), kind.shape, kind.dtype, v)
    return v

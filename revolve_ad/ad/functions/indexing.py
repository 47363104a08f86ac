"""Indexing that is more than a view: integer arrays, masks, indices that are traced themselves."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad import symbolic as s
from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.functions.arguments import finished
from revolve_ad.ad.node import Kind
from revolve_ad.ad.rules.table import ACCUMULATE, define_linear, define_rules, no_derivative
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced import (
    METHODS,
    Traced,
    as_array,
    captured_write,
    live,
    node_and_value,
    refuse_outer_write,
    result,
    view_of,
)
from revolve_ad.ad.traced.dispatch import FUNCTIONS, implements
from revolve_ad.ad.traced.recorder import Recorder, Window
from revolve_ad.errors import UnsupportedOperationError, WriteError

# How an index is kept in a tape: ("array",) for the next index operand, ("slice", start, stop,
# step), ("int", k), ("new",) or ("rest",).
Template = tuple[tuple[Any, ...], ...]


def filled(template: Template, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """Return the index that a template and its arrays stand for."""
    rest = iter(arrays)
    out: list[Any] = []
    for kind, *numbers in template:
        if kind == "array":
            out.append(next(rest))
        elif kind == "slice":
            out.append(slice(*numbers))
        elif kind == "int":
            out.append(numbers[0])
        else:
            out.append(None if kind == "new" else Ellipsis)
    return tuple(out)


def _index_infer(x: ArrayType, *rest: Any) -> ArrayType:
    *arrays, template = rest
    probe = np.broadcast_to(np.zeros((), np.int8), x.shape)
    index = filled(template, [np.zeros(a.shape, np.intp) for a in arrays])
    return ArrayType(np.shape(probe[index]), x.dtype)


def _index_set(base: Any, value: Any, *rest: Any) -> Any:
    *arrays, template = rest
    out = np.array(base)
    out[filled(template, arrays)] = value
    return out


def _index_add(base: Any, value: Any, *rest: Any) -> Any:
    *arrays, template = rest
    out = np.array(base)
    np.add.at(out, filled(template, arrays), value)
    return out


def _last_writer(base: Any, value: Any, *rest: Any) -> Any:
    """Return which elements of an assigned value stay, where positions repeat: the last of each."""
    *arrays, template = rest
    index = filled(template, arrays)
    owner = np.full(np.shape(base), -1, dtype=np.intp)
    shape = owner[index].shape
    number = np.arange(int(np.prod(shape)), dtype=np.intp).reshape(shape)
    owner[index] = number
    return owner[index] == number


def _index(x: Any, *rest: Any) -> Any:
    *arrays, template = rest
    x = np.asarray(x)
    found = x[filled(template, arrays)]
    # A number in the index makes a view, but a result is memory of its own.
    if isinstance(found, np.ndarray) and np.may_share_memory(found, x):
        return np.array(found)
    return found


# x[index] with integer arrays in the index.
INDEX = Primitive(
    "index",
    _index,
    infer=_index_infer,
    params=("template",),
)
# x with x[index] = value done.
INDEX_SET = Primitive("index_set", _index_set, infer=lambda base, *_: base, params=("template",))
# x with value added at index, repeated positions adding up (np.add.at).
INDEX_ADD = Primitive("index_add", _index_add, infer=lambda base, *_: base, params=("template",))
LAST_WRITER = Primitive(
    "last_writer",
    _last_writer,
    infer=lambda base, value, *rest: ArrayType(_index_infer(base, *rest).shape, np.dtype(bool)),
    params=("template",),
)
no_derivative(LAST_WRITER)


def _index_adjoint(g: Symbol, y: Symbol, x: Symbol, *rest: Any) -> Symbol:
    *arrays, template = rest
    return s.zeros(g, x.shape).apply(INDEX_ADD, g, *arrays, params=(template,))


define_linear(INDEX, _index_adjoint)


def _index_accumulate(so_far: Symbol, g: Symbol, i: int, node: Any) -> Symbol:
    arrays = [Symbol(g.builder, a) for a in node.args[1:]]
    return so_far.apply(INDEX_ADD, g, *arrays, params=node.params)


ACCUMULATE[INDEX] = _index_accumulate


def _index_set_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    base, value, *arrays = xs
    none = [None] * len(arrays)
    rest = g.apply(INDEX_SET, 0, *arrays, params=params)
    picked = g.apply(INDEX, *arrays, params=params)
    stays = base.apply(LAST_WRITER, value, *arrays, params=params)
    return [rest, s.match(s.where(stays, picked, 0), value), *none]


def _index_set_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    base = xs[0]
    t_base, t_value = ts[:2]
    if t_base is None and t_value is None:
        return None
    some = t_base if t_base is not None else t_value
    t_base = s.zeros(some, base.shape, base.dtype) if t_base is None else t_base
    t_value = s.zeros(some, (), base.dtype) if t_value is None else t_value
    return t_base.apply(INDEX_SET, t_value, *arrays_of(xs), params=params)


def arrays_of(xs: Sequence[Symbol]) -> list[Symbol]:
    """Return the index operands of an indexed write."""
    return list(xs[2:])


define_rules(INDEX_SET, vjp=_index_set_vjp, jvp=_index_set_jvp)


def _index_add_vjp(g: Symbol, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    arrays = arrays_of(xs)
    picked = g.apply(INDEX, *arrays, params=params)
    return [g, s.match(picked, xs[1]), *[None] * len(arrays)]


def _index_add_jvp(ts: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]) -> Any:
    t_base, t_value = ts[:2]
    if t_value is None:
        return t_base
    if t_base is None:
        t_base = s.zeros(t_value, xs[0].shape, xs[0].dtype)
    return t_base.apply(INDEX_ADD, t_value, *arrays_of(xs), params=params)


define_rules(INDEX_ADD, vjp=_index_add_vjp, jvp=_index_add_jvp)


# -- from NumPy's index to a template ----------------------------------------------------------


def _template(rec: Recorder, x: Traced, index: Any) -> tuple[Template, list[Any]]:
    """Return the template and the index arrays, traced or plain, of an index."""
    parts = index if isinstance(index, tuple) else (index,)
    template: list[tuple[Any, ...]] = []
    arrays: list[Any] = []
    axis = 0
    named = sum(_axes(p) for p in parts)
    for part in parts:
        if type(part) is slice:
            moving = _moving_slice(rec, part, x.v.shape[axis]) if axis < x.ndim else None
            if moving is not None:
                template.append(("array",))
                arrays.append(moving)
            else:
                template.append(
                    ("slice", *(_as_int(p) for p in (part.start, part.stop, part.step)))
                )
            axis += 1
        elif part is None:
            template.append(("new",))
        elif part is Ellipsis:
            template.append(("rest",))
            axis += x.ndim - named
        elif (
            isinstance(part, int | np.integer)
            and type(part) is not Traced  # type: ignore[comparison-overlap]
            and type(part) is not bool
        ):
            template.append(("int", int(part)))
            axis += 1
        else:
            if type(part) is not Traced:
                part = np.asarray(as_array(rec, part) if _has_traced(part) else part)
            if part.dtype.kind == "b":
                if part.ndim == 0:
                    raise UnsupportedOperationError(
                        "an index that is True or False adds an axis of length one or zero; write "
                        "a[None] for a[True], and np.where or an if for a choice"
                    )
                mask = (
                    part._concrete("indexing with a traced mask") if type(part) is Traced else part
                )
                for k in np.nonzero(mask):
                    template.append(("array",))
                    arrays.append(k)
                axis += np.ndim(mask)
                continue
            if part.size == 0 and part.dtype.kind == "f":
                part = np.zeros(part.shape, np.intp)
            if type(part) is not Traced:
                template.append(("array",))
                arrays.append(part)
            elif part.ndim == 0 and not part.varies():
                template.append(("int", int(part)))
            else:
                template.append(("array",))
                arrays.append(part)
            axis += 1
    return tuple(template), arrays


def _axes(part: Any) -> int:
    """Return how many axes of the array a part of an index stands for."""
    if part is None or part is Ellipsis:
        return 0
    if type(part) is not slice and getattr(part, "dtype", None) == np.bool_:
        return int(part.ndim)
    return 1


def _has_traced(part: Any) -> bool:
    from revolve_ad.ad.functions.creation import contains_traced

    return contains_traced(part)


def _as_int(part: Any) -> int | None:
    return None if part is None else part.__index__()


def _moving_slice(rec: Recorder, part: slice, size: int) -> Any:
    """Return the indices of ``a[k : k + c]`` where k is traced and the length c is not."""
    start, stop = part.start, part.stop
    if type(start) is not Traced or type(stop) is not Traced or not start.varies():
        return None
    if part.step is not None or start.rec is not rec or stop.rec is not rec:
        return None
    length = _distance(rec, start.read(), stop.read())
    if length is None or length < 0 or int(start.v) < 0 or int(start.v) + length > size:
        return None  # NumPy gives less than was asked for: how much depends on the value
    key = ("moving", start.read(), length, size)
    node = rec.known.get(key)
    if node is None:
        # Below zero a slice counts from the end, and mostly is empty; indices would wrap around.
        # Sent beyond the end instead, they are refused as those are that leave it there.
        number: Any = start
        inside = number >= 0
        rec.see((inside & (number <= size - length)).read(), np.True_)
        first = FUNCTIONS[np.where](rec, inside, number, size)
        indices: Any = first + np.arange(length)
        rec.known[key] = indices.read()
        return indices
    return Traced.wrap(rec, node, start.v + np.arange(length))


def _moving_view(rec: Recorder, x: Traced, index: Any) -> Any:
    """Return ``x[index]`` as a view that moves with traced numbers; None for any other index.

    Each traced part is taken alone, from the last axis to the first, then the rest of the index:
    so a slice beside another one stays a slice.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    if x.rec is not rec or not any(map(_may_move, parts)):
        return None
    named = sum(map(_axes, parts))
    if named > x.ndim or not x.map.is_injective:
        return None
    basic = all(map(_is_basic, parts))  # integers beside arrays are an index of arrays, a copy
    moving: list[tuple[int, int, Any]] = []
    axis = 0
    for place, part in enumerate(parts):
        if part is Ellipsis:
            axis += x.ndim - named
        elif type(part) is slice:
            indices = _moving_slice(rec, part, x.v.shape[axis])
            if indices is not None:
                moving.append((place, axis, indices))
        elif basic and type(part) is Traced and part.rec is rec and part.varies():
            moving.append((place, axis, part))
        axis += _axes(part)
    is_element = len(parts) == x.ndim and not any(
        part is None or part is Ellipsis or type(part) is slice for part in parts
    )
    if not moving or is_element:
        return None
    for place, axis, indices in reversed(moving):
        x = _window(x, axis, indices)
        if type(parts[place]) is slice:
            parts[place] = slice(None)
        else:
            del parts[place]
    return x[tuple(parts)] if parts else x


def _may_move(part: Any) -> bool:
    return type(part) is Traced or (type(part) is slice and type(part.start) is Traced)


def _is_basic(part: Any) -> bool:
    """Tell whether a part of an index is one of those that make a view."""
    if type(part) is Traced:
        return part.ndim == 0 and part.dtype.kind in "iu"
    return part is None or part is Ellipsis or isinstance(part, slice | int | np.integer)


def _window(x: Traced, axis: int, indices: Traced) -> Traced:
    """Return the view of `x` at a traced number of an axis, or at some that follow each other."""
    at: Any = indices.v
    if np.ndim(at):
        first = int(at[0]) if len(at) else 0
        at = slice(first, first + len(at))
    source: Traced = view_of(x, x.v)
    found: Traced = view_of(x, x.v[(*[slice(None)] * axis, at, Ellipsis)])
    template = (*[("slice", None, None, None)] * axis, ("array",))
    found.cell = Window(source, found.v, template, (indices.read(),), (INDEX, INDEX_SET))
    return found


def _distance(rec: Recorder, start: int, stop: int) -> int | None:
    """Return the constant that `stop` is above `start` by the tape; None if it isn't one."""

    def base_and_offset(i: int) -> tuple[int, int]:
        offset = 0
        while True:
            node = rec.nodes[i]
            if node.op.name not in ("add", "subtract"):
                return i, offset
            a, b = node.args
            na, nb = rec.nodes[a], rec.nodes[b]
            if nb.op.name == "full":
                offset += nb.params[0] if node.op.name == "add" else -nb.params[0]
                i = a
            elif na.op.name == "full" and node.op.name == "add":
                offset += na.params[0]
                i = b
            else:
                return i, offset

    a, from_a = base_and_offset(start)
    b, from_b = base_and_offset(stop)
    return from_b - from_a if _are_equal(rec, a, b) else None


_MOST_COMPARED = 64


def _are_equal(rec: Recorder, a: int, b: int) -> bool:
    """Tell whether two numbers are computed alike: of ``u[2 * k : 2 * k + 3]`` both 2 * k."""
    pairs, left = [(a, b)], _MOST_COMPARED
    while pairs:
        a, b = pairs.pop()
        if a == b:
            continue
        one, other = rec.nodes[a], rec.nodes[b]
        left -= 1
        if left < 0 or not one.args or one.shape != () or one.op.kind is not Kind.ELEMENTWISE:
            return False
        if (one.op, one.params, one.dtype) != (other.op, other.params, other.dtype):
            return False
        pairs += zip(one.args, other.args, strict=True)
    return True


@implements("getitem")
def getitem(x: Traced, index: Any) -> Any:
    """Record ``x[index]`` for any index."""
    rec = live(x.rec)
    if x.cell is None:  # a number: only () and new axes make sense
        array = Traced.wrap(rec, node_and_value(rec, x)[0], np.asarray(x.v))
        return x if index == () else view_of(array, array.v[index])
    index = _without_integers(index)
    if (taken := FUNCTIONS["masked read"](rec, x, index)) is not None:
        return taken
    if (shown := _moving_view(rec, x, index)) is not None:
        return shown
    template, arrays = _template(rec, x, index)
    if not arrays:
        found = x.v[filled(template, ())]
        if isinstance(found, np.generic):
            return (
                x[tuple(int(k) for k in _full_index(template))]
                if _only_ints(template)
                else _taken(rec, x, template, arrays)
            )
        return view_of(x, found)
    return _taken(rec, x, template, arrays)


def _is_numpy_integer(k: Any) -> bool:
    kind: Any = type(k)
    return kind is not Traced and isinstance(k, np.integer)


def _without_integers(index: Any) -> Any:
    """Return an index with NumPy's integers as Python's."""
    if isinstance(index, tuple):
        return tuple(int(k) if _is_numpy_integer(k) else k for k in index)
    return int(index) if _is_numpy_integer(index) else index


def _only_ints(template: Template) -> bool:
    return all(part[0] == "int" for part in template)


def _full_index(template: Template) -> list[int]:
    return [part[1] for part in template]


def _operands(rec: Recorder, arrays: Sequence[Any]) -> tuple[list[int], list[Any]]:
    nodes, values = [], []
    for a in arrays:
        node, value = node_and_value(rec, a)
        nodes.append(node)
        values.append(value)
    return nodes, values


def _taken(rec: Recorder, x: Traced, template: Template, arrays: Sequence[Any]) -> Any:
    nodes, values = _operands(rec, arrays)
    source, real = node_and_value(rec, x)
    value = real[filled(template, values)]
    return result(rec, INDEX, (source, *nodes), (template,), value)


@implements("setitem")
def setitem(x: Traced, index: Any, value: Any) -> None:
    """Record ``x[index] = value`` for any index."""
    rec = x.rec
    if rec.child is not None:
        refuse_outer_write(rec)
    if x.cell is None:
        raise TypeError("a number can't be assigned to in place")
    if not x.v.flags.writeable:
        raise WriteError("a write into an array that may only be read; copy it first")
    if type(value) in (list, tuple):
        value = as_array(rec, value)
    index = _without_integers(index)
    if (
        _is_mask(index)
        and np.ndim(value.v if type(value) is Traced else value) == 0
        and type(index) is Traced
    ):
        mask = index if index.ndim == x.ndim else index[(..., *[None] * (x.ndim - index.ndim))]
        x.write(value, where=mask)
        return
    if rec.masks and FUNCTIONS["masked write"](rec, x, index, value):
        return
    parts = index if isinstance(index, tuple) else (index,)
    moves = any(type(p) is slice and type(p.start) is Traced for p in parts)
    beside = sum(type(p) is not slice or type(p.start) is Traced for p in parts) > 1
    if (moves and beside) or (type(value) is Traced and type(value.cell) is Window):
        shown = _moving_view(rec, x, index)
        if shown is not None:
            shown.write(value)
            return
    template, arrays = _template(rec, x, index)
    if not arrays:
        view_of(
            x,
            x.v[(*filled(template, ()), Ellipsis)]
            if ("rest",) not in template
            else x.v[filled(template, ())],
        ).write(value)
        return
    nodes, values = _operands(rec, arrays)
    node, real = node_and_value(rec, value)
    node = rec.cast(node, x.dtype)
    source = x.read()
    _changed(
        x,
        lambda: x.v.__setitem__(filled(template, values), real),
        INDEX_SET,
        (source, node, *nodes),
        (template,),
    )


def _is_mask(index: Any) -> bool:
    return bool(getattr(index, "dtype", None) == np.bool_)


def _changed(
    x: Traced, change: Any, op: Primitive, args: tuple[int, ...], params: tuple[Any, ...]
) -> None:
    """Change the real memory of `x` and record that its content is now ``op(*args)``."""
    rec, cell = x.rec, x.cell
    assert cell is not None
    rec.before_write(cell)
    change()
    value = x.v.copy() if rec.keep else None
    node = rec.append(op, args, params, x.shape, x.dtype, value)
    rec.write(cell, x.map, node)


@implements((np.ufunc, "at"))
def ufunc_at(rec: Recorder, ufunc: np.ufunc, x: Any, index: Any, *values: Any) -> None:
    if type(x) is not Traced:
        raise captured_write(f"np.{ufunc.__name__}.at")
    if ufunc not in (np.add, np.subtract):
        from revolve_ad.ad.traced import unsupported

        raise unsupported(f"np.{ufunc.__name__}.at")
    if not x.v.flags.writeable:
        raise WriteError("a write into an array that may only be read; copy it first")
    (value,) = values
    if type(value) in (list, tuple):
        value = as_array(rec, value)
    template, arrays = _template(rec, x, _without_integers(index))
    nodes, reals = _operands(rec, arrays)
    added = value if ufunc is np.add else value * -1  # a boolean has no negative
    node, _ = node_and_value(rec, added)
    real = value.v if type(value) is Traced else value
    node = rec.cast(node, x.dtype)
    _changed(
        x,
        lambda: ufunc.at(x.v, filled(template, reals), real),
        INDEX_ADD,
        (x.read(), node, *nodes),
        (template,),
    )


@implements(np.take)
def take(
    rec: Recorder, a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise"
) -> Any:
    a = a if type(a) is Traced else np.asarray(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = operator.index(axis)
    n = a.shape[axis]
    indices = indices if type(indices) is Traced else np.asarray(indices)
    if mode == "wrap":
        indices = indices % n
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    axis = axis % a.ndim
    found = _any_index(rec, a, (*[slice(None)] * axis, indices))
    if not found.flags.c_contiguous:  # unlike an index, it never keeps the order of axes
        found = found.copy()
    return finished(found, out, "take")


def _any_index(rec: Recorder, a: Any, index: Any) -> Any:
    """Return ``a[index]`` where `a` or the index is traced."""
    if type(a) is Traced:
        return a[index]
    made = Traced.wrap(rec, rec.constant(a), np.array(a))
    return made[index]


@implements(np.nonzero)
def nonzero(rec: Recorder, a: Any) -> Any:
    if type(a) is Traced and (places := FUNCTIONS["lazy nonzero"](rec, a)) is not None:
        return places
    return np.nonzero(a._concrete("np.nonzero of a traced array"))


METHODS.update(take=np.take, nonzero=np.nonzero)

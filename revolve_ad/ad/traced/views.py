"""Reading and writing parts of a traced array by basic indices: slices, integers, new axes."""

from __future__ import annotations

from threading import get_ident
from typing import Any

import numpy as np

from revolve_ad.ad.core import GATHER, REAL, SCATTER
from revolve_ad.ad.strided import StridedMap, c_strides, element_map, known_map
from revolve_ad.ad.tape import Node, Primitive
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.recorder import (
    _SCALAR_DTYPE,
    Cell,
    Part,
    Recorder,
    _new_node,
    other_thread,
)
from revolve_ad.ad.traced.value import (
    Traced,
    live,
    method,
    new_traced,
    node_and_value,
    refuse_outer_write,
    require_writeable,
)

__all__ = ["part_of", "view_of"]

_ndarray = np.ndarray


@method
def __getitem__(self: Traced, index: Any) -> Any:
    v = self.v
    if type(v) is _ndarray:
        kind = type(index)
        if kind is tuple:
            for k in index:
                if type(k) is not int:
                    break
            else:
                if len(index) == v.ndim:
                    return _element(self, index, v)
        elif kind is int and v.ndim == 1:
            return _element(self, (index,), v)
        key = index_key(index, kind)
        if key is not None:
            found = v[index]
            if type(found) is not _ndarray:  # NumPy's integers, one for each axis
                return _element(self, key, v)
            m = self._map or self.map
            part = m.parts.get(key)
            if part is None:
                part = _part(self, m, key, found)
            t = new_traced(Traced)
            t.rec, t.v, t.cell, t._node, t._seen, t._map = self.rec, found, self.cell, -1, -1, part
            return t
    return FUNCTIONS["getitem"](self, index)


@method
def __setitem__(self: Traced, index: Any, value: Any) -> None:
    v = self.v
    if type(v) is not _ndarray:
        FUNCTIONS["setitem"](self, index, value)
        return
    kind = type(index)
    if kind is tuple:
        for k in index:
            if type(k) is not int:
                break
        else:
            if len(index) == v.ndim and _set_element(self, index, value, v):
                return
    elif kind is int and v.ndim == 1 and _set_element(self, (index,), value, v):
        return
    key = index_key(index, kind)
    if key is None:
        FUNCTIONS["setitem"](self, index, value)
        return
    m = self._map or self.map
    part = m.parts.get(key)
    if part is None:
        part = _part(self, m, key, v[index if Ellipsis in key else (*_as_tuple(index), Ellipsis)])
    _write_part(self, index, part, value)


def index_key(index: Any, kind: type) -> tuple[Any, ...] | None:
    """Return a basic index as something that can be looked up; None for any other index."""
    if kind is slice:
        start, stop, step = index.start, index.stop, index.step
        if (
            (start is None or type(start) is int)
            and (stop is None or type(stop) is int)
            and (step is None or type(step) is int)
        ):
            return ((start, stop, step),)
        return None
    if kind is not tuple:
        index = (index,)
    key: list[Any] = []
    for part in index:
        kind = type(part)
        if kind is slice:
            start, stop, step = part.start, part.stop, part.step
            if (
                (start is None or type(start) is int)
                and (stop is None or type(stop) is int)
                and (step is None or type(step) is int)
            ):
                key.append((start, stop, step))
            else:
                return None
        elif kind is int or part is None or part is Ellipsis:
            key.append(part)
        elif kind is not Traced and isinstance(part, np.integer):
            key.append(int(part))
        else:
            return None
    return tuple(key)


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if type(index) is tuple else (index,)


def _part(x: Traced, m: StridedMap, key: tuple[Any, ...], v: np.ndarray) -> StridedMap:
    """Return the map of a view by a basic index, worked out from the map `m` of `x`.

    Asking the arrays for their addresses instead costs several times as much.
    """
    cell = x.cell
    assert cell is not None
    if v.size == 0:
        found = known_map(m.source, 0, v.shape, c_strides(v.shape))
    elif cell.whole is not None:
        found = cell.locate(v)
    else:
        offset = m.offset
        shape = x.v.shape
        axis = 0
        for part in key:
            if type(part) is tuple:
                offset += slice(*part).indices(shape[axis])[0] * m.strides[axis]
                axis += 1
            elif part is Ellipsis:
                axis = len(shape) - sum(p is not None and p is not Ellipsis for p in key) + axis
            elif part is not None:
                offset += (part if part >= 0 else part + shape[axis]) * m.strides[axis]
                axis += 1
        size = cell.itemsize
        found = known_map(m.source, offset, v.shape, tuple([s // size for s in v.strides]))
    if len(m.parts) > 4096:  # a long loop over rows
        m.parts.clear()
    m.parts[key] = found
    return found


def _offset(m: StridedMap, index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return where in the root an element lies that NumPy has found already."""
    if len(index) == 2:
        i, j = index
        if i < 0:
            i += shape[0]
        if j < 0:
            j += shape[1]
        return m.offset + i * m.strides[0] + j * m.strides[1]
    offset = m.offset
    for k, n, stride in zip(index, shape, m.strides, strict=True):
        offset += (k if k >= 0 else k + n) * stride
    return offset


def _element(x: Traced, index: tuple[int, ...], v: np.ndarray) -> Any:
    rec, cell = x.rec, x.cell
    if rec.child is not None:
        return _outer_element(live(rec), x, index, v)
    if rec.thread != get_ident():
        raise other_thread()
    value = v[index]
    if type(cell) is not Cell:
        return Traced.wrap(rec, view_of(x, v[index + (...,)]).read(), value)
    offset = _offset(x._map or x.map, index, v.shape)
    content = cell.node
    key = (content, offset)
    node = rec.known.get(key)
    if node is None:
        nodes = rec.nodes
        rec.known[key] = node = len(nodes)
        root = cell.root
        m = element_map(root.shape, offset)
        nodes.append(_new_node(Node, (GATHER, (content,), (m,), (), root.dtype, None)))
        if rec.keep:
            rec.values.append(value)
    t = new_traced(Traced)
    t.rec, t.v, t.cell, t._node, t._seen, t._map = rec, value, None, node, node, None
    return t


def _outer_element(rec: Recorder, x: Traced, index: Any, v: np.ndarray) -> Any:
    """Return an element of an array of an outer recording."""
    lifted = Traced.wrap(rec, rec.lift(x), v)
    return lifted[index]


def _set_element(x: Traced, index: tuple[int, ...], value: Any, v: np.ndarray) -> bool:
    """Assign a number to an element; return False where that isn't the usual case."""
    rec, cell = x.rec, x.cell
    if rec.child is not None or type(cell) is not Cell:
        return False
    if rec.thread != get_ident():
        raise other_thread()
    root = cell.root
    kind: Any = type(value)
    if kind is Traced:
        if value.cell is not None or value.rec is not rec:
            return False
        node, value = value._node, value.v
        kind = type(value)
    elif kind in _SCALAR_DTYPE:
        node = rec.number(value, root.dtype)
    else:
        return False
    if _SCALAR_DTYPE.get(kind) is not root.dtype:
        node = rec.cast(node, root.dtype)
    if cell.reads is not None:
        rec.before_write(cell)
    try:
        v[index] = value
    except ValueError:
        require_writeable(v)
        raise
    m = element_map(root.shape, _offset(x._map or x.map, index, v.shape))
    if root.ndim == 0:
        cell.node = node
        return True
    nodes = rec.nodes
    content = cell.node
    cell.node = len(nodes)
    nodes.append(_new_node(Node, (SCATTER, (content, node), (m,), root.shape, root.dtype, None)))
    if rec.keep:
        rec.values.append(None)
    return True


def _write_part(x: Traced, index: Any, part: StridedMap, value: Any) -> None:
    """Assign to the view of `x` by a basic index, whose map is `part`."""
    rec, cell = x.rec, x.cell
    assert cell is not None
    kind: Any = type(value)
    if kind is Traced and value.cell == cell and value.map == part:
        require_writeable(x.v)
        return  # ``a[1:] += x`` ends with the assignment of the view to itself
    if rec.child is not None:
        refuse_outer_write(rec)
    if kind is Traced and value.rec is rec:
        node, real = value.read(), value.v
    elif kind in _SCALAR_DTYPE:
        node, real = rec.number(value, cell.root.dtype), value
    else:
        if kind in (list, tuple):
            value = FUNCTIONS["array"](rec, value)
        node, real = node_and_value(rec, value)
    rec.before_write(cell)
    try:
        x.v[index] = real
    except ValueError:
        require_writeable(x.v)
        raise
    rec.write(cell, part, node)


def view_of(x: Traced, v: Any) -> Any:
    """Return the traced form of what NumPy gave for a view of `x`."""
    if type(v) is not _ndarray:
        raise AssertionError("a view is an array")
    t = new_traced(Traced)
    t.rec, t.v, t.cell, t._node, t._seen, t._map = x.rec, v, x.cell, -1, -1, None
    m = x._map
    if (
        m is not None
        and type(x.cell) is Cell
        and v.size == m.size > 1
        and v.dtype is x.v.dtype
        and v.flags.c_contiguous
        and x.v.flags.c_contiguous
    ):  # another shape of the same elements: to ask for the address takes 4 µs
        t._map = known_map(m.source, m.offset, v.shape, c_strides(v.shape))
    return t


def part_of(x: Traced, op: Primitive) -> Traced:
    """Return the view of the real or imaginary parts of a complex array."""
    assert x.cell is not None
    t: Traced = view_of(x, x.v.real if op is REAL else x.v.imag)
    t.cell = Part(x.cell, op)
    return t

"""The traced array: a NumPy look-alike over real memory that writes down what is done to it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from revolve_ad.ad.core import COPY, GATHER, ITEM, REAL, SCALAR_POWER, elementwise
from revolve_ad.ad.dispatch import FUNCTIONS
from revolve_ad.ad.recorder import (
    _PYTHON_DTYPE,
    CLOSED,
    Cell,
    Part,
    Recorder,
    _interned,
    active,
    leaked,
    weak_dtype,
)
from revolve_ad.ad.strided import StridedMap, c_strides
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.errors import LeafError, TracedValueError, UnsupportedOperationError, WriteError

__all__ = ["Traced", "apply", "is_traced", "plain", "result"]

_PYTHON = frozenset((bool, int, float, complex))

# NumPy's own class: while a recording is open, the name on the module may be a stand-in.
_ndarray = np.ndarray

# Made for every operation: without the search for a constructor.
_new_traced = object.__new__


class Traced:
    """A value of a recording: an array, a view of one, or a number.

    Attributes
    ----------
    rec : Recorder
        The recording that it belongs to.
    v : ndarray, numpy scalar or Python number
        The real value.
    cell : Cell or None
        The memory behind an array; None for a number, which can't change.
    """

    __slots__ = ("_map", "_node", "_seen", "cell", "rec", "v")
    __array_priority__ = 1000.0

    rec: Recorder
    v: Any
    cell: Cell | None
    _node: int
    _seen: int
    _map: StridedMap | None

    # -- making --------------------------------------------------------------------------------

    @staticmethod
    def of_input(recorder: Recorder, value: Any, name: str, *, lock: bool) -> Traced:
        """Return the traced form of an argument; an array is copied, or locked against writes."""
        if isinstance(value, np.ndarray):
            value = np.array(value, order="K", copy=True)
            t = Traced.wrap(recorder, recorder.input(value, name), value)
            if lock:
                value.flags.writeable = False
                assert t.cell is not None
                t.cell.root.flags.writeable = False
            return t
        return Traced.wrap(recorder, recorder.input(value, name), value)

    @staticmethod
    def wrap(recorder: Recorder, node: int, value: Any) -> Traced:
        """Return the traced form of a value that is new memory of ours, or a number."""
        t = _new_traced(Traced)
        t.rec = recorder
        t.v = value
        t._node = node
        t._map = None
        if type(value) is _ndarray:
            if value.flags.c_contiguous:
                owner = value if value.base is None else value.base
                t.cell = Cell(value, owner, node)
                t._seen = node
                if recorder.keep and recorder.values[node] is value:
                    t.cell.lies_in(node)
            else:
                _adopt(t, value)
        else:
            t.cell = None
            t._seen = node
        return t

    # -- what it is ----------------------------------------------------------------------------

    @property  # type: ignore[misc]  # object has a setter, which a proxy must not offer
    def __class__(self) -> type:
        """Say ndarray, so that ``isinstance`` checks of users pass; ``type()`` tells the truth."""
        return np.ndarray if isinstance(self.v, np.ndarray) else type(self.v)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return np.shape(self.v)

    @shape.setter
    def shape(self, shape: Any) -> None:
        view = self.reshape(shape)
        if view.cell is not self.cell:
            raise AttributeError("this array can't be given another shape without a copy")
        self.v, self._map, self._seen = view.v, None, -1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the value."""
        return _PYTHON_DTYPE.get(type(self.v)) or self.v.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return np.ndim(self.v)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.size(self.v))

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the value, in bytes."""
        return self.v.strides if isinstance(self.v, np.ndarray) else ()

    @property
    def flags(self) -> Any:
        """Memory layout of the value."""
        return self.v.flags

    @property
    def weak(self) -> bool:
        """Whether it is a Python number, which gives way in type promotion."""
        return type(self.v) in _PYTHON

    # -- its node ------------------------------------------------------------------------------

    @property
    def map(self) -> StridedMap:
        """Which elements of the root it shows."""
        if self._map is None:
            cell = self.cell
            assert cell is not None
            root, v = cell.root, self.v
            size = v.itemsize if cell.whole is None else 2 * v.itemsize
            if v.size:
                offset = (
                    v.__array_interface__["data"][0] - root.__array_interface__["data"][0]
                ) // size
                strides = tuple([s // size for s in v.strides])
            else:
                offset, strides = 0, c_strides(v.shape)
            self._map = _interned(root.shape, offset, v.shape, strides)
        return self._map

    def read(self) -> int:
        """Return the node that is the value now."""
        cell = self.cell
        if cell is None or self._seen == cell.node:
            return self._node
        if self.rec.child is CLOSED:
            raise leaked()
        self._node = self.rec.gather(cell, self.map, self.v)
        self._seen = cell.node
        return self._node

    def saved(self) -> int:
        """Return `read`, after the value was kept for the derivative rules."""
        node = self.read()
        values = self.rec.values
        if values[node] is None:
            values[node] = self.v
            if self.cell is not None:
                self.cell.lies_in(node)
        return node

    def varies(self) -> bool:
        """Whether the value depends on the arguments of the recorded function."""
        return self.rec.varies[self.read()]

    def write(self, value: Any, *, where: Any = True) -> None:
        """Assign to all elements."""
        cell = self.cell
        if cell is None:
            raise TypeError("a number can't be assigned to in place")
        rec = self.rec
        if type(value) is Traced and value.cell == cell and value.map is self.map:
            return  # ``a[1:] += x`` ends with the assignment of the view to itself
        if rec.child is not None:
            _refuse_outer_write(rec)
        if not self.v.flags.writeable:
            raise WriteError(
                "a write into an array that may only be read: a param, an input, or a view that "
                "NumPy makes read-only. Copy it first: a = a.copy()"
            )
        if where is not True:
            value = FUNCTIONS[np.where](rec, where, value, self)
        if type(value) in (list, tuple):
            value = _as_array(rec, value)
        node, real = node_and_value(rec, value)
        rec.before_write(cell)
        self.v[...] = real
        rec.write(cell, self.map, node)
        kept = rec.nodes[node]
        if kept.shape == self.v.shape and kept.dtype == self.v.dtype:
            self._node, self._seen = node, cell.node

    # -- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            if not kwargs:
                return call_ufunc(ufunc, inputs)
            return _call_ufunc_with(ufunc, inputs, kwargs)
        handler = FUNCTIONS.get((np.ufunc, method))
        if handler is None:
            raise unsupported(f"np.{ufunc.__name__}.{method}")
        return handler(recorder_of((*inputs, *(kwargs.get("out") or ()))), ufunc, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        # With ``like=`` NumPy hands over the stand-in that interception put on its module.
        handler = FUNCTIONS.get(func) or FUNCTIONS.get(getattr(func, "__wrapped__", None))
        if handler is None:
            name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
            raise unsupported(name)
        rec = active()
        return handler(self.rec if rec is None else rec, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.varies():
            raise TracedValueError(
                "a traced value would become a plain array here, and its derivative would be lost. "
                "If it is assigned into a plain array from outside, make that array inside of the "
                "function (np.empty). If it is the argument of a function, use NumPy's, which are "
                "recorded (np.array makes an array of a list); give a foreign function its "
                "derivative with ra.primitive; or cut it on purpose with ra.stop_gradient"
            )
        return np.array(self.v, dtype=dtype)

    def _concrete(self, what: str) -> Any:
        """Return the real value for use as a Python integer or truth value."""
        if self.varies():
            top = active()
            (top if top is not None else self.rec).mark_dependent(what)
            self.rec.mark_dependent(what)
        return self.v

    def __bool__(self) -> bool:
        return bool(self._concrete("a branch on a traced value"))

    def __index__(self) -> int:
        return operator.index(self._concrete("a traced integer used as a plain one"))

    def __int__(self) -> int:
        return int(self._concrete("int() of a traced value"))

    def __float__(self) -> float:
        if self.dtype.kind in "biu":
            return float(self._concrete("float() of a traced integer"))
        return float(self._plain("float()"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex()"))

    def _plain(self, what: str) -> Any:
        if self.varies():
            raise TracedValueError(
                f"{what} of a traced value (or a function of math, cmath or C that calls it) loses "
                f"its derivative. Use NumPy's function instead (np.sin for math.sin), or cut it on "
                f"purpose with ra.stop_gradient"
            )
        return self.v

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.v)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self.v)))

    def __repr__(self) -> str:
        return f"Traced({self.v!r})"

    def __format__(self, spec: str) -> str:
        return format(self.v, spec)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        raise TracedValueError("a traced value can't be pickled or sent to another process")

    # -- indexing ------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        v = self.v
        kind = type(index)
        if type(v) is _ndarray:
            if kind is int:
                if v.ndim == 1:
                    return self._element(index, v)
                return _view(self, v[index])
            if kind is slice and _is_plain_slice(index):
                return _sliced(self, (index,), v[index])
            if kind is tuple:
                for k in index:
                    if type(k) is not int:
                        break
                else:
                    if len(index) == v.ndim:
                        return self._element(index, v)
                    return _sliced(self, index, v[index])
                if all(_is_basic(k) for k in index):
                    return _sliced(self, index, v[index])
        return FUNCTIONS["getitem"](self, index)

    def _element(self, index: Any, v: np.ndarray) -> Any:
        rec = self.rec
        if rec.child is not None:
            rec = live(rec)
            return rec_gather_element(rec, self, index, v)
        value = v[index]
        cell = self.cell
        assert cell is not None
        if cell.whole is not None:
            index = index if type(index) is tuple else (index,)
            return Traced.wrap(rec, _view(self, v[(*index, Ellipsis)]).read(), value)
        if self._map is None and cell.root is v:
            source, offset, strides = v.shape, 0, c_strides(v.shape)
        else:
            m = self.map
            source, offset, strides = m.source, m.offset, m.strides
        if type(index) is int:
            offset += (index if index >= 0 else index + v.shape[0]) * strides[0]
        else:
            for k, n, stride in zip(index, v.shape, strides, strict=True):
                offset += (k if k >= 0 else k + n) * stride
        key = (cell.node, offset)
        node = rec.known.get(key)
        if node is None:
            m = _interned(source, offset, (), ())
            node = rec.append(GATHER, (cell.node,), (m,), (), v.dtype, value)
            rec.known[key] = node
        t = _new_traced(Traced)
        t.rec, t.v, t.cell, t._node, t._seen, t._map = rec, value, None, node, node, None
        return t

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(self.v) is np.ndarray and (
            type(index) is int
            or (type(index) is slice and _is_plain_slice(index))
            or (type(index) is tuple and all(_is_basic(k) for k in index))
            or index is Ellipsis
        ):
            if type(index) is not tuple:
                index = (index,)
            if Ellipsis not in [k for k in index if k is Ellipsis]:
                index = (*index, Ellipsis)
            _sliced(self, index, self.v[index]).write(value)
        else:
            FUNCTIONS["setitem"](self, index, value)

    # -- operators -----------------------------------------------------------------------------

    def __neg__(self) -> Any:
        return _unary(operator.neg, np.negative, self)

    def __pos__(self) -> Any:
        return _unary(operator.pos, np.positive, self)

    def __abs__(self) -> Any:
        return _unary(operator.abs, np.absolute, self)

    def __invert__(self) -> Any:
        return _unary(operator.invert, np.invert, self)

    def __pow__(self, other: Any) -> Any:
        return _power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return _power(other, self)

    def __ipow__(self, other: Any) -> Any:
        return _in_place(self, _power(self, other))

    def __matmul__(self, other: Any) -> Any:
        if hasattr(other, "_rmatmul_dispatch"):  # a sparse matrix multiplies from the right itself
            return NotImplemented
        return call_ufunc(np.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Any:
        return call_ufunc(np.matmul, (other, self))

    def __imatmul__(self, other: Any) -> Any:
        return _in_place(self, call_ufunc(np.matmul, (self, other)))

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> Any:
        return int(self) if digits is None else np.round(self, digits)

    # -- attributes and methods ----------------------------------------------------------------

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return self if self.cell is None else _view(self, self.v.T)

    @property
    def mT(self) -> Any:
        """The array with its last two axes exchanged."""
        return _view(self, self.v.mT)

    @property
    def flat(self) -> Any:
        """The array as one axis, written through."""
        found = self.reshape(-1)
        if self.cell is None or found.cell is self.cell:
            return found
        return FUNCTIONS["flat"](self)

    @property
    def real(self) -> Any:
        """The real part; of a complex array a view of it, as in NumPy."""
        return np.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        """The imaginary part; of a complex array a view of it, as in NumPy."""
        return np.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        self.imag[...] = value

    def copy(self, order: str = "C") -> Any:
        """Return a copy."""
        if self.cell is None:
            return self
        return copied(recorder_of((self,)), self, np.array(self.v, order=order, copy=True))  # type: ignore[call-overload]

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Any:
        """Return the elements in another shape; a view where NumPy gives one."""
        if len(shape) == 1:
            shape = shape[0] if not isinstance(shape[0], int) else shape
        return FUNCTIONS[np.reshape](recorder_of((self,)), self, shape, order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes permuted."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
            return np.transpose(self, axes[0])
        return np.transpose(self, axes or None)

    def item(self, *index: Any) -> Any:
        """Return one element, still traced."""
        if index:
            return self[index[0]] if len(index) == 1 and self.ndim == 1 else self[index]
        return self.reshape(-1)[0] if self.ndim else self

    def tolist(self) -> Any:
        """Return the elements as nested lists of traced numbers."""
        return [x.tolist() for x in self] if self.ndim else self

    def fill(self, value: Any) -> None:
        """Assign one value to all elements."""
        self[...] = value

    def view(self, *args: Any) -> Any:
        """Return a view of the same memory."""
        if not args or (args[0] is np.ndarray):
            return _view(self, self.v.view())
        raise unsupported("ndarray.view with another dtype")

    def __getattr__(self, name: str) -> Any:
        function = METHODS.get(name)
        if function is None:
            if name.startswith("_") or not hasattr(np.ndarray, name):
                raise AttributeError(f"a traced array has no attribute {name!r}")
            raise unsupported(f"ndarray.{name}")

        def method(*args: Any, **kwargs: Any) -> Any:
            return function(self, *args, **kwargs)

        return method


METHODS: dict[str, Callable[..., Any]] = {}
"""Methods that are NumPy's function of the array, by name."""


# -- recording operations ----------------------------------------------------------------------


def live(rec: Recorder) -> Recorder:
    """Return the recorder that records now in the place of one that an inner one took over from."""
    while rec.child is not None:
        if rec.child is CLOSED:
            raise leaked()
        rec = rec.child
    return rec


def recorder_of(operands: Any) -> Recorder:
    """Return the recorder that an operation on these operands belongs to."""
    for x in operands:
        if type(x) is Traced:
            return live(x.rec)
    rec = active()
    assert rec is not None
    return rec


def rec_gather_element(rec: Recorder, x: Traced, index: Any, v: np.ndarray) -> Any:
    """Return an element of an array of an outer recording."""
    lifted = Traced.wrap(rec, rec.lift(x), v)
    return lifted[index]


def _refuse_outer_write(rec: Recorder) -> None:
    live(rec)
    raise WriteError(
        "a write into an array that belongs to the function around this one: a step may only "
        "write into its own state and what it made itself. Copy it first, or return the new value"
    )


def _adopt(t: Traced, value: np.ndarray) -> None:
    """Give a result that isn't in C order its cell: the root is the same memory, axes permuted."""
    order = sorted(range(value.ndim), key=lambda d: -value.strides[d])
    root = value.transpose(order)
    rec = t.rec
    rec.layouts = True
    if not root.flags.c_contiguous:
        t.v = value = np.array(value, order="C", copy=True)
        t.cell = Cell(value, value, t._node)
        t._seen = t._node
    else:
        strides = c_strides(value.shape)
        index = _interned(value.shape, 0, root.shape, tuple([strides[d] for d in order]))
        node = rec.append(GATHER, (t._node,), (index,), root.shape, root.dtype, root)
        owner = value if value.base is None else value.base
        t.cell = Cell(root, owner, node)
        t._seen = node
    if rec.keep and rec.values[t._node] is not None:
        t.cell.lies_in(t._node)


def _view(x: Traced, v: Any) -> Any:
    """Return the traced form of what NumPy gave for a view of `x`."""
    if type(v) is not _ndarray:
        raise AssertionError("a view is an array")
    t = _new_traced(Traced)
    t.rec, t.v, t.cell, t._node, t._seen, t._map = x.rec, v, x.cell, -1, -1, None
    return t


def _sliced(x: Traced, index: tuple[Any, ...], v: np.ndarray) -> Any:
    """Return ``x[index]``, a view by a basic index, with its map worked out from that of `x`.

    Asking the arrays for their addresses instead costs several times as much.
    """
    t = _view(x, v)
    cell = x.cell
    if v.size == 0 or cell is None:
        return t
    if x._map is None and x.v is cell.root:
        offset, strides = 0, c_strides(x.v.shape)
    else:
        m = x.map
        offset, strides = m.offset, m.strides
    shape = x.v.shape
    axis = 0
    for part in index:
        if type(part) is slice:
            if part.start is not None or (part.step is not None and part.step < 0):
                offset += part.indices(shape[axis])[0] * strides[axis]
            axis += 1
        elif part is Ellipsis:
            axis = len(shape) - sum(p is not None and p is not Ellipsis for p in index) + axis
        elif part is not None:
            offset += (int(part) if part >= 0 else int(part) + shape[axis]) * strides[axis]
            axis += 1
    size = v.itemsize if cell.whole is None else 2 * v.itemsize
    t._map = _interned(cell.root.shape, offset, v.shape, tuple([s // size for s in v.strides]))
    return t


def part_of(x: Traced, op: Primitive) -> Traced:
    """Return the view of the real or imaginary parts of a complex array."""
    assert x.cell is not None
    t: Traced = _view(x, x.v.real if op is REAL else x.v.imag)
    t.cell = Part(x.cell, op)
    return t


def result(
    rec: Recorder, op: Primitive, args: tuple[int, ...], params: tuple[Any, ...], v: Any
) -> Any:
    """Record an operation whose value is `v` and return it, traced."""
    t = _new_traced(Traced)
    t.rec = rec
    t.v = v
    t._map = None
    if type(v) is _ndarray:
        t._node = t._seen = node = rec.append(op, args, params, v.shape, v.dtype, v)
        if v.flags.c_contiguous:
            base = v.base
            t.cell = cell = Cell(v, v if base is None else base, node)
            if rec.keep and op.reads_result:
                cell.reads = [node]
        else:
            _adopt(t, v)
        return t
    dtype = _PYTHON_DTYPE.get(type(v)) or v.dtype
    t._node = t._seen = rec.append(op, args, params, (), dtype, v)
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


def save_operands(rec: Recorder, operands: Any) -> None:
    """Keep the operands' values for the derivative rules."""
    for x in operands:
        if type(x) is Traced and x.rec is rec:
            x.saved()


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


def call_ufunc(ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """Record a plain call of a ufunc."""
    if len(inputs) == 1 and ufunc.nout == 1:
        (x,) = inputs
        if type(x) is Traced and x.rec.child is None:
            op = elementwise(ufunc)
            node = x.saved() if x.rec.keep and op.reads_operands else x.read()
            return result(x.rec, op, (node,), (), ufunc(x.v))
    elif len(inputs) == 2 and ufunc.nout == 1 and type(inputs[0]) is type(inputs[1]) is Traced:
        a, b = inputs
        if a.rec is b.rec and a.rec.child is None and a.cell is not None is not b.cell:
            if ufunc not in FUNCTIONS:
                op = elementwise(ufunc)
                keep = a.rec.keep and op.reads_operands
                args = (a.saved(), b.saved()) if keep else (a.read(), b.read())
                return result(a.rec, op, args, (), ufunc(a.v, b.v))
    special = FUNCTIONS.get(ufunc)
    if special is not None:
        return special(recorder_of(inputs), *inputs)
    rec = recorder_of(inputs)
    inputs = tuple(_as_array(rec, x) if type(x) in (list, tuple) else x for x in inputs)
    values = [x.v if type(x) is Traced else x for x in inputs]
    value = ufunc(*values)
    op = elementwise(ufunc)
    if rec.keep and op.reads_operands:
        save_operands(rec, inputs)
    return record_value(rec, op, _operands(rec, inputs, ufunc), (), value)


def _operands(rec: Recorder, inputs: Any, ufunc: np.ufunc) -> tuple[int, ...]:
    """Return the nodes of the operands; Python numbers take the dtype that NumPy gives them."""
    strong = [
        x.dtype for x in inputs if type(x) not in _PYTHON and not (type(x) is Traced and x.weak)
    ]
    weak = [x for x in inputs if type(x) in _PYTHON or (type(x) is Traced and x.weak)]
    if strong and weak:
        dtypes = _loop_dtypes(ufunc, tuple(map(_weak_or_dtype, inputs)))
    args = []
    for k, x in enumerate(inputs):
        if type(x) is Traced:
            node = x.read() if x.rec is rec else rec.lift(x)
            args.append(rec.cast(node, dtypes[k]) if strong and x.weak else node)
        elif type(x) in _PYTHON:
            args.append(rec.literal(x, dtypes[k] if strong else _PYTHON_DTYPE[type(x)]))
        else:
            args.append(rec.constant(x))
    return tuple(args)


def _weak_or_dtype(x: Any) -> Any:
    """Return the type of a Python number, the dtype of anything else."""
    value = x.v if type(x) is Traced else x
    return type(value) if type(value) in _PYTHON else value.dtype


@lru_cache(maxsize=4096)
def _loop_dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
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


def _call_ufunc_with(ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record a call of a ufunc with ``out=``, ``where=``, ``dtype=`` or ``casting=``."""
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    casting = kwargs.pop("casting", "same_kind")
    order = kwargs.pop("order", "K")
    kwargs.pop("subok", None)
    if kwargs or order not in "KCA":
        raise unsupported(f"np.{ufunc.__name__} with {', '.join(kwargs) or 'order=' + repr(order)}")
    rec = recorder_of((*inputs, *(out or ())))
    inputs = tuple(_as_array(rec, x) if type(x) in (list, tuple) else x for x in inputs)
    outs = tuple(None if x is None else x.dtype for x in out or (None,) * ufunc.nout)
    dtype = None if dtype is None else np.dtype(dtype)
    _require_casts(ufunc, tuple(map(_weak_or_dtype, inputs)), outs, dtype, casting)
    if dtype is not None:
        inputs = tuple(_astype(rec, x, dtype) for x in inputs)
    if not any(type(x) is Traced for x in inputs):
        value: Any = ufunc(*inputs)
    else:
        value = call_ufunc(ufunc, inputs)
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


def _astype(rec: Recorder, x: Any, dtype: np.dtype[Any]) -> Any:
    if type(x) in _PYTHON:
        return dtype.type(x)
    if type(x) is not Traced:
        return np.asarray(x, dtype)
    if x.dtype == dtype and not x.weak:
        return x
    value = dtype.type(x.v) if x.weak else x.v.astype(dtype)
    return Traced.wrap(rec, rec.cast(x.read() if x.rec is rec else rec.lift(x), dtype), value)


def _unary(function: Callable[[Any], Any], ufunc: np.ufunc, x: Traced) -> Any:
    if x.rec.child is not None or x.dtype.kind == "b":
        return call_ufunc(ufunc, (x,))
    op = elementwise(ufunc)
    node = x.saved() if x.rec.keep and op.reads_operands else x.read()
    return result(x.rec, op, (node,), (), function(x.v))


def _binary(function: Callable[[Any, Any], Any], ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    """Return the operator, its reflected form and its in-place form."""
    op = elementwise(ufunc)
    # x·c and x/c with a number c: the derivative doesn't read x.
    saves_other = op.reads_operands and ufunc not in (np.multiply, np.true_divide)

    def forward(self: Traced, other: Any) -> Any:
        kind: Any = type(other)
        if kind is Traced:
            rec = self.rec
            a, b = self.v, other.v
            if (
                other.rec is rec
                and rec.child is None
                and ((type(a) in _PYTHON) is (type(b) in _PYTHON))
            ):
                if rec.keep and op.reads_operands:
                    return result(rec, op, (self.saved(), other.saved()), (), function(a, b))
                return result(rec, op, (self.read(), other.read()), (), function(a, b))
        elif kind in _PYTHON and self.rec.child is None:
            rec = self.rec
            x = self.v
            v = function(x, other)
            weak = type(x) in _PYTHON
            dtype = _PYTHON_DTYPE[kind] if weak else weak_dtype(x.dtype, kind)
            node = self.saved() if saves_other and rec.keep else self.read()
            return result(rec, op, (node, rec.literal(other, dtype)), (), v)
        return _general(function, ufunc, self, other)

    def reflected(self: Traced, other: Any) -> Any:
        kind: Any = type(other)
        if kind in _PYTHON and self.rec.child is None:
            rec = self.rec
            x = self.v
            v = function(other, x)
            weak = type(x) in _PYTHON
            dtype = _PYTHON_DTYPE[kind] if weak else weak_dtype(x.dtype, kind)
            node = (
                self.saved()
                if op.reads_operands and ufunc is not np.multiply and rec.keep
                else self.read()
            )
            return result(rec, op, (rec.literal(other, dtype), node), (), v)
        return _general(function, ufunc, other, self)

    def in_place(self: Traced, other: Any) -> Any:
        return _in_place(self, forward(self, other))

    return forward, reflected, in_place


def _general(function: Callable[[Any, Any], Any], ufunc: np.ufunc, a: Any, b: Any) -> Any:
    """Record an operator whose operands aren't the common case."""
    for x in (a, b):
        if not (
            type(x) is Traced
            or type(x) in _PYTHON
            or isinstance(x, np.ndarray | np.generic | list | tuple)
        ):
            return NotImplemented
    rec = recorder_of((a, b))
    a, b = (_as_array(rec, x) if type(x) in (list, tuple) else x for x in (a, b))
    value = function(*(x.v if type(x) is Traced else x for x in (a, b)))
    op = elementwise(ufunc)
    if rec.keep and op.reads_operands:
        save_operands(rec, (a, b))
    return result(rec, op, _operands(rec, (a, b), ufunc), (), value)


def _in_place(self: Traced, value: Any) -> Any:
    cell = self.cell
    if value is NotImplemented or cell is None:
        return value
    rec, v = self.rec, self.v
    made, dtype = value.dtype, v.dtype
    if (  # the usual case: an array of the same type, computed a moment ago
        type(value) is Traced
        and value.rec is rec
        and rec.child is None
        and cell.whole is None
        and made is dtype
        and value.v.shape == v.shape
        and v.flags.writeable
    ):
        node = value.read()
        rec.before_write(cell)
        v[...] = value.v
        rec.write(cell, self.map, node)
        self._node, self._seen = node, cell.node
        return self
    if made is not dtype and not np.can_cast(made, dtype, "same_kind"):
        raise TypeError(
            f"cannot cast the result from {value.dtype} to {self.dtype} in place, as in NumPy"
        )
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
    value_x, value_p = (y.v if type(y) is Traced else y for y in (x, p))
    if not all(
        isinstance(v, np.ndarray | np.generic | bool | int | float | complex)
        for v in (value_x, value_p)
    ):
        return NotImplemented
    rec = recorder_of((x, p))
    if isinstance(value_x, np.ndarray) and type(p) in _PYTHON:
        kind: Any = type(p)
        fast = _fast_power(kind, p, value_x.dtype)
        if fast is not None:
            return call_ufunc(fast, (x,))
    value = value_x**value_p
    if rec.keep:
        save_operands(rec, (x, p))
    args = _operands(rec, (x, p), np.power)
    scalar = not isinstance(value, np.ndarray)
    return result(rec, SCALAR_POWER if scalar else elementwise(np.power), args, (), value)


def _as_array(rec: Recorder, x: Any) -> Any:
    return FUNCTIONS["array"](rec, x)


def _is_plain_slice(s: slice) -> bool:
    return (
        (s.start is None or type(s.start) is int)
        and (s.stop is None or type(s.stop) is int)
        and (s.step is None or type(s.step) is int)
    )


def _is_basic(k: Any) -> bool:
    kind = type(k)
    return (
        kind is int
        or k is None
        or k is Ellipsis
        or (kind is slice and _is_plain_slice(k))
        or isinstance(k, np.integer)
        and kind is not Traced
    )


def unsupported(name: str) -> UnsupportedOperationError:
    """Return the error for a function without a rule."""
    return UnsupportedOperationError(
        f"{name} has no rule for traced arrays. Write it with functions that have one, or wrap it "
        f"and give its derivative:\n"
        f"    @ra.primitive\n    def f(x): ...\n    @f.vjp\n    def f_vjp(g, y, x): ..."
    )


def node_and_value(recorder: Recorder, x: Any) -> tuple[int, Any]:
    """Return the node and the real value of an operand: traced, array or number."""
    if type(x) is Traced:
        return (x.read() if x.rec is recorder else recorder.lift(x)), x.v
    if isinstance(x, _ndarray | np.generic):
        return recorder.constant(x), x
    dtype = _PYTHON_DTYPE.get(type(x))
    if dtype is None:
        raise LeafError(f"a value of type {type(x).__name__} can't stand beside traced arrays")
    return recorder.literal(x, dtype), x


def is_traced(x: Any) -> bool:
    """Tell whether a value is traced."""
    return type(x) is Traced


def plain(x: Any) -> Any:
    """Return the real value behind a traced one; anything else as it is."""
    return x.v if type(x) is Traced else x


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
    _f, _r, _i = _binary(_function, _ufunc)
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
    setattr(Traced, f"__{_name}__", _binary(_function, _ufunc)[0])

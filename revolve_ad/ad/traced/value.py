"""The class of traced values: a real NumPy value, and the node that it is on the tape.

Other files of this package give it its operators, indexing and methods.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from revolve_ad.ad.core import FULL, GATHER, elementwise
from revolve_ad.ad.strided import StridedMap, c_strides, known_map
from revolve_ad.ad.traced.caches import looks_for_equality, refuse_comparison, refuse_key
from revolve_ad.ad.traced.callers import library_call
from revolve_ad.ad.traced.dispatch import FUNCTIONS
from revolve_ad.ad.traced.recorder import (
    _PYTHON_DTYPE,
    _SCALAR_DTYPE,
    CLOSED,
    Cell,
    Recorder,
    active,
    leaked,
)
from revolve_ad.errors import LeafError, TracedValueError, UnsupportedOperationError, WriteError

__all__ = [
    "LARGE_BYTES",
    "PYTHON_NUMBERS",
    "Traced",
    "attribute",
    "live",
    "method",
    "node_and_value",
    "recorder_of",
    "refuse_outer_write",
    "unsupported",
]

PYTHON_NUMBERS = frozenset((bool, int, float, complex))

# NumPy's own class: while a recording is open, the name on the module may be a stand-in.
_ndarray = np.ndarray

# What is made again rather than kept, from this size on.
_CHEAP = frozenset(elementwise(f) for f in (np.negative, np.add, np.subtract, np.multiply))
# So many operations at most, for one value.
_MOST_AGAIN = 4
# From this size on it is looked up whether a value is worth keeping.
LARGE_BYTES = 1 << 18

# Made for every operation: without the search for a constructor.
new_traced = object.__new__

_F = TypeVar("_F", bound=Callable[..., Any])


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

    if TYPE_CHECKING:  # from other files of the package

        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

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
        t = new_traced(Traced)
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
                adopt(t, value)
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
        if self.rec.masks:
            FUNCTIONS["settle"](self)
        return np.shape(self.v)

    @shape.setter
    def shape(self, shape: Any) -> None:
        view = FUNCTIONS[np.reshape](recorder_of((self,)), self, shape)
        if view.cell is not self.cell:
            raise AttributeError("this array can't be given another shape without a copy")
        self.v, self._map, self._seen = view.v, None, -1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the value."""
        return _SCALAR_DTYPE.get(type(self.v)) or self.v.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return np.ndim(self.v)

    @property
    def size(self) -> int:
        """Number of elements."""
        if self.rec.masks:
            FUNCTIONS["settle"](self)
        return self.v.size if isinstance(self.v, _ndarray) else 1

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
        if self.rec.masks:
            FUNCTIONS["settle"](self)
        return self.v.strides if isinstance(self.v, np.ndarray) else ()

    @property
    def flags(self) -> Any:
        """Memory layout of the value."""
        return self.v.flags

    @property
    def weak(self) -> bool:
        """Whether it is a Python number, which gives way in type promotion."""
        return type(self.v) in PYTHON_NUMBERS

    # -- its node ------------------------------------------------------------------------------

    @property
    def map(self) -> StridedMap:
        """Which elements of the root it shows."""
        m = self._map
        if m is None:
            m = self._map = self._located()
        return m

    def _located(self) -> StridedMap:
        cell = self.cell
        assert cell is not None
        root, v = cell.root, self.v
        if v is root:
            return known_map(v.shape, 0, v.shape, c_strides(v.shape))
        return cell.locate(v)

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

    def saved(self, *beside: Traced) -> int:
        """Return `read`, after the value was kept for the derivative rules.

        Parameters
        ----------
        *beside : Traced
            The other operands.  If neither they nor this one have a derivative, no rule will ask.
        """
        node = self.read()
        values = self.rec.values
        if values[node] is None and (
            getattr(self.v, "nbytes", 0) < LARGE_BYTES
            or (self._carries(beside) and not self._made_again(node))
        ):
            values[node] = self.v
            if self.cell is not None:
                self.cell.lies_in(node)
        return node

    def _carries(self, beside: Iterable[Traced]) -> bool:
        rec = self.rec
        return rec.carries(self._node) or any(rec.carries(x.read()) for x in beside)

    def _made_again(self, node: int) -> bool:
        """Whether the rules had better compute a value again than read it from memory.

        That of ``-y``, ``0.5 * y`` or ``x * y + 0.5 * z``, where x, y and z are kept and large:
        keeping it takes another pass over memory here and another there, while a block of what is
        computed again stays in the cache.
        """
        nodes, values = self.rec.nodes, self.rec.values
        n_left = _MOST_AGAIN
        pending = [node]
        while pending:
            op, args, *_ = nodes[pending.pop()]
            if op not in _CHEAP or not n_left:
                return False
            n_left -= 1
            pending += [a for a in args if nodes[a].op is not FULL and values[a] is None]
        return True

    def varies(self) -> bool:
        """Whether the value depends on the arguments of the recorded function."""
        return self.rec.varies(self.read())

    def is_needed_traced(self, what: str) -> bool:
        """Tell whether a derivative would be lost if this became plain.

        What is cut off, with ra.stop_gradient, may become plain: the tape then holds for these
        values alone.  Masks and whole numbers stay traced: a plain array indexed by them is
        recorded once the function has been rebound.
        """
        if not self.varies():
            return False
        if self.dtype.kind not in "fc" or self.rec.carries(self.read()):
            return True
        self._concrete(what)
        return False

    def write(self, value: Any, *, where: Any = True) -> None:
        """Assign to all elements."""
        cell = self.cell
        if cell is None:
            raise TypeError("a number can't be assigned to in place")
        rec = self.rec
        if type(value) is Traced and value.cell == cell and value.map is self.map:
            return  # ``a[1:] += x`` ends with the assignment of the view to itself
        if rec.child is not None:
            refuse_outer_write(rec)
        require_writeable(self.v)
        if where is not True:
            value = FUNCTIONS[np.where](rec, where, value, self)
        if type(value) in (list, tuple):
            value = FUNCTIONS["array"](rec, value)
        node, real = node_and_value(rec, value)
        rec.before_write(cell)
        self.v[...] = real
        rec.write(cell, self.map, node)
        kept = rec.nodes[node]
        if kept.shape == self.v.shape and kept.dtype == self.v.dtype:
            self._node, self._seen = node, cell.node

    # -- where it becomes plain ----------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.is_needed_traced("a value without derivative, used as a plain array"):
            raise TracedValueError(
                f"{library_call()}a traced value would become a plain array here, and its "
                f"derivative would be lost. If it is assigned into a plain array from outside, "
                f"make that array inside of the function (np.empty). If it is the argument of a "
                f"function, use NumPy's, which are recorded (np.array makes an array of a list, "
                f"np.asarray(x, np.float64) does what np.float64(x) can't); give a foreign "
                f"function its derivative with ra.primitive; or cut it on purpose with "
                f"ra.stop_gradient"
            )
        if copy or self.cell is None or self.rec.child is CLOSED or dtype not in (None, self.dtype):
            return np.array(self.v, dtype=dtype)
        self.rec.lend(self.cell)
        return self.v  # type: ignore[no-any-return]

    def _concrete(self, what: str) -> Any:
        """Return the real value for use as a Python integer or truth value."""
        if self.varies():
            top = active()
            if top is None or top is self.rec:
                self.rec.mark_dependent(what, (self.read(), self.v))
            else:  # neither tape alone tells when it holds
                top.mark_dependent(what)
                self.rec.mark_dependent(what)
        return self.v

    def __bool__(self) -> bool:
        if self.varies() and looks_for_equality(self.rec, self.read()):
            refuse_comparison()
        return bool(self._concrete("a branch on a traced value"))

    def __index__(self) -> int:
        # An array of floats isn't one, though NumPy 2.0 asks each exponent: that looks at nothing.
        found = operator.index(self.v)
        self._concrete("a traced integer used as a plain one")
        return found

    def __int__(self) -> int:
        return int(self._concrete("int() of a traced value"))

    def __float__(self) -> float:
        if self.dtype.kind in "biu":
            return float(self._concrete("float() of a traced integer"))
        return float(self._plain("float()"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex()"))

    def _plain(self, what: str) -> Any:
        if self.is_needed_traced(f"{what} of a value without derivative"):
            raise TracedValueError(
                f"{library_call()}{what} of a traced value (or a function of math, cmath or C that "
                f"calls it) loses its derivative. Use NumPy's function instead (np.sin for "
                f"math.sin) or an f-string to print it, give what calls it (a root finder) its "
                f"derivative with ra.primitive, or cut it on purpose with ra.stop_gradient"
            )
        return self.v

    # -- Python's protocols --------------------------------------------------------------------

    def __hash__(self) -> int:
        if self.cell is not None:
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if self.dtype.kind in "fc" and self.varies():
            refuse_key(self.rec, self.read())
        return hash(self._concrete("a traced number as a key"))

    def __floor__(self) -> int:
        found: int = math.floor(self._concrete("math.floor of a traced value"))
        return found

    def __ceil__(self) -> int:
        found: int = math.ceil(self._concrete("math.ceil of a traced value"))
        return found

    def __trunc__(self) -> int:
        found: int = math.trunc(self._concrete("math.trunc of a traced value"))
        return found

    def __len__(self) -> int:
        if self.rec.masks:
            FUNCTIONS["settle"](self)
        return len(self.v)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __str__(self) -> str:
        return str(self.v)

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


def method(f: _F) -> _F:
    """Make the decorated function a method of `Traced`."""
    setattr(Traced, f.__name__, f)
    return f


def attribute(f: _F) -> _F:
    """Make the decorated function an attribute of `Traced` that can only be read."""
    setattr(Traced, f.__name__, property(f))
    return f


def adopt(t: Traced, value: np.ndarray) -> None:
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
        index = known_map(value.shape, 0, root.shape, tuple([strides[d] for d in order]))
        node = rec.append(GATHER, (t._node,), (index,), root.shape, root.dtype, root)
        owner = value if value.base is None else value.base
        t.cell = Cell(root, owner, node)
        t._seen = node
    if rec.keep and rec.values[t._node] is not None:
        t.cell.lies_in(t._node)


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


def refuse_outer_write(rec: Recorder) -> None:
    """Raise for a write into an array of the recording around this one."""
    live(rec)
    raise WriteError(
        "a write into an array that belongs to the function around this one: a step may only "
        "write into its own state and what it made itself. Copy it first, or return the new value"
    )


def require_writeable(v: Any) -> None:
    """Refuse a write into memory that may only be read."""
    if not v.flags.writeable:
        raise WriteError(
            "a write into an array that may only be read: a param, an input, or a view that "
            "NumPy makes read-only. Copy it first: a = a.copy()"
        )


def unsupported(name: str) -> UnsupportedOperationError:
    """Return the error for a function without a rule."""
    return UnsupportedOperationError(
        f"{name} has no rule for traced arrays. Write it with functions that have one, or wrap it "
        f"and give its derivative:\n"
        f"    @ra.primitive\n    def f(x): ...\n    @f.vjp\n    def f_vjp(g, y, x): ..."
    )

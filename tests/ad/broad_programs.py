"""Random programs over all that NumPy does with memory and dtypes, and two ways to differentiate.

A program is a list of instructions, drawn once, then played on plain arrays, on traced ones, or by
`slope`, the oracle.  What jumps (masks, integers, the order of a sort) is written down when the
program is played plainly, and given to the oracle, which so sees a smooth function: a complex step
where all numbers are real, differences of sixth order where some are complex.  Single precision is
double precision to the oracle.

An instruction is a name of `OPERATIONS` and its arguments; each has a function that draws the
arguments, given the values so far, and one that plays it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["OPERATIONS", "Drawn", "Player", "Program", "draw", "slope"]

MOST = 48  # elements of an array that instructions make more of
LARGEST = 50.0  # what no element may pass: beyond it differences lose their digits

OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {}
"""How an instruction is drawn, how it is played, how often it comes."""


@dataclass
class Player:
    """How a program is played: what dtypes become, and where decisions come from.

    Attributes
    ----------
    lifted : dtype or None
        What floats are to the oracle; None where dtypes stay.
    decisions : list or None
        What was decided before, in order; None where it is decided now.
    decided : list
        What was decided so far.
    """

    lifted: Any = None
    decisions: list[Any] | None = None
    decided: list[Any] = field(default_factory=list)

    def dtype(self, dtype: Any) -> Any:
        """Return what a dtype of the program is to this player."""
        kind = np.dtype(dtype).kind
        if self.lifted is None or kind not in "fc":
            return np.dtype(dtype)
        return np.dtype(complex) if kind == "c" else np.dtype(self.lifted)

    def decide(self, make: Callable[[], Any]) -> Any:
        """Return what jumps: made now, or as it was the first time."""
        made = make() if self.decisions is None else self.decisions[len(self.decided)]
        self.decided.append(np.array(made))  # what is returned may be written into
        return np.array(made)


class Tracing(Player):
    """A player of traced values: they follow NumPy by themselves."""

    def decide(self, make: Callable[[], Any]) -> Any:
        """Return what NumPy decides."""
        return make()


@dataclass
class Program:
    """Instructions, and the shape and dtype of the argument.

    Attributes
    ----------
    real : bool
        Whether no number of the program is complex.
    single : bool
        Whether some numbers are of single precision.
    """

    shape: tuple[int, ...]
    dtype: Any
    steps: list[tuple[Any, ...]]
    real: bool = True
    single: bool = False

    def __call__(self, x: Any) -> Any:
        """Play the program on traced arrays; returns one number."""
        return self.play(Tracing(), x)

    def play(self, player: Player, x: Any) -> Any:
        """Play the program; returns one number."""
        values = start(player, x, self.shape, self.dtype)
        for name, *args in self.steps:
            OPERATIONS[name][1](player, values, *args)
            if player.lifted is complex:  # a quotient of integers, say
                values = [v.astype(complex) if v.dtype.kind == "f" else v for v in values]
        return total(values, player)


def start(player: Player, x: Any, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """Return the values that a program begins with."""
    return [x * 1, np.ones(shape, player.dtype(dtype))]


def total(values: list[Any], player: Player) -> Any:
    """Return a real number that each element of each value has a part in."""
    found = np.float64(0.0)
    for k, v in enumerate(values):
        if v.dtype.kind == "c" and player.lifted is not complex:
            v = v.real * 0.7 + v.imag * v.imag * 0.3
        if v.dtype.kind != "b":
            v = np.sin(v)
        found = found + np.sum(v * (1 + 0.1 * k)) / (1 + np.size(v))
    return found


@dataclass
class Drawn:
    """A program, an argument, what NumPy gives for it, and what jumped on the way.

    Attributes
    ----------
    slope : float
        The derivative along `direction`, found without the library.
    """

    program: Program
    x: Any
    value: Any
    decisions: list[Any]
    direction: Any

    @property
    def slope(self) -> float:
        return slope(self.program, self.decisions, self.x, self.direction)

    @property
    def tolerance(self) -> float:
        """How far the library may be from `slope`, relative to the sum of the terms."""
        return 2e-3 if self.program.single else 1e-9 if self.program.real else 1e-6


def slope(program: Program, decisions: list[Any], x: Any, direction: Any) -> float:
    """Return the derivative along a direction: by a complex step, or by differences."""
    if program.real:
        moved = x + 1e-30j * direction
        return float(np.imag(program.play(Player(complex, decisions), moved)) / 1e-30)
    h = 5e-4
    wide = np.dtype(complex if np.iscomplexobj(x) else float)

    def at(e: float) -> Any:
        return program.play(Player(float, decisions), (x + e * direction).astype(wide))

    differences = [at(k * h) - at(-k * h) for k in (1, 2, 3)]
    return float((45 * differences[0] - 9 * differences[1] + differences[2]) / (60 * h))


# -- drawing ------------------------------------------------------------------------------------


def draw(rng: np.random.Generator, n_steps: int) -> Drawn:
    """Draw a program of about `n_steps` instructions and its argument, by playing it."""
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4)))
    dtype = np.dtype(rng.choice(["f8", "f8", "f8", "f4", "c16"]))
    reals = rng.random() < 0.6 and dtype.kind != "c"
    x, direction = (
        (
            rng.normal(size=shape) + 1j * rng.normal(size=shape)
            if dtype.kind == "c"
            else rng.normal(size=shape)
        ).astype(dtype)
        for _ in range(2)
    )
    program = Program(shape, dtype, [], dtype.kind != "c", dtype == np.float32)
    player = Player()
    values = start(player, x, shape, dtype)
    names = [name for name, (_, _, often) in OPERATIONS.items() for _ in range(often)]
    limit = 30 * n_steps
    while len(program.steps) < n_steps and (limit := limit - 1):
        name = names[int(rng.integers(len(names)))]
        if reals and name in COMPLEX:
            continue
        args = OPERATIONS[name][0](Drawer(rng, values))
        if args is None:
            continue
        try:
            OPERATIONS[name][1](player, values, *args)
        except (ValueError, IndexError, TypeError, AttributeError):
            fine = False
        else:
            fine = all(map(_tame, values))
        if not fine:
            # Written in part: begin again, with what was drawn so far.
            player = Player()
            values = start(player, x, shape, dtype)
            for done, *given in program.steps:
                OPERATIONS[done][1](player, values, *given)
            continue
        program.steps.append((name, *args))
        program.real &= all(v.dtype.kind != "c" for v in values)
        program.single |= any(v.dtype in (np.float32, np.complex64) for v in values)
    return Drawn(program, x, total(values, player), player.decided, direction)


def _tame(v: Any) -> bool:
    if v.dtype.kind == "c" and np.any(np.abs(v.imag) > 2):  # a sine would be large
        return False
    return v.dtype.kind == "b" or bool(np.all(np.abs(v) < LARGEST))


class Drawer:
    """What draws the arguments of an instruction: chance, and the values so far."""

    def __init__(self, rng: np.random.Generator, values: list[Any]) -> None:
        self.rng, self.values = rng, values

    def chance(self, p: float) -> bool:
        """Return true with probability `p`."""
        return bool(self.rng.random() < p)

    def below(self, n: int, least: int = 0) -> int:
        """Return a whole number from `least` to ``n - 1``."""
        return int(self.rng.integers(least, n))

    def one(self, choices: Any) -> Any:
        """Return one of some choices."""
        return choices[self.below(len(choices))]

    def pick(self, condition: Any = lambda v: True, kinds: str = "fcib") -> int | None:
        """Return the position of a value, one of the latest more often."""
        some = [k for k, v in enumerate(self.values) if v.dtype.kind in kinds and condition(v)]
        if not some:
            return None
        return int(self.one(some[-8:] if self.chance(0.7) else some))

    def array(self, kinds: str = "fcib", condition: Any = lambda v: True) -> int | None:
        """Return the position of an array that isn't large."""
        return self.pick(
            lambda v: isinstance(v, np.ndarray) and v.size <= MOST and condition(v), kinds
        )

    def fitting(self, shape: tuple[int, ...], kinds: str = "fcib") -> int | None:
        """Return the position of a value that can be written into a shape."""
        return self.pick(lambda v: broadcasts(np.shape(v), shape), kinds)

    def index(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """Return a basic index."""
        out: list[Any] = []
        for n in shape:
            kind = self.below(8)
            if kind == 0 and n:
                out.append(self.below(n, -n))
            elif kind == 1:
                out.append(slice(None, None, self.one([-1, 2, -2, 3])))
            elif kind == 2:
                a, b = sorted((self.below(n + 1), self.below(n + 1)))
                out.append(slice(a, b))
            elif kind == 3:
                out.append(self.one([slice(1, None), slice(None, -1), slice(-2, None)]))
            elif kind == 4:
                out.append(slice(n, None, -1))
            elif kind == 5 and self.chance(0.3):
                out += [None, slice(None)]
            else:
                out.append(slice(None))
        if self.chance(0.2):
            out = [*out[: self.below(len(out) + 1)], Ellipsis]
        return tuple(out)

    def places(self, n: int, shape: tuple[int, ...] | None = None) -> Any:
        """Return indices into an axis of length `n`, some of them repeated."""
        return self.rng.integers(-n, n, shape or self.below(4, 1))


def broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Tell whether a shape can be written into another."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def pairs(a: Any, b: Any) -> bool:
    """Tell whether two values broadcast to something that isn't large."""
    try:
        return int(np.prod(np.broadcast_shapes(np.shape(a), np.shape(b)))) <= MOST
    except ValueError:
        return False


def operation(name: str, drawn: Callable[[Drawer], Any], often: int = 1) -> Any:
    """Enter the decorated function as an instruction."""

    def enter(play: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[name] = (drawn, play, often)
        return play

    return enter


def of_array(*more: Callable[[Drawer, Any], Any], kinds: str = "fcib", least: int = 0) -> Any:
    """Draw an array of `least` axes or more, and further arguments that depend on it."""

    def drawn(d: Drawer) -> Any:
        k = d.array(kinds, lambda v: v.ndim >= least)
        if k is None:
            return None
        args = [f(d, d.values[k]) for f in more]
        return None if any(a is None for a in args) else (k, *args)

    return drawn


def an_axis(d: Drawer, v: Any) -> int:
    """Draw an axis."""
    return d.below(v.ndim, -v.ndim)


def some_axes(d: Drawer, v: Any) -> Any:
    """Draw what a reduction goes over, in a tuple."""
    return (d.one([None, *range(v.ndim), tuple(range(v.ndim))]),)


# -- views --------------------------------------------------------------------------------------


@operation("index", of_array(lambda d, v: d.index(v.shape)), 3)
def _index(p: Player, values: list[Any], k: int, index: Any) -> None:
    values.append(values[k][index])


VIEWS: dict[str, Callable[[Any], Any]] = {
    "T": lambda v: v.T,
    "reversed axes": lambda v: v.transpose(*range(v.ndim)[::-1]),
    "ravel": lambda v: v.ravel(),
    "ravel in the other order": lambda v: np.ravel(v, order="F"),
    "ravel as it lies": lambda v: v.ravel(order="K"),
    "flatten": lambda v: v.flatten(),
    "swapaxes": lambda v: v.swapaxes(0, -1),
    "moveaxis": lambda v: np.moveaxis(v, 0, -1),
    "squeeze": np.squeeze,
    "expand_dims": lambda v: np.expand_dims(v, -1),
    "flip": np.flip,
    "flip one": lambda v: np.flip(v, axis=0),
    "rot90": lambda v: np.rot90(v),
    "diagonal": lambda v: v.diagonal(),
    "diagonal above": lambda v: np.diagonal(v, 1, -1, 0),
    "diag": np.diag,
    "broadcast": lambda v: np.broadcast_to(v, (2, *v.shape)),
    "split": lambda v: np.split(v, [1], axis=-1)[0],
    "array_split": lambda v: np.array_split(v, 2)[1],
    "windows": lambda v: np.lib.stride_tricks.sliding_window_view(v, 2, axis=0),
    "atleast_2d": np.atleast_2d,
    "view": lambda v: v.view(),
    "ellipsis": lambda v: v[...],
    "asarray": lambda v: np.asarray(v),
    "ascontiguousarray": lambda v: np.ascontiguousarray(v),
    "copy": lambda v: v.copy(),
    "copy in the other order": lambda v: np.array(v, order="F"),
    "fortran": lambda v: np.asfortranarray(v),
    "roll": lambda v: np.roll(v, 1),
    "tile": lambda v: np.tile(v, 2),
    "repeat": lambda v: np.repeat(v, 2, axis=-1),
    "pad": lambda v: np.pad(v, 1),
    "wrapped": lambda v: np.pad(v, 1, mode="wrap"),
    "triu": np.triu,
    "iterated": lambda v: np.stack([row * 2 for row in v]),
    "unpacked": lambda v: [*v][-1][...],
    "cumsum": lambda v: np.cumsum(v),
    "diff": lambda v: np.diff(v, axis=0),
    "reduced": lambda v: np.add.reduce(v, axis=0)[...],
}


@operation("of one", of_array(lambda d, v: d.one([*VIEWS]), least=1), 6)
def _of_one(p: Player, values: list[Any], k: int, name: str) -> None:
    found = VIEWS[name](values[k])
    if np.size(found) > 2 * MOST:
        raise ValueError("too large")
    values.append(found)


def _a_shape(d: Drawer, v: Any) -> Any:
    n = v.size
    shapes = [(n,), (-1, 1), (1, n)] + [(a, n // a) for a in range(2, n) if n % a == 0]
    return d.one(shapes), d.one(["C", "C", "C", "F", "A"])


@operation("reshape", of_array(_a_shape), 2)
def _reshape(p: Player, values: list[Any], k: int, how: Any) -> None:
    values.append(values[k].reshape(how[0], order=how[1]))


@operation("transpose", of_array(lambda d, v: tuple(map(int, d.rng.permutation(v.ndim)))))
def _transpose(p: Player, values: list[Any], k: int, axes: Any) -> None:
    values.append(np.transpose(values[k], axes))


@operation("real view", of_array(kinds="c"), 2)
def _real_view(p: Player, values: list[Any], k: int) -> None:
    values.append(values[k].real)


@operation("imag view", of_array(kinds="c"), 2)
def _imag_view(p: Player, values: list[Any], k: int) -> None:
    values.append(np.imag(values[k]))


# -- computing ----------------------------------------------------------------------------------

UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": lambda x: np.tanh(0.3 * x),
    "square": lambda x: 0.2 * np.square(x),
    "negative": lambda x: -x,
    "gauss": lambda x: np.exp(-0.01 * x * x),
    "power": lambda x: (3 + np.sin(x)) ** 1.7,
    "reciprocal": lambda x: 1 / (3 + np.cos(x)),
    "arctan": lambda x: np.arctan(0.1 * x),
    "log": lambda x: np.log(3 + np.sin(x)),
    "cube": lambda x: 0.02 * x**3,
    "scaled": lambda x: 0.5 * x - 0.25,
    "two": lambda x: x * 2 + 1,
    "plus": lambda x: +x,
}


@operation("unary", lambda d: (d.one([*UNARY]), d.pick()), 2)
def _unary(p: Player, values: list[Any], name: str, k: int) -> None:
    v = values[k]
    # Many functions of booleans are of half precision.
    values.append(UNARY[name](v * 1 if v.dtype.kind == "b" else v))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a * 1 - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (3 + np.cos(b * 1)),
    "np.add": np.add,
    "hypot": lambda a, b: (1 + a * a * 0.1 + b * b * 0.1) ** 0.5,
}


def _two(d: Drawer) -> Any:
    j = d.pick()
    assert j is not None
    return d.one([*BINARY]), j, d.pick(lambda w: pairs(d.values[j], w))


@operation("binary", _two, 4)
def _binary(p: Player, values: list[Any], name: str, j: int, k: int) -> None:
    values.append(BINARY[name](values[j], values[k]))


def _two_reals(d: Drawer) -> Any:
    j = d.pick(kinds="f")
    if j is None:
        return None
    k = d.pick(lambda w: pairs(d.values[j], w) and not np.any(w == d.values[j]), kinds="fib")
    return None if k is None else (j, k)


@operation("maximum", _two_reals)
def _maximum(p: Player, values: list[Any], j: int, k: int) -> None:
    a, b = values[j], values[k]
    if type(p) is Tracing:
        values.append(np.maximum(a, b)[...])
    else:
        larger = p.decide(lambda: np.real(a) > np.real(b))
        found = np.maximum(a, b)  # it lies in memory as NumPy wants
        np.copyto(found, np.where(larger, a, b))
        values.append(found[...])


@operation("where", lambda d: (m, *_two(d)[1:]) if (m := d.pick(kinds="b")) is not None else None)
def _where(p: Player, values: list[Any], m: int, j: int, k: int) -> None:
    found = np.where(values[m], values[j], values[k])
    if np.size(found) > 2 * MOST:
        raise ValueError("too large")
    values.append(found[...])


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "method": lambda v, axis, keepdims: v.sum(axis=axis, keepdims=keepdims),
    "mean": lambda v, axis, keepdims: v.mean(axis=axis, keepdims=keepdims),
    "product": lambda v, axis, keepdims: np.prod(0.3 * v, axis=axis, keepdims=keepdims),
    "variance": np.var,
}


@operation(
    "reduce", of_array(lambda d, v: d.one([*REDUCTIONS]), some_axes, lambda d, v: d.chance(0.5)), 2
)
def _reduce(p: Player, values: list[Any], k: int, name: str, axes: Any, keep: bool) -> None:
    v = values[k]
    if name == "variance" and p.lifted is complex:  # NumPy's takes the modulus
        v, name = (v - np.mean(v, axis=axes[0], keepdims=True)) ** 2, "mean"
    values.append(REDUCTIONS[name](v, axis=axes[0], keepdims=keep))


def _products(d: Drawer) -> Any:
    j = d.array("fci", lambda v: v.ndim > 0)
    if j is None:
        return None
    n = d.values[j].shape[-1]
    k = d.array("fci", lambda w: w.ndim > 0 and w.shape[-2 if w.ndim > 1 else 0] == n)
    return None if k is None else (j, k, d.chance(0.3))


@operation("matmul", _products)
def _matmul(p: Player, values: list[Any], j: int, k: int, out: bool) -> None:
    a, b = values[j], values[k]
    found = a @ b
    if out and isinstance(found, np.ndarray):
        made = np.empty_like(found)
        np.matmul(a, b, out=made)
        found = made
    values.append(found)


def _alike(d: Drawer, v: Any) -> int | None:
    return d.array(condition=lambda w: w.shape == v.shape)


@operation(
    "join", of_array(_alike, lambda d, v: d.one([np.concatenate, np.stack]), an_axis, least=1)
)
def _join(p: Player, values: list[Any], j: int, k: int, how: Any, axis: int) -> None:
    values.append(how([values[j], values[k], values[j]], axis=axis))


@operation("sorted", of_array(an_axis, lambda d, v: d.chance(0.5), kinds="fi", least=1))
def _sorted(p: Player, values: list[Any], k: int, axis: int, in_place: bool) -> None:
    v = values[k]
    if type(p) is Tracing:
        if in_place:
            v.sort(axis=axis)
        else:
            values.append(np.sort(v, axis))
        return
    order = p.decide(lambda: np.argsort(np.real(v), axis, kind="stable"))
    in_order = np.take_along_axis(v, order, axis)
    # The rank of equal elements is open, and with it which one the derivative belongs to.
    if p.decisions is None and np.any(np.diff(in_order, axis=axis) == 0):
        raise ValueError("equal elements")
    if in_place:
        v[...] = in_order
    else:
        found = np.sort(v, axis)  # it lies in memory as NumPy wants
        found[...] = in_order
        values.append(found)


# -- dtypes -------------------------------------------------------------------------------------


@operation("compare", _two_reals, 2)
def _compare(p: Player, values: list[Any], j: int, k: int) -> None:
    a, b = values[j], values[k]
    values.append(p.decide(lambda: np.real(a) > np.real(b))[...])


@operation("round down", of_array(lambda d, v: d.one(["i8", "i4"]), kinds="f"))
def _round_down(p: Player, values: list[Any], k: int, dtype: str) -> None:
    values.append(p.decide(lambda: np.floor(3 * np.real(values[k])).astype(dtype))[...])


@operation("cast", of_array(lambda d, v: d.one(["f4", "f8", "f8"]), kinds="fib"))
def _cast(p: Player, values: list[Any], k: int, dtype: str) -> None:
    values.append(values[k].astype(p.dtype(dtype)))


INTEGERS: dict[str, Callable[[Any], Any]] = {
    "half": lambda i: i // 2,
    "rest": lambda i: i % 3,
    "bits": lambda i: (i & 3) | 1,
    "shift": lambda i: (i % 5) << 1,
    "absolute": abs,
    "even": lambda i: i % 2 == 0,
    "count": lambda i: np.cumsum(i % 2),
}


@operation("integers", of_array(lambda d, v: d.one([*INTEGERS]), kinds="i"))
def _integers(p: Player, values: list[Any], k: int, name: str) -> None:
    values.append(INTEGERS[name](values[k])[...])


@operation("booleans", of_array(lambda d, v: d.one([*"&|^"]), _alike, kinds="b"))
def _booleans(p: Player, values: list[Any], j: int, name: str, k: int) -> None:
    a, b = values[j], values[k]
    if b.dtype != bool:
        raise TypeError("booleans alone")
    values.append(~a & b if name == "&" else a | b if name == "|" else a ^ b)


@operation("to complex", of_array(lambda d, v: d.chance(0.5), kinds="fib"))
def _to_complex(p: Player, values: list[Any], k: int, cast: bool) -> None:
    v = values[k]
    values.append(v.astype(complex) if cast else v * (0.6 + 0.3j))


OF_COMPLEX: dict[str, Callable[[Any], Any]] = {
    "conjugate": np.conj,
    "absolute": lambda z: np.abs(z + 60),
    "modulus": lambda z: (z * z.conj()).real * 0.1,
    "exponential": lambda z: np.exp(0.05j * z),
    "angle": lambda z: np.angle(z + 60),
}


@operation("of complex", of_array(lambda d, v: d.one([*OF_COMPLEX]), kinds="c"), 2)
def _of_complex(p: Player, values: list[Any], k: int, name: str) -> None:
    values.append(OF_COMPLEX[name](values[k]))


COMPLEX = ("to complex",)  # what makes a program one of complex numbers

# -- writing ------------------------------------------------------------------------------------


def fit(p: Player, target: Any, source: Any) -> Any:
    """Return what is written into an array of whole numbers: that jumps too."""
    if type(p) is Tracing or target.dtype.kind not in "ib" or source.dtype.kind not in "fc":
        return source
    return p.decide(lambda: np.asarray(source).real.astype(target.dtype))


def _target_and_source(d: Drawer) -> Any:
    k = d.array()
    if k is None:
        return None
    v = d.values[k]
    index = d.index(v.shape)
    j = d.fitting(v[index].shape)
    return None if j is None else (k, index, j)


@operation("write", _target_and_source, 4)
def _write(p: Player, values: list[Any], k: int, index: Any, j: int) -> None:
    values[k][index] = fit(p, values[k], values[j])


@operation("write number", of_array(lambda d, v: d.index(v.shape), lambda d, v: d.one([0.75, 2])))
def _write_number(p: Player, values: list[Any], k: int, index: Any, number: Any) -> None:
    values[k][index] = number


@operation("augment", lambda d: (t, d.below(6)) if (t := _target_and_source(d)) else None, 6)
def _augment(p: Player, values: list[Any], at: Any, how: int) -> None:
    k, index, j = at
    v, w = values[k], values[j]
    if how in (2, 3) and w.dtype.kind == "b":
        w = w * 1  # the cosine of a boolean is of half precision
    if how == 0:
        v[index] += w * 2 if w.dtype.kind in "ib" else 0.3 * w
    elif how == 1:
        v[index] -= w
    elif how == 2:
        v[index] *= np.cos(w)
    elif how == 3:
        v[index] /= 3 + np.sin(w)
    elif how == 4:
        v[index] **= 2
    else:
        part = v[index]
        part += w


@operation("augment whole", of_array(lambda d, v: d.below(5)), 2)
def _augment_whole(p: Player, values: list[Any], k: int, how: int) -> None:
    v = values[k]
    if how == 0:
        v += 0.1 * np.sin(v)
    elif how == 1:
        v *= v
    elif how == 2:
        v -= v[::-1]
    elif how == 3:
        v += 1
    else:
        v *= 0.5


def _onto_itself(a: Any, how: int) -> None:
    if how == 0:
        a[1:] += a[:-1]
    elif how == 1:
        a[:-1] = a[1:]
    elif how == 2:
        a[:] = a[::-1]
    elif how == 3:
        a[...] = a.T
    elif how == 4:
        a += a.T
    elif how == 5:
        np.multiply(a[1:], a[:-1], out=a[1:])
    elif how == 6:
        np.add(a, a[::-1], a)
    elif how == 7:
        np.sin(a[::-1], out=a)
    elif how == 8:
        np.copyto(a[1:], a[:-1])
    elif how == 9:
        np.cumsum(a, axis=0, out=a)
    elif how == 10:
        np.subtract(a[..., 1:], a[..., :-1], out=a[..., :-1])
    else:
        a[::2] *= a[0]


@operation("onto itself", of_array(lambda d, v: d.below(12), least=1), 3)
def _overlapping(p: Player, values: list[Any], k: int, how: int) -> None:
    _onto_itself(values[k], how)


def _out(d: Drawer) -> Any:
    k = d.array()
    if k is None:
        return None
    shape = d.values[k].shape
    a, b = d.fitting(shape), d.fitting(shape)
    m = d.fitting(shape, "b") if d.chance(0.5) else None
    return None if a is None or b is None else (k, a, b, d.below(6), m)


@operation("out", _out, 3)
def _into(p: Player, values: list[Any], k: int, a: int, b: int, how: int, m: int | None) -> None:
    out, x, y = values[k], values[a], values[b]
    if m is not None and how < 3:
        (np.add, np.multiply, np.subtract)[how](x, y, out=out, where=values[m])
    elif how == 0:
        np.add(x, y, out=out)
    elif how == 1:
        np.multiply(x, y, out)
    elif how == 2:
        np.cos(x, out=out)
    elif how == 3:
        np.copyto(out, x, where=True if m is None else values[m])
    elif how == 4:
        np.divide(x, 2, out=out)
    elif out.flags.writeable:  # which NumPy doesn't ask
        np.concatenate([x.reshape(-1)[:1].copy()] * out.size, out=out.reshape(-1))
    else:
        raise ValueError("read-only")


@operation("reduce into", of_array(_alike, kinds="fc", least=2))
def _reduce_into(p: Player, values: list[Any], k: int, j: int) -> None:
    values[k].sum(axis=0, out=values[j][0])


@operation("flat", of_array(lambda d, v: d.below(5), lambda d, v: d.fitting((v.size,)), least=1))
def _flat(p: Player, values: list[Any], k: int, how: int, j: int) -> None:
    v, w = values[k], fit(p, values[k], values[j])
    if how == 0:
        v.flat[:] = w.copy()  # NumPy copies one after the other
    elif how == 1:
        v.flat[::2] = 0.5
    elif how == 2:
        v.flat[0] = v.flat[-1]
    elif how == 3:
        values.append(v.flat[1:])
    else:
        v.fill(2)


def _places(d: Drawer) -> Any:
    k = d.array(condition=lambda v: v.ndim > 0 and v.shape[0] > 0)
    if k is None:
        return None
    v = d.values[k]
    index: Any = d.places(v.shape[0])
    kind = d.below(5)
    if kind == 1 and v.ndim > 1 and v.shape[1]:
        index = (index, d.places(v.shape[1], index.shape))
    elif kind == 2 and v.ndim > 1:
        index = (slice(None, None, -1), d.places(v.shape[1]) if v.shape[1] else slice(None))
    elif kind == 3:
        index = (index[:, None], Ellipsis)
    elif kind == 4:
        index = [*map(int, index)]
    j = d.fitting(v[index].shape)
    return None if j is None else (k, index, j)


@operation("fancy read", _places)
def _fancy_read(p: Player, values: list[Any], k: int, index: Any, j: int) -> None:
    values.append(values[k][index][...])


@operation("fancy write", lambda d: (t, d.below(5)) if (t := _places(d)) else None, 4)
def _fancy_write(p: Player, values: list[Any], at: Any, how: int) -> None:
    k, index, j = at
    v, w = values[k], values[j]
    if not v.flags.writeable or (how and v.dtype.kind in "ib" and w.dtype.kind in "fc"):
        raise ValueError("which np.add.at doesn't ask")
    if how == 0:
        v[index] = fit(p, v, w)
    elif how == 1:
        v[index] += w
    elif how == 2:
        np.add.at(v, index, w)
    elif how == 3:
        np.subtract.at(v, index, w)
    else:
        v[index] *= 0.5


@operation(
    "traced places", of_array(lambda d, v: d.fitting((3,), "i"), lambda d, v: d.below(4), least=1)
)
def _traced_places(p: Player, values: list[Any], k: int, j: int, how: int) -> None:
    v = values[k]
    i = values[j] % v.shape[0]
    if how == 0:
        values.append(v[i][...])
    elif how == 1:
        v[i] = v[0] * 2
    elif how == 2:
        if not v.flags.writeable:  # which NumPy doesn't ask
            raise ValueError("read-only")
        np.add.at(v, i, v[0].copy())
    else:
        values.append(np.take(v, i, axis=0)[...])


def _masked(d: Drawer) -> Any:
    k = d.array("fci")
    if k is None:
        return None
    m = d.pick(lambda w: w.shape == d.values[k].shape[: w.ndim] and w.ndim, "b")
    return None if m is None else (k, m, d.below(8))


@operation("masked", _masked, 5)
def _mask(p: Player, values: list[Any], k: int, m: int, how: int) -> None:
    v, mask = values[k], values[m]
    if how == 0:
        v[mask] = 0.25
    elif how == 1:
        v[mask] += v[mask]
    elif how == 2:
        v[mask] *= 2
    elif how == 3:
        v[~mask] = v[~mask] * v[~mask]
    elif how == 4:
        values.append(v[mask])
    elif how == 5:
        np.putmask(v, mask, 0.5)
    elif how == 6:
        values.append(v[mask].sum()[...])
    else:
        v[mask] = v.reshape(-1)[0]


@operation("fill diagonal", of_array(least=2))
def _fill_diagonal(p: Player, values: list[Any], k: int) -> None:
    np.fill_diagonal(values[k], values[k].reshape(-1)[-1])


# -- making -------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "zeros": lambda v, dtype: np.zeros(v.shape, dtype),
    "ones": lambda v, dtype: np.ones(v.shape, dtype),
    "full": lambda v, dtype: np.full(v.shape, 0.5, dtype),
    "zeros_like": lambda v, dtype: np.zeros_like(v),
    "ones_like": lambda v, dtype: np.ones_like(v, dtype=dtype),
    "full_like": lambda v, dtype: np.full_like(v, 1),
    "in the other order": lambda v, dtype: np.zeros(v.shape, dtype, order="F"),
}


def _making(d: Drawer) -> Any:
    found = _target_and_source(d)
    dtypes = ["f8", "f8", "f4", "i8"]
    return None if found is None else (*found, d.one([*MAKERS]), d.one(dtypes))


@operation("make", _making, 2)
def _make(p: Player, values: list[Any], k: int, index: Any, j: int, how: str, dtype: str) -> None:
    made = MAKERS[how](values[k], p.dtype(dtype))
    made[index] = fit(p, made, values[j])
    values.append(made)


@operation("numbers", of_array(lambda d, v: d.below(4), kinds="fci", least=1))
def _numbers(p: Player, values: list[Any], k: int, how: int) -> None:
    a = values[k].reshape(-1)
    if how == 0:
        made = np.array([a[0], a[-1] * 2, 1.5])
    elif how == 1:
        made = np.array([[a[0], 1], [a[-1], a[0] * a[-1] * 0.1]])
    elif how == 2:
        made = np.stack([a[0], a[-1]])
    else:
        made = np.full((2, 2), a[0])
    values.append(made)


@operation("elements", of_array(lambda d, v: d.below(3), kinds="fc", least=1), 2)
def _elements(p: Player, values: list[Any], k: int, how: int) -> None:
    v = values[k]
    if how == 0:
        for i in range(1, v.shape[0]):
            v[i] = 0.5 * v[i - 1] + 0.5 * np.sin(v[i])
    elif how == 1:
        made = np.empty(v.shape[0], v.dtype)
        for i, row in enumerate(v):
            made[i] = np.sum(row) * 0.5
        values.append(made)
    else:
        for i in np.ndindex(v.shape):
            v[i] *= 0.5 + 0.1 * sum(i)


@operation("two buffers", of_array(kinds="fc", least=1))
def _two_buffers(p: Player, values: list[Any], k: int) -> None:
    a, b = values[k], np.zeros_like(values[k])
    for _ in range(3):
        b[1:-1] = 0.25 * (a[2:] + a[:-2]) + 0.5 * a[1:-1]
        b[0] = a[-1]
        a, b = b, a
    values += [a, b]


@operation("swap", lambda d: (d.pick(), d.pick()))
def _swap(p: Player, values: list[Any], a: int, b: int) -> None:
    values[a], values[b] = values[b], values[a]
